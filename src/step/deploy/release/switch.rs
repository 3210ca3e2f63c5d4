//! Lets a release serve: the path that everybody uses leads to it from one moment to the next, what serves learns of it, and
//! is asked. When it does not answer, the engine takes all of it back, and the release is known to be bad.

use super::Release;
use super::scripts;
use super::shelf::{Record, Shelf, State, called};
use super::stage::inherit;
use crate::model::op::{Condition, Content, HttpCheck, Meta, Op, Plan};
use crate::model::{Failure, Result};
use crate::system::Probe;
use crate::tree::manifest;
use std::collections::BTreeMap;
use std::time::Duration;

/// Between two looks whether it answers.
const EVERY: Duration = Duration::from_millis(300);

/// Statuses of what is well.
const HEALTHY: [u16; 2] = [200, 204];

/// For one request.
const REQUEST: Duration = Duration::from_secs(5);

impl Release {
    /// Lets a release serve that is put together and checked.
    pub(super) fn switch(
        &self,
        host: &dyn Probe,
        shelf: &Shelf,
        number: u32,
        record: &Record,
    ) -> Result<Plan> {
        let tree = shelf.tree(number);
        let mut ops = vec![scripts::settle(&tree), shelf.write(number, &record.come_to(State::Trying))?];
        ops.push(Op::Write {
            path: shelf.since(number),
            content: Content::Bytes(called(number).into_bytes()),
            meta: Meta::default(),
        });
        ops.extend(self.lead(host, shelf, number)?);
        self.prove(host, shelf, number, record, ops)
    }

    /// A release serves and nothing has proven it: the run that switched to it was cut off.
    pub(super) fn finish(&self, host: &dyn Probe, shelf: &Shelf, number: u32) -> Result<Plan> {
        let record = shelf.record(number).cloned();
        let record = record.unwrap_or_else(|| Record::original(&shelf.dest));
        let mut plan = self.prove(
            host,
            shelf,
            number,
            &record,
            vec![shelf.write(number, &record.come_to(State::Trying))?],
        )?;
        plan.notes.push(format!("release {} serves and was never proven: it is tried now", called(number)));
        Ok(plan)
    }

    /// Back to an earlier release.
    pub(super) fn return_to(&self, host: &dyn Probe, shelf: &Shelf, number: u32) -> Result<Plan> {
        let tree = shelf.tree(number);
        let mut plan =
            self.serve(host, shelf, number, vec![Op::Link { path: shelf.dest.clone(), target: tree }])?;
        plan.once = true;
        Ok(plan)
    }

    /// Lets `dest` lead to the release. A directory there becomes the first release.
    fn lead(&self, host: &dyn Probe, shelf: &Shelf, number: u32) -> Result<Vec<Op>> {
        let target = shelf.tree(number);
        let link = Op::Link { path: shelf.dest.clone(), target: target.clone() };
        match &shelf.live {
            None => return Ok(vec![link]),
            Some(live) if live.is_linked => return Ok(vec![link, scripts::way_back(&live.tree)]),
            Some(_) => {}
        }
        let original = shelf.original(number);
        let place = shelf.tree(original);
        let mut ops = vec![
            Op::Link { path: place.clone(), target },
            Op::Exchange { one: shelf.dest.clone(), other: place.clone() },
            shelf.write(original, &Record::original(&shelf.dest))?,
        ];
        ops.extend(inherit(host, &shelf.dest, &place)?);
        Ok(ops)
    }

    fn prove(
        &self,
        host: &dyn Probe,
        shelf: &Shelf,
        number: u32,
        record: &Record,
        ops: Vec<Op>,
    ) -> Result<Plan> {
        let mut plan = self.serve(host, shelf, number, ops)?;
        plan.ops.push(shelf.write(number, &record.come_to(State::Good))?);
        Ok(plan)
    }

    /// These ops, then what serves learns of it, and must answer.
    fn serve(&self, host: &dyn Probe, shelf: &Shelf, number: u32, ops: Vec<Op>) -> Result<Plan> {
        let mut plan = Plan::of(ops);
        if let Some(restart) = &self.restart {
            let means = restart.means(host, shelf, &shelf.tree(number), self.user.as_deref())?;
            plan.ops.extend(means.ops);
            plan.advice.question = Some(means.log);
        }
        plan.ops.extend(self.answers());
        Ok(plan)
    }

    /// The wait until it answers.
    fn answers(&self) -> Option<Op> {
        let check = HttpCheck {
            url: self.health.clone()?,
            method: "GET".to_string(),
            headers: BTreeMap::new(),
            body: None,
            status: HEALTHY.to_vec(),
            matches: None,
            timeout: REQUEST,
        };
        let condition = Condition::Http(Box::new(check));
        Some(Op::Await { condition, within: self.within.get(), every: EVERY })
    }

    /// After a failure: a release that was tried is bad. Where an earlier run had switched to it and was cut off, nothing
    /// has gone back yet.
    pub(super) fn condemn(&self, host: &dyn Probe, shelf: &Shelf, failure: &Failure) -> Result<Plan> {
        let tried = |number: &u32| shelf.state(*number) == Some(State::Trying);
        let Some(number) = shelf.releases.keys().rev().copied().find(tried) else {
            return Ok(Plan::nothing());
        };
        let record = shelf.record(number).cloned().unwrap_or_else(|| Record::original(&shelf.dest));
        let why = format!("{}: {}", failure.doing, failure.why);
        let bad = shelf.write(number, &Record { why: Some(why), ..record.come_to(State::Bad) })?;
        let mut plan = Plan::of(vec![bad]);
        let before = record.before.as_ref().filter(|tree| matches!(host.stat(tree), Ok(Some(_))));
        match before {
            Some(tree) if shelf.live_number() == Some(number) => {
                plan.ops.push(Op::Link { path: shelf.dest.clone(), target: tree.clone() });
                let back =
                    self.serve(host, shelf, super::number_of(shelf, tree).unwrap_or(number), Vec::new())?;
                plan.ops.extend(back.ops);
                plan.advice = back.advice;
            }
            Some(_) => plan.ops.extend(self.answers()),
            None => {}
        }
        plan.notes.push(format!("release {} is bad; what served before serves again", called(number)));
        Ok(plan)
    }

    /// What nobody needs any more: releases that never served, old ones, and all bad ones but the newest.
    pub(super) fn clear(&self, host: &dyn Probe, shelf: &Shelf) -> Result<Vec<Op>> {
        let mut gone = shelf.leftovers();
        gone.extend(self.outdated(shelf));
        let mut ops = Vec::new();
        for number in gone {
            ops.push(scripts::remove(shelf, number));
            let manifest = host.brought().map(|brought| manifest::place(brought, &shelf.tree(number)));
            if let Some(path) = manifest
                && host.stat(&path)?.is_some()
            {
                ops.push(Op::Remove { path });
            }
        }
        Ok(ops)
    }

    /// The newest good ones stay, what serves and what served before it among them.
    fn outdated(&self, shelf: &Shelf) -> Vec<u32> {
        let live = shelf.live_number();
        let of = |state: State| {
            let newest_first = shelf.releases.keys().rev().copied();
            newest_first.filter(move |number| shelf.state(*number) == Some(state) && live != Some(*number))
        };
        let before = live.and_then(|live| shelf.record(live)?.before.clone());
        let is_before = |number: &u32| before.as_ref() == Some(&shelf.tree(*number));
        let kept = (self.keep.max(2) - 1) as usize;
        let good = of(State::Good).skip(kept).filter(|number| !is_before(number));
        good.chain(of(State::Bad).skip(1)).collect()
    }
}
