//! Cloud Run on the laptop: what the platform does to requests and to instances, as a policy on the fronts before each hop.
//!
//! The run loop makes it where a permutation says `platform=cloud-run`, and starts and ends processes on its behalf. It sends
//! no request, starts no process and judges nothing.

mod admission;
mod context;
mod error;
mod forwarded;
mod identity;
mod metadata;
mod policy;
mod random;
pub mod schedule;
mod span;

pub use admission::{Admission, SERVERLESS_AUTHORIZATION, Urls};
pub use context::Sampler;
pub use error::CloudRunError;
pub use identity::{Account, Caller, ISSUER, Identity, Rejection};
pub use metadata::{Instance, JWKS_PATH, MetadataRequest, MetadataServer, TOKEN_PATH};
pub use policy::{Admit, FrontEndPolicy, NoPlace, Place, Placed, Placing, PolicyOptions};
pub use span::front_end_span;
