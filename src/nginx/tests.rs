//! Tests of the reader, of includes and of what names an address.

use super::*;
use crate::model::path::HostPath;
use crate::testing::host;
use proptest::prelude::*;

/// What sites hold beside the addresses that matter: nothing here may change.
const DECOYS: &str = r#"# proxy_pass http://127.0.0.1:3001; was here
map $http_upgrade $up { default 3001; '' close; }
upstream app {
    server 127.0.0.1:3001 weight=3; # 3001
    server [::1]:3001 backup;
    server unix:/run/app:3001.sock;
    server 10.0.0.5:13001;
}
server {
    listen 80; listen [::]:3001 ipv6only=on;
    server_name a.example.com "b 3001";
    access_log /var/log/nginx/3001.log main;
    set $backend "127.0.0.1:3001";
    set $port 3001;
    set $other 3001;
    location /a { proxy_pass http://app/3001/; }
    location /b { proxy_pass "http://localhost:3001/x:3001"; }
    location /c { proxy_pass http://$backend$request_uri; }
    location /d { proxy_pass http://127.0.0.1:${port}; }
    location ~ "^/\d{3001}$" { fastcgi_pass 127.0.0.1:3001; }
    location /e { return 200 "{ 3001; }"; add_header X ':3001'; }
    content_by_lua_block { local s = "}" -- } 127.0.0.1:3001
        if a then b({ [[ } ]] }) end }
}
"#;

fn tree(document: &Document) -> String {
    fn show(directives: &[Directive], depth: usize, told: &mut String) {
        for directive in directives {
            let words: Vec<_> = directive.words.iter().map(|word| format!("{}", word.text())).collect();
            told.push_str(&format!("{}{}", "  ".repeat(depth), words.join("|")));
            match &directive.body {
                Body::Semicolon => told.push('\n'),
                Body::Raw(span) => told.push_str(&format!(" <{} bytes>\n", span.len())),
                Body::Block(inside) => {
                    told.push_str(" {\n");
                    show(inside, depth + 1, told);
                }
            }
        }
    }
    let mut told = String::new();
    show(document.directives(), 0, &mut told);
    told
}

fn read(text: &str) -> String {
    Document::read(text).map_or_else(|error| error.to_string(), |document| tree(&document))
}

#[test]
fn words_are_split_as_nginx_splits_them() {
    for (text, expected) in [
        ("a b c;", "a|b|c\n"),
        ("a \"b c\" 'd;{}';", "a|b c|d;{}\n"),
        ("a${b}c ${d};", "a${b}c|${d}\n"),
        ("a b{c d;}", "a|b {\n  c|d\n"),
        ("a#b c;#d;\ne f;", "a#b|c\ne|f\n"),
        ("if ($x = \"y\"){ a; }", "if|($x|=|y|) {\n  a\n"),
        (r#"a "x\"y\\\d" b\;c \ttab;"#, "a|x\"y\\\\d|b\\;c|\ttab\n"),
        ("a b}c;\r\n", "a|b}c\n"),
        ("a b\"c d;", "a|b\"c|d\n"),
        ("", ""),
        ("# only a comment", ""),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn errors_say_where() {
    for (text, expected) in [
        ("a b\n", "line 2, column 1: unexpected end of file, expecting \";\" or \"}\""),
        ("a {\n b;\n", "line 1, column 3: the block that begins here has no \"}\""),
        ("a;\n }", "line 2, column 2: unexpected \"}\""),
        ("a b }", "line 1, column 5: unexpected \"}\""),
        ("\n ;", "line 2, column 2: unexpected \";\""),
        ("a 'b", "line 1, column 3: the quote that begins here is not closed"),
        ("a 'b'c;", "line 1, column 6: unexpected \"c\" after a quote"),
        ("a_by_lua_block { '}'", "line 1, column 16: the block that begins here has no \"}\""),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
    let deep = "a{".repeat(100);
    assert_eq!(read(&deep), "line 1, column 130: blocks nest deeper than 64 levels");
}

#[test]
fn a_failure_shows_the_line() {
    let error = Document::read("server {\n\tlisten 80;\n\tproxy_pass }\n}\n").unwrap_err();
    assert_eq!(
        error.in_file("/etc/nginx/site").to_string(),
        "read /etc/nginx/site:3:13: unexpected \"}\"\n  3 |  proxy_pass }\n  hint: `nginx -t` on the host says what nginx thinks of it; nothing was changed"
    );
}

#[test]
fn blocks_in_other_languages_end_where_those_say() {
    for inside in [
        " a = { } ",
        " s = '}' .. \"}\\\"}\" ",
        " -- }\n ",
        " --[[ } \n } ]] ",
        " --[==[ ]] } ]==] ",
        " s = [=[ } ]] } ]=] ",
        " a[b[1]] = {[ [[}]] ] = 1} ",
    ] {
        let text = format!("content_by_lua_block {{{inside}}}\nb;");
        assert_eq!(read(&text), format!("content_by_lua_block <{} bytes>\nb\n", inside.len()), "{text}");
    }
    for inside in [" if (a) { } ", " // }\n ", " /* } */ ", " s = `}${a}` + '}' "] {
        let text = format!("js_content {{{inside}}}");
        assert_eq!(read(&text), format!("js_content <{} bytes>\n", inside.len()), "{text}");
    }
    assert_eq!(read("set_by_lua_block $a { return '}' }"), "set_by_lua_block|$a <12 bytes>\n");
}

#[test]
fn bytes_that_are_no_text_stay() {
    let bytes = b"# caf\xe9\nproxy_pass http://a:1; # \xff\r\n";
    let document = Document::read(bytes.to_vec()).unwrap();
    assert_eq!(document.with(Vec::new()), bytes);
}

/// A host with this main file, and a configuration read from it.
fn configuration(main: &str, others: &[(&str, &str)]) -> Configuration {
    let files: Vec<(&str, &str)> =
        [("/etc/nginx/nginx.conf", main)].into_iter().chain(others.iter().copied()).collect();
    Configuration::read(&host(&files), &HostPath::from("/etc/nginx/nginx.conf")).unwrap()
}

/// `directive host port`, a line for each.
fn shown(backends: &[Backend]) -> String {
    let line = |one: &Backend| format!("{} {} {:?}\n", one.directive, one.host, one.port);
    backends.iter().map(line).collect()
}

#[test]
fn every_place_that_names_an_address_is_found() {
    expect_test::expect![[r#"
        server 127.0.0.1 Some(3001)
        server ::1 Some(3001)
        server 10.0.0.5 Some(13001)
        set 127.0.0.1 Some(3001)
        set  Some(3001)
        proxy_pass app None
        proxy_pass localhost Some(3001)
        proxy_pass $backend$request_uri None
        proxy_pass 127.0.0.1 None
        fastcgi_pass 127.0.0.1 Some(3001)
    "#]]
    .assert_eq(&shown(&configuration(DECOYS, &[]).backends()));
}

#[test]
fn only_the_port_is_replaced() {
    let configuration = configuration(DECOYS, &[]);
    let all = configuration.backends().into_iter().chain(configuration.listens());
    let edits = all.filter(|one| one.port == Some(3001)).map(|one| one.with_port(3002)).collect();
    let new = String::from_utf8(configuration.with(edits).remove(0).1).unwrap();
    let changed: Vec<&str> =
        DECOYS.lines().zip(new.lines()).filter_map(|(old, new)| (old != new).then_some(new.trim())).collect();
    assert_eq!(
        changed,
        [
            "server 127.0.0.1:3002 weight=3; # 3001",
            "server [::1]:3002 backup;",
            "listen 80; listen [::]:3002 ipv6only=on;",
            r#"set $backend "127.0.0.1:3002";"#,
            "set $port 3002;",
            r#"location /b { proxy_pass "http://localhost:3002/x:3001"; }"#,
            r#"location ~ "^/\d{3001}$" { fastcgi_pass 127.0.0.1:3002; }"#,
        ]
    );
    assert_eq!(new.len(), DECOYS.len());
}

#[test]
fn an_implied_port_is_written_and_an_address_replaced() {
    for (text, edited) in [
        ("proxy_pass http://a;", "proxy_pass http://a:81;"),
        ("proxy_pass 'http://[::1]/x';", "proxy_pass 'http://[::1]:81/x';"),
        ("upstream a { server b; }", "upstream a { server b:81; }"),
        ("proxy_pass http://a:80$request_uri;", "proxy_pass http://a:81$request_uri;"),
        (r#"proxy_pass "http://a\\:80";"#, r#"proxy_pass "http://a\\:81";"#),
    ] {
        let configuration = configuration(text, &[]);
        let edits = configuration
            .backends()
            .iter()
            .filter(|one| one.port == Some(80))
            .map(|one| one.with_port(81))
            .collect();
        assert_eq!(String::from_utf8(configuration.with(edits).remove(0).1).unwrap(), edited);
    }
    let configuration = configuration("proxy_pass http://localhost:3001/x;", &[]);
    let place = configuration.backends().into_iter().find(|one| one.is_at("127.0.0.1", 3001)).unwrap();
    let new = configuration.with(vec![place.with_address("127.0.0.1:49153")]).remove(0).1;
    assert_eq!(String::from_utf8(new).unwrap(), "proxy_pass http://127.0.0.1:49153/x;");
}

#[test]
fn what_names_no_port_names_none() {
    for text in [
        "proxy_pass http://unix:/run/a:80:/x;",
        "proxy_pass http://$a;",
        "proxy_pass http://a; upstream a { server unix:/x; }",
        "proxy_pass http://127.0.0.1:$p;",
        "fastcgi_pass unix:/run/php:80;",
        "set $unused 127.0.0.1:80;",
        "server { server 127.0.0.1:80; }",
        "proxy_pass http://a:80x;",
        "proxy_pass http://[::1:80;",
        "proxy_pass http://:80;",
    ] {
        assert!(!configuration(text, &[]).backends().iter().any(|one| one.port == Some(80)), "{text}");
    }
    let listens = |text: &str| shown(&configuration(&format!("server {{ {text} }}"), &[]).listens());
    assert_eq!(
        listens("listen 80; listen *:81 ssl; listen a; listen [::]:82; listen unix:/a:80; listen 80-90;"),
        "listen * Some(80)\nlisten * Some(81)\nlisten a Some(80)\nlisten :: Some(82)\n"
    );
}

#[test]
fn includes_are_followed_as_nginx_follows_them() {
    let host = host(&[
        (
            "/etc/nginx/nginx.conf",
            "http { include conf.d/*.conf; include /srv/site[12]; upstream a { include servers; } }",
        ),
        ("/etc/nginx/conf.d/b.conf", "server { include snippet; }"),
        ("/etc/nginx/conf.d/a.conf", "server { include snippet; }"),
        ("/etc/nginx/conf.d/.hidden.conf", "server { broken"),
        ("/etc/nginx/conf.d/old.conf.bak", "server { broken"),
        ("/etc/nginx/snippet", "location / { proxy_pass http://a; }"),
        ("/etc/nginx/servers", "server 127.0.0.1:3001;"),
        ("/srv/available", "server { proxy_pass http://b:1; }"),
    ]);
    crate::system::System::link(
        &host,
        std::path::Path::new("/srv/site1"),
        std::path::Path::new("../srv/available"),
    )
    .unwrap();
    let main = HostPath::from("/etc/nginx/nginx.conf");
    let configuration = Configuration::read(&host, &main).unwrap();

    let files: Vec<String> = configuration.files.iter().map(|file| file.path.to_string()).collect();
    assert_eq!(
        files,
        [
            "/etc/nginx/nginx.conf",
            "/etc/nginx/conf.d/a.conf",
            "/etc/nginx/snippet",
            "/etc/nginx/conf.d/b.conf",
            "/srv/available",
            "/etc/nginx/servers"
        ]
    );
    assert_eq!(
        shown(&configuration.backends()),
        "proxy_pass a None\nproxy_pass a None\nproxy_pass b Some(1)\nserver 127.0.0.1 Some(3001)\n"
    );
    let by_link = configuration.file(&host, &HostPath::from("/srv/site1")).unwrap();
    assert_eq!((by_link, configuration.file(&host, &HostPath::from("/srv/none")).unwrap()), (Some(4), None));
    assert_eq!(configuration.scope(1), [1, 2].into());
    let twice =
        configuration.backends().into_iter().filter(|one| one.host == "a").map(|one| one.with_port(7));
    let new = configuration.with(twice.collect());
    assert_eq!(new.len(), 1);
    assert_eq!(String::from_utf8_lossy(&new[0].1), "location / { proxy_pass http://a:7; }");
}

#[test]
fn includes_that_lead_nowhere_or_round_are_refused() {
    let refused = |main: &str| {
        let host = host(&[
            ("/etc/nginx/nginx.conf", main),
            ("/etc/nginx/a", "include a;"),
            ("/etc/nginx/broken", "a }"),
        ]);
        Configuration::read(&host, &HostPath::from("/etc/nginx/nginx.conf")).unwrap_err()
    };
    assert_eq!(
        refused("include gone;").to_string(),
        "read /etc/nginx/gone: there is no such file; /etc/nginx/nginx.conf includes it"
    );
    assert_eq!(refused("include a;").to_string(), "read /etc/nginx/a: it includes itself");
    assert!(
        refused("include broken;").to_string().starts_with("read /etc/nginx/broken:1:3: unexpected \"}\"")
    );
}

#[test]
fn patterns_match_as_glob_does() {
    for (pattern, name, fits) in [
        ("*.conf", "a.conf", true),
        ("*.conf", ".conf", false),
        ("*", "a", true),
        ("a*b*c", "aXbYbc", true),
        ("a*b*c", "aXbYb", false),
        ("a?c", "abc", true),
        ("[a-c]x", "bx", true),
        ("[!a-c]x", "bx", false),
        ("[]]x", "]x", true),
        ("[a", "[a", true),
        ("", "", true),
    ] {
        assert_eq!(glob::matches(pattern.as_bytes(), name.as_bytes()), fits, "{pattern} {name}");
    }
}

/// The bytes that belong to no word and no block of another language.
fn between(document: &Document) -> Vec<u8> {
    fn spans(directives: &[Directive], all: &mut Vec<Span>) {
        for directive in directives {
            all.extend(directive.words.iter().map(|word| word.span.clone()));
            match &directive.body {
                Body::Block(inside) => spans(inside, all),
                Body::Raw(span) => all.push(span.clone()),
                Body::Semicolon => {}
            }
        }
    }
    let (mut all, mut rest, mut at) = (Vec::new(), Vec::new(), 0);
    spans(document.directives(), &mut all);
    for span in all {
        assert!(at <= span.start && span.start <= span.end, "words stand one behind the other");
        rest.extend_from_slice(&document.bytes()[at..span.start]);
        at = span.end;
    }
    rest.extend_from_slice(&document.bytes()[at..]);
    rest
}

fn without_comments(bytes: &[u8]) -> Vec<u8> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    lines.flat_map(|line| line.split(|byte| *byte == b'#').next().unwrap_or_default().to_vec()).collect()
}

/// Text made of what configurations are made of.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "a",
        "server",
        "proxy_pass",
        " ",
        "\n",
        "\r\n",
        ";",
        "{",
        "}",
        "#",
        "\"",
        "'",
        "\\",
        "$",
        "${",
        "127.0.0.1:3001",
        "[::1]:80",
        "http://",
        "b_by_lua_block",
        "--",
        "[[",
        "]]",
        "/*",
        "é",
        "\u{0}",
        "include",
        "set",
        "upstream",
        ")",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn no_byte_is_lost_and_nothing_panics(bytes in prop_oneof![pieces(), prop::collection::vec(any::<u8>(), 0..200)]) {
        if let Ok(document) = Document::read(bytes.clone()) {
            prop_assert_eq!(document.with(Vec::new()), bytes);
            for byte in without_comments(&between(&document)) {
                prop_assert!(b" \t\r\n;{}".contains(&byte), "{} is part of no word", byte);
            }
        }
    }

    #[test]
    fn what_is_replaced_is_what_is_read_again(words in prop::collection::vec("[a-z$:/.0-9\"' ]{1,12}", 1..5), port in any::<u16>()) {
        let quoted: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', "\\'"))).collect();
        let text = format!("proxy_pass http://h:80/{}; x {};", port, quoted.join(" "));
        let configuration = configuration(&text, &[]);
        let edits = configuration.backends().iter().map(|one| one.with_port(port)).collect();
        let new = String::from_utf8(configuration.with(edits).remove(0).1).unwrap();
        prop_assert_eq!(new, text.replacen(":80/", &format!(":{port}/"), 1));
        let last = configuration.statements.last().unwrap();
        let read: Vec<String> = last.words[1..].iter().map(|word| word.text().into_owned()).collect();
        prop_assert_eq!(read, words);
    }

    #[test]
    fn patterns_never_panic(pattern in "[a*?\\[\\]!^-]{0,12}", name in "[a.b\\[-]{0,12}") {
        glob::matches(pattern.as_bytes(), name.as_bytes());
    }
}
