//! `group_by`: which groups hosts join, and what steps see of them.

use super::*;
use crate::render::grouping;
use serde_json::json;

const GROUPING: &str = "[vars]\nfamily = \"{{ facts.os.family }}\"\n\
    [[steps]]\nname = 'early'\nwhen = \"'os_debian' in group_names\"\ndebug = { message = 'x' }\n\
    [[steps]]\nname = 'group'\n[steps.group_by]\nkey = \"os_{{ family }}\"\nparents = ['by os']\n\
    [[steps]]\nname = 'late'\ndebug = { message = \"{{ groups['os_debian'] | join(',') }} {{ pm | default('?') }}\" }\n";

/// What the hosts join, and the first host's steps afterwards.
fn grouped(playbook: &str, files: &[(&str, &str)]) -> Result<String, Diagnostics> {
    let mut all = vec![("inventories/prod.toml", HOSTS), ("playbooks/x.toml", playbook)];
    all.extend(files);
    let (project, _folder) = project(&all);
    let mut inventory = Inventory::load(&project, &[])?;
    let playbook = Playbook::find(&project, "x")?;
    let (selection, options) = (Selection::default(), Options::default());
    let facts: BTreeMap<String, Result<Value, Failure>> = BTreeMap::from([
        ("web1".to_string(), Ok(json!({ "os": { "family": "debian" } }))),
        ("web2".to_string(), Err(Failure::new("connect", "refused"))),
    ]);
    let mut text = String::new();
    for (index, _) in grouping::steps(&playbook) {
        let members = {
            let hosts: Vec<&Host> = inventory.hosts.iter().collect();
            let request = request(&project, &inventory, &playbook, &hosts, &selection, &options);
            Renderer::new(request)?.with_own_facts(facts.clone()).members_by(index)?
        };
        for member in &members {
            text += &format!("{} joins {} below {}\n", member.host, member.group, member.parents.join(","));
        }
        inventory = inventory.with_members(&project, &members)?;
    }
    let hosts: Vec<&Host> = inventory.hosts.iter().collect();
    let request = request(&project, &inventory, &playbook, &hosts, &selection, &options);
    let jobs = Renderer::new(request)?.with_own_facts(facts).jobs()?;
    assert!(jobs[1].work.steps.is_empty(), "a host that could not be asked has nothing to do");
    Ok(text + &shown(&jobs[0].work))
}

fn request<'a>(
    project: &'a Project,
    inventory: &'a Inventory,
    playbook: &'a Playbook,
    hosts: &'a [&'a Host],
    selection: &'a Selection,
    options: &'a Options,
) -> Request<'a> {
    Request { project, inventory, playbook, hosts, command_line: &[], selection, options }
}

#[test]
fn hosts_join_groups_before_the_first_step() {
    let files = [("inventories/more.toml", "[hosts]\n[groups.os_debian]\nvars = { pm = 'apt' }\n")];
    expect![[r#"
        web1 joins os_debian below by-os
        0 early: {"message":"x"}
        1 group: {"key":"os_debian","parents":["by os"]}
        2 late: {"message":"web1 apt"}
        vars {}
    "#]]
    .assert_eq(&grouped(GROUPING, &files).unwrap());
}

#[test]
fn the_facts_that_are_needed_are_found_through_variables() {
    let (project, _folder) = project(&[("inventories/prod.toml", HOSTS), ("playbooks/x.toml", GROUPING)]);
    let inventory = Inventory::load(&project, &[]).unwrap();
    let playbook = Playbook::find(&project, "x").unwrap();
    let hosts: Vec<&Host> = inventory.hosts.iter().collect();
    assert_eq!(grouping::facts(&playbook, &hosts, &[]), BTreeSet::from(["os".to_string()]));
    let playbook = Playbook::read(
        &project,
        &crate::source::Source::new("x", "[[steps]]\ngroup_by = { key = 'env_{{ domain }}' }\n".to_string()),
    );
    assert!(grouping::facts(&playbook.unwrap(), &hosts, &[]).is_empty());
}

#[test]
fn loops_and_conditions_count_and_later_groups_see_earlier_ones() {
    let playbook = "[[steps]]\nloop = ['a', 'b']\nwhen = \"item != 'a'\"\ngroup_by = { key = \"x_{{ item }}\" }\n\
         [[steps]]\nwhen = \"'x_b' in group_names\"\ngroup_by = { key = 'both' }\n";
    let text = grouped(playbook, &[]).unwrap();
    assert!(text.starts_with("web1 joins x_b below \nweb1 joins both below \n"), "{text}");
}

#[test]
fn what_is_not_known_beforehand_is_an_error() {
    let playbook = "[[steps]]\nregister = 'out'\ncommand = { argv = ['true'] }\n\
         [[steps]]\ngroup_by = { key = \"x_{{ out.stdout }}\" }\n";
    let problems = grouped(playbook, &[]).unwrap_err().plain();
    assert!(problems.contains("this must be known before the first step"), "{problems}");
    let playbook = "[[steps]]\ngroup_by = { key = 'a,b' }\n";
    let problems = grouped(playbook, &[]).unwrap_err().plain();
    assert!(problems.contains("not the name of a group"), "{problems}");
}

#[test]
fn groups_that_a_step_may_make_are_known_and_others_are_not() {
    let with = |name: &str| GROUPING.replace("groups['os_debian']", &format!("groups['{name}']"));
    let (project, _folder) = project(&[("inventories/prod.toml", HOSTS), ("playbooks/x.toml", GROUPING)]);
    let inventory = Inventory::load(&project, &[]).unwrap();
    let check = |name: &str| {
        let source = crate::source::Source::new("x", with(name));
        let playbook = Playbook::read(&project, &source).unwrap();
        vocabulary::check(&project, Some(&inventory), &playbook, &[]).plain()
    };
    assert!(check("ox_debian").contains("there is no group called `ox_debian`"));
    // `family` may be anything.
    let problems = check("os_alpine");
    assert!(!problems.contains("no group"), "{problems}");
}
