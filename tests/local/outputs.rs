//! What commands print for programs fits the schemas that `windlass schema output` prints.

use crate::folder_host::FolderStage;
use crate::language::{newest_run, run};
use crate::stage::Project;
use crate::stage::backups;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Several plays, `set`, loops, a block, a failure that is ignored, a finding, an output, a fetched file.
const SITE: &str = r#"
[[plays]]
name = "first"
hosts = "web1"
[[plays.steps]]
register = "said"
command = { shell = "echo one; echo two >&2" }
[[plays.steps]]
directory = { path = "/srv" }
[[plays.steps]]
set = { word = "{{ said.stdout }}" }
[[plays.steps]]
name = "a file"
loop = ["a", "b"]
notify = "say"
file = { path = "/srv/{{ item }}", content = "{{ word }}\n" }
[[plays.steps]]
ignore_errors = true
command = { argv = ["false"] }
[[plays.steps]]
name = "a block"
[[plays.steps.block]]
fetch = { path = "/srv/a" }
[[plays.handlers]]
name = "say"
debug = { message = "{{ word }}" }

[[plays]]
hosts = "web1,web2"
[[plays.steps]]
disk = { paths = ["/"], free_min = "1 B" }
[[plays.steps]]
run_once = true
debug = { message = "{{ hosts['web1'].vars.word }}" }
"#;

struct Schemas(Value);

impl Schemas {
    fn of(project: &Project) -> Schemas {
        let printed = project.windlass(["schema", "output"]);
        assert_eq!(printed.code, 0, "{printed:?}");
        Schemas(serde_json::from_str(&printed.stdout).expect("it is JSON"))
    }

    /// Fails when the value has a field that the schema of this output lacks, or lacks one that it requires.
    #[track_caller]
    fn hold(&self, output: &str, value: &Value) {
        let schema = &self.0["$defs"][output];
        assert!(schema.is_object(), "there is no schema of {output}");
        if let Err(why) = fits(schema, value, output) {
            panic!("{why}\n{value:#}");
        }
    }

    /// Runs a command, whose whole output is one JSON value.
    #[track_caller]
    fn hold_of(&self, project: &Project, output: &str, line: &str) -> Value {
        let finished = project.windlass(line.split(' '));
        let value = serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{line}: {finished:?}"));
        self.hold(output, &value);
        value
    }
}

/// As much of JSON Schema as these schemas use.
fn fits(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(choices) = schema["anyOf"].as_array() {
        // Of events, the one of that name says best what is wrong.
        let of_name = choices.iter().find(|choice| {
            choice["properties"]["event"]["const"] == value["event"] && value["event"].is_string()
        });
        let tried: Vec<_> = of_name.map_or_else(|| choices.iter().collect(), |choice| vec![choice]);
        let tried: Vec<_> = tried.into_iter().map(|choice| fits(choice, value, at)).collect();
        return match tried.iter().any(Result::is_ok) {
            true => Ok(()),
            false => Err(tried.into_iter().filter_map(Result::err).collect::<Vec<_>>().join("; ")),
        };
    }
    let is_one_of = |list: &Value, wanted: &Value| {
        list == wanted || list.as_array().is_some_and(|all| all.contains(wanted))
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let has_kind = is_one_of(&schema["type"], &json!(kind))
        || (kind == "integer" && is_one_of(&schema["type"], &json!("number")));
    if !schema["type"].is_null() && !has_kind {
        return Err(format!("{at}: {value} is not of type {}", schema["type"]));
    }
    if schema["enum"].is_array() && !is_one_of(&schema["enum"], value) {
        return Err(format!("{at}: {value} is none of {}", schema["enum"]));
    }
    if !schema["const"].is_null() && schema["const"] != *value {
        return Err(format!("{at}: {value} is not {}", schema["const"]));
    }
    for (number, element) in value.as_array().into_iter().flatten().enumerate() {
        fits(&schema["items"], element, &format!("{at}[{number}]"))?;
    }
    let Some(fields) = value.as_object() else { return Ok(()) };
    for (name, field) in fields {
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(known), _) => fits(known, field, &format!("{at}.{name}"))?,
            (None, Value::Bool(false)) => return Err(format!("{at} has the field {name}")),
            (None, others) => fits(others, field, &format!("{at}.{name}"))?,
        }
    }
    let required = schema["required"].as_array().into_iter().flatten();
    match required.filter_map(Value::as_str).find(|name| !fields.contains_key(*name)) {
        Some(missing) => Err(format!("{at} lacks the field {missing}")),
        None => Ok(()),
    }
}

