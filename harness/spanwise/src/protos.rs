//! Compiles the `.proto` files that a suite names for a service, in pure Rust (protox). The plan asks; nothing else does.

use std::path::{Path, PathBuf};

use protox::Compiler;
use spanwise_scenario::ProtoError;

/// An encoded `google.protobuf.FileDescriptorSet` of the files and all that they import. Every path is relative to the suite file;
/// files are looked for in `paths`, then in the folder of the suite.
///
/// # Errors
/// Which file it is, and what protox says of it with its place.
pub(crate) fn compile(suite_file: &str, files: &[&str], paths: &[&str]) -> Result<Vec<u8>, ProtoError> {
    let beside = Path::new(suite_file).parent().unwrap_or(Path::new(""));
    // protox compares paths, and an empty one is the beginning of none.
    let beside = if beside.as_os_str().is_empty() { Path::new(".") } else { beside };
    let folders: Vec<PathBuf> =
        paths.iter().map(|path| beside.join(path)).chain([beside.to_owned()]).collect();
    // Its `Debug` is the one line that has the place; `Display` leaves that out.
    let wrong = |file: usize| move |error: protox::Error| ProtoError { file, reason: format!("{error:?}") };
    let mut compiler = Compiler::new(folders).map_err(wrong(0))?;
    compiler.include_imports(true);
    for (at, file) in files.iter().enumerate() {
        compiler.open_file(beside.join(file)).map_err(wrong(at))?;
    }
    Ok(compiler.encode_file_descriptor_set())
}

#[cfg(test)]
mod tests {
    use spanwise_drive::Descriptors;

    use super::*;

    const SHOP: &str = "syntax = \"proto3\";\npackage shop;\nimport \"types/item.proto\";\n\
                        service Orders { rpc Buy(types.Item) returns (types.Item); }\n";
    const ITEM: &str = "syntax = \"proto3\";\npackage types;\nmessage Item { string name = 1; }\n";

    /// Compiles files of a folder in which a suite stands; whether the method can be called, or the place and what is wrong.
    #[track_caller]
    fn check(files: &[&str], paths: &[&str], expected: Result<(), (usize, &str)>) {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in [
            ("api/shop.proto", SHOP),
            ("api/types/item.proto", ITEM),
            ("api/wrong.proto", "syntax = \"proto3\";\nmessage A {\n  strin name = 1;\n}\n"),
        ] {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("it can be made");
            std::fs::write(file, text).expect("it can be written");
        }
        let suite = folder.path().join("shop.yaml").display().to_string();
        match (compile(&suite, files, paths), expected) {
            (Ok(compiled), Ok(())) => {
                let descriptors = Descriptors::decode(&compiled).expect("descriptors");
                descriptors.method("shop.Orders/Buy").expect("the method");
            }
            (Err(error), Err((file, part))) => {
                assert_eq!(error.file, file, "{error:?}");
                assert!(error.reason.contains(part), "{error:?}");
            }
            (found, _) => panic!("{:?}", found.map(|bytes| bytes.len())),
        }
    }

    #[test]
    fn files_are_found_and_mistakes_have_their_place() {
        check(&["api/shop.proto"], &["api"], Ok(()));
        check(&["api/shop.proto"], &[], Err((0, "types/item.proto")));
        check(&["api/shop.proto", "api/none.proto"], &["api"], Err((1, "none.proto")));
        check(&["api/shop.proto", "api/wrong.proto"], &["api"], Err((1, "wrong.proto:3:3")));
    }
}
