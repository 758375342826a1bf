//! Drives a run: starts services, waits until they are ready, sends HTTP and gRPC requests.
