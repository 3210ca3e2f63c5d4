//! Secrets are read by the program `age` and written by it, with age keys and ssh keys.

use super::*;
use crate::project::tests::project;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Runs a program of this machine; what it prints.
#[expect(
    clippy::disallowed_methods,
    reason = "the programs age and ssh-keygen are what this is compared with"
)]
fn run(program: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn keygen(path: &Path, options: &[&str]) -> String {
    let file = path.display().to_string();
    run("ssh-keygen", &[&["-q", "-N", "", "-C", "ann", "-f", &file], options].concat());
    fs::read_to_string(format!("{file}.pub")).unwrap().trim().to_string()
}

fn opened(identity: &Path, bytes: &[u8], ask: Option<AskPassphrase>) -> Result<String, String> {
    let names = [identity.display().to_string()];
    let identities = Identities::read(&names, Path::new("/"), ask).map_err(|failure| failure.why)?;
    identities.decrypt(bytes, "read it").map_err(|failure| failure.why)
}

#[test]
fn ssh_keys_are_recipients_as_for_age_itself() {
    let folder = tempfile::tempdir().unwrap();
    for (name, options) in [("ed", &["-t", "ed25519"][..]), ("rsa", &["-t", "rsa", "-b", "2048"])] {
        let key = folder.path().join(name);
        let public = keygen(&key, options);
        let ours = Recipients::parse(&[public]).unwrap().encrypt("hunter2 = 'ä'").unwrap();
        assert_eq!(opened(&key, &ours, None).unwrap(), "hunter2 = 'ä'", "{name}");
        if !has_age() {
            continue;
        }
        let file = folder.path().join(format!("{name}.age"));
        fs::write(&file, &ours).unwrap();
        let (key_path, file) = (key.display().to_string(), file.display().to_string());
        assert_eq!(run("age", &["-d", "-i", &key_path, &file]), "hunter2 = 'ä'", "{name}");
        let plain = folder.path().join("plain");
        fs::write(&plain, "x = 1").unwrap();
        run("age", &["-a", "-R", &format!("{key_path}.pub"), "-o", &file, &plain.display().to_string()]);
        assert_eq!(opened(&key, &fs::read(&file).unwrap(), None).unwrap(), "x = 1", "{name}");
    }
}

fn has_age() -> bool {
    std::env::var_os("PATH")
        .is_some_and(|paths| std::env::split_paths(&paths).any(|path| path.join("age").exists()))
}

#[test]
fn an_encrypted_ssh_key_asks_for_its_passphrase_only_where_a_file_is_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    let public = keygen(&key, &["-t", "ed25519"]);
    let sealed = Recipients::parse(&[public]).unwrap().encrypt("x = 1").unwrap();
    run("ssh-keygen", &["-q", "-p", "-P", "", "-N", "hunter2", "-f", &key.display().to_string()]);
    assert_eq!(opened(&key, &sealed, Some(|_| Some("hunter2".to_string()))).unwrap(), "x = 1");
    let wrong = opened(&key, &sealed, Some(|_| Some("wrong".to_string()))).unwrap_err();
    assert!(wrong.starts_with("the passphrase of an identity is wrong"), "{wrong}");
    let other = age::x25519::Identity::generate().to_public().to_string();
    let sealed = Recipients::parse(&[other]).unwrap().encrypt("x = 1").unwrap();
    let why = opened(&key, &sealed, Some(|_| panic!("it asks"))).unwrap_err();
    assert_eq!(why, format!("it is not encrypted to any identity that is here ({})", key.display()));
}

#[test]
fn an_identity_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity");
    fs::write(&path, "AGE-SECRET-KEY-1").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let why = opened(&path, b"", None).unwrap_err();
    assert_eq!(why, format!("others may read {}", path.display()));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(opened(&path, b"", None).unwrap_err(), "line 1 is no AGE-SECRET-KEY-1…");
}

#[test]
fn what_is_no_recipient_is_refused() {
    let why = |text: &str| Recipients::parse(&[text.to_string()]).err().unwrap();
    assert_eq!(why("age1xyz"), "`age1xyz` is not a whole age recipient");
    assert!(!why("AGE-SECRET-KEY-1SECRET").contains("SECRET-KEY"));
    assert_eq!(why("ssh-ed25519 AAAA"), "`ssh-ed25519 AAAA` is not an ssh public key");
}

#[test]
fn secrets_are_found_by_file_table_and_key() {
    let identity = age::x25519::Identity::generate();
    let public = identity.to_public().to_string();
    let key = {
        use age::secrecy::ExposeSecret;
        identity.to_string().expose_secret().to_string()
    };
    let config = format!("[secrets]\nrecipients = ['{public}']\nidentity = 'key'\n");
    let (project, folder) = project(&[("windlass.toml", &config), ("key", &key)]);
    fs::set_permissions(folder.path().join("key"), fs::Permissions::from_mode(0o600)).unwrap();
    let recipients = Recipients::parse(&[public]).unwrap();
    let put = |name: &str, text: &str| {
        replace(&path_of(folder.path(), name), &recipients.encrypt(text).unwrap()).unwrap();
    };
    put("main", "token = 'a'\nport = 5\nboth = 1\n[db]\npassword = 'b'\n");
    put("prod", "token.x = 'c'\nboth = 2\n");
    let find = |name: &str| match project.vault.find(name) {
        Ok((document, value)) => format!("{} {value}", document.name),
        Err(failure) => failure.to_string(),
    };
    assert_eq!(find("db.password"), "main \"b\"");
    assert_eq!(find("main.port"), "main 5");
    assert_eq!(find("prod.both"), "prod 2");
    assert!(find("both").contains("both have it"), "{}", find("both"));
    assert_eq!(
        find("tokem"),
        "find the secret `tokem`: no file in secrets/ has it\n  hint: did you mean `token`?"
    );
}
