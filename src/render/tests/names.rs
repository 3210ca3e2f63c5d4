//! Names that no one sets: what is written instead of them.

use super::*;

mod misuse;

/// Every problem with its hint, one a line.
fn hints(playbook: &str) -> String {
    let problems = Case { playbook, ..Case::default() }.jobs().err().unwrap_or_default();
    let line =
        |problem: &Diagnostic| format!("{} => {}\n", problem.message, problem.hint.as_deref().unwrap_or("-"));
    problems.iter().map(line).collect()
}

#[test]
fn names_of_ansible_and_other_languages_get_their_form() {
    let playbook = r#"
[[steps]]
debug = { message = "{{ ansible_os_family }} {{ ansible_facts.kernel }} {{ hostvars['web2'].port }}" }
[[steps]]
debug = { message = "{{ ansible_default_ipv4.address }} {{ ansible_host }} {{ ansible_local.x }}" }
[[steps]]
changed_when = "never"
failed_when = "always"
command = { argv = ["true"] }
[[steps]]
debug = { message = "{{ item }} {{ null }} {{ lokup('env', 'X') }} {{ nosuch(1) }}" }
[[steps]]
loop = [1]
loop_var = "one"
debug = { message = "{{ item }}" }
"#;
    expect![[r#"
        `ansible_os_family` is undefined => write facts.os.family: debian, redhat, suse, alpine …
        `ansible_facts` is undefined => write facts.kernel
        `hostvars` is undefined => write hosts['web2'].vars.port
        `ansible_default_ipv4` is undefined => write facts.addresses[0], or host.address
        `ansible_host` is undefined => write host.address
        `ansible_local` is undefined => write facts.NAME; `windlass facts` lists them
        `never` is undefined => write false
        `always` is undefined => write true
        `item` is undefined => give the step a `loop`
        `null` is undefined => write `none`
        `lokup` is undefined => did you mean `lookup`?
        `nosuch` is undefined => there is no function of this name; `windlass filters` lists them
        `item` is undefined => the element of the loop is called `one`
    "#]]
    .assert_eq(&hints(playbook));
}

#[test]
fn what_can_never_be_defined_is_refused_also_with_a_default() {
    let playbook = r#"
[[steps]]
register = "done"
command = { argv = ["true"] }
[[steps]]
debug = { message = "{{ ansible_managed | default('x') }} {{ ansible_hostname is defined }} {{ nope | default(1) }}" }
[[steps]]
debug = { message = "{{ done.rc | default(0) }} {{ done.sttus is defined }} {{ done.status | default(0) }}" }
[[steps]]
debug = { message = "{{ facts.kernl | default('x') }} {{ ansible_host | default('x') }}" }
"#;
    expect![[r#"
        `ansible_managed` is undefined => write the line itself: # windlass writes this file
        `ansible_hostname` is undefined => write facts.hostname
        the result of `command` has no `rc` => use `status`
        the result of `command` has no `sttus` => did you mean `status`?
        there is no fact `kernl` => did you mean `kernel`?
    "#]]
    .assert_eq(&hints(playbook));
}

#[test]
fn the_result_of_a_step_in_the_background_is_known_once_it_was_waited_for() {
    let playbook = |between: &str, after: &str| {
        format!(
            "[[steps]]\nname = 'build'\nasync = '10m'\nregister = 'built'\nfailed_when = 'result.status > 1'\n\
             command = {{ argv = ['make'] }}\n{between}[[steps]]\nwait = 'build'\n{after}"
        )
    };
    let uses = "[[steps]]\ndebug = { message = '{{ built.status }}' }\n";
    assert_eq!(hints(&playbook("", uses)), "");
    expect![[r#"
        `built` is not known here => put a step with wait = "build" before this one
    "#]]
    .assert_eq(&hints(&playbook(uses, "")));
}

#[test]
fn each_element_of_a_loop_around_steps_waits_for_its_own() {
    let playbook = r#"
[[steps]]
loop = ["a", "b"]
[[steps.block]]
name = "build"
async = "10m"
command = { argv = ["make", "{{ item }}"] }
[[steps.block]]
wait = "build"
"#;
    let jobs = Case { playbook, ..Case::default() }.jobs().unwrap();
    let waits: Vec<_> = jobs[0].work.steps.iter().map(|step| step.waits_for.clone()).collect();
    assert_eq!(waits, [vec![], vec![0], vec![], vec![2]]);
    assert_eq!(jobs[0].work.steps[0].background, Some(std::time::Duration::from_secs(600)));
}
