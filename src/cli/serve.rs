//! `boxoffice serve`: API and worker in one process, until ctrl-c.
//! Not here: what is served (`http`).

use std::io::ErrorKind;
use std::time::Duration;

use axum::serve::ListenerExt;
use clap::Args;
use tokio::net::TcpListener;

use super::log::{self, LogFormat};
use super::{Failure, StoreArgs, keys};
use crate::app::{App, Options};

/// How long begun requests may take after ctrl-c.
const DRAIN: Duration = Duration::from_secs(10);

/// Flags of `serve`.
#[derive(Args)]
pub struct ServeArgs {
    /// Address to listen on; port 0 takes any free one
    #[arg(long, value_name = "ADDR", env = "BOXOFFICE_LISTEN", default_value = "127.0.0.1:8080")]
    listen: String,
    #[command(flatten)]
    store: StoreArgs,
    /// Secret that signs access tokens, 32 bytes or more; default on SQLite: generated into the data folder
    #[arg(long, value_name = "SECRET", env = "BOXOFFICE_JWT_SECRET", hide_env_values = true, hide = true)]
    jwt_secret: Option<String>,
    /// The secret before it: tokens signed with it are still accepted
    #[arg(long, value_name = "SECRET", env = "BOXOFFICE_JWT_SECRET_PREVIOUS", hide_env_values = true, hide = true)]
    jwt_secret_previous: Option<String>,
    /// Bring a PostgreSQL database to this release first (SQLite always is)
    #[arg(long)]
    migrate: bool,
    /// Serve the API only; another process works off the jobs
    #[arg(long)]
    no_worker: bool,
    /// Orders decided in one transaction at most; 1 measures what deciding together gains
    #[arg(long, value_name = "N", env = "BOXOFFICE_DESK_BATCH", hide = true)]
    desk_batch: Option<usize>,
    /// How log lines look
    #[arg(long, value_enum, env = "BOXOFFICE_LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,
}

/// Serves until ctrl-c or SIGTERM; then finishes what runs.
pub async fn serve(args: ServeArgs) -> Result<(), Failure> {
    log::start(args.log_format);
    let target = args.store.target()?;
    let keys = keys(&args.store, &target, args.jwt_secret.as_deref(), args.jwt_secret_previous.as_deref())?;
    // The port first: a second start by mistake says so before it touches any data.
    let listener = listen(&args.listen).await?;
    let address = listener.local_addr().map_err(|error| Failure::new(error.to_string(), "try another address"))?;
    let mut options = Options { migrate: args.migrate, worker: !args.no_worker, ..Options::new(target.clone(), keys) };
    if let Some(batch_max) = args.desk_batch {
        let usual = crate::booking::desk::Settings::for_db(matches!(target, crate::db::Target::Sqlite(_)));
        options.desk = Some(crate::booking::desk::Settings { batch_max, ..usual });
    }
    let app = App::start(options).await?;
    print_addresses(&address.to_string(), &target.shown(), !args.no_worker);

    let router = app.router();
    let stopping = app.stopping();
    let signal = stopping.clone();
    let listener = listener.tap_io(|stream| {
        // Answers are small and awaited: waiting to fill a packet only delays them. A failure costs nothing but that.
        let _ = stream.set_nodelay(true);
    });
    let server = tokio::spawn(async move {
        axum::serve(listener, router).with_graceful_shutdown(async move { signal.cancelled().await }).await
    });
    interrupted().await;
    tracing::info!("stopping; what runs is finished first");
    stopping.cancel();
    if tokio::time::timeout(DRAIN, server).await.is_err() {
        tracing::warn!("some connections did not end in time");
    }
    app.stop().await;
    tracing::info!("stopped");
    Ok(())
}

async fn listen(address: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => Failure::new(
            format!("{address} is already in use"),
            "stop what listens there, or choose another port: boxoffice serve --listen 127.0.0.1:8081",
        ),
        ErrorKind::PermissionDenied => Failure::new(
            format!("may not listen on {address}"),
            "choose a port above 1023, or run with the right to use this one",
        ),
        ErrorKind::InvalidInput | ErrorKind::InvalidData => {
            Failure::new(format!("{address:?} is not an address"), "write host:port, such as 127.0.0.1:8080")
                .with_code(2)
        }
        _ => Failure::new(
            format!("cannot listen on {address}: {error}"),
            "write an address of this machine, such as 127.0.0.1:8080",
        ),
    })
}

async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// Where to go now; standard output, so that the log can be sent elsewhere.
fn print_addresses(address: &str, data: &str, worker: bool) {
    println!();
    println!("  boxoffice {}   event booking over GraphQL", env!("CARGO_PKG_VERSION"));
    println!();
    println!("  GraphiQL   http://{address}/graphiql");
    println!("  GraphQL    http://{address}/graphql      subscriptions: ws://{address}/graphql/ws");
    println!("  Data       {data}");
    println!("  Worker     {}", if worker { "in this process" } else { "elsewhere" });
    println!();
    println!("  ctrl-c to stop · boxoffice --help");
    println!();
}
