//! Other hosts in templates, and secrets that are read when they are used.

use super::*;

#[test]
fn variables_of_other_hosts_are_seen() {
    check(
        "[vars]\npeer = \"{{ hosts['web2'].vars.domain }}:{{ hosts.web1.vars.only_here }}\"\n\
         [[steps]]\nfile = { path = '/x', content = \"{{ peer }} {{ groups['prod'] | join(',') }}\" }\n\
         [[steps]]\nfile = { path = '/y', content = \"{% for h in groups.prod %}{{ hosts[h].name }}={{ hosts[h].vars.port }} {% endfor %}\" }\n\
         [[steps]]\nfile = { path = '/z', content = \"{{ hosts['web2'].vars.port }} {{ facts.arch }}\" }\n",
        expect![[r#"
            0 file /x: {"path":"/x","content":"web2.example.com:1 web1,web2"}
            1 file /y: {"path":"/y","content":"web1=3002 web2=3002 "}
            2 file /z: {path: "/z", content: T<{{ hosts['web2'].vars.port }} {{ facts.arch }}>}
              vars: hosts={"web2":{"name":"web2","address":"web2","groups":["prod"],"vars":{"port":3002}}}
            vars {}
        "#]],
    );
}

#[test]
fn a_host_that_is_not_there_or_not_known_yet_is_an_error() {
    let why = |content: &str| {
        let playbook = format!("[[steps]]\nfile = {{ path = '/x', content = \"{content}\" }}\n");
        let case = Case { playbook: &playbook, ..Case::default() };
        let problems = case.jobs().map(drop).unwrap_err();
        problems
            .iter()
            .map(|problem| format!("{} ({})", problem.message, problem.hint.clone().unwrap_or_default()))
            .collect::<String>()
    };
    assert_eq!(why("{{ hosts['web3'].vars.port }}"), "there is no host called `web3` (did you mean `web1`?)");
    assert!(why("{{ hosts['web2'].vars.arch }}").contains("it is not known before that host is contacted"));
    assert!(why("{{ hosts['web2'].facts.arch }}").contains("they were not read before this run"));
    let guarded =
        "[[steps]]\nfile = { path = '/x', content = \"{{ hosts['web3'].vars.port | default(7) }}\" }\n";
    assert!(Case { playbook: guarded, ..Case::default() }.jobs().is_ok());
    assert!(why("{{ hosts['web2'].vars.nothing }}").contains("nothing"));
}

#[test]
fn hosts_that_refer_to_each_other_in_a_circle_are_an_error() {
    let files = [(
        "inventories/ring.toml",
        "[hosts.a]\nvars.x = \"{{ hosts['b'].vars.x }}\"\n[hosts.b]\nvars.x = \"{{ hosts['a'].vars.x }}\"\n",
    )];
    let playbook = "[[steps]]\nfile = { path = '/x', content = \"{{ hosts['a'].vars.x }}\" }\n";
    let case = Case { playbook, files: &files, ..Case::default() };
    let problems = case.jobs().map(drop).unwrap_err().plain();
    assert!(problems.contains("it refers to itself"), "{problems}");
}

#[test]
fn secrets_are_read_when_they_are_used_and_hidden() {
    let files = [(
        "inventories/more.toml",
        "[secrets]\nunused = 'file:none'\n[hosts.more]\nsecrets.of_host = 'command:printf s3cret-value'\n",
    )];
    let playbook = "[secrets]\ntoken = { command = ['printf', 'hunter2%s', 'x'] }\n[[steps]]\nfile = { path = '/x', content = '{{ token }}' }\n\
                    [[steps]]\nfile = { path = '/y', content = \"{{ hosts['more'].vars.of_host }}\" }\n";
    let case = Case { playbook, files: &files, ..Case::default() };
    assert_eq!(case.jobs().unwrap()[0].work.secrets, ["hunter2x", "s3cret-value"]);
    let given = Case { vars: &["token=given-on-top"], ..case };
    assert_eq!(given.jobs().unwrap()[0].work.secrets, ["given-on-top", "s3cret-value"]);
    let playbook =
        "[secrets]\ntoken = 'hunter2'\n[[steps]]\nfile = { path = '/x', content = '{{ token }}' }\n";
    let problems = Case { playbook, ..Case::default() }.jobs().map(drop).unwrap_err().plain();
    assert!(problems.contains("playbooks/x.toml:2: `[secrets]` says where `token` comes from"), "{problems}");
    assert!(!problems.contains("hunter2"), "{problems}");
}

const DATABASE: (&str, &str) = (
    "inventories/db.toml",
    "[hosts.db]\naddress = 'db'\nsecrets.token = 'command:printf s3cret-value'\n\
     vars.url = 'postgres://app:{{ token }}@db/app'\nvars.plain = 'x'\n",
);

/// Whether the jobs of web1 and web2, which come after that of db, hold the secret of the host db, and whether they hide it.
fn has_secret(step: &str) -> [(bool, bool); 2] {
    let playbook =
        format!("[[steps]]\n{step}\n[[steps]]\nfile = {{ path = '/y', content = '{{{{ facts.arch }}}}' }}\n");
    let case = Case { playbook: &playbook, files: &[DATABASE], ..Case::default() };
    let jobs = case.jobs().unwrap_or_else(|problems| panic!("{step}: {}", problems.plain()));
    let of = |at: usize| {
        let work = &jobs[at].work;
        let steps = serde_json::to_string(&(&work.steps, &work.vars, &work.others, &work.templates)).unwrap();
        (steps.contains("s3cret-value"), work.secrets.contains(&"s3cret-value".to_string()))
    };
    [of(1), of(2)]
}

#[test]
fn a_secret_of_another_host_goes_into_the_jobs_that_use_it_and_is_hidden_there() {
    let (uses, does_not) = ((true, true), (false, false));
    let file = |content: &str| format!("file = {{ path = '/x', content = \"{content}\" }}");
    let waits = |content: &str| file(&format!("{{{{ facts.arch }}}} {content}"));
    for step in [
        file("{{ hosts['db'].vars.token }}"),
        file("{{ hosts.db.vars.url }}"),
        waits("{{ hosts['db'].vars.token }}"),
        waits("{{ hosts['db'].vars.url }}"),
        waits("{% for h in ['db'] %}{{ hosts[h].vars.url }}{% endfor %}"),
        waits("{% set key = 'u' ~ 'rl' %}{% for h in ['db'] %}{{ hosts[h].vars[key] }}{% endfor %}"),
        waits("{% for h in ['db'] %}{{ hosts[h].vars.items() | list }}{% endfor %}"),
        waits("{{ hosts['db'].vars | to_json }}"),
    ] {
        assert_eq!(has_secret(&step), [uses, uses], "{step}");
        let guarded = format!("when = \"inventory_hostname == 'web1'\"\n{step}");
        assert_eq!(has_secret(&guarded), [uses, does_not], "{guarded}");
    }
    for step in [
        waits("{{ hosts['db'].vars.plain }}"),
        waits("{% for h in ['db'] %}{{ hosts[h].address }}{% endfor %}"),
        waits("{% for h in ['db'] %}{{ hosts[h].vars.plain }}{% endfor %}"),
        waits("{{ hosts['db'] | length }}"),
    ] {
        assert_eq!(has_secret(&step), [does_not, does_not], "{step}");
    }
}
