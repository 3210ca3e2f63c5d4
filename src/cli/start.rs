//! From what was typed to a run: project, inventory, hosts, jobs, and the record that comes first.

mod asking;
mod choose;
mod controller;
mod grouping;
mod host;
mod passwords;
mod serving;

use super::options::Options;
use super::request::{Assignment, Request, Spread};
use super::{Done, Global, Stop, printed, prompt, store};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::engine;
use crate::inventory::{CONTROLLER, Host};
use crate::model::duration::TimeSpan;
use crate::model::host::SshSettings;
use crate::model::job::{Envelope, Job, Mode, RunId};
use crate::model::run::{RunIntent, now};
use crate::model::{Failure, Values};
use crate::render::contents::Contents;
use crate::render::facts_of_others;
use crate::render::{self, Rendered, Renderer};
use crate::report;
use crate::report::transfers::Transfers;
use crate::run::backups::Stores;
use crate::run::session::{self, Session};
use crate::run::tools::Destinations;
use crate::run::{self, Task, Work, assets};
use crate::setting::Setting;
use crate::ssh::{Shared, Target, explain};
use crate::variables;
use asking::{Asking, Facts};
use choose::with_plays;
pub use choose::{Chosen, choose, choose_for, choose_in, list_hosts};
use host::{Login, Reveal};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a host is waited for that another run is changing: most runs are over by then.
const WAIT: Duration = Duration::from_secs(30);

/// Where files of hosts are kept, below the project.
const FETCHED: &str = "fetched";

/// Runs what is requested on the chosen hosts.
pub fn run(request: Request, chosen: &Chosen, options: &Options, global: &Global) -> Done {
    Ok(session::execute(session(request, chosen, options, global)?, store(global)?)?)
}

/// Prepares what is requested on the chosen hosts.
pub fn session(
    request: Request,
    chosen: &Chosen,
    options: &Options,
    global: &Global,
) -> Result<Session, Stop> {
    chosen.inventory.check_reachable(chosen.names.iter().map(String::as_str))?;
    let shown = &options.printed;
    let output = shown.wanted(chosen.names.len(), global)?;
    let file = shown.report_file()?;
    let command_line = variables::from_command_line(&options.vars, &chosen.project)?;
    let asking = Asking::new(chosen, options)?;
    let grouped = match &request.assignment {
        Assignment::Playbook(playbook, selection) => {
            grouping::grouped(playbook, selection, &command_line, &asking)?
        }
        _ => None,
    };
    let none = Facts::new();
    let (chosen, facts) = match &grouped {
        Some(grouped) => (&grouped.chosen, &grouped.facts),
        None => (chosen, &none),
    };
    let config = &chosen.project.config;
    let timeout =
        options.reach.timeout.as_deref().map(|text| time("--timeout", text)).transpose()?.or(config.timeout);
    // As notes among the events they are shown on standard error too.
    if global.format() != report::Format::Jsonl {
        global.warn(&chosen.inventory.warnings);
    }
    let asking = Asking { chosen, ..asking };
    let request = with_plays(request, chosen)?;
    let mut prepared = prepare(&request, &asking, &command_line, facts)?;
    let Spread { serial, max_failures, on_failure, stages, .. } = request.spread.clone();
    let stages = serving::stages(&prepared.work, stages, &request.name, &serial, max_failures);
    run::plays::check(&prepared.work, &stages).map_err(Stop::misused)?;
    if global.verbosity() == report::Verbosity::Verbose {
        let targets = prepared.work.iter().map(|work| &work.target);
        explain::notes(targets).iter().for_each(|note| eprintln!("note: {note}"));
    }
    let forks = asking.forks();
    let steps = printed::steps_of_each(&prepared.work);
    printed::ask(&mut prepared.work, output);
    Ok(Session {
        asks: request.asks.then_some(prompt::line),
        intent: intent(request, chosen, options, asking.run, &prepared),
        options: run::Options { forks, serial, max_failures, on_failure, stages },
        destinations: Destinations {
            fetched: chosen.project.root.join(FETCHED),
            stores: Arc::new(stores(&prepared.work, chosen)?),
        },
        timeout,
        asks_for_changes: options.exit_code,
        work: prepared.work,
        notes: notes(chosen, global).into_iter().chain(serving::note(&prepared.added)).collect(),
        secrets: prepared.secrets,
        report: report::Options {
            format: global.format(),
            view: global.view(options.diff),
            progress: global.progress(),
            live: shown.is_live(chosen.names.len(), global),
            steps,
            file,
            transfers: Transfers::default(),
        },
        output,
        output_files: shown.files()?,
        shared: shared(prepared.login_password),
        heard: None,
        only_when_refused: false,
    })
}

