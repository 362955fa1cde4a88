//! Telemetry: log lines, metrics for Prometheus and, with the feature `otel`, traces for an
//! OpenTelemetry collector.

pub mod metric;
#[cfg(feature = "otel")]
mod collector;
mod logs;

pub use logs::{LogError, LogFormat, LogLevel, LogSettings, Logs};
