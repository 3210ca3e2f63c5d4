//! A regular file made from a template.

use crate::model::Result;
use crate::model::mode::Mode;
use crate::model::op::{Content, Plan};
use crate::model::path::HostPath;
use crate::step::{KeyUse, Kind, Step};
use crate::system::Probe;
use crate::wanted;
use serde::Deserialize;

/// Creates a regular file whose content is a rendered template. Missing parent directories are created.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// A template below `templates/` of the project.
    source: String,
    /// Where it is on the host.
    path: HostPath,
    /// Permission bits: `"0644"`.
    mode: Option<Mode>,
    /// User name or id.
    owner: Option<String>,
    /// Group name or id.
    group: Option<String>,
}

impl Kind for Template {
    const NAME: &'static str = "template";
    const KEYS: &'static [(&'static str, KeyUse)] = &[("source", KeyUse::Template)];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the site's nginx configuration"
notify = "reload nginx"
[steps.template]
source = "nginx/site.conf.j2"           # a file below templates/
path = "/etc/nginx/conf.d/site.conf"
mode = "0644"
owner = "root"
group = "root"
"#;
}

impl Step for Template {
    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let meta = wanted::meta(host, self.mode, self.owner.as_deref(), self.group.as_deref())?;
        let content = Content::Bytes(self.source.clone().into_bytes());
        Ok(Plan::of(wanted::file(host, &self.path, content, &meta)?))
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::testing::{apply, host, text};

    #[test]
    fn writes_the_rendered_text() {
        let host = host(&[("/etc/site.conf", "listen 80;\n")]);
        let keys = "path = '/etc/site.conf'\nsource = \"listen 443;\\n\"\nmode = '0600'";
        assert_eq!(apply(&host, "template", keys).unwrap(), "write /etc/site.conf\n");
        assert_eq!(text(&host, "/etc/site.conf"), "listen 443;\n");
    }

    #[test]
    fn never_renders_what_was_rendered() {
        let host = host(&[]);
        apply(&host, "template", "path = '/x'\nsource = '{{ secret }}'").unwrap();
        assert_eq!(text(&host, "/x"), "{{ secret }}");
    }

    #[test]
    fn an_empty_one_makes_an_empty_file() {
        let host = host(&[]);
        assert_eq!(apply(&host, "template", "path = '/x'\nsource = ''").unwrap(), "write /x\n");
        assert_eq!(text(&host, "/x"), "");
    }
}
