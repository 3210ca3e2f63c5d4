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
