//! The front against small services of its own: what passes, what is recorded, and what trouble looks like.

mod canned;
mod fidelity;
mod http1;
mod service;
mod tap;
mod tls;
mod trouble;
mod upgrade;
mod way;
mod wire;
