//! A command runs as it would by hand: environment, PATH, locale, home, directory, umask, standard input and limits are those
//! of `ssh HOST`, with an agent and through the host's sh.

use crate::stage::{Lab, Stage, finish};

/// Prints all that is compared. Of the environment only what a login sets for the user's programs: `SSH_CONNECTION` and its
/// like belong to one connection.
const LOOK: &str = r#"
for name in HOME USER LOGNAME SHELL LANG LANGUAGE LC_ALL LC_CTYPE LC_MESSAGES TZ TMPDIR http_proxy; do
    eval "printf '%s=%s\n' $name \"\${$name-unset}\""
done
pwd; umask; ulimit -a; printf 'stdin '; wc -c; printf 'PATH=%s\n' "$PATH"
"#;

/// What `ssh HOST` gives.
fn by_hand(lab: &Lab, address: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "the reference client, as a person would use it")]
    let mut client = std::process::Command::new("ssh");
    client.args(["-n", "-q", "-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i"]);
    client.arg(lab.identity()).arg("-o");
    client.arg(format!("UserKnownHostsFile={}", lab.known_hosts().display()));
    client.arg(format!("root@{address}")).arg(format!("sh -c '{}'", LOOK.replace('\'', r"'\''")));
    let finished = finish(&mut client);
    assert_eq!(finished.code, 0, "{finished:?}");
    finished.stdout
}

fn compare(name: &str) {
    let Stage { host, project } = Stage::on(name);
    let there = host.read("/etc/environment");
    host.write("/etc/environment", "LANG=C.UTF-8\nTZ=Asia/Tokyo\n");
    let by_hand = by_hand(&Lab::get(), &host.address);
    let step = format!("[[steps]]\nname = \"look\"\n[steps.command]\nshell = '''{LOOK}'''\n");
    let report = project.play(&step, name, "").exits(0);
    match there {
        Some(text) => host.write("/etc/environment", text),
        None => drop(host.must("rm /etc/environment")),
    }
    let output = report.step(name, "look")["output"]["stdout"].as_str().unwrap_or_default().to_string();
    let (own, hand): (Vec<&str>, Vec<&str>) = (output.lines().collect(), by_hand.lines().collect());
    // Not every host of the lab reads /etc/environment at a login.
    assert!(name != "full1" || hand.contains(&"LANG=C.UTF-8"), "a locale can be compared: {by_hand}");
    let differing: Vec<_> = own.iter().zip(&hand).filter(|(own, hand)| !is_same(own, hand)).collect();
    assert!(own.len() == hand.len() && differing.is_empty(), "{name}: {differing:#?}\n{output}\n{by_hand}");
}

/// PATH begins with the login's; the `sbin` directories, which ordinary users lack, follow.
fn is_same(own: &str, by_hand: &str) -> bool {
    own == by_hand || (by_hand.starts_with("PATH=") && own.starts_with(by_hand))
}

#[test]
fn a_command_runs_as_by_ssh_with_an_agent() {
    compare("full1");
}

#[test]
fn a_command_runs_as_by_ssh_without_an_agent() {
    compare("noexec1");
}
