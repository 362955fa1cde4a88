//! Traces for an OpenTelemetry collector. Its URL, headers, sampling and limits are set by the usual
//! `OTEL_*` variables.

use std::fmt;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::environment;
use crate::tls;

/// Why traces cannot be sent.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum TraceExportError {
    /// An `OTEL_*` variable has a value that the exporter does not accept.
    #[error("traces cannot be exported with these OTEL_* variables")]
    Exporter(#[from] ExporterBuildError),
}

/// Exports traces to a collector. The last traces are sent when it is dropped.
pub(super) struct TraceExporter {
    provider: SdkTracerProvider,
}

impl TraceExporter {
    /// An exporter to the collector in the environment, if there is one.
    pub(super) fn from_environment() -> Result<Option<Self>, TraceExportError> {
        let Some(service) = environment::trace_collector() else {
            return Ok(None);
        };
        tls::install_crypto_provider();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .build()?;
        let resource = Resource::builder().with_service_name(service).build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        Ok(Some(Self { provider }))
    }

    /// Sends every span to the collector.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let tracer = self.provider.tracer(env!("CARGO_PKG_NAME"));
        tracing_opentelemetry::layer().with_tracer(tracer)
    }
}

impl Drop for TraceExporter {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

impl fmt::Debug for TraceExporter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TraceExporter")
            .finish_non_exhaustive()
    }
}
