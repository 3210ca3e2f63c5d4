//! A group of users.

use crate::accounts::{self, Accounts, GROUP, Group as Account, Range, check_name};
use crate::model::op::{Command, Condition, Plan, Run, Undo};
use crate::model::{Failure, Result};
use crate::step::{Kind, Step, WrongKey};
use crate::system::Probe;
use crate::wanted::{self, lines::State};
use serde::Deserialize;

/// Creates a group, changes its id, or removes it, with groupadd, or busybox's addgroup. `register` gets `gid` as it
/// was found.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name.
    name: String,
    /// `present` when not given.
    #[serde(default)]
    state: State,
    /// Group id; a new group gets the next one when it is not given.
    gid: Option<u32>,
    /// A new group is one for a service: an id below 1000.
    #[serde(default)]
    system: bool,
}

impl Kind for Group {
    const NAME: &'static str = "group";
    const RESULT: &'static [&'static str] = &["gid"];
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "those who may read the uploads"
[steps.group]
name = "uploads"
state = "present"       # or "absent"
gid = 2500
system = false
"#;
}

impl Step for Group {
    fn check(&self) -> Result<(), WrongKey> {
        check_name(&self.name).map_err(|why| WrongKey::new("name", why))
    }

    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let accounts = Accounts::read(host)?;
        let there = accounts.group(&self.name).filter(|group| group.name == self.name);
        if let Some((failure, command)) = self.refused(&accounts, there.as_ref()) {
            return wanted::unless_later(host, failure, Condition::Succeeds { command });
        }
        let run = match (self.state, &there) {
            (State::Absent, None) => None,
            (State::Absent, Some(_)) => Some(self.removal(host)?),
            (State::Present, None) => Some(self.creation(host, &accounts)?),
            (State::Present, Some(group)) => self.new_id(host, group)?,
        };
        let result = there.into_iter().map(|group| ("gid".to_string(), group.gid.into())).collect();
        Ok(Plan { result, ..Plan::of(run.into_iter().map(Into::into).collect()) })
    }
}

impl Group {
    /// Why the host's programs would refuse it, and what says that they no longer would.
    fn refused(&self, accounts: &Accounts, there: Option<&Account>) -> Option<(Failure, Command)> {
        let doing =
            format!("{} group {}", if self.state == State::Absent { "remove" } else { "set" }, self.name);
        match (self.state, self.gid, there) {
            (State::Present, Some(gid), _) => {
                let other = accounts.group_of(gid).filter(|other| other.name != self.name)?;
                let failure = Failure::new(doing, format!("the group {} has the id {gid}", other.name))
                    .hint("give another gid, or give the other group one first");
                Some((failure, accounts::absence("group", &gid.to_string())))
            }
            (State::Absent, _, Some(there)) => {
                let user = accounts.user_in(there.gid)?;
                let failure = Failure::new(doing, format!("it is the primary group of user {}", user.name))
                    .hint("remove that user first, or give it another group");
                Some((failure, accounts::absence("passwd", &user.name)))
            }
            _ => None,
        }
    }

    fn creation(&self, host: &dyn Probe, accounts: &Accounts) -> Result<Run> {
        let range = Range::of(host, "GID", self.system)?;
        let gid = self.gid.map_or_else(|| accounts.new_id(&range, |id| accounts.is_free_gid(id)), Ok)?;
        let line = Account { name: self.name.clone(), gid, members: Vec::new() }.line();
        let shadow = accounts::has(host, "groupadd")?;
        let (add, option, remove) =
            if shadow { ("groupadd", "--gid", "groupdel") } else { ("addgroup", "-g", "delgroup") };
        Ok(Run {
            undo: Undo::Command(accounts::remove(GROUP, &self.name, remove)),
            effects: vec![accounts::effect(host, GROUP, &self.name, Some(&line))?],
            ..Run::from(Command::new([add, option, &gid.to_string(), &self.name]))
        })
    }

