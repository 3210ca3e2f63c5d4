//! What templates give, and what they say when they cannot.

use super::*;
use expect_test::{Expect, expect};
use serde_json::json;

fn context() -> Values {
    let value = json!({
        "name": "web1", "port": 3002, "yes": true, "word": "no", "empty": "",
        "resolvers": ["8.8.8.8", "8.8.4.4"], "map": {"a": 1, "b": {"c": 2}},
        "facts": {"docker": {"installed": true}}, "result": {"changed": true, "failed": false},
    });
    value.as_object().unwrap().clone()
}

fn templates() -> Templates {
    let sources = [
        ("head.conf", "# {{ name }}\n"),
        ("site.conf", "{% include \"head.conf\" %}\nlisten {{ port }};"),
        ("loop.conf", "{% include 'loop.conf' %}"),
    ];
    Templates::new(&sources.map(|(name, source)| (name.to_string(), source.to_string())).into())
}

/// The value of each source, in JSON, or the whole failure.
fn check(sources: &[&str], expected: Expect) {
    let value = |source: &&str| match templates().value(source, &context()) {
        Ok(value) => format!("{value}\n"),
        Err(failure) => format!("{failure}\n"),
    };
    expected.assert_eq(&sources.iter().map(value).collect::<String>());
}

#[test]
fn no_number_becomes_another_one_in_silence() {
    check(
        &[
            "{{ '123456789012345678901234567890' | from_json + 1 | string }}",
            "n {{ '[123456789012345678901234567890, -18446744073709551617]' | from_json }}",
            "{{ '18446744073709551615' | from_json }}",
            "{{ '{\"a\": 123456789012345678901234567890}' | from_json }}",
            "n {{ '1234567890123456789012345678901234567890' | from_json }}",
            "n {{ '1.0e400' | from_json }}",
            "n {{ '0.30000000000000004' | from_json }} {{ '2.2250738585072011e-308' | from_json }}",
            "n {{ '{\"a\": [1, -0, 1E2, \"\u{e9}\", null, true, {}]}' | from_json }}",
            "n {{ 'n: 123456789012345678901234567890' | from_yaml }}",
            "n {{ '1234567890123456789012345678901234567890' | from_yaml }}",
            "n {{ '0xfffffffffffffffffffffffffffffffffffff' | from_yaml }}",
            "{{ '.inf' | from_yaml }}",
            "{{ 1e308 * 10 }}",
            "n {{ '1234567890123456789012345678901234567890' | int }}",
            "n {{ 'ffffffffffffffffffffffffffffffffffffff' | int(base=16) }}",
            "n {{ '1234567890123456789012345678901234567890' | int(base=2) }}",
            "n {{ 1e40 | int }}",
            "n {{ '%d' % 1e40 }}",
            "n {{ '99999999999999999999999999999999YB' | human_to_bytes }}",
            "n {{ 170141183460469231731687303715884105727 + 1 }}",
            "n {{ 170141183460469231731687303715884105727 | random(start=-5, step=1) }}",
            "n {{ '%Y' | strftime(1e20) }}",
            "n {{ '1234567890123456789012345678901234567890' | to_yaml | trim }}",
        ],
        expect![[r#"
            evaluate `'123456789012345678901234567890' | from_json + 1 | string`: cannot add a number and text
              hint: make a number of text with `| int`, or join texts with `~`
            "n [123456789012345678901234567890, -18446744073709551617]"
            18446744073709551615
            evaluate `'{"a": 123456789012345678901234567890}' | from_json`: 123456789012345678901234567890 is too large a number for a value
              hint: make text of it: `| string`
            render `n {{ '1234567890123456789012345678901234567890' | from_json }}`: the filter `from_json`: the result is too large a number
              hint: whole numbers have at most 38 digits
            render `n {{ '1.0e400' | from_json }}`: the filter `from_json`: 1.0e400 is too large a number
            "n 0.30000000000000004 2.225073858507201e-308"
            "n {'a': [1, 0, 100.0, 'é', None, True, {}]}"
            "n {'n': 123456789012345678901234567890}"
            render `n {{ '1234567890123456789012345678901234567890' | from_yaml }}`: the filter `from_yaml`: the result is too large a number
              hint: whole numbers have at most 38 digits
            render `n {{ '0xfffffffffffffffffffffffffffffffffffff' | from_yaml }}`: the filter `from_yaml`: the result is too large a number
              hint: whole numbers have at most 38 digits
            evaluate `'.inf' | from_yaml`: inf is no number that a value can be
              hint: make text of it: `| string`
            evaluate `1e308 * 10`: inf is no number that a value can be
              hint: make text of it: `| string`
            render `n {{ '1234567890123456789012345678901234567890' | int }}`: the filter `int`: the result is too large a number
              hint: whole numbers have at most 38 digits
            render `n {{ 'ffffffffffffffffffffffffffffffffffffff' | int(base=16) }}`: the filter `int`: the result is too large a number
              hint: whole numbers have at most 38 digits
            render `n {{ '1234567890123456789012345678901234567890' | int(base=2) }}`: the filter `int`: the result is too large a number
              hint: whole numbers have at most 38 digits
            render `n {{ 1e40 | int }}`: the filter `int`: the result is too large a number
              hint: whole numbers have at most 38 digits
            render `n {{ '%d' % 1e40 }}`: the result is too large a number
              hint: whole numbers have at most 38 digits
            render `n {{ '99999999999999999999999999999999YB' | human_to_bytes }}`: the filter `human_to_bytes`: the result is too large a number
              hint: whole numbers have at most 38 digits
            render `n {{ 170141183460469231731687303715884105727 + 1 }}`: the result is too large a number
              hint: whole numbers have at most 38 digits
            render `n {{ 170141183460469231731687303715884105727 | random(start=-5, step=1) }}`: the filter `random`: the result is too large a number
              hint: whole numbers have at most 38 digits
            render `n {{ '%Y' | strftime(1e20) }}`: the filter `strftime`: the date is not in the years 1 to 9999
            "n '1234567890123456789012345678901234567890'"
        "#]],
    );
}

#[test]
fn one_expression_keeps_its_type() {
    check(
        &[
            "{{ port }}",
            "{{ resolvers }}",
            "port {{ port }}",
            "{{ port }}{{ port }}",
            "{{ yes }}",
            "plain",
            "{{ '}}' }}",
        ],
        expect![[r#"
            3002
            ["8.8.8.8","8.8.4.4"]
            "port 3002"
            "30023002"
            true
            "plain"
            "}}"
        "#]],
    );
}

#[test]
fn a_variable_is_stronger_than_the_function_of_its_name() {
    let names = ["env", "file", "loop", "range", "omit", "self", "super", "caller", "lookup"];
    let values: Values = names.iter().map(|name| (name.to_string(), json!("own"))).collect();
    for name in names {
        let value = templates().value(&format!("{{{{ {name} }}}}"), &values);
        assert_eq!(value.unwrap(), json!("own"), "{name}");
    }
}

#[test]
fn filters_over_text() {
    check(
        &[
            "{{ word | bool }}",
            "{{ 'a1b22' | regex_replace('([0-9]+)', '<\\1>') }}",
            "{{ 'a1b22' | regex_search('b([0-9]+)', '\\1') }}",
            "{{ 'a1b22' | regex_search('x') }}",
            "{{ 'a1b22' | regex_findall('[0-9]+') }}",
            "{{ 'k=v l=w' | regex_findall('(.)=(.)') }}",
            "{{ map | to_json }}",
            "{{ map | to_nice_json }}",
            "{{ '{\"a\": [1]}' | from_json }}",
            "{{ 'häns' | b64encode }} {{ 'aMOkbnM=' | b64decode }} {{ 'ab' | b64encode | b64decode }}",
            "{{ '' | hash('sha256') }}",
            "{{ '/etc/nginx/nginx.conf' | basename }} {{ '/etc/nginx/nginx.conf' | dirname }} {{ '/etc' | dirname }}",
            "{{ \"it's\" | quote }} {{ 'plain' | quote }} {{ '' | quote }}",
            "{{ yes | ternary('a', 'b') }} {{ empty | default('x', true) }} {{ nope | default('y') }}",
            "{{ [1, 2] | sum }} {{ '12' | int + 1 }} {{ ['b', 'a'] | sort | join('-') }} {{ '  x ' | trim }}",
            "{{ ['/etc', 'nginx'] | path_join }}",
        ],
        expect![[r#"
            false
            "a<1>b<22>"
            ["22"]
            null
            ["1","22"]
            [["k","v"],["l","w"]]
            "{\"a\": 1, \"b\": {\"c\": 2}}"
            "{\n    \"a\": 1,\n    \"b\": {\n        \"c\": 2\n    }\n}"
            {"a":[1]}
            "aMOkbnM= häns ab"
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
            "nginx.conf /etc/nginx /"
            "'it'\"'\"'s' plain ''"
            "a x y"
            "3 13 a-b x"
            "/etc/nginx"
        "#]],
    );
}

#[test]
fn filters_over_lists_and_maps() {
    check(
        &[
            "{{ map | combine({'a': 2, 'b': {'d': 3}}) }}",
            "{{ map | combine({'a': 2, 'b': {'d': 3}}, recursive=true) }}",
            "{{ {'x': 1} | dict2items }}",
            "{{ [{'key': 'x', 'value': 1}] | items2dict }}",
            "{{ [1, 2, 2, 3] | difference([3]) }} {{ [1, 2] | intersect([2]) }} {{ [1, 2] | union([2, 3]) }}",
            "{{ [1, [2, [3]]] | flatten }} {{ [1, [2, [3]]] | flatten(levels=1) }}",
            "{{ [{'n': 'a', 'on': true}, {'n': 'b', 'on': false}] | selectattr('on') | map(attribute='n') | list }}",
            "{{ 5 | combine({}) }}",
        ],
        expect![[r#"
            {"a":2,"b":{"d":3}}
            {"a":2,"b":{"c":2,"d":3}}
            [{"key":"x","value":1}]
            {"x":1}
            "[1, 2] [2] [1, 2, 3]"
            "[1, 2, 3] [1, 2, [3]]"
            ["a"]
            evaluate `5 | combine({})`: the filter `combine`: a number is no map
        "#]],
    );
}

#[test]
fn tests_of_values() {
    check(
        &[
            "{{ 'web1' is match('web') and 'a-web' is not match('web') and 'a-web' is search('WEB', ignorecase=true) }}",
            "{{ resolvers is contains('8.8.8.8') and '8.8.8.8' in resolvers }}",
            "{{ result is changed and result is succeeded and result is not failed }}",
            "{{ '1.10' is version('1.9', '>') and '1.0' is version('1.0', '==') }}",
            "{{ nope is undefined and name is defined and name is truthy }}",
        ],
        expect![[r#"
            true
            true
            true
            true
            true
        "#]],
    );
}

#[test]
fn says_what_is_undefined_and_what_was_meant() {
    check(
        &[
            "{{ resolvrs }}",
            "dns {{ resolvrs | join(' ') }}",
            "{{ facts.docker.instaled }}",
            "{{ facts.dcker.installed }}",
            "{{ nope | default(prt) }}",
            "{{ xyzzy }}",
            "{% if xyzzy %}{% endif %}",
            "{{ resolvers[7] }}",
        ],
        expect![[r#"
            evaluate `resolvrs`: `resolvrs` is undefined
              hint: did you mean `resolvers`?
            render `dns {{ resolvrs | join(' ') }}`: `resolvrs` is undefined
              hint: did you mean `resolvers`?
            evaluate `facts.docker.instaled`: `facts.docker.instaled` is undefined
              hint: did you mean `installed`?
            evaluate `facts.dcker.installed`: `facts.dcker` is undefined
              hint: did you mean `docker`?
            evaluate `nope | default(prt)`: `prt` is undefined
              hint: did you mean `port`?
            evaluate `xyzzy`: `xyzzy` is undefined
            render `{% if xyzzy %}{% endif %}`: `xyzzy` is undefined
            evaluate `resolvers[7]`: `resolvers[7]` is undefined
        "#]],
    );
}

#[test]
fn says_what_else_is_wrong() {
    check(
        &[
            "{{ name",
            "{{ name name }}",
            "a\n{% if %}\n",
            "{{ name | nofilter }}",
            "{{ 'x' | regex_search('(') }}",
            "{{ 'x' | from_json }}",
            "{% include 'none.conf' %}",
            "{% include 'loop.conf' %}",
            "{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}",
        ],
        expect![[r#"
            render `{{ name`: the block ends too early
              hint: close it with `}}`
            render `{{ name name }}`: expected the end, found `name`
            render the template, line 2: expected a value, found the end
            evaluate `name | nofilter`: there is no filter `nofilter`
            evaluate `'x' | regex_search('(')`: the filter `regex_search`: `(` is no regular expression: a `(` is never closed
            evaluate `'x' | from_json`: the filter `from_json`: this is not JSON: expected value at line 1 column 1
            render `{% include 'none.conf' %}`: there is no template `none.conf`
              hint: did you mean `loop.conf`?
            render `{% include 'loop.conf' %}`: it is nested too deep
              hint: does a macro or a template include itself?
            render `{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor…`: it takes more than 5000000 steps
              hint: is there a loop over too many items?
        "#]],
    );
}

#[test]
fn includes_and_newlines() {
    let text =
        templates().text("{% include 'site.conf' %}\n{% if yes %}\nx\n{% endif %}\n", &context()).unwrap();
    assert_eq!(text, "# web1listen 3002;x\n");
    assert_eq!(
        templates().included("{% include 'site.conf' %}", Form::File),
        ["head.conf", "site.conf"].map(String::from).into()
    );
    assert_eq!(templates().included("{% include word %}", Form::File).len(), 3);
}

#[test]
fn an_if_without_else_is_empty_inside_a_text() {
    let text = |source: &str| templates().text(source, &context()).map_err(|failure| failure.why);
    assert_eq!(text("server a{{ ' backup' if empty }};").unwrap(), "server a;");
    assert_eq!(text("{{ 'a' ~ (':b' if empty) ~ 'c' }}").unwrap(), "ac");
    assert!(templates().value("{{ 'a' if empty }}", &context()).is_err(), "there is no value");
    assert!(text("x{{ nope }}").is_err());
}

#[test]
fn macros_refuse_what_they_do_not_take() {
    let render = |source: &str| Templates::new(&BTreeMap::new()).text(source, &Values::new());
    let outer = "{% macro inner() %}<{{ caller() }}>{% endmacro %}\
        {% macro outer() %}{% call inner() %}{{ caller() }}{% endcall %}{% endmacro %}\
        {% call outer() %}x{% endcall %}";
    assert!(!render(outer).is_err_and(|failure| failure.why.contains("caller")));
    for (source, why) in [
        ("{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "the macro `m` takes at most 1 values, not 2"),
        ("{% macro m(a) %}{% endmacro %}{{ m(b=2) }}", "the macro `m` has no parameter `b`"),
        (
            "{% macro m() %}{% endmacro %}{% call m() %}{% endcall %}",
            "the macro `m` does not render its caller",
        ),
    ] {
        assert!(render(source).unwrap_err().why.contains(why), "{source}");
    }
}

#[test]
fn groups_have_names_and_macros_know_their_earlier_params() {
    let text = |source: &str| templates().text(source, &context()).unwrap();
    let groups = "{% for group in [{'k': 1, 'v': 'a'}] | groupby('k') %}{{ group.grouper }}{{ group.list | length }}{% endfor %}";
    assert_eq!(text(groups), "11");
    let called = "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m('x') }}{{ m('x', 'y') }}";
    assert_eq!(text(called), "xxxy");
    assert!(!templates().all_names(called, Form::File).unwrap().contains("a"));
}

#[test]
fn names_that_are_taken_from_the_context() {
    let names = |source, form| {
        let names = templates().all_names(source, form).unwrap();
        names.into_iter().filter(|name| !is_function(name)).collect::<Vec<_>>()
    };
    assert_eq!(names("facts.docker.installed and port > 3", Form::Expression), ["facts", "port"]);
    let source = "{% for x in list %}{{ x }}{{ y | default(z) }}{{ loop.index }}{% endfor %}";
    assert_eq!(names(source, Form::File), ["list", "y", "z"]);
    assert_eq!(names("{{ range(3) }} {% set a = b %}{{ a }}", Form::File), ["b"]);
    assert_eq!(names("{% set port = port | default(80) %}{{ port }}", Form::File), ["port"]);
    assert!(templates().all_names("a b", Form::Expression).is_err());
    assert_eq!(names("{% include 'site.conf' %}", Form::File), ["name", "port"]);
}

#[test]
fn truth_is_jinjas() {
    let holds = |source| templates().truth(source, &context()).unwrap();
    assert!(holds("port == 3002 and yes"));
    assert!(!holds("empty"));
    assert!(templates().truth("nope", &context()).is_err());
}

#[test]
fn a_value_is_never_a_template() {
    let context: Values = [("said".to_string(), json!("{{ 7 * 7 }}"))].into_iter().collect();
    assert_eq!(templates().value("{{ said }}", &context).unwrap(), json!("{{ 7 * 7 }}"));
    assert_eq!(templates().text("x {{ said }}", &context).unwrap(), "x {{ 7 * 7 }}");
}

#[test]
fn no_filter_takes_an_undefined_value_for_an_empty_one() {
    let filters = "abs b64decode b64encode basename batch(2) bool capitalize count dict2items dictsort dirname first \
        flatten float from_json hash indent int items items2dict join last length lines list lower mandatory \
        map(attribute='x') max min path_join quote regex_findall('x') regex_replace('x') regex_search('x') reject \
        rejectattr('x') replace('a','b') reverse round select selectattr('x') slice(2) sort split string sum \
        ternary(1,2) title to_json to_nice_json trim unique upper union([]) difference([]) intersect([]) combine({})";
    let lenient =
        |filter: &&str| templates().value(&format!("{{{{ nope | {filter} }}}}"), &context()).is_ok();
    assert_eq!(filters.split_whitespace().filter(lenient).collect::<Vec<_>>(), Vec::<&str>::new());
}
