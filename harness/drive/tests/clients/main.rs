//! The driver's clients against small servers: what comes back, in the model's words.

mod grpc;
mod http;
mod servers;
