//! The `.proto` files of a service: reads the keys `protos` and `proto-paths`. Files are opened and compiled by a function that the
//! plan is given, because nothing is opened here.

use std::sync::Arc;

use spanwise_model::ServiceProtocol;

use crate::Known;
use crate::error::{File, SuiteError};
use crate::format::ServiceFile;

/// Compiles `.proto` files to an encoded `google.protobuf.FileDescriptorSet`: the suite file's name, to which paths are relative,
/// the files, and the folders in which they and their imports are looked for before the suite's own.
pub type CompileProtos = fn(&str, &[&str], &[&str]) -> Result<Vec<u8>, ProtoError>;

/// Why `.proto` files cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtoError {
    /// Which of the files.
    pub file: usize,
    /// What is wrong with it, in the compiler's words.
    pub reason: String,
}

/// What the files of a service say, compiled; `None` where it names none, or nobody can compile them.
pub(crate) fn descriptors(
    file: File<'_>,
    service: &ServiceFile,
    known: &Known<'_>,
) -> Result<Option<Arc<[u8]>>, SuiteError> {
    let paths = service.proto_paths.as_deref().unwrap_or_default();
    let Some(protos) = &service.protos else {
        return match paths.first() {
            None => Ok(None),
            Some(path) => {
                let error = file.error(path.referenced, "`proto-paths` without `protos` does nothing");
                Err(error.with_help("name the files themselves: `protos: [shop.proto]`"))
            }
        };
    };
    let Some(first) = protos.first() else { return Ok(None) };
    if service.protocol != ServiceProtocol::Grpc {
        let message = "only a service whose protocol is grpc has `protos`";
        return Err(file.error(first.referenced, message));
    }
    let Some(compile) = known.protos else { return Ok(None) };
    let names: Vec<&str> = protos.iter().map(|path| path.value.as_str()).collect();
    let paths: Vec<&str> = paths.iter().map(|path| path.value.as_str()).collect();
    let compiled = compile(file.name, &names, &paths).map_err(|error| {
        let place = protos.get(error.file).unwrap_or(first);
        let message = format!("`{}` cannot be compiled: {}", place.value, error.reason);
        let help = "paths are relative to the suite file; `proto-paths` names folders for imports";
        file.error(place.referenced, message).with_help(help)
    })?;
    Ok(Some(compiled.into()))
}
