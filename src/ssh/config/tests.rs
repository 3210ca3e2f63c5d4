//! Lookups in small files.

use super::*;
use crate::model::host::SshSettings;
use crate::ssh::Target;
use crate::ssh::target::{Family, Method};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tempfile::TempDir;

mod compared;

/// A directory with a configuration, read as the user's own.
struct Home {
    directory: TempDir,
}

impl Home {
    fn new(config: &str) -> Home {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join(".ssh")).unwrap();
        let home = Home { directory };
        home.write("config", config);
        home
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.directory.path().join(".ssh").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn load(&self) -> Result<Config> {
        let home = self.directory.path().to_path_buf();
        let own = Some(home.join(".ssh/config"));
        Config::load(&Paths { home, user: Paths::standard().user, own, system: None })
    }

    fn lookup(&self, name: &str) -> Target {
        Target::resolve(name, None, &SshSettings::default(), &self.load().unwrap()).unwrap()
    }

    fn why(&self, name: &str) -> String {
        let config = self.load().unwrap();
        Target::resolve(name, None, &SshSettings::default(), &config).unwrap_err().to_string()
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
    assert_eq!((found.address.as_str(), found.users[0].as_str(), found.port), ("10.0.0.1", "deploy", 2222));
    assert_eq!(found.connect_timeout, Duration::from_secs(7));
    assert_eq!(found.keepalive, Some(Duration::from_secs(60)));
    let ssh = home.directory.path().join(".ssh");
    assert_eq!(found.identities, [ssh.join("deploy_key"), ssh.join("common")]);
    assert_eq!(home.lookup("web9").users, ["everybody"]);
}

#[test]
fn an_inventory_is_stronger_and_its_address_is_matched_too() {
    let home = Home::new("Host 10.*\n User byaddress\nMatch user root\n Port 99\nHost *\n User other\n");
    let config = home.load().unwrap();
    let resolve =
        |settings: &SshSettings| Target::resolve("web1", Some("10.1.1.1"), settings, &config).unwrap();
    assert_eq!(resolve(&SshSettings::default()).users, ["byaddress"]);
    let found = resolve(&SshSettings { user: Some("root".into()), ..SshSettings::default() });
    assert_eq!((found.address.as_str(), found.users[0].as_str(), found.port), ("10.1.1.1", "root", 99));
}

#[test]
fn the_command_line_is_stronger_than_the_inventory() {
    let home = Home::new("Host web1\n HostName 10.0.0.1\n Port 1\n");
    let options = ["Port=3".to_string(), "ConnectTimeout 4".to_string()];
    let config = home.load().unwrap().with_options(&options).unwrap();
    let settings = SshSettings { port: Some(2), ..SshSettings::default() };
    let found = Target::resolve("web1", None, &settings, &config).unwrap();
    assert_eq!((found.address.as_str(), found.port), ("10.0.0.1", 3));
    assert_eq!(found.connect_timeout, Duration::from_secs(4));
    let why = |option: &str| home.load().unwrap().with_options(&[option.to_string()]).unwrap_err().why;
    assert_eq!(why("Port"), "it is not NAME=VALUE");
    assert_eq!(why("Host=x"), "`host` is possible only in a file");
}

#[test]
fn included_files_are_read_where_they_are_named() {
    let home = Home::new("Host web1\n  Include conf.d/[a-b]*.conf\nHost *\n  Port 1\n");
    home.write("conf.d/b.conf", "Port 3\n");
    home.write("conf.d/a.conf", "Host web2\n  Port 2\nHost web1\n  User a\n");
    home.write("conf.d/c.conf", "User ignored\n");
    home.write("conf.d/ignored", "User ignored\n");
    let found = home.lookup("web1");
    assert_eq!((found.users[0].as_str(), found.port), ("a", 3));
    // Not even a matching block inside applies when the Include itself does not.
    assert_eq!(home.lookup("web2").port, 1);
}

#[test]
fn files_that_include_each_other_end_in_an_error() {
    let home = Home::new("Include config\n");
    assert_eq!(home.load().unwrap_err().why, "too many files include each other");
}

#[test]
fn a_file_others_may_write_is_refused() {
    let home = Home::new("Port 1\n");
    let path = home.directory.path().join(".ssh/config");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let why = home.load().unwrap_err().why;
    assert!(why.starts_with("everyone may write to it (owner "), "{why}");
}

#[test]
fn match_exec_is_run_as_ssh_runs_it() {
    let home = Home::new(
        "Match host web1 exec \"test %n/%p/%r = web1/22/ann\"\n  Port 1\nMatch user ann exec \"test %h = web1\"\n  Port 3\n\
         Match !exec \"false || true\"\n  Port 4\nMatch host other exec \"exit 1; touch never\"\n Port 5\nHost *\n  Port 2\n",
    );
    let config = home.load().unwrap();
    let port = |name: &str, user: &str| {
        let settings = SshSettings { user: Some(user.into()), ..SshSettings::default() };
        Target::resolve(name, None, &settings, &config).unwrap().port
    };
    assert_eq!(port("web1", "ann"), 1);
    assert_eq!(port("web1", "root"), 2);
    assert_eq!(port("web2", "ann"), 2);
    let hostile = Target::resolve("web1", Some("$(id)"), &SshSettings::default(), &config).unwrap_err();
    assert_eq!(hostile.why, "`$(id)` is not a host name");
    let settings = SshSettings { user: Some("$(id)".into()), ..SshSettings::default() };
    let hostile = Target::resolve("web1", None, &settings, &config).unwrap_err();
    assert_eq!(hostile.why, "`$(id)` is not passed to a shell");
}

#[test]
fn conditions_that_are_about_this_machine() {
    let port = |condition: &str| Home::new(&format!("{condition}\n Port 7\n")).lookup("web1").port;
    let user = Paths::standard().user;
    for (condition, holds) in [
        ("Match localnetwork 127.0.0.0/8", true),
        ("Match !localnetwork 127.0.0.0/8", false),
        ("Match localnetwork 198.51.100.0/24,2001:db8::/32", false),
        (&format!("Match localuser {user}"), true),
        (&format!("Match !localuser {user}"), false),
        ("Match sessiontype exec", true),
        ("Match tagged prod", false),
        ("Match !tagged prod", true),
        ("Tag prod\nMatch tagged pro*", true),
        ("Match originalhost WEB1", true),
        ("Match canonical", false),
        ("Match final", true),
        ("Match !final all", true),
    ] {
        assert_eq!(port(condition) == 7, holds, "{condition}");
    }
}

#[test]
fn what_cannot_be_honoured_fails_the_hosts_it_applies_to_and_no_others() {
    for (option, why) in [
        ("CheckHostIP yes", "windlass cannot do `yes`"),
        ("ProxyUseFdpass yes", "windlass cannot do `yes`"),
        ("ProxyComand nc %h %p", "`proxycomand` is not an option of ssh\n  hint: did you mean ProxyCommand?"),
        ("KexAlgorithms sntrup761x25519-sha512@openssh.com", "windlass has none of these"),
        ("Port 0", "`0` is not a number from 1 to 65535"),
        ("Port 22 23", "it takes one value, and `23` follows"),
        ("AddressFamily inet4", "`inet4` is not one of any, inet, inet6"),
        ("ConnectTimeout soon", "`soon` is not a time like 10 or 10s"),
        ("IdentityFile %z", "known token"),
        ("SetEnv NAME", "`NAME` is not NAME=VALUE"),
        ("PreferredAuthentications gssapi-with-mic", "leaves no way that windlass has"),
        ("CanonicalizeHostname yes\nCanonicalizePermittedCNAMEs *.a", "`*.a` is not NAMES:NAMES"),
        ("Match command x\nPort 1", "windlass cannot decide `Match command`"),
        ("Match hots x\nPort 1", "`Match hots` is not a condition that OpenSSH has"),
        ("RefuseConnection \"closed today\"", "closed today"),
    ] {
        let home = Home::new(&format!("Host good\n Port 2\n Match !originalhost good\n {option}\n"));
        let shown = home.why("bad");
        assert!(shown.contains(why), "{option}: {shown}");
        if !option.contains("Match") {
            assert_eq!(home.lookup("good").port, 2, "{option}");
        }
    }
}

#[test]
fn an_option_of_one_word_takes_no_second_one_and_is_never_empty() {
    let home = Home::new("Host a\nUser x y\nHost b\nHostName \"\"\nHost c\nIdentityFile /x /y\n");
    let second = |word: &str| format!("it takes one value, and `{word}` follows");
    for (host, why) in [("a", second("y")), ("b", "its value is empty".to_string()), ("c", second("/y"))] {
        assert!(home.why(host).ends_with(&why), "{}", home.why(host));
    }
}

#[test]
fn a_comment_in_another_encoding_is_no_mistake() {
    let home = Home::new("");
    let path = home.directory.path().join(".ssh/config");
    fs::write(path, b"# B\xfcro\nHost x\nUser ann\n").unwrap();
    assert_eq!(home.lookup("x").users, ["ann"]);
}

#[test]
fn the_alias_token_is_the_name_that_was_given() {
    let home =
        Home::new("HostName 10.0.0.1\nIdentityFile /k/%k\nMatch exec \"test %k = 10.0.0.1\"\nPort 77\n");
    let target = home.lookup("web1");
    assert_eq!((target.identities, target.port), (vec![PathBuf::from("/k/web1")], 77));
}

#[test]
fn options_that_are_not_used_are_listed_with_their_lines() {
    let home =
        Home::new("IgnoreUnknown UseKey*\nUseKeychain yes\nCompression yes\nHost *\n ForwardAgent no\n");
    let unused: Vec<String> = home.lookup("x").unused;
    let names: Vec<&str> = unused.iter().map(|text| text.split(' ').next().unwrap()).collect();
    assert_eq!(names, ["Compression", "ForwardAgent"]);
    assert!(unused[0].ends_with(".ssh/config:3)"), "{unused:?}");
}

#[test]
fn ways_to_log_in_and_sockets_are_chosen() {
    let home = Home::new(
        "PreferredAuthentications keyboard-interactive,hostbased,publickey\nAddressFamily inet6\nBindAddress ::1\n\
         BindInterface lo\nConnectionAttempts 3\nSetEnv A=1 \"B=two words\"\nSetEnv C=3\nProxyCommand exec nc '%h' %p\n",
    );
    let found = home.lookup("web1");
    assert_eq!(found.methods, [Method::KeyboardInteractive, Method::PublicKey]);
    assert_eq!((found.socket.family, found.attempts), (Family::V6, 3));
    assert_eq!(found.environment, [("A".into(), "1".into()), ("B".into(), "two words".into())]);
    assert_eq!(found.proxy.as_deref(), Some("exec nc 'web1' 22"));
    let methods =
        Home::new("PubkeyAuthentication no\nChallengeResponseAuthentication no\n").lookup("x").methods;
    assert_eq!(methods, [Method::Password]);
}

#[test]
fn names_are_made_canonical_as_ssh_makes_them() {
    let config = "CanonicalizeHostname yes\nCanonicalDomains nowhere.invalid localdomain.\nHost *.localdomain\n Port 9\n";
    // The resolver of every machine knows `localhost.localdomain` or nothing of the kind, so nothing else is asked here.
    let target = Home::new(config).lookup("Two.Dots.Here");
    assert_eq!((target.address.as_str(), target.port), ("two.dots.here", 22));
    let strict = format!("CanonicalizeFallbackLocal no\n{}", config.replace(" localdomain.", ""));
    assert!(
        Home::new(&strict).why("short").contains("`short` is in none of the domains of CanonicalDomains")
    );
}

#[test]
fn nonsense_names_its_line() {
    let why = |config: &str| Home::new(config).load().unwrap_err().to_string();
    assert!(why("\nHost\n").contains(".ssh/config:2: `host` has no value"));
    assert!(why("User \"x\n").contains(".ssh/config:1: a quote is not closed"));
    assert!(why("Match host\n").contains("`Match host` needs something to match"));
    assert!(why("Match all host x\n").contains("cannot be combined"));
}
