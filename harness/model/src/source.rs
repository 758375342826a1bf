//! Who sent something: a started service instance, or the driver.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The service instance a payload, a log line or a process event came from.
///
/// Every started instance exports to an address of its own, so the source is known even where `service.name` is
/// missing. Printed as the service's name, with `#2` and so on from the second instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Source {
    /// The service's name in the suite file, or `driver`.
    pub service: Arc<str>,
    /// Which instance of it, from 1.
    pub instance: u32,
}

impl Source {
    /// The name under which the driver's own spans and hops appear.
    pub const DRIVER: &'static str = "driver";
    /// The name under which spans of the platform's front end appear.
    pub const FRONT_END: &'static str = "front-end";

    /// An instance of a service.
    pub fn new(service: &str, instance: u32) -> Source {
        Source { service: service.into(), instance }
    }

    /// The driver itself.
    pub fn driver() -> Source {
        Source::new(Source::DRIVER, 1)
    }

    /// The front end before the services, where a platform is emulated.
    pub fn front_end() -> Source {
        Source::new(Source::FRONT_END, 1)
    }

    /// Whether this is the platform's front end, whose spans are never judged.
    pub fn is_front_end(&self) -> bool {
        &*self.service == Source::FRONT_END
    }

    /// Whether this is the driver, whose spans and headers are never judged.
    pub fn is_driver(&self) -> bool {
        &*self.service == Source::DRIVER
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.instance {
            1 => f.write_str(&self.service),
            number => write!(f, "{}#{number}", self.service),
        }
    }
}
