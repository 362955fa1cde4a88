//! Log lines on standard error, in the format that Cog's tools read, or for people.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt};

#[cfg(feature = "otel")]
use super::collector::{TraceExportError, TraceExporter};

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line: `timestamp`, `level`, `fields`, `target`, `spans`.
    Json,
    /// Text for people.
    Console,
}

/// The minimum severity of the lines that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Details that help to find a bug.
    Debug,
    /// The start, the progress and the end of each prediction.
    Info,
    /// Problems that the server can handle.
    #[value(alias = "warning")]
    Warn,
    /// Failures.
    Error,
}

impl LogLevel {
    fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// The filter for this level. Libraries log only warnings and errors, at every level.
    fn directives(self) -> String {
        let libraries = if self == Self::Error { "error" } else { "warn" };
        format!("{libraries},clipdraw={}", self.name())
    }
}

/// Which log lines are written, and in which format.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// Their format.
    pub format: LogFormat,
    /// The minimum severity.
    pub level: LogLevel,
    /// Directives such as `clipdraw=debug,hyper=info`, which replace the level.
    pub filter: Option<String>,
}

/// Why logging cannot be set up.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The directives cannot be parsed.
    #[error("the log filter `{filter}` is not valid; an example is clipdraw=debug,hyper=info")]
    Filter {
        /// The directives.
        filter: String,
        /// What is wrong with them.
        #[source]
        cause: ParseError,
    },
    /// Logging is set up already in this process.
    #[error("logging is set up already")]
    AlreadyInstalled(#[source] TryInitError),
    /// Traces cannot be sent.
    #[cfg(feature = "otel")]
    #[error(transparent)]
    Traces(#[from] TraceExportError),
}

/// Keeps the log of the process open. The last traces are sent when it is dropped.
#[derive(Debug)]
pub struct Logs {
    #[cfg(feature = "otel")]
    _traces: Option<TraceExporter>,
}

impl LogSettings {
    /// Writes the log lines of the process to standard error from now on.
    ///
    /// # Errors
    /// If the filter cannot be parsed, or logging is set up already.
    pub fn install(&self) -> Result<Logs, LogError> {
        let registry = Registry::default().with(self.filter()?).with(self.lines());
        #[cfg(feature = "otel")]
        {
            let traces = TraceExporter::from_environment()?;
            registry
                .with(traces.as_ref().map(TraceExporter::layer))
                .try_init()
                .map_err(LogError::AlreadyInstalled)?;
            Ok(Logs { _traces: traces })
        }
        #[cfg(not(feature = "otel"))]
        {
            registry.try_init().map_err(LogError::AlreadyInstalled)?;
            Ok(Logs {})
        }
    }

    fn filter(&self) -> Result<EnvFilter, LogError> {
        let directives = self
            .filter
            .clone()
            .filter(|filter| !filter.is_empty())
            .unwrap_or_else(|| self.level.directives());
        EnvFilter::builder()
            .parse(&directives)
            .map_err(|cause| LogError::Filter {
                filter: directives,
                cause,
            })
    }

    fn lines<S>(&self) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        // Standard output is for the results of other subcommands.
        let lines = fmt::layer().with_writer(std::io::stderr);
        match self.format {
            LogFormat::Json => lines.json().with_current_span(false).boxed(),
            LogFormat::Console => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_for_an_invalid_filter_quotes_it() {
        let settings = LogSettings {
            format: LogFormat::Json,
            level: LogLevel::Info,
            filter: Some("clipdraw=loud".to_owned()),
        };
        let error = settings.filter().unwrap_err().to_string();
        assert!(error.contains("clipdraw=loud"), "{error}");
    }

    #[test]
    fn with_an_empty_filter_the_level_applies() {
        let settings = LogSettings {
            format: LogFormat::Json,
            level: LogLevel::Warn,
            filter: Some(String::new()),
        };
        let filter = settings.filter().unwrap().to_string();
        assert!(filter.contains("clipdraw=warn"), "{filter}");
    }
}
