//! HTTP through the host's own programs: curl or wget for https, which needs certificates and a TLS library that the
//! agent does not carry; bash or nc where there is no agent and the URL is http.

use super::{BODY_LIMIT, HEAD_LIMIT, Response, Url, is_head, method, request, response};
use crate::model::op::{Answer, Command, HttpCheck};
use crate::model::{Failure, Result};
use crate::system::reason;
use std::time::Duration;

/// How long a program may run on after its own time limit, before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// Copies standard input to a connection and the connection to standard output.
const BASH_DIAL: &str = r#"exec 3<>"/dev/tcp/$1/$2" && cat >&3 && cat <&3"#;

/// Runs a command and keeps so many bytes of each end of its output.
pub type Execute<'a> = dyn Fn(&Command, usize) -> Result<Answer> + 'a;

type Seen = Result<Response, String>;

/// One program's way to ask; `None` when the host does not have it.
type Way = fn(&Execute, &HttpCheck, &Url) -> Result<Option<Seen>>;

/// Asks with the first of curl, wget and, for http only, bash and nc that the host has.
pub fn through_programs(execute: &Execute, check: &HttpCheck) -> Result<Seen> {
    let url = Url::parse(&check.url)?;
    let ways: [Way; 4] = [with_curl, with_wget, with_bash, with_nc];
    for way in &ways[..if url.tls { 2 } else { 4 }] {
        if let Some(seen) = way(execute, check, &url)? {
            return Ok(seen);
        }
    }
    Err(Failure::new(format!("ask {}", check.url), "the host has neither curl nor wget")
        .hint("install curl there, for example with a step of kind package"))
}

fn with_curl(execute: &Execute, check: &HttpCheck, _: &Url) -> Result<Option<Seen>> {
    let stdin = curl_config(check).into_bytes();
    let answer = run(execute, check, Command { stdin, ..Command::new(["curl", "--config", "-"]) })?;
    Ok(answer.map(|answer| match answer.status {
        0 => whole(check, &answer.stdout),
        124 => Err(late(check)),
        _ => Err(last_words(&answer, "curl")),
    }))
}

/// curl's options travel on its standard input: headers and bodies may hold secrets, which argument lists show.
fn curl_config(check: &HttpCheck) -> String {
    let mut lines: Vec<String> =
        ["silent", "show-error", "include", "raw", "http1.1", "globoff"].map(String::from).into();
    lines.push(format!("max-time = {}", seconds(check.timeout)));
    lines.push(format!("url = {}", quoted(&check.url)));
    lines.push(match is_head(check) {
        true => "head".to_string(),
        false => format!("request = {}", quoted(method(check))),
    });
    lines.extend(
        check.headers.iter().map(|(name, value)| format!("header = {}", quoted(&format!("{name}: {value}")))),
    );
    lines.extend(check.body.iter().map(|body| format!("data-raw = {}", quoted(body))));
    lines.join("\n") + "\n"
}

fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', "\\r");
    format!("\"{}\"", escaped.replace('\t', "\\t"))
}

fn with_wget(execute: &Execute, check: &HttpCheck, _: &Url) -> Result<Option<Seen>> {
    let Some(answer) = run(execute, check, Command::new(gnu_wget(check)))? else { return Ok(None) };
    if !String::from_utf8_lossy(&answer.stderr).contains("unrecognized option") {
        return Ok(Some(read_wget(check, answer)));
    }
    let answer = run(execute, check, Command::new(busybox_wget(check)?))?;
    Ok(answer.map(|answer| read_wget(check, answer)))
}

fn gnu_wget(check: &HttpCheck) -> Vec<String> {
    let mut words =
        words(&["wget", "-q", "-S", "-O", "-", "--tries=1", "--max-redirect=0", "--content-on-error"]);
    words.push(format!("--timeout={}", seconds(check.timeout)));
    words.push(format!("--method={}", method(check)));
    words.extend(check.headers.iter().map(|(name, value)| format!("--header={name}: {value}")));
    words.extend(check.body.iter().map(|body| format!("--body-data={body}")));
    words.push(check.url.clone());
    words
}

