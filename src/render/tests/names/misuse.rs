//! What is wrong with expressions that wait for results and facts, whatever these turn out to be: found before contact.

use super::super::*;

/// The playbook in which an expression stands: `r`, `many` and `web` are results, `s` a step without output.
const STEPS: &str = r#"
hosts = "all"
[[steps]]
register = "r"
command = { argv = ["true"] }
[[steps]]
register = "many"
loop = ["a", "b"]
command = { argv = ["true"] }
[[steps]]
register = "web"
http = { url = "http://127.0.0.1/" }
[[steps]]
register = "s"
file = { path = "/etc/x", content = "x" }
"#;

/// What is said of the playbook with one more step.
fn said(step: &str) -> Diagnostics {
    let playbook = format!("{STEPS}[[steps]]\n{step}\n");
    Case { playbook: &playbook, ..Case::default() }.jobs().err().unwrap_or_default()
}

fn message(text: &str) -> String {
    format!("debug = {{ message = \"{}\" }}", text.replace('"', "\\\""))
}

/// Every expression is refused, and what is said points into it.
#[track_caller]
fn refused(expressions: &[&str], step: impl Fn(&str) -> String) {
    let mut accepted = Vec::new();
    for expression in expressions {
        let problems = said(&step(expression));
        let points = |problem: &Diagnostic| {
            let place = problem.place.as_ref().expect("a place");
            place.span.start > STEPS.len() && !place.span.is_empty()
        };
        if problems.is_empty() || !problems.iter().all(points) {
            accepted.push(format!("{expression}\n{}", problems.plain()));
        }
    }
    assert!(accepted.is_empty(), "accepted, or without a place:\n{}", accepted.join("\n"));
}

/// What is wrong with an expression, and what to write.
fn why(expression: &str) -> String {
    let problems = said(&self::expression(expression));
    let line = |problem: &Diagnostic| match &problem.hint {
        Some(hint) => format!("{} => {hint}", problem.message),
        None => problem.message.clone(),
    };
    problems.iter().map(line).collect::<Vec<_>>().join("; ")
}

#[test]
fn the_right_name_is_named() {
    for (expression, expected) in [
        ("many.results | map(attribute='stdot') | list", "has no `stdot` => did you mean `stdout`?"),
        ("many.results | map(attribute='rc') | list", "has no `rc` => use `status`"),
        ("many.results | sort(attribute='stauts') | list", "has no `stauts` => did you mean `status`?"),
        ("many.results[0].stdut", "the result of `command` has no `stdut`"),
        (
            "facts.mounts | groupby('typ') | list",
            "an element of `facts.mounts` has no `typ` => did you mean `type`?",
        ),
        ("facts.os.famly", "`facts.os` has no `famly` => did you mean `family`?"),
        ("facts.mounts.path", "| map(attribute='path')"),
        ("facts.disk['/'].sizze", "an element of `facts.disk` has no `sizze` => did you mean `size`?"),
        (
            "r.stdout | sort(revers=true)",
            "the filter `sort`: it has no parameter `revers` => did you mean `reverse`?",
        ),
        ("r.status.strip()", "a number has no method `strip`"),
        ("r.stdout + 1", "cannot add text and a number"),
        ("r.stdout == 0", "text is compared with a number: `r.stdout` is text => write `r.stdout | int`"),
        (
            "r.status == '0'",
            "text is compared with a number: `r.status` is a number => write 0 without quotes",
        ),
    ] {
        assert!(why(expression).contains(expected), "{expression}: {}", why(expression));
    }
}

