//! The ratchet file of `spanwise run`: reads it before the run, and says or writes after it what the run means for it.

use std::io::ErrorKind;
use std::path::Path;

use spanwise::model::Summary;
use spanwise::ratchet::{Ratchet, Review};

use super::{Exit, unusable};

/// Reads the file; one that is to be written need not be there yet.
pub(super) fn read(file: &Path, update: bool) -> Result<Ratchet, Exit> {
    let name = file.display().to_string();
    match std::fs::read_to_string(file) {
        Ok(text) => Ratchet::parse(&name, &text).map_err(unusable),
        Err(error) if error.kind() == ErrorKind::NotFound && update => Ok(Ratchet::empty(&name)),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(unusable(format!(
            "there is no ratchet {name}; add `--ratchet-update` to write it from what the run finds"
        ))),
        Err(error) => Err(unusable(format!("{name}: {error}"))),
    }
}

/// Says which lines of the file can go.
pub(super) fn tell(review: &Review<'_>) {
    let gone = review.gone();
    if gone.is_empty() {
        return;
    }
    let lines = if gone.len() == 1 { "1 line".to_owned() } else { format!("{} lines", gone.len()) };
    eprintln!(
        "spanwise: {lines} of {} can go (`--ratchet-update` removes them): nothing like this fails any more",
        review.updated().file()
    );
    gone.iter().for_each(|entry| eprintln!("  {entry}"));
}

/// Writes the file. What fails by findings that now stand in it does not fail the run.
pub(super) fn update(review: &Review<'_>, summary: &Summary, strays_fail: bool) -> Exit {
    let updated = review.updated();
    let file = updated.file();
    if let Err(error) = std::fs::write(file, updated.to_string()) {
        return unusable(format!("the ratchet {file} cannot be written: {error}"));
    }
    eprintln!("spanwise: wrote {file}: {} added, {} removed", review.added(), review.gone().len());
    Exit::of(&Summary { failed: 0, ..*summary }, strays_fail)
}
