//! What diffs of a plan need of the controller's files.

use super::StepTry;
use crate::engine::diff::{self, Texts};
use crate::model::op::{Asset, Plan};
use std::io::Read;

impl StepTry<'_, '_, '_> {
    /// What a diff needs of the controller's files, asked for at once. What does not come has no diff.
    pub(super) fn texts_for_diffs(&self, plan: &Plan) -> Texts {
        let assets = if self.diff { diff::short_assets(&plan.ops) } else { Vec::new() };
        if assets.is_empty() {
            return Texts::new();
        }
        self.link.expect(assets.clone());
        let read = |asset: Asset| {
            let mut bytes = Vec::new();
            self.link.open(&asset).ok()?.take(asset.size + 1).read_to_end(&mut bytes).ok()?;
            Some((asset.digest, bytes))
        };
        let texts = assets.into_iter().map_while(read).collect();
        self.link.expect(Vec::new());
        texts
    }
}
