//! From what was typed to a run: project, inventory, hosts, jobs, and the record that comes first.

use super::options::Options;
use super::request::{Assignment, Request, Spread};
use super::{Done, Global, Stop, prompt, store};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::Host;
use crate::model::duration::TimeSpan;
use crate::model::host::SshSettings;
use crate::model::job::{Envelope, Job, Mode, RunId};
use crate::model::run::{RunIntent, now};
use crate::model::{Failure, Value, Values};
use crate::record;
use crate::render::contents::Contents;
use crate::render::facts_of_others;
use crate::render::{self, Rendered, Renderer};
use crate::report;
use crate::run::backups::Stores;
use crate::run::facts;
use crate::run::session::{self, Session};
use crate::run::tools::Destinations;
use crate::run::{self, FORKS, Task, Work, assets};
use crate::secrets::{SecretOrigin, Vault};
use crate::setting::Setting;
use crate::ssh::ship::{Become, Method};
use crate::ssh::{Config, SecretFrom, Shared, Target, explain};
use crate::variables;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

mod choose;

use choose::with_plays;
pub use choose::{Chosen, choose, choose_for, choose_in, list_hosts};

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
    let config = &chosen.project.config;
    let timeout =
        options.reach.timeout.as_deref().map(|text| time("--timeout", text)).transpose()?.or(config.timeout);
    chosen.inventory.check_reachable(chosen.names.iter().map(String::as_str))?;
    // As notes among the events they are shown on standard error too.
    if global.format() != report::Format::Jsonl {
        global.warn(&chosen.inventory.warnings);
    }
    let run = record::id::new(now());
    let command_line = variables::from_command_line(&options.vars, &chosen.project)?;
    let request = with_plays(request, chosen)?;
    let stages = request.spread.stages.clone();
    let prepared = prepare(&request, chosen, options, &command_line, &run)?;
    run::plays::check(&prepared.work, &stages).map_err(Stop::misused)?;
    if global.verbosity() == report::Verbosity::Verbose {
        let targets = prepared.work.iter().map(|work| &work.target);
        explain::notes(targets).iter().for_each(|note| eprintln!("note: {note}"));
    }
    let Spread { serial, max_failures, on_failure, .. } = request.spread.clone();
    Ok(Session {
        intent: intent(request, chosen, options, run, &prepared),
        options: run::Options {
            forks: options.reach.forks.or(config.forks).map_or(FORKS, |forks| forks as usize),
            serial,
            max_failures,
            on_failure,
            stages,
        },
        destinations: Destinations {
            fetched: chosen.project.root.join(FETCHED),
            stores: Arc::new(stores(&prepared.work, chosen)?),
        },
        timeout,
        asks_for_changes: options.exit_code,
        work: prepared.work,
        notes: notes(chosen, global),
        secrets: prepared.secrets,
        report: report::Options {
            format: global.format(),
            view: global.view(options.diff),
            progress: global.progress(),
        },
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
    /// Asked for once, for all hosts.
    login_password: Option<String>,
    secrets: Vec<String>,
    params: Values,
}

fn prepare(
    request: &Request,
    chosen: &Chosen,
    options: &Options,
    command_line: &[Setting],
    run: &RunId,
) -> Result<Prepared, Stop> {
    let config = options.reach.ssh_config()?;
    let hosts: Vec<&Host> = chosen.names.iter().filter_map(|name| chosen.inventory.host(name)).collect();
    let tasks = tasks(request, chosen, &hosts, options, command_line, run, &config)?;
    let ask = |asked: bool, what: &str| match asked {
        true => prompt::secret(what).ok_or_else(no_terminal).map(Some),
        false => Ok(None),
    };
    let login_password = ask(options.reach.ask_pass, "password to log in")?;
    let prompted = |host: &&Host| host.ssh.become_password_from.as_deref() == Some("prompt");
    let asked = options.reach.ask_become_pass || hosts.iter().any(prompted);
    let password = ask(asked, "password to become root")?;
    let mut problems = Diagnostics::default();
    let mut secrets: Vec<String> = password.iter().chain(&login_password).cloned().collect();
    let mut all = Vec::new();
    let settings: Vec<SshSettings> = hosts.iter().map(|host| ssh_settings(host, options)).collect();
    let asked = hosts.iter().zip(&settings);
    let asked: Vec<_> =
        asked.map(|(host, settings)| (host.name.as_str(), host.given_address(), settings)).collect();
    let targets = Target::resolve_all(&asked, &config);
    let reveal = Reveal { home: &config.paths.home, vault: &chosen.project.vault };
    for ((host, task), target) in hosts.into_iter().zip(tasks).zip(targets) {
        if let Task::Job(job, _) = &task {
            secrets.extend(job.work.secrets.iter().cloned());
        }
        let becomes = request.spread.becomes.get(host.name.as_str()).copied().or(request.becomes);
        all.extend(problems.keep(work(host, target, becomes, options, &reveal, task, password.clone())));
    }
    secrets.extend(all.iter().filter_map(|work| work.password.clone()));
    secrets.extend(all.iter().flat_map(|work| work.target.known_secrets()));
    secrets.sort();
    secrets.dedup();
    let params = command_line.iter().map(|setting| (setting.name.clone(), setting.value.clone())).collect();
    Ok(problems.unless_errors(Prepared { work: all, secrets, params, login_password })?)
}

/// What is to be done on each host, in their order.
fn tasks(
    request: &Request,
    chosen: &Chosen,
    hosts: &[&Host],
    options: &Options,
    command_line: &[Setting],
    run: &RunId,
    config: &Config,
) -> Result<Vec<Task>, Stop> {
    let mode = if options.check { Mode::Check } else { Mode::Apply };
    let wait = options.reach.wait.as_deref().map_or(Ok(WAIT), |text| time("--wait", text))?;
    let controller = controller(chosen);
    let envelope = |host: &Host| envelope(host, &controller, run, wait);
    let job = |job: Job, contents| Task::Job(Box::new(job), contents);
    let (playbook, selection) = match &request.assignment {
        Assignment::Command(line) => return Ok(vec![Task::Command(line.clone()); hosts.len()]),
        Assignment::Undo(of) => {
            let undo = |host: &&Host| envelope(host).undo(of.clone(), &request.name, mode, options.diff);
            return Ok(hosts.iter().map(|host| job(undo(host), Contents::default())).collect());
        }
        Assignment::Plan(parts) => {
            let part = |host: &&Host| {
                let part = parts.iter().find(|part| part.host == host.name.as_str());
                let part = part
                    .ok_or_else(|| Failure::new("apply the plan", format!("{} is not in it", host.name)))?;
                Ok(job(envelope(host).job(part.work.clone()), part.contents.clone()))
            };
            return hosts.iter().map(part).collect::<Result<_, Failure>>().map_err(Stop::misused);
        }
        Assignment::Unlock(what) => {
            let unlock = |host: &&Host| envelope(host).unlock(*what, mode);
            return Ok(hosts.iter().map(|host| job(unlock(host), Contents::default())).collect());
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
        false => renderer.with_facts(read_facts(wanted, chosen, options, run, config)?),
    };
    let task = |(host, Rendered { mut work, contents }): (&&Host, Rendered)| {
        assets::name_what_is_there(&mut work, &chosen.project.root.join(FETCHED).join(host.name.as_str()));
        job(envelope(host).job(work), contents)
    };
    Ok(hosts.iter().zip(renderer.jobs()?).map(task).collect())
}

/// Reads the facts of other hosts that the playbook refers to.
fn read_facts(
    wanted: facts_of_others::Wanted,
    chosen: &Chosen,
    options: &Options,
    run: &RunId,
    config: &Config,
) -> Result<BTreeMap<String, Result<Value, Failure>>, Stop> {
    let reveal = Reveal { home: &config.paths.home, vault: &chosen.project.vault };
    let controller = controller(chosen);
    let asked = wanted.into_iter().filter_map(|(name, facts)| {
        let host = chosen.inventory.host(&name)?;
        let settings = ssh_settings(host, options);
        let mut target = Target::or_unusable(&name, host.given_address(), &settings, config);
        reveal.login(&mut target);
        Some(facts::Asked { target, envelope: envelope(host, &controller, run, WAIT), facts })
    });
    Ok(facts::read(asked.collect(), shared(None))?)
}

/// Makes a host's work this run's job. Its epoch, and the runs to settle, are known once the intent is on record.
fn envelope(host: &Host, controller: &str, run: &RunId, wait: Duration) -> Envelope {
    Envelope {
        wait,
        run: run.clone(),
        host: host.name.to_string(),
        nonce: nonce(),
        controller: controller.to_string(),
        who: who(),
        ..Envelope::default()
    }
}

/// What hosts know this project by: all who work with it fence each other. One without a name is known by its place here.
fn controller(chosen: &Chosen) -> String {
    let here = || format!("{}:{}", who(), chosen.project.root.display());
    chosen.project.identity().unwrap_or_else(here)
}

/// 128 random bits, in hexadecimal.
fn nonce() -> String {
    format!("{:032x}", rand::random::<u128>())
}

fn work(
    host: &Host,
    mut target: Target,
    becomes: Option<bool>,
    options: &Options,
    reveal: &Reveal<'_>,
    task: Task,
    password: Option<String>,
) -> Result<Work, Diagnostics> {
    let becomes = options.reach.becomes || becomes.or(host.ssh.becomes).unwrap_or(false);
    reveal.login(&mut target);
    let password = match (&host.ssh.become_password_from, options.reach.ask_become_pass) {
        _ if !becomes => None,
        (Some(from), false) if from != "prompt" => {
            let doing = format!("read the password to become another user on {}", host.name);
            let from = SecretFrom::parse(from, reveal.home, &doing)?;
            match from.revealed(&|name| reveal.text(name)).and_then(|from| from.read(&doing)) {
                Ok(password) => Some(password),
                // It fails alone, when its turn comes.
                Err(failure) => {
                    target.unusable.get_or_insert(failure);
                    None
                }
            }
        }
        (None, false) => None,
        _ => password,
    };
    let becoming = if becomes { Some(becoming(host, password.is_some())?) } else { None };
    Ok(Work { host: host.name.to_string(), target, becoming, password, task })
}

/// Where passwords are found.
struct Reveal<'a> {
    home: &'a Path,
    vault: &'a Vault,
}

impl Reveal<'_> {
    /// The project's secret of a name, as text.
    fn text(&self, name: &str) -> Result<String, Failure> {
        self.vault.text(&SecretOrigin::Age(name.to_string()), name)
    }

    /// Puts the project's secrets in for their names. A host for which that fails cannot be reached, and no other.
    fn login(&self, target: &mut Target) {
        let reveal = |name: &str| self.text(name);
        let password = target.password.as_ref().map(|from| from.revealed(&reveal)).transpose();
        match (password, target.passphrase.revealed(&reveal)) {
            (Ok(password), Ok(passphrase)) => (target.password, target.passphrase) = (password, passphrase),
            (Err(failure), _) | (_, Err(failure)) => {
                target.unusable.get_or_insert(failure);
            }
        }
    }
}

