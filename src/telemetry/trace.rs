//! Traces across processes: a span becomes part of the trace that a header names (W3C Trace Context).

use tracing::Span;

/// Makes a span part of the trace in a header `traceparent`. Without the feature `otel`, or without a valid header, nothing
/// happens.
#[cfg(feature = "otel")]
pub(crate) fn join_trace(span: &Span, traceparent: Option<&str>) {
    use std::collections::HashMap;

    use opentelemetry::propagation::TextMapPropagator;
    use opentelemetry_sdk::propagation::TraceContextPropagator;
    use tracing_opentelemetry::OpenTelemetrySpanExt;

    let Some(traceparent) = traceparent else {
        return;
    };
    let headers = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
    let parent = TraceContextPropagator::new().extract(&headers);
    // Without a collector there is no trace to be part of.
    let _ = span.set_parent(parent);
}

/// Makes a span part of the trace in a header `traceparent`. Without the feature `otel`, or without a valid header, nothing
/// happens.
#[cfg(not(feature = "otel"))]
pub(crate) fn join_trace(_span: &Span, _traceparent: Option<&str>) {}
