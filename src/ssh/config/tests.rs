//! Lookups in small files, and the same files through `ssh -G`, which is the reference.

use super::*;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

/// A folder with a configuration, read as the user's own.
struct Home {
    folder: TempDir,
}

impl Home {
    fn new(config: &str) -> Home {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".ssh")).unwrap();
        let home = Home { folder };
        home.write("config", config);
        home
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(".ssh").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn load(&self) -> Result<Config> {
        let home = self.folder.path().to_path_buf();
        let own = Some(home.join(".ssh/config"));
        Config::load(&Paths { home, user: Paths::standard().user, own, system: None })
    }

    fn lookup(&self, name: &str) -> Found {
        self.load().unwrap().lookup(&Query { name, ..Query::default() }).unwrap()
    }
}

const LAYERS: &str = "
Host web* !web9
    User deploy
    Port 2222
Host web1
    HostName 10.0.0.1
    User late
Match host 10.0.0.1
    ConnectTimeout 7
Match originalhost web1 user deploy
    ServerAliveInterval 1m
Match user nobody
    Port 1
Host *
    User everybody
    IdentityFile ~/.ssh/%r_key
    IdentityFile ~/.ssh/common
";

#[test]
fn the_first_value_wins_and_lists_add_up() {
    let home = Home::new(LAYERS);
    let found = home.lookup("web1");
    assert_eq!(
        (found.hostname.as_str(), found.user.as_deref(), found.port),
        ("10.0.0.1", Some("deploy"), Some(2222))
    );
    assert_eq!(found.connect_timeout, Some(Duration::from_secs(7)));
    assert_eq!(found.server_alive_interval, Some(Duration::from_secs(60)));
    let ssh = home.folder.path().join(".ssh");
    assert_eq!(found.identity_files, Some(vec![ssh.join("deploy_key"), ssh.join("common")]));
    assert_eq!(home.lookup("web9").user.as_deref(), Some("everybody"));
}

#[test]
fn an_inventory_outweighs_and_its_address_is_matched_too() {
    let home = Home::new("Host 10.*\n User byaddress\nMatch user root\n Port 99\nHost *\n User other\n");
    let config = home.load().unwrap();
    let query = Query { name: "web1", address: Some("10.1.1.1"), ..Query::default() };
    assert_eq!(config.lookup(&query).unwrap().user.as_deref(), Some("byaddress"));
    let query = Query { user: Some("root"), ..query };
    let found = config.lookup(&query).unwrap();
    assert_eq!(
        (found.hostname.as_str(), found.user.as_deref(), found.port),
        ("10.1.1.1", Some("root"), Some(99))
    );
}

#[test]
fn included_files_are_read_where_they_are_named() {
    let home = Home::new("Host web1\n  Include conf.d/*.conf\nHost *\n  Port 1\n");
    home.write("conf.d/b.conf", "Port 3\n");
    home.write("conf.d/a.conf", "Host web2\n  Port 2\nHost web1\n  User a\n");
    home.write("conf.d/ignored", "User ignored\n");
    let found = home.lookup("web1");
    assert_eq!((found.user.as_deref(), found.port), (Some("a"), Some(3)));
    // Not even a matching block inside applies when the Include itself does not.
    assert_eq!(home.lookup("web2").port, Some(1));
}

#[test]
fn files_that_include_each_other_end_in_an_error() {
    let home = Home::new("Include config\n");
    assert_eq!(home.load().unwrap_err().why, "too many files include each other");
}

#[test]
fn a_file_others_may_write_is_refused() {
    let home = Home::new("Port 1\n");
    let path = home.folder.path().join(".ssh/config");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(home.load().unwrap_err().why, "others may write it");
}

#[test]
fn match_exec_is_skipped_and_said() {
    let home = Home::new(
        "Match host web1 exec \"touch /tmp/ran\"\n  Port 1\nMatch host web2 exec x\n  Port 3\nHost *\n  Port 2\n",
    );
    let found = home.lookup("web1");
    assert_eq!(found.port, Some(2));
    assert_eq!(found.notes.len(), 1);
    assert!(
        found.notes[0].ends_with(".ssh/config:1: `Match exec` is not run, so its block does not apply"),
        "{:?}",
        found.notes
    );
}

#[test]
fn nonsense_names_its_line() {
    let why = |config: &str| Home::new(config).load().unwrap_err().to_string();
    assert!(why("\nHost\n").contains(".ssh/config:2: `host` has no value"));
    assert!(why("User \"x\n").contains(".ssh/config:1: a quote is not closed"));
    assert!(why("Match host\n").contains("`Match host` needs something to match"));
}

