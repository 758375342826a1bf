//! The library as a user's `cargo test` calls it.

#[path = "library/mistakes.rs"]
mod mistakes;
#[path = "library/processes.rs"]
mod processes;
#[path = "library/providers.rs"]
mod providers;
#[path = "library/requests.rs"]
mod requests;
#[path = "library/sharing.rs"]
mod sharing;
#[path = "library/shop.rs"]
mod shop;
