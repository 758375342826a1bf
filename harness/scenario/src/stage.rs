//! One start of a suite's services, for requests that no case describes. Asked by the library, in which a test says the
//! requests; the command line runs cases and has no use for it.

use spanwise_model::{Platform, Settings};

use crate::axes::{self, CHANNEL_IN, CHANNEL_OUT, Shown};
use crate::axis::Choice;
use crate::channels::settle;
use crate::error::{File, SuiteError};
use crate::expand::driver_context;
use crate::format::{self, SuiteFile};
use crate::service::Overrides;
use crate::setting::{SettingKey, settings};
use crate::suite::{self, DriverContext, Known, Parts, Setting, Suite};
use crate::{Channel, ContextKind, Entry, Propagation};

/// Every service of a suite under one value of every axis.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The suite; its cases are not read, so it has neither settings nor permutations.
    pub suite: Suite,
    /// What is started: all services, callees before their callers.
    pub setting: Setting,
    /// What the driver speaks where a request does not say.
    pub channel_in: Channel,
    /// The headers that the driver sends where a request does not say.
    pub propagation: Propagation,
    /// What the rules are told of a request that goes out under these axes.
    pub settings: Settings,
}

/// Why there is no stage.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The suite file has a mistake; the error points at it.
    #[error(transparent)]
    Suite(#[from] Box<SuiteError>),
    /// An axis or a value that the suite does not have was chosen, in words.
    #[error("{0}")]
    Choice(String),
}

impl Stage {
    /// Reads a suite file and chooses values of its axes, the first of each that is not in `chosen`.
    ///
    /// Axes that the suite does not list have their defaults, or what is chosen. Cases need not be there, and are not read.
    pub fn parse(
        file_name: &str,
        text: &str,
        known: &Known<'_>,
        chosen: &[(String, String)],
    ) -> Result<Stage, StageError> {
        let file = File { name: file_name, text };
        let written: SuiteFile = format::read_yaml(file).map_err(Box::new)?;
        let (suite, parts) = suite::read(file, &written, known).map_err(Box::new)?;
        let (shown, choice) = choose(&parts, chosen)?;
        let all = (0..parts.services.len()).collect();
        let key =
            SettingKey::new(&written, &parts.axes, &shown, &choice, Overrides::new(), ("", &Vec::new()));
        let mut setting = key.setting(&written, &parts.services, &parts.front_end, &all);
        setting.collector.clone_from(&parts.collector);
        let settings =
            settings(&written, &parts.services, &parts.front_end, shown, (&choice, &Overrides::new()));
        let (channel_in, propagation) = (choice.channel_in, choice.propagation);
        Ok(Stage { suite, setting, channel_in, propagation, settings })
    }

    /// What the driver says of the trace in a request.
    pub fn context(&self, kind: ContextKind) -> DriverContext {
        driver_context(kind, self.propagation)
    }
}

/// One value of every axis.
fn choose(parts: &Parts<'_>, chosen: &[(String, String)]) -> Result<(Shown, Choice), StageError> {
    let (mut shown, mut choice) = (Shown::new(), Choice::default_for(Entry::Http));
    for axis in &parts.axes {
        // What makes no difference to services is each request's to say.
        if axis.name != "entry" && axis.name != CHANNEL_IN {
            shown.push((axis.name.clone(), axis.values[0].word.clone()));
        }
        choice.apply(&axis.name, &axis.values[0]);
    }
    for (name, word) in chosen {
        let value = axes::chosen(&parts.axes, name, word).map_err(StageError::Choice)?;
        choice.apply(name, &value);
        match shown.iter_mut().find(|(axis, _)| axis == name) {
            Some((_, shown)) => shown.clone_from(word),
            None => shown.push((name.clone(), word.clone())),
        }
    }
    let is_chosen = |axis: &str| chosen.iter().any(|(name, _)| name == axis);
    if choice.platform == Platform::CloudRun {
        // A channel that nobody asked for is the platform's.
        let secure = Channel::Secure.as_str();
        let unasked = |axis: &str| [CHANNEL_IN, CHANNEL_OUT].contains(&axis) && !is_chosen(axis);
        for (_, word) in shown.iter_mut().filter(|(axis, _)| unasked(axis)) {
            secure.clone_into(word);
        }
    }
    if !settle(&shown, &mut choice) {
        let message = "on `cloud-run` every channel is secure, and another one was chosen";
        return Err(StageError::Choice(message.to_owned()));
    }
    Ok((shown, choice))
}
