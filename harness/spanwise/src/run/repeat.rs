//! The command that a result shows as the one that runs it again.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use spanwise_model::{PermutationResult, Value};

/// Makes a command of full names.
type Make = dyn Fn(&[&str]) -> String + Send + Sync;

/// Makes commands of the full names of permutations: how they are selected is up to the program that runs them.
#[derive(Clone)]
pub struct RepeatCommand(Arc<Make>);

impl RepeatCommand {
    /// A command that `make` makes, for a shell.
    pub fn new(make: impl Fn(&[&str]) -> String + Send + Sync + 'static) -> RepeatCommand {
        RepeatCommand(Arc::new(make))
    }

    /// The command for a result: alone it would lack what it was compared with, and pass.
    pub(super) fn repeats(&self, result: &PermutationResult) -> String {
        let causes = result.findings.iter().filter(|finding| finding.consequence_of.is_none());
        let partners = causes.filter_map(|finding| finding.facts.get("partner").and_then(Value::as_str));
        let partners: BTreeSet<&str> = partners.filter(|partner| *partner != result.name).collect();
        let names: Vec<&str> = std::iter::once(result.name.as_str()).chain(partners).collect();
        (self.0)(&names)
    }
}

impl fmt::Debug for RepeatCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RepeatCommand").field(&(self.0)(&["NAME"])).finish()
    }
}
