//! The same files read by us and by `ssh -G`, which is the reference: chosen ones and random ones.

use super::*;

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
    ("ProxyJump none\nProxyCommand x\n", &["x"]),
    ("ProxyCommand none\nProxyJump b\n", &["x"]),
    (
        "UserKnownHostsFile /a /b\nGlobalKnownHostsFile /c\nStrictHostKeyChecking accept-new\nHostKeyAlias boat\n",
        &["x"],
    ),
    ("ConnectTimeout 1m30s\nServerAliveInterval 20\nServerAliveCountMax 7\nIdentityAgent none\n", &["x"]),
    ("IdentityAgent /run/%u/agent\nCertificateFile /c1\nCertificateFile /c2\n", &["x"]),
    ("Match localuser root,another\nPort 4\nMatch user *\nUser set\nMatch user set\nPort 6\n", &["x"]),
    ("Match exec \"test %h = x\"\nPort 4\nMatch !exec \"test %h = x\"\nPort 5\n", &["x", "y"]),
    ("Match exec \"test %n = x && false || test %n = y\"\nPort 4\n", &["x", "y", "z"]),
    (
        "Host X\nHostName UPPER.Example.COM\nMatch final host upper*\nPort 8\nMatch host UPPER*\nPort 9\n",
        &["X", "x"],
    ),
    ("Match originalhost Web*\nPort 7\nHost WEB*\nPort 8\n", &["web1", "WEB1"]),
    ("HostName ::0001\nMatch final host ::1\nPort 5\n", &["x"]),
    ("Match final all\nPort 5\nMatch canonical all\nUser c\n", &["x"]),
    ("Port https\n", &["x"]),
    ("ConnectTimeout none\nConnectTimeout 7\n", &["x"]),
    ("Port nosuchservice\n", &["x"]),
];

/// Options of one word, with what `ssh -G` prints for them by default.
const WORDS: &[(&str, &str)] = &[
    ("addressfamily", "any"),
    ("bindaddress", ""),
    ("bindinterface", ""),
    ("connectionattempts", "1"),
    ("hashknownhosts", "no"),
    ("hostkeyalias", ""),
    ("identitiesonly", "no"),
    ("identityagent", ""),
    ("kbdinteractiveauthentication", "yes"),
    ("nohostauthenticationforlocalhost", "no"),
    ("passwordauthentication", "yes"),
    ("preferredauthentications", ""),
    ("requiredrsasize", "1024"),
    ("revokedhostkeys", ""),
    ("serveralivecountmax", "3"),
];

/// What windlass reads, in the form of `ssh -G`.
fn ours(found: &Found) -> Vec<(String, String)> {
    let values = &found.values;
    let mut all = vec![
        ("hostname".to_string(), found.hostname.clone()),
        ("user".to_string(), found.tokens.user.clone()),
        ("port".to_string(), found.tokens.port.to_string()),
    ];
    let mut put = |key: &str, value: String| all.push((key.to_string(), value));
    for (key, default) in WORDS {
        let word = values.word(key).unwrap().unwrap_or(default);
        put(
            key,
            match *key {
                "revokedhostkeys" if word == "none" => String::new(),
                "hostkeyalias" => word.to_ascii_lowercase(),
                "identityagent" if word.contains('%') => {
                    found.tokens.path(word).unwrap().display().to_string()
                }
                _ => word.to_string(),
            },
        );
    }
    let seconds = |key: &str, none: &str| {
        values.time(key).unwrap().map_or(none.to_string(), |time| time.as_secs().to_string())
    };
    put("connecttimeout", seconds("connecttimeout", "none"));
    put("serveraliveinterval", seconds("serveraliveinterval", "0"));
    let checking = values.word("stricthostkeychecking").unwrap().unwrap_or("ask");
    put("stricthostkeychecking", checking.replace("no", "false").replace("yes", "true"));
    let proxy =
        |key: &str| values.proxy().filter(|proxy| proxy.key == key).map_or("", |proxy| proxy.text.as_str());
    let jump = proxy("proxyjump");
    put("proxyjump", if jump == "none" { String::new() } else { jump.to_string() });
    let command = proxy("proxycommand");
    put("proxycommand", if command == "none" { String::new() } else { command.to_string() });
    for key in ["identityfile", "certificatefile"] {
        let files: Vec<&str> = values.list(key).map(|setting| setting.words[0].as_str()).collect();
        put(key, files.join("|"));
    }
    for key in ["setenv", "userknownhostsfile", "globalknownhostsfile"] {
        put(key, values.words(key).unwrap_or_default().join("|"));
    }
    all
}

