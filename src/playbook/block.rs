//! A block: steps with one `when`, `loop`, `tags`, `vars`, `become_user`, `on` and `environment`, and what is to be done when one
//! of them fails. It becomes its steps; the engine knows of its `rescue` and `always`.

use super::step::{self, Include, become_as, expression, is_environment, written};
use super::{Step, Written};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::keys::Keys;
use crate::model::job::{BlockPart, InBlock};
use crate::setting::{Origin, Setting};
use crate::source::{Data, Node};

/// A block as it is written.
pub struct Block {
    /// The lists of its parts.
    pub parts: [(BlockPart, Vec<Node>); 3],
    /// What all of its steps have, as those of an include.
    shared: Include,
    become_user: Option<Written>,
    on: Option<Written>,
    environment: Option<Node>,
    ignore_errors: bool,
    no_log: bool,
}

/// Whether it is a block: the step kind of this name has a table, and no list.
pub fn is_block(node: &Node) -> bool {
    node.get("block").is_some_and(|block| matches!(block.data, Data::List(_)))
}

/// Reads `[[steps.block]]` with what stands beside it.
pub fn read(node: &Node, problems: &mut Diagnostics) -> Block {
    let mut keys = Keys::of(node, "a block", problems);
    let name = written(&mut keys, "name");
    let [body, rescue, always] = ["block", "rescue", "always"].map(|key| keys.list(key).to_vec());
    let (when, tags, vars) = (keys.node("when"), keys.strings("tags"), keys.node("vars"));
    let (becomes, become_user) = (keys.node("become"), written(&mut keys, "become_user"));
    let (environment, on) = (keys.node("environment"), written(&mut keys, "on"));
    let [ignore_errors, no_log] = ["ignore_errors", "no_log"].map(|key| keys.boolean(key).unwrap_or(false));
    let looped = step::group_loop(&mut keys);
    keys.finish_with(|key| {
        step::COMMON.contains(&key).then_some("it is a key of a step: give it to the block's steps")
    });
    if body.is_empty()
        && let Some(block) = node.get("block")
    {
        let problem = Diagnostic::error("this block has no steps", &block.place);
        problems.push(problem.hint("give it [[steps.block]], or leave it out"));
    }
    let path = name.unwrap_or_else(|| Written { text: "block".to_string(), place: node.place.clone() });
    let origin = Origin::Step(path.text.clone());
    let vars = vars.map(|node| Setting::table(node, &origin, problems)).unwrap_or_default();
    let when = when.and_then(|node| expression(node, problems));
    let looped = looped.map(|looped| step::checked_loop(looped, problems));
    Block {
        parts: [(BlockPart::Body, body), (BlockPart::Rescue, rescue), (BlockPart::Always, always)],
        shared: Include { path, is_role: false, vars, when, tags, looped },
        become_user: become_as(becomes, become_user, problems),
        on,
        environment: environment.filter(|node| is_environment(node, problems)).cloned(),
        ignore_errors,
        no_log,
    }
}

impl Block {
    /// Where a part's steps are, when the engine must know it. `block` names this block in its playbook.
    pub fn place(&self, block: u32, part: BlockPart) -> Option<InBlock> {
        let [_, (_, rescue), (_, always)] = &self.parts;
        let rescues = !rescue.is_empty();
        (rescues || !always.is_empty()).then_some(InBlock { block, part, rescues })
    }

    /// A step of it, with what all of them have.
    pub fn step(&self, step: Step, number: u32, place: Option<InBlock>) -> Step {
        let mut step = step.included(&self.shared, number, &self.shared.vars, &[]);
        step.blocks.splice(0..0, place);
        step.become_user = step.become_user.or_else(|| self.become_user.clone());
        step.on = step.on.or_else(|| self.on.clone());
        step.environment = joined(self.environment.clone(), step.environment);
        step.ignore_errors |= self.ignore_errors;
        step.no_log |= self.no_log;
        step
    }
}

/// Both tables; what is in the second one is stronger.
fn joined(weaker: Option<Node>, stronger: Option<Node>) -> Option<Node> {
    let (Some(mut weaker), Some(stronger)) = (weaker.clone(), stronger.clone()) else {
        return stronger.or(weaker);
    };
    if let (Data::Table(entries), Data::Table(more)) = (&mut weaker.data, &stronger.data) {
        entries.retain(|entry| more.iter().all(|other| other.key != entry.key));
        entries.extend(more.iter().cloned());
    }
    Some(weaker)
}
