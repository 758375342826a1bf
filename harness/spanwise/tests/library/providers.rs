//! A tracer provider of the test itself, without any service.

use std::time::{Duration, Instant};

use insta::assert_snapshot;
use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry_sdk::trace::SdkTracerProvider;
use spanwise::check::Profile;
use spanwise::{Conformance, Harness, HarnessError, assert_conforms};

use crate::shop::provider;

/// Ends a provider without blocking the test's one thread, on which its exporter sends.
async fn shut_down(provider: SdkTracerProvider) {
    let done = tokio::task::spawn_blocking(move || provider.shutdown()).await;
    done.expect("a thread").expect("a provider that was up");
}

#[tokio::test]
async fn its_spans_are_a_trace() -> Result<(), HarnessError> {
    let begun = Instant::now();
    let run = Harness::builder().start().await?;
    let provider = provider("job", &run.collector().otlp_grpc_endpoint());
    let tracer = provider.tracer("job");
    let root = Context::new().with_span(tracer.start("clean up"));
    drop(tracer.start_with_context("count orders", &root));
    root.span().end();
    let trace = run.trace(root.span().span_context().trace_id()).await?;
    println!("the trace was judged after {:?}", begun.elapsed());
    assert_snapshot!(trace, @r#"
    job INTERNAL "clean up"
      job INTERNAL "count orders"
    "#);
    assert_conforms!(trace);
    assert_eq!(run.spans().len(), 2);
    shut_down(provider).await;
    Ok(())
}

#[tokio::test]
async fn a_parent_that_never_comes_is_found() -> Result<(), HarnessError> {
    let run = Harness::builder().deadline(Duration::from_millis(300)).start().await?;
    let provider = provider("job", &run.collector().otlp_grpc_endpoint());
    let tracer = provider.tracer("job");
    let root = Context::new().with_span(tracer.start("clean up"));
    drop(tracer.start_with_context("count", &root));
    // The root is still open when the trace is looked at.
    let trace = run.trace(root.span().span_context().trace_id()).await?;
    assert!(trace.is_incomplete());
    assert_eq!(trace.notes(), ["within 300ms did not come: the parent of \"count\""]);
    let failures = Conformance::of(&trace).profile(Profile::Otel).failures();
    assert_eq!(failures.iter().map(|finding| &*finding.rule).collect::<Vec<_>>(), ["parent-not-exported"]);
    drop(root);
    shut_down(provider).await;
    Ok(())
}