/// What `ssh -G` prints of the same options.
#[expect(clippy::disallowed_methods, reason = "OpenSSH is the reference")]
fn theirs(config: &Path, name: &str) -> Result<Vec<(String, String)>, String> {
    let output = std::process::Command::new("ssh").arg("-F").arg(config).args(["-G", name]).output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(' ')).collect();
    let all = |key: &str| {
        let values = lines.iter().filter(|(known, _)| *known == key).map(|(_, value)| *value);
        let joined = values.collect::<Vec<_>>().join("|");
        if key.ends_with("knownhostsfile") { joined.replace(' ', "|") } else { joined }
    };
    let keys = ["hostname", "user", "port"].into_iter().chain(WORDS.iter().map(|(key, _)| *key)).chain([
        "connecttimeout",
        "serveraliveinterval",
        "stricthostkeychecking",
        "proxyjump",
        "proxycommand",
        "identityfile",
        "certificatefile",
        "setenv",
        "userknownhostsfile",
        "globalknownhostsfile",
    ]);
    Ok(keys.map(|key| (key.to_string(), all(key))).collect())
}

fn compare(config: &str, files: &[(&str, &str)], names: &[&str]) {
    let home = Home::new(&config.replace("HOME", "/dev/null"));
    for (name, text) in files {
        home.write(name, text);
    }
    let path = home.directory.path().join(".ssh/config");
    // With -F, ssh looks for relative names in the real home directory.
    let here = home.directory.path().join(".ssh");
    let absolute = config
        .replace("HOME", "/dev/null")
        .replace("Include more", &format!("Include {}/more", here.display()))
        .replace("include = mor", &format!("include = {}/mor", here.display()));
    home.write("config", &absolute);
    for name in names {
        let context = format!("{name} in {config}\n{files:?}");
        let found = home.load().and_then(|config| config.lookup(&Query { name, ..Query::default() }));
        let (ours, theirs) = match (found, theirs(&path, name)) {
            (Ok(found), Ok(theirs)) => (ours(&found), theirs),
            (Err(_), Err(_)) => continue,
            (Ok(_), Err(why)) => panic!("ssh refuses what we take: {why}\n{context}"),
            (Err(why), Ok(_)) => panic!("we refuse what ssh takes: {why}\n{context}"),
        };
        for ((key, our), (_, their)) in ours.iter().zip(&theirs) {
            // The usual files are what ssh prints where nothing was set.
            let usual = our.is_empty() && (key.ends_with("file") || key == "identityagent");
            assert!(our == their || usual, "{key}: ours is {our}, ssh's {their}\n{context}");
        }
    }
}

#[test]
fn everything_is_as_ssh_g_says() {
    for (config, names) in COMPARED {
        compare(config, &[], names);
    }
}

/// How many random configurations are compared; the long check sets more with this variable.
const CONFIGURATIONS: (&str, u32) = ("WINDLASS_SSH_CONFIGURATIONS", 100);

