//! `windlass plan`: makes a saved plan of a playbook, and shows one.

use super::options::{Hosts, Options, Reach};
use super::request::Request;
use super::run::share;
use super::start::{self, Chosen};
use super::{Done, Global, Stop, answer, answer_json, store};
use crate::inventory::fold::fold;
use crate::model::Failure;
use crate::model::counted::counted;
use crate::model::event::StepEnded;
use crate::model::job::Planning;
use crate::model::outcome::StepOutcome;
use crate::model::run::{RunKind, now};
use crate::playbook::Playbook;
use crate::playbook::params::ParamKind;
use crate::redact::Redactor;
use crate::render::Selection;
use crate::report::{Format, escape};
use crate::run::Task;
use crate::run::session::{self, Session};
use crate::saved_plan::{HostPart, Made, Opened, SavedPlan, SecretSource};
use crate::secrets::SecretOrigin;
use crate::variables;
use clap::Subcommand;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Save what a playbook would change, to apply exactly that later
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "one is read for each process")]
enum Command {
    /// Look at every host and save what would change there; nothing is changed
    ///
    /// `windlass apply FILE` makes exactly these changes, or refuses where the host has changed since. Steps that are
    /// unknown until applied are in the plan as unknown, and may change something when it is applied.
    #[command(mut_arg("ssh_options", |option| option.short(None)))]
    Playbook {
        /// Its name below playbooks/, or a path
        #[arg(value_name = "NAME|PATH")]
        playbook: String,
        /// The file of the plan; NAME.plan when not given
        #[arg(short = 'o', long = "out", value_name = "FILE")]
        file: Option<PathBuf>,
        /// Which hosts.
        #[command(flatten)]
        hosts: Hosts,
        /// Set a variable; a value is TOML where it can be read as TOML, else text
        #[arg(short = 'e', long = "var", value_name = "K=V|@FILE")]
        vars: Vec<String>,
        /// Show how files change
        #[arg(short = 'D', long)]
        diff: bool,
        /// Run only steps with one of these tags, separated by commas
        #[arg(short, long, value_name = "TAGS", value_delimiter = ',')]
        tags: Vec<String>,
        /// Skip steps with one of these tags
        #[arg(long, value_name = "TAGS", value_delimiter = ',')]
        skip_tags: Vec<String>,
        /// Work in rolling batches of N hosts (or of this share, `25%`); the next batch starts when no host of this one
        /// has failed
        #[arg(long, value_name = "N|P%")]
        serial: Option<String>,
        /// Stop after N failed hosts (or this share of all): no further host is started
        #[arg(long, value_name = "N|P%")]
        max_failures: Option<String>,
        /// The user to work as, and how fast.
        #[command(flatten)]
        reach: Reach,
    },
    /// Show what a saved plan does, host by host
    Show {
        /// The file of the plan
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Leave out diffs
        #[arg(long)]
        no_diff: bool,
    },
}

/// Makes a plan, or shows one.
pub fn run(args: Args, global: &Global) -> Done {
    match args.command {
        Command::Show { file, no_diff } => show(&file, !no_diff, global),
        Command::Playbook {
            playbook,
            file,
            hosts,
            vars,
            diff,
            tags,
            skip_tags,
            serial,
            max_failures,
            reach,
        } => {
            let project = global.project_or_here()?;
            let playbook = Playbook::find(&project, &playbook)?;
            let chosen = start::choose_for(project, &hosts, &playbook)?;
            if hosts.list_hosts {
                return start::list_hosts(&chosen, global);
            }
            let file = file.unwrap_or_else(|| PathBuf::from(format!("{}.plan", playbook.name)));
            let selection = Selection { tags, skip_tags, start_at_step: None };
            let secrets = playbook.clone();
            let request = Request::playbook(RunKind::Playbook, playbook, selection)
                .in_batches(share("--serial", serial)?, share("--max-failures", max_failures)?);
            let options = Options { check: true, diff: true, vars, reach, ..Options::default() };
            let mut session = start::session(request, &chosen, &options, global)?;
            session.report.view.diff = diff;
            make(session, &file, &secrets, &chosen, &options, global)
        }
    }
}

/// Runs the dry run and writes the plan, unless a host was not fine.
fn make(
    mut session: Session,
    file: &Path,
    playbook: &Playbook,
    chosen: &Chosen,
    options: &Options,
    global: &Global,
) -> Done {
    can_be_saved(&session)?;
    let redactor = Redactor::new(&session.secrets);
    let several = !session.options.stages.is_empty();
    let becoming = session.work.iter().map(|work| (work.host.clone(), work.becoming.is_some()));
    let plan = SavedPlan {
        windlass: env!("CARGO_PKG_VERSION").to_string(),
        run: session.intent.run.clone(),
        made: now(),
        who: session.intent.who.clone(),
        name: playbook.name.clone(),
        pattern: chosen.pattern.clone(),
        becomes: playbook.becomes,
        stages: session.options.stages.clone(),
        becomes_of: becoming.filter(|_| several).collect(),
        serial: session.options.serial.clone(),
        max_failures: session.options.max_failures,
        on_failure: session.options.on_failure,
        sources: redactor.intent(session.intent.clone()).playbook.clone(),
        secrets: Vec::new(),
        hosts: Vec::new(),
        trees: BTreeMap::new(),
        contents: Vec::new(),
    };
    let mut parts = Vec::new();
    for work in &mut session.work {
        if let Task::Job(job, contents) = &mut work.task {
            job.work.planning = Planning::Make;
            let (host, work) = (work.host.clone(), job.work.clone());
            parts.push(HostPart { host, work, contents: contents.clone() });
        }
    }
    let heard = Arc::new(Mutex::new(BTreeMap::new()));
    session.heard = Some(heard.clone());
    let exit = session::execute(session, store(global)?)?;
    if exit != 0 {
        eprintln!("no plan was saved, since not every host could be looked at");
        return Ok(exit);
    }
    let steps = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
    let command_line = variables::from_command_line(&options.vars, &chosen.project)?;
    let source = |host: &str, secret: &str| {
        let settings = variables::of_host(Some(playbook), chosen.inventory.host(host)?, &command_line);
        let params = playbook.params.iter().filter(|param| param.kind == ParamKind::Secret);
        params.into_iter().find_map(|param| {
            let setting = settings.iter().rfind(|setting| setting.name == param.name)?;
            let text = setting.typed.as_deref().or(setting.value.as_str())?;
            let found = param.revealed(text, &chosen.project).ok()? == secret;
            let from = SecretOrigin::of_text(text).map(|_| text.to_string());
            found.then(|| SecretSource { host: host.to_string(), param: param.name.clone(), from })
        })
    };
    let (plan, digest) = Made { plan, parts, steps, source: &source }.write(file)?;
    let (changes, unknown) = plan.counts();
    let file = file.display();
    eprintln!(
        "the plan {file} ({digest}) has {} and {} on {}",
        counted(changes, "change"),
        counted(unknown, "unknown step"),
        fold_names(&plan)
    );
    eprintln!("show it: windlass plan show {file}   apply it: windlass apply {file}");
    Ok(0)
}

