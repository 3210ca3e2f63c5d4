//! A secret of one host that another host uses, `hosts['db1'].vars.NAME`: it goes only into the jobs whose steps use it, and
//! nothing shows or keeps it.

use crate::folder_host::FolderStage;
use crate::stage::Finished;
use std::fs;
use std::path::{Path, PathBuf};

const CANARY: &str = "canary/7f3a9d+secret=value";
const BASE64: &str = "Y2FuYXJ5LzdmM2E5ZCtzZWNyZXQ9dmFsdWU";

/// web1 has the secret in an environment, in its input, in a file and in what a command prints; web2 has nothing of it.
const PLAYBOOK: &str = r#"
[[plays]]
hosts = "web*"
[[plays.steps]]
name = "tell"
when = "inventory_hostname == 'web1'"
ignore_errors = true
register = "answer"
environment = { TOKEN = "{{ hosts['db1'].vars.token }}" }
command = { shell = "echo token: $TOKEN; printf %s $TOKEN | base64; cat; exit 3", stdin = "{{ hosts['db1'].vars.url }}" }
[[plays.steps]]
name = "write"
when = "inventory_hostname == 'web1'"
file = { path = "/srv/url", content = "{{ facts.arch }} {{ hosts['db1'].vars.url }}\n" }
[[plays.steps]]
name = "say"
when = "inventory_hostname == 'web1'"
debug = { message = "{{ hosts['db1'].vars.token | b64encode }} {{ answer.stdout | default('') }}" }
[[plays.steps]]
name = "wrong"
ignore_errors = true
when = "inventory_hostname == 'web1'"
assert = { that = "hosts['db1'].vars.token == 'something else'", message = "the token is {{ hosts['db1'].vars.token }}" }
[[plays.steps]]
name = "all of them"
file = { path = "/srv/peers", content = "{{ facts.arch }}{% for h in ['db1', 'web2'] %} {{ hosts[h].name }}{% endfor %}\n" }
[[plays.steps]]
name = "elsewhere"
when = "inventory_hostname == 'web1'"
on = "db1"
command = { shell = "echo on db1: {{ hosts['db1'].vars.token }}" }
[[plays.steps]]
set = { kept = "{{ hosts['db1'].vars.url if inventory_hostname == 'web1' else 'none' }}" }
[[plays]]
hosts = "db1"
[[plays.steps]]
debug = { message = "web1 has {{ hosts['web1'].vars.kept }}" }
"#;

fn stage() -> FolderStage {
    let stage = FolderStage::of(&["db1", "web1", "web2"]);
    for host in ["db1", "web1", "web2"] {
        fs::create_dir_all(stage.file(&format!("{host}/srv"))).expect("a directory can be made");
    }
    let own = "[hosts.db1]\nsecrets = { token = \"file:keys/token\" }\nvars = { url = \"postgres://app:{{ token }}@db1/app\" }\n";
    let inventory = stage.project.read("inventories/demo.toml").replace("[hosts.db1]\n", own);
    stage.project.write("inventories/demo.toml", inventory);
    stage.project.write_secret("keys/token", format!("{CANARY}\n"));
    stage.project.write("playbooks/site.toml", PLAYBOOK);
    stage
}

fn holds(bytes: &[u8]) -> bool {
    let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    has(CANARY) || has(BASE64)
}

fn shows(finished: &Finished) -> bool {
    holds(finished.stdout.as_bytes()) || holds(finished.stderr.as_bytes())
}

/// The files below the project that hold it, but for the one that it comes from.
fn kept(stage: &FolderStage) -> Vec<PathBuf> {
    let root = stage.project.path();
    let (mut found, mut waiting) = (Vec::new(), vec![root.to_path_buf()]);
    while let Some(path) = waiting.pop() {
        if path.is_symlink() {
            continue;
        } else if path.is_dir() {
            waiting.extend(
                fs::read_dir(&path).expect("it is ours").map(|entry| entry.expect("it is there").path()),
            );
        } else if path.is_file() && holds(&fs::read(&path).unwrap_or_default()) {
            found.push(path.strip_prefix(root).expect("it is below").to_path_buf());
        }
    }
    found.sort();
    found
}

#[test]
fn a_secret_of_another_host_is_kept_and_shown_nowhere() {
    let stage = stage();
    let expected = [Path::new("keys/token"), Path::new("web1/srv/url")];
    for words in [
        "run playbook site -v --diff --live",
        "run playbook site -v --diff --output jsonl",
        "run playbook site --output json",
        "run playbook site --output junit",
        "run playbook site --output markdown",
        "run playbook site --check --diff",
        "runs show last -v",
        "runs show last --output json",
        "runs export last",
        "runs retry last -v",
        "runs undo last -v",
        "hosts db1",
        "hosts --output json",
        "explain var db1.url --playbook site",
        "explain var db1.token --playbook site",
        "lint",
    ] {
        let finished = stage.project.windlass(words.split(' '));
        assert!(!shows(&finished), "{words}: {finished:?}");
        if words.starts_with("run playbook") {
            assert_eq!(finished.code, 0, "{words}: {finished:?}");
            assert!(finished.stdout.replace('\\', "").contains("***"), "{words}: {finished:?}");
        }
        let found = kept(&stage);
        assert!(found.iter().all(|path| expected.contains(&path.as_path())), "{words}: {found:?}");
    }
}
