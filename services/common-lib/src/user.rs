//! The demo's hooks: the user of a request, on every span and log line of it, in every service it reaches.
//!
//! Both services register them. The first service reads the user from a header; the hook puts it into the baggage, the
//! propagator carries the baggage on, and the next service's hook reads it from there.

use opentelemetry::KeyValue;
use opentelemetry_semantic_conventions::attribute::ENDUSER_ID;

use crate::instrument::{Hooks, RequestStart};

/// The request header, or gRPC metadata key, that names the user.
pub const USER_HEADER: &str = "x-user-id";

/// Hooks that mark spans and log lines with `enduser.id`.
pub fn hooks() -> Hooks {
    Hooks::default().on_start(mark)
}

fn mark(request: &mut RequestStart<'_>) {
    let header = request.headers.get(USER_HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if let Some(user) = header.or_else(|| request.baggage(ENDUSER_ID)) {
        request.set_attribute(KeyValue::new(ENDUSER_ID, user.clone()));
        request.set_log_label(ENDUSER_ID, user.clone());
        request.set_baggage(ENDUSER_ID, user);
    }
}