const WRONG_FIELDS: &[&str] = &[
    "many.results | map(attribute='rcx') | list",
    "many.results | map(attribute='rc') | list",
    "many.results | map(attribute='stdot') | join(' ')",
    "many.results | selectattr('sizze', '>', 3) | list",
    "many.results | selectattr('chnged') | list",
    "many.results | rejectattr('skiped') | map(attribute='stdout') | list",
    "many.results | selectattr('changed') | map(attribute='stout') | list",
    "many.results | groupby('statu') | list",
    "many.results | sort(attribute='stauts') | list",
    "many.results | sum(attribute='statuss')",
    "many.results | unique(attribute='stdoutt') | list",
    "many.results | min(attribute='statsu')",
    "(many.results | first).stdut",
    "(many.results | last).rc",
    "many.results[0].stdut",
    "many.results[0]['stderrr']",
    "many.results[1:] | map(attribute='stdut') | list",
    "many.results.stdout",
    "many.results.0.stdut",
    "many.results | map(attribute='stdout_lines.first') | list",
    "facts.mounts | map(attribute='pth') | list",
    "facts.mounts | selectattr('mount', 'equalto', '/') | list",
    "(facts.mounts | selectattr('path', 'equalto', '/') | first).sizze",
    "facts.mounts | groupby('typ') | list",
    "facts.mounts | sort(attribute='pathh') | list",
    "facts.mounts[0].fstype",
    "facts.mounts.path",
    "facts.addresses | map(attribute='ip') | list",
    "facts.addresses[0].address",
    "facts.addresses.first",
    "facts.os.famly",
    "facts.os.distribution",
    "facts.memory.free",
    "facts.user.uid",
    "facts.disk['/'].avail",
    "facts.disk['/'].sizze > 3",
    "facts.docker.runing",
    "facts.nginx.version",
    "facts.hostname.short",
    "facts.cpus.count",
    "r.stdout.foo",
    "r.stdout['foo']",
    "r.stdout_lines.foo",
    "r.stdout_lines['first']",
    "r.status.value",
    "r.changed.x",
];

const WRONG_TYPES: &[&str] = &[
    "r.status.startswith('x')",
    "r.status.strip()",
    "r.changed.lower()",
    "r.stdout_lines.strip()",
    "r.stdout_lines.split(',')",
    "r.stdout.append('x')",
    "r.stdout.items()",
    "r.stdout.keys()",
    "r.stdout + 1",
    "1 + r.stdout",
    "r.stdout - 1",
    "r.stdout / 2",
    "r.stdout_lines + 'x'",
    "r.stdout_lines + 1",
    "r.status + 'x'",
    "r.status ~ r.stdout + 1",
    "-r.stdout",
    "r.status == 'abc'",
    "r.status == '0'",
    "r.status != '0'",
    "r.stdout == 0",
    "r.stdout > 3",
    "3 < r.stdout",
    "r.stdout < r.status",
    "r.stdout_lines > 3",
    "r.changed == 'true'",
    "r.changed == 'yes'",
    "'x' in r.status",
    "1 in r.stdout",
    "r.status in r.stdout",
    "r.status[0]",
    "r.status[1:]",
    "r.status | length",
    "r.changed | length",
    "r.status | first",
    "r.status | dict2items",
    "r.stdout | dict2items",
    "r.stdout_lines | dict2items",
    "r.stdout | combine({'a': 1})",
    "r.status | map('int') | list",
    "r.status is changed",
    "r.stdout is failed",
    "r.stdout | length | length",
    "(r.stdout | int).strip()",
    "(r.stdout | trim) + 1",
    "r.stdout.split()[0] + 1",
    "(r.stdout_lines | first) > 3",
    "facts.hostname + 1",
    "facts.cpus + 'x'",
    "facts.memory.total == '1 GB'",
    "facts.mounts | map('dict2itemss') | list",
    "facts.addresses + 'x'",
    "range(r.stdout)",
    "web.status == '200'",
    "web.status.startswith('2')",
];

