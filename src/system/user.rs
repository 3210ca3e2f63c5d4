//! Another user's identity, from the host's own files, else from its name service. libc's lookups are not used: a
//! static program would have to load the host's libraries for them.

use crate::model::op::Command;
use crate::model::{Failure, Result};
use crate::system::Probe;
use rustix::process::{Gid, Uid};
use rustix::thread;
use std::path::Path;

/// Who a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user's name.
    pub name: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
    /// The user's number.
    pub uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

impl Identity {
    /// Looks a user up by name or number.
    pub fn of(host: &dyn Probe, user: &str) -> Result<Self> {
        if let Some(mut found) = in_passwd(&text(host, "/etc/passwd")?, user) {
            found.groups = in_group(&text(host, "/etc/group")?, &found);
            return Ok(found);
        }
        from_name_service(host, user)?
            .ok_or_else(|| Failure::new(format!("run as {user}"), "the host has no such user"))
    }

    /// Whether it is already who this process runs as.
    pub fn is_ours(&self) -> bool {
        rustix::process::geteuid().as_raw() == self.uid
    }

    /// Makes this thread, and what it starts from now on, that user. Other threads stay who they are, so the thread
    /// must end after it has started what it is for.
    pub fn assume(&self) -> rustix::io::Result<()> {
        let groups: Vec<Gid> = self.groups.iter().map(|group| Gid::from_raw(*group)).collect();
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        thread::set_thread_groups(&groups)?;
        thread::set_thread_res_gid(gid, gid, gid)?;
        thread::set_thread_res_uid(uid, uid, uid)
    }
}

fn text(host: &dyn Probe, path: &str) -> Result<String> {
    Ok(String::from_utf8_lossy(&host.read(Path::new(path))?.unwrap_or_default()).into_owned())
}

fn from_name_service(host: &dyn Probe, user: &str) -> Result<Option<Identity>> {
    let line = host.ask(&Command::new(["getent", "passwd", user]))?.text();
    let Some(mut found) = in_passwd(&line, user) else { return Ok(None) };
    let groups = host.ask(&Command::new(["id", "-G", found.name.as_str()]))?;
    found.groups = groups.text().split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
    Ok(Some(found))
}

fn in_passwd(text: &str, user: &str) -> Option<Identity> {
    let fields = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let known = fields.filter(|fields| fields.len() >= 7).collect::<Vec<_>>();
    let by = |field: usize| known.iter().find(|fields| fields[field] == user);
    let fields = by(0).or_else(|| by(2))?;
    Some(Identity {
        name: fields[0].into(),
        home: fields[5].into(),
        shell: fields[6].into(),
        uid: fields[2].parse().ok()?,
        gid: fields[3].parse().ok()?,
        groups: Vec::new(),
    })
}

fn in_group(text: &str, user: &Identity) -> Vec<u32> {
    let fields = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let member = |fields: &Vec<&str>| fields.len() >= 4 && fields[3].split(',').any(|name| name == user.name);
    let groups = fields.filter(member).filter_map(|fields| fields[2].parse().ok());
    std::iter::once(user.gid).chain(groups.filter(|group| *group != user.gid)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:100:A:/home/alice:/bin/bash\nbroken\n";
    const GROUP: &str = "docker:x:998:bob,alice\nusers:x:100:alice\nadm:x:4:alicia\n";

    #[test]
    fn finds_a_user_with_all_groups() {
        let alice = in_passwd(PASSWD, "alice").unwrap();
        assert_eq!((alice.uid, alice.gid, alice.home.as_str()), (1000, 100, "/home/alice"));
        assert_eq!(in_group(GROUP, &alice), [100, 998]);
        assert_eq!(in_passwd(PASSWD, "1000").unwrap().name, "alice");
        assert_eq!(in_passwd(PASSWD, "nobody"), None);
    }
}