/// Files that are looked up by us and by `ssh -G`, with the hosts to ask for.
const COMPARED: &[(&str, &[&str])] = &[
    (LAYERS, &["web1", "web2", "web9", "other"]),
    ("Host a b\nPort 1\nHost=\"c\"\nPort = 2\nHost !d *\nPort 3\n", &["a", "b", "c", "d", "e"]),
    (
        "Match all\nUser x\nMatch final host *.example.com\nUser y\nPort 5\nHost short\nHostName short.example.com\n",
        &["short", "z"],
    ),
    ("HostName %h.example.com\nIdentityFile /k/%h-%n-%p-%r-%%\nPort 77\nUser me\n", &["web1"]),
    ("IdentityFile none\nIdentitiesOnly yes\n", &["x"]),
    ("Match !host web*\nPort 9\nMatch host web1,web2 !user root\nPort 10\n", &["web1", "web3", "db"]),
    ("ProxyJump a@b:22,c\nProxyCommand x\n", &["x"]),
    ("ProxyCommand nc %h\nProxyJump b\n", &["x"]),
    ("ProxyJump none\n", &["x"]),
    (
        "UserKnownHostsFile /a /b\nGlobalKnownHostsFile /c\nStrictHostKeyChecking accept-new\nHostKeyAlias boat\n",
        &["x"],
    ),
    ("ConnectTimeout 1m30s\nServerAliveInterval 20\nServerAliveCountMax 7\nIdentityAgent none\n", &["x"]),
    ("IdentityAgent /run/%u/agent\nCertificateFile /c1\nCertificateFile /c2\n", &["x"]),
    ("Match localuser root,somebody\nPort 4\nMatch user *\nUser set\nMatch user set\nPort 6\n", &["x"]),
];

#[test]
fn everything_is_as_ssh_g_says() {
    for (config, names) in COMPARED {
        let home = Home::new(config);
        for name in *names {
            let reference = reference(&home.folder.path().join(".ssh/config"), name);
            let found = home.lookup(name);
            let first =
                |key: &str| reference.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone());
            let all = |key: &str| {
                let values = reference.iter().filter(|(known, _)| known == key);
                values.map(|(_, value)| PathBuf::from(value.replace('~', "HOME"))).collect::<Vec<_>>()
            };
            let context = format!("{name} in {config}");
            assert_eq!(Some(found.hostname.clone()), first("hostname"), "{context}");
            assert_eq!(found.port.unwrap_or(22).to_string(), first("port").unwrap(), "{context}");
            assert_eq!(
                found.user.clone().unwrap_or(Paths::standard().user),
                first("user").unwrap(),
                "{context}"
            );
            let jump = found.proxy_jump.clone().filter(|jump| jump != "none");
            assert_eq!(jump, first("proxyjump"), "{context}");
            assert_eq!(found.proxy_command.is_some(), first("proxycommand").is_some(), "{context}");
            let seconds = |time: Option<Duration>, none: &str| {
                time.map_or(none.to_string(), |time| time.as_secs().to_string())
            };
            assert_eq!(seconds(found.connect_timeout, "none"), first("connecttimeout").unwrap(), "{context}");
            assert_eq!(
                seconds(found.server_alive_interval, "0"),
                first("serveraliveinterval").unwrap(),
                "{context}"
            );
            assert_eq!(
                found.identities_only.unwrap_or(false),
                first("identitiesonly").as_deref() == Some("yes"),
                "{context}"
            );
            assert_eq!(found.host_key_alias.clone(), first("hostkeyalias"), "{context}");
            if let Some(files) = &found.identity_files {
                // `ssh -G` shows these as written.
                let count = all("identityfile").iter().filter(|file| !file.ends_with("none")).count();
                assert_eq!(files.len(), count, "{context}");
            }
            assert_eq!(found.certificate_files, all("certificatefile"), "{context}");
            if let Some(files) = &found.user_known_hosts {
                let shown = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" ");
                assert_eq!(Some(shown), first("userknownhostsfile"), "{context}");
            }
            if let Some(checking) = &found.strict_host_key_checking {
                assert_eq!(Some(checking.clone()), first("stricthostkeychecking"), "{context}");
            }
        }
    }
}

/// What `ssh -G` prints, as keys and values.
#[expect(clippy::disallowed_methods, reason = "OpenSSH is the reference")]
fn reference(config: &Path, name: &str) -> Vec<(String, String)> {
    let output = std::process::Command::new("ssh").arg("-F").arg(config).args(["-G", name]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}
