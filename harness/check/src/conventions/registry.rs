//! The registry of labels: the one that `registry.json` holds, and what a suite adds to it.
//!
//! Rules ask it for a label by the key that a span has; requirements of spans are in `required`. To follow a newer version
//! of the conventions, change the file: add what is new, and give what got another name its successor.

use foldhash::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use serde::Deserialize;
use spanwise_model::{Label, LabelState};

use super::required::Requirement;

/// The file, with its texts where it has them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) schema: &'static str,
    pub(super) required: Vec<Requirement>,
    #[serde(borrow)]
    unlisted_namespaces: Vec<&'static str>,
    labels: Vec<Label>,
}

/// What is built in.
pub(super) static FILE: LazyLock<File> = LazyLock::new(|| {
    // A file that cannot be read does not get past the tests.
    serde_json::from_str(include_str!("registry.json")).expect("registry.json is a registry")
});

static BUILT_IN: LazyLock<Arc<Registry>> = LazyLock::new(|| Arc::new(Registry::of(&FILE.labels)));

/// Labels by key, and the namespaces in which there are no others.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    labels: HashMap<String, Label>,
    reserved: HashSet<String>,
}

impl Registry {
    /// The registry of the semantic conventions.
    pub fn built_in() -> &'static Arc<Registry> {
        &BUILT_IN
    }

    /// The same with the labels that a suite adds; of two with one key the suite's counts.
    pub fn with<'l>(added: impl IntoIterator<Item = &'l Label>) -> Registry {
        Registry::of(FILE.labels.iter().chain(added))
    }

    fn of<'l>(labels: impl IntoIterator<Item = &'l Label>) -> Registry {
        let labels: HashMap<String, Label> =
            labels.into_iter().map(|label| (label.key.clone(), label.clone())).collect();
        // A namespace without a current label was given up, and is free for anybody's.
        let current = labels.values().filter(|label| label.state == LabelState::Current);
        let reserved = current.filter_map(|label| namespace(&label.key));
        let reserved = reserved.filter(|name| !FILE.unlisted_namespaces.contains(name));
        Registry { reserved: reserved.map(str::to_owned).collect(), labels }
    }

    /// A label by the key that a span has.
    pub fn find(&self, key: &str) -> Option<&Label> {
        self.labels.get(key).filter(|label| !label.is_template).or_else(|| {
            let prefixes = key.match_indices('.').map(|(dot, _)| &key[..dot]);
            prefixes.filter_map(|prefix| self.labels.get(prefix)).find(|label| label.is_template)
        })
    }

    /// The namespace of a key that lies in one where the registry has every label that there is, and does not have this.
    pub fn unknown_in<'k>(&self, key: &'k str) -> Option<&'k str> {
        let namespace = namespace(key).filter(|name| self.reserved.contains(*name))?;
        self.find(key).is_none().then_some(namespace)
    }
}

/// What stands before the first dot of a key, if it has one.
fn namespace(key: &str) -> Option<&str> {
    key.split_once('.').map(|(namespace, _)| namespace)
}

#[cfg(test)]
mod tests {
    use spanwise_model::{LabelType, SpanKind};

    use super::*;

    #[test]
    fn keys_are_sorted_and_occur_once() {
        for pair in FILE.labels.windows(2) {
            assert!(pair[0].key < pair[1].key, "{} stands before {}", pair[0].key, pair[1].key);
        }
    }

    #[test]
    fn a_successor_is_current() {
        let registry = Registry::built_in();
        for label in &FILE.labels {
            for kind in [SpanKind::Client, SpanKind::Server] {
                for successor in label.successors(kind) {
                    let key = if label.is_template { format!("{successor}.x") } else { successor.clone() };
                    let found = registry.find(&key).map(|label| &label.state);
                    assert_eq!(found, Some(&LabelState::Current), "{successor} in place of {}", label.key);
                }
            }
        }
    }

    #[test]
    fn a_namespace_is_listed_or_not() {
        for label in &FILE.labels {
            let listed = namespace(&label.key).is_some_and(|name| !FILE.unlisted_namespaces.contains(&name));
            assert!(listed, "{}", label.key);
        }
    }

    #[test]
    fn keys_are_found() {
        for (key, expected) in [
            ("http.request.method", Some("http.request.method")),
            ("http.request.header.content-type", Some("http.request.header")),
            ("http.request.header", None),
            ("http.request.method.x", None),
            ("my.label", None),
        ] {
            assert_eq!(Registry::built_in().find(key).map(|label| label.key.as_str()), expected, "{key}");
        }
    }

    #[test]
    fn the_successor_of_a_peer_depends_on_the_side() {
        let peer = Registry::built_in().find("net.peer.name").expect("it is in the file");
        assert_eq!(peer.successors(SpanKind::Client), ["server.address"]);
        assert_eq!(peer.successors(SpanKind::Server), ["client.address"]);
    }

    #[test]
    fn a_suite_reserves_namespaces_of_its_own_alone() {
        let label = |key: &str, is_template| Label {
            key: key.to_owned(),
            value: LabelType::Str,
            is_template,
            state: LabelState::Current,
        };
        let added = [label("shop.order", false), label("shop.header", true), label("db.shard", false)];
        let registry = Registry::with(&added);
        for (key, expected) in [
            ("shop.order", None),
            ("shop.oder", Some("shop")),
            ("shop.header.x", None),
            ("shop", None),
            ("http.metod", Some("http")),
            // The conventions have more labels here than any registry at hand.
            ("db.system.name", None),
            ("other.label", None),
        ] {
            assert_eq!(registry.unknown_in(key), expected, "{key}");
        }
    }
}