#[test]
fn everything_is_as_ssh_g_says_at_random() {
    let (variable, usual) = CONFIGURATIONS;
    let count = std::env::var(variable).ok().and_then(|count| count.parse().ok()).unwrap_or(usual);
    for seed in 1..=count {
        let mut random = Random(u64::from(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let (config, included) = (random.file(true), random.file(false));
        compare(&config, &[("more.conf", &included)], &["web1", "Web2", "db1.example.com", "10.0.0.7"]);
    }
}

/// Numbers that are the same in each run (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn some(&mut self, of: &[&str], separator: &str) -> String {
        let count = 1 + self.below(3);
        (0..count).map(|_| self.one(of).to_string()).collect::<Vec<_>>().join(separator)
    }

    fn file(&mut self, may_include: bool) -> String {
        let lines = 4 + self.below(24);
        (0..lines).map(|_| self.line(may_include) + "\n").collect()
    }

    fn line(&mut self, may_include: bool) -> String {
        match self.below(10) {
            0 | 1 => format!("Host {}", self.some(PATTERNS, " ")),
            2 => self.matching(),
            3 if may_include => {
                self.one(&["Include more.conf", "  include = mor[e-f].c*", "# a comment", ""]).into()
            }
            _ => self.option(),
        }
    }

    fn matching(&mut self) -> String {
        let mut words = Vec::new();
        for _ in 0..1 + self.below(3) {
            let negated = self.one(&["", "", "!"]);
            words.push(match self.below(6) {
                0 => format!("{negated}host {}", self.some(PATTERNS, ",")),
                1 => format!("{negated}originalhost {}", self.some(PATTERNS, ",")),
                2 => format!("{negated}user {}", self.some(&["root", "ann", "d*", "!ann"], ",")),
                3 => format!("{negated}final"),
                4 => format!("{negated}canonical"),
                _ => format!("{negated}exec \"test %h{} = web1-22\"", self.one(&["-%p", "-22", "-%r"])),
            });
        }
        format!("Match {}", words.join(" "))
    }

    fn option(&mut self) -> String {
        let (key, values) = OPTIONS[self.below(OPTIONS.len())];
        let (value, between) = (self.one(values), self.one(&[" ", "=", " = ", "\t", "  "]));
        let key = if self.below(4) == 0 { key.to_ascii_uppercase() } else { key.to_string() };
        format!("{}{key}{between}{value}", self.one(&["", "  ", "\t"]))
    }
}

const PATTERNS: &[&str] = &[
    "web1",
    "web*",
    "WEB2",
    "!web1",
    "*.example.com",
    "10.0.0.?",
    "*",
    "!db*",
    "db1.example.com",
    "Web2",
    "!*.com",
];

const OPTIONS: &[(&str, &[&str])] = &[
    ("AddressFamily", &["any", "inet", "inet6"]),
    ("BindAddress", &["127.0.0.1", "10.1.1.1"]),
    ("CertificateFile", &["/c/%h", "~/.ssh/c", "none"]),
    ("ConnectionAttempts", &["1", "5"]),
    ("ConnectTimeout", &["5", "1m", "1h30m", "none"]),
    ("HashKnownHosts", &["yes", "no"]),
    ("HostKeyAlias", &["boat", "Ship"]),
    ("HostName", &["%h.example.com", "10.0.0.7", "Web1", "db1.Example.com", "web1"]),
    ("IdentitiesOnly", &["yes", "no"]),
    ("IdentityAgent", &["none", "SSH_AUTH_SOCK", "/run/agent"]),
    ("IdentityFile", &["~/.ssh/id", "/keys/%h", "\"/with space/id\"", "none"]),
    ("KbdInteractiveAuthentication", &["yes", "no"]),
    ("NoHostAuthenticationForLocalhost", &["yes", "no"]),
    ("PasswordAuthentication", &["yes", "no"]),
    ("Port", &["22", "2222", "65535"]),
    ("PreferredAuthentications", &["publickey", "password,publickey"]),
    ("ProxyCommand", &["nc %h %p", "none", "sh -c 'exec nc \"$1\" %p' x %h # not a comment"]),
    ("ProxyJump", &["bastion", "ann@bastion:22,inner", "none", "[2001:db8::1]:23"]),
    ("RequiredRSASize", &["2048", "1024"]),
    ("RevokedHostKeys", &["/revoked", "none"]),
    ("ServerAliveCountMax", &["2", "9"]),
    ("ServerAliveInterval", &["10", "1m"]),
    ("SetEnv", &["A=1", "A=1 B=2", "\"C=with space\""]),
    ("StrictHostKeyChecking", &["yes", "no", "ask", "accept-new"]),
    ("User", &["root", "ann", "deploy"]),
    ("UserKnownHostsFile", &["/k", "/k /l", "none"]),
];