const WRONG_ARGUMENTS: &[&str] = &[
    "r.stdout | replace('a')",
    "r.stdout | replace('a', 'b', 1, 2)",
    "r.stdout | regex_replace('a', 'b', ignorecas=true)",
    "r.stdout_lines | sort(revers=true)",
    "r.stdout_lines | join(',', 'x', 'y')",
    "r.stdout | trim('x', 'y')",
    "r.stdout | upper(1)",
    "r.stdout | length(1)",
    "r.stdout | default('x', true, 3)",
    "r.stdout | int(base=16, x=1)",
    "r.stdout | split(',', 1, 2)",
    "r.stdout | ternary('a')",
    "r.changed | ternary('a', 'b', 'c', 'd')",
    "r.stdout | indent(widht=4)",
    "r.stdout | truncate(lenght=4)",
    "r.stdout | to_json(indnt=2)",
    "r.stdout | hash('sha1', 'x')",
    "r.stdout | b64encode(1, 2, 3)",
    "r.stdout | from_json(1)",
    "r.stdout | regex_search",
    "r.stdout | regex_findall",
    "nothing | default({}) | combine(recursiv=true)",
    "facts.mounts | map(attribute='path', x=1) | list",
    "facts.mounts | selectattr | list",
    "facts.mounts | groupby | list",
    "facts.addresses | batch | list",
    "r.stdout is search('a', b=1)",
    "r.stdout is version('1', '>', x=1)",
    "r.stdout is contains",
    "r.stdout is defined(1)",
    "r.stdout.startswith()",
    "r.stdout.replace('a')",
    "r.stdout.split(',', 1, 2)",
    "r.stdout.strip('a', 'b')",
    "r.stdout.upper(1)",
    "facts.disk.get()",
    "r.stdout_lines.index()",
    "range()",
    "range(1, 2, 3, 4)",
    "now(utcc=true)",
    "range(1, 2, stp=2)",
];

