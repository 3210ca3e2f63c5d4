//! What commands print: seen while they run, bounded, without secrets, each line with its host.

use crate::stage::{Lab, Project, Stage};
use serde_json::Value;
use std::collections::BTreeMap;

/// A command that goes on until the test lets it.
const GATED: &str = r#"
[[steps]]
name = "gate"
[steps.command]
shell = "echo it has started; until [ -e /srv/open ]; do sleep 0.0872; done; echo it is over"
"#;

fn printed(events: &[Value]) -> String {
    let printed = events.iter().filter(|event| event["event"] == "output");
    printed.map(|event| event["text"].as_str().expect("a text")).collect()
}

#[test]
fn what_a_command_prints_is_seen_while_it_runs() {
    for name in ["small1", "noexec1"] {
        let Stage { host, project } = Stage::on(name).with("rm -f /srv/open");
        let mut running = project.start(GATED, name);
        if name == "small1" {
            running.until("output");
        }
        host.must("touch /srv/open");
        let report = running.end().exits(0);
        assert_eq!(printed(&report.events), "it has started\nit is over\n", "{name}");
        let step = report.step(name, "gate");
        assert_eq!(step["output"]["stdout"], "it has started\nit is over\n", "{name}");
    }
}

#[test]
fn lines_of_hosts_are_never_mixed_and_each_begins_with_its_host() {
    let lab = Lab::get();
    let _hosts = lab.hosts(["small1", "full3"]);
    let project = Project::new(&lab);
    let script =
        "for n in 1 2 3 4 5 6 7 8 9; do printf \"line \"; sleep 0.05; printf \"$n of $(hostname)\\n\"; done";
    let shown = project.windlass(["run", "command", "--live", "--hosts", "small1,full3", "--", script]);
    assert_eq!(shown.code, 0, "{shown:?}");
    let mut lines: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (host, line) in shown.stdout.lines().filter_map(|line| line.split_once(" | ")) {
        lines.entry(host.trim()).or_default().push(line);
    }
    assert_eq!(lines.keys().copied().collect::<Vec<_>>(), ["full3", "small1"], "{shown:?}");
    for lines in lines.values() {
        assert_eq!(lines.len(), 9, "{shown:?}");
        assert!(lines.iter().enumerate().all(|(at, line)| line.starts_with(&format!("line {} of ", at + 1))));
    }
    assert!(!shown.stdout.contains("    line"), "nothing is shown twice: {shown:?}");
}

#[test]
fn long_output_is_kept_at_both_ends_and_whole_in_a_file() {
    let Stage { host, project } = Stage::on("small1");
    host.must("seq 1 300000 >/srv/long");
    let whole = host.read("/srv/long").unwrap_or_default();
    let play = "[[steps]]\nname = \"long\"\n[steps.command]\nrun = \"cat /srv/long\"\n";
    let report = project.play(play, "small1", "--output-dir said --output-limit 64k").exits(0);
    let output = &report.step("small1", "long")["output"];
    let kept = output["stdout"].as_str().unwrap_or_default();
    assert!(kept.starts_with("1\n2\n3\n") && kept.ends_with("299999\n300000\n"), "{} bytes", kept.len());
    assert!(kept.len() < 66_000 && kept.contains(" bytes left out …"), "{} bytes", kept.len());
    assert_eq!(output["total_bytes"], whole.len());
    assert_eq!(project.read("said/small1.log"), whole);
    let shown = project.windlass([
        "run",
        "command",
        "--hosts",
        "small1",
        "--output-dir",
        "said",
        "--",
        "cat /srv/long",
    ]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert_eq!(project.read("said/small1.log"), whole);
}

#[test]
fn a_secret_that_is_printed_in_parts_is_hidden_everywhere() {
    let Stage { host: _host, project } = Stage::on("small1");
    let secret = "Canary-93b1-streamed";
    project.write_secret("token.toml", format!("token = \"{secret}\"\n"));
    let play = r#"
[params.token]
type = "secret"
[[steps]]
name = "in parts"
[steps.command]
shell = 'printf "it is ${TOKEN%streamed}"; sleep 0.4; printf "streamed, "; sleep 1.5; printf "${TOKEN%%-*}"; sleep 1.5; echo "${TOKEN#Canary}"; printf "a line"; kill -9 $$'
environment = { TOKEN = "{{ token }}" }
"#;
    project.write("playbooks/it.toml", play);
    for output in ["human", "jsonl"] {
        let line =
            format!("run playbook it --hosts small1 -e @token.toml --output-dir said --output {output}");
        let finished = project.windlass(line.split(' '));
        let file = project.read("said/small1.log");
        for text in [&finished.stdout, &finished.stderr, &file] {
            for part in ["Canary-93b1", "-93b1-"] {
                assert!(!text.contains(part), "{output}: {part} in {text}");
            }
        }
        assert!(file.contains("it is ***, ***\na line"), "{file}");
        assert!(finished.stdout.contains("it is ***,"), "{finished:?}");
    }
}

#[test]
fn what_a_terminal_would_obey_is_shown_and_json_stays_json() {
    let Stage { host: _host, project } = Stage::on("small1");
    let command = "printf '\\033[2Jgone\\007\\n'; echo oops >&2";
    let human = project.windlass(["run", "command", "--hosts", "small1", "--", command]);
    assert!(
        human.stdout.contains("small1 | \\x1b[2Jgone\\x07\n") && human.stdout.contains("small1 | oops\n"),
        "{human:?}"
    );
    let json = project
        .windlass(["run", "command", "--live", "--hosts", "small1", "--output", "json", "--", command]);
    serde_json::from_str::<Value>(&json.stdout).unwrap_or_else(|error| panic!("{error}: {json:?}"));
}

#[test]
fn a_report_is_written_in_the_format_of_its_name() {
    let Stage { host: _host, project } = Stage::on("small1");
    let play =
        "[[steps]]\nname = \"say\"\n[steps.file]\npath = \"/srv/e2e-report\"\ncontent = \"hello\\n\"\n";
    for (name, part) in
        [("a.html", "+hello"), ("a.md", "| small1 |"), ("a.xml", "timestamp=\""), ("a.sarif", "2.1.0")]
    {
        project.play(play, "small1", &format!("--diff --report {name}")).exits(0);
        let report = project.read(name);
        assert!(report.contains(part) || (name == "a.html" && report.contains("say")), "{name}: {report}");
    }
    let shown = project.windlass(["runs", "show", "last", "--report", "again.html"]);
    assert_eq!((shown.code, shown.stdout.as_str()), (0, ""), "{shown:?}");
    assert!(project.read("again.html").contains("small1"));
    let refused = project.windlass(["runs", "show", "last", "--report", "again"]);
    assert_eq!(refused.code, 5, "{refused:?}");
}
