//! Settings while a suite is expanded: which permutations share one, and what is started in it.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use spanwise_model::{FrontEnd, Platform, Settings};

use crate::axes::{Axis, CHANNEL_IN, Shown};
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
        for axis in axes.iter().filter(|axis| !["entry", CHANNEL_IN].contains(&axis.name.as_str())) {
            let word = shown_axes.iter().find(|(shown, _)| *shown == axis.name).map(|(_, word)| word);
            // The only axis that a permutation may not have is channel-out.
            let word = word.map_or(choice.channel_out.as_str(), String::as_str);
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
        front_end: &FrontEnd,
        used: &BTreeSet<usize>,
    ) -> Setting {
        let order = start_order(services, used, &self.overrides);
        let start = |at: usize| start(suite, &services[at], &self.choice, &self.overrides);
        Setting {
            name: self.name.clone(),
            suite: suite.suite.value.clone(),
            project: suite.project.clone(),
            channel_out: self.choice.channel_out,
            platform: self.choice.platform,
            front_end: of_platform(front_end, self.choice.platform),
            collector: None,
            services: order.into_iter().map(start).collect(),
        }
    }
}

/// A service with the environment that it has under these axes.
fn start(suite: &SuiteFile, service: &Service<'_>, choice: &Choice, overrides: &Overrides) -> ServiceStart {
    let deployed = service.deployed.map_or(&[][..], |deployed| deployed.env());
    let axes = environment(service.name, choice, suite.project.as_deref(), deployed, service.is_container());
    service.start(axes, choice, overrides)
}

/// What the rules are told of everything that runs under these axes.
pub(crate) fn settings(
    suite: &SuiteFile,
    services: &[Service<'_>],
    front_end: &FrontEnd,
    axes: Shown,
    (choice, overrides): (&Choice, &Overrides),
) -> Settings {
    Settings {
        axes,
        project: suite.project.clone(),
        sampling: suite.sampling,
        platform: choice.platform,
        front_end: of_platform(front_end, choice.platform),
        required_labels: suite.require_labels.clone(),
        varying_labels: suite.varying_labels.clone(),
        limits: suite.limits,
        external_hosts: suite.external_hosts.clone(),
        services: services.iter().map(|service| start(suite, service, choice, overrides).facts).collect(),
        ..Settings::default()
    }
}

/// The front end where the platform has one; else what says nothing.
fn of_platform(front_end: &FrontEnd, platform: Platform) -> FrontEnd {
    match platform {
        Platform::CloudRun => front_end.clone(),
        Platform::Plain => FrontEnd::default(),
    }
}