/// How a host is reached, as the inventory and the command line say it.
fn ssh_settings(host: &Host, options: &Options) -> SshSettings {
    let mut settings = host.ssh.clone();
    if let Some(user) = &options.reach.user {
        settings.user = Some(user.as_str().into());
    }
    if options.reach.ask_pass {
        settings.password_from = Some("prompt".to_string());
    }
    settings
}

fn becoming(host: &Host, password: bool) -> Result<Become, Failure> {
    let doing = || format!("read how to become another user on {}", host.name);
    let method = match host.ssh.become_method.as_deref() {
        None | Some("sudo") => Method::Sudo,
        Some("doas") if password => {
            let why = "doas takes no password without a terminal";
            return Err(Failure::new(doing(), why)
                .hint("allow it without one (nopass in doas.conf), or set become_method to sudo or su"));
        }
        Some("doas") => Method::Doas,
        Some("su") => Method::Su,
        Some(other) => {
            return Err(Failure::new(doing(), format!("{other} is not known")).hint("use sudo, doas or su"));
        }
    };
    let user = host.ssh.become_user.clone().unwrap_or_else(|| "root".to_string());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if user.is_empty() || user.starts_with('-') || !user.bytes().all(plain) {
        return Err(Failure::new(doing(), format!("{user:?} is not the name of a user")));
    }
    Ok(Become { method, user, password })
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

fn no_terminal() -> Stop {
    Stop::misused(Failure::new("ask for a password", "there is no terminal to ask on"))
}
