//! The ssh configuration and the options of the command line, through the built program.
#![expect(clippy::disallowed_methods, reason = "these tests run the built program itself")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use tempfile::TempDir;

/// A project, and a home with an ssh configuration.
struct Stage {
    directory: TempDir,
}

impl Stage {
    fn new(config: &str, inventory: &str) -> Stage {
        let directory = tempfile::tempdir().unwrap();
        for part in ["home/.ssh", "project/inventories"] {
            fs::create_dir_all(directory.path().join(part)).unwrap();
        }
        let stage = Stage { directory };
        stage.write("home/.ssh/config", config);
        stage.write("project/windlass.toml", "");
        stage.write("project/inventories/all.toml", inventory);
        stage
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Exit code, standard output, standard error.
    fn windlass(&self, line: &str) -> (i32, String, String) {
        let mut program = Command::new(env!("CARGO_BIN_EXE_windlass"));
        program.args(line.split_whitespace()).current_dir(self.directory.path().join("project"));
        program
            .env("HOME", self.directory.path().join("home"))
            .env_remove("SSH_AUTH_SOCK")
            .env("NO_COLOR", "1");
        let Output { status, stdout, stderr } = program.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }
}

/// A port of loopback on which nothing listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn host_name_is_used_unless_the_inventory_gives_an_address() {
    let port = closed_port();
    let stage = Stage::new(
        &format!("Host alias given\n HostName 127.0.0.1\n Port {port}\n"),
        "[hosts.alias]\n[hosts.given]\naddress = \"127.0.0.2\"\n",
    );
    let (code, out, _) = stage.windlass("run command --hosts all -- true");
    assert_eq!(code, 4, "{out}");
    for address in ["127.0.0.1", "127.0.0.2"] {
        assert!(out.contains(&format!("connect to {address} port {port}: connection refused")), "{out}");
    }
}

#[test]
fn a_host_that_cannot_be_honoured_fails_alone() {
    let port = closed_port();
    let stage = Stage::new(
        &format!("Host odd\n CheckHostIP yes\nHost *\n HostName 127.0.0.1\n Port {port}\n Compression yes\n"),
        "[hosts.odd]\n[hosts.even]\n",
    );
    let (code, out, err) = stage.windlass("run command --hosts all -v -- true");
    assert_eq!(code, 4, "{out}{err}");
    assert!(
        out.contains("read `CheckHostIP` of") && out.contains(".ssh/config:2: windlass cannot do `yes`"),
        "{out}"
    );
    assert!(out.contains(&format!("connect to 127.0.0.1 port {port}: connection refused")), "{out}");
    assert_eq!(err.matches("Compression (").count(), 1, "{err}");
}

#[test]
fn options_of_the_command_line_are_strongest() {
    let (port, other) = (closed_port(), closed_port());
    let stage = Stage::new("", &format!("[hosts.a]\naddress = \"127.0.0.1\"\nssh = {{ port = {port} }}\n"));
    let (_, out, _) = stage.windlass(&format!("run command --hosts all -o Port={other} -- true"));
    assert!(out.contains(&format!("port {other}: connection refused")), "{out}");
    let (code, _, err) = stage.windlass("run command --hosts all -o Port -- true");
    assert_eq!((code, err.contains("it is not NAME=VALUE")), (5, true), "{err}");
    let (code, _, err) = stage.windlass("run command --hosts all -o Prot=22 -- true");
    assert_eq!((code, err.contains("`prot` is not an option of ssh")), (5, true), "{err}");
    let (_, out, _) = stage.windlass("run command --hosts all -o ProxyCommand=false -- true");
    assert!(out.contains("ProxyCommand ended before the server's banner"), "{out}");
}

#[test]
fn what_match_exec_decided_is_shown_once() {
    let port = closed_port();
    let stage = Stage::new(
        &format!(
            "Match exec \"true\"\n Port {port}\nMatch exec \"exit 3\"\n User nobody\nHost *\n HostName 127.0.0.1\n"
        ),
        "[hosts.a]\n[hosts.b]\n",
    );
    let (code, out, err) = stage.windlass("run command --hosts all -v -- true");
    assert_eq!(code, 4, "{err}");
    assert!(out.contains(&format!("port {port}: connection refused")), "{out}");
    let said = |what: &str| err.matches(what).count();
    assert_eq!(
        (said("`Match exec \"true\"` succeeded"), said("`Match exec \"exit 3\"` failed")),
        (1, 1),
        "{err}"
    );
    assert!(stage.windlass("hosts a -v").1.contains("`Match exec \"true\"` succeeded"));
}

