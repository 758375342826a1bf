//! Which rules run, and at which level their findings count.
//!
//! The engine is made with a [`Profile`]; [`Levels`] are what a suite says otherwise.

use std::collections::BTreeMap;

use spanwise_model::Level;

use crate::Rule;

/// A named set of rules, and the level from which a finding fails a permutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Profile {
    /// What OpenTelemetry asks of everybody.
    #[default]
    Otel,
    /// The same, and what Google Cloud asks.
    CloudRun,
    /// The same as `cloud-run`, where warnings fail too.
    Strict,
}

impl Profile {
    /// Every profile, the least demanding first.
    pub const ALL: [Profile; 3] = [Profile::Otel, Profile::CloudRun, Profile::Strict];

    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Profile::Otel => "otel",
            Profile::CloudRun => "cloud-run",
            Profile::Strict => "strict",
        }
    }

    /// Whether a rule runs under this profile.
    pub fn has(self, rule: &Rule) -> bool {
        rule.profile <= self
    }

    /// Whether a finding of this level fails a permutation.
    pub fn fails_at(self, level: Level) -> bool {
        match self {
            Profile::Otel | Profile::CloudRun => level >= Level::Violation,
            Profile::Strict => level >= Level::Warning,
        }
    }
}

impl std::str::FromStr for Profile {
    type Err = ();
    fn from_str(text: &str) -> Result<Profile, ()> {
        Profile::ALL.into_iter().find(|profile| profile.as_str() == text).ok_or(())
    }
}

/// Levels that differ from the catalogue's, by rule or by rule and service.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Levels {
    of_rule: BTreeMap<String, Level>,
    of_service: BTreeMap<(String, String), Level>,
}

impl Levels {
    /// Gives all findings of a rule a level, or only those about one service.
    pub fn set(&mut self, rule: &str, service: Option<&str>, level: Level) {
        match service {
            None => self.of_rule.insert(rule.to_owned(), level),
            Some(service) => self.of_service.insert((rule.to_owned(), service.to_owned()), level),
        };
    }

    /// The level of a finding that has this one by the catalogue; what is said of a service beats what is said of all.
    pub fn level(&self, rule: &str, service: Option<&str>, level: Level) -> Level {
        let of_service = service.and_then(|s| self.of_service.get(&(rule.to_owned(), s.to_owned())));
        of_service.or_else(|| self.of_rule.get(rule)).copied().unwrap_or(level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_service_beats_what_is_said_of_all() {
        let mut levels = Levels::default();
        levels.set("trace-split", None, Level::Warning);
        levels.set("trace-split", Some("api"), Level::Information);
        assert_eq!(levels.level("trace-split", Some("api"), Level::Violation), Level::Information);
        assert_eq!(levels.level("trace-split", Some("backend"), Level::Violation), Level::Warning);
        assert_eq!(levels.level("several-roots", Some("api"), Level::Violation), Level::Violation);
    }

    #[test]
    fn warnings_fail_under_strict_alone() {
        assert!(Profile::Strict.fails_at(Level::Warning));
        assert!(!Profile::CloudRun.fails_at(Level::Warning));
        assert!(Profile::Otel.fails_at(Level::Violation));
        assert!(!Profile::Strict.fails_at(Level::Information));
    }
}
