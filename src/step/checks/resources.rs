//! What a host has left: processors, memory, swap, network, and how often its containers were restarted.

use crate::model::finding::{Finding, Verdict};
use crate::model::op::{Command, Plan};
use crate::model::size::{Part, Size};
use crate::model::{Failure, Result, Value, Values};
use crate::step::{Kind, Step};
use crate::system::Probe;
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;

mod load;

use load::Load;

/// Two samples, a second apart.
const LOOK: &str = include_str!("resources/look.sh");

/// dockerd gets up to 20 seconds for each of a few questions.
const LOOK_TIME: Duration = Duration::from_secs(90);

/// Reports load, processors, memory, swap, network and restarts of containers, and fails where one is over its limit. Only
/// looks, for a second. What has no limit is shown as it is. `register` gets `findings`; their `details` have units in their
/// names.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "controller", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// What must be left of memory at least, what caches hold counted in: a share such as `"10%"` or a size.
    memory_free_min: Option<Part>,
    /// What must be free of swap at least, where there is swap: a share or a size.
    swap_free_min: Option<Part>,
    /// The highest load of the last five minutes: a number, or for hosts of all sizes `"1.5 per cpu"`.
    load_max: Option<Load>,
    /// How often docker may have restarted a container at most, since it was made.
    restarts_max: Option<u64>,
}

impl Kind for Resources {
    const NAME: &'static str = "resources";
    const EXAMPLE: &'static str = r#"
[[steps]]
name = "the host is not at its limits"
[steps.resources]
memory_free_min = "10%"         # or a size: "500 MiB"
swap_free_min = "50%"
load_max = "1.5 per cpu"        # or a number
restarts_max = 3
"#;
}

impl Step for Resources {
    fn plan(&self, host: &dyn Probe) -> Result<Plan> {
        let text = |path: &str| -> Result<String> {
            Ok(String::from_utf8_lossy(&host.read(Path::new(path))?.unwrap_or_default()).into_owned())
        };
        let (memory, load, processors) =
            (text("/proc/meminfo")?, text("/proc/loadavg")?, text("/proc/cpuinfo")?);
        let question = Command { timeout: Some(LOOK_TIME), ..Command::new(["sh", "-c", LOOK]) };
        let answer = host.ask(&question)?;
        let told = answer.text();
        if !told.lines().any(|line| line.starts_with("docker\t")) {
            let why = answer.last_words().unwrap_or_else(|| format!("status {}", answer.status));
            return Err(Failure::new("look at processors, network and containers", why));
        }
        let processors = processors.lines().filter(|line| line.starts_with("processor")).count().max(1);
        let mut findings = vec![self.load(&load, processors), busy(&told)];
        findings.extend([self.memory(&memory), self.swap(&memory)]);
        findings.extend(network(&told));
        findings.push(self.restarts(&told));
        if host.pretends() {
            findings.iter_mut().filter(|finding| finding.verdict != Verdict::Info).for_each(|finding| {
                finding.verdict = Verdict::Unknown;
            });
        }
        Ok(Plan::found(findings))
    }
}

impl Resources {
    fn load(&self, text: &str, processors: usize) -> Finding {
        let loads: Vec<f64> = text.split(' ').take(3).filter_map(|word| word.parse().ok()).collect();
        let [one, five, fifteen] = loads[..] else {
            return Finding::new("load", "5 min", Verdict::Unknown, "/proc/loadavg cannot be read").cell("?");
        };
        let seen = format!("{one}, {five}, {fifteen} over 1, 5, 15 minutes on {processors} processors");
        let verdict = self.load_max.map_or(Verdict::Info, |most| Verdict::of(five <= most.of(processors)));
        let finding = Finding::new("load", "5 min", verdict, seen)
            .cell(format!("{five:.1}/{processors}"))
            .detail("load_1_min", one)
            .detail("load_5_min", five)
            .detail("load_15_min", fifteen)
            .detail("processors", processors);
        match self.load_max {
            Some(most) => finding.wanted(format!("at most {most}")),
            None => finding,
        }
    }

    fn memory(&self, meminfo: &str) -> Finding {
        let (Some(all), Some(free)) = (bytes_in(meminfo, "MemTotal"), bytes_in(meminfo, "MemAvailable"))
        else {
            return Finding::new("memory", "free", Verdict::Unknown, "/proc/meminfo does not show it")
                .cell("?");
        };
        left("memory", free, all, self.memory_free_min)
    }

