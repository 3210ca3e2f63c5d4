//! Jobs as they are made of inventories and playbooks, and what is said when they cannot be.

use super::*;
use crate::model::arg::Arg;
use crate::model::once::Once;
use crate::project::tests::project;
use expect_test::{Expect, expect};

mod grouping;
mod names;
mod others;

const HOSTS: &str = r#"
[vars]
port = 3002
domain = "{{ name }}.example.com"
arch = "{{ facts.arch }}-{{ port }}"
[hosts.web1]
vars = { only_here = 1 }
[hosts.web2]
"#;

/// A project with two hosts and `playbooks/x.toml`.
#[derive(Default)]
struct Case<'a> {
    playbook: &'a str,
    files: &'a [(&'a str, &'a str)],
    vars: &'a [&'a str],
    selection: Selection,
}

impl Case<'_> {
    fn jobs(&self) -> Result<Vec<Rendered>, Diagnostics> {
        let mut files = vec![("inventories/prod.toml", HOSTS), ("playbooks/x.toml", self.playbook)];
        files.extend(self.files);
        let (project, _folder) = project(&files);
        let inventory = Inventory::load(&project, &[])?;
        let playbook = Playbook::find(&project, "x")?;
        let hosts = inventory.select("all", &project)?;
        let vars: Vec<String> = self.vars.iter().map(|var| var.to_string()).collect();
        let command_line = variables::from_command_line(&vars, &project)?;
        let options = Options::default();
        let request = Request {
            project: &project,
            inventory: &inventory,
            playbook: &playbook,
            hosts: &hosts,
            command_line: &command_line,
            selection: &self.selection,
            stages: &[],
            options: &options,
        };
        Renderer::new(request)?.jobs()
    }

    /// The first host's steps, or all that is wrong.
    fn check(&self, expected: Expect) {
        let text = match self.jobs() {
            Ok(jobs) => shown(&jobs[0].work),
            Err(problems) => problems.plain(),
        };
        expected.assert_eq(&text);
    }
}

fn check(playbook: &str, expected: Expect) {
    Case { playbook, ..Case::default() }.check(expected);
}

fn shown(job: &HostWork) -> String {
    let steps = job.steps.iter().chain(&job.handlers).chain(&job.rescue).chain(&job.always).map(|step| {
        let mut text =
            format!("{} {}: {}", step.index, step.title(), step.args.as_ref().map_or("-".into(), arg));
        let vars = step.vars.iter().map(|(name, value)| format!("{name}={}", arg(value)));
        let item_vars = step.item_vars.iter().map(|(name, value)| format!("{name}={}", arg(value)));
        for (what, value) in [
            ("when", step.when.clone()),
            ("skip", step.skip.clone()),
            ("loop", step.items.as_ref().map(arg)),
            ("until", step.until.clone()),
            ("vars", Some(vars.collect::<Vec<_>>().join(" ")).filter(|vars| !vars.is_empty())),
            ("item vars", Some(item_vars.collect::<Vec<_>>().join(" ")).filter(|vars| !vars.is_empty())),
        ] {
            text += &value.map_or(String::new(), |value| format!("\n  {what}: {value}"));
        }
        text + "\n"
    });
    let mut text: String = steps.collect();
    text += &format!("vars {}\n", serde_json::to_string(&job.vars).unwrap());
    text
}

