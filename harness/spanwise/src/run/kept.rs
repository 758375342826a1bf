//! Services that a run left up, for a person to send requests to and look at, until they are told to end.

use spanwise_scenario::Plan;

use super::instances::Instances;
use super::lane::Lane;

/// Services that a run left up, with the fronts and mocks around them. Dropping it kills them.
pub struct Kept {
    instances: Instances,
}

/// Where one of the things that were left up is reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// What is there, in a few words: a service, the front before it for one caller, the collector of a service.
    pub what: String,
    /// Its URL.
    pub url: String,
}

/// How often a plan starts services: once a setting, and once for each permutation that must run alone.
pub fn starts(plan: &Plan) -> usize {
    Lane::of_plan(plan).len()
}

impl Kept {
    pub(super) fn new(instances: Instances) -> Kept {
        Kept { instances }
    }

    /// Where everything is reached.
    pub fn addresses(&self) -> Vec<Address> {
        self.instances.addresses()
    }

    /// Ends the services as the run would have, and returns when they are gone.
    pub async fn end(self) {
        self.instances.stop().await;
    }
}
