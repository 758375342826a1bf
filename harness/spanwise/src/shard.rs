//! A part of a plan, for machines that split a run between them. `spanwise merge` puts their reports together.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::str::FromStr;

use spanwise_model::Part;
use spanwise_scenario::Plan;

/// Shard K of N. Written `K/N`, K from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    number: usize,
    of: usize,
}

impl FromStr for Shard {
    type Err = String;
    fn from_str(text: &str) -> Result<Shard, String> {
        let numbers = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
        match numbers {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Shard { number, of }),
            Some((_, of)) if of > 0 => Err(format!("the shards of {of} are 1/{of} to {of}/{of}")),
            _ => Err("wanted is K/N, as in 1/4: the first of four shards".to_owned()),
        }
    }
}

impl Shard {
    /// The names of its permutations.
    ///
    /// Groups that must agree stay together, because their members are compared with each other. The largest group goes
    /// first, and each to the shard that has the fewest permutations so far: what is in a shard depends on the plan alone.
    pub fn of_plan(self, plan: &Plan) -> BTreeSet<String> {
        let mut groups: Vec<_> = plan.groups.iter().collect();
        groups.sort_by_key(|group| (Reverse(group.permutations.len()), &group.name));
        let mut taken = vec![0; self.of];
        let mut mine = BTreeSet::new();
        for group in groups {
            let Some(shard) = (0..self.of).min_by_key(|shard| taken[*shard]) else { break };
            taken[shard] += group.permutations.len();
            if shard + 1 == self.number {
                let names = group.permutations.iter().map(|at| plan.permutations[*at].name.to_string());
                mine.extend(names);
            }
        }
        mine
    }

    /// What the report says of it, so that a part that is missing is missed.
    pub(crate) fn part(self, plan: &Plan) -> Part {
        let names: BTreeSet<&str> = plan.permutations.iter().map(|one| one.name.as_str()).collect();
        let Shard { number, of } = self;
        Part { number, of, permutations: names.len(), selection: format!("{:016x}", hash(&names)) }
    }
}

/// FNV-1a, 64 bits (<https://www.ietf.org/archive/id/draft-eastlake-fnv-21.html>), of names with line breaks behind them: nobody
/// wants two selections to be taken for one, and it is the same on every machine.
fn hash(names: &BTreeSet<&str>) -> u64 {
    let bytes = names.iter().flat_map(|name| name.bytes().chain([b'\n']));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Planned, SuiteText, plan};

    #[test]
    fn a_shard_is_k_of_n() {
        let read = |text: &str| text.parse::<Shard>();
        assert_eq!(read("2/3"), Ok(Shard { number: 2, of: 3 }));
        for (text, expected) in [
            ("4/3", "the shards of 3 are 1/3 to 3/3"),
            ("0/3", "the shards of 3 are 1/3 to 3/3"),
            ("1/0", "wanted is K/N"),
            ("1", "wanted is K/N"),
            ("a/b", "wanted is K/N"),
            ("-1/2", "wanted is K/N"),
        ] {
            let error = read(text).expect_err("no shard");
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    /// Three groups of four permutations, and three of one.
    fn planned() -> Planned {
        let text = "suite: shop\n\
                    services:\n  web: { command: [web], protocol: http }\n\
                    axes:\n  entry: [http]\n  channel-in: [insecure, secure]\n  export: [gcp_trace, otlp-grpc]\n\
                    agree: [channel-in, export]\n\
                    cases:\n  buy:\n    each: { n: [1, 2, 3] }\n    http: { to: web, get: / }\n  \
                    sell:\n    each: { n: [1, 2, 3] }\n    http: { to: web, get: / }\n    \
                    axes: { channel-in: [insecure], export: [otlp-grpc] }\n";
        let text = SuiteText { file: "shop.yaml".to_owned(), text: text.to_owned() };
        plan(&[text], &[]).expect("a suite without mistakes")
    }

    /// Compares how many permutations the shards have; together they are the plan, and no group is cut.
    #[track_caller]
    fn check(of: usize, expected: &[usize]) {
        let whole = planned();
        let shards: Vec<Planned> = (1..=of)
            .map(|number| {
                let mut planned = planned();
                planned.shard(Shard { number, of });
                planned
            })
            .collect();
        let sizes: Vec<usize> = shards.iter().map(|shard| shard.plan.permutations.len()).collect();
        assert_eq!(sizes, expected);
        let names = |planned: &Planned| -> BTreeSet<String> {
            planned.plan.permutations.iter().map(|one| one.name.to_string()).collect()
        };
        let together: BTreeSet<String> = shards.iter().flat_map(names).collect();
        assert_eq!((together, sizes.iter().sum::<usize>()), (names(&whole), 15));
        for group in shards.iter().flat_map(|shard| &shard.plan.groups) {
            let all = whole.plan.groups.iter().find(|one| one.name == group.name).expect("it is of the plan");
            assert_eq!(group.permutations.len(), all.permutations.len(), "{}", group.name);
        }
        let cut = shards.iter().all(|shard| shard.cut_cases.is_empty() == (of == 1));
        assert!(cut, "a shard has not seen all of a case");
    }

    #[test]
    fn shards_are_balanced_and_keep_groups_together() {
        check(1, &[15]);
        check(2, &[8, 7]);
        check(3, &[5, 5, 5]);
        check(7, &[4, 4, 4, 1, 1, 1, 0]);
    }

    #[test]
    fn parts_of_one_selection_are_known_by_it() {
        let part = |skip: &[&str], number| {
            let mut planned = planned();
            planned.skip(&skip.iter().map(|text| text.parse().expect("a pattern")).collect::<Vec<_>>());
            planned.shard(Shard { number, of: 2 });
            planned.part.expect("it is a part")
        };
        let [one, two] = [part(&[], 1), part(&[], 2)];
        assert_eq!((one.number, one.of, one.permutations), (1, 2, 15));
        assert_eq!(Part { number: 2, ..one.clone() }, two);
        assert_ne!(part(&["shop/sell"], 1).selection, one.selection);
        // Of one name, as the definition of the hash has it.
        assert_eq!(hash(&BTreeSet::from(["a"])), 0x089b_dc07_b544_e7b2);
    }

    #[test]
    fn what_is_skipped_is_cut() {
        let mut planned = planned();
        planned.skip(&["shop/buy".parse().expect("a pattern"), "**/n=2/**".parse().expect("a pattern")]);
        assert_eq!(planned.plan.permutations.len(), 2);
        assert_eq!(planned.cut_cases.into_iter().collect::<Vec<_>>(), ["shop/buy", "shop/sell"]);
    }
}
