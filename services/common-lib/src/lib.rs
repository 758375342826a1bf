//! What both demo services share: tracing and logging set-up, propagators, layers, the typed backend client.
//!
//! Read it as a template for a service of your own. In the order in which a service uses it: [`settings`] reads the
//! environment, [`logging`] and [`telemetry`] start, [`instrument`] has the layers that go around routers and channels, [`start`]
//! listens and tells when to stop, [`serve`] is the server. [`backend`] is the client of the other service, [`user`] the hooks
//! of the demo. [`cloud_run`] and [`flush`] have work where the service runs on Cloud Run.

pub mod backend;
pub mod caller_deadline;
pub mod channel;
pub mod cloud_run;
pub mod cloud_trace;
pub mod flush;
pub mod instrument;
pub mod logging;
pub mod otlp_http;
pub mod propagation;
pub mod serve;
pub mod settings;
pub mod start;
pub mod status;
pub mod telemetry;
mod tls;
pub mod user;