#[test]
fn warnings_of_inventories_are_shown_alike() {
    let stage = Stage::new("Host odd\n CheckHostIP yes\nHost *\n Port 1\n", "");
    stage.write(
        "project/inventories/x.ini",
        "odd ansible_host=127.0.0.1 ansible_python_interpreter=python3\n",
    );
    let said = |text: &str| text.matches("`ansible_python_interpreter` has no effect").count();
    let (_, out, err) = stage.windlass("lint");
    assert_eq!((said(&out), out.matches("odd cannot be reached").count()), (1, 1), "{out}{err}");
    assert_eq!(said(&stage.windlass("hosts").2), 1);
    let (_, out, err) = stage.windlass("run command --hosts all -- true");
    assert_eq!((said(&out), said(&err)), (0, 1), "{out}{err}");
    let (_, out, err) = stage.windlass("run command --hosts all --output jsonl -- true");
    assert_eq!((said(&out), said(&err)), (1, 1), "{out}{err}");
}

#[test]
fn all_that_is_wrong_in_an_inventory_is_shown_at_once() {
    let stage = Stage::new("", "");
    stage.write("project/inventories/x.ini", "db ansible_password=x\nold 203.0.113.5\n[web\nweb1 a b\n");
    let (code, out, _) = stage.windlass("lint");
    assert_eq!(code, 5);
    for wrong in ["ansible_password", "`203.0.113.5` is not a variable", "x.ini:3"] {
        assert!(out.contains(wrong), "{wrong}: {out}");
    }
}

#[test]
fn how_a_host_would_be_reached_is_shown_with_the_lines_that_decided() {
    let stage = Stage::new(
        "Host web*\n  HostName %h.example.com\n  User deploy\nHost *\n  IdentityFile ~/.ssh/work\n  ForwardAgent yes\n",
        "[hosts.web1]\nssh = { port = 2222 }\n",
    );
    let (code, out, _) = stage.windlass("hosts web1 -v");
    let home = stage.directory.path().join("home").display().to_string();
    let row = |option: &str| {
        let line = out.lines().find(|line| line.trim_start().starts_with(option)).unwrap_or_default();
        line.replace(&home, "~").split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(code, 0);
    assert_eq!(row("HostName"), "HostName web1.example.com ~/.ssh/config:2");
    assert_eq!(row("User "), "User deploy ~/.ssh/config:3");
    assert_eq!(row("Port"), "Port 2222 the inventory");
    assert_eq!(row("IdentityFile"), "IdentityFile ~/.ssh/work ~/.ssh/config:5");
    assert_eq!(row("AddressFamily"), "AddressFamily any default");
    assert!(out.contains(&format!("not used: ForwardAgent ({home}/.ssh/config:6)")), "{out}");
}

#[test]
fn a_scan_of_a_host_that_is_down_says_so() {
    let port = closed_port();
    let stage = Stage::new("", &format!("[hosts.a]\naddress = \"127.0.0.1\"\nssh = {{ port = {port} }}\n"));
    let (code, out, _) = stage.windlass("hosts --scan");
    assert_eq!(code, 4);
    assert!(out.contains(&format!("connect to 127.0.0.1 port {port}: connection refused")), "{out}");
}

#[test]
fn a_jump_host_that_only_the_inventory_knows_is_explained() {
    let stage = Stage::new(
        "",
        "[hosts.a]\naddress = \"127.0.0.1\"\nssh = { jump = \"gate.invalid\" }\n\
         [hosts.\"gate.invalid\"]\naddress = \"127.0.0.9\"\n",
    );
    let (code, out, _) = stage.windlass("run command --hosts a -- true");
    assert_eq!(code, 4, "{out}");
    assert!(out.contains("write `127.0.0.9` instead of `gate.invalid`"), "{out}");
}

#[test]
fn connection_variables_may_look_at_other_hosts() {
    let stage = Stage::new("", "");
    stage.write(
        "project/inventories/x.ini",
        "[bastion]\ngate ansible_host=203.0.113.1\n[web]\nweb1 ansible_host=\"{{ hostvars['gate'].ansible_host }}\"\n\
         web2 ansible_ssh_common_args='-o ProxyJump=ops@{{ hostvars[groups[\"bastion\"][0]][\"ansible_host\"] }}'\n",
    );
    let (code, out, err) = stage.windlass("hosts --json");
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("\"jump\": \"ops@203.0.113.1\""), "{out}");
    assert_eq!(out.matches("\"address\": \"203.0.113.1\"").count(), 2, "{out}");
}
