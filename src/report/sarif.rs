//! `--report FILE.sarif`: what was found that is not as wanted, as SARIF 2.1.0, for what shows findings of checks.

use super::escape;
use crate::model::Value;
use crate::model::event::StepEnded;
use crate::model::finding::{Finding, Verdict};
use crate::model::outcome::StepOutcome;
use crate::record::{HostRecord, RunRecord};
use serde_json::json;
use std::collections::BTreeSet;

/// What a failed step without a finding is called.
const STEP: &str = "step";

/// The whole document.
pub fn document(record: &RunRecord) -> String {
    let results: Vec<Value> = record.hosts().iter().flat_map(of_host).collect();
    let ids: BTreeSet<&str> = results.iter().filter_map(|result| result["ruleId"].as_str()).collect();
    let rules: Vec<Value> = ids.into_iter().map(|id| json!({ "id": id })).collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "windlass",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "automationDetails": { "id": format!("{}/{}", record.intent.name, record.intent.run) },
            "invocations": [{
                "executionSuccessful": record.exit.is_some_and(|exit| exit == 0),
                "startTimeUtc": record.intent.started,
                "endTimeUtc": record.ended,
            }],
            "results": results,
        }],
    });
    // Every key is a text and nothing in it can fail to be written.
    escape::json(serde_json::to_string_pretty(&document).unwrap_or_default()) + "\n"
}

fn of_host(host: &HostRecord) -> Vec<Value> {
    let of_step = |step: &StepEnded| -> Vec<Value> {
        let found = step.findings.iter().filter_map(|finding| of_finding(host, step, finding));
        let found: Vec<Value> = found.collect();
        let failed = step.outcome == StepOutcome::Failed && !step.ignored && step.item.is_none();
        match &step.failure {
            Some(failure) if failed && found.is_empty() => {
                vec![result(host, step, STEP, "error", failure.to_string())]
            }
            _ => found,
        }
    };
    let mut results: Vec<Value> = host.steps.iter().flat_map(of_step).collect();
    if let (Some(failure), true) = (&host.failure, results.is_empty()) {
        let step = StepEnded::new(0, String::new(), StepOutcome::Failed);
        results.push(result(host, &step, "host", "error", failure.to_string()));
    }
    results
}

fn of_finding(host: &HostRecord, step: &StepEnded, finding: &Finding) -> Option<Value> {
    let level = match finding.verdict {
        Verdict::Fail => "error",
        Verdict::Unknown => "warning",
        Verdict::Pass | Verdict::Info => return None,
    };
    let wanted = finding.wanted.as_ref().map(|wanted| format!("; wanted: {wanted}"));
    let hint = finding.hint.as_ref().map(|hint| format!("; hint: {hint}"));
    let said = format!("{}: {}", finding.title(), finding.seen);
    let message = [Some(said), wanted, hint].into_iter().flatten().collect();
    Some(result(host, step, &finding.group, level, message))
}

fn result(host: &HostRecord, step: &StepEnded, rule: &str, level: &str, message: String) -> Value {
    json!({
        "ruleId": rule,
        "level": level,
        "message": { "text": message },
        "locations": [{ "logicalLocations": [{
            "name": host.host, "kind": "resource", "fullyQualifiedName": format!("{}/{}", host.host, step.name),
        }] }],
        "properties": { "host": host.host, "step": step.name },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Failure;
    use crate::model::outcome::HostOutcome;
    use crate::record::examples::*;

    #[test]
    fn what_is_not_as_wanted_is_a_result() {
        let finding = |verdict, seen: &str| Finding::new("disk", "/", verdict, seen);
        let steps = [
            StepEnded {
                findings: vec![finding(Verdict::Fail, "3% free"), finding(Verdict::Pass, "fine")],
                failure: Some(Failure::new("look", "1 of 2 checks fails")),
                ..step(0, StepOutcome::Failed)
            },
            StepEnded {
                failure: Some(Failure::new("run x", "exit status 1")),
                ..step(1, StepOutcome::Failed)
            },
        ];
        let mut events = host("web01", &steps, HostOutcome::Failed);
        events.extend(unreachable("db1"));
        let document = document(&record(intent(&["web01", "db1"]), &events));
        let document: Value = serde_json::from_str(&document).unwrap();
        let results = document["runs"][0]["results"].as_array().unwrap();
        let found = results.iter().map(|result| format!("{} {}", result["ruleId"], result["level"]));
        assert_eq!(
            found.collect::<Vec<_>>(),
            [r#""disk" "error""#, r#""step" "error""#, r#""host" "error""#]
        );
        assert_eq!(results[0]["message"]["text"], "disk /: 3% free");
        assert_eq!(document["version"], "2.1.0");
    }
}
