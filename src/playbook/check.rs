//! Checks templates and expressions of a playbook while it is read: what is wrong in them whatever the values are.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::Place;
use crate::template::{Fault, Form, Scanned, Templates};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

/// Scans texts of playbooks, and keeps what it finds for those who ask again.
static TEMPLATES: LazyLock<Templates> = LazyLock::new(|| Templates::new(&BTreeMap::new()));

/// Shows what is wrong in a source that stands at a place: its syntax, and filters, tests, functions and methods that do
/// not exist.
pub fn source(text: &str, form: Form, place: &Place, problems: &mut Diagnostics) {
    match scanned(text, form) {
        Ok(scanned) => {
            for fault in &scanned.faults {
                problems.push(Diagnostic::fault(fault, &at(text, fault, place)));
            }
        }
        Err(fault) => problems.push(Diagnostic::fault(&fault, &at(text, &fault, place))),
    }
}

/// What a source refers to.
pub fn scanned(text: &str, form: Form) -> Result<Arc<Scanned>, Fault> {
    TEMPLATES.scanned(text, form)
}

fn at(text: &str, fault: &Fault, place: &Place) -> Place {
    match &fault.spot {
        Some(spot) => part(text, spot.range.clone(), place),
        None => place.clone(),
    }
}

/// A part of a text as a place in its file; the whole text where escapes make that uncertain.
pub fn part(text: &str, range: Range<usize>, place: &Place) -> Place {
    let written = place.source.text.get(place.span.clone()).unwrap_or_default();
    match written.find(text).filter(|_| !text.is_empty()) {
        Some(at) => {
            let start = place.span.start + at;
            Place { source: Arc::clone(&place.source), span: start + range.start..start + range.end }
        }
        None => place.clone(),
    }
}
