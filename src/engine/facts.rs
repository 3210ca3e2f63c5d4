//! Facts.
use crate::model::{Result, Value};
use crate::system::Probe;
/// Names.
pub fn names() -> &'static [&'static str] {
    &[]
}
/// Read.
pub fn read(_: &str, _: &dyn Probe) -> Option<Result<Value>> {
    None
}