fn busybox_wget(check: &HttpCheck) -> Result<Vec<String>> {
    let mut words = words(&["wget", "-q", "-S", "-O", "-", "-T"]);
    words.push(seconds(check.timeout).to_string());
    for (name, value) in &check.headers {
        words.extend(["--header".to_string(), format!("{name}: {value}")]);
    }
    match (method(check), &check.body) {
        ("GET", None) => {}
        ("POST", body) => words.extend(["--post-data".to_string(), body.clone().unwrap_or_default()]),
        (other, _) => {
            let why = format!("the host's wget cannot send {other} with this body, and it has no curl");
            return Err(Failure::new(format!("ask {}", check.url), why).hint("install curl there"));
        }
    }
    words.push(check.url.clone());
    Ok(words)
}

/// wget prints the answer's head on standard error, each line after two spaces.
fn read_wget(check: &HttpCheck, answer: Answer) -> Seen {
    let told = String::from_utf8_lossy(&answer.stderr).into_owned();
    let head: Vec<&str> =
        told.lines().map(str::trim).skip_while(|line| !line.starts_with("HTTP/1.")).collect();
    if head.is_empty() {
        return Err(if answer.status == 124 { late(check) } else { last_words(&answer, "wget") });
    }
    let framing = |line: &&&str| !line.to_ascii_lowercase().starts_with("transfer-encoding:");
    let head: Vec<&str> = head.iter().filter(framing).copied().collect();
    whole(check, &[head.join("\r\n").as_bytes(), b"\r\n\r\n", &answer.stdout].concat())
}

fn with_bash(execute: &Execute, check: &HttpCheck, url: &Url) -> Result<Option<Seen>> {
    dialled(execute, check, url, &["bash", "-c", BASH_DIAL, "bash", &url.host, &url.port.to_string()])
}

fn with_nc(execute: &Execute, check: &HttpCheck, url: &Url) -> Result<Option<Seen>> {
    dialled(execute, check, url, &["nc", &url.host, &url.port.to_string()])
}

fn dialled(execute: &Execute, check: &HttpCheck, url: &Url, argv: &[&str]) -> Result<Option<Seen>> {
    let stdin = request(check, url)?;
    let answer = run(execute, check, Command { stdin, ..Command::new(argv.iter().copied()) })?;
    Ok(answer.map(|answer| match answer.status {
        _ if !answer.stdout.is_empty() => whole(check, &answer.stdout),
        124 => Err(late(check)),
        _ => Err(last_words(&answer, argv[0])),
    }))
}

fn run(execute: &Execute, check: &HttpCheck, command: Command) -> Result<Option<Answer>> {
    let command = Command { timeout: Some(check.timeout + GRACE), ..command };
    let answer = execute(&command, HEAD_LIMIT + BODY_LIMIT)?;
    Ok((answer.status != Answer::NO_PROGRAM).then_some(answer))
}

fn whole(check: &HttpCheck, bytes: &[u8]) -> Seen {
    match response(bytes, true, is_head(check)) {
        Ok(Some(response)) => Ok(response),
        Ok(None) => Err(format!("{} closed the connection too early", check.url)),
        Err(seen) => Err(format!("{} {seen}", check.url)),
    }
}

fn late(check: &HttpCheck) -> String {
    format!("{} did not answer within {} s", check.url, seconds(check.timeout))
}

/// `curl: (7) Failed to connect …` without what only its author needs.
fn last_words(answer: &Answer, program: &str) -> String {
    let words = answer.last_words().unwrap_or_else(|| format!("{program} exited {}", answer.status));
    let words = words.strip_prefix(&format!("{program}: ")).unwrap_or(&words);
    let words =
        words.split_once(") ").filter(|(number, _)| number.starts_with('(')).map_or(words, |(_, text)| text);
    reason::lowered(words)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// Programs count whole seconds, and take 0 for no limit.
fn seconds(timeout: Duration) -> u64 {
    (timeout.as_secs_f64().ceil() as u64).max(1)
}
