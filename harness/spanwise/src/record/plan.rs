//! What is recorded of a plan: as much as judging needs. How services are started and what is sent stays out of it, and with it
//! every secret that a suite or a deployment may hold.

use std::collections::{BTreeMap, HashMap};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use spanwise_model::{Label, Level, Pattern, PermutationName, Place, Settings};
use spanwise_scenario::{
    Caller, Channel, ContextKind, DriverContext, Group, KnownEntry, LevelEntry, Permutation, Plan,
};

/// A plan to judge by.
#[derive(Serialize, Deserialize)]
pub(super) struct PlanRecord {
    suites: Vec<String>,
    labels: BTreeMap<String, Vec<Label>>,
    levels: BTreeMap<String, Vec<LevelRecord>>,
    /// What the permutations expect, but for the axes: the same for many, so each stands here once.
    settings: Vec<Settings>,
    known: Vec<KnownRecord>,
    permutations: Vec<PermutationRecord>,
}

#[derive(Serialize, Deserialize)]
struct LevelRecord {
    rule: String,
    service: Option<String>,
    level: Level,
}

#[derive(Serialize, Deserialize)]
struct KnownRecord {
    pattern: Pattern,
    rules: Vec<String>,
    reason: String,
    link: Option<String>,
    flaky: bool,
}

#[derive(Serialize, Deserialize)]
struct PermutationRecord {
    name: PermutationName,
    group: String,
    suite: String,
    case: String,
    place: Place,
    services: Vec<String>,
    exclusive: bool,
    axes: Vec<(String, String)>,
    /// As indices into the lists of the plan.
    settings: usize,
    known: Vec<usize>,
}

/// A list in which each item stands once.
struct Distinct<T> {
    items: Vec<T>,
    /// By the item as text.
    places: HashMap<String, usize>,
}

impl<T: std::fmt::Debug> Distinct<T> {
    fn new() -> Distinct<T> {
        Distinct { items: Vec::new(), places: HashMap::new() }
    }

    fn place(&mut self, item: T) -> usize {
        let next = self.items.len();
        let place = *self.places.entry(format!("{item:?}")).or_insert(next);
        if place == next {
            self.items.push(item);
        }
        place
    }
}

impl PlanRecord {
    pub(super) fn of(plan: &Plan) -> PlanRecord {
        let (mut settings, mut known) = (Distinct::new(), Distinct::new());
        let permutation = |one: &Permutation| PermutationRecord {
            name: one.name.clone(),
            group: one.group.clone(),
            suite: one.suite.clone(),
            case: one.case.clone(),
            place: one.place.clone(),
            services: one.services.clone(),
            exclusive: one.exclusive,
            axes: one.settings.axes.clone(),
            settings: settings.place(Settings { axes: Vec::new(), ..one.settings.clone() }),
            known: one.known.iter().map(|entry| known.place(entry.clone())).collect(),
        };
        let permutations = plan.permutations.iter().map(permutation).collect();
        let levels = plan.levels.iter();
        PlanRecord {
            suites: plan.suites.clone(),
            labels: plan.labels.clone(),
            levels: levels
                .map(|(suite, entries)| (suite.clone(), entries.iter().map(LevelRecord::of).collect()))
                .collect(),
            settings: settings.items,
            known: known.items.into_iter().map(KnownRecord::of).collect(),
            permutations,
        }
    }

    /// The plan, without anything that could be run.
    ///
    /// # Errors
    /// What does not go together: a lower-case fragment.
    pub(super) fn plan(self) -> Result<Plan, String> {
        let PlanRecord { suites, labels, levels, settings, known, permutations } = self;
        let known: Vec<KnownEntry> = known.into_iter().map(KnownRecord::entry).collect();
        let permutation = |record: PermutationRecord| {
            if !suites.contains(&record.suite) {
                return Err(format!("{} is of no suite of it", record.name));
            }
            let known = record.known.iter().map(|at| known.get(*at).cloned()).collect::<Option<_>>();
            let settings = settings.get(record.settings).cloned();
            let Some((settings, known)) = settings.zip(known) else {
                return Err(format!("what {} expects is missing", record.name));
            };
            Ok(Permutation {
                name: record.name,
                group: record.group,
                suite: record.suite,
                case: record.case,
                place: record.place,
                setting: 0,
                services: record.services,
                exclusive: record.exclusive,
                channel_in: Channel::Insecure,
                context: DriverContext { kind: ContextKind::None, formats: Vec::new() },
                caller: Caller::default(),
                requests: Vec::new(),
                repeat: None,
                settings: Settings { axes: record.axes, ..settings },
                known,
            })
        };
        let permutations = permutations.into_iter().map(permutation).collect::<Result<Vec<_>, _>>()?;
        let levels = levels.into_iter();
        Ok(Plan {
            groups: groups(&permutations),
            suites,
            settings: Vec::new(),
            permutations,
            labels,
            levels: levels
                .map(|(suite, records)| (suite, records.into_iter().map(LevelRecord::entry).collect()))
                .collect(),
        })
    }
}

fn groups(permutations: &[Permutation]) -> Vec<Group> {
    let mut groups: IndexMap<&str, Vec<usize>> = IndexMap::new();
    for (at, permutation) in permutations.iter().enumerate() {
        groups.entry(&permutation.group).or_default().push(at);
    }
    groups.into_iter().map(|(name, permutations)| Group { name: name.to_owned(), permutations }).collect()
}

impl LevelRecord {
    fn of(LevelEntry { rule, service, level }: &LevelEntry) -> LevelRecord {
        LevelRecord { rule: rule.clone(), service: service.clone(), level: *level }
    }

    fn entry(self) -> LevelEntry {
        LevelEntry { rule: self.rule, service: self.service, level: self.level }
    }
}

impl KnownRecord {
    fn of(KnownEntry { pattern, rules, reason, link, flaky }: KnownEntry) -> KnownRecord {
        KnownRecord { pattern, rules, reason, link, flaky }
    }

    fn entry(self) -> KnownEntry {
        let KnownRecord { pattern, rules, reason, link, flaky } = self;
        KnownEntry { pattern, rules, reason, link, flaky }
    }
}
