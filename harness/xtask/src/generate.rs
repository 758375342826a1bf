//! Pages that are generated from code, committed, and checked as current by `tidy`.

use std::fs;
use std::path::Path;

use spanwise_check::{Profile, conventions};
use spanwise_scenario::{Known, suite_schema};

/// A generated page: where it stands below the root, and what writes it.
type Page = (&'static str, fn() -> String);

const PAGES: [Page; 3] = [
    ("harness/check/RULES.md", spanwise_check::rules_page),
    ("fixtures/schema/suite.schema.json", schema_of_suites),
    ("harness/scenario/ENVIRONMENT.md", spanwise_scenario::environment_page),
];

fn schema_of_suites() -> String {
    let profiles = Profile::ALL.map(Profile::as_str);
    suite_schema(&Known { profiles: &profiles, schemas: &conventions::schemas(), ..Known::default() })
}

/// Writes every page anew.
pub(crate) fn write(root: &Path) -> Result<(), String> {
    for (place, render) in PAGES {
        fs::write(root.join(place), render()).map_err(|error| format!("{place}: {error}"))?;
    }
    Ok(())
}

/// A complaint for each page that is not what its code writes today.
pub(crate) fn stale(root: &Path) -> Vec<String> {
    let current =
        |(place, render): &Page| fs::read_to_string(root.join(place)).is_ok_and(|text| text == render());
    let complain = |(place, _): &Page| format!("{place}: not current; run `cargo xtask generate`");
    PAGES.iter().filter(|page| !current(page)).map(complain).collect()
}
