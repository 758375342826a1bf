//! The registry's labels behind the keys of all spans and resources, looked up once for all rules.
//!
//! Built by [`super::Index::with_registry`]; rules read it by [`super::Node::labels`].

use foldhash::{HashMap, HashMapExt};
use spanwise_model::{Label, Resource, Span, Value};

use crate::conventions::Registry;

/// The labels of spans, in the order of their attributes; positions of spans are those of `Observation::spans`.
pub(super) struct Labels<'a> {
    labels: Vec<Option<&'a Label>>,
    /// By span, where its own labels begin and where those of its resource do.
    places: Vec<(usize, usize)>,
}

impl<'a> Labels<'a> {
    pub(super) fn new(spans: &[Span], registry: &'a Registry) -> Labels<'a> {
        let mut labels = Vec::new();
        let find = |(key, _): &(String, Value)| registry.find(key);
        let mut resources: HashMap<*const Resource, usize> = HashMap::new();
        let places = spans.iter().map(|span| {
            let of_resource = *resources.entry(&*span.resource).or_insert_with(|| {
                let begun = labels.len();
                labels.extend(span.resource.attributes.iter().map(find));
                begun
            });
            let begun = labels.len();
            labels.extend(span.attributes.iter().map(find));
            (begun, of_resource)
        });
        let places = places.collect();
        Labels { labels, places }
    }

    /// Key, value and label, of a span's own attributes, then of its resource's.
    pub(super) fn of<'l>(
        &'l self,
        at: usize,
        span: &'l Span,
    ) -> impl Iterator<Item = (&'l str, &'l Value, Option<&'a Label>)> {
        let (own, of_resource) = self.places[at];
        let own = span.attributes.iter().zip(&self.labels[own..]);
        let of_resource = span.resource.attributes.iter().zip(&self.labels[of_resource..]);
        own.chain(of_resource).map(|((key, value), label)| (key.as_str(), value, *label))
    }
}
