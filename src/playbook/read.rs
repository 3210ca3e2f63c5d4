//! Reads a playbook's file, and puts in what it includes.

use super::background;
use super::block::{self, Block};
use super::params::Param;
use super::play_node::{PlayNode, batches};
use super::step::{self, StepNode};
use super::{Playbook, SHIPPED, Step, Written, ansible, check, role, shipped};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::keys::Keys;
use crate::model::job::{BlockPart, OnFailure};
use crate::model::{Failure, Value};
use crate::project::Project;
use crate::setting::{Origin, Setting};
use crate::source::{Node, Place, Source};
use crate::step::KeyUse;
use crate::template::{is_function, is_plain};
use std::path::Path;
use std::sync::Arc;

/// Reads a playbook and those it includes; all that is wrong in them is reported.
pub fn playbook(project: &Project, source: &Arc<Source>) -> Result<Playbook, Diagnostics> {
    let mut problems = Diagnostics::default();
    let mut reader = Reader { project, stack: Vec::new(), groups: 0, problems: &mut problems };
    let playbook = reader.playbook(source);
    if let Some(playbook) = &playbook {
        check_names(playbook, &mut problems);
        check_listeners(playbook, &mut problems);
        check_once(playbook, &mut problems);
        check_on(playbook, &mut problems);
        background::check(playbook, &mut problems);
        if problems.is_empty() && playbook.all_steps().next().is_none() {
            let problem = Diagnostic::error("this playbook has no steps", &Place::whole(source));
            problems.push(problem.hint("give it [[steps]]; `windlass steps` lists what a step can do"));
        }
    }
    match playbook {
        Some(playbook) => problems.unless_errors(playbook),
        None => Err(problems),
    }
}

/// Keys that belong into a play where there are several.
const OF_ONE_PLAY: &[&str] = &["hosts", "serial", "steps", "handlers", "rescue", "always"];

struct Reader<'a> {
    project: &'a Project,
    /// The files being read, each included by the one before it.
    stack: Vec<String>,
    /// How many includes and blocks were read.
    groups: u32,
    problems: &'a mut Diagnostics,
}

