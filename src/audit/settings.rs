//! What is set on a host, against what is needed. Values come in and only facts about them go out.

use super::dotenv::{Assignment, Mistake};
use super::needs::{Need, Needs};
use super::placeholder;
use crate::model::finding::{Finding, Verdict};
use std::collections::BTreeMap;

/// What is always in a process's environment, or set by the one who starts it.
const OF_THE_SYSTEM: &[&str] = &[
    "HOME",
    "PATH",
    "USER",
    "LOGNAME",
    "SHELL",
    "PWD",
    "OLDPWD",
    "LANG",
    "TZ",
    "TERM",
    "TMPDIR",
    "TEMP",
    "TMP",
    "HOSTNAME",
    "CI",
    "NO_COLOR",
    "FORCE_COLOR",
    "COLORTERM",
    "EDITOR",
    "VISUAL",
    "COLUMNS",
    "LINES",
    "DISPLAY",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
];

/// Of names that are reported together, so many are named.
const NAMED: usize = 20;

/// The group of findings about variables.
const GROUP: &str = "environment";

/// A file on the host that sets variables.
pub struct EnvFile {
    /// Its path.
    pub path: String,
    /// What it sets.
    pub set: Vec<Assignment>,
    /// What is wrong in it.
    pub mistakes: Vec<Mistake>,
}

/// What is there of what is needed. `ignored` chooses variables that nothing is said of.
pub fn compare(needs: &Needs, files: &[EnvFile], ignored: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let settings = Settings::of(files);
    let ignored = |name: &str| ignored(name) || is_of_the_system(name);
    let wanted = needs.variables.iter().filter(|(name, _)| !ignored(name));
    let mut findings: Vec<Finding> =
        wanted.clone().filter_map(|(name, need)| settings.judge(name, need)).collect();
    findings.sort_by_key(|finding| finding.verdict != Verdict::Fail);
    findings.extend(files.iter().flat_map(wrong_lines));
    findings.extend(settings.twice());
    let optional = wanted
        .clone()
        .filter(|(name, need)| need.read && !need.required && !settings.has(name) && need.given.is_none());
    findings.extend(together("not set, and there is a default", optional.map(|(name, _)| name.as_str())));
    let only_example = wanted.clone().filter(|(name, need)| is_only_example(need) && !settings.has(name));
    findings.extend(together(
        "in an example, not set, and read by nothing",
        only_example.map(|(name, _)| name.as_str()),
    ));
    let unused = settings.last.keys().copied().filter(|name| !ignored(name) && !is_used(needs, name));
    findings.extend(together("set, and read by nothing that was found", unused));
    findings.extend(whole(needs));
    findings.extend(needs.unread.iter().map(|(place, why)| Finding::new("files", place, Verdict::Info, why)));
    findings.push(summary(needs, wanted.map(|(name, _)| settings.has(name))));
    findings
}

/// What the files set, the last one of each name.
struct Settings<'f> {
    last: BTreeMap<&'f str, (&'f EnvFile, &'f Assignment)>,
    files: &'f [EnvFile],
}

impl<'f> Settings<'f> {
    fn of(files: &'f [EnvFile]) -> Settings<'f> {
        let all =
            files.iter().flat_map(|file| file.set.iter().map(move |one| (one.name.as_str(), (file, one))));
        Settings { last: all.collect(), files }
    }

    fn has(&self, name: &str) -> bool {
        self.last.get(name).is_some_and(|(_, one)| one.value.as_deref() != Some(""))
    }

    /// What there is to say of a variable by itself; those that may be missing are reported together.
    fn judge(&self, name: &str, need: &Need) -> Option<Finding> {
        let found = |verdict, seen: String| {
            let finding = Finding::new(GROUP, name, verdict, seen).detail("required", need.required);
            if need.places.is_empty() { finding } else { finding.detail("places", need.places.clone()) }
        };
        let Some((file, one)) = self.last.get(name) else {
            return match &need.given {
                Some(place) => Some(found(Verdict::Pass, format!("given by {place}"))),
                None if need.required => {
                    Some(missing(found(Verdict::Fail, format!("not set, and {}", read(need))), need))
                }
                None => None,
            };
        };
        let place = format!("{}:{}", file.path, one.line);
        let Some(value) = &one.value else {
            return Some(found(Verdict::Info, format!("passed on from the environment by {place}")));
        };
        if let Some(why) = placeholder::why(name, value) {
            return Some(
                found(Verdict::Fail, format!("a placeholder in {place}: {why}"))
                    .hint("put the real value there"),
            );
        }
        Some(match (value.trim().is_empty(), need.required) {
            (true, true) => found(Verdict::Fail, format!("empty in {place}, and {}", read(need))),
            (true, false) => found(Verdict::Info, format!("empty in {place}")),
            (false, _) => found(Verdict::Pass, format!("set in {place}")),
        })
    }

    /// Variables that a file sets more than once.
    fn twice(&self) -> Vec<Finding> {
        self.files.iter().flat_map(twice_in).collect()
    }
}

fn twice_in(file: &EnvFile) -> Vec<Finding> {
    let mut by_name: BTreeMap<&str, Vec<&Assignment>> = BTreeMap::new();
    file.set.iter().for_each(|one| by_name.entry(&one.name).or_default().push(one));
    let twice = by_name.into_iter().filter(|(_, all)| all.len() > 1);
    twice
        .map(|(name, all)| {
            let lines = all.iter().map(|one| one.line.to_string()).collect::<Vec<_>>().join(", ");
            let same = all.iter().all(|one| one.value == all[0].value);
            let (verdict, what) = match same {
                true => (Verdict::Info, "to the same"),
                false => (Verdict::Fail, "to different values, of which the last one counts"),
            };
            Finding::new(
                GROUP,
                name,
                verdict,
                format!("set {} times in {}, {what}: lines {lines}", all.len(), file.path),
            )
        })
        .collect()
}

fn wrong_lines(file: &EnvFile) -> Vec<Finding> {
    let told = |mistake: &Mistake| {
        Finding::new("files", format!("{}:{}", file.path, mistake.line), Verdict::Fail, mistake.why)
    };
    file.mistakes.iter().map(told).collect()
}

fn missing(finding: Finding, need: &Need) -> Finding {
    match &need.example {
        Some(example) => finding.hint(format!("{example} shows it")),
        None => finding,
    }
}

/// `read by src/db.js:3 and 4 more`
fn read(need: &Need) -> String {
    let more = need.count.saturating_sub(need.places.len());
    let places = need.places.join(", ");
    if more == 0 { format!("read by {places}") } else { format!("read by {places} and {more} more") }
}

fn is_used(needs: &Needs, name: &str) -> bool {
    needs.variables.get(name).is_some_and(|need| need.read)
}

fn is_only_example(need: &Need) -> bool {
    need.example.is_some() && !need.read && need.given.is_none()
}

fn is_of_the_system(name: &str) -> bool {
    OF_THE_SYSTEM.contains(&name) || ["LC_", "npm_", "GITHUB_"].iter().any(|start| name.starts_with(start))
}

fn together<'n>(what: &str, names: impl Iterator<Item = &'n str>) -> Option<Finding> {
    let names: Vec<&str> = names.collect();
    let count = match names.len() {
        0 => return None,
        1 => "1 variable".to_string(),
        many => format!("{many} variables"),
    };
    let mut told = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        told.push_str(&format!(" and {} more", names.len() - NAMED));
    }
    Some(Finding::new(GROUP, count, Verdict::Info, format!("{what}: {told}")).detail("names", names))
}

