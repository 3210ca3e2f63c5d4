//! Every command of the guide and of the how-tos, run as the page has it, in a project and on hosts of the lab.
//! `tests/manual.toml` says what stands for the hosts of a page, which commands are special, and which are not run and why.
#![expect(clippy::disallowed_methods, reason = "a shell reads the commands, as a person's does")]

use crate::stage::markdown::Page;
use crate::stage::{Finished, Host, Lab, Project, finish};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

macro_rules! stages {
    ($($name:ident)*) => {
        const STAGES: &[&str] = &[$(stringify!($name)),*];
        $(#[test] fn $name() { Played::new(stringify!($name)).play() })*
    };
}

stages! {
    install first_five_minutes inventories cloud_inventories connecting playbooks overview check_and_undo records output
    secrets_and_trust checks_and_reports audits schedules backups fix_dns ci overlay deploy migrate nginx_port blue_green
    cleanup provision
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    stage: Vec<Stage>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stage {
    name: String,
    pages: Vec<String>,
    #[serde(default)]
    hosts: BTreeMap<String, String>,
    #[serde(default)]
    inventory: String,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    here: String,
    #[serde(default)]
    there: BTreeMap<String, String>,
    #[serde(default)]
    clean: String,
    #[serde(default)]
    replace: BTreeMap<String, String>,
    #[serde(default)]
    command: Vec<Special>,
}

/// What is special about the commands that start so.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Special {
    starts: String,
    exits: i32,
    answers: String,
    before: String,
    after: String,
    there: String,
    more: String,
    interrupted: bool,
    not_run: String,
}

fn table() -> Vec<Stage> {
    let text = fs::read_to_string("tests/manual.toml").expect("the table is there");
    toml::from_str::<Table>(&text).unwrap_or_else(|error| panic!("tests/manual.toml: {error}")).stage
}

/// What a person types of a page of `docs/`, each with its line: the lines of blocks of `sh`, those that go on joined. A
/// block that is a program counts as one.
fn commands(page: &str) -> Vec<(usize, String)> {
    let mut commands = Vec::new();
    for (first, block) in Page::read(&Path::new("docs").join(format!("{page}.md"))).blocks("sh") {
        if block.starts_with("#!") {
            commands.push((first, block));
            continue;
        }
        let mut open: Option<(usize, String)> = None;
        for (index, line) in block.lines().enumerate() {
            if open.is_none() && (line.trim().is_empty() || line.starts_with('#')) {
                continue;
            }
            let (_, text) = open.get_or_insert_with(|| (first + index, String::new()));
            *text += &format!("{line}\n");
            if !line.ends_with('\\') {
                commands.extend(open.take());
            }
        }
        assert!(open.is_none(), "{page}:{first}: the last command goes on");
    }
    commands
}

/// A stage with its hosts, which are cleaned when it is dropped.
struct Played {
    stage: Stage,
    /// By the lab's names.
    hosts: BTreeMap<String, Host>,
    lab: Lab,
    project: Project,
    /// Where the shell is, and what it exported.
    directory: PathBuf,
    exported: String,
}

impl Drop for Played {
    fn drop(&mut self) {
        self.hosts.values().for_each(|host| drop(host.sh(&self.stage.clean)));
    }
}

impl Played {
    fn new(name: &str) -> Played {
        let stage = table().into_iter().find(|stage| stage.name == name).expect("the table has the stage");
        let lab = Lab::get();
        // In the order of their names, as all tests lock hosts.
        let names: BTreeSet<&String> = stage.hosts.values().collect();
        let hosts = names.into_iter().map(|name| (name.clone(), lab.host(name))).collect();
        let project = Project::without_inventory();
        let directory = project.path().to_path_buf();
        Played { stage, hosts, lab, project, directory, exported: String::new() }
    }

    fn play(mut self) {
        self.project.write("inventories/prod.toml", self.inventory());
        for (name, script) in &self.stage.there {
            self.host(name).must(script);
        }
        self.must(&self.stage.here.clone());
        for page in self.stage.pages.clone() {
            for (line, command) in commands(&page) {
                self.command(&format!("docs/{page}.md:{line}"), &command);
            }
        }
    }

    fn host(&self, name: &str) -> &Host {
        let name = self.stage.hosts.get(name).unwrap_or_else(|| panic!("the stage has no host {name}"));
        &self.hosts[name]
    }

    fn inventory(&self) -> String {
        let (identity, known) = (self.lab.identity(), self.lab.known_hosts());
        let mut text = format!(
            "[ssh]\nuser = \"root\"\nidentity = \"{}\"\nknown_hosts = \"{}\"\n",
            identity.display(),
            known.display()
        );
        for name in self.stage.hosts.keys() {
            writeln!(text, "\n[hosts.{name}]\naddress = \"{}\"", self.host(name).address).unwrap();
        }
        text + "\n" + &self.stage.inventory
    }

    /// Runs one command of a page, unless it is said why not.
    fn command(&mut self, at: &str, command: &str) {
        let ordinary = Special::default();
        let stage = std::mem::take(&mut self.stage.command);
        let special = stage.iter().find(|special| command.starts_with(&special.starts)).unwrap_or(&ordinary);
        if special.not_run.is_empty() {
            self.special(at, command, special);
        }
        self.stage.command = stage;
    }

    fn special(&mut self, at: &str, command: &str, special: &Special) {
        let mut text = command.to_string();
        for (word, instead) in &self.stage.replace {
            text = text.replace(word, instead);
        }
        if !special.more.is_empty() {
            let typed = text.split("  #").next().unwrap_or_default().trim_end();
            text = format!("{typed} {}\n", special.more);
        }
        if !special.there.is_empty() {
            self.hosts.values().next().expect("a host").must(&special.there);
        }
        self.must(&special.before);
        if text.starts_with("export ") {
            self.exported += &text;
        }
        let finished = match special.interrupted {
            true => self.interrupted(&text),
            false => self.shell(&text, &special.answers),
        };
        assert_eq!(finished.code, special.exits, "{at}: `{text}`: {}\n{}", finished.stdout, finished.stderr);
        self.must(&special.after);
    }

    #[track_caller]
    fn must(&mut self, script: &str) {
        let finished = self.shell(script, "");
        assert_eq!(finished.code, 0, "`{script}`: {}\n{}", finished.stdout, finished.stderr);
    }

    /// Runs a line in a shell that goes on where the last one ended.
    fn shell(&mut self, line: &str, answers: &str) -> Finished {
        let input = self.project.path().join("home/answers");
        fs::File::create(&input).and_then(|mut file| file.write_all(answers.as_bytes())).expect("it is ours");
        let ended = self.project.path().join("home/directory");
        let mut command = self.in_shell(&format!("{line}\npwd >'{}'\n", ended.display()));
        command.stdin(fs::File::open(input).expect("it was written"));
        let finished = finish(&mut command);
        if let Ok(directory) = fs::read_to_string(&ended) {
            self.directory = PathBuf::from(directory.trim_end());
        }
        finished
    }

    /// A command that runs until it is ended: Ctrl-C, and another one after each two seconds.
    fn interrupted(&self, line: &str) -> Finished {
        let mut command = self.in_shell(&format!("exec {line}"));
        let mut child = command.stdin(Stdio::null()).spawn().expect("a shell starts");
        let pid = Pid::from_child(&child);
        for _ in 0..10 {
            std::thread::sleep(Duration::from_secs(2));
            if child.try_wait().expect("it is our child").is_some() {
                break;
            }
            kill_process(pid, Signal::INT).expect("it runs");
        }
        let code = child.wait().expect("it is our child").code().unwrap_or(-1);
        Finished { code, stdout: String::new(), stderr: String::new() }
    }

    fn in_shell(&self, script: &str) -> Command {
        const NEWEST: &str = "newest() { windlass runs list | awk '/[0-9] changed/ { print $1; exit }'; }";
        let windlass = self.project.command();
        let program = Path::new(windlass.get_program()).parent().expect("it is a path").display();
        let path = format!("{program}:{}", std::env::var("PATH").unwrap_or_default());
        let script = format!("set -eu\numask 022\nsudo() {{ \"$@\"; }}\n{NEWEST}\n{}{script}", self.exported);
        let mut command = Command::new("sh");
        command.args(["-c", &script]).current_dir(&self.directory);
        for (name, value) in windlass.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.envs(&self.stage.environment).env("PATH", path).env("LAB", &self.lab.folder);
        self.stage.hosts.keys().fold(command, |mut command, name| {
            command.env(name, &self.host(name).address);
            command
        })
    }
}

#[test]
fn every_command_of_the_guide_and_of_the_how_tos_is_run_or_it_is_said_why_not() {
    let table = table();
    let names: Vec<&str> = table.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>(), STAGES.iter().collect(), "stages are tests");
    let played: BTreeSet<String> = table.iter().flat_map(|stage| stage.pages.clone()).collect();
    for directory in ["guide", "how-to"] {
        for entry in fs::read_dir(Path::new("docs").join(directory)).expect("the manual is there") {
            let name = entry.expect("a file").file_name().into_string().expect("a name is text");
            let page = format!("{directory}/{}", name.trim_end_matches(".md"));
            assert!(commands(&page).is_empty() || played.contains(&page), "{page} is on no stage");
        }
    }
    for stage in &table {
        let typed: Vec<String> =
            stage.pages.iter().flat_map(|page| commands(page)).map(|(_, text)| text).collect();
        for Special { starts, .. } in &stage.command {
            let known = typed.iter().any(|command| command.starts_with(starts.as_str()));
            assert!(known, "{}: no command starts with `{starts}`", stage.name);
        }
    }
}
