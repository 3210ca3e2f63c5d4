//! The exit code of a run.

use crate::model::outcome::HostOutcome;
use crate::model::run::RunKind;

/// Something would change: asked for with `--exit-code`, and weaker than any failure.
pub const WOULD_CHANGE: u8 = 3;

/// A plan was not applied to a host, since the host is not any more as the plan found it.
pub const MOVED: u8 = 7;

/// A run was interrupted.
pub const INTERRUPTED: u8 = 130;

/// 0 all hosts are fine, 2 one failed, 4 one was unreachable, 6 both, 130 interrupted. A host whose verdict did not
/// arrive counts as failed: something may have been changed there. In a run that undoes, `undone` is fine.
pub fn exit_code(kind: RunKind, outcomes: impl IntoIterator<Item = HostOutcome>, interrupted: bool) -> u8 {
    if interrupted {
        return INTERRUPTED;
    }
    outcomes.into_iter().fold(0, |code, outcome| code | code_of(kind, outcome))
}

/// The exit code of several runs, each of which has one of [`exit_code`]: all that went wrong in any of them.
pub fn exit_code_of_all(codes: &[u8]) -> u8 {
    match codes.contains(&INTERRUPTED) {
        true => INTERRUPTED,
        false => codes.iter().fold(0, |all, code| all | code),
    }
}

/// The exit code of a dry run that is asked whether something would change.
pub fn check_exit_code(exit: u8, outcomes: &[HostOutcome]) -> u8 {
    match exit {
        0 if outcomes.iter().any(|outcome| *outcome != HostOutcome::Ok) => WOULD_CHANGE,
        exit => exit,
    }
}

fn code_of(kind: RunKind, outcome: HostOutcome) -> u8 {
    match outcome {
        HostOutcome::Ok | HostOutcome::Changed => 0,
        HostOutcome::Undone if kind == RunKind::Undo => 0,
        HostOutcome::Undone
        | HostOutcome::PartlyUndone
        | HostOutcome::Failed
        | HostOutcome::Unknown
        | HostOutcome::Cancelled => 2,
        HostOutcome::Unreachable => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use HostOutcome::*;

    #[test]
    fn says_the_worst_of_both_kinds() {
        for (outcomes, code) in [
            (&[Ok, Changed][..], 0),
            (&[], 0),
            (&[Ok, Failed], 2),
            (&[Unreachable, Ok], 4),
            (&[Unreachable, Failed], 6),
            (&[Unknown], 2),
            (&[Undone], 2),
        ] {
            assert_eq!(exit_code(RunKind::Playbook, outcomes.iter().copied(), false), code, "{outcomes:?}");
        }
        assert_eq!(exit_code(RunKind::Undo, [Undone], false), 0);
        assert_eq!(exit_code(RunKind::Undo, [Undone, PartlyUndone], false), 2);
        assert_eq!(exit_code(RunKind::Playbook, [Ok, Cancelled], true), 130);
        let of_all = [&[][..], &[0, 2], &[4, 0, 2], &[4, 130]].map(exit_code_of_all);
        assert_eq!(of_all, [0, 2, 6, 130]);
    }

    #[test]
    fn a_dry_run_can_say_that_something_would_change() {
        let asked = |outcomes: &[HostOutcome]| {
            check_exit_code(exit_code(RunKind::Playbook, outcomes.iter().copied(), false), outcomes)
        };
        assert_eq!([asked(&[Ok, Ok]), asked(&[Ok, Changed]), asked(&[Changed, Failed])], [0, 3, 2]);
        assert_eq!(asked(&[Changed, Unreachable]), 4);
    }
}
