//! The report for programs: one JSON document, version 1 of the schema in `fixtures/schema/report.schema.json`. What it
//! looks like is said in `document`, which also reads it.

use std::io::{self, Write};

use spanwise_model::{RunEvent, Summary};

use crate::Reporter;
use crate::document::{Document, FindingJson, PermutationJson, SCHEMA_VERSION};

/// Writes one JSON document at the end of the run.
#[derive(Debug)]
pub struct Json<W> {
    out: W,
    document: Document,
}

impl<W: Write> Json<W> {
    /// A reporter that writes to `out`.
    pub fn new(out: W) -> Json<W> {
        let document = Document {
            schema_version: SCHEMA_VERSION,
            // Counted from the results, so that it is right for a run that was broken off too.
            summary: Summary::default(),
            duration_ms: None,
            strays_fail: false,
            shard: None,
            permutations: Vec::new(),
            strays: Vec::new(),
        };
        Json { out, document }
    }
}

impl<W: Write> Reporter for Json<W> {
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()> {
        match event {
            RunEvent::Finished(result) => {
                self.document.summary.add(result.outcome);
                self.document.permutations.push(PermutationJson::of(result));
            }
            RunEvent::Ended { strays, strays_fail, duration_ms, .. } => {
                self.document.strays = strays.iter().map(FindingJson::of).collect();
                self.document.strays_fail = *strays_fail;
                self.document.duration_ms = Some(*duration_ms);
            }
            RunEvent::Started { part, .. } => self.document.shard.clone_from(part),
            RunEvent::Building { .. }
            | RunEvent::ServiceReady { .. }
            | RunEvent::ServiceFailed { .. }
            | RunEvent::StubUnmatched { .. }
            | RunEvent::Observed { .. }
            | RunEvent::Found { .. }
            | RunEvent::InRound(_) => {}
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        // Permutations end in whatever order they end; the report of the same results is the same.
        self.document.permutations.sort_by(|one, other| one.name.cmp(&other.name));
        serde_json::to_writer_pretty(&mut self.out, &self.document)?;
        writeln!(self.out)?;
        self.out.flush()
    }
}
