//! Log lines on standard error, in the form that Cog's tools read, or for a person.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt};

#[cfg(feature = "otel")]
use super::collector::{Collector, CollectorError};

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line: `timestamp`, `level`, `fields`, `target`, `spans`.
    Json,
    /// Text for a person.
    Console,
}

/// The least severe lines that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Everything that helps to find a mistake.
    Debug,
    /// What happens to each prediction.
    Info,
    /// What is not as it should be.
    #[value(alias = "warning")]
    Warn,
    /// What failed.
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

    /// Of the libraries only trouble is of interest, at every level.
    fn directives(self) -> String {
        let libraries = if self == Self::Error { "error" } else { "warn" };
        format!("{libraries},clipdraw={}", self.name())
    }
}

/// Which log lines are written, and how.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// Their form.
    pub format: LogFormat,
    /// The least severe.
    pub level: LogLevel,
    /// Directives as in `clipdraw=debug,hyper=info`; if given, the level does not count.
    pub filter: Option<String>,
}

/// Why log lines cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The directives cannot be read.
    #[error("the log filter `{filter}` cannot be read; an example is clipdraw=debug,hyper=info")]
    Filter {
        /// The directives.
        filter: String,
        /// What is wrong with them.
        #[source]
        cause: ParseError,
    },
    /// Somebody else writes the log of this process.
    #[error("the log is set up already")]
    Twice(#[source] TryInitError),
    /// Traces cannot be sent.
    #[cfg(feature = "otel")]
    #[error(transparent)]
    Collector(#[from] CollectorError),
}

/// The log of the process; what waits to be sent to a collector is sent when this is dropped.
#[derive(Debug)]
pub struct Logs {
    #[cfg(feature = "otel")]
    _collector: Option<Collector>,
}

impl LogSettings {
    /// Writes the process's log lines to standard error from now on.
    ///
    /// # Errors
    /// When the filter cannot be read, or the log of this process is set up already.
    pub fn install(&self) -> Result<Logs, LogError> {
        let registry = Registry::default().with(self.filter()?).with(self.lines());
        #[cfg(feature = "otel")]
        {
            let collector = Collector::from_environment()?;
            registry
                .with(collector.as_ref().map(Collector::layer))
                .try_init()
                .map_err(LogError::Twice)?;
            Ok(Logs {
                _collector: collector,
            })
        }
        #[cfg(not(feature = "otel"))]
        {
            registry.try_init().map_err(LogError::Twice)?;
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
        // Standard output stays empty: it belongs to the results of other subcommands.
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
    fn a_filter_that_cannot_be_read_is_an_error_that_shows_it() {
        let settings = LogSettings {
            format: LogFormat::Json,
            level: LogLevel::Info,
            filter: Some("clipdraw=loud".to_owned()),
        };
        let error = settings.filter().unwrap_err().to_string();
        assert!(error.contains("clipdraw=loud"), "{error}");
    }

    #[test]
    fn an_empty_filter_leaves_the_word_to_the_level() {
        let settings = LogSettings {
            format: LogFormat::Json,
            level: LogLevel::Warn,
            filter: Some(String::new()),
        };
        let filter = settings.filter().unwrap().to_string();
        assert!(filter.contains("clipdraw=warn"), "{filter}");
    }
}
