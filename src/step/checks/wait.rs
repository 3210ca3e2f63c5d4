//! A step that runs in the background is waited for.

use crate::model::Result;
use crate::model::op::Plan;
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use serde::Deserialize;

/// Waits for steps that an earlier step with the key `async` has started in the background: the name of one, or a list of
/// names. Each is judged here: it fails, notifies its handlers, and gives its result (`register`) here. When one of them fails,
/// the run fails at this step, after all of them have ended. It waits no longer than the deadline of each.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Wait {
    /// The name of the step.
    One(String),
    /// The names of the steps.
    All(Vec<String>),
}

impl Kind for Wait {
    const NAME: &'static str = "wait";
    const STAYS: Option<&'static str> = Some("what it waits for runs on its own host");
    const WAITS: bool = true;
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "build the assets"
async = "10m"                  # its deadline; the run continues with the next step
command = { argv = ["npm", "run", "build"], directory = "/srv/app" }

[[steps]]
name = "nginx has its site"
file = { path = "/etc/nginx/conf.d/app.conf", content = "server { root /srv/app/dist; }\n" }

[[steps]]
wait = "build the assets"      # it is judged here
"#;
}

impl Step for Wait {
    fn check(&self) -> Result<(), WrongKey> {
        match self {
            Wait::All(names) if names.is_empty() => Err(WrongKey::new("", "it names no step")),
            Wait::One(_) | Wait::All(_) => Ok(()),
        }
    }

    fn plan(&self, _: &dyn Probe) -> Result<Plan> {
        Ok(Plan::nothing())
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::step;
    use serde_json::json;

    #[test]
    fn names_one_step_or_several() {
        assert!(step::parse("wait", &json!("build")).is_ok());
        assert!(step::parse("wait", &json!(["build", "test"])).is_ok());
        let refused = step::parse("wait", &json!([])).err().unwrap().to_string();
        assert_eq!(refused, "read the keys of wait: it names no step");
    }
}
