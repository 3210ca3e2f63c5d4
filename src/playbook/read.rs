//! Reads a playbook's file, and puts in what it includes.

use super::params::Param;
use super::step::{self, StepNode};
use super::{Playbook, SHIPPED, Step, Written, shipped};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::keys::{Keys, Share};
use crate::model::Failure;
use crate::model::job::OnFailure;
use crate::project::Project;
use crate::setting::{Origin, Setting};
use crate::source::{Data, Node, Source};
use std::path::Path;
use std::sync::Arc;

/// Reads a playbook and those it includes; all that is wrong in them is told.
pub fn playbook(project: &Project, source: &Arc<Source>) -> Result<Playbook, Diagnostics> {
    let mut problems = Diagnostics::default();
    let mut reader = Reader { project, stack: Vec::new(), problems: &mut problems };
    let playbook = reader.playbook(source);
    if let Some(playbook) = &playbook {
        check_names(playbook, &mut problems);
    }
    match playbook {
        Some(playbook) => problems.unless_errors(playbook),
        None => Err(problems),
    }
}

struct Reader<'a> {
    project: &'a Project,
    /// The files being read, each included by the one before it.
    stack: Vec<String>,
    problems: &'a mut Diagnostics,
}

impl Reader<'_> {
    fn playbook(&mut self, source: &Arc<Source>) -> Option<Playbook> {
        let node = self.problems.keep(Node::parse(source))?;
        let mut keys = Keys::of(&node, "a playbook", self.problems);
        let (description, hosts, becomes) =
            (keys.string("description"), keys.string("hosts"), keys.boolean("become"));
        let serial =
            keys.read("serial", "a number of hosts, a string like \"20%\", or a list of them", shares);
        let max_failures = keys.share("max_failures");
        let on_failure =
            keys.read("on_failure", "\"stop\", \"undo\", \"undo_host\" or \"continue\"", |node| {
                match node.as_str()? {
                    "stop" => Some(OnFailure::Stop),
                    "undo" => Some(OnFailure::Undo),
                    "undo_host" => Some(OnFailure::UndoHost),
                    "continue" => Some(OnFailure::Continue),
                    _ => None,
                }
            });
        let (params, vars) = (keys.entries("params"), keys.node("vars"));
        let secrets = keys.node("secrets");
        let lists = ["steps", "handlers", "rescue", "always"].map(|key| keys.list(key));
        keys.finish();
        let mut playbook = Playbook {
            name: Path::new(&source.name).file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            files: vec![Arc::clone(source)],
            description,
            params: params.iter().map(|entry| Param::read(entry, self.problems)).collect(),
            vars: self.variables(vars, secrets),
            hosts,
            becomes,
            serial: serial.unwrap_or_default(),
            max_failures,
            on_failure: on_failure.unwrap_or_default(),
            steps: Vec::new(),
            handlers: Vec::new(),
            rescue: Vec::new(),
            always: Vec::new(),
        };
        self.stack.push(source.name.clone());
        let [steps, handlers, rescue, always] = lists.map(|list| self.steps(list, &mut playbook));
        self.stack.pop();
        playbook.steps = steps;
        playbook.handlers.splice(0..0, handlers);
        (playbook.rescue, playbook.always) = (rescue, always);
        Some(playbook)
    }

    /// What `vars` and `secrets` set.
    fn variables(&mut self, vars: Option<&Node>, secrets: Option<&Node>) -> Vec<Setting> {
        let vars = vars.into_iter().flat_map(|node| Setting::table(node, &Origin::Playbook, self.problems));
        let mut settings: Vec<Setting> = vars.collect();
        if let Some(node) = secrets {
            settings.extend(Setting::secrets(node, &Origin::Playbook, self.problems));
        }
        settings
    }

    /// The steps of a list. What an included playbook declares goes into `playbook`.
    fn steps(&mut self, list: &[Node], playbook: &mut Playbook) -> Vec<Step> {
        let mut steps = Vec::new();
        for node in list {
            match step::read(node, self.problems) {
                Some(StepNode::Step(step)) => steps.push(*step),
                Some(StepNode::Include(include)) => steps.extend(self.include(&include, playbook)),
                None => {}
            }
        }
        steps
    }

    fn include(&mut self, include: &step::Include, playbook: &mut Playbook) -> Vec<Step> {
        let Some(source) = self.included_source(&include.path) else { return Vec::new() };
        let Some(included) = self.playbook(&source) else { return Vec::new() };
        if !included.rescue.is_empty() || !included.always.is_empty() {
            let problem = Diagnostic::error(
                "a playbook that is included cannot have `rescue` or `always`",
                &include.path.place,
            );
            self.problems.push(problem.hint(format!("move its steps to another file than {}", source.name)));
        }
        for mut param in included.params {
            param.required &= include.vars.iter().all(|var| var.name != param.name);
            if playbook.params.iter().all(|known| known.name != param.name) {
                playbook.params.push(param);
            }
        }
        for file in included.files {
            if !playbook.files.contains(&file) {
                playbook.files.push(file);
            }
        }
        let vars: Vec<Setting> = included.vars.into_iter().chain(include.vars.iter().cloned()).collect();
        let with = |step: Step| step.included(include, &vars);
        playbook.handlers.extend(included.handlers.into_iter().map(with));
        included.steps.into_iter().map(with).collect()
    }

    /// The file that an include names, relative to the one it is in.
    fn included_source(&mut self, path: &Written) -> Option<Arc<Source>> {
        let here = &path.place.source.name;
        let folder = Path::new(here).parent().unwrap_or(Path::new(""));
        let read = match here.strip_prefix(SHIPPED) {
            Some(_) => {
                let text = shipped::find(path.text.trim_end_matches(".toml"));
                text.map(|text| Source::new(format!("{SHIPPED}{}", path.text), text))
                    .ok_or_else(|| Failure::new("read it", "it is not shipped"))
            }
            None => self.project.read(&folder.join(&path.text)),
        };
        let problem = match read {
            Ok(source) if !self.stack.contains(&source.name) => return Some(source),
            Ok(_) => Diagnostic::error(
                format!("playbooks include each other: {} → {}", self.stack.join(" → "), path.text),
                &path.place,
            ),
            Err(Failure { why, hint, .. }) => {
                let problem = Diagnostic::error(format!("include `{}`: {why}", path.text), &path.place);
                hint.into_iter().fold(problem, Diagnostic::hint)
            }
        };
        self.problems.push(problem);
        None
    }
}

fn shares(node: &Node) -> Option<Vec<Share>> {
    match &node.data {
        Data::List(list) => list.iter().map(|item| Share::read(&item.value())).collect(),
        _ => Share::read(&node.value()).map(|share| vec![share]),
    }
}

/// Every notified handler must exist, and no two handlers may have one name.
fn check_names(playbook: &Playbook, problems: &mut Diagnostics) {
    let names: Vec<String> = playbook.handlers.iter().map(Step::title).collect();
    for (at, handler) in playbook.handlers.iter().enumerate() {
        match &handler.name {
            None => problems
                .push(Diagnostic::error("a handler needs a `name`, by which it is notified", &handler.place)),
            Some(name) if names[..at].contains(&name.text) => {
                problems
                    .push(Diagnostic::error(format!("two handlers are called `{}`", name.text), &name.place));
            }
            Some(_) => {}
        }
    }
    for notify in
        playbook.all_steps().flat_map(|step| &step.notify).filter(|notify| !names.contains(&notify.text))
    {
        let problem =
            Diagnostic::error(format!("there is no handler called `{}`", notify.text), &notify.place);
        problems.push(problem.nearest(&notify.text, names.iter().map(String::as_str)));
    }
}
