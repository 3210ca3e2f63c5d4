//! Files and directories: unpacked beside their place, then moved into it.

use super::{Part, PartPlan, Restore, is_there, letters};
use crate::model::op::{Command, Meta, Op, Run, Undo};
use crate::model::path::HostPath;
use crate::model::refusal::refused;
use crate::model::{Failure, Result};
use crate::system::Probe;
use crate::tree::enter;
use std::path::Path;

const UNPACK: &str = include_str!("unpack.sh");
const SWITCH: &str = include_str!("switch.sh");
const SWITCH_BACK: &str = include_str!("switch-back.sh");
const MOVE: &str = include_str!("move.sh");
const DROP: &str = include_str!("drop.sh");

/// Where a tar goes.
struct Destination {
    /// The path that it takes.
    target: HostPath,
    /// The name of what is in the tar; `.` when that has none of its own.
    inside: String,
}

pub fn plan(step: &Restore, host: &dyn Probe, part: &Part) -> Result<PartPlan> {
    let doing = format!("restore {}", part.label.name);
    let mut put = PartPlan::default();
    let place = match part.from.get("volume").and_then(|name| name.as_str()) {
        Some(volume) if step.to.is_none() => of_volume(host, volume, &doing, &mut put)?,
        _ => of_files(step, part, &doing)?,
    };
    let (Some(folder), Some(name)) = (place.target.parent(), place.target.file_name()) else {
        return Err(Failure::new(doing, "a path there begins with / and names something below it"));
    };
    let is_taken = host.stat(&place.target)?.is_some();
    // A volume is made by Docker just before, empty.
    let is_new_volume = !put.ops.is_empty();
    if is_taken && !step.replace && !is_new_volume {
        return Err(is_there(&doing, &place.target.to_string()));
    }
    let name = name.to_string_lossy();
    let short = letters(&format!("{}{}", step.backup.id, part.label.name));
    let run = host.brought().map_or_else(String::new, |brought| brought.run.to_string());
    // The scripts enter directories by paths without links.
    let folder = host.follow(folder)?;
    let target = folder.join(name.as_ref()).into();
    put.ops.extend(missing_folders(host, &folder)?);
    let stage = HostPath::from(folder.join(format!(".{name}.restore-{short}")));
    let kept = HostPath::from(folder.join(format!("{name}.before-{}", letters(&run))));
    let place = Destination { target, ..place };
    put.ops.push(unpack(part, &stage, &place));
    put.ops.push(switch(&stage, &place, if is_new_volume { String::new() } else { kept.to_string() }));
    if is_taken && !is_new_volume {
        put.notes.push(format!("what was there is kept as {kept}: remove it when it is not needed any more"));
    }
    Ok(put)
}

fn of_files(step: &Restore, part: &Part, doing: &str) -> Result<Destination> {
    let path = part.from.get("path").and_then(|path| path.as_str());
    let target = step.to.as_deref().or(path).filter(|path| path.starts_with('/'));
    let target = target.ok_or_else(|| {
        Failure::new(doing, "no place to restore it to is given")
            .hint("give a path that starts with /: to = \"/srv/restored\" (--to /srv/restored)")
    })?;
    let inside =
        path.and_then(|path| Path::new(path).file_name()).map_or(".".into(), |name| name.to_string_lossy());
    Ok(Destination { target: target.trim_end_matches('/').into(), inside: inside.into_owned() })
}

/// The directory of a volume, which is made when it is missing. What runs on it would not see another directory in its
/// place.
fn of_volume(host: &dyn Probe, volume: &str, doing: &str, put: &mut PartPlan) -> Result<Destination> {
    let running = Command::new(["docker", "ps", "--quiet", "--filter", &format!("volume={volume}")]);
    let answer = host.ask(&running)?;
    if !answer.ok() {
        return Err(refused(&running, &answer));
    }
    if !answer.text().is_empty() {
        let why = format!("containers that run have the volume {volume} open");
        return Err(
            Failure::new(doing, why).hint(format!("stop them first: docker ps --filter volume={volume}"))
        );
    }
    let question = Command::new(["docker", "volume", "inspect", "--format", "{{.Mountpoint}}", volume]);
    let answer = host.ask(&question)?;
    if answer.ok() {
        return Ok(Destination { target: answer.text().into(), inside: ".".to_string() });
    }
    let root = Command::new(["docker", "info", "--format", "{{.DockerRootDir}}"]);
    let answer = host.ask(&root)?;
    if !answer.ok() {
        return Err(refused(&root, &answer));
    }
    let undo = Undo::Command(Command::new(["docker", "volume", "rm", volume]));
    let create = Command::new(["docker", "volume", "create", volume]);
    put.ops.push(Run { undo, ..Run::from(create) }.into());
    Ok(Destination {
        target: format!("{}/volumes/{volume}/_data", answer.text()).into(),
        inside: ".".to_string(),
    })
}

/// The directories above that are missing, from the top.
fn missing_folders(host: &dyn Probe, folder: &Path) -> Result<Vec<Op>> {
    let mut missing = Vec::new();
    for path in folder.ancestors() {
        // A volume's own folder comes with the volume.
        if host.stat(path)?.is_some()
            || path.ends_with("volumes")
            || path.parent().is_some_and(|above| above.ends_with("volumes"))
        {
            break;
        }
        missing.push(Op::Dir { path: path.into(), meta: Meta::default() });
    }
    missing.reverse();
    Ok(missing)
}

fn unpack(part: &Part, stage: &HostPath, place: &Destination) -> Op {
    let words = ["sh", "-c", &enter::script(UNPACK), "windlass", &stage.to_string(), &place.inside];
    let title = Some(format!("unpack {} beside {}", part.label.name, place.target));
    let remove = Command {
        title: Some(format!("rm -rf -- {stage}")),
        ..Command::new(["sh", "-c", &enter::script(DROP), "windlass", &stage.to_string()])
    };
    Run {
        input: Some(part.asset.clone()),
        undo: Undo::Command(remove),
        covers: vec![stage.clone()],
        ..Run::from(Command { title, ..Command::new(words) })
    }
    .into()
}

fn switch(stage: &HostPath, place: &Destination, kept: String) -> Op {
    let [stage, target] = [stage, &place.target].map(ToString::to_string);
    let words = [
        "sh",
        "-c",
        &enter::script(&format!("{MOVE}{SWITCH}")),
        "windlass",
        &stage,
        &place.inside,
        &target,
        &kept,
    ];
    let back = ["/bin/sh", "-s", "--", &stage, &place.inside, &target, &kept];
    let title = Some(format!("put it in the place of {target}"));
    let back = Command {
        stdin: enter::script(&format!("{MOVE}{SWITCH_BACK}")).into_bytes(),
        title: Some(format!("put back {target}")),
        ..Command::new(back)
    };
    Run { undo: Undo::Command(back), ..Run::from(Command { title, ..Command::new(words) }) }.into()
}
