//! What both demo services share: tracing and logging set-up, propagators, layers, the typed backend client.
