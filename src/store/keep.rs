//! Which backups a rule keeps, and why: as restic's `forget` decides. Pure; only whole backups count. The newest whole one of
//! a host and name always stays, and so does the newest of those that were verified.

use super::Entry;
use super::id::{BackupPath, Id};
use crate::model::Result;
use crate::model::keep::{Counters, Keep, Retention};
use std::collections::BTreeSet;

/// The verdict on each of the backups of one host and name, newest first. `verified` are those that were read and found whole.
pub fn judge(entries: &[Entry], keep: &Keep, verified: &BTreeSet<Id>) -> Result<Vec<Retention<BackupPath>>> {
    let mut counters = Counters::of(keep)?;
    let mut entries: Vec<&Entry> = entries.iter().collect();
    entries.sort_by(|a, b| b.place.id.cmp(&a.place.id));
    let oldest = entries.iter().rposition(|entry| entry.manifest.is_ok());
    let is_proven = |entry: &&&Entry| entry.manifest.is_ok() && verified.contains(&entry.place.id);
    let proven = entries.iter().find(is_proven).map(|entry| entry.place.clone());
    let mut verdicts = Vec::new();
    let mut seen_whole = false;
    for (at, entry) in entries.into_iter().enumerate() {
        let mut kept = Vec::new();
        if entry.manifest.is_err() {
            kept.push("damaged: it counts for no rule".to_string());
        } else if keep.is_empty() {
            kept.push("no rule says how many".to_string());
        } else {
            kept.extend(counters.keep(entry.place.id.taken(), Some(at) == oldest));
            if kept.is_empty() && !seen_whole {
                kept.push("the newest that is whole".to_string());
            }
            if kept.is_empty() && proven.as_ref() == Some(&entry.place) {
                kept.push("the newest that was verified".to_string());
            }
            seen_whole = true;
        }
        verdicts.push(Retention { of: entry.place.clone(), kept });
    }
    Ok(verdicts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Failure;

    fn entry(taken: &str) -> Entry {
        let place = BackupPath::new("web", "n", taken.parse().unwrap()).unwrap();
        // A manifest is only asked whether it is there.
        Entry { manifest: Ok(super::super::tests::manifest(&place)), place }
    }

    /// The times that are kept, and why.
    fn kept(taken: &[&str], keep: Keep) -> String {
        let entries: Vec<Entry> = taken.iter().map(|taken| entry(taken)).collect();
        let verdicts = judge(&entries, &keep, &BTreeSet::new()).unwrap();
        let line = |verdict: &Retention<BackupPath>| {
            format!("{} {}\n", verdict.of.id.taken(), verdict.kept.join(", ")).replace(" \n", " -\n")
        };
        verdicts.iter().map(line).collect()
    }

    fn in_zone(zone: &str) -> Keep {
        Keep { timezone: Some(zone.to_string()), ..Keep::default() }
    }

    #[test]
    fn counts_the_newest_of_each_period() {
        let taken = [
            "2026-11-18T02:00:00Z",
            "2026-11-19T02:00:00Z",
            "2026-11-19T14:00:00Z",
            "2026-11-20T02:00:00Z",
            "2026-11-21T02:00:00Z",
        ];
        expect_test::expect![[r#"
            2026-11-21T02:00:00Z last, daily 2026-11-21
            2026-11-20T02:00:00Z daily 2026-11-20
            2026-11-19T14:00:00Z daily 2026-11-19
            2026-11-19T02:00:00Z -
            2026-11-18T02:00:00Z -
        "#]]
        .assert_eq(&kept(&taken, Keep { last: 1, daily: 3, ..in_zone("UTC") }));
    }

    #[test]
    fn weeks_begin_on_monday_and_years_of_weeks_differ() {
        let taken =
            ["2026-12-27T12:00:00Z", "2026-12-28T12:00:00Z", "2027-01-03T12:00:00Z", "2027-01-04T12:00:00Z"];
        expect_test::expect![[r#"
            2027-01-04T12:00:00Z weekly 2027-W01, monthly 2027-01, yearly 2027
            2027-01-03T12:00:00Z weekly 2026-W53
            2026-12-28T12:00:00Z monthly 2026-12, yearly 2026
            2026-12-27T12:00:00Z weekly 2026-W52
        "#]]
        .assert_eq(&kept(&taken, Keep { weekly: 9, monthly: 2, yearly: 2, ..in_zone("UTC") }));
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let taken = ["2026-11-20T22:30:00Z", "2026-11-20T23:30:00Z", "2026-11-21T22:30:00Z"];
        expect_test::expect![[r#"
            2026-11-21T22:30:00Z daily 2026-11-21
            2026-11-20T23:30:00Z -
            2026-11-20T22:30:00Z daily 2026-11-20
        "#]]
        .assert_eq(&kept(&taken, Keep { daily: 2, ..in_zone("Europe/Berlin") }));
    }

    #[test]
    fn the_hour_that_comes_twice_is_two_and_the_one_that_is_missing_is_none() {
        let autumn = ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"];
        expect_test::expect![[r#"
            2026-10-25T02:30:00Z hourly 2026-10-25 03:00 +01:00
            2026-10-25T01:30:00Z hourly 2026-10-25 02:00 +01:00
            2026-10-25T00:30:00Z hourly 2026-10-25 02:00 +02:00
        "#]]
        .assert_eq(&kept(&autumn, Keep { hourly: 3, ..in_zone("Europe/Berlin") }));
        let spring = ["2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"];
        expect_test::expect![[r#"
            2026-03-29T01:30:00Z hourly 2026-03-29 03:00 +02:00, daily 2026-03-29
            2026-03-29T00:30:00Z hourly 2026-03-29 01:00 +01:00
        "#]]
        .assert_eq(&kept(&spring, Keep { hourly: 3, daily: 1, ..in_zone("Europe/Berlin") }));
    }

    #[test]
    fn the_oldest_stays_while_there_is_room() {
        let taken = ["2026-11-21T01:00:00Z", "2026-11-21T02:00:00Z", "2026-11-21T03:00:00Z"];
        expect_test::expect![[r#"
            2026-11-21T03:00:00Z daily 2026-11-21
            2026-11-21T02:00:00Z -
            2026-11-21T01:00:00Z daily, the oldest there is
        "#]]
        .assert_eq(&kept(&taken, Keep { daily: 7, ..in_zone("UTC") }));
    }

    #[test]
    fn nothing_goes_without_a_rule_and_what_is_damaged_counts_for_none() {
        let taken = ["2026-11-20T01:00:00Z", "2026-11-21T01:00:00Z"];
        assert_eq!(kept(&taken, in_zone("UTC")).matches("no rule says how many").count(), 2);
        let mut entries: Vec<Entry> = taken.iter().map(|taken| entry(taken)).collect();
        entries[1].manifest = Err(Failure::new("read", "damaged"));
        let verdicts = judge(&entries, &Keep { last: 1, ..in_zone("UTC") }, &BTreeSet::new()).unwrap();
        assert_eq!(verdicts[0].kept, ["damaged: it counts for no rule"]);
        assert_eq!(verdicts[1].kept, ["last"]);
    }

    #[test]
    fn the_newest_that_was_verified_stays() {
        let taken =
            ["2026-11-18T01:00:00Z", "2026-11-19T01:00:00Z", "2026-11-20T01:00:00Z", "2026-11-21T01:00:00Z"];
        let mut entries: Vec<Entry> = taken.iter().map(|taken| entry(taken)).collect();
        let id = |entry: &Entry| entry.place.id.clone();
        let verified = BTreeSet::from([id(&entries[0]), id(&entries[1]), id(&entries[2])]);
        // One that was verified once and is damaged now is worth nothing.
        entries[2].manifest = Err(Failure::new("read", "damaged"));
        let verdicts = judge(&entries, &Keep { last: 1, ..in_zone("UTC") }, &verified).unwrap();
        let kept: Vec<String> = verdicts.iter().map(|verdict| verdict.kept.join(", ")).collect();
        assert_eq!(kept, ["last", "damaged: it counts for no rule", "the newest that was verified", ""]);
    }

    #[test]
    fn a_zone_that_does_not_exist_is_told() {
        let failure =
            judge(&[], &Keep { last: 1, ..in_zone("Europe/Atlantis") }, &BTreeSet::new()).unwrap_err();
        assert!(failure.hint.unwrap().contains("Europe/Lisbon"));
    }
}
