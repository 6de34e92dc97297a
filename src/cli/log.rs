//! The log: written to standard error, as readable text or JSON lines, filtered by `RUST_LOG`.
//! Not here: the messages.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line of readable text per message.
    Text,
    /// One JSON object per message.
    Json,
}

impl LogFormat {
    /// Returns the default: text at a terminal, JSON lines elsewhere.
    pub fn usual() -> Self {
        if std::io::stdout().is_terminal() { Self::Text } else { Self::Json }
    }
}

/// Returns true if this stream gets colours: at a terminal, unless `NO_COLOR` is set.
pub fn colours(stream: &impl IsTerminal) -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && stream.is_terminal()
}

/// Starts logging; `quiet` logs warnings and errors only.
pub fn start(format: LogFormat, quiet: bool) {
    let usual = if quiet { "warn" } else { "info,sea_orm_migration=warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(colours(&std::io::stderr())).init(),
        LogFormat::Json => log.json().init(),
    }
}