    fn swap(&self, meminfo: &str) -> Finding {
        match (bytes_in(meminfo, "SwapTotal"), bytes_in(meminfo, "SwapFree")) {
            (Some(all @ 1..), Some(free)) => left("swap", free, all, self.swap_free_min),
            (Some(0), _) => Finding::new("swap", "free", Verdict::Info, "there is none")
                .cell("none")
                .detail("total_bytes", 0),
            _ => Finding::new("swap", "free", Verdict::Unknown, "/proc/meminfo does not show it").cell("?"),
        }
    }

    fn restarts(&self, told: &str) -> Finding {
        let (group, what) = ("containers", "restarts");
        if told.lines().any(|line| line == "docker\tabsent") {
            return Finding::new(group, what, Verdict::Info, "there is no docker").cell("no docker");
        }
        if told.lines().any(|line| line == "docker\tsilent") {
            return Finding::new(group, what, Verdict::Unknown, "docker does not answer")
                .cell("?")
                .hint("become a user who may use docker, or find out why it does not answer");
        }
        let restarted = containers(told);
        let most = restarted.iter().map(|(_, many, _)| *many).max().unwrap_or(0);
        let by_name: Values =
            restarted.iter().map(|(name, many, _)| (name.to_string(), Value::from(*many))).collect();
        let verdict = self.restarts_max.map_or(Verdict::Info, |limit| Verdict::of(most <= limit));
        let finding = Finding::new(group, what, verdict, in_words(&restarted))
            .cell(most)
            .detail("containers", restarted.len())
            .detail("most_restarts", most)
            .detail("restarts", by_name);
        match self.restarts_max {
            Some(limit) => {
                finding.wanted(format!("at most {limit}")).hint("docker logs NAME shows why it ended")
            }
            None => finding,
        }
    }
}

/// Name, restarts and state of each container, those with most restarts first.
fn containers(told: &str) -> Vec<(&str, u64, &str)> {
    let mut all: Vec<(&str, u64, &str)> = told.lines().filter_map(container).collect();
    all.sort_by_key(|(_, many, _)| std::cmp::Reverse(*many));
    all
}

fn container(line: &str) -> Option<(&str, u64, &str)> {
    let ["container", name, many, state] = line.split('\t').collect::<Vec<_>>()[..] else { return None };
    Some((name.trim_start_matches('/'), many.parse().ok()?, state))
}

fn in_words(restarted: &[(&str, u64, &str)]) -> String {
    let some: Vec<String> = restarted
        .iter()
        .filter(|(_, many, _)| *many > 0)
        .map(|(name, many, state)| format!("{name} {many} ({state})"))
        .collect();
    match (restarted.len(), some.is_empty()) {
        (0, _) => "there are no containers".to_string(),
        (many, true) => format!("none of {many} containers was restarted"),
        (_, false) => some.join(", "),
    }
}

fn left(group: &str, free: u64, all: u64, least: Option<Part>) -> Finding {
    let percent = free.saturating_mul(100).checked_div(all).unwrap_or(0);
    let verdict = least.map_or(Verdict::Info, |least| Verdict::of(least.holds(free, all)));
    let finding =
        Finding::new(group, "free", verdict, format!("{percent}% ({} of {})", Size(free), Size(all)))
            .cell(format!("{percent}%"))
            .detail("total_bytes", all)
            .detail("free_bytes", free)
            .detail("free_percent", percent);
    match least {
        Some(least) => finding.wanted(format!("at least {least} free")),
        None => finding,
    }
}

