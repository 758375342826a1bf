//! The environment a service starts from: what programs need to run at all, nothing that steers telemetry.

use std::ffi::OsString;

/// Variables that are handed down from the harness where it has them.
const HANDED_DOWN: [&str; 22] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TMPDIR",
    "TEMP",
    "TMP",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TERM",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "JAVA_HOME",
    "GOCACHE",
    "GOPATH",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUST_BACKTRACE",
];

/// The base environment. `OTEL_*`, proxies, credentials and whatever else the harness was started with stay behind,
/// so that a run shows the same on every machine.
pub(super) fn base() -> impl Iterator<Item = (&'static str, OsString)> {
    HANDED_DOWN.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)))
}
