//! `spanwise run --keep-running`: services that stay up after the report.

use spanwise::scenario::Plan;
use spanwise::{Kept, starts};

use super::{Exit, unusable};

/// Refuses where it would not be clear which services stay up.
pub(super) fn is_possible(plan: &Plan) -> Result<(), Exit> {
    let starts = starts(plan);
    if starts == 1 {
        return Ok(());
    }
    let example = plan.permutations.first().map(|one| one.name.as_str()).unwrap_or_default();
    Err(unusable(format!(
        "`--keep-running` leaves up one start of the services, and these {} permutations need {starts}; select fewer, \
         for example `--filter '{example}'`",
        plan.permutations.len()
    )))
}

/// Says where everything is, waits, and ends it.
pub(super) async fn until(kept: Kept, stop: impl Future<Output = ()>) {
    let addresses = kept.addresses();
    let width = addresses.iter().map(|address| address.what.chars().count()).max().unwrap_or(0);
    eprintln!("spanwise: the services stay up until Ctrl-C:");
    for address in &addresses {
        eprintln!("  {:<width$}  {}", address.what, address.url);
    }
    stop.await;
    kept.end().await;
}