    fn new_id(&self, host: &dyn Probe, there: &Account) -> Result<Option<Run>> {
        let Some(gid) = self.gid.filter(|gid| *gid != there.gid) else { return Ok(None) };
        if !accounts::has(host, "groupmod")? && !host.pretends() {
            let doing = format!("give group {} the id {gid}", self.name);
            return Err(
                Failure::new(doing, "the host has no groupmod").hint("install the package passwd or shadow")
            );
        }
        let command = |gid: u32| Command::new(["groupmod", "--gid", &gid.to_string(), &self.name]);
        let line = Account { gid, ..there.clone() }.line();
        let effects = vec![accounts::effect(host, GROUP, &self.name, Some(&line))?];
        Ok(Some(Run { undo: Undo::Command(command(there.gid)), effects, ..Run::from(command(gid)) }))
    }

    fn removal(&self, host: &dyn Probe) -> Result<Run> {
        let program = if accounts::has(host, "groupdel")? { "groupdel" } else { "delgroup" };
        let files = [GROUP, "/etc/gshadow"];
        let back = accounts::put_back_in(host, &format!("group {}", self.name), &files, &[&self.name])?;
        Ok(Run {
            undo: Undo::Command(back),
            effects: vec![accounts::effect(host, GROUP, &self.name, None)?],
            ..Run::from(Command::new([program, &self.name]))
        })
    }
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use crate::testing::{apply, host, text};

    const GROUPS: &str = "root:x:0:\nann:x:1000:\n";

    fn said(files: &[(&str, &str)], keys: &str) -> String {
        apply(&host(files), "group", keys).unwrap_or_else(|failure| failure.to_string())
    }

    #[test]
    fn makes_changes_and_removes_a_group() {
        let files = [
            ("/etc/group", GROUPS),
            ("/usr/sbin/groupadd", ""),
            ("/usr/sbin/groupdel", ""),
            ("/usr/sbin/groupmod", ""),
        ];
        assert_eq!(said(&files, "name = 'app'"), "run groupadd --gid 1001 app\n");
        assert_eq!(said(&files, "name = 'app'\nsystem = true"), "run groupadd --gid 999 app\n");
        assert_eq!(said(&files, "name = 'ann'\ngid = 2000"), "run groupmod --gid 2000 ann\n");
        assert_eq!(said(&files, "name = 'ann'\nstate = 'absent'"), "run groupdel ann\n");
        assert_eq!(said(&files, "name = 'ann'"), "");
        assert_eq!(said(&files, "name = 'sam'\nstate = 'absent'"), "");
    }

    #[test]
    fn what_its_programs_would_refuse_is_known_beforehand() {
        let files = [
            ("/etc/group", GROUPS),
            ("/etc/passwd", "ann:x:1000:1000:A:/home/ann:/bin/sh\n"),
            ("/usr/sbin/groupmod", ""),
        ];
        let taken = "set group app: the group ann has the id 1000\n  hint: give another gid, or give the other group one first";
        assert_eq!(said(&files, "name = 'app'\ngid = 1000"), taken);
        assert_eq!(
            said(&files, "name = 'ann'\nstate = 'absent'"),
            "remove group ann: it is the primary group of user ann\n  hint: remove that user first, or give it another group"
        );
        assert_eq!(
            said(&files[..2], "name = 'ann'\ngid = 7"),
            "give group ann the id 7: the host has no groupmod\n  hint: install the package passwd or shadow"
        );
        let later = host(&files);
        crate::testing::pretend_a_change(&later);
        let planned = crate::testing::planned(&later, "group", "name = 'app'\ngid = 1000").unwrap();
        assert_eq!(planned, "wait until the absence of 1000 in group succeeds\n");
    }

    #[test]
    fn busybox_has_other_programs() {
        assert_eq!(said(&[("/etc/group", GROUPS)], "name = 'app'\ngid = 7"), "run addgroup -g 7 app\n");
    }

    #[test]
    fn later_steps_see_it_under_check() {
        let host = host(&[("/etc/group", GROUPS)]);
        crate::testing::converge(&host, "group", "name = 'app'").unwrap();
        assert_eq!(text(&host, "/etc/group"), format!("{GROUPS}app:x:1001:\n"));
    }

    #[test]
    fn a_name_that_is_an_option_is_refused() {
        assert!(said(&[], "name = '-g'").starts_with("read group.name: \"-g\" is not a name"));
    }
}