/// What hosts say to each other during a run is in no plan.
/// What can be done where no plan can be saved.
const LOOK: &str = "see what would change without saving it: windlass run playbook … --check --diff";

fn can_be_saved(session: &Session) -> Result<(), Stop> {
    let shares = session.work.iter().find_map(|work| match &work.task {
        Task::Job(job, _) => job.work.shares.first(),
        Task::Command(_) => None,
    });
    if let Some(work) = session.work.iter().find(|work| work.serves()) {
        let why = format!(
            "{} runs steps for other hosts (`on`), in the order in which they come to them",
            work.host
        );
        return Err(Stop::misused(Failure::new("save a plan", why).hint(LOOK)));
    }
    let Some(name) = shares else { return Ok(()) };
    let why =
        format!("a play looks at hosts['NAME'].vars.{name}, which another host gives only during the run");
    let failure = Failure::new("save a plan", why);
    Err(Stop::misused(failure.hint(LOOK)))
}

fn fold_names(plan: &SavedPlan) -> String {
    fold(plan.hosts.iter().map(|host| host.name.as_str()))
}

fn show(file: &Path, diff: bool, global: &Global) -> Done {
    let opened = Opened::read(file).map_err(Stop::misused)?;
    match global.format() {
        Format::Human => answer(&described(&opened, diff)),
        _ => {
            let plan = serde_json::json!({
                "digest": opened.digest, "windlass": opened.plan.windlass, "run": opened.plan.run,
                "made": opened.plan.made, "who": opened.plan.who, "name": opened.plan.name,
                "pattern": opened.plan.pattern, "secrets": opened.plan.secrets,
                "hosts": opened.plan.hosts.iter().map(|host| {
                    serde_json::json!({ "host": host.name, "steps": host.steps.iter().map(step_for_programs).collect::<Vec<_>>() })
                }).collect::<Vec<_>>(),
            });
            answer_json(&plan)
        }
    }
}

fn step_for_programs(step: &StepEnded) -> serde_json::Value {
    serde_json::json!({
        "step": step.step, "item": step.item, "name": step.name, "outcome": step.outcome, "changes": step.changes,
        "diff": step.diff, "notes": step.notes, "fingerprint": step.fingerprint,
    })
}

fn described(opened: &Opened, diff: bool) -> String {
    let plan = &opened.plan;
    let (changes, unknown) = plan.counts();
    let mut text = format!("plan     {}\n", opened.digest);
    text += &format!("what     {}\n", escape::line(&plan.name));
    text += &format!("made     {} by {}, of the dry run {}\n", plan.made, escape::line(&plan.who), plan.run);
    text += &format!("hosts    {}\n", escape::line(&fold_names(plan)));
    text += &format!("changes  {changes}, and {} until applied\n", counted(unknown, "unknown step"));
    for secret in &plan.secrets {
        let from = secret.from.as_deref().unwrap_or("give it again with -e");
        text += &format!(
            "secret   {} of {}: {}\n",
            escape::line(&secret.param),
            escape::line(&secret.host),
            escape::line(from)
        );
    }
    for host in &plan.hosts {
        text += &format!("\n{}\n", escape::line(&host.name));
        let shown = |step: &&StepEnded| !matches!(step.outcome, StepOutcome::Ok | StepOutcome::Skipped);
        host.steps.iter().filter(shown).for_each(|step| text += &step_lines(step, diff));
    }
    text
}

fn step_lines(step: &StepEnded, diff: bool) -> String {
    let word = match step.outcome {
        StepOutcome::WouldChange => "changes",
        StepOutcome::Unknown => "may change",
        outcome => outcome.as_str(),
    };
    let item = step.item.map(|item| format!(" (element {})", item + 1)).unwrap_or_default();
    let mut lines = vec![format!("  {word:<10}  {}{item}", escape::line(&step.name))];
    let texts = step.changes.iter().chain(&step.notes);
    let texts: Vec<String> = texts.map(|text| escape::block(text).into_owned()).collect();
    let diff = step.diff.as_ref().filter(|_| diff).map(|diff| escape::block(diff).into_owned());
    lines.extend(texts.iter().chain(&diff).flat_map(|text| text.lines()).map(|line| format!("      {line}")));
    lines.join("\n") + "\n"
}
