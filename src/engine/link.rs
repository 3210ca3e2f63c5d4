//! What the engine sends to the controller and asks of it. One implementation speaks over the agent's channel, one
//! calls the controller directly when a host is worked through its sh.

use crate::model::backup::Answered;
use crate::model::delegation::{Awaited, DelegatedStep, PlayPlace, Reply};
use crate::model::event::Event;
use crate::model::job::Resume;
use crate::model::op::Asset;
use crate::model::path::HostPath;
use crate::model::{Failure, Result};
use std::io::Read;
use std::time::{Duration, Instant};

/// Gives the bytes of assets that a plan needs.
pub trait Assets {
    /// The bytes of `asset`. The reader checks them against the digest at the end.
    fn open<'a>(&'a self, asset: &Asset) -> Result<Box<dyn Read + 'a>>;

    /// Where on the host itself the bytes of `asset` are; `None` when they come from elsewhere.
    fn on_host(&self, asset: &Asset) -> Option<HostPath> {
        let _comes_from_the_controller = asset;
        None
    }

    /// Announces which assets will be opened, in which order, so that they are on their way by then. It replaces what
    /// was announced before.
    fn expect(&self, assets: Vec<Asset>) {
        drop(assets);
    }
}

/// The controller, as the engine sees it.
pub trait Link: Assets {
    /// Sends an event to the controller.
    fn send(&self, event: Event);

    /// What sends events from another thread, of a command that runs in the background.
    fn sender(&self) -> Box<dyn Fn(Event) + Send> {
        Box::new(drop)
    }

    /// The controller's answer about the backup of that request; `None` when there is none yet after waiting this long.
    /// Fails when the controller has gone.
    fn answer(&self, request: u32, within: Duration) -> Result<Option<Answered>> {
        let _never_asked = (request, within);
        Err(Failure::new("send a backup", "nothing on the controller can receive it"))
    }

    /// What a host hears first that has asked for this and is at this place: the answer, or a step of another host that is
    /// due there. `None` when the job should stop before that.
    fn hear(&self, awaited: Awaited, place: PlayPlace, until: Instant) -> Result<Option<Reply>> {
        let _never_asked = (awaited, place, until);
        Err(Failure::new("wait for another host", "no controller knows of other hosts"))
    }

    /// A step of another host that is due at this place, when there is one by now.
    fn due(&self, place: PlayPlace) -> Option<Box<DelegatedStep>> {
        let _never_asked = place;
        None
    }

    /// Whether the person at the keyboard wants the step to run; `None` when the job should stop before that is known.
    fn consent(&self, step: u32, name: &str, until: Instant) -> Result<Option<bool>> {
        let _never_asked = (step, name, until);
        Err(Failure::new("ask before the step", "no controller asks anyone"))
    }

    /// Whether the job should stop after the current step.
    fn stopping(&self) -> bool;

    /// Why the work is killed, once it is: what runs then is ended from outside.
    fn killed(&self) -> Option<String> {
        None
    }

    /// The program that can undo changes when neither this process nor its connection exists any more.
    fn guard(&self) -> Result<String> {
        Err(Failure::new("arm the change", "nothing on this host could roll it back without windlass")
            .hint("armed = false in the step makes the change without a rollback"))
    }

    /// Announces to the controller that the host is about to reboot.
    fn reboot(&self, resume: Resume) -> Result<()> {
        let _never_resumed = resume;
        Err(Failure::new("reboot", "the run could not continue afterwards: no agent runs on this host")
            .hint("reboot it by hand, or let an agent run there (it needs one directory that is not noexec)"))
    }

    /// Has the controller log in over a new connection, where sshd listens on `ports` by now unless that is empty.
    /// Says why that failed.
    fn confirm(&self, ports: &[u16], until: Instant) -> Result<(), String> {
        let _never_asked = (ports, until);
        Err("no controller could log in".to_string())
    }
}