impl Reader<'_> {
    fn playbook(&mut self, source: &Arc<Source>) -> Option<Playbook> {
        let node = match Node::parse(source) {
            Ok(node) => node,
            Err(problems) => {
                let named = wrong_tables(source, self.problems);
                // Tables below a list with another name stand twice because of that name.
                let follows = |problem: &&Diagnostic| named && problem.message.contains("duplicate key");
                problems
                    .iter()
                    .filter(|problem| !follows(problem))
                    .for_each(|problem| self.problems.push(problem.clone()));
                return None;
            }
        };
        let mut keys = Keys::of(&node, "a playbook", self.problems);
        let (description, hosts, becomes) =
            (keys.string("description"), step::hosts(&mut keys), keys.boolean("become"));
        let (serial, max_failures) = batches(&mut keys);
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
        let plays = keys.list("plays");
        if !plays.is_empty() {
            for key in OF_ONE_PLAY {
                let Some(node) = keys.node(key) else { continue };
                let problem = Diagnostic::error(format!("`{key}` beside `plays`"), &node.place);
                keys.problem(problem.hint(format!("move `{key}` into a play: each has its own")));
            }
        }
        keys.finish_with(ansible::of_playbook);
        let mut playbook = Playbook {
            name: Path::new(&source.name).file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            files: vec![Arc::clone(source)],
            description,
            params: params.iter().map(|entry| Param::read(entry, self.problems)).collect(),
            vars: self.variables(vars, secrets),
            hosts,
            becomes,
            serial,
            max_failures,
            on_failure: on_failure.unwrap_or_default(),
            plays: Vec::new(),
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
        self.stack.push(source.name.clone());
        plays.iter().for_each(|node| self.play(node, &mut playbook));
        self.stack.pop();
        Some(playbook)
    }

    /// One of `[[plays]]`: its steps go to those of the playbook.
    fn play(&mut self, node: &Node, playbook: &mut Playbook) {
        let number = playbook.plays.len() as u32;
        let Some(head) = PlayNode::read(node, playbook, self.problems) else { return };
        let mut own = Vec::new();
        std::mem::swap(&mut own, &mut playbook.handlers);
        let [steps, handlers, rescue, always] = head.lists.map(|list| self.steps(list, playbook));
        if steps.is_empty() && self.problems.is_empty() {
            let problem = Diagnostic::error("this play has no steps", &head.play.place);
            self.problems
                .push(problem.hint("give it [[plays.steps]]; `windlass steps` lists what a step can do"));
        }
        let included = std::mem::replace(&mut playbook.handlers, own);
        let of_play = |step: Step| {
            let mut step = Step { play: number, ..step };
            step.rounds_mut().for_each(|round| round.outer_vars += head.vars.len());
            step.vars.splice(0..0, head.vars.iter().cloned());
            step.tags.extend(head.tags.iter().cloned());
            step
        };
        playbook.steps.extend(steps.into_iter().map(of_play));
        playbook.handlers.extend(handlers.into_iter().chain(included).map(of_play));
        playbook.rescue.extend(rescue.into_iter().map(of_play));
        playbook.always.extend(always.into_iter().map(of_play));
        playbook.plays.push(head.play);
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
            if block::is_block(node) {
                let block = block::read(node, self.problems);
                steps.extend(self.block(&block, playbook));
                continue;
            }
            match step::read(node, self.problems) {
                Some(StepNode::Step(step)) => steps.push(*step),
                Some(StepNode::Include(include)) => steps.extend(self.include(&include, playbook)),
                None => {}
            }
        }
        steps
    }

    fn next_group(&mut self) -> u32 {
        self.groups += 1;
        self.groups
    }

    fn block(&mut self, block: &Block, playbook: &mut Playbook) -> Vec<Step> {
        let number = self.next_group();
        let mut steps = Vec::new();
        for (part, list) in &block.parts {
            let place = block.place(number, *part);
            steps.extend(self.steps(list, playbook).into_iter().map(|step| block.step(step, number, place)));
        }
        steps
    }

    fn include(&mut self, include: &step::Include, playbook: &mut Playbook) -> Vec<Step> {
        let role = match include.is_role {
            true => match role::find(self.project, &include.path, self.problems) {
                Some(role) if !self.stack.contains(&role.steps.name) => Some(role),
                Some(_) => {
                    let message = format!("the role `{}` takes in itself", include.path.text);
                    self.problems.push(Diagnostic::error(message, &include.path.place));
                    return Vec::new();
                }
                None => return Vec::new(),
            },
            false => None,
        };
        let source = match &role {
            Some(role) => Some(Arc::clone(&role.steps)),
            None => self.included_source(&include.path),
        };
        let Some(source) = source else { return Vec::new() };
        let Some(mut included) = self.playbook(&source) else { return Vec::new() };
        if let Some(handlers) = role.as_ref().and_then(|role| role.handlers.as_ref()) {
            self.add_handlers(handlers, &mut included);
        }
        if let Some(role) = &role {
            let own = |list: &mut Vec<Step>| {
                let steps = std::mem::take(list);
                *list = steps.into_iter().map(|step| role.step(step, self.project)).collect();
            };
            [&mut included.steps, &mut included.handlers].into_iter().for_each(own);
        }
        if let Some(play) = included.plays.first() {
            let problem =
                Diagnostic::error("a playbook with `plays` cannot be included", &include.path.place);
            let label = format!("{} has them, {}", source.name, play.place);
            self.problems.push(problem.label(label).hint("include the files that its plays are made of"));
            return Vec::new();
        }
        if !included.rescue.is_empty() || !included.always.is_empty() {
            let problem = Diagnostic::error(
                "a playbook that is included cannot have `rescue` or `always`",
                &include.path.place,
            );
            self.problems.push(problem.hint(format!("move its steps to another file than {}", source.name)));
        }
        check_given(self.project, include, &included, self.problems);
        let params = included.params.clone();
        for mut param in included.params {
            param.required &= include.vars.iter().all(|var| var.name != param.name);
            param.included = true;
            match playbook.params.iter_mut().find(|known| known.place == param.place) {
                Some(known) => known.required |= param.required,
                None => playbook.params.push(param),
            }
        }
        for file in included.files {
            if !playbook.files.contains(&file) {
                playbook.files.push(file);
            }
        }
        let vars: Vec<Setting> = included.vars.into_iter().chain(include.vars.iter().cloned()).collect();
        let number = self.next_group();
        let with = |step: Step| step.included(include, number, &vars, &params);
        for handler in included.handlers.into_iter().map(with) {
            // What is taken in twice with the same values has one handler.
            if playbook.handlers.iter().all(|known| !is_same(known, &handler)) {
                playbook.handlers.push(handler);
            }
        }
        included.steps.into_iter().map(with).collect()
    }

    /// The handlers of a role's `handlers.toml`.
    fn add_handlers(&mut self, source: &Arc<Source>, included: &mut Playbook) {
        let Some(mut more) = self.playbook(source) else { return };
        if let Some(step) = more.steps.first() {
            let problem = Diagnostic::error("handlers.toml of a role has no steps", &step.place);
            self.problems.push(problem.hint("write [[handlers]], and the steps into steps.toml"));
        }
        included.handlers.append(&mut more.handlers);
        included.files.append(&mut more.files);
    }

    /// The playbooks in a folder of the project beside the one that is read.
    fn beside(&self, folder: &Path, here: &str) -> Vec<String> {
        let files = self.project.files(&folder.to_string_lossy(), false).unwrap_or_default();
        let others = files.iter().filter(|path| !path.ends_with(here));
        let names =
            others.filter_map(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
        names.filter(|name| name.ends_with(".toml")).collect()
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
                match hint {
                    Some(hint) => problem.hint(hint),
                    None => problem.nearest(&path.text, self.beside(folder, here).iter().map(String::as_str)),
                }
            }
        };
        self.problems.push(problem);
        None
    }
}

