//! `windlass secrets init`: a key, and `[secrets]` in `windlass.toml`.

use super::super::{Done, Stop, answer};
use crate::model::{Doing, Failure, Result};
use crate::project::Project;
use crate::secrets::{FOLDER, MAIN, Recipients, default_identity, home, path_of, replace};
use crate::trust;
use age::secrecy::ExposeSecret;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// What a new file holds.
const START: &str =
    "# Secrets of this project as TOML: NAME = \"value\". A [secrets] table uses one by \"age:NAME\".\n";

/// Starts keeping secrets.
pub fn run(project: &Project, recipients: &[String], identity: Option<&str>) -> Done {
    let doing = format!("start keeping secrets in {}", project.root.display());
    if !project.config.secrets.recipients.is_empty() {
        let failure = Failure::new(doing, "windlass.toml has [secrets] already");
        return Err(Stop::misused(failure.hint("add recipients there, then: windlass secrets rotate")));
    }
    let mut said = String::new();
    let texts = match recipients {
        [] => vec![own_recipient(&mut said).map_err(Stop::misused)?],
        given => {
            given.iter().map(|text| from_argument(text)).collect::<Result<_>>().map_err(Stop::misused)?
        }
    };
    let parsed = Recipients::parse(&texts).map_err(|why| Stop::misused(Failure::new(&doing, why)))?;
    write_config(&project.root.join("windlass.toml"), &texts, identity)?;
    said += "wrote [secrets] into windlass.toml\n";
    texts.iter().for_each(|recipient| said += &format!("can read: {recipient}\n"));
    let main = path_of(&project.root, MAIN);
    if !main.exists() {
        let bytes = parsed.encrypt(START).map_err(|why| Failure::new(&doing, why))?;
        replace(&main, &bytes)?;
        said += &format!("wrote {FOLDER}/{MAIN}.toml.age\n");
    }
    answer(&(said + "next: windlass secrets set NAME, or windlass secrets edit\n"))
}

/// A recipient as it is typed: itself, or the file that holds it.
fn from_argument(text: &str) -> Result<String> {
    if text.starts_with("age1") || text.starts_with("ssh-") {
        return Ok(text.trim().to_string());
    }
    let doing = format!("read the recipient {text}");
    let key = trust::text(Path::new(text), None, doing)?;
    Ok(key
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'))
        .unwrap_or_default()
        .to_string())
}

/// The public half of our own age key, which is created where there is none.
fn own_recipient(said: &mut String) -> Result<String> {
    let path = default_identity(&home());
    let doing = format!("read the identity {}", path.display());
    if path.exists() {
        let text = trust::secret(&path, None, &doing)?;
        let key = text.lines().find_map(|line| line.trim().parse::<age::x25519::Identity>().ok());
        let key = key.ok_or_else(|| {
            Failure::new(&doing, "it holds no plain age key")
                .hint("name the recipients: windlass secrets init --recipient age1…")
        })?;
        *said += &format!("used the key in {}\n", path.display());
        return Ok(key.to_public().to_string());
    }
    let key = age::x25519::Identity::generate();
    write_identity(&path, &key)?;
    *said += &format!(
        "created the key {}: keep a copy of it, no one can read the secrets without one\n",
        path.display()
    );
    Ok(key.to_public().to_string())
}

fn write_identity(path: &Path, key: &age::x25519::Identity) -> Result<()> {
    let doing = format!("write {}", path.display());
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().mode(0o700).recursive(true).create(folder).doing(&doing)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).doing(&doing)?;
    let text = format!("# public key: {}\n{}\n", key.to_public(), key.to_string().expose_secret());
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).doing(doing)
}

/// Adds the table at the end.
fn write_config(path: &Path, recipients: &[String], identity: Option<&str>) -> Result<()> {
    let before = match path.exists() {
        true => fs::read_to_string(path).doing(format!("read {}", path.display()))?,
        false => String::new(),
    };
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let list: Vec<String> = recipients.iter().map(|text| format!("  {},\n", quoted(text))).collect();
    let gap = if before.is_empty() || before.ends_with("\n\n") {
        ""
    } else if before.ends_with('\n') {
        "\n"
    } else {
        "\n\n"
    };
    let identity = identity.map_or(String::new(), |identity| format!("identity = {}\n", quoted(identity)));
    let text = format!(
        "{before}{gap}[secrets]\n# Who can read secrets/*.toml.age. After a change here: windlass secrets rotate\nrecipients = [\n{}]\n{identity}",
        list.concat()
    );
    replace(path, text.as_bytes())
}
