//! The demo's private gRPC service.