fn bytes_in(meminfo: &str, name: &str) -> Option<u64> {
    let value = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// What grew between the two samples, as pairs.
fn grown(told: &str, name: &str) -> Option<[u64; 2]> {
    let pair = |line: &str| -> Option<[u64; 2]> {
        let rest = line.strip_prefix(name)?.strip_prefix('\t')?;
        let (one, other) = rest.split_once('\t')?;
        Some([one.parse().ok()?, other.parse().ok()?])
    };
    let samples: Vec<[u64; 2]> = told.lines().filter_map(pair).collect();
    let [before, after] = samples[..] else { return None };
    Some([after[0].saturating_sub(before[0]), after[1].saturating_sub(before[1])])
}

fn busy(told: &str) -> Finding {
    let percent = grown(told, "cpu").and_then(|[busy, all]| (busy * 100).checked_div(all));
    let Some(percent) = percent else {
        return Finding::new("cpu", "busy", Verdict::Unknown, "/proc/stat does not show it").cell("?");
    };
    Finding::new("cpu", "busy", Verdict::Info, format!("{percent}% for a second"))
        .cell(format!("{percent}%"))
        .detail("busy_percent", percent)
}

fn network(told: &str) -> Vec<Finding> {
    let grown = grown(told, "network");
    let rate = |what: &str, bytes: Option<u64>| match bytes {
        None => Finding::new("network", what, Verdict::Unknown, "/proc/net/dev does not show it").cell("?"),
        Some(bytes) => {
            let rate = format!("{}/s", Size(bytes));
            Finding::new("network", what, Verdict::Info, &rate).cell(&rate).detail("bytes_per_second", bytes)
        }
    };
    vec![rate("in", grown.map(|[received, _]| received)), rate("out", grown.map(|[_, sent]| sent))]
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use super::LOOK;
    use crate::system::pretend::Pretend;
    use crate::testing::{answer_to, found, host, parse, pretend_a_change};

    const TOLD: &str = "cpu\t100\t1000\nnetwork\t1000\t50\ncpu\t134\t1100\nnetwork\t4072\t150\ncontainer\t/app\t7\trunning\ncontainer\t/db\t0\texited\ndocker\tanswers\n";

    fn a_host(told: &str) -> Pretend<'static> {
        let host = host(&[
            ("/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 80 kB\nSwapTotal: 100 kB\nSwapFree: 40 kB\n"),
            ("/proc/loadavg", "1.50 6.25 2.00 1/2 3\n"),
            ("/proc/cpuinfo", "processor : 0\nprocessor : 1\n"),
        ]);
        answer_to(&host, vec!["sh".into(), "-c".into(), LOOK.into()], 0, told);
        host
    }

    #[test]
    fn tells_what_there_is() {
        expect_test::expect![[r#"
            info    load 5 min: 1.5, 6.25, 2 over 1, 5, 15 minutes on 2 processors
            info    cpu busy: 34% for a second
            info    memory free: 8% (80.0 KiB of 1000.0 KiB)
            info    swap free: 40% (40.0 KiB of 100.0 KiB)
            info    network in: 3.0 KiB/s
            info    network out: 100 B/s
            info    containers restarts: app 7 (running)
        "#]]
        .assert_eq(&found(&a_host(TOLD), "resources", "").unwrap());
    }

    #[test]
    fn limits_make_it_fail() {
        let keys =
            "memory_free_min = '10%'\nswap_free_min = '10 KiB'\nload_max = '2 per cpu'\nrestarts_max = 3";
        expect_test::expect![[r#"
            fail    load 5 min: 1.5, 6.25, 2 over 1, 5, 15 minutes on 2 processors (wanted: at most 2 per processor)
            info    cpu busy: 34% for a second
            fail    memory free: 8% (80.0 KiB of 1000.0 KiB) (wanted: at least 10% free)
            pass    swap free: 40% (40.0 KiB of 100.0 KiB) (wanted: at least 10.0 KiB free)
            info    network in: 3.0 KiB/s
            info    network out: 100 B/s
            fail    containers restarts: app 7 (running) (wanted: at most 3)
        "#]].assert_eq(&found(&a_host(TOLD), "resources", keys).unwrap());
    }

    #[test]
    fn a_docker_that_does_not_answer_is_unknown() {
        let told = |docker: &str| {
            let host = a_host(&format!("cpu\t1\t1\ndocker\t{docker}\n"));
            found(&host, "resources", "").unwrap().lines().last().unwrap_or_default().to_string()
        };
        assert_eq!(told("silent"), "unknown containers restarts: docker does not answer");
        assert_eq!(told("absent"), "info    containers restarts: there is no docker");
        assert_eq!(told("answers"), "info    containers restarts: there are no containers");
        assert!(found(&host(&[]), "resources", "").is_err(), "a look that was not made is no look");
    }

    #[test]
    fn what_changes_above_will_leave_is_unknown() {
        let host = a_host(TOLD);
        pretend_a_change(&host);
        let told = found(&host, "resources", "load_max = 100").unwrap();
        assert!(told.starts_with("unknown load 5 min: 1.5, 6.25, 2"), "{told}");
    }

    #[test]
    fn a_load_is_a_number_or_one_for_each_processor() {
        let refused = parse("resources", "load_max = 'much'").err().unwrap().to_string();
        assert_eq!(refused, "read resources.load_max: \"much\" is not a load such as 4 or \"1.5 per cpu\"");
    }
}
