//! Compiles the forwarder, which runs in an image that holds nothing else, so it must be linked statically. The library carries
//! the result: who installs spanwise needs no second program.

use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = "forwarder/main.rs";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(variable("OUT_DIR")).join("forwarder");
    let architecture = variable("CARGO_CFG_TARGET_ARCH");
    let musl = format!("{architecture}-unknown-linux-musl");
    // The host's own C library needs no further target of the compiler; musl needs no C compiler for that target.
    let mut attempts = Vec::new();
    let target = variable("TARGET");
    if target.contains("linux") {
        let linker = std::env::var("RUSTC_LINKER").ok().map(|linker| format!("linker={linker}"));
        attempts.push((target, linker));
    }
    attempts.push((musl.clone(), Some("linker=rust-lld".to_owned())));
    let mut reasons = String::new();
    for (target, linker) in attempts {
        match compile(&out, &target, linker.as_deref()) {
            Ok(()) => return,
            Err(reason) => reasons += &format!("\n--- for {target}:\n{reason}"),
        }
    }
    panic!(
        "the forwarder for containers cannot be compiled statically: install the static C library (Debian: libc6-dev, Fedora: \
         glibc-static), or run `rustup target add {musl}`{reasons}"
    );
}

fn compile(out: &Path, target: &str, linker: Option<&str>) -> Result<(), String> {
    let mut command = Command::new(variable("RUSTC"));
    command.args(["--edition", "2024", "--crate-name", "spanwise_forwarder", "--target", target]);
    command.args([
        "-C",
        "target-feature=+crt-static",
        "-C",
        "opt-level=s",
        "-C",
        "panic=abort",
        "-C",
        "strip=symbols",
    ]);
    if let Some(linker) = linker {
        command.args(["-C", linker]);
    }
    command.arg("-o").arg(out).arg(SOURCE);
    let output = command.output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name} for build scripts"))
}
