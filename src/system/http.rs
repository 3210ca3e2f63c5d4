//! HTTP as a check needs it: one request, one bounded answer, no redirects followed. Bytes in, values out; who carries
//! the bytes is the system's business.

use crate::model::op::{HttpCheck, Observed};
use crate::model::{Doing, Failure, Result, Value, Values};

mod programs;

pub use programs::through_programs;

/// More of a body than this is not read, in bytes.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// More of an answer's head than this is not read, in bytes.
pub const HEAD_LIMIT: usize = 64 * 1024;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// `https://`.
    pub tls: bool,
    /// A name or an address, without brackets.
    pub host: String,
    /// 80 or 443 when it was not written.
    pub port: u16,
    /// Path and query; `/` at least.
    pub path: String,
}

/// What a server answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// 200, 404 …
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// At most [`BODY_LIMIT`] bytes.
    pub body: Vec<u8>,
}

impl Url {
    /// Reads `http://host:port/path?query`.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| Failure::new(format!("read the URL {text:?}"), why);
        let (scheme, rest) =
            text.split_once("://").ok_or_else(|| wrong("it must begin with http:// or https://"))?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(wrong("it must begin with http:// or https://")),
        };
        if text.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(wrong("it has a space or control character; write it as %20 and the like"));
        }
        let rest = rest.split('#').next().unwrap_or(rest);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, port) = host_and_port(&rest[..end], if tls { 443 } else { 80 })
            .ok_or_else(|| wrong("its host and port cannot be read"))?;
        let path = &rest[end..];
        let path = if path.starts_with('/') { path.to_string() } else { format!("/{path}") };
        Ok(Url { tls, host, port, path })
    }

    /// `host:port`, as messages and dialling need it.
    pub fn authority(&self) -> String {
        authority(&self.host, self.port)
    }
}

/// `host:port`, with brackets around an IPv6 address.
pub fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The bytes of a request, after whose answer the server closes.
pub fn request(check: &HttpCheck, url: &Url) -> Result<Vec<u8>> {
    let default_port = if url.tls { 443 } else { 80 };
    let authority = url.authority();
    let host = if url.port == default_port {
        authority.trim_end_matches(&format!(":{default_port}"))
    } else {
        &authority
    };
    let mut lines = vec![format!("{} {} HTTP/1.1", method(check), url.path)];
    let given = |name: &str| check.headers.keys().any(|key| key.eq_ignore_ascii_case(name));
    let mut add = |name: &str, value: &str| {
        if !given(name) {
            lines.push(format!("{name}: {value}"));
        }
    };
    add("Host", host);
    add("User-Agent", "windlass");
    add("Accept", "*/*");
    add("Connection", "close");
    if let Some(body) = &check.body {
        add("Content-Length", &body.len().to_string());
    }
    lines.extend(check.headers.iter().map(|(name, value)| format!("{name}: {value}")));
    if lines.iter().any(|line| line.contains(['\r', '\n', '\0'])) {
        return Err(Failure::new(format!("ask {}", check.url), "a header or the method holds a line break"));
    }
    let body = check.body.as_deref().unwrap_or_default();
    Ok(format!("{}\r\n\r\n{body}", lines.join("\r\n")).into_bytes())
}

/// Reads what a server sent up to now; `None` when it is not whole. `ended`: nothing more will come.
pub fn response(bytes: &[u8], ended: bool, head_only: bool) -> Result<Option<Response>, String> {
    let Some((end, length)) = end_of_head(bytes) else {
        return if ended || bytes.len() > HEAD_LIMIT { Err(not_http(bytes)) } else { Ok(None) };
    };
    let mut response = head(&bytes[..end]).ok_or_else(|| not_http(bytes))?;
    let rest = &bytes[end + length..];
    if response.status / 100 == 1 {
        return self::response(rest, ended, head_only);
    }
    match body(&response, rest, ended, head_only) {
        Some(body) => {
            response.body = body;
            response.body.truncate(BODY_LIMIT);
            Ok(Some(response))
        }
        None => Ok(None),
    }
}

