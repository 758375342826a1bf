//! The real binary in a folder of a test's own, and a small suite for it. Shared by the tests of the command line.

use std::process::{Command, Output};

use tempfile::TempDir;

/// A folder of a test's own, with files in it.
pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    folder
}

pub(crate) fn spanwise(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spanwise"));
    command.args(arguments).current_dir(folder.path()).env("NO_COLOR", "1");
    command.output().expect("the binary runs")
}

/// Runs the binary and compares the exit code; every part must stand in the output (both streams).
#[track_caller]
pub(crate) fn check(files: &[(&str, &str)], arguments: &[&str], code: i32, parts: &[&str]) -> String {
    let output = spanwise(&folder(files), arguments);
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in the output of {arguments:?}:\n{text}");
    }
    text
}

/// A suite of one demo service and one case, for tests to break.
pub(crate) const SUITE: &str = r#"suite: small
project: demo-project
services:
  backend-service:
    demo: backend-service
    protocol: grpc
    flushes-on-sigterm: true
    untraced: [grpc.health.v1.Health, grpc.reflection.v1.ServerReflection]
axes:
  entry: [grpc]
cases:
  greet:
    grpc: { to: backend-service, call: backend_service.v1.BackendService/Greet, message: { name: Ada } }
    expect: { grpc: OK }
"#;
