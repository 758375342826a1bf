//! The trace notation: one small text language that describes an [`Observation`](crate::Observation).
//!
//! Rule pages, fixtures, snapshots and the terminal speak it. [`parse`] reads it, [`print`](fn@print) writes it, and
//! what is printed of an observation in normal form (`spanwise-normalize`) is read back as the same observation.
//!
//! # Trees
//!
//! ```text
//! driver CLIENT "POST /greet" 503
//!   api-service SERVER "POST /greet" 503 status=ERROR error.type="503"
//!     api-service CLIENT "backend_service.v1.BackendService/Greet" UNAVAILABLE status=ERROR error.type="UNAVAILABLE"
//! backend-service SERVER "backend_service.v1.BackendService/Greet" UNAVAILABLE status=ERROR parent=?P1
//! wire:
//!   api-service -> backend-service h2c x-cloud-trace-context: T1/P1;o=1
//! ```
//!
//! A line is a span: the service that exported it (`api-service#2` for its second instance), the kind, the name in quotes,
//! the status code of the protocol, then what else there is to say. **Indentation is parentage.** Here the backend's span
//! has a parent that never arrived, `?P1`; the tap of the wire shows who was told to be `P1`.
//!
//! What follows from a line is not written on it: an HTTP SERVER span `"POST /greet" 503` has `http.request.method="POST"`,
//! `http.route="/greet"`, `url.path="/greet"` (if the route has no placeholder), `url.scheme="http"` and
//! `http.response.status_code=503`; an HTTP CLIENT span the method, `server.address=<host>`, `server.port=<port>` and
//! `url.full=<url>`; a gRPC span `rpc.system.name="grpc"`, `rpc.method` (its name) and `rpc.response.status_code` (its
//! code), as CLIENT also `server.address=<host>` and `server.port=<port>`. The file `implied.rs` is the table.
//! Another value is written as a label, and `!url.path` says that the label is not there. A process has the resource
//! attribute `service.name` (the name in front); `!service.name` says it has not, `service.name="x"` that it is another.
//!
//! Values are typed: `"5"`, `5`, `5.0`, `true`, `0x05`, `["a", 1]`, `{"k": 1}`; `<port>` stands for a value that was
//! scrubbed, and for any value of the right type.
//!
//! Long lines go on below, behind a `|`; so do events, links and malformed ids:
//!
//! ```text
//! api-service SERVER "GET /greet-many/{name}" 200 status=ERROR "stream broken"
//!   | url.path="/greet-many/Ada" error.type="_OTHER"
//!   | event "exception" exception.type="panic" exception.message="boom"
//!   | link T1/P1 reason="retry"
//!   | malformed parent unreadable "xyz"
//! ```
//!
//! # Fields of a span
//!
//! | field | meaning |
//! |---|---|
//! | `503`, `UNAVAILABLE` | `http.response.status_code`, `rpc.response.status_code` |
//! | `status=ERROR "text"` | span status with description; `OK`, `UNSET` (the default) |
//! | `rpc-code=2` | the status code as exported in Cloud Trace v2 |
//! | `id=S1` | a name for others to refer to; two lines with one name have one span id; `id=zero` |
//! | `trace=T2` | on a line without indentation: another trace than the first, `T1`; `trace=zero` |
//! | `parent=?P1` | a parent that never arrived; `P1` is the same span wherever it is named |
//! | `announced=P1` | its parent is `P1`, which the platform's front end announced in place of the span above and kept to itself |
//! | `parent=S1` | a parent in another trace, or below the span itself (a cycle); `parent=zero`: sixteen zeros |
//! | `remote=false` | what the exporter says of its parent, where it is not what the tree shows; `unknown`: nothing |
//! | `time=reversed` | ends before it starts; `zero`, `no-start`, `no-end`, `outside-run` (needs `timed` in settings) |
//! | `starts-before-parent`, `ends-after-parent` | in one instance; by default children lie inside parents |
//! | `ends-before-stream` | ended well before the last data frame but one passed the tap (which needs `frames=2` or more) |
//! | `copy` | a span that was exported again: the same as the first one with its id, times included |
//! | `during=S1` | a root that lies, in time, inside a span of another tree (captures: suspected splits) |
//! | `via=cloud-trace-grpc` | the protocol that carried it; then `service.name` is a label of the span |
//! | `export=2` | the export request that carried it; by default the first of its service; `none` |
//! | `source=none` | not known who sent it; the name in front is its `service.name`, or `?` |
//! | `resource=R1` | a resource of its own, described in `resource:` |
//! | `scope="x"`, `scope.version=`, `scope.schema=` | the instrumentation scope |
//! | `tracestate="a=1"` | W3C tracestate of the span |
//! | `dropped-attributes=1`, `dropped-events=`, `dropped-links=` | what the exporter says it dropped |
//!
//! A label with such a name stands in quotes: `"status"="x"`. A span attribute `service.name` beside a resource does too.
//!
//! # Requests
//!
//! A line of `driver` is also the request it sent, with its code as the result, to the service of the line below it (that of
//! `front-end` aside), with a sampled context that names itself. Else: `unsampled`, `no-context`, `context=T1/P1;o=1`,
//! `to=api-service`, `marker="ada"`, `result=200-broken`, `result="connection refused"`, `result=exit-1`, `expected=200`,
//! `differs="the header a" "expected" "actual"`, `step="order"`, `no-request`. A request whose span is not there stands in the block
//! `requests:` as `T1/P1 to=api-service result=200`.
//!
//! # Blocks
//!
//! Evidence of a kind counts as recorded if its block is there, even if it is empty; spans and resources always do.
//!
//! ```text
//! driver CLIENT "POST /greet" 503 id=S1
//!   api-service SERVER "POST /greet" 503 status=ERROR
//!     api-service CLIENT "backend_service.v1.BackendService/Greet" UNAVAILABLE status=ERROR id=S2 resource=R1
//! wire:
//!   driver -> api-service http/1.1 x-cloud-trace-context: T1/S1;o=1
//!   api-service -> backend-service h2c UNAVAILABLE traceparent: T1-S2-01 tracestate: a=1 frames=3 reset=8
//!   ? -> api-service https/1.1 "GET /x?y=1" 404 authority="api.example:443" x-cloud-trace-context: "{T1}/{S1};o=1"
//!     | response content-type: text/plain trailers grpc-message: "no%20luck"
//! resource:
//!   api-service scope="tower" telemetry.sdk.language="rust" !service.name
//!   R1 service.name="other"
//! logs:
//!   api-service: {"severity":"INFO","logging.googleapis.com/trace":"projects/p/traces/{T1}"}
//!   api-service stderr: thread 'main' panicked
//! export:
//!   api-service otlp-grpc project="p" would-be-refused INVALID_ARGUMENT "too large" bytes=20000000 authorization: "<bearer>"
//!   api-service cloud-trace-grpc refused UNAVAILABLE spans=3 carries=T1/S2,T1/P1 google
//! process:
//!   api-service spawned
//!   api-service listening 0.0.0.0:8080
//!   api-service exited 1
//! settings:
//!   project="demo-project" sampling=parent-based platform=cloud-run deadline-passed timed
//!   limits=v2-proto required-label="user.id" varying-label="order.*" external-host="api.example"
//!   axis channel-in="secure"
//!   service api-service http propagation=gcp_trace,tracecontext baggage flushes-on-sigterm declares-route untraced="/healthz"
//!   service backend-service grpc private audience="https://backend.example"
//!   service payments http external
//!   front-end sampling=off spans=stored context=google region="europe-west1" not-allowed=401 not-valid=401
//! expected:
//!   api-service SERVER "POST /greet" status=UNSET http.route="/greet" user.id="*" !error.type
//!     * CLIENT "backend_service.v1.BackendService/*"
//! defects:
//!   field api-service export=1 at=T1/S1 place="spans[0].kind" "99 is no span kind"
//! ```
//!
//! **wire** FROM `->` TO, the transport (`http/1.1`, `h2c`, `https/1.1`, `h2`), then the request headers. Method, path, status
//! and gRPC status follow from the SERVER span with the header's span as parent, else from the CLIENT span named there, else
//! from the first SERVER span of the service; an exchange whose header names no span here begins right after the one above
//! it, and before everything where there is none. A gRPC exchange has `content-type: application/grpc` and the trailer
//! `grpc-status`. Else: `"GET /x"`, `404`, `UNAVAILABLE`, `status=200` (beside a gRPC code), `no-answer`, `by-front`,
//! `trailers-only`, `without-trailers`, `reset`, `reset=8`, `canceled`, `open`, `frames=3`, `authority="…"`,
//! `!content-type`, `!grpc-status`. Headers behind `response` and `trailers` are those of the answer.
//!
//! `announced=T1/P1;o=1` is the context that the platform's front end gave the service in place of the caller's. Where the front
//! end's own span is stored, it stands between the two, as a line of `front-end`; where it is not, the service's span hangs below
//! the caller's and says whose child it is:
//!
//! ```text
//! driver CLIENT "POST /greet" 200 id=S1
//!   front-end SERVER "POST /greet" 200 id=S2
//!     api-service SERVER "POST /greet" 200
//!       api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
//!         backend-service SERVER "backend_service.v1.BackendService/Greet" OK announced=P1
//! wire:
//!   driver -> api-service http/1.1 announced=T1/S2;o=1 traceparent: T1-S1-01
//!   api-service -> backend-service h2 announced=T1/P1;o=1 traceparent: T1-S3-01
//! ```
//!
//! Lines of `front-end`, as those of `driver`, have their code and no other label.
//!
//! **export**: `carries=T1/S2,T1/P1` are the spans of a refused request, `google` says that the endpoint stands for Google's.
//!
//! **process**: `spawned`, `ready`, `listening ADDRESS` (`other-port`: not that of `PORT`), `frozen`, `thawed`, `terminated`,
//! `killed`, `exited`, `exited 1`, `exited signal 9`.
//!
//! **Ids in texts**: in header values and log lines `{T1}` and `{S1}` (or `{P1}`) are ids in hexadecimal digits, `{S1:d}`
//! in decimal, `{T1:X}` and `{S1:X}` in upper case. `T1/S1;o=1` and `T1-S1-01` are short for right values of
//! `x-cloud-trace-context` and `traceparent`. `\{` is a brace. Text without quotes stands as it is, up to the end of a log
//! line, up to the next space in a header.
//!
//! **settings** may also say `capture` (no span but the driver's has a known source), `no-spans`, `no-resource`.
//!
//! **expected**: trees of spans that each request must have, of which only a part is said: `*` for service or kind leaves it
//! open, in texts it stands for any characters, and `{{user}}` for the marker of the request. Labels have their written
//! values, `!key` must not be there, and what is not written is not checked. `step="order"` on a topmost line: the request of that
//! step has it, and not each.
//!
//! `--- permutation NAME` begins another observation ([`parse_all`]). Lines that begin with `#` are comments.
//!
//! # Grammar
//!
//! ```text
//! text        = [ observation ] { "--- permutation " NAME observation }
//! observation = { span } { block }
//! span        = indent source KIND quoted { item } { indent "|" ( event | link | malformed | { item } ) }
//! indent      = { " " } | "[" DEPTH "]"                 (beyond 32 levels the depth stands in brackets)
//! source      = ( NAME | quoted ) [ "#" NUMBER ] | "?"
//! item        = CODE | WORD | FIELD "=" word | label | "!" key
//! label       = key "=" value
//! key         = NAME | quoted
//! event       = "event" quoted { label }
//! link        = "link" trace "/" name { label }
//! malformed   = "malformed" ( "trace" | "span" | "parent" | "link" | "resource-name" )
//!               ( "unreadable" | "zero" | "upper-case" | "disagrees" | "base64" ) quoted
//! trace       = "T" NUMBER | "zero"
//! name        = "S" NUMBER | [ "?" ] "P" NUMBER | "zero"
//! value       = quoted | INTEGER | DOUBLE | "true" | "false" | "0x" HEX | "<" NAME ">"
//!             | "[" [ value { "," value } ] "]" | "{" [ quoted ":" value { "," quoted ":" value } ] "}"
//! quoted      = '"' characters with \" \\ \n \r \t \u{HEX} '"'
//! block       = BLOCK ":" { indented line }
//! ```
//!
//! Ids and times are not written. Reading gives every trace and span the id of its number ([`canonical_ids`]), and times of
//! one tick a millisecond in which children lie inside parents and siblings follow one another, except where a line says
//! otherwise ([`lay_out`]). Requests follow one another, a tree whose parent never arrived lies in the first of its trace, and
//! log lines fall into the first exchange of their service, else into the first request.

mod announced;
mod diff;
mod error;
mod forest;
mod front_end;
mod hop;
mod ids;
mod implied;
mod layout;
mod line;
mod parse;
mod print;
mod stamps;
mod text;
mod times;
mod value;

pub use self::announced::Announced;
pub use self::diff::{Difference, diff};
pub use self::error::NotationError;
pub use self::forest::Forest;
pub use self::ids::canonical_ids;
pub use self::implied::{Code, code_of, implied_remote};
pub use self::layout::lay_out;
pub use self::parse::{parse, parse_all};
pub use self::print::{print, print_all, print_expected_span, print_trace};
pub use self::times::{Relation, relations};
pub use self::value::print_value;

#[cfg(test)]
mod tests;