/// Warnings of the inventory for programs; people have them on standard error already.
fn notes(chosen: &Chosen, global: &Global) -> Vec<String> {
    let warnings = &chosen.inventory.warnings;
    let note = |problem: &Diagnostic| match &problem.place {
        Some(place) => format!("{place}: {}", problem.message),
        None => problem.message.clone(),
    };
    match global.format() {
        report::Format::Jsonl => warnings.iter().map(note).collect(),
        _ => Vec::new(),
    }
}

/// The stores that backups of this run go to.
fn stores(work: &[Work], chosen: &Chosen) -> Result<Stores, Stop> {
    let mut stores = Stores::default();
    for work in work {
        if let Task::Job(job, _) = &work.task {
            stores.add(&job.work, &|name| chosen.project.store(name)).map_err(Stop::misused)?;
        }
    }
    Ok(stores)
}

/// What connections share, with questions to the person at the keyboard where a key or host wants a password.
/// `password` was asked for beforehand, for all hosts.
pub fn shared(password: Option<String>) -> Shared {
    let ask = move |host: &str, user: &str| match &password {
        Some(password) => Some(password.clone()),
        None => prompt::secret(&format!("password of {user} on {host}")),
    };
    Shared::new()
        .with_passphrase(|key: &Path| prompt::secret(&format!("passphrase of {}", key.display())))
        .with_password(ask)
        .with_confirmation(|host, key| {
            prompt::confirm(&format!("{host} shows the key {key} for the first time. Is it the right one?"))
        })
}

/// The work on each host, and what must not be seen of it.
struct Prepared {
    work: Vec<Work>,
    /// The hosts among them that only run steps for others.
    added: Vec<String>,
    /// Asked for once, for all hosts.
    login_password: Option<String>,
    secrets: Vec<String>,
    params: Values,
}

fn prepare(
    request: &Request,
    asking: &Asking<'_>,
    command_line: &[Setting],
    facts: &Facts,
) -> Result<Prepared, Stop> {
    let Asking { chosen, options, config, passwords, .. } = asking;
    let mut hosts = chosen.hosts();
    let (mut tasks, added) = tasks(request, asking, &hosts, command_line, facts)?;
    let (added, tasks_of_added): (Vec<Host>, Vec<Task>) = added.into_iter().unzip();
    chosen.inventory.check_reachable(added.iter().map(|host| host.name.as_str()))?;
    hosts.extend(&added);
    tasks.extend(tasks_of_added);
    let (login_password, password) = (passwords.login()?, passwords.becoming(&hosts)?);
    let mut problems = Diagnostics::default();
    let mut secrets: Vec<String> = password.iter().chain(&login_password).cloned().collect();
    let mut all = Vec::new();
    let settings: Vec<SshSettings> = hosts.iter().map(|host| host::ssh_settings(host, options)).collect();
    let asked = hosts.iter().zip(&settings);
    let asked: Vec<_> =
        asked.map(|(host, settings)| (host.name.as_str(), host.given_address(), settings)).collect();
    let mut targets = Target::resolve_all(&asked, config);
    let given = |name: &str| chosen.inventory.host(name).and_then(Host::given_address);
    targets.iter_mut().for_each(|target| target.note_jumps(given));
    let reveal = Reveal { home: &config.paths.home, vault: &chosen.project.vault };
    for ((host, task), mut target) in hosts.into_iter().zip(tasks).zip(targets) {
        if let Task::Job(job, _) = &task {
            secrets.extend(job.work.secrets.iter().cloned());
        }
        if let Some(Err(failure)) = facts.get(host.name.as_str()) {
            target.unusable.get_or_insert_with(|| failure.clone());
        }
        let of_plays = || request.spread.becomes.values().next().copied();
        let becomes = match request.spread.becomes.get(host.name.as_str()).copied() {
            // On this machine nothing is done as root unless the inventory says so.
            None if host.name.as_str() == CONTROLLER => host.ssh.becomes.or(Some(false)),
            None => request.becomes.or_else(of_plays),
            becomes => becomes,
        };
        let login = host::login(host, target, becomes, options, &reveal, password.clone());
        let work = |Login { target, becoming, password }| Work {
            host: host.name.to_string(),
            target,
            becoming,
            password,
            task,
        };
        all.extend(problems.keep(login).map(work));
    }
    secrets.extend(all.iter().filter_map(|work| work.password.clone()));
    secrets.extend(all.iter().flat_map(|work| work.target.known_secrets()));
    secrets.sort();
    secrets.dedup();
    let params = command_line.iter().map(|setting| (setting.name.clone(), setting.value.clone())).collect();
    let added = added.iter().map(|host| host.name.to_string()).collect();
    Ok(problems.unless_errors(Prepared { work: all, added, secrets, params, login_password })?)
}

/// What is to be done on each host, in their order, and by the hosts that run steps for them and are not among them.
type Tasks = (Vec<Task>, Vec<(Host, Task)>);

