//! Conditions, which say true or false. Text that says no counts as true in Jinja, and is refused.

use super::fault::{Fault, Result};
use super::machine::{Machine, path_of};
use super::tree::{Expr, Kind};
use crate::model::evaluated::says_no;

/// Whether an expression holds, by Jinja's rules: empty text, an empty list, 0 and none do not.
pub fn holds(machine: &mut Machine, expr: &Expr) -> Result<bool> {
    match &expr.kind {
        Kind::And(left, right) => Ok(holds(machine, left)? && holds(machine, right)?),
        Kind::Or(left, right) => Ok(holds(machine, left)? || holds(machine, right)?),
        Kind::Not(of) => holds(machine, of).map(|holds| !holds),
        _ => {
            let value = machine.eval(expr)?;
            match value.as_text().filter(|text| says_no(text)) {
                Some(text) => Err(refused(expr, text).at(None, expr.range.clone())),
                None => value.truth(),
            }
        }
    }
}

fn refused(expr: &Expr, text: &str) -> Fault {
    let path = path_of(expr);
    let (what, write) = match path.is_empty() {
        true => ("a condition".to_string(), "`| bool` behind it".to_string()),
        false => (format!("`{path}`"), format!("`{path} | bool`")),
    };
    let fault = Fault::new(format!("{what} is the text {text:?}, which counts as true"));
    fault.hint(format!("write {write}, or give it false, which is no text"))
}
