//! What the step makes of files as people have them.

use crate::testing::{apply, host, text};
use expect_test::{Expect, expect};

/// The text of a file with this text once the step was applied, or why it was not.
fn edit(before: &str, keys: &str) -> String {
    let host = host(&[("/d.json", before)]);
    match apply(&host, "json", &format!("path = '/d.json'\n{keys}")) {
        Ok(_) => text(&host, "/d.json"),
        Err(failure) => {
            assert_eq!(text(&host, "/d.json"), before, "a failure changes nothing");
            failure.to_string()
        }
    }
}

fn check(before: &str, keys: &str, after: Expect) {
    after.assert_eq(&edit(before, keys));
}

const DNS: &str = "merge = { dns = ['8.8.8.8', '8.8.4.4'] }";

#[test]
fn a_missing_or_empty_file_is_made() {
    let made = "{\n  \"dns\": [\"8.8.8.8\", \"8.8.4.4\"]\n}\n";
    for before in ["", " \n\n", "{}\n"] {
        assert_eq!(edit(before, DNS), made);
    }
    let host = host(&[]);
    let told =
        apply(&host, "json", &format!("path = '/etc/docker/daemon.json'\nmode = '0600'\n{DNS}")).unwrap();
    assert_eq!(told, "make directory /etc\nmake directory /etc/docker\nwrite /etc/docker/daemon.json\n");
    assert_eq!(text(&host, "/etc/docker/daemon.json"), made);
}

#[test]
fn a_missing_file_is_not_made_for_nothing() {
    let host = host(&[]);
    assert_eq!(apply(&host, "json", "path = '/x'\nremove = ['a']").unwrap(), "");
    let failure = apply(&host, "json", "path = '/x'\ncreate = false\nset = { a = 1 }").unwrap_err();
    assert_eq!(
        failure.to_string(),
        "edit /x: there is no such file\n  hint: leave create = false out to create it"
    );
}

