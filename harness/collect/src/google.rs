//! What Google's endpoints would refuse, in their own words where these are known.

use spanwise_decode::walk::ScopePlace;
use spanwise_decode::{Message, Walk, decode_carrier};
use spanwise_model::{GrpcCode, Protocol, Refusal};

use crate::intake::refusal;

/// The largest message after decompression.
const LARGEST: usize = 16 << 20;

/// The resource attribute that names the project in the Telemetry API.
const PROJECT: &str = "gcp.project_id";

/// Why Google would refuse a payload, if it would.
pub(crate) fn refusal_of(
    protocol: Protocol,
    message: Message,
    payload: &[u8],
    walk: &Walk,
) -> Option<Refusal> {
    if payload.len() > LARGEST {
        let text = format!("grpc: received message after decompression larger than max {LARGEST}");
        return Some(refusal(GrpcCode::ResourceExhausted, &text));
    }
    let problem = match (protocol.is_cloud_trace(), message) {
        (true, _) if walk.project.is_some() => return None,
        (true, Message::Batch) => "the name of a batch must be projects/[PROJECT_ID]".to_owned(),
        (true, Message::Span) => {
            "the name of a span must be projects/[PROJECT_ID]/traces/[TRACE_ID]/spans/[SPAN_ID]".to_owned()
        }
        (false, _) => {
            let without = walk.scopes.iter().find(|scope| !names_project(protocol, payload, scope))?;
            format!("resource_spans[{}].resource has no attribute {PROJECT}", without.resource_index)
        }
    };
    Some(refusal(GrpcCode::InvalidArgument, &problem))
}

fn names_project(protocol: Protocol, payload: &[u8], scope: &ScopePlace) -> bool {
    let resource = ScopePlace { resource: scope.resource.clone(), ..ScopePlace::default() };
    let (carrier, _) = decode_carrier(protocol, payload, &resource);
    carrier.resource.attribute(PROJECT).is_some()
}