/// Shows lists of tables that have Ansible's names; returns whether there are some.
fn wrong_tables(source: &Arc<Source>, problems: &mut Diagnostics) -> bool {
    let before = problems.errors();
    let mut at = 0;
    for line in source.text.split_inclusive('\n') {
        let name = line.trim().strip_prefix("[[").and_then(|rest| rest.strip_suffix("]]"));
        if let Some((name, hint)) = name.and_then(|name| Some((name, ansible::of_playbook(name)?))) {
            let start = at + line.find(name).unwrap_or(0);
            let place = Place { source: Arc::clone(source), span: start..start + name.len() };
            problems.push(Diagnostic::error(format!("unknown key `{name}`"), &place).hint(hint));
        }
        at += line.len();
    }
    problems.errors() > before
}

/// Whether it is one handler, with the same values.
fn is_same(one: &Step, other: &Step) -> bool {
    let values = |step: &Step| -> Vec<(String, Value)> {
        step.vars.iter().map(|setting| (setting.name.clone(), setting.value.clone())).collect()
    };
    let in_loop = |step: &Step| step.rounds().next().is_some();
    one.place == other.place && values(one) == values(other) && !in_loop(one) && !in_loop(other)
}

/// What an include gives must be something that the included playbook knows, and fit the param that it is.
fn check_given(project: &Project, include: &step::Include, included: &Playbook, problems: &mut Diagnostics) {
    let (known, open) = check::names_with_templates(project, included);
    for var in &include.vars {
        let param = included.params.iter().find(|param| param.name == var.name);
        let is_literal = var.value.as_str().is_none_or(is_plain);
        match param {
            Some(param) if is_literal && !matches!(var.value, Value::Array(_) | Value::Object(_)) => {
                if let Err(why) = param.fitted(&var.value, None) {
                    problems.push(
                        Diagnostic::error(why, &var.place).label(format!("a param of {}", included.name)),
                    );
                }
            }
            None if !open && !known.contains(&var.name) => {
                let message = format!("the playbook {} has no variable `{}`", included.name, var.name);
                let names = known.iter().map(String::as_str).filter(|name| !is_function(name));
                problems.push(Diagnostic::error(message, &var.place).nearest(&var.name, names));
            }
            _ => {}
        }
    }
}

