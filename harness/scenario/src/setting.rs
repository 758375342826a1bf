//! Settings while a suite is expanded: which permutations share one, and what is started in it.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use crate::axes::{Axis, Shown};
use crate::axis::Choice;
use crate::each::{Each, shown};
use crate::environment::environment;
use crate::format::SuiteFile;
use crate::service::{Overrides, Service, ServiceStart, start_order};
use crate::suite::Setting;
use crate::{Channel, Entry};

/// What makes two settings different.
#[derive(PartialEq, Eq)]
pub(crate) struct SettingKey {
    choice: Choice,
    overrides: Overrides,
    /// What it is called: the suite, the axes that matter to services, and the case where it has overrides.
    name: String,
}

impl Hash for SettingKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl SettingKey {
    /// The setting of a permutation. How it is entered does not matter to services, so it does not count.
    pub(crate) fn new(
        suite: &SuiteFile,
        axes: &[Axis],
        shown_axes: &Shown,
        choice: &Choice,
        overrides: Overrides,
        (case, each): (&str, &Each),
    ) -> SettingKey {
        let mut name = suite.suite.value.clone();
        for axis in axes.iter().filter(|axis| !matches!(axis.name.as_str(), "entry" | "channel-in")) {
            let word = shown_axes.iter().find(|(shown, _)| *shown == axis.name).map(|(_, word)| word);
            // An axis that the permutation does not have runs under its first value.
            let word = word.unwrap_or(&axis.values[0].word);
            name.push_str(&format!("/{}={word}", axis.name));
        }
        if !overrides.is_empty() {
            name.push_str(&format!("/case={case}"));
            shown(each).for_each(|(list, value)| name.push_str(&format!("/{list}={value}")));
        }
        let choice = Choice { entry: Entry::Http, channel_in: Channel::Insecure, ..choice.clone() };
        SettingKey { choice, overrides, name }
    }

    /// The setting with the services that its permutations need.
    pub(crate) fn setting(
        &self,
        suite: &SuiteFile,
        services: &[Service<'_>],
        used: &BTreeSet<usize>,
    ) -> Setting {
        let order = start_order(services, used, &self.overrides);
        let start = |at: usize| start(suite, &services[at], &self.choice, &self.overrides);
        Setting {
            name: self.name.clone(),
            suite: suite.suite.value.clone(),
            channel_out: self.choice.channel_out,
            services: order.into_iter().map(start).collect(),
        }
    }
}

/// A service with the environment that it has under these axes.
pub(crate) fn start(
    suite: &SuiteFile,
    service: &Service<'_>,
    choice: &Choice,
    overrides: &Overrides,
) -> ServiceStart {
    let axes = environment(choice.export, choice.propagation, suite.project.as_deref());
    service.start(axes, &choice.env, overrides)
}