const RIGHT: &[&str] = &[
    "many.results | map(attribute='stdout') | list",
    "many.results | map(attribute='item') | list",
    "many.results | map(attribute='nope', default=3) | list",
    "many.results | selectattr('nope', 'defined') | map(attribute='nope') | list",
    "many.results | selectattr('status', '>', 3) | map(attribute='stderr') | join(' ')",
    "many.results | rejectattr('changed') | list | length",
    "many.results | groupby('status') | map('first') | list",
    "many.results | sort(attribute='status,stdout', reverse=true) | list",
    "many.results | sum(attribute='status')",
    "many.results | map(attribute='stdout') | map('int') | sum",
    "many.results | map(attribute='stdout_lines') | flatten | unique | list",
    "many.results | map(attribute='stdout_lines.0') | list",
    "(many.results | first).stdout.strip().split(':')[0] | int + 1",
    "many.results[0].stdout_lines[0]",
    "many.results[-1]['stderr']",
    "many.results[0].nope | default('x')",
    "many.results[0].nope is defined",
    "many is failed or many is changed",
    "facts.mounts | map(attribute='path') | list",
    "facts.mounts | selectattr('path', 'equalto', '/') | map(attribute='type') | first",
    "(facts.mounts | selectattr('type', 'in', ['ext4', 'xfs']) | first).options | join(',')",
    "facts.mounts | groupby('type') | list",
    "facts.mounts | map(attribute='options.0') | list",
    "facts.mounts | rejectattr('options', 'contains', 'ro') | list",
    "facts.addresses | first",
    "facts.addresses | select('match', '^10[.]') | first | default('none')",
    "facts.addresses[0].split('.')[:3] | join('.')",
    "facts.addresses | length > 1",
    "facts.addresses.0",
    "'10.0.0.1' in facts.addresses",
    "facts.os.family == 'debian' and facts.os.version is version('12', '>=')",
    "facts.os['codename'] | upper",
    "facts.memory.total // 1024 // 1024",
    "(facts.memory.total * 0.75) | int",
    "facts.memory.available | human_readable",
    "facts.disk['/'].free > 1000000",
    "facts.disk[r.stdout].free | filesizeformat",
    "facts.disk | dict2items | map(attribute='value.free') | max",
    "facts.disk.values() | map(attribute='free') | sum",
    "facts.disk.items() | list",
    "facts.disk | length",
    "facts.disk.get('/srv', {}).get('free', 0)",
    "'/srv' in facts.disk",
    "facts.docker.version is none",
    "(facts.docker.version | default('0', true)) is version('24', '<')",
    "facts.docker.running and not facts.nginx.running",
    "facts.hostname[:3] ~ facts.cpus",
    "facts.hostname.split('.')[0] | upper",
    "[facts.cpus, 8] | min * 2",
    "facts.cpus is none or facts.cpus > 2",
    "facts.user.id == 0",
    "r.stdout | int + 1",
    "r.stdout | from_json",
    "(r.stdout | from_json).items | default([])",
    "(r.stdout | from_json).a.b[0].c",
    "r.stdout | from_yaml | dict2items | list",
    "r.stdout | regex_search('v([0-9]+)', '\\\\1') | first",
    "r.stdout | regex_findall('a') | length",
    "r.stdout | regex_replace('a', 'b', multiline=true)",
    "r.stdout.splitlines() | map('trim') | reject('equalto', '') | list",
    "r.stdout_lines | map('split', ':') | map('first') | list",
    "r.stdout_lines | map('regex_replace', 'a', 'b') | list",
    "r.stdout_lines[0] | default('')",
    "r.stdout_lines | select('search', 'x') | list | length == 0",
    "r.stdout_lines | zip(range(3)) | list",
    "r.stdout_lines + ['x']",
    "r.stdout * 3",
    "'%s is %d' % (r.stdout, r.status)",
    "'%5.1f' % (r.stdout | float)",
    "'{} {:>4}'.format(r.stdout, r.status)",
    "r.stdout == '0'",
    "r.status == 0 and r.stdout | length",
    "r.status in [0, 2]",
    "r.status | string == '0'",
    "r.status ~ 'x'",
    "'x' in r.stdout",
    "'x' in r.stdout_lines",
    "r.changed | ternary('yes', 'no')",
    "r is changed and r is not failed and r is succeeded",
    "r.changed == true",
    "r.stdout is match('a') or r.stdout is search('b', ignorecase=true)",
    "r.stdout | default('x', true)",
    "r.stdout | b64encode | b64decode | hash('sha256')",
    "r.stdout | to_datetime('%Y-%m-%d')",
    "(r.stdout | to_datetime('%Y-%m-%d')).year",
    "('%Y' | strftime(r.stdout | int)) | int",
    "r.stdout | ipaddr('address')",
    "r.stdout | to_nice_json(indent=2) | indent(4, first=true)",
    "r.stdout | password_hash('sha512')",
    "r.stdout | trim | lower | replace('a', 'b') | title",
    "(r.stdout | split)[0].upper()",
    "r.stdout.find('x') + 1",
    "range(r.stdout | int) | list",
    "range(0, r.status + 3, 2) | list",
    "web.status == 200 and web.body | length",
    "(web.body | from_json).status",
    "web.headers['content-type'] | default('')",
    "s.changed",
    "s is changed",
    "s.findings | length",
    "nothing.x.y | default('z')",
    "[r.stdout, r.status] | join(' ')",
    "{'a': r.stdout, 'b': r.status}.b",
    "dict(a=r.stdout).a",
    "[1, 'a'][r.status]",
    "(r.stdout, r.status)[0]",
];

fn expression(text: &str) -> String {
    message(&format!("{{{{ {text} }}}}"))
}

#[test]
fn fields_that_no_value_has_are_found_behind_filters() {
    refused(WRONG_FIELDS, expression);
}

#[test]
fn what_no_value_of_a_type_can_do_is_refused() {
    refused(WRONG_TYPES, expression);
}

#[test]
fn wrong_arguments_are_refused_whatever_the_value() {
    refused(WRONG_ARGUMENTS, expression);
}

