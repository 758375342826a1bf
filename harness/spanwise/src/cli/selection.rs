//! The arguments that select permutations, of `run` and `list`.

use std::path::PathBuf;

use clap::Args;
use spanwise::Shard;
use spanwise::model::Pattern;
use spanwise::plan::Planned;

use super::{Exit, suites};

#[derive(Args)]
pub(super) struct Selection {
    /// Suite files; without one ./spanwise.yaml, and without that the demo
    pub(super) suites: Vec<PathBuf>,
    /// Only permutations whose full name, or a beginning of it, matches: `demo/greet` is the whole case; `*` stands for a
    /// component or a part of one, `**` for any number of components. May be given several times: one match is enough
    #[arg(long, value_name = "PATTERN")]
    pub(super) filter: Vec<Pattern>,
    /// Not these, in the patterns of `--filter`. May be given several times
    #[arg(long, value_name = "PATTERN")]
    pub(super) skip: Vec<Pattern>,
    /// One part of what is selected, for machines that split a suite: part K of N, K from 1. What must agree stays together;
    /// `spanwise merge` puts the reports together
    #[arg(long, value_name = "K/N")]
    pub(super) shard: Option<Shard>,
    /// How a service is deployed to Cloud Run: the file that `gcloud run services replace` takes. Its `metadata.name` is the
    /// service of the suite that runs so on `platform=cloud-run`. May be given several times, once a service.
    ///
    /// Taken over what the suite says in `cloud-run`: the service account, timeout and concurrency, ingress, scaling, CPU
    /// throttling, custom audiences, a disabled check of invokers, and h2c. Its variables are set where neither the suite nor
    /// the run sets them; those whose values are secrets are told and not set. Not taken: image, command, arguments and the
    /// number of the port, because the suite says how the service is started; other containers
    #[arg(long, value_name = "FILE")]
    pub(super) service_yaml: Vec<PathBuf>,
}

impl Selection {
    /// Reads the suites and selects. Nothing selected is an end of its own.
    pub(super) fn planned(&self) -> Result<Planned, Exit> {
        let mut planned = suites::planned(&self.suites, &self.service_yaml, &self.filter)?;
        planned.skip(&self.skip);
        let selected = planned.plan.permutations.len();
        if let Some(shard) = self.shard {
            planned.shard(shard);
        }
        if !planned.plan.permutations.is_empty() {
            return Ok(planned);
        }
        match (selected, self.shard) {
            (0, _) | (_, None) => {
                eprintln!(
                    "spanwise: no permutation is selected; `spanwise list` without a filter prints all names"
                );
            }
            (_, Some(_)) => eprintln!(
                "spanwise: this shard is empty: what must agree stays together, and there are fewer such groups than shards"
            ),
        }
        Err(Exit::NothingSelected)
    }
}