/// What is to be done on the hosts.
fn tasks(
    request: &Request,
    asking: &Asking<'_>,
    hosts: &[&Host],
    command_line: &[Setting],
    facts: &Facts,
) -> Result<Tasks, Stop> {
    let Asking { chosen, options, run, controller, .. } = asking;
    let alone = |tasks: Vec<Task>| Ok((tasks, Vec::new()));
    let mode = if options.check { Mode::Check } else { Mode::Apply };
    let wait = options.reach.wait.as_deref().map_or(Ok(WAIT), |text| time("--wait", text))?;
    let envelope = |host: &Host| Envelope { asks: request.asks, ..controller.envelope(host, run, wait) };
    let job = |job: Job, contents| Task::Job(Box::new(job), contents);
    let (playbook, selection) = match &request.assignment {
        Assignment::Command(line) => return alone(vec![Task::Command(line.clone()); hosts.len()]),
        Assignment::Undo(of) => {
            let undo = |host: &&Host| envelope(host).undo(of.clone(), &request.name, mode, options.diff);
            return alone(hosts.iter().map(|host| job(undo(host), Contents::default())).collect());
        }
        Assignment::Plan(parts) => {
            let part = |host: &&Host| {
                let part = parts.iter().find(|part| part.host == host.name.as_str());
                let part = part
                    .ok_or_else(|| Failure::new("apply the plan", format!("{} is not in it", host.name)))?;
                Ok(job(envelope(host).job(part.work.clone()), part.contents.clone()))
            };
            return alone(hosts.iter().map(part).collect::<Result<_, Failure>>().map_err(Stop::misused)?);
        }
        Assignment::Unlock(what) => {
            let unlock = |host: &&Host| envelope(host).unlock(*what, mode);
            return alone(hosts.iter().map(|host| job(unlock(host), Contents::default())).collect());
        }
        Assignment::Playbook(playbook, selection) => (playbook, selection),
    };
    let render_options = render::Options { mode, diff: options.diff };
    let renderer = Renderer::new(render::Request {
        project: &chosen.project,
        inventory: &chosen.inventory,
        playbook,
        hosts,
        command_line,
        selection,
        stages: &request.spread.stages,
        options: &render_options,
    })?;
    let wanted = facts_of_others::wanted(&chosen.project, &chosen.inventory, playbook, command_line);
    let renderer = match wanted.is_empty() {
        true => renderer,
        false => renderer.with_facts(asking.of_others(wanted)?),
    };
    let renderer = renderer.with_own_facts(facts.clone());
    let task = |(host, Rendered { mut work, contents }): (&&Host, Rendered)| {
        assets::name_what_is_there(&mut work, &chosen.project.root.join(FETCHED).join(host.name.as_str()));
        job(envelope(host).job(work), contents)
    };
    let mut tasks: Vec<Task> = hosts.iter().zip(renderer.jobs()?).map(task).collect();
    let of_added = |host: &Host, work| envelope(host).job(work);
    let added = serving::serving(&chosen.inventory, hosts, &mut tasks, &of_added);
    Ok((tasks, added))
}

/// Reads all facts of the chosen hosts: a table by host, or why a host could not be asked.
pub fn facts(chosen: &Chosen, options: &Options) -> Result<Facts, Stop> {
    chosen.inventory.check_reachable(chosen.names.iter().map(String::as_str))?;
    let all = engine::facts::names().iter().map(|name| name.to_string()).collect();
    Asking::new(chosen, options)?.of_hosts(&chosen.hosts(), &|_| None, &all)
}

fn intent(
    request: Request,
    chosen: &Chosen,
    options: &Options,
    run: RunId,
    prepared: &Prepared,
) -> RunIntent {
    RunIntent {
        run,
        kind: request.kind,
        name: request.name,
        of: request.of,
        who: who(),
        started: now(),
        pattern: chosen.pattern.clone(),
        check: options.check,
        params: prepared.params.clone(),
        playbook: request.sources,
        inventory: chosen.inventory.to_record(),
        hosts: prepared.work.iter().map(|work| work.host.clone()).collect(),
        scheduled: options.scheduled.clone(),
    }
}

/// Who runs this: `alice@laptop`.
pub fn who() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| {
        match rustix::process::getuid() {
            user if user.is_root() => "root".to_string(),
            user => format!("user-{}", user.as_raw()),
        }
    });
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{user}@{host}")
}

/// Reads a length of time such as `30s`, `5m` or `1h` that was given with `option`.
fn time(option: &str, text: &str) -> Result<Duration, Stop> {
    let wrong = |why| Stop::misused(Failure::new(format!("read {option} {text}"), why));
    TimeSpan::parse(text).map(TimeSpan::get).map_err(wrong)
}
