//! The command line as a user, a terminal and a CI server meet it: the real binary, its output, its files, its exit codes.

#[cfg(unix)]
mod action;
mod cli;
mod reports;
#[cfg(unix)]
mod signals;
mod support;
