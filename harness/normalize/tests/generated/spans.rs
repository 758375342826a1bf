//! Spans of every shape.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use spanwise_model::{
    Event, IdField, IdProblem, Link, MalformedId, Resource, Scope, Span, Status, StatusCode,
};

use super::words::{attributes, kind, protocol, source, span_id, text, time, trace_id};

pub(super) fn span() -> impl Strategy<Value = Span> {
    let names = vec!["POST /greet", "GET /x/{id}", "POST", "a.B/C", "work", "", "odd \"name\"", "a/b/c"];
    let ids = (trace_id(), span_id(), of(span_id()), of(any::<bool>()));
    let what = (kind(), select(names).prop_map(str::to_owned), time(), time(), status());
    let more = (attributes(), vec(event(), 0..2), vec(link(), 0..2), vec(malformed(), 0..2));
    let scope = (select(vec!["", "tower"]), select(vec!["", "1.0"]), select(vec!["", "https://x/1.42.0"]));
    let origin = (attributes(), scope, of(source()), of(protocol()), of(0..3usize));
    let rest = (select(vec!["", "a=1"]), 0..2u32, 0..2u32, 0..2u32);
    (ids, what, more, origin, rest).prop_map(|(ids, what, more, origin, rest)| Span {
        trace_id: ids.0,
        span_id: ids.1,
        parent_span_id: ids.2,
        parent_is_remote: ids.3,
        kind: what.0,
        name: what.1,
        start: what.2,
        end: what.3,
        status: what.4,
        attributes: more.0,
        events: more.1,
        links: more.2,
        malformed_ids: more.3,
        resource: Arc::new(Resource { attributes: origin.0 }),
        scope: Arc::new(Scope {
            name: origin.1.0.to_owned(),
            version: origin.1.1.to_owned(),
            schema_url: origin.1.2.to_owned(),
        }),
        source: origin.2,
        protocol: origin.3,
        export: origin.4,
        trace_state: rest.0.to_owned(),
        dropped_attributes: rest.1,
        dropped_events: rest.2,
        dropped_links: rest.3,
    })
}

pub(super) fn status() -> impl Strategy<Value = Status> {
    (select(vec![StatusCode::Unset, StatusCode::Ok, StatusCode::Error]), text(), of(0..17i32))
        .prop_map(|(code, message, rpc_code)| Status { code, message, rpc_code })
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    (text(), time(), attributes()).prop_map(|(name, time, attributes)| Event { name, time, attributes })
}

pub(super) fn link() -> impl Strategy<Value = Link> {
    (trace_id(), span_id(), attributes()).prop_map(|(trace_id, span_id, attributes)| Link {
        trace_id,
        span_id,
        attributes,
    })
}

pub(super) fn malformed() -> impl Strategy<Value = MalformedId> {
    let fields = vec![IdField::Trace, IdField::Span, IdField::Parent, IdField::Link, IdField::ResourceName];
    let problems = vec![IdProblem::Unreadable, IdProblem::Zero, IdProblem::UpperCase, IdProblem::Base64];
    (select(fields), text(), select(problems)).prop_map(|(field, text, problem)| MalformedId {
        field,
        text,
        problem,
    })
}
