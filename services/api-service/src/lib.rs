//! The demo's REST service, which calls the backend over gRPC.