fn whole(needs: &Needs) -> Option<Finding> {
    let first = needs.whole.first()?;
    let seen = format!(
        "the environment is used as a whole at {first}, so not every variable that is read can be known"
    );
    Some(Finding::new(GROUP, format!("{} places", needs.whole.len()), Verdict::Info, seen))
}

fn summary(needs: &Needs, set: impl Iterator<Item = bool>) -> Finding {
    let set: Vec<bool> = set.collect();
    let count = set.iter().filter(|set| **set).count();
    let seen = format!("{count} of {} variables that {} files name are set", set.len(), needs.files);
    Finding::new(GROUP, &needs.source, Verdict::Info, seen).detail("set", count).detail("named", set.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::dotenv;

    fn told(needs: &Needs, env: &str) -> String {
        let (set, mistakes) = dotenv::read(env);
        let file = EnvFile { path: "/e".to_string(), set, mistakes };
        let findings = compare(needs, &[file], &|name| name == "IGNORED");
        findings.iter().map(|finding| format!("{finding}\n")).collect()
    }

    fn needs() -> Needs {
        let mut needs = Needs { source: "app".to_string(), files: 2, ..Needs::default() };
        needs.read("DATABASE_URL", "a.js:1".to_string(), false);
        needs.read("PORT", "a.js:2".to_string(), true);
        needs.read("KEY", "a.js:3".to_string(), false);
        needs.read("IGNORED", "a.js:4".to_string(), false);
        needs.read("PATH", "a.js:5".to_string(), false);
        needs.read("REDIS", "a.js:6".to_string(), false);
        needs.give("REDIS", "c.yml:1".to_string());
        needs.name_in_example("DATABASE_URL", ".env.example:1".to_string());
        needs.name_in_example("OLD", ".env.example:2".to_string());
        needs
    }

    #[test]
    fn everything_is_judged() {
        expect_test::expect![[r#"
            fail    environment DATABASE_URL: not set, and read by a.js:1
            fail    environment KEY: a placeholder in /e:1: it begins with your-
            pass    environment REDIS: given by c.yml:1
            fail    files /e:4: it has no = after its name
            fail    environment SPARE: set 2 times in /e, to different values, of which the last one counts: lines 2, 3
            info    environment 1 variable: not set, and there is a default: PORT
            info    environment 1 variable: in an example, not set, and read by nothing: OLD
            info    environment 1 variable: set, and read by nothing that was found: SPARE
            info    environment app: 1 of 5 variables that 2 files name are set
        "#]]
        .assert_eq(&told(&needs(), "KEY=your-key-here\nSPARE=1\nSPARE=2\noh no\n"));
        expect_test::expect![[r#"
            fail    environment KEY: empty in /e:2, and read by a.js:3
            pass    environment DATABASE_URL: set in /e:1
            info    environment PORT: passed on from the environment by /e:3
            pass    environment REDIS: given by c.yml:1
            info    environment 1 variable: in an example, not set, and read by nothing: OLD
            info    environment app: 2 of 5 variables that 2 files name are set
        "#]]
        .assert_eq(&told(&needs(), "DATABASE_URL=postgres://a\nKEY=\nPORT"));
    }

    #[test]
    fn no_value_is_ever_told() {
        let env = "DATABASE_URL=canary-1\nKEY=your-canary-2-here\nKEY='canary-3\nPORT=canary-4 # canary-5\ncanary6 canary-7\n\"canary-8\n";
        let (set, mistakes) = dotenv::read(env);
        let file = EnvFile { path: "/e".to_string(), set, mistakes };
        let told = serde_json::to_string(&compare(&needs(), &[file], &|_| false)).unwrap();
        assert!(!told.contains("canary"), "{told}");
    }
}
