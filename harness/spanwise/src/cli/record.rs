//! Where `spanwise run` and `spanwise replay` write what was seen.

use std::error::Error as _;
use std::path::Path;

use spanwise::Recorder;
use spanwise::record::RecordError;

use super::{Exit, unusable};

/// Opens what is to be written; `None` where nothing is.
pub(super) fn recorder(folder: Option<&Path>, json_lines: Option<&Path>) -> Result<Option<Recorder>, Exit> {
    if folder.is_none() && json_lines.is_none() {
        return Ok(None);
    }
    let open = || {
        let recorder = Recorder::new();
        let recorder = folder.map_or(Ok(recorder.clone()), |folder| recorder.to_folder(folder))?;
        json_lines.map_or(Ok(recorder.clone()), |file| recorder.to_json_lines(file))
    };
    open().map(Some).map_err(|error| unusable(words(&error)))
}

/// Says what could not be written of a run that is over. One that conforms and is not written down as it should be did not do
/// what it was asked for.
pub(super) fn finish(recorder: Option<Recorder>, exit: Exit) -> Exit {
    let Some(Err(error)) = recorder.map(|recorder| recorder.finish()) else { return exit };
    eprintln!("spanwise: {}; what stands there before can be used", words(&error));
    if exit == Exit::Conforms { Exit::CouldNotRun } else { exit }
}

fn words(error: &RecordError) -> String {
    match error {
        RecordError::HoldsRecording(_) | RecordError::NotEmpty(_) => {
            format!("{error}; name a folder that is empty or not there yet")
        }
        RecordError::Io { .. } => {
            let cause = error.source().map(|cause| format!(": {cause}"));
            format!("{error}{}", cause.unwrap_or_default())
        }
    }
}
