//! Dry runs that answer by their exit code, and plans that are saved, shown, applied and refused.

use crate::folder_host::FolderStage;
use crate::stage::{Finished, finish};
use std::fs;

/// A file, a command whose end cannot be predicted, and a step that waits for what it says.
const PLAYBOOK: &str = r#"
[[steps]]
name = "page"
[steps.file]
path = "/srv/page"
content = "new\n"
[[steps]]
name = "ask"
register = "said"
[steps.command]
shell = "echo yes"
[[steps]]
name = "answer"
when = "said.stdout == 'yes'"
[steps.file]
path = "/srv/answer"
content = "yes\n"
"#;

const FILE: &str = "[[steps]]\nname = \"page\"\n[steps.file]\npath = \"/srv/page\"\ncontent = \"new\\n\"\n";

fn stage(playbook: &str) -> FolderStage {
    let stage = FolderStage::set();
    stage.project.write("playbooks/it.toml", playbook);
    stage.project.write("web1/srv/page", "old\n");
    stage
}

fn windlass(stage: &FolderStage, line: &str) -> Finished {
    stage.project.windlass(line.split_whitespace())
}

fn page(stage: &FolderStage) -> String {
    stage.project.read("web1/srv/page")
}

#[test]
fn a_dry_run_says_by_its_exit_code_whether_something_would_change() {
    let stage = stage(FILE);
    let check = "run playbook it --hosts web1 --check";
    assert_eq!(windlass(&stage, check).code, 0);
    assert_eq!(windlass(&stage, &format!("{check} --exit-code")).code, 3);
    assert_eq!(windlass(&stage, "run playbook it --hosts web1 --exit-code").code, 5);
    assert_eq!(windlass(&stage, "run playbook it --hosts web1").code, 0);
    assert_eq!(windlass(&stage, &format!("{check} --exit-code")).code, 0);
}

#[test]
fn a_plan_that_another_user_can_have_written_is_refused() {
    let stage = stage(FILE);
    assert_eq!(windlass(&stage, "plan playbook it --hosts web1 -o it.plan").code, 0);
    stage.project.set_mode("it.plan", 0o666);
    let refused = windlass(&stage, "apply it.plan");
    assert!(refused.code == 5 && refused.stderr.contains("everyone may write to it"), "{refused:#?}");
    assert_eq!(page(&stage), "old\n");
}

#[test]
fn a_plan_does_what_it_says_although_its_playbook_was_changed() {
    let stage = stage(PLAYBOOK);
    let made = windlass(&stage, "plan playbook it --hosts web1 -o it.plan");
    assert_eq!(made.code, 0, "{made:#?}");
    assert_eq!(page(&stage), "old\n");
    stage.project.write("playbooks/it.toml", FILE.replace("new", "something else"));

    let shown = windlass(&stage, "plan show it.plan");
    for text in ["changes     page", "+new", "may change  answer", "said.stdout", "made     "] {
        assert!(shown.stdout.contains(text), "{text}: {shown:#?}");
    }
    let applied = windlass(&stage, "apply it.plan");
    assert_eq!(applied.code, 0, "{applied:#?}");
    assert_eq!((page(&stage).as_str(), stage.project.read("web1/srv/answer").as_str()), ("new\n", "yes\n"));

    let export = stage.project.export();
    let runs = windlass(&stage, "runs list").stdout;
    let of = export["of"].as_str().expect("the record names the dry run that the plan was made of");
    assert!(runs.contains(of), "{of}: {runs}");
    let retried = windlass(&stage, "runs retry last");
    assert!(retried.code == 5 && retried.stderr.contains("it applied a saved plan"), "{retried:#?}");
}

#[test]
fn a_host_that_has_moved_is_refused_and_says_what_moved() {
    let stage = stage(PLAYBOOK);
    assert_eq!(windlass(&stage, "plan playbook it --hosts web1").code, 0);
    stage.project.write("web1/srv/page", "edited by hand\n");
    for line in ["apply it.plan", "apply it.plan --check", "apply it.plan --partial"] {
        let refused = windlass(&stage, line);
        assert_eq!(refused.code, 7, "{line}: {refused:#?}");
        let why = "step `page`: it would change something else than when the plan was made";
        assert!(refused.stdout.contains(why) && refused.stdout.contains("web1"), "{line}: {refused:#?}");
        assert_eq!(page(&stage), "edited by hand\n", "{line}");
    }
    stage.project.write("web1/srv/page", "new\n");
    let refused = windlass(&stage, "apply it.plan");
    assert!(refused.stdout.contains("step `page`: would_change in the plan, ok now"), "{refused:#?}");
}

#[test]
fn a_plan_that_was_edited_is_refused() {
    let stage = stage(FILE);
    assert_eq!(windlass(&stage, "plan playbook it --hosts web1 -o it.plan").code, 0);
    let plan = stage.project.read("it.plan");
    stage.project.write("it.plan", plan.replace("/srv/page", "/srv/mage"));
    let refused = windlass(&stage, "apply it.plan");
    assert_eq!(refused.code, 5, "{refused:#?}");
    assert!(refused.stderr.contains("it is not whole, or was edited"), "{refused:#?}");
    assert_eq!(page(&stage), "old\n");
}

#[test]
fn a_plan_holds_no_secret_and_reads_it_again() {
    let playbook = "[params.token]\ntype = \"secret\"\n\
        [[steps]]\nname = \"env\"\n[steps.file]\npath = \"/srv/page\"\ncontent = \"TOKEN={{ token }} {{ token | b64encode }}\\n\"\n";
    let stage = stage(playbook);
    let secret = "s3cret-of-the-plan";
    let with_secret = |line: &str| finish(stage.project.command().env("TOKEN", secret).args(line.split(' ')));
    let made = with_secret("plan playbook it --hosts web1 -e token=env:TOKEN -o it.plan");
    assert_eq!(made.code, 0, "{made:#?}");
    let plan = fs::read(stage.file("it.plan")).expect("it was saved");
    let plan = String::from_utf8_lossy(&plan);
    assert!(!plan.contains(secret) && !plan.contains("czNjcmV0"), "{plan}");

    let without = windlass(&stage, "apply it.plan");
    assert_eq!(without.code, 5, "{without:#?}");
    let other = finish(stage.project.command().env("TOKEN", "another-secret").args(["apply", "it.plan"]));
    assert_eq!(other.code, 7, "another secret writes another file: {other:#?}");
    assert_eq!(with_secret("apply it.plan").code, 0);
    assert_eq!(page(&stage), format!("TOKEN={secret} czNjcmV0LW9mLXRoZS1wbGFu\n"));
}
