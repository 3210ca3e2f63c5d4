//! Checks everything in a project that can be checked without connecting.

use super::{on, rehearsal, vocabulary};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::{Inventory, pattern};
use crate::model::Failure;
use crate::playbook::Playbook;
use crate::project::Project;
use crate::source::Place;
use crate::template::{Form, Templates};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Checks the files at `paths`, or the whole project when there are none: inventories, playbooks, templates.
pub fn lint(project: &Project, paths: &[PathBuf]) -> Diagnostics {
    if paths.is_empty() {
        return lint_project(project).0;
    }
    let linter = Linter { project, inventory: OnceCell::new() };
    linter.files(paths.iter().map(|path| files_at(project, path)).collect())
}

/// Checks the whole project. The inventory comes with what was found, where it can be read.
pub fn lint_project(project: &Project) -> (Diagnostics, Option<Inventory>) {
    let mut problems = Diagnostics::default();
    let inventory = problems.keep(Inventory::load(project, &[]));
    inventory.iter().for_each(|inventory| problems.append(inventory.problems()));
    problems.append(schedules(project, inventory.as_ref()));
    let linter = Linter { project, inventory: OnceCell::from(inventory) };
    let folders = ["playbooks", "templates"].iter().map(|folder| project.files(folder, true));
    problems.append(linter.files(folders.collect()));
    (problems, linter.inventory.into_inner().flatten())
}

/// Checks files of a project.
struct Linter<'a> {
    project: &'a Project,
    /// All of it, which playbooks are checked against. It may be a program, so it is read once, and only where it is needed.
    inventory: OnceCell<Option<Inventory>>,
}

impl Linter<'_> {
    fn files(&self, files: crate::model::Result<Vec<Vec<PathBuf>>>) -> Diagnostics {
        let mut problems = Diagnostics::default();
        for file in problems.keep(files.map_err(Diagnostics::from)).into_iter().flatten().flatten() {
            problems.append(self.check(&file));
        }
        problems
    }

    /// What is wrong with the inventory is shown for itself.
    fn inventory(&self) -> Option<&Inventory> {
        self.inventory.get_or_init(|| Inventory::load(self.project, &[]).ok()).as_ref()
    }

    /// What a file is follows from the folder it is in.
    fn check(&self, path: &Path) -> Diagnostics {
        let project = self.project;
        let folder = path
            .strip_prefix(&project.root)
            .ok()
            .and_then(|path| path.iter().next())
            .and_then(|name| name.to_str());
        let checked = match folder {
            Some("inventories") => {
                return Inventory::load(project, &[path.to_path_buf()])
                    .map_or_else(|problems| problems, |inventory| inventory.problems());
            }
            Some("templates") => template(project, path),
            Some("windlass.toml") => Project::find(Some(&project.root), Path::new("/")).map(drop),
            _ => self.playbook(path),
        };
        checked.err().unwrap_or_default()
    }

    fn playbook(&self, path: &Path) -> Result<(), Diagnostics> {
        let project = self.project;
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => {}
            Some("yml" | "yaml") => return Err(not_read(project, path).into()),
            _ => return Ok(()),
        }
        let playbook = Playbook::read(project, &project.read(path)?)?;
        let inventory = self.inventory();
        let mut problems = vocabulary::check(project, inventory, &playbook, &[]);
        if let (Some(inventory), Some(hosts)) = (inventory, &playbook.hosts)
            && !pattern::names_addresses(&hosts.text)
            && let Err(found) = inventory.select(&hosts.text, project)
        {
            problems.append(found.placed(&hosts.place));
        }
        let plays = playbook.plays.iter().filter(|play| !pattern::names_addresses(&play.hosts.text));
        if let Some(inventory) = inventory {
            plays.for_each(|play| drop(problems.keep(playbook.hosts_of(play, inventory, project))));
        }
        if let Some(inventory) = inventory {
            playbook
                .all_steps()
                .filter_map(|step| on::check(inventory, step))
                .for_each(|problem| problems.push(problem));
        }
        if let Some(inventory) = inventory
            && problems.is_empty()
            && let Ok(names) = playbook.hosts_of_plays(inventory, project)
        {
            let stages = playbook.stages(inventory, project, &names);
            let _shown = problems.keep(stages.and_then(|stages| playbook.becomes_of(&stages, inventory)));
        }
        if let Some(inventory) = inventory
            && problems.is_empty()
        {
            problems.append(rehearsal::problems(project, inventory, &playbook));
        }
        problems.unless_errors(())
    }
}

