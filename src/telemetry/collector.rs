//! Traces for an OpenTelemetry collector. Addresses, headers, sampling and limits come from the
//! `OTEL_*` variables that every OpenTelemetry SDK reads.

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
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// A variable of OpenTelemetry has a value that the exporter does not take.
    #[error("traces cannot be exported with these OTEL_* variables")]
    Exporter(#[from] ExporterBuildError),
}

/// The way to a collector. What waits to be sent is sent when it is dropped.
pub(super) struct Collector {
    provider: SdkTracerProvider,
}

impl Collector {
    /// The collector that the environment names, if it names one.
    pub(super) fn from_environment() -> Result<Option<Self>, CollectorError> {
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

impl Drop for Collector {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Collector").finish_non_exhaustive()
    }
}
