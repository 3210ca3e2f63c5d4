//! A directory of the host that is to be as one of the controller, and what is there beside it.

use crate::model::mode::Mode;
use crate::model::op::{Op, Plan};
use crate::model::path::HostPath;
use crate::model::tree::pattern::Pattern;
use crate::model::tree::{Inside, Named};
use crate::model::{Failure, Result, Value};
use crate::step::{KeyUse, Kind, Step};
use crate::system::{FileKind, Probe};
use crate::tree::overlay::{Laid, Wish, lay, some_of};
use crate::tree::there::There;
use serde::Deserialize;
use std::collections::BTreeSet;

/// So many paths are given to `register`; `extra_count` counts all.
const LISTED: usize = 1000;

/// Keeps a directory on the host as a directory or archive here, as `overlay` does, and also reports what is there and
/// not in the source. Such files are never deleted: only what windlass put there itself is, once it has left the
/// source.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Sync {
    /// A directory or a tar archive (plain, .gz, .zst): below `files/`, else in the project, else `/…` or `~/…`.
    source: Named,
    /// The directory on the host; it is created when it is missing.
    dest: HostPath,
    /// What of its content is not in the source: `"keep"` (the default) reports it, `"fail"` fails the step before
    /// anything is written.
    #[serde(default)]
    extra: Extra,
    /// What is left out, left alone and not reported, as in `.gitignore`: a name at any depth, or a path from the top.
    #[serde(default)]
    exclude: Vec<Pattern>,
    /// Its name among several overlays of one directory; by default `source` as written.
    layer: Option<String>,
    /// Permission bits of every file, in place of the source's; what may be run there may be run here.
    file_mode: Option<Mode>,
    /// Permission bits of every directory in the source, in place of the source's.
    dir_mode: Option<Mode>,
    /// User name or id of everything in the source.
    owner: Option<String>,
    /// Group name or id of everything in the source.
    group: Option<String>,
}

/// What becomes of a step when something is there that is not in the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum Extra {
    /// It is reported.
    #[default]
    Keep,
    /// The step fails.
    Fail,
}

impl Kind for Sync {
    const NAME: &'static str = "sync";
    const RESULT: &'static [&'static str] = &["extra_count", "extra"];
    const KEYS: &'static [(&'static str, KeyUse)] = &[("source", KeyUse::Tree)];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "nginx's snippets are those of this repository"
register = "snippets"                   # snippets.extra lists what else is there
[steps.sync]
source = "nginx/snippets"
dest = "/etc/nginx/snippets"
extra = "fail"                          # or "keep", the default: it is only reported
exclude = ["*.dpkg-dist"]
layer = "snippets"
file_mode = "0644"
dir_mode = "0755"
owner = "root"
group = "root"
"#;
}

impl Step for Sync {
    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let layer = self.layer.as_deref().unwrap_or(&self.source.source);
        let wish = Wish {
            source: &self.source,
            layer,
            dest: &self.dest,
            exclude: &self.exclude,
            file_mode: self.file_mode,
            dir_mode: self.dir_mode,
            owner: self.owner.as_deref(),
            group: self.group.as_deref(),
            edited: None,
        };
        let laid = lay(host, &wish)?;
        let extra = self.extra(host, &laid, layer)?;
        if self.extra == Extra::Fail && !extra.is_empty() {
            return Err(self.refusal(&laid, &extra));
        }
        let mut plan = laid.plan;
        if !extra.is_empty() {
            plan.notes.push(format!("there and not in the source: {}", some_of(&extra).join(", ")));
        }
        plan.result.insert("extra_count".to_string(), extra.len().into());
        let listed: Vec<Value> = extra.into_iter().take(LISTED).map(Value::String).collect();
        plan.result.insert("extra".to_string(), Value::Array(listed));
        Ok(plan)
    }
}

