//! A tracing conformance test harness: starts services, drives requests, checks every span.