fn arg(arg: &Arg) -> String {
    match arg {
        Arg::Value(value) => value.to_string(),
        Arg::Template(source) => format!("T<{source}>"),
        Arg::Expression(source) => format!("E<{source}>"),
        Arg::List(list) => format!("[{}]", list.iter().map(self::arg).collect::<Vec<_>>().join(", ")),
        Arg::Map(map) => {
            let pairs = map.iter().map(|(key, value)| format!("{key}: {}", self::arg(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

#[test]
fn what_is_known_is_rendered_and_what_is_not_waits() {
    check(
        r#"
[vars]
path = "/srv/{{ domain }}"
[[steps]]
name = "known for {{ name }}"
file = { path = "{{ path }}", content = "{{ port }} {{ groups.prod | length }}", mode = "0644" }
[[steps]]
name = "waits for {{ facts.arch }}"
when = "facts.arch == 'x86_64' and port == 3002"
file = { path = "{{ path }}/{{ arch }}", content = "x" }
register = "made"
[[steps]]
when = "made is changed"
file = { path = "/x", content = "{{ made }}" }
until = "result.changed or port == 1"
[[steps]]
when = "port == 80"
file = { path = "{{ domain }}" }
"#,
        expect![[r#"
            0 known for web1: {"path":"/srv/web1.example.com","content":"3002 2","mode":"0644"}
            1 waits for {{ facts.arch }}: {path: T<{{ path }}/{{ arch }}>, content: "x"}
              when: facts.arch == 'x86_64' and port == 3002
              vars: arch=T<{{ facts.arch }}-{{ port }}>
            2 file /x: {path: "/x", content: T<{{ (made) | as_text }}>}
              when: made is changed
              until: result.changed or port == 1
            3 file web1.example.com: -
              skip: when port == 80 is false
            vars {"port":3002,"path":"/srv/web1.example.com"}
        "#]],
    );
}

#[test]
fn loops_wait_for_their_item_only() {
    check(
        r#"
[vars]
list = ["a", "b"]
[[steps]]
name = "the {{ item }}"
loop = "list"
vars = { path = "/srv/{{ item }}", mode = "0600" }
file = { path = "{{ path }}", content = "{{ port }}", mode = "{{ mode }}" }
[[steps]]
loop = "{{ facts.disk }}"
loop_var = "disk"
file = { path = "/{{ disk }}" }
"#,
        expect![[r#"
            0 the {{ item }}: {path: T<{{ (path) | as_text }}>, content: "3002", mode: "0600"}
              loop: ["a","b"]
              item vars: path=T</srv/{{ item }}>
            1 file: {path: T</{{ disk }}>}
              loop: T<{{ facts.disk }}>
            vars {}
        "#]],
    );
    check(
        "[[steps]]\nloop = ['0644', 'rw']\nfile = { path = '/x', mode = '{{ item }}' }\n[[steps]]\nloop = '{{ port }}'\nfile = { path = '/x' }\n",
        expect![[r#"
            error: file.mode: "rw" is not a mode; write it in octal, for example "0644"
             --> playbooks/x.toml:3:30
              |
            3 | file = { path = '/x', mode = '{{ item }}' }
              |                              ^^^^^^^^^^^^

            error: a loop needs a list, this is an integer
             --> playbooks/x.toml:5:8
              |
            5 | loop = '{{ port }}'
              |        ^^^^^^^^^^^^
        "#]],
    );
}

#[test]
fn files_and_templates_go_along() {
    let case = Case {
        playbook: r#"
[[steps]]
loop = ["a", "b"]
file = { path = "/srv/{{ item }}", source = "conf/{{ item }}.txt" }
[[steps]]
file = { path = "/srv/large", source = "large" }
[[steps]]
template = { path = "/etc/site", source = "site.conf" }
[[steps]]
template = { path = "/etc/waits", source = "waits.conf" }
"#,
        files: &[
            ("files/conf/a.txt", "A"),
            ("files/conf/b.txt", "B"),
            ("files/large", &"x".repeat(70_000)),
            ("templates/site.conf", "listen {{ port }};\n"),
            ("templates/waits.conf", "{% include 'head' %}{{ facts.arch }} {{ domain }}\n"),
            ("templates/head", "# {{ port }}\n"),
        ],
        ..Case::default()
    };
    case.check(expect![[r#"
        0 file: {path: T</srv/{{ item }}>, source: T<{{ windlass_source['' ~ 'conf/' ~ (item) ~ '.txt'] }}>}
          loop: ["a","b"]
          vars: windlass_source={"conf/a.txt":{"digest":"559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd","size":1},"conf/b.txt":{"digest":"df7e70e5021544f4834bbee64a9e3789febc4be81470df629cad6ddb03320a5c","size":1}}
        1 file /srv/large: {"path":"/srv/large","source":{"digest":"bca09f4a757d5571c7d9f3341d4301f3c391c090826acc1a3013c6bcb7c01722","size":70000}}
        2 template /etc/site: {"path":"/etc/site","source":"listen 3002;\n"}
        3 template /etc/waits: {path: "/etc/waits", source: T<{#windlass:file#}{% include 'head' %}{{ facts.arch }} {{ domain }}
        >}
        vars {"domain":"web1.example.com","port":3002}
    "#]]);
    let rendered = case.jobs().unwrap().remove(0);
    assert_eq!((rendered.work.assets.len(), rendered.contents.files.len()), (2, 1));
    assert_eq!(rendered.work.templates.keys().collect::<Vec<_>>(), ["head"]);
}

#[test]
fn names_that_do_not_exist_are_pointed_at_together() {
    Case {
        playbook: r#"
[[steps]]
file = { path = "{{ domian }}" }
[[steps]]
when = "prt == 1"
file = { path = "/x" }
[[steps]]
template = { path = "/x", source = "broken.conf" }
"#,
        files: &[("templates/broken.conf", "ok\n{{ prot }}\n")],
        ..Case::default()
    }
    .check(expect![[r#"
        error: `domian` is undefined
         --> playbooks/x.toml:3:21
          |
        3 | file = { path = "{{ domian }}" }
          |                     ^^^^^^
          |
          = hint: did you mean `domain`?

        error: `prt` is undefined
         --> playbooks/x.toml:5:9
          |
        5 | when = "prt == 1"
          |         ^^^
          |
          = hint: did you mean `port`?

        error: `prot` is undefined
         --> templates/broken.conf:2:4
          |
        2 | {{ prot }}
          |    ^^^^
          |
          = hint: did you mean `port`?
    "#]]);
}

#[test]
fn what_cannot_be_rendered_is_pointed_at() {
    Case {
        playbook: r#"
[vars]
a = "{{ b }}"
b = "{{ a }}"
[[steps]]
file = { path = "/x", content = "{{ a }}" }
[[steps]]
file = { path = "/{{ facts.arch }}/{{ only_here }}", mode = "{{ port }}" }
[[steps]]
file = { path = "/x", source = "mtod" }
[[steps]]
file = { path = "/x", source = "{{ facts.arch }}" }
[[steps]]
file = { path = "/x", mode = "{{ domain }}" }
"#,
        files: &[("files/motd", "")],
        ..Case::default()
    }
    .check(expect![[r#"
        error: render the variable `a`: it refers to itself
         --> playbooks/x.toml:6:33
          |
        6 | file = { path = "/x", content = "{{ a }}" }
          |                                 ^^^^^^^^^

        error: find the file mtod: neither files/ nor the project has it
          --> playbooks/x.toml:10:32
           |
        10 | file = { path = "/x", source = "mtod" }
           |                                ^^^^^^
           |
           = hint: did you mean `motd`?

        error: this must be known before a host is contacted
          --> playbooks/x.toml:12:32
           |
        12 | file = { path = "/x", source = "{{ facts.arch }}" }
           |                                ^^^^^^^^^^^^^^^^^^ the name of a file here
           |
           = hint: it cannot depend on facts, registered results or an unknown loop

        error: file.mode: "web1.example.com" is not a mode; write it in octal, for example "0644"
          --> playbooks/x.toml:14:30
           |
        14 | file = { path = "/x", mode = "{{ domain }}" }
           |                              ^^^^^^^^^^^^^^ for web1

        error: render `/{{ facts.arch }}/{{ only_here }}`: `only_here` is undefined
         --> playbooks/x.toml:8:17
          |
        8 | file = { path = "/{{ facts.arch }}/{{ only_here }}", mode = "{{ port }}" }
          |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ for web2

        error: file.mode: "web2.example.com" is not a mode; write it in octal, for example "0644"
          --> playbooks/x.toml:14:30
           |
        14 | file = { path = "/x", mode = "{{ domain }}" }
           |                              ^^^^^^^^^^^^^^ for web2
    "#]]);
}

#[test]
fn params_are_typed_and_required() {
    let playbook = r#"
[params.port]
type = "port"
required = true
[params.level]
type = "one-of"
choices = ["low", "high"]
default = "low"
[params.version]
[params.mode]
[params.dry]
type = "boolean"
default = false
[params.missing]
required = true
[[steps]]
file = { path = "/x", content = "{{ port + 1 }} {{ level }} {{ version }} {{ dry }}", mode = "{{ mode }}" }
"#;
    Case { playbook, vars: &["level=hgh", "port=0"], ..Case::default() }.check(expect![[r#"
        error: set the param `port` from --var port: `port` must be a port, 1 to 65535, found 0

        error: set the param `level` from --var level: `hgh` is not one of low, high; did you mean `high`?

        error: the param `missing` is required
          --> playbooks/x.toml:14:9
           |
        14 | [params.missing]
           |         ^^^^^^^
           |
           = hint: give it with --var missing=…, or in the inventory
    "#]]);
    Case { playbook, vars: &["version=1.10", "port=80", "dry=yes", "missing=x"], ..Case::default() }.check(
        expect![[r#"
            0 file /x: {"path":"/x","content":"81 low 1.10 True"}
            vars {}
        "#]],
    );
    Case { playbook, vars: &["nothing", "a-b=1"], ..Case::default() }.check(expect![[r#"
        error: `--var nothing` has no value
         |
         = hint: write --var name=value, or --var @file

        error: `a-b` cannot be the name of a variable
         |
         = hint: use letters, digits and `_`, with a letter first
    "#]]);
}

#[test]
fn secrets_are_listed_and_never_told() {
    let case = Case {
        playbook: "[params.token]\ntype = 'secret'\ndefault = 'file:token'\n[[steps]]\nfile = { path = '/x', content = '{{ token }}' }\n",
        files: &[("token", "hunter2\n")],
        ..Case::default()
    };
    assert_eq!(case.jobs().unwrap()[0].work.secrets, ["hunter2"]);
    let wrong =
        Case { playbook: &case.playbook.replace("content = '{{ token }}'", "mode = '{{ token }}'"), ..case };
    assert!(!wrong.jobs().unwrap_err().plain().contains("hunter2"));
}

#[test]
fn tags_start_and_run_once_choose_steps() {
    let playbook = "[[steps]]\nname = 'one'\ntags = 'a'\nfile = { path = '/1' }\n[[steps]]\nname = 'two'\ntags = 'never'\nfile = { path = '/2' }\n[[steps]]\nname = 'three'\nrun_once = true\ntags = 'always'\nfile = { path = '/3' }\n";
    let skips = |selection: Selection| {
        let jobs = Case { playbook, selection, ..Case::default() }.jobs().unwrap();
        let runs = |step: &JobStep| match &step.once {
            Some(Once::On(host)) => format!("runs once, on {host}"),
            _ => "done".to_string(),
        };
        let skip = |step: &JobStep| step.skip.clone().unwrap_or_else(|| runs(step));
        let of = |rendered: &Rendered| rendered.work.steps.iter().map(skip).collect::<Vec<_>>().join(", ");
        jobs.iter().map(of).collect::<Vec<_>>().join(" | ")
    };
    assert_eq!(
        skips(Selection::default()),
        "done, tagged never, done | done, tagged never, runs once, on web1"
    );
    let tags = Selection { tags: vec!["never".to_string()], ..Selection::default() };
    assert_eq!(
        skips(tags),
        "its tags are not asked for, done, done | its tags are not asked for, done, runs once, on web1"
    );
    let wide = |tag: &str| skips(Selection { tags: vec![tag.to_string()], ..Selection::default() });
    let all = "done, tagged never, done | done, tagged never, runs once, on web1";
    assert_eq!([wide("all"), wide("tagged")], [all, all]);
    assert_eq!(
        wide("untagged"),
        "its tags are not asked for, tagged never, done | its tags are not asked for, tagged never, runs once, on web1"
    );
    let start = Selection { start_at_step: Some("three".to_string()), ..Selection::default() };
    assert_eq!(
        skips(start),
        "before step three, before step three, done | before step three, before step three, runs once, on web1"
    );
    let unknown = Selection { start_at_step: Some("tree".to_string()), ..Selection::default() };
    Case { playbook, selection: unknown, ..Case::default() }.check(expect![[r#"
        error: no step is called `tree`
         |
         = hint: did you mean `three`?
    "#]]);
}

#[test]
fn a_variable_is_explained() {
    let (project, _folder) = project(&[
        ("inventories/prod.toml", HOSTS),
        (
            "playbooks/x.toml",
            "[params.port]\ntype = 'port'\ndefault = 1\n[vars]\nport = 2\n[[steps]]\nname = 's'\nvars = { port = 3 }\nfile = { path = '/x' }\n",
        ),
    ]);
    let inventory = Inventory::load(&project, &[]).unwrap();
    let playbook = Playbook::find(&project, "x").unwrap();
    let var = variables::from_command_line(&["port=4".to_string()], &project).unwrap();
    let explain = |name| match variables::explain(&inventory, Some(&playbook), &var, "web1", name) {
        Ok(explanation) => explanation.to_string(),
        Err(problems) => problems.plain(),
    };
    expect![[r#"
          port = 1  (param default, playbooks/x.toml:3)
          port = 3002  (inventory file prod, inventories/prod.toml:3)
          port = 2  (playbook vars, playbooks/x.toml:5)
          port = 3  (vars of step `s`, playbooks/x.toml:8)
        → port = 4  (--var, --var port)
    "#]]
    .assert_eq(&explain("port"));
    expect![[r#"
        error: nothing sets `prot` for web1
         |
         = hint: did you mean `port`?
    "#]]
    .assert_eq(&explain("prot"));
}

#[test]
fn the_whole_project_is_linted() {
    let (project, _folder) = project(&[
        ("inventories/prod.toml", "[hosts.a]\nadress = 'x'\n"),
        ("playbooks/x.toml", "[[steps]]\n"),
        ("templates/deep/x.conf", "ok\n{% if %}\n"),
    ]);
    expect![[r#"
        error: unknown key `adress`
         --> inventories/prod.toml:2:1
          |
        2 | adress = 'x'
          | ^^^^^^ not a key of a host
          |
          = hint: did you mean `address`?

        error: this step does nothing
         --> playbooks/x.toml:1:1
          |
        1 | [[steps]]
          | ^^^^^^^^^ no step kind
          |
          = hint: give it one table named after a step kind; `windlass steps` lists them

        error: expected a value, found the end
         --> templates/deep/x.conf:2:7
          |
        2 | {% if %}
          |       ^
    "#]]
    .assert_eq(&lint(&project, &[]).plain());
    assert_eq!(lint(&project, &[project.root.join("templates")]).errors(), 1);
}
