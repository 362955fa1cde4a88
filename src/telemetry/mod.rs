//! Telemetry: log lines, metrics for Prometheus and, with the feature `otel`, traces for an
//! OpenTelemetry collector.

pub mod metric;
#[cfg(feature = "otel")]
mod collector;
mod logs;
mod trace;

pub use logs::{LogError, LogFormat, LogLevel, LogSettings, Logs};
pub(crate) use trace::join_trace;