#[test]
fn runs_and_their_events_fit() {
    let stage = FolderStage::of(&["web1", "web2"]);
    let schemas = Schemas::of(&stage.project);
    let hold = |line: &str, output: &str| schemas.hold_of(&stage.project, output, line);
    let first = run(&stage, SITE, "--output jsonl");
    let mut seen = BTreeSet::new();
    for line in first.stdout.lines() {
        let event: Value = serde_json::from_str(line).expect("each line is JSON");
        seen.insert(event["event"].as_str().expect("a name").to_string());
        schemas.hold("event", &event);
    }
    for expected in
        ["run_started", "hello", "step_started", "step_ended", "output", "host_ended", "run_ended"]
    {
        assert!(seen.contains(expected), "{expected} is not among {seen:?}: {}", first.stderr);
    }
    let first = newest_run(&stage);
    let document: Value = serde_json::from_str(&run(&stage, SITE, "--output json").stdout).expect("JSON");
    schemas.hold("run", &document);
    let findings = document["hosts"].to_string();
    assert!(findings.contains("\"verdict\""), "{findings}");
    hold("runs show last --output json", "run");
    hold("runs export last", "run");
    hold("runs list --output json", "runs list");
    hold("runs check --output json", "runs check");
    let diff = hold(&format!("runs diff {first} last --output json"), "runs diff");
    assert_ne!(diff["hosts"], json!([]));
    hold("runs prune --keep-last 1 --output json", "runs prune");
    hold("run command --hosts all --output json -- nosuchcommand", "run");
    hold(&format!("runs undo {first} --check --output json"), "run");
    stage
        .project
        .write("inventories/more.toml", "[hosts.gone]\naddress = \"127.0.0.1\"\nssh = { port = 9 }\n");
    hold("run command --hosts gone --output json -- true", "run");
    stage.project.write("playbooks/one.toml", "[[steps]]\nfile = { path = \"/srv/c\", content = \"c\" }\n");
    stage.project.windlass(["plan", "playbook", "one", "--hosts", "web1", "-o", "it.plan"]);
    hold("plan show it.plan --output json", "plan show");
    hold("facts web1 --output json", "facts of hosts");
}

#[test]
fn what_lists_something_fits() {
    let project = Project::with_web1();
    let schemas = Schemas::of(&project);
    project.write("inventories/prod.toml", "[vars]\nport = 80\n[hosts.web1]\nvars = { port = 81 }\n");
    project.write("playbooks/own.toml", "[[steps]]\n[steps.fiel]\npath = \"/x\"\n");
    let schedule = "[schedule.nightly]\nplaybook = \"fix-dns\"\nhosts = \"web1\"\ncron = \"0 2 * * *\"\n";
    project.write("windlass.toml", schedule);
    for (line, output) in [
        ("hosts --json", "hosts"),
        ("explain var web1.port --output json", "explain"),
        ("lint --output json", "lint"),
        ("steps --output json", "steps"),
        ("playbooks --output json", "playbooks"),
        ("playbooks fix-dns --output json", "playbook"),
        ("filters --output json", "filters"),
        ("facts --output json", "facts"),
        ("doctor --output json", "doctor"),
        ("schedule list --output json", "schedule list"),
        ("schedule next --output json", "schedule next"),
    ] {
        let value = schemas.hold_of(&project, output, line);
        assert_ne!(value, json!([]), "{line} prints nothing that could be compared");
    }
}

#[test]
fn backups_fit() {
    let stage = FolderStage::set();
    let schemas = Schemas::of(&stage.project);
    let hold = |line: &str, output: &str| schemas.hold_of(&stage.project, output, line);
    // Programs run on this machine, and not in the host's directory.
    let data = stage.project.path().join("data");
    stage.project.write("data/a", "a");
    stage.project.write(&format!("web1{}/a", data.display()), "a");
    let taken = run(&stage, &backups::backup(&format!("files = [{data:?}]")), "--hosts web1");
    assert_eq!(taken.code, 0, "{taken:?}");
    let verify = format!("backups verify {} --output json", backups::id(&stage.project));
    for (line, output) in [
        ("backups list --output json", "backups list"),
        (verify.as_str(), "backups verify"),
        ("backups prune --keep-last 1 --output json", "backups prune"),
    ] {
        assert_ne!(hold(line, output), json!([]), "{line} prints nothing that could be compared");
    }
}

#[test]
fn a_value_that_does_not_fit_is_found() {
    let schema = json!({
        "type": "object", "properties": { "a": { "type": ["string", "null"] } },
        "required": ["a"], "additionalProperties": false,
    });
    assert_eq!(fits(&schema, &json!({ "a": null }), "it"), Ok(()));
    for (value, why) in [
        (json!({ "a": 1 }), "it.a: 1 is not of type [\"string\",\"null\"]"),
        (json!({}), "it lacks the field a"),
        (json!({ "a": "x", "b": 1 }), "it has the field b"),
    ] {
        assert_eq!(fits(&schema, &value, "it"), Err(why.to_string()));
    }
}
