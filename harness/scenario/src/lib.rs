//! Plans a run: reads suite files, expands the matrix, names permutations, knows the known failures.
//!
//! The first stage. The run loop gives it the text of suite files and gets a [`Plan`], which is plain data: what to
//! start, what to send, what to expect. Nothing is opened, started or waited for here.
//!
//! In reading order: `format` is the file as it is written; `service` with `launch`, `container`, `running`, `stub`, `protos` and
//! `collector`,
//! `cloud_run`, `axes`, `steps`, `request`, `result`, `answer`, `expected`, `levels` and `known` give meaning to its parts, whose
//! texts `names` fills; `captured` fills values of answers in later requests; `expand` multiplies cases, `each` lists and axes,
//! `channels` says which of them a platform leaves; `setting` says what runs together; [`plan()`] selects; `stage` is one setting for
//! requests that are no case's. `registry` reads the labels that a suite adds to the conventions, `service_yaml` how a service is
//! deployed. `environment` is the table of what services find in their environment, `schema` what editors know of all this.

mod answer;
mod axes;
mod axis;
mod captured;
mod channels;
mod cloud_run;
mod collector;
mod container;
mod each;
mod environment;
mod error;
mod exclude;
mod expand;
mod expected;
mod format;
mod known;
mod launch;
mod levels;
mod name;
mod names;
mod plan;
mod protos;
mod registry;
mod request;
mod result;
mod running;
mod schema;
mod service;
mod service_yaml;
mod setting;
mod spanned;
mod stage;
mod steps;
mod stub;
mod suite;
mod template;
mod yaml;

pub use answer::ExpectedAnswer;
pub use axis::{Caller, Channel, ContextKind, Entry, Export, Persona, Propagation, Ready};
pub use captured::Answers;
pub use collector::{Collector, FixedCollector, FixedSender};
pub use container::{Container, Image};
pub use environment::{Environment, environment_page};
pub use error::SuiteError;
pub use known::KnownEntry;
pub use launch::{Launch, Start};
pub use levels::LevelEntry;
pub use plan::{Group, Plan, PlanError, plan};
pub use protos::{CompileProtos, ProtoError};
pub use registry::{ReadRegistry, RegistryText, labels as registry_labels};
pub use request::{Body, EntryRequest, RequestForm};
pub use result::http_status;
pub use schema::suite_schema;
pub use service::ServiceStart;
pub use service_yaml::ServiceYaml;
pub use stage::{Stage, StageError};
pub use suite::{DriverContext, Known, Permutation, Repeat, Setting, Step, Suite};
pub use template::{Listener, Piece, Reference, Template};
