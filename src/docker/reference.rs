//! The names of images: `[registry[:port]/]path[:tag][@digest]`, as Docker reads them. One that Docker would refuse is
//! refused before anything is asked of a host.

/// The most letters of a name without tag and digest.
const NAME_LIMIT: usize = 255;

/// The most letters of a tag.
const TAG_LIMIT: usize = 128;

/// Says why a text cannot be the name of an image.
pub fn check(image: &str) -> Result<(), String> {
    let wrong = |why: &str| format!("{image:?} is not the name of an image: {why}");
    if image.is_empty() {
        return Err(wrong("it is empty"));
    }
    let (rest, digest) = split_at(image, image.find('@'));
    let colon = rest.rfind(':').filter(|at| !rest[*at..].contains('/'));
    let (name, tag) = split_at(rest, colon);
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return Err(wrong("after @ there must be a digest, such as sha256: and 64 hexadecimal digits"));
    }
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err(wrong(
            "a tag has at most 128 letters, digits, _ . and -, and does not begin with . or -",
        ));
    }
    let (domain, path) = parts(name);
    match () {
        () if name.len() > NAME_LIMIT => Err(wrong("it has more than 255 letters")),
        () if domain.is_some_and(|domain| !is_domain(domain)) => {
            Err(wrong("the part before the first / is not the host name of a registry"))
        }
        () if path.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            Err(wrong("its letters must be lower case"))
        }
        () if !path.split('/').all(is_component) => {
            Err(wrong("its parts are lower case letters and digits, with single . _ or - between them"))
        }
        () => Ok(()),
    }
}

/// The text before a sign and, when there is one, the text behind it.
fn split_at(text: &str, at: Option<usize>) -> (&str, Option<&str>) {
    at.map_or((text, None), |at| (&text[..at], Some(&text[at + 1..])))
}

/// The registry, when the first part is one, and the rest.
fn parts(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), path),
        Some((first, path)) if first.bytes().any(|byte| byte.is_ascii_uppercase()) => (Some(first), path),
        _ => (None, name),
    }
}

fn is_domain(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            let is_address =
                !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
            return is_address && (port.is_empty() || port.strip_prefix(':').is_some_and(is_number));
        }
        None => split_at(text, text.rfind(':')),
    };
    let is_label = |label: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && label.bytes().all(fits) && !label.starts_with('-') && !label.ends_with('-')
    };
    host.split('.').all(is_label) && port.is_none_or(is_number)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Letters and digits; between them one `.`, one or two `_`, or any number of `-`.
fn is_component(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let between = text.split(|letter: char| letter.is_ascii() && fits(letter as u8));
    let ends =
        |text: &str| text.bytes().next().is_some_and(fits) && text.bytes().next_back().is_some_and(fits);
    let separates =
        |part: &str| matches!(part, "" | "." | "_" | "__") || part.bytes().all(|byte| byte == b'-');
    ends(text) && between.into_iter().all(separates)
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let fits = |byte: u8| word(byte) || byte == b'.' || byte == b'-';
    text.len() <= TAG_LIMIT && text.bytes().next().is_some_and(word) && text.bytes().all(fits)
}

fn is_digest(text: &str) -> bool {
    let Some((algorithm, hash)) = text.split_once(':') else { return false };
    let length = if algorithm == "sha256" { 64..=64 } else { 32..=usize::MAX };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+._-".contains(&byte);
    !algorithm.is_empty()
        && algorithm.bytes().all(fits)
        && length.contains(&hash.len())
        && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_takes_is_taken() {
        let digest = format!("app@sha256:{}", "a".repeat(64));
        for name in [
            "nginx",
            "nginx:1.27-alpine",
            "library/nginx",
            "localhost/app",
            "localhost:5000/a/b__c:T_1",
            "registry.example.com:5000/team/app-x.y:v1",
            "[::1]:5000/app",
            "Registry/app",
            "a--b",
            "sha256:0123456789ab",
            &digest,
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_docker_refuses_is_refused() {
        for name in [
            "",
            "-x",
            "NGINX",
            "team/App",
            "a b",
            "nginx:",
            "nginx:-x",
            "nginx:a/b:",
            "a..b",
            "a___b",
            "a/",
            "/a",
            "a//b",
            "https://example.com/app",
            "ex_ample.com/app",
            "app@sha256:abc",
            "app@",
            "app:ü",
        ] {
            assert!(check(name).is_err(), "{name}");
        }
        assert_eq!(
            check("Nginx:1").unwrap_err(),
            "\"Nginx:1\" is not the name of an image: its letters must be lower case"
        );
    }
}
