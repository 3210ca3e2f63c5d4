//! Looks who holds a host's lock, and breaks it: when its holder is suspended, or when that is asked for whatever it does.

use super::holder::{Life, LockHolder};
use super::link::Link;
use super::state_dir::StateDir;
use super::{start, wait};
use crate::model::event::{Event, StepEnded};
use crate::model::job::{BreakLock, Job, Mode};
use crate::model::outcome::{HostEnd, HostOutcome, StepOutcome};
use crate::model::{Failure, Result};
use crate::system::{Lock, System};
use std::time::{Duration, Instant};

/// A holder that is suspended at every look within this time has lost its lease: who only wanted to pause has gone on by then.
const LEASE: Duration = Duration::from_secs(10);

/// The lock is free so soon after its holder was ended: what that was running is ended first.
const FREE_WITHIN: Duration = Duration::from_secs(15);

/// Between two looks.
const EVERY: Duration = Duration::from_millis(250);

const DOING: &str = "break the host's lock";

/// What came of looking at the lock.
enum Found {
    /// No process holds it; who did last.
    Free(String),
    /// It is held, and may be broken.
    Stuck(LockHolder, &'static str),
}

/// Reports who holds the lock, and breaks it as far as `what` allows. A dry run breaks nothing.
pub fn unlock(job: &Job, host: &dyn System, state: &StateDir, link: &dyn Link, what: BreakLock) -> HostEnd {
    let started = Instant::now();
    let found = look(job, host, state, link, what);
    let ended = found.and_then(|found| match found {
        Found::Free(last) => Ok((StepOutcome::Ok, HostOutcome::Ok, last)),
        Found::Stuck(holder, does) if job.work.mode == Mode::Check => {
            Ok((StepOutcome::WouldChange, HostOutcome::Changed, would_break(&holder, does)))
        }
        Found::Stuck(holder, does) => {
            let note = end(job, host, state, &holder, does)?;
            Ok((StepOutcome::Changed, HostOutcome::Changed, note))
        }
    });
    let (step, outcome, note, failure) = match ended {
        Ok((step, outcome, note)) => (step, outcome, Some(note), None),
        Err(failure) => (StepOutcome::Failed, HostOutcome::Failed, None, Some(failure)),
    };
    link.send(Event::StepEnded(StepEnded {
        took: started.elapsed(),
        notes: note.into_iter().collect(),
        failure: failure.clone(),
        ..StepEnded::new(0, "the host's lock".to_string(), step)
    }));
    HostEnd { outcome, failure }
}

fn look(job: &Job, host: &dyn System, state: &StateDir, link: &dyn Link, what: BreakLock) -> Result<Found> {
    if host.stat(&state.lock())?.is_none() {
        return Ok(Found::Free("free: no run has changed this host".to_string()));
    }
    let last = host.read(&state.lock())?.unwrap_or_default();
    let last = String::from_utf8_lossy(&last).lines().next().unwrap_or_default().to_string();
    let until = Instant::now() + LEASE;
    loop {
        let Lock::Theirs(text) = host.lock(&state.lock(), &own_text(job))? else {
            let last = LockHolder::named(&last).shown();
            return Ok(Found::Free(format!("free: no process holds it; the last one that did: {last}")));
        };
        let holder = LockHolder::read(host, state, &text)?;
        match (holder.life(host)?, what) {
            (Life::Alive, BreakLock::Always) => return Ok(Found::Stuck(holder, "works")),
            (Life::Suspended, _) if Instant::now() >= until => {
                return Ok(Found::Stuck(holder, "is suspended"));
            }
            (Life::Suspended, _) => {}
            // What it was running is being ended.
            (Life::Gone, _) if Instant::now() < until => {}
            (Life::Gone, _) => return Err(held_by_others(&holder)),
            (Life::Alive, BreakLock::IfStuck) => return Err(at_work(&holder)),
            (Life::Unknown, _) => return holder.end().map(|_| Found::Stuck(holder, "is not known")),
        }
        if !wait::pause(EVERY, &|| link.stopping()) {
            return Err(Failure::new(DOING, "it was stopped while it looked"));
        }
    }
}

/// Ends the holder and takes the lock. A process that has ended cannot write any more, however long it was suspended.
fn end(job: &Job, host: &dyn System, state: &StateDir, holder: &LockHolder, does: &str) -> Result<String> {
    host.run(&holder.end()?)?;
    let until = Instant::now() + FREE_WITHIN;
    while host.lock(&state.lock(), &own_text(job))? != Lock::Ours {
        if Instant::now() >= until || !wait::pause(EVERY, &|| false) {
            return Err(held_by_others(holder));
        }
    }
    start::check_epoch(host, state, &job.envelope, None)?;
    let pid = holder.pid().unwrap_or_default();
    Ok(format!("broken: process {pid} of {} {does}, and was ended", holder.subject()))
}

fn own_text(job: &Job) -> String {
    LockHolder::text_of(&job.envelope.who, &job.envelope.run)
}

fn would_break(holder: &LockHolder, does: &str) -> String {
    let pid = holder.pid().unwrap_or_default();
    format!("held by {} whose process {pid} {does}: it would be ended", holder.subject())
}

fn at_work(holder: &LockHolder) -> Failure {
    let pid = holder.pid().unwrap_or_default();
    Failure::new(DOING, format!("{} holds it and works (process {pid} on the host)", holder.subject()))
        .hint("wait for that run, stop it with Ctrl-C where it was started, or end it here with --force")
}

fn held_by_others(holder: &LockHolder) -> Failure {
    let why = format!("the process of {} has ended, and something else still holds it", holder.subject());
    Failure::new(DOING, why).hint("find what does on the host with: fuser -v /var/lib/windlass/lock")
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;
    use crate::engine::link::Assets;
    use crate::model::job::{Envelope, HostWork, RunId};
    use crate::model::op::Asset;
    use crate::model::path::HostPath;
    use crate::system::local::Local;
    use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
    use std::io::Read;
    use std::process::{Child, Command, Stdio};

    struct Alone;

    impl Link for Alone {
        fn send(&self, _: Event) {}

        fn stopping(&self) -> bool {
            false
        }
    }

    impl Assets for Alone {
        fn open<'a>(&'a self, _: &Asset) -> Result<Box<dyn Read + 'a>> {
            Err(Failure::new("open an asset", "there is none"))
        }
    }

    /// A process that holds the lock as an agent does, until it is killed.
    struct Other(Child);

    impl Other {
        fn holding(lock: &HostPath) -> Other {
            let script = "exec 9<>\"$1\" && flock -n 9 && IFS= read -r line </proc/$$/stat || exit\n\
                          set -- ${line##*) }\n\
                          printf 'alice@laptop, run 20260314-150926-aaaa\\n%s %s\\n' $$ \"${20}\" >&9; echo held\n";
            #[expect(clippy::disallowed_methods, reason = "a test is the other agent here")]
            let mut shell = Command::new("/bin/sh");
            let script = format!("{script}while read -r nothing; do :; done");
            let shell = shell.args(["-c", &script, "sh", lock.to_string().as_str()]);
            let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let mut said = [0; 5];
            child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
            Other(child)
        }

        fn suspend(&self) {
            let pid = Pid::from_child(&self.0);
            kill_process(pid, Signal::STOP).unwrap();
            waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT).unwrap();
        }
    }

    impl Drop for Other {
        fn drop(&mut self) {
            let _ended_already = self.0.kill();
            let _status = self.0.wait();
        }
    }

    /// What comes of unlocking while another process holds the lock, and this was done to it.
    fn unlocked(before: fn(&Other), what: BreakLock) -> (HostOutcome, String) {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::at(HostPath::from(folder.path().canonicalize().unwrap().as_path()));
        let mut other = Other::holding(&state.lock());
        before(&other);
        let run = RunId::try_from("20260314-160000-bbbb".to_string()).unwrap();
        let envelope = Envelope { run, who: "bob@desk".into(), ..Envelope::default() };
        let work = HostWork { mode: Mode::Apply, unlock: Some(what), ..HostWork::default() };
        let end = unlock(&envelope.job(work), &Local::new(), &state, &Alone, what);
        let ended = other.0.try_wait().unwrap().is_some();
        let free = Local::new().lock(&state.lock(), "x").unwrap() == Lock::Ours;
        let why = end.failure.map(|failure| failure.why.replace(&other.0.id().to_string(), "PID"));
        (end.outcome, why.unwrap_or_else(|| format!("ended: {ended}, free: {free}")))
    }

    #[test]
    fn a_holder_that_works_is_reported_and_ended_only_by_force() {
        let why = "alice@laptop, run 20260314-150926-aaaa, since 2026-03-14 15:09:26 UTC, holds it and works \
                   (process PID on the host)";
        assert_eq!(unlocked(|_| {}, BreakLock::IfStuck), (HostOutcome::Failed, why.to_string()));
        let ended = "ended: true, free: true".to_string();
        assert_eq!(unlocked(|_| {}, BreakLock::Always), (HostOutcome::Changed, ended));
    }

    #[test]
    fn a_suspended_holder_is_ended_and_the_lock_is_free() {
        let ended = "ended: true, free: true".to_string();
        assert_eq!(unlocked(Other::suspend, BreakLock::IfStuck), (HostOutcome::Changed, ended));
    }
}
