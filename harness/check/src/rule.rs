//! What a rule is: a static with its manual page and one function.
//!
//! Every file below `rules/` holds one; the registry lists them and the engine runs them.

use spanwise_model::{Evidence, Level};

use crate::{Findings, Group, GroupFindings, Index, Profile};

/// One rule of the catalogue.
pub struct Rule {
    /// The defect, in kebab case; also the name of its file.
    pub name: &'static str,
    /// The question it belongs to.
    pub family: Family,
    /// The highest level of its findings, and the level of those that say nothing else.
    pub level: Level,
    /// The least demanding profile that runs it: [`Profile::Otel`], or [`Profile::CloudRun`] for what only Google
    /// Cloud asks.
    pub profile: Profile,
    /// The version of spanwise that has it first.
    pub since: &'static str,
    /// Without any of these recorded it says `not-observed`.
    pub evidence: &'static [Evidence],
    /// Rules whose findings one of this rule's explains, where both stand at the same place.
    pub explains: &'static [&'static str],
    /// The manual page in Markdown, under the headings of [`Rule::HEADINGS`].
    pub explanation: &'static str,
    /// What it does.
    pub check: Check,
}

/// How a rule looks at its evidence.
#[derive(Clone, Copy)]
pub enum Check {
    /// At one observation.
    One(fn(&Index<'_>, &mut Findings<'_>)),
    /// At all permutations that must agree, and at how they differ.
    Group(fn(&Group<'_>, &mut GroupFindings)),
}

/// The question that the rules of a folder ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Is it one trace, and is each parent the right one?
    Linkage,
    /// What was really on the wire?
    Propagation,
    /// Can one query find it?
    Labels,
    /// Do errors look like errors?
    Status,
    /// Can these times be?
    Time,
    /// Did every span get out?
    Export,
    /// Does the log line find its trace?
    Logs,
    /// Would it run on Cloud Run?
    Platform,
    /// Did the service answer what the suite expects?
    Expectation,
    /// What the user's own rules ask.
    Custom,
}

impl Rule {
    /// The headings of every explanation, in order.
    pub const HEADINGS: [&'static str; 6] =
        ["What it checks", "Why it matters", "Bad", "Good", "How to fix", "References"];

    /// The example of an explanation under the heading `Bad` or `Good`: the text of its block, in the trace notation.
    pub fn example(&self, heading: &str) -> Option<&'static str> {
        let section = self.section(heading)?;
        let (_, block) = section.split_once("```trace\n")?;
        block.split_once("```").map(|(text, _)| text)
    }

    /// The text under a heading of the explanation.
    pub fn section(&self, heading: &str) -> Option<&'static str> {
        let mut parts = self.explanation.split("## ").skip(1);
        parts.find_map(|part| part.strip_prefix(heading)?.strip_prefix('\n'))
    }

    /// What it checks, in the first sentence of its explanation.
    pub fn summary(&self) -> &'static str {
        let text = self.section("What it checks").unwrap_or_default().trim();
        text.split_once("\n\n").map_or(text, |(first, _)| first)
    }
}

impl Family {
    /// The name of its folder.
    pub fn as_str(self) -> &'static str {
        match self {
            Family::Linkage => "linkage",
            Family::Propagation => "propagation",
            Family::Labels => "labels",
            Family::Status => "status",
            Family::Time => "time",
            Family::Export => "export",
            Family::Logs => "logs",
            Family::Platform => "platform",
            Family::Expectation => "expectation",
            Family::Custom => "custom",
        }
    }

    /// Its question.
    pub fn question(self) -> &'static str {
        match self {
            Family::Linkage => "Is it one trace, and is each parent the right one?",
            Family::Propagation => "What was really on the wire?",
            Family::Labels => "Can one query find it?",
            Family::Status => "Do errors look like errors?",
            Family::Time => "Can these times be?",
            Family::Export => "Did every span get out?",
            Family::Logs => "Does the log line find its trace?",
            Family::Platform => "Would it run on Cloud Run?",
            Family::Expectation => "Did the service answer what the suite expects?",
            Family::Custom => "Is it what you ask of it yourself?",
        }
    }
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Rule").field(&self.name).finish()
    }
}
