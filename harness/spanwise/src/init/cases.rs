//! The cases of a first suite: a request to each service that nobody here calls, and to each that speaks gRPC.

use std::fmt::Write;

use spanwise_model::ServiceProtocol;

use super::guess::{Guess, Route};
use super::proto::Call;
use super::write::{callee, mapping, scalar};

/// Writes a case for every service that can be asked.
pub(super) fn cases(text: &mut String, guesses: &[Guess], calls: &[Call]) {
    text.push_str("\ncases:\n");
    let is_called = |guess: &Guess| {
        guesses.iter().any(|other| {
            other
                .links
                .iter()
                .any(|link| callee(link, other, guesses).is_some_and(|one| one.name == guess.name))
        })
    };
    let asked = |protocol| guesses.iter().filter(move |guess| guess.protocol == protocol);
    // What is called is asked through its callers, unless it can be asked by gRPC as well.
    let http: Vec<&Guess> = asked(ServiceProtocol::Http).filter(|guess| !is_called(guess)).collect();
    for guess in http {
        let name = format!("ask-{}", guess.name);
        match &guess.route {
            Some(route) => {
                let _ = writeln!(text, "  {name}:     # a route of {}", route.file);
                let body = if route.method == "get" || route.method == "delete" { "" } else { ", json: {}" };
                let _ = writeln!(
                    text,
                    "    http: {{ to: {}, {}: {}{body} }}",
                    scalar(&guess.name),
                    route.method,
                    scalar(&route.path)
                );
                let expect = "expect: { http: 200 }";
                let _ = match in_the_way(route) {
                    None => writeln!(text, "    {expect}"),
                    Some(why) => writeln!(text, "    # {expect}     # {why}"),
                };
            }
            None => {
                let _ = writeln!(text, "  {name}:     # no route was found: write one");
                let _ = writeln!(
                    text,
                    "    http: {{ to: {}, get: / }}\n    # expect: {{ http: 200 }}",
                    scalar(&guess.name)
                );
            }
        }
    }
    for guess in asked(ServiceProtocol::Grpc) {
        let name = format!("ask-{}", guess.name);
        match call_of(guess, calls) {
            Some(Call { method, message, file, .. }) => {
                let _ = writeln!(text, "  {name}:     # a method of {file}");
                let _ = writeln!(
                    text,
                    "    grpc: {{ to: {}, call: {method}, message: {} }}\n    # expect: {{ grpc: OK }}     # once the message is one that it takes",
                    scalar(&guess.name),
                    mapping(message)
                );
            }
            None => {
                let _ = writeln!(
                    text,
                    "  {name}:     # which .proto file is meant is not known: write a method of its own"
                );
                let _ = writeln!(
                    text,
                    "    grpc: {{ to: {}, call: grpc.health.v1.Health/Check, message: {{}} }}",
                    scalar(&guess.name)
                );
            }
        }
    }
    if guesses.is_empty() {
        text.push_str("  first:\n    http: { to: my-service, get: / }\n    expect: { http: 200 }\n");
    }
}

/// What can be called of a gRPC service. Whatever the language, what serves it names it: GreeterServicer, RegisterGreeterServer,
/// GreeterImplBase, GreeterServer.
pub(super) fn call_of<'c>(guess: &Guess, calls: &'c [Call]) -> Option<&'c Call> {
    let names = |call: &Call, end: &str| guess.text.contains(&format!("{}{end}", call.service()));
    let is_its = |call: &&Call| ["Serv", "Impl", ".service"].iter().any(|end| names(call, end));
    calls.iter().filter(|_| guess.protocol == ServiceProtocol::Grpc).find(is_its)
}

/// Why nobody knows yet that a request to a route will get 200.
fn in_the_way(route: &Route) -> Option<&'static str> {
    if route.may_have_prefix {
        Some("once the path is whole: somewhere in the sources a prefix is set")
    } else if route.has_parameters {
        Some("once the path names something that there is")
    } else if route.method != "get" {
        Some("once the body is one that it takes")
    } else {
        None
    }
}
