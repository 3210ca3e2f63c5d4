//! `--output junit`: a test suite for each host and a test case for each step, for what reads JUnit XML.

use super::escape;
use crate::model::event::{Output, StepEnded};
use crate::model::outcome::{HostOutcome, StepOutcome};
use crate::record::{HostRecord, RunRecord};
use std::fmt::Write;

/// The whole document.
pub fn document(record: &RunRecord) -> String {
    let name = escaped(&record.intent.name);
    let suites: Vec<Suite> = record.hosts().iter().map(Suite::of).collect();
    let sum = |count: fn(&Suite) -> usize| suites.iter().map(count).sum::<usize>();
    let took = record.ended.map_or(0.0, |ended| ended.duration_since(record.intent.started).as_secs_f64());
    let totals = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{took:.3}\" timestamp=\"{}\"",
        sum(|suite| suite.tests),
        sum(|suite| suite.failures),
        sum(|suite| suite.errors),
        sum(|suite| suite.skipped),
        record.intent.started,
    );
    let suites: String = suites.iter().map(|suite| suite.xml.as_str()).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{name}\" {totals}>\n{suites}</testsuites>\n"
    )
}

/// A host's suite, and what it adds to the totals.
struct Suite {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
    xml: String,
}

impl Suite {
    fn of(host: &HostRecord) -> Suite {
        let steps: Vec<&StepEnded> = host.steps.iter().filter(|step| step.item.is_none()).collect();
        let lost = lost(host);
        let count = |is: fn(&StepEnded) -> bool| steps.iter().filter(|step| is(step)).count();
        let (failures, skipped) = (count(is_failure), count(is_skipped));
        let (tests, errors) = (steps.len() + usize::from(lost.is_some()), usize::from(lost.is_some()));
        let cases: String = steps.iter().map(|step| case(&host.host, step)).collect();
        let timestamp = host.started.map_or_else(String::new, |started| format!(" timestamp=\"{started}\""));
        let xml = format!(
            "  <testsuite name=\"{}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" \
             skipped=\"{skipped}\" time=\"{:.3}\"{timestamp}>\n{cases}{}  </testsuite>\n",
            escaped(&host.host),
            host.took().unwrap_or_default().as_secs_f64(),
            lost.unwrap_or_default(),
        );
        Suite { tests, failures, errors, skipped, xml }
    }
}

fn case(host: &str, step: &StepEnded) -> String {
    let head = format!(
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\"",
        escaped(host),
        escaped(&step.name),
        step.took.as_secs_f64()
    );
    match step.outcome {
        StepOutcome::Skipped => format!("{head}><skipped/></testcase>\n"),
        StepOutcome::Failed if step.ignored => {
            let why = step.failure.as_ref().map_or_else(String::new, ToString::to_string);
            format!(
                "{head}><skipped message=\"failed, and ignored\">{}</skipped></testcase>\n",
                escaped(&why)
            )
        }
        _ if is_failure(step) => format!("{head}>{}</testcase>\n", failure(step)),
        _ => format!("{head}/>\n"),
    }
}

fn failure(step: &StepEnded) -> String {
    let (why, whole) = match &step.failure {
        Some(failure) => (failure.why.as_str(), failure.to_string()),
        None => ("failed", String::new()),
    };
    let output = step.output.as_ref().map(said).unwrap_or_default();
    format!("<failure type=\"failed\" message=\"{}\">{}</failure>{output}", escaped(why), escaped(&whole))
}

/// What the commands of a failed step printed.
fn said(output: &Output) -> String {
    let part = |name: &str, bytes: &[u8]| match bytes {
        [] => String::new(),
        bytes => format!("<{name}>{}</{name}>", escaped(&escape::bytes(bytes))),
    };
    part("system-out", &output.stdout) + &part("system-err", &output.stderr)
}

/// A case for a host that ended badly without a failed step.
fn lost(host: &HostRecord) -> Option<String> {
    let told = host.steps.iter().any(is_failure);
    let fine = matches!(host.outcome, Some(HostOutcome::Ok | HostOutcome::Changed));
    if told || fine {
        return None;
    }
    let word = host.outcome.map_or("running", HostOutcome::as_str);
    let why = host.failure.as_ref().map(ToString::to_string).unwrap_or_default();
    Some(format!(
        "    <testcase classname=\"{}\" name=\"the host\"><error type=\"{word}\" message=\"{word}\">{}</error></testcase>\n",
        escaped(&host.host),
        escaped(&why)
    ))
}

fn is_failure(step: &StepEnded) -> bool {
    step.outcome == StepOutcome::Failed && !step.ignored
}

/// Whether a reader of JUnit counts it as skipped: a failure that was expected is one.
fn is_skipped(step: &StepEnded) -> bool {
    step.outcome == StepOutcome::Skipped || (step.outcome == StepOutcome::Failed && step.ignored)
}

/// Text for XML 1.0, in which most control characters cannot be written at all.
fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\n' | '\t' => push(&mut xml, format_args!("&#{};", character as u32)),
            character if !escape::harmless(character) || matches!(character, '\u{fffe}' | '\u{ffff}') => {
                push(&mut xml, format_args!("\\u{{{:x}}}", character as u32));
            }
            character => xml.push(character),
        }
    }
    xml
}

fn push(text: &mut String, what: std::fmt::Arguments) {
    // Writing to a String cannot fail.
    let _infallible = text.write_fmt(what);
}
