//! Trace context or baggage was sent to a host that is somebody else's.

use spanwise_model::{Evidence, Level};

use crate::semconv;
use crate::{Check, Family, Findings, Hop, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "context-sent-to-third-party",
    family: Family::Propagation,
    level: Level::Warning,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Wire],
    explains: &[],
    explanation: r#"
## What it checks

Calls to a service that the suite declares `external`, or to a host that it lists under `external-hosts`, carry no trace context
and no baggage.

## Why it matters

Baggage holds what was put there for the own services: users, tenants, prices. A trace id lets a stranger join what belongs
together, and one who takes up the context decides, by its sampled flag, what your backend stores.

## Bad

```trace
driver CLIENT "POST /pay" 200 id=S1
  api-service SERVER "POST /pay" 200
    api-service CLIENT "POST" 200 id=S3
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> payments http/1.1 "POST /charge" 200 traceparent: T1-S3-01 baggage: "user.id=ada"
settings:
  service payments http external
```

## Good

```trace
driver CLIENT "POST /pay" 200 id=S1
  api-service SERVER "POST /pay" 200
    api-service CLIENT "POST" 200
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> payments http/1.1 "POST /charge" 200
settings:
  service payments http external
```

## How to fix

- Rust: use a client without the propagating layer for calls that leave your own systems.
- Python: name the hosts in `OTEL_PYTHON_REQUESTS_EXCLUDED_URLS`, or call `set_global_textmap` with a propagator that looks at the
  target.
- Go: wrap the transport with `otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator())` for these calls.
- Node: the HTTP instrumentation has no list of hosts to propagate to; make the call within `suppressTracing(context.active())`.
- Java: build a client without `OpenTelemetry` propagators for these hosts, or drop the headers in an interceptor.

## References

- W3C Baggage, section "Security Considerations": <https://www.w3.org/TR/baggage/#security-considerations>
- W3C Trace Context, section "Privacy Considerations": <https://www.w3.org/TR/trace-context/#privacy-considerations>
"#,
    check: Check::One(check),
};

/// Headers that carry context or baggage, of every format that clients are known to send.
const HEADERS: [&str; 8] = [
    "traceparent",
    "tracestate",
    "x-cloud-trace-context",
    "grpc-trace-bin",
    "b3",
    "x-b3-traceid",
    "uber-trace-id",
    "baggage",
];

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for hop in index.inner_hops().filter(|hop| is_external(index, *hop)) {
        findings.looked();
        let sent: Vec<&str> =
            HEADERS.into_iter().filter(|name| hop.tap().request_header(name).is_some()).collect();
        if !sent.is_empty() {
            let headers = sent.join(", ");
            let from = hop.from().unwrap_or("an unknown caller");
            let message = format!("{from} sent {headers} to {}, which is not the suite's own.", hop.to());
            findings
                .on_hop(hop, message)
                .expected("no trace context and no baggage")
                .actual(&headers)
                .fact("header", headers);
        }
    }
}

/// By what the suite says of the called service, of the host the call names, or of the host its span names.
fn is_external(index: &Index<'_>, hop: Hop<'_>) -> bool {
    let hosts = &index.observation.settings.external_hosts;
    let is_listed = |host: &str| hosts.iter().any(|listed| host.eq_ignore_ascii_case(listed));
    let called = || hop.sender().and_then(|sender| semconv::text(sender.span(), semconv::SERVER_ADDRESS));
    hop.callee().is_some_and(|callee| callee.external)
        || is_listed(without_port(&hop.tap().authority))
        || called().is_some_and(is_listed)
}

/// The host of an authority: `api.example:443` is `api.example`, `[::1]:80` is `[::1]`.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use spanwise_model::notation;

    use crate::{Engine, Profile};

    #[track_caller]
    fn check(hop: &str, settings: &str, expected: &[&str]) {
        let text = format!(
            "driver CLIENT \"GET /\" 200 id=S1\n  api SERVER \"GET /\" 200\n    api CLIENT \"GET\" 200 id=S3 server.address=\"Pay.example\"\n\
             wire:\n  driver -> api http/1.1 traceparent: T1-S1-01\n  api -> pay http/1.1 \"GET /x\" 200 {hop}\n\
             settings:\n  {settings}"
        );
        let observation = notation::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let findings = Engine::new(Profile::Strict).check(&observation).findings;
        let found = findings.iter().filter(|finding| finding.rule == "context-sent-to-third-party");
        let headers: Vec<String> = found.map(|finding| finding.facts["header"].to_string()).collect();
        assert_eq!(headers, expected, "{text}");
    }

    #[test]
    fn third_parties() {
        let (context, external) = ("traceparent: T1-S3-01", "service pay http external");
        check(context, external, &["traceparent"]);
        check(&format!("{context} baggage: \"a=b\""), external, &["traceparent, baggage"]);
        check("baggage: \"a=b\"", external, &["baggage"]);
        check("accept: \"*/*\"", external, &[]);
        check(context, "service pay http", &[]);
        // By the host that the call names, or the one that its span names.
        check(
            &format!("authority=\"pay.example:443\" {context}"),
            "external-host=\"pay.example\"",
            &["traceparent"],
        );
        check(context, "external-host=\"pay.example\"", &["traceparent"]);
        check(context, "external-host=\"example\"", &[]);
    }

    #[test]
    fn nothing_is_expected_of_a_third_party() {
        let text = "driver CLIENT \"GET /\" 200 id=S1\n  api SERVER \"GET /\" 200\n    api CLIENT \"GET\" 200\n\
                    wire:\n  driver -> api http/1.1 traceparent: T1-S1-01\n  api -> pay http/1.1 \"GET /x\" 200\n\
                    settings:\n  service pay http external";
        let observation = notation::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let findings = Engine::new(Profile::Strict).check(&observation).findings;
        assert_eq!(findings, []);
    }
}