#[test]
fn new_keys_are_indented_like_those_beside_them() {
    let before =
        "{\n    \"log-driver\": \"json-file\",\n    \"log-opts\": {\n        \"max-size\": \"10m\"\n    }\n}";
    check(
        before,
        "merge = { log-opts = { max-file = '3' }, dns = ['8.8.8.8'], a = { b = [{ c = 1 }] } }",
        expect![[r#"
        {
            "log-driver": "json-file",
            "log-opts": {
                "max-size": "10m",
                "max-file": "3"
            },
            "dns": ["8.8.8.8"],
            "a": {
                "b": [
                    {
                        "c": 1
                    }
                ]
            }
        }"#]],
    );
    assert_eq!(edit("{\n\t\"a\": {\n\t\t\"b\": {}\n\t}\n}\n", "set = { 'a.b.c' = 1 }"), {
        "{\n\t\"a\": {\n\t\t\"b\": {\n\t\t\t\"c\": 1\n\t\t}\n\t}\n}\n"
    });
}

#[test]
fn a_text_on_one_line_stays_on_one_line() {
    assert_eq!(
        edit(r#"{"a":{},"b":[]}"#, "set = { 'a.x' = { y = 1 }, c = 2 }"),
        r#"{"a":{"x":{"y":1}},"b":[],"c":2}"#
    );
    assert_eq!(edit(r#"{ "a": 1 }"#, "set = { b = [1, 2] }"), r#"{ "a": 1, "b": [1, 2] }"#);
    assert_eq!(edit(r#"{ "a": 1, "b": 2, "c": 3 }"#, "remove = ['b', 'c']"), r#"{ "a": 1 }"#);
    assert_eq!(edit(r#"{ "a": 1, "b": 2, "c": 3 }"#, "remove = ['a']"), r#"{ "b": 2, "c": 3 }"#);
    assert_eq!(edit(r#"{ "a": 1 }"#, "remove = ['a']"), "{}");
}

#[test]
fn comments_and_what_is_around_stay() {
    let before = r#"// Managed by hand.
{
  // Resolvers.
  "dns": ["1.1.1.1"], // for containers
  "debug" : true,   /* for now */

  "mtu": 1.50e3 // jumbo
  // "hosts": []
}
"#;
    check(
        before,
        &format!("{DNS}\nremove = ['debug']\nset = {{ new = true }}"),
        expect![[r#"
        // Managed by hand.
        {
          // Resolvers.
          "dns": ["8.8.8.8", "8.8.4.4"], // for containers

          "mtu": 1.50e3, // jumbo
          "new": true
          // "hosts": []
        }
    "#]],
    );
}

#[test]
fn a_trailing_comma_stays() {
    assert_eq!(edit("{\n  \"a\": 1,\n}", "set = { b = 2 }"), "{\n  \"a\": 1,\n  \"b\": 2,\n}");
    assert_eq!(edit("{\n  \"a\": 1,\n  \"b\": 2,\n}", "remove = ['b']"), "{\n  \"a\": 1,\n}");
    assert_eq!(edit("{\n  \"a\": 1,\n  \"b\": 2\n}", "remove = ['b']"), "{\n  \"a\": 1\n}");
}

#[test]
fn crlf_and_a_byte_order_mark_stay() {
    assert_eq!(edit("\u{feff}{\r\n  \"a\": 1\r\n}\r\n", "set = { 'b.c' = 2 }"), {
        "\u{feff}{\r\n  \"a\": 1,\r\n  \"b\": {\r\n    \"c\": 2\r\n  }\r\n}\r\n"
    });
}

#[test]
fn a_comment_alone_stays_on_top() {
    assert_eq!(edit("// ours\n", "set = { a = 1 }"), "// ours\n{\n  \"a\": 1\n}\n");
    assert_eq!(edit("{\n  // nothing yet\n}\n", "set = { a = 1 }"), "{\n  \"a\": 1\n  // nothing yet\n}\n");
}

#[test]
fn lists_are_replaced_or_appended_to() {
    let before = "{\n  \"dns\": [\n    \"1.1.1.1\", // first\n    \"8.8.8.8\"\n  ]\n}";
    assert_eq!(edit(before, DNS), "{\n  \"dns\": [\n    \"8.8.8.8\", // first\n    \"8.8.4.4\"\n  ]\n}");
    assert_eq!(edit(before, &format!("{DNS}\nlists = 'append'")), {
        "{\n  \"dns\": [\n    \"1.1.1.1\", // first\n    \"8.8.8.8\",\n    \"8.8.4.4\"\n  ]\n}"
    });
    assert_eq!(edit(before, "merge = { dns = [] }"), "{\n  \"dns\": []\n}");
}

#[test]
fn long_lists_and_lists_of_maps_take_a_line_an_element() {
    let long = format!("set = {{ a = {:?}, b = [{{ c = 1 }}, {{}}] }}", vec!["0123456789"; 8]);
    check(
        "{}",
        &long,
        expect![[r#"
        {
          "a": [
            "0123456789",
            "0123456789",
            "0123456789",
            "0123456789",
            "0123456789",
            "0123456789",
            "0123456789",
            "0123456789"
          ],
          "b": [
            {
              "c": 1
            },
            {}
          ]
        }"#]],
    );
}

#[test]
fn pointers_reach_odd_keys_and_elements() {
    let before = r#"{"a.b": {"c/d": [{"e~": 1}]}}"#;
    assert_eq!(edit(before, "set = { '/a.b/c~1d/0/e~0' = 'ü\"' }"), r#"{"a.b": {"c/d": [{"e~": "ü\""}]}}"#);
    assert_eq!(edit(before, "remove = ['/a.b/c~1d/0/e~0', '/a.b/x/y', 'z']"), r#"{"a.b": {"c/d": [{}]}}"#);
    assert_eq!(edit(r#"{"": 1}"#, "set = { '/' = 2 }"), r#"{"": 2}"#);
}

#[test]
fn values_that_are_equal_are_not_written_again() {
    let before = r#"{ "a" : { "y":1, "x":"\u00fc" } }"#;
    assert_eq!(edit(before, "set = { a = { x = 'ü', y = 1 } }"), before);
    assert_eq!(edit(r#"{"n": 0.1}"#, "merge = { n = 0.30000000000000004 }"), r#"{"n": 0.30000000000000004}"#);
}

#[test]
fn what_is_not_json_is_shown_and_left() {
    let told = [
        "{\n  \"dns\": [\"8.8.8.8\"]\n  \"ü\": tru\n}\n",
        "{\n\t\"dns\" [\"8.8.8.8\"]\n}",
        "{ \"a\": 'b' }",
        "{ \"a\": 1",
        "[1]",
        "{} {}",
        "{ \"a\": 1e999 }",
        "{ a: 1 }",
        &format!("{{ \"a\": \"{}\", b }}", "x".repeat(500)),
        &"[".repeat(5000),
        "{ \"dns\": [],\n \"a\": 1, \"a\": 2, \"dns\": [] }",
    ]
    .map(|before| edit(before, DNS))
    .join("\n");
    expect![[r#"
        read /d.json:2:21: expected comma
          2 |   "dns": ["8.8.8.8"]
            |                     ^
          hint: correct it by hand; nothing was changed
        read /d.json:2:8: expected colon after the string or word in object property
          2 |  "dns" ["8.8.8.8"]
            |        ^
          hint: correct it by hand; nothing was changed
        read /d.json:1:8: single-quoted strings are not allowed
          1 | { "a": 'b' }
            |        ^
          hint: correct it by hand; nothing was changed
        read /d.json:1:1: unterminated object
          1 | { "a": 1
            | ^
          hint: correct it by hand; nothing was changed
        read /d.json:1:1: the top level is not an object
          1 | [1]
            | ^
          hint: correct it by hand; nothing was changed
        read /d.json:1:4: text cannot contain more than one JSON value
          1 | {} {}
            |    ^
          hint: correct it by hand; nothing was changed
        read /d.json:1:8: the number is too large
          1 | { "a": 1e999 }
            |        ^
          hint: correct it by hand; nothing was changed
        read /d.json:1:3: expected string for object property
          1 | { a: 1 }
            |   ^
          hint: correct it by hand; nothing was changed
        read /d.json:1:512: expected string for object property
          1 | xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", b }
            |                                         ^
          hint: correct it by hand; nothing was changed
        read /d.json:1:513: maximum nesting depth exceeded
          1 | [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
            |                                         ^
          hint: correct it by hand; nothing was changed
        read /d.json:2:18: the key "dns" is there twice, first on line 1
          2 |  "a": 1, "a": 2, "dns": [] }
            |                  ^
          hint: correct it by hand; nothing was changed"#]]
    .assert_eq(&told);
}

#[test]
fn keys_that_cannot_be_followed_are_refused() {
    let before = "{\n  \"a\": [1, 2],\n  \"b\": \"text\"\n}";
    let told = [
        "",
        "set = { 'a.2' = 1 }",
        "set = { 'a.-' = 1 }",
        "set = { 'b.c' = 1 }",
        "set = { 'b..c' = 1 }",
        "remove = ['a.0']",
        "remove = ['/b/c']",
        "remove = ['c.']",
        "merge = { c = { d = 1 } }\nremove = ['c.d']",
        "set = { 'c.d' = 1 }\nremove = ['c']",
        "set = { c = { d = 1 } }\nremove = ['/c/d']",
        "lists = 'union'\nset = { c = 1 }",
    ]
    .map(|keys| edit(before, keys))
    .join("\n");
    expect![[r#"
        read the keys of json: no merge, set or remove is given
        set a.2 in /d.json: /a is a list of 2 elements, counted from 0; merge with lists = "append" adds to it
        set a.- in /d.json: /a is a list of 2 elements, counted from 0; merge with lists = "append" adds to it
        set b.c in /d.json: /b is a string, which has no keys
        read json.set: "b..c" has an empty part; write a.b.c, or a JSON pointer /a/b/c
        remove a.0 in /d.json: an element of a list cannot be removed: set the whole list
        remove /b/c in /d.json: /b is a string, which has no keys
        read json.remove[0]: "c." has an empty part; write a.b.c, or a JSON pointer /a/b/c
        read json.remove[0]: merge or set puts it there
        read json.remove[0]: merge or set puts it there
        read json.remove[0]: merge or set puts it there
        read json.lists: unknown variant `union`, expected `replace` or `append`"#]]
    .assert_eq(&told);
}

#[test]
fn a_double_key_that_is_not_touched_stays() {
    assert_eq!(edit(r#"{ "a": 1, "a": 2 }"#, "set = { b = 3 }"), r#"{ "a": 1, "a": 2, "b": 3 }"#);
}

#[test]
fn mode_and_owner_are_set_beside() {
    let host = host(&[("/d.json", "{\"a\": 1}")]);
    let told = apply(&host, "json", "path = '/d.json'\nset = { a = 1 }\nmode = '0600'\nowner = '7'").unwrap();
    assert_eq!(told, "set mode 0600 owner 7 of /d.json\n");
}

#[test]
fn a_huge_file_is_fine() {
    let rows: Vec<_> = (0..50_000).map(|row| format!("  \"key-{row}\": [{row}]")).collect();
    let before = format!("{{\n{}\n}}\n", rows.join(",\n"));
    let after = edit(&before, "set = { '/key-49999/0' = 7, new = 1 }\nremove = ['key-0']");
    assert!(after.starts_with("{\n  \"key-1\": [1],\n"), "{}", &after[..80]);
    assert!(after.ends_with("  \"key-49999\": [7],\n  \"new\": 1\n}\n"));
}
