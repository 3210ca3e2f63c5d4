//! What a dry run would change, and what it would replace, as one digest: how a saved plan knows a host that has moved.
//! The name of the run does not count, since the run that applies the plan is another one.

use crate::model::digest::Digest;
use crate::model::job::RunId;
use crate::model::op::{Command, Content, Op};
use crate::system::{FileKind, Probe};
use std::path::Path;

/// What stands for the run's own name.
const RUN: &[u8] = b"<run>";

/// The changes of one step so far.
#[derive(Clone, Debug)]
pub struct Fingerprint {
    run: RunId,
    so_far: Digest,
}

impl Fingerprint {
    /// Of no changes yet, in this run.
    pub fn of(run: &RunId) -> Self {
        Fingerprint { run: run.clone(), so_far: Digest::of(b"") }
    }

    /// Takes in a change before it is pretended: what it does, and what stands there.
    pub fn add(&mut self, host: &dyn Probe, op: &Op) {
        let mut text = self.change(op);
        let paths = match op {
            Op::Exchange { one, other } => vec![one, other],
            op => op.path().into_iter().collect(),
        };
        paths.iter().for_each(|path| text.extend(before(host, path)));
        self.so_far = Digest::of(&[self.so_far.as_str().as_bytes(), &text].concat());
    }

    /// All of them.
    pub fn digest(self) -> Digest {
        self.so_far
    }

    fn change(&self, op: &Op) -> Vec<u8> {
        let text = match op {
            Op::Write { path, content, meta } => {
                let digest = match content {
                    Content::Bytes(bytes) => Digest::of(&self.without_run(bytes)),
                    Content::Asset(asset) => asset.digest.clone(),
                };
                format!("write {path} {digest:?} {meta:?}").into_bytes()
            }
            Op::Run(run) => self.command(&run.command),
            Op::Backup(_) => b"backup".to_vec(),
            op => format!("{op:?}").into_bytes(),
        };
        self.without_run(&text)
    }

    fn command(&self, command: &Command) -> Vec<u8> {
        let Command { argv, environment, directory, user, stdin, .. } = command;
        let stdin = Digest::of(&self.without_run(stdin));
        format!("run {argv:?} {environment:?} {directory:?} {user:?} {stdin:?}").into_bytes()
    }

    fn without_run(&self, bytes: &[u8]) -> Vec<u8> {
        let run = self.run.as_str().as_bytes();
        if run.is_empty() {
            return bytes.to_vec();
        }
        let (mut rest, mut clean) = (bytes, Vec::with_capacity(bytes.len()));
        while let Some(at) = rest.windows(run.len()).position(|window| window == run) {
            clean.extend_from_slice(&rest[..at]);
            clean.extend_from_slice(RUN);
            rest = &rest[at + run.len()..];
        }
        clean.extend_from_slice(rest);
        clean
    }
}

/// What stands at a path. What cannot be looked at is as unknown as it was.
fn before(host: &dyn Probe, path: &Path) -> Vec<u8> {
    let Ok(Some(stat)) = host.stat(path) else { return b"nothing".to_vec() };
    let digest = match stat.kind {
        FileKind::File => host.digest(path).ok().flatten(),
        _ => None,
    };
    let (mode, owner, group) = (stat.mode, stat.owner, stat.group);
    format!("{} {mode:o} {owner}:{group} {:?} {digest:?}", stat.kind.as_str(), stat.target).into_bytes()
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::*;
    use crate::model::op::Meta;
    use crate::testing::host;

    fn of(run: &str, there: &str, content: &str) -> Digest {
        let mut print = Fingerprint::of(&RunId::try_from(run.to_string()).unwrap());
        let content = Content::Bytes(content.as_bytes().to_vec());
        print.add(&host(&[("/a", there)]), &Op::Write { path: "/a".into(), content, meta: Meta::default() });
        print.digest()
    }

    #[test]
    fn what_is_replaced_and_what_replaces_it_count_and_the_runs_name_does_not() {
        assert_eq!(of("1-a", "old", "by 1-a"), of("2-b", "old", "by 2-b"));
        assert_ne!(of("1-a", "old", "new"), of("1-a", "other", "new"));
        assert_ne!(of("1-a", "old", "new"), of("1-a", "old", "newer"));
    }
}
