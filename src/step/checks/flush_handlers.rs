//! Handlers before the end of a run.

use crate::model::Result;
use crate::model::op::Plan;
use crate::step::{Kind, Step};
use crate::system::Probe;
use serde::Deserialize;

/// Runs the handlers that were notified so far, now instead of at the end of the run. Each runs again at the end when a later
/// step notifies it. A handler that fails fails this step's host. What runs in the background (`async`) is waited for before.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FlushHandlers {}

impl Kind for FlushHandlers {
    const NAME: &'static str = "flush_handlers";
    const STAYS: Option<&'static str> = Some("handlers run on the host that has been changed");
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "nginx has its new configuration before the site is tried"
flush_handlers = {}
"#;
}

impl Step for FlushHandlers {
    fn plan(&self, _: &dyn Probe) -> Result<Plan> {
        Ok(Plan::nothing())
    }

    fn flushes(&self) -> bool {
        true
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::testing::{host, parse, planned};

    #[test]
    fn changes_nothing_itself() {
        assert_eq!(planned(&host(&[]), "flush_handlers", "").unwrap(), "");
        assert!(parse("flush_handlers", "").unwrap().flushes());
        assert!(parse("flush_handlers", "name = 'x'").is_err());
    }
}