/// Where the head ends, and how long its end is. A line may end without a carriage return (RFC 9112, 2.2), as the answers
/// of CGI programs do.
fn end_of_head(bytes: &[u8]) -> Option<(usize, usize)> {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.into_iter().find_map(|(at, _)| match &bytes[at + 1..] {
        [b'\n', ..] => Some((at, 2)),
        [b'\r', b'\n', ..] => Some((at, 3)),
        _ => None,
    })
}

/// What an answer, or its absence, means to a check.
pub fn judge(check: &HttpCheck, seen: Result<Response, String>) -> Result<Observed> {
    let pattern = check
        .matches
        .as_deref()
        .map(|pattern| regex_lite::Regex::new(pattern).doing(format!("read the pattern {pattern:?}")));
    let pattern = pattern.transpose()?;
    Ok(match seen {
        Ok(response) => judge_response(check, pattern, &response),
        Err(seen) => Observed { holds: false, seen, details: details(&Response::default()) },
    })
}

fn judge_response(check: &HttpCheck, pattern: Option<regex_lite::Regex>, response: &Response) -> Observed {
    let answered = format!("{} answered {}", check.url, response.status);
    let body = String::from_utf8_lossy(&response.body);
    let (holds, seen) = if !check.status.contains(&response.status) {
        (false, format!("{answered}, not {}", folded(&check.status).join(" or ")))
    } else if let Some(pattern) = pattern.filter(|pattern| !pattern.is_match(&body)) {
        (false, format!("{answered}, but its body has no match of {:?}", pattern.as_str()))
    } else {
        (true, answered)
    };
    Observed { holds, seen, details: details(response) }
}

/// Statuses as a reader wants them: three or more in a row as `200 to 499`.
fn folded(statuses: &[u16]) -> Vec<String> {
    let in_a_row = |one: &u16, next: &u16| one.checked_add(1) == Some(*next);
    let runs = statuses.chunk_by(in_a_row).map(|run| match run {
        [first, _, .., last] => vec![format!("{first} to {last}")],
        few => few.iter().map(u16::to_string).collect(),
    });
    runs.flatten().collect()
}

/// Always the same keys, so that an expression over them works before the server does: status 0 is no answer.
fn details(response: &Response) -> Values {
    let headers = response.headers.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    let mut details = Values::new();
    details.insert("status".into(), response.status.into());
    details.insert("body".into(), String::from_utf8_lossy(&response.body).into());
    details.insert("headers".into(), Value::Object(headers.collect()));
    details
}

fn method(check: &HttpCheck) -> &str {
    if check.method.is_empty() { "GET" } else { &check.method }
}

/// Whether the answer to this check has no body.
pub fn is_head(check: &HttpCheck) -> bool {
    method(check).eq_ignore_ascii_case("HEAD")
}

fn host_and_port(authority: &str, default: u16) -> Option<(String, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, port.strip_prefix(':').or(port.is_empty().then_some("")))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, Some("")),
        },
    };
    let port = match port? {
        "" => default,
        digits => digits.parse().ok()?,
    };
    let plain = !host.is_empty() && !host.contains(['@', '[', ']']);
    plain.then(|| (host.to_string(), port))
}

fn head(bytes: &[u8]) -> Option<Response> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let mut words = lines.next()?.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    let status = words.next()?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_string()));
    Some(Response { status, headers: headers.collect(), body: Vec::new() })
}

fn body(response: &Response, rest: &[u8], ended: bool, head_only: bool) -> Option<Vec<u8>> {
    let header =
        |name: &str| response.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    if head_only || matches!(response.status, 204 | 304) {
        return Some(Vec::new());
    }
    if header("transfer-encoding").is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked")) {
        let (body, whole) = unchunked(rest);
        return (whole || ended || body.len() >= BODY_LIMIT).then_some(body);
    }
    let length: usize = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(usize::MAX);
    let whole = rest.len() >= length.min(BODY_LIMIT);
    (whole || ended).then(|| rest[..rest.len().min(length)].to_vec())
}

