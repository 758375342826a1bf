//! The files of a recording and what stands in them. `write` and `read` hold on to it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use spanwise_check::Profile;
use spanwise_model::{Evidence, LogRecord, Part, ProcessEvent, RunEvent, TraceId, WireTap};

use super::plan::PlanRecord;
use crate::ratchet::Ratchet;
use crate::run::Driven;
use crate::{Options, RepeatCommand};

/// The format that is written and read here.
pub(super) const FORMAT: u32 = 1;

/// What the run was asked for.
pub(super) const HEAD: &str = "run.json";
/// One [`Line`] a line.
pub(super) const LANES: &str = "lanes.jsonl";
/// One [`spanwise_collect::Recorded`] a line: those of a lane together, the lanes in the order of [`LANES`].
pub(super) const EXPORTS: &str = "exports.jsonl";

/// What is read first, to tell recordings in other formats.
#[derive(Serialize, Deserialize)]
pub(super) struct Version {
    /// The format.
    pub(super) spanwise_recording: u32,
    /// The version of the program that wrote it.
    pub(super) written_by: String,
}

/// The file [`HEAD`].
#[derive(Serialize, Deserialize)]
pub(super) struct Head {
    #[serde(flatten)]
    pub(super) version: Version,
    pub(super) options: OptionsRecord,
    pub(super) plan: PlanRecord,
    /// Absent where nobody said it.
    #[serde(default)]
    pub(super) cut_cases: Option<BTreeSet<String>>,
}

/// The options that matter to judging; rules of the user's own are code, and whoever replays brings them.
#[derive(Serialize, Deserialize)]
pub(super) struct OptionsRecord {
    profile: String,
    suite_profiles: BTreeMap<String, String>,
    ratchet: Option<RatchetRecord>,
    /// Whether results hold what services wrote.
    logs: bool,
    #[serde(default)]
    part: Option<Part>,
    command: Option<RepeatCommand>,
}

#[derive(Serialize, Deserialize)]
struct RatchetRecord {
    file: String,
    text: String,
}

/// A line of [`LANES`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// What the services of a lane left behind.
    Lane(Box<LaneLine>),
    /// What reporters were told of services meanwhile.
    Event(RunEvent),
    /// The run ended by itself.
    Ended {
        /// How long it took.
        duration_ms: u64,
    },
}

/// A [`crate::run::LaneEvidence`], but for its export requests.
#[derive(Serialize, Deserialize)]
pub(super) struct LaneLine {
    pub(super) suite: String,
    pub(super) alone: bool,
    pub(super) again: bool,
    /// How many export requests in [`EXPORTS`] are its own.
    pub(super) exports: usize,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) past: BTreeSet<TraceId>,
    pub(super) driven: Vec<(usize, Driven)>,
    pub(super) taps: Vec<WireTap>,
    pub(super) logs: Vec<LogRecord>,
    pub(super) process: Vec<ProcessEvent>,
    pub(super) hidden: BTreeMap<String, Vec<Evidence>>,
    pub(super) urls: BTreeMap<String, Vec<String>>,
}

impl OptionsRecord {
    pub(super) fn of(options: &Options) -> OptionsRecord {
        let suite_profiles = options.suite_profiles.iter();
        let ratchet = options.ratchet.as_deref();
        OptionsRecord {
            profile: options.profile.as_str().to_owned(),
            suite_profiles: suite_profiles
                .map(|(suite, profile)| (suite.clone(), profile.as_str().to_owned()))
                .collect(),
            ratchet: ratchet
                .map(|ratchet| RatchetRecord { file: ratchet.file().to_owned(), text: ratchet.to_string() }),
            logs: options.logs,
            part: options.part.clone(),
            command: options.command.clone(),
        }
    }

    /// The options; everything that is not recorded has its default.
    ///
    /// # Errors
    /// What is no option: a lower-case fragment.
    pub(super) fn options(&self) -> Result<Options, String> {
        let profile =
            |name: &String| name.parse::<Profile>().map_err(|()| format!("there is no profile {name:?}"));
        let of_suite = |(suite, name): (&String, &String)| Ok((suite.clone(), profile(name)?));
        let ratchet = self.ratchet.as_ref().map(|RatchetRecord { file, text }| Ratchet::parse(file, text));
        let ratchet = ratchet.transpose().map_err(|error| error.to_string())?;
        Ok(Options {
            profile: profile(&self.profile)?,
            suite_profiles: self.suite_profiles.iter().map(of_suite).collect::<Result<_, String>>()?,
            ratchet: ratchet.map(Into::into),
            logs: self.logs,
            part: self.part.clone(),
            command: self.command.clone(),
            ..Options::default()
        })
    }
}