/// What schedules name must be there: nobody sees it fail at night.
fn schedules(project: &Project, inventory: Option<&Inventory>) -> Diagnostics {
    let mut problems = Diagnostics::default();
    for schedule in &project.config.schedules {
        let playbook = Playbook::find(project, &schedule.playbook);
        let at = |place: &Place, found: Diagnostics, problems: &mut Diagnostics| {
            for problem in found.iter() {
                let place = problem.place.clone().unwrap_or_else(|| place.clone());
                problems.push(Diagnostic { place: Some(place), ..problem.clone() });
            }
        };
        let by_playbook = playbook.as_ref().ok().and_then(|playbook| playbook.hosts.clone());
        let has_plays = playbook.as_ref().is_ok_and(|playbook| !playbook.plays.is_empty());
        match playbook {
            Ok(playbook) => {
                let given = &schedule.settings;
                problems.append(vocabulary::check(project, inventory, &playbook, given));
                problems.append(vocabulary::unfit(&playbook, given));
            }
            Err(found) => at(&schedule.playbook_place, found, &mut problems),
        }
        let selected = match (schedule.hosts.clone().or(by_playbook.map(|hosts| hosts.text)), inventory) {
            // The hosts of plays are looked at with their playbook.
            (None, _) if has_plays => Ok(()),
            (None, _) => Err(Diagnostic::error(
                "`hosts` is missing, and the playbook names none",
                &schedule.hosts_place,
            )
            .into()),
            (Some(pattern), Some(inventory)) => inventory.select(&pattern, project).map(drop),
            (Some(_), None) => Ok(()),
        };
        if let Err(found) = selected {
            at(&schedule.hosts_place, found, &mut problems);
        }
    }
    problems
}

fn files_at(project: &Project, given: &Path) -> crate::model::Result<Vec<PathBuf>> {
    let path = std::path::absolute(given)
        .ok()
        .filter(|path| path.exists())
        .unwrap_or_else(|| project.root.join(given));
    let named = || project.root.join("playbooks").join(format!("{}.toml", given.display()));
    match () {
        () if path.is_dir() => project.files(&path.display().to_string(), true),
        () if path.exists() => Ok(vec![path]),
        () if named().exists() => Ok(vec![named()]),
        () => Err(Failure::new(format!("check {}", given.display()), "there is no such file")
            .hint("give files, directories or names of the project's playbooks")),
    }
}

fn not_read(project: &Project, path: &Path) -> Diagnostic {
    let name = project.name_of(path);
    let problem = Diagnostic::elsewhere(format!("{name} is not read: playbooks are TOML"));
    problem.hint("write it as TOML, or move it out of playbooks/").warning()
}

fn template(project: &Project, path: &Path) -> Result<(), Diagnostics> {
    project.check(path, &format!("read {}", project.name_of(path)))?;
    // What is no text is no template.
    let Ok(source) = project.read(path) else { return Ok(()) };
    let scanned = Templates::new(&BTreeMap::new()).scanned(&source.text, Form::File);
    let mut problems = Diagnostics::default();
    let faults = match &scanned {
        Ok(scanned) => scanned.faults.as_slice(),
        Err(fault) => std::slice::from_ref(fault),
    };
    for fault in faults {
        let span = fault.spot.as_ref().map_or(0..0, |spot| spot.range.clone());
        problems.push(Diagnostic::fault(fault, &Place { source: Arc::clone(&source), span }));
    }
    problems.unless_errors(())
}
