//! The log: to standard error, as text for people or JSON lines for machines, filtered by `RUST_LOG`.
//! Not here: what is logged.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Readable text.
    Text,
    /// One JSON object per line.
    Json,
}

impl LogFormat {
    /// The default: text at a terminal, JSON lines elsewhere.
    pub fn usual() -> Self {
        if std::io::stdout().is_terminal() { Self::Text } else { Self::Json }
    }
}

/// Whether to use colours on this stream: at a terminal, unless `NO_COLOR` says no.
pub fn colours(stream: &impl IsTerminal) -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && stream.is_terminal()
}

/// Starts logging; `quiet` shows warnings and errors only.
pub fn start(format: LogFormat, quiet: bool) {
    let usual = if quiet { "warn" } else { "info,sea_orm_migration=warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(colours(&std::io::stderr())).init(),
        LogFormat::Json => log.json().init(),
    }
}