/// Whether a handler or a step of `rescue` runs depends on its host, so that one host cannot run it for all.
fn check_once(playbook: &Playbook, problems: &mut Diagnostics) {
    for (steps, what) in [(&playbook.handlers, "a handler"), (&playbook.rescue, "a step of `rescue`")] {
        for step in steps.iter().filter(|step| step.run_once) {
            let problem = Diagnostic::error(format!("{what} cannot have `run_once`"), &step.place);
            problems.push(problem.hint("each host decides by itself whether it runs"));
        }
    }
    let in_rescue = |step: &&Step| step.blocks.iter().any(|at| at.part == BlockPart::Rescue);
    for step in playbook.steps.iter().chain(&playbook.always).filter(in_rescue).filter(|step| step.run_once) {
        let problem = Diagnostic::error("a step of `rescue` cannot have `run_once`", &step.place);
        problems.push(problem.hint("each host decides by itself whether it runs"));
    }
    for step in playbook.handlers.iter().filter(|step| !step.blocks.is_empty()) {
        let problem =
            Diagnostic::error("a handler cannot be in a block with `rescue` or `always`", &step.place);
        problems.push(problem.hint("handlers are run one by one, each when it is notified"));
    }
}

/// What some kinds do belongs to their own host.
fn check_on(playbook: &Playbook, problems: &mut Diagnostics) {
    for step in playbook.all_steps() {
        let parses = step.kind.keys.iter().any(|(_, key_use)| *key_use == KeyUse::Javascript);
        let alone = step.kind.stays.or(parses.then_some("it reads source code of its own host"));
        if let (Some(on), Some(why)) = (&step.on, alone) {
            let message = format!("`{}` cannot be run on another host: {why}", step.kind.name);
            problems.push(
                Diagnostic::error(message, &on.place)
                    .hint("leave `on` out, or give the other host a play of its own"),
            );
        }
    }
}

/// Only handlers listen to topics.
fn check_listeners(playbook: &Playbook, problems: &mut Diagnostics) {
    let others = playbook.steps.iter().chain(&playbook.rescue).chain(&playbook.always);
    for topic in others.flat_map(|step| &step.listen) {
        let problem = Diagnostic::error("only a handler has `listen`", &topic.place);
        problems.push(problem.hint("write notify = \"NAME\" to have a handler run"));
    }
}

/// Every notified handler must exist, and no two handlers may have one name.
fn check_names(playbook: &Playbook, problems: &mut Diagnostics) {
    for (at, handler) in playbook.handlers.iter().enumerate() {
        // What is included several times has its handlers for each time.
        let others = playbook.handlers[..at]
            .iter()
            .filter(|other| other.play == handler.play && other.place != handler.place);
        let taken = |name: &Written| others.clone().any(|other| other.title() == name.text);
        match &handler.name {
            None => problems
                .push(Diagnostic::error("a handler needs a `name`, by which it is notified", &handler.place)),
            Some(name) if taken(name) => {
                problems
                    .push(Diagnostic::error(format!("two handlers are called `{}`", name.text), &name.place));
            }
            Some(_) => {}
        }
    }
    for step in playbook.all_steps() {
        check_notified(playbook, step, problems);
    }
}

/// A step notifies handlers of its own play, by their names or topics.
fn check_notified(playbook: &Playbook, step: &Step, problems: &mut Diagnostics) {
    let own = || playbook.handlers.iter().filter(|handler| handler.play == step.play);
    let topics = own().flat_map(|handler| &handler.listen).map(|topic| topic.text.clone());
    let names: Vec<String> = own().map(Step::title).chain(topics).collect();
    for notify in step.notify.iter().filter(|notify| !names.contains(&notify.text)) {
        let problem =
            Diagnostic::error(format!("there is no handler called `{}`", notify.text), &notify.place);
        let elsewhere = playbook.handlers.iter().any(|handler| handler.title() == notify.text);
        problems.push(match elsewhere {
            _ if !is_plain(&notify.text) => {
                problem.hint("`notify` has names as they are written: list the handlers that may be meant")
            }
            true => problem.hint("a handler of another play has this name: give this play its own"),
            false => problem.nearest(&notify.text, names.iter().map(String::as_str)),
        });
    }
}