/// The chunks that have arrived, and whether the last one has.
fn unchunked(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some((size, chunk)) = chunk_size(rest) {
        if size == 0 {
            return (body, true);
        }
        body.extend_from_slice(&chunk[..size.min(chunk.len())]);
        match chunk.get(size.saturating_add(2)..) {
            Some(next) if body.len() < BODY_LIMIT => rest = next,
            _ => break,
        }
    }
    (body, false)
}

fn chunk_size(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let end = bytes.windows(2).position(|window| window == b"\r\n")?;
    let line = std::str::from_utf8(&bytes[..end]).ok()?;
    let digits = line.split(';').next().unwrap_or(line).trim();
    Some((usize::from_str_radix(digits, 16).ok()?, &bytes[end + 2..]))
}

fn not_http(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "closed the connection without an answer".into();
    }
    "answered something that is not HTTP".into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn check(url: &str) -> HttpCheck {
        HttpCheck {
            url: url.into(),
            method: "GET".into(),
            headers: BTreeMap::new(),
            body: None,
            status: vec![200],
            matches: Some("^ok$".into()),
            timeout: Duration::from_secs(5),
        }
    }

    fn answer(text: &str) -> Result<Option<Response>, String> {
        response(text.replace('\n', "\r\n").as_bytes(), true, false)
    }

    fn seen(text: &str) -> String {
        let response = answer(text).map(Option::unwrap);
        judge(&check("http://web/"), response).unwrap().seen
    }

    #[test]
    fn reads_urls() {
        let read = |text: &str| Url::parse(text).map(|url| format!("{} {}", url.authority(), url.path));
        assert_eq!(read("http://web").unwrap(), "web:80 /");
        assert_eq!(read("https://web?x=1").unwrap(), "web:443 /?x=1");
        assert_eq!(read("http://[::1]:8080/a#b").unwrap(), "[::1]:8080 /a");
        for wrong in ["web/", "ftp://web/", "http://", "http://web:99999/", "http://a@web/", "http://web/a b"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn writes_a_request() {
        let mut check = check("http://web:8080/health");
        check.headers.insert("Host".into(), "studio.example.com".into());
        check.body = Some("{}".into());
        let url = Url::parse(&check.url).unwrap();
        let text = String::from_utf8(request(&check, &url).unwrap()).unwrap();
        expect![[r#"
            GET /health HTTP/1.1
            User-Agent: windlass
            Accept: */*
            Connection: close
            Content-Length: 2
            Host: studio.example.com

            {}"#]]
        .assert_eq(&text.replace("\r\n", "\n"));
        check.headers.insert("X".into(), "a\r\nInjected: b".into());
        assert!(request(&check, &url).is_err());
    }

    #[test]
    fn says_what_it_saw() {
        expect!["http://web/ answered 200"]
            .assert_eq(&seen("HTTP/1.1 200 OK\nContent-Length: 2\n\nok and more"));
        expect!["http://web/ answered 200"]
            .assert_eq(&seen("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n1\no\n1\nk\n0\n\n"));
        expect![[r#"http://web/ answered 200, but its body has no match of "^ok$""#]]
            .assert_eq(&seen("HTTP/1.1 200 OK\n\nnot ok"));
        expect!["http://web/ answered 502, not 200"].assert_eq(&seen("HTTP/1.1 502 Bad Gateway\n\n"));
        expect!["answered something that is not HTTP"].assert_eq(&answer("SSH-2.0-OpenSSH\n").unwrap_err());
    }

    #[test]
    fn an_answer_that_is_not_whole_is_awaited() {
        let early = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok";
        assert_eq!(response(early, false, false).unwrap(), None);
        assert_eq!(response(early, true, false).unwrap().unwrap().body, b"ok");
    }

    #[test]
    fn lines_may_end_without_a_carriage_return() {
        let mixed = response(b"HTTP/1.1 200 OK\r\nA: b\n\nok\n", true, false).unwrap().unwrap();
        assert_eq!((mixed.status, &mixed.body[..], mixed.headers[0].1.as_str()), (200, &b"ok\n"[..], "b"));
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(bytes: Vec<u8>, ended: bool) {
            let chunked = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &bytes[..]].concat();
            let _any = (response(&bytes, ended, false), response(&chunked, ended, false));
        }
    }
}