#[test]
fn what_may_be_right_is_accepted() {
    let problems: Vec<String> = RIGHT
        .iter()
        .map(|text| (text, said(&expression(text))))
        .filter(|(_, problems)| !problems.is_empty())
        .map(|(text, problems)| format!("{text}\n{}", problems.plain()))
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn templates_know_their_own_names() {
    let right = [
        "{% for x in many.results %}{{ x.item }} {{ x.stdout }}{% if x.nope is defined %}{{ x.nope }}{% endif %}{% endfor %}",
        "{% for type, mounts in facts.mounts | groupby('type') %}{{ type }}{{ mounts[0].path }}{% endfor %}",
        "{% for path, disk in facts.disk.items() %}{{ path | upper }}{{ disk.size + 1 }}{% endfor %}",
        "{% for line in r.stdout_lines %}{{ line.split()[0] }}{{ loop.index + 1 }}{% endfor %}",
        "{% set x = 1 %}{% if s.changed %}{% set x = 'a' %}{% endif %}{{ x + 1 }}",
        "{% set l = [] %}{{ l.append(r.stdout) }}{{ l[0] + 'x' }}",
        "{% set d = {} %}{{ d.update({'a': r.status}) }}{{ d.a + 1 }}",
        "{% set ns = namespace(n=0) %}{% for x in many.results %}{% set ns.n = ns.n + x.status %}{% endfor %}{{ ns.n + 1 }}",
        "{% macro m(a, b=2) %}{{ a }}{{ varargs }}{% endmacro %}{{ m(1, 2, 3) }}",
        "{% macro m(a) %}{{ a.x }}{{ kwargs }}{% endmacro %}{{ m(r, y=1) }}",
        "{% set r = {'rcx': 1} %}{{ r.rcx }}",
        "{% for r in [{'a': 1}] %}{{ r.a }}{% endfor %}",
        "{% filter upper %}{{ r.stdout }}{% endfilter %}",
        "{% with x = r.stdout %}{{ x.upper() }}{% endwith %}",
    ];
    for text in right {
        assert_eq!(said(&message(text)).plain(), "", "{text}");
    }
    let wrong = [
        "{% for x in many.results %}{{ x.itm }}{% endfor %}",
        "{% for type, mounts in facts.mounts | groupby('type') %}{{ mounts[0].pth }}{% endfor %}",
        "{% for path, disk in facts.disk.items() %}{{ disk.sizze }}{% endfor %}",
        "{% for line in r.stdout_lines %}{{ line + 1 }}{% endfor %}",
        "{% for x in r.status %}{{ x }}{% endfor %}",
        "{% set first = many.results[0] %}{{ first.stdut }}",
        "{% macro m(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ m(1, 2, 3) }}",
        "{% macro m(colour) %}{{ colour }}{% endmacro %}{{ m(color=1) }}",
        "{% with x = r.stdout %}{{ x.foo }}{% endwith %}",
        "{% if r.stdout > 3 %}x{% endif %}",
    ];
    refused(&wrong, message);
}

#[test]
fn conditions_and_loops_say_what_they_need() {
    let step = |keys: &str| format!("{keys}\ncommand = {{ argv = [\"true\"] }}");
    let wrong = [
        "when = \"r.stdout\"",
        "when = \"r.status\"",
        "when = \"r.stdout | trim\"",
        "until = \"result.stdout\"",
        "failed_when = \"result.status\"",
        "changed_when = \"result.stdout + 1\"",
        "loop = \"r.stdout\"",
        "loop = \"{{ r.status }}\"",
        "loop = \"{{ many.results }}\"\nwhen = \"item.status == 'x'\"",
        "loop = \"{{ facts.mounts }}\"\nwhen = \"item.pth == '/'\"",
        "loop = \"{{ facts.mounts | selectattr('type', 'equalto', 'ext4') }}\"\nlabel = \"{{ item.mount }}\"",
        "loop = \"{{ r.stdout_lines }}\"\nwhen = \"item > 3\"",
    ];
    refused(&wrong, step);
    for right in [
        "when = \"r.stdout | length > 0\"",
        "when = \"r.status != 0\"",
        "when = \"r.changed\"",
        "when = \"not r.stdout\"",
        "when = \"facts.os.codename\"",
        "when = \"r.stdout_lines\"",
        "until = \"result.stdout == 'x'\"",
        "loop = \"r.stdout_lines\"",
        "loop = \"{{ facts.mounts }}\"\nwhen = \"item.path == '/'\"",
        "loop = \"{{ many.results }}\"\nwhen = \"item.item == 'a' and item.status == 0\"",
        "when = \"many.results[0].nope is defined and many.results[0].nope\"",
    ] {
        assert_eq!(said(&step(right)).plain(), "", "{right}");
    }
}
