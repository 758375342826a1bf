//! What every rule says of an observation, by the rule's name.
//!
//! The engine makes one for each observation and shares the names among all of them: observations are many, and what differs
//! is one byte a rule.

use std::hash::{Hash, Hasher};
use std::ops::Index;
use std::sync::Arc;

use spanwise_model::Verdict;

/// The verdicts of rules, in the order of the rules' names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// Sorted, each once.
    names: Arc<[&'static str]>,
    said: Vec<Verdict>,
}

impl Verdicts {
    /// Names are sorted and occur once; there is a verdict for each.
    pub(crate) fn new(names: &Arc<[&'static str]>, said: Vec<Verdict>) -> Verdicts {
        debug_assert_eq!(names.len(), said.len());
        Verdicts { names: names.clone(), said }
    }

    /// What a rule says; `None` for a rule that did not run.
    pub fn get(&self, rule: &str) -> Option<Verdict> {
        self.place(rule).map(|place| self.said[place])
    }

    /// Every rule that ran and what it says.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Verdict)> {
        self.names.iter().copied().zip(self.said.iter().copied())
    }

    /// The same, to correct what it says.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut Verdict)> {
        self.names.iter().copied().zip(&mut self.said)
    }

    /// Changes what a rule says, if it ran.
    pub(crate) fn set(&mut self, rule: &str, verdict: Verdict) {
        if let Some(place) = self.place(rule) {
            self.said[place] = verdict;
        }
    }

    fn place(&self, rule: &str) -> Option<usize> {
        self.names.binary_search(&rule).ok()
    }
}

/// Panics where the rule did not run, as indexing a map does.
impl Index<&str> for Verdicts {
    type Output = Verdict;
    fn index(&self, rule: &str) -> &Verdict {
        match self.place(rule) {
            Some(place) => &self.said[place],
            None => panic!("the rule {rule} did not run"),
        }
    }
}

/// Names are left out: those of one engine are the same.
impl Hash for Verdicts {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.said.hash(state);
    }
}