impl Sync {
    /// What stays there that is neither in the source nor another overlay's; of a directory, only itself.
    fn extra(&self, host: &dyn Probe, laid: &Laid, layer: &str) -> Result<Vec<String>> {
        let removed: BTreeSet<&HostPath> = laid.plan.ops.iter().filter_map(removed).collect();
        let others = |path: &Inside| laid.manifest.entries.get(path).is_some_and(|put| put.layer != layer);
        let known = |path: &Inside| laid.tree.find(path).is_some() || others(path);
        let found = There::new(host, &laid.dest).all(&known)?;
        let is_extra = |path: &Inside| {
            !known(path)
                && !removed.contains(&laid.dest.join(path))
                && !self.exclude.iter().any(|pattern| pattern.matches(path))
        };
        let shown = |(path, stat): (Inside, crate::system::Stat)| {
            if stat.kind == FileKind::Dir { format!("{path}/") } else { path.to_string() }
        };
        Ok(found.into_iter().filter(|(path, _)| is_extra(path)).map(shown).collect())
    }

    fn refusal(&self, laid: &Laid, extra: &[String]) -> Failure {
        let doing = format!("keep {} as {}", laid.dest, self.source.source);
        let why = format!("there and not in the source: {}", some_of(extra).join(", "));
        Failure::new(doing, why).hint(
            "nothing was written; add it to the source, or leave it alone with exclude or extra = \"keep\"",
        )
    }
}

fn removed(op: &Op) -> Option<&HostPath> {
    match op {
        Op::Remove { path } | Op::RemoveEmpty { path } => Some(path),
        _ => None,
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;
    use crate::system::dressed::Dressed;
    use crate::system::pretend::Pretend;
    use crate::testing::{apply, brought, host, parse, tree};
    use expect_test::expect;
    use std::collections::BTreeMap;

    fn extra(host: &Pretend<'_>, keys: &str) -> Result<String> {
        let brought = brought();
        let dressed = Dressed { host, user: None, environment: BTreeMap::new(), brought: &brought };
        parse("sync", keys)?.plan(&dressed).map(|plan| plan.result["extra"].to_string())
    }

    #[test]
    fn what_is_there_besides_is_told_and_stays() {
        let host = host(&[
            ("/d/own", "x"),
            ("/d/sub/own", "x"),
            ("/d/more/a", "x"),
            ("/d/more/b", "x"),
            ("/d/x.log", ""),
        ]);
        let source = tree("app", &[("sub/a", "A")]);
        let keys = format!("source = {source}\ndest = '/d'\nexclude = ['*.log']");
        assert_eq!(apply(&host, "sync", &keys).unwrap(), "write /d/sub/a\n");
        assert_eq!(extra(&host, &keys).unwrap(), r#"["more/","own","sub/own"]"#);
    }

    #[test]
    fn what_another_overlay_put_there_and_what_goes_now_is_no_extra() {
        let host = host(&[]);
        let (base, theme) = (tree("base", &[("a", "A"), ("b", "B")]), tree("theme", &[("t/c", "C")]));
        apply(&host, "sync", &format!("source = {base}\ndest = '/d'")).unwrap();
        apply(&host, "overlay", &format!("source = {theme}\ndest = '/d'")).unwrap();
        let base = tree("base", &[("a", "A")]);
        let keys = format!("source = {base}\ndest = '/d'");
        assert_eq!(extra(&host, &keys).unwrap(), "[]");
        assert_eq!(apply(&host, "sync", &keys).unwrap(), "remove /d/b\n");
        assert_eq!(extra(&host, &keys).unwrap(), "[]");
    }

    #[test]
    fn it_can_be_an_error_before_anything_is_written() {
        let host = host(&[("/d/own", "x")]);
        let source = tree("app", &[("a", "A")]);
        let failure =
            apply(&host, "sync", &format!("source = {source}\ndest = '/d'\nextra = 'fail'")).unwrap_err();
        expect![[r#"
            keep /d as app: there and not in the source: own
              hint: nothing was written; add it to the source, or leave it alone with exclude or extra = "keep""#]]
        .assert_eq(&failure.to_string());
        assert!(host.stat(std::path::Path::new("/d/a")).unwrap().is_none());
    }
}
