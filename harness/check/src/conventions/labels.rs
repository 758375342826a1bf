//! The registry of labels, as far as spans of HTTP and gRPC services carry them: key, type, and what took its place.
//!
//! Sorted by key. To follow a newer version of the conventions, add what is new, and give what got another name its
//! successor. Source: the attribute registry of the OpenTelemetry semantic conventions,
//! <https://opentelemetry.io/docs/specs/semconv/registry/attributes/>.

use super::Type::{Bool, Int, Str, StrArray};
use super::{Label, State, Type};

/// Every label, in the order of the keys.
pub static LABELS: &[Label] = &[
    current("client.address", Str),
    current("client.port", Int),
    renamed("code.column", Int, "code.column.number"),
    current("code.column.number", Int),
    current("code.file.path", Str),
    renamed("code.filepath", Str, "code.file.path"),
    replaced("code.function", Str, &["code.function.name"]),
    current("code.function.name", Str),
    current("code.line.number", Int),
    renamed("code.lineno", Int, "code.line.number"),
    replaced("code.namespace", Str, &["code.function.name"]),
    current("code.stacktrace", Str),
    current("enduser.id", Str),
    current("enduser.pseudo.id", Str),
    replaced("enduser.role", Str, &["user.roles"]),
    removed("enduser.scope", Str),
    removed("error.message", Str),
    current("error.type", Str),
    removed("exception.escaped", Bool),
    current("exception.message", Str),
    current("exception.stacktrace", Str),
    current("exception.type", Str),
    renamed("http.client_ip", Str, "client.address"),
    current("http.connection.state", Str),
    replaced("http.flavor", Str, &["network.protocol.version", "network.protocol.name"]),
    replaced("http.host", Str, &["server.address"]),
    renamed("http.method", Str, "http.request.method"),
    current("http.request.body.size", Int),
    template("http.request.header"),
    current("http.request.method", Str),
    current("http.request.method_original", Str),
    current("http.request.resend_count", Int),
    current("http.request.size", Int),
    replaced("http.request_content_length", Int, &["http.request.header.content-length"]),
    renamed("http.request_content_length_uncompressed", Int, "http.request.body.size"),
    current("http.response.body.size", Int),
    template("http.response.header"),
    current("http.response.size", Int),
    current("http.response.status_code", Int),
    replaced("http.response_content_length", Int, &["http.response.header.content-length"]),
    renamed("http.response_content_length_uncompressed", Int, "http.response.body.size"),
    current("http.route", Str),
    renamed("http.scheme", Str, "url.scheme"),
    renamed("http.server_name", Str, "server.address"),
    renamed("http.status_code", Int, "http.response.status_code"),
    replaced("http.target", Str, &["url.path", "url.query"]),
    renamed("http.url", Str, "url.full"),
    renamed("http.user_agent", Str, "user_agent.original"),
    current("jsonrpc.protocol.version", Str),
    current("jsonrpc.request.id", Str),
    removed("message.compressed_size", Int),
    removed("message.id", Int),
    removed("message.type", Str),
    removed("message.uncompressed_size", Int),
    renamed("net.host.ip", Str, "network.local.address"),
    renamed("net.host.name", Str, "server.address"),
    renamed("net.host.port", Int, "server.port"),
    renamed("net.peer.ip", Str, "network.peer.address"),
    by_side("net.peer.name", Str, "server.address", "client.address"),
    by_side("net.peer.port", Int, "server.port", "client.port"),
    renamed("net.protocol.name", Str, "network.protocol.name"),
    renamed("net.protocol.version", Str, "network.protocol.version"),
    replaced("net.sock.family", Str, &["network.transport", "network.type"]),
    renamed("net.sock.host.addr", Str, "network.local.address"),
    renamed("net.sock.host.port", Int, "network.local.port"),
    renamed("net.sock.peer.addr", Str, "network.peer.address"),
    removed("net.sock.peer.name", Str),
    renamed("net.sock.peer.port", Int, "network.peer.port"),
    renamed("net.transport", Str, "network.transport"),
    current("network.carrier.icc", Str),
    current("network.carrier.mcc", Str),
    current("network.carrier.mnc", Str),
    current("network.carrier.name", Str),
    current("network.connection.state", Str),
    current("network.connection.subtype", Str),
    current("network.connection.type", Str),
    current("network.interface.name", Str),
    current("network.io.direction", Str),
    current("network.local.address", Str),
    current("network.local.port", Int),
    current("network.peer.address", Str),
    current("network.peer.port", Int),
    current("network.protocol.name", Str),
    current("network.protocol.version", Str),
    current("network.transport", Str),
    current("network.type", Str),
    current("otel.component.name", Str),
    current("otel.component.type", Str),
    current("otel.event.name", Str),
    renamed("otel.library.name", Str, "otel.scope.name"),
    renamed("otel.library.version", Str, "otel.scope.version"),
    current("otel.scope.name", Str),
    current("otel.scope.schema_url", Str),
    current("otel.scope.version", Str),
    current("otel.span.parent.origin", Str),
    current("otel.span.sampling_result", Str),
    current("otel.status_code", Str),
    current("otel.status_description", Str),
    renamed("peer.service", Str, "service.peer.name"),
    renamed("rpc.connect_rpc.error_code", Str, "rpc.response.status_code"),
    renamed_template("rpc.connect_rpc.request.metadata", "rpc.request.metadata"),
    renamed_template("rpc.connect_rpc.response.metadata", "rpc.response.metadata"),
    renamed_template("rpc.grpc.request.metadata", "rpc.request.metadata"),
    renamed_template("rpc.grpc.response.metadata", "rpc.response.metadata"),
    replaced("rpc.grpc.status_code", Int, &["rpc.response.status_code"]),
    replaced("rpc.jsonrpc.error_code", Int, &["rpc.response.status_code"]),
    removed("rpc.jsonrpc.error_message", Str),
    renamed("rpc.jsonrpc.request_id", Str, "jsonrpc.request.id"),
    renamed("rpc.jsonrpc.version", Str, "jsonrpc.protocol.version"),
    removed("rpc.message.compressed_size", Int),
    removed("rpc.message.id", Int),
    removed("rpc.message.type", Str),
    removed("rpc.message.uncompressed_size", Int),
    current("rpc.method", Str),
    current("rpc.method_original", Str),
    template("rpc.request.metadata"),
    template("rpc.response.metadata"),
    current("rpc.response.status_code", Str),
    replaced("rpc.service", Str, &["rpc.method"]),
    // Not in 1.42: the name that the conventions take on next. It is accepted, so that nobody is told to go back.
    current("rpc.status_code", Str),
    renamed("rpc.system", Str, "rpc.system.name"),
    current("rpc.system.name", Str),
    current("server.address", Str),
    current("server.port", Int),
    current("service.criticality", Str),
    current("service.instance.id", Str),
    current("service.name", Str),
    current("service.namespace", Str),
    current("service.peer.name", Str),
    current("service.peer.namespace", Str),
    current("service.version", Str),
    current("telemetry.distro.name", Str),
    current("telemetry.distro.version", Str),
    current("telemetry.sdk.language", Str),
    current("telemetry.sdk.name", Str),
    current("telemetry.sdk.version", Str),
    current("url.domain", Str),
    current("url.extension", Str),
    current("url.fragment", Str),
    current("url.full", Str),
    current("url.original", Str),
    current("url.path", Str),
    current("url.port", Int),
    current("url.query", Str),
    current("url.registered_domain", Str),
    current("url.scheme", Str),
    current("url.subdomain", Str),
    current("url.template", Str),
    current("url.top_level_domain", Str),
    current("user.email", Str),
    current("user.full_name", Str),
    current("user.hash", Str),
    current("user.id", Str),
    current("user.name", Str),
    current("user.roles", StrArray),
    current("user_agent.name", Str),
    current("user_agent.original", Str),
    current("user_agent.os.name", Str),
    current("user_agent.os.version", Str),
    current("user_agent.synthetic.type", Str),
    current("user_agent.version", Str),
];

const fn label(key: &'static str, value: Type, is_template: bool, state: State) -> Label {
    Label { key, value, is_template, state }
}

const fn current(key: &'static str, value: Type) -> Label {
    label(key, value, false, State::Current)
}

/// Keys that go on with a name of the user's, such as that of a header.
const fn template(key: &'static str) -> Label {
    label(key, StrArray, true, State::Current)
}

const fn renamed(key: &'static str, value: Type, to: &'static str) -> Label {
    label(key, value, false, State::Renamed(to))
}

const fn renamed_template(key: &'static str, to: &'static str) -> Label {
    label(key, StrArray, true, State::Renamed(to))
}

const fn replaced(key: &'static str, value: Type, by: &'static [&'static str]) -> Label {
    label(key, value, false, State::Replaced(by))
}

const fn by_side(key: &'static str, value: Type, client: &'static str, server: &'static str) -> Label {
    label(key, value, false, State::BySide { client, server })
}

const fn removed(key: &'static str, value: Type) -> Label {
    label(key, value, false, State::Removed)
}
