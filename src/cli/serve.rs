//! `boxoffice serve`: API and worker in one process, until ctrl-c.
//! Not here: what is served (`http`).

use std::fs::File;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use clap::Args;
use tokio::net::TcpListener;

use super::banner::{self, Start};
use super::edge::EdgeArgs;
use super::limits::LimitArgs;
use super::log::{self, LogFormat};
use super::{Failure, StoreArgs, keys};
use crate::app::{App, Options, STOP_WITHIN, StartError};
use crate::booking::desk;
use crate::clock::Clock;
use crate::db::{Db, DbError, Target};
use crate::demo::{self, Counts};
use crate::http;
use crate::id::Chance;

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
    /// Make a demo; only in an empty database (without this: only in a fresh SQLite one, for this machine only)
    #[arg(long, conflicts_with = "no_demo")]
    demo: bool,
    /// Make no demo
    #[arg(long)]
    no_demo: bool,
    /// Let others reach a service whose demo passwords everybody knows
    #[arg(long)]
    allow_demo: bool,
    /// Show strangers as little as possible: no introspection, no suggestions, no GraphiQL; and refuse what is unsafe
    #[arg(long, env = "BOXOFFICE_PRODUCTION")]
    production: bool,
    /// Open GraphiQL in the browser
    #[arg(long)]
    open: bool,
    /// Show warnings and errors only
    #[arg(long, short)]
    quiet: bool,
    /// How log lines look; default: text at a terminal, json elsewhere
    #[arg(long, value_enum, env = "BOXOFFICE_LOG_FORMAT")]
    log_format: Option<LogFormat>,
    #[command(flatten)]
    edge: EdgeArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

/// Serves until ctrl-c or SIGTERM; then finishes what runs.
pub async fn serve(args: ServeArgs) -> Result<(), Failure> {
    let began = Instant::now();
    if args.production {
        refuse_what_is_unsafe(&args)?;
    }
    let format = args.log_format.unwrap_or_else(LogFormat::usual);
    log::start(format, args.quiet);
    // The port first: a second start by mistake says so before it touches any data.
    let listener = listen(&args.listen).await?;
    let target = args.store.target()?;
    let keys = keys(&args.store, &target, args.jwt_secret.as_deref(), args.jwt_secret_previous.as_deref())?;
    let address = listener.local_addr().map_err(|error| Failure::new(error.to_string(), "try another address"))?;
    let (first, demo) = prepare(&args, &target, address).await?;

    let mut options = Options { worker: !args.no_worker, demo: demo.is_some(), ..Options::new(target.clone(), keys) };
    options.migrate = args.migrate;
    options.production = args.production;
    args.edge.apply(&mut options);
    args.limits.apply(&mut options);
    if address.ip().is_loopback() && !args.production {
        args.limits.apply_to_this_machine(&mut options);
    }
    options.hosts = args.edge.hosts(&args.listen, address, args.production, demo.is_some());
    if let Some(batch_max) = args.desk_batch {
        let usual = desk::Settings::for_db(matches!(target, Target::Sqlite(_)));
        options.desk = Some(desk::Settings { batch_max, ..usual });
    }
    let connections = options.connections;
    let app = App::start(options).await?;
    let start = Start {
        address: address.to_string(),
        page: !args.production,
        loopback: address.ip().is_loopback(),
        data: target.shown(),
        database: if app.ctx.db.is_sqlite() { "SQLite" } else { "PostgreSQL" },
        key: generated_key(&args),
        first,
        worker: !args.no_worker,
        demo,
        bookings: demo::counts(&app.ctx.db).await.map_or(0, |counts| counts.bookings),
        took: began.elapsed(),
    };
    announce(&args, format, &start);
    if !args.production && !address.ip().is_loopback() {
        tracing::warn!("others can reach this service, GraphiQL and introspection included; --production hides them");
    }

    let router = app.router();
    let stopping = app.stopping();
    let signal = stopping.clone();
    let server = tokio::spawn(http::listen::serve(listener, router, connections, signal));
    interrupted().await;
    tracing::info!("stopping; what runs is finished first");
    let deadline = tokio::time::Instant::now() + STOP_WITHIN;
    stopping.cancel();
    if tokio::time::timeout_at(deadline, server).await.is_err() {
        tracing::warn!("some connections did not end in time");
    }
    app.stop_by(deadline).await;
    tracing::info!("stopped");
    Ok(())
}

/// Looks whether this is a first start, makes the demo where there is to be one, and refuses to show a demo to others.
async fn prepare(args: &ServeArgs, target: &Target, address: SocketAddr) -> Result<(bool, Option<Counts>), Failure> {
    let failed = |error: DbError| Failure::new(error.to_string(), "see whether something else uses the database");
    let _turn = take_turn(target);
    let db = Db::open(target, args.migrate, Chance::system()).await.map_err(StartError::from)?;
    if demo::is_half_made(&db).await.map_err(failed)? {
        // Somebody pressed ctrl-c in the first second. Real accounts keep everything: then this does nothing.
        demo::remove::wipe(&db).await.map_err(failed)?;
    }
    let fresh = demo::is_fresh(&db).await.map_err(failed)?;
    if args.demo && !fresh && demo::accounts(&db).await.map_err(failed)? == 0 {
        return Err(Failure::new(
            "refusing to mix a demo into a database that is in use",
            "name another data folder: boxoffice serve --data DIR --demo",
        )
        .with_code(4));
    }
    let by_itself = db.is_sqlite() && address.ip().is_loopback() && !args.no_demo && !args.production;
    if fresh && (args.demo || by_itself) {
        let made = demo::make(&db, Clock::System.now()).await;
        made.map_err(|error| Failure::new(error.to_string(), "start without it: boxoffice serve --no-demo"))?;
    }
    let there_is = demo::accounts(&db).await.map_err(failed)? > 0;
    if there_is && args.production {
        return Err(unsafe_setting(
            "there are demo accounts, and everybody knows their password",
            "boxoffice demo clear",
        ));
    }
    if there_is && !address.ip().is_loopback() && !args.allow_demo {
        return Err(Failure::new(
            format!("refusing to listen on {address} while demo accounts exist (everybody knows their password)"),
            "boxoffice demo clear        or, on a private network only: --allow-demo",
        )
        .with_code(4));
    }
    let counts = match there_is {
        true => Some(demo::counts(&db).await.map_err(failed)?),
        false => None,
    };
    db.close().await;
    Ok((fresh, counts))
}

/// What no service on the open internet may do.
fn refuse_what_is_unsafe(args: &ServeArgs) -> Result<(), Failure> {
    if args.jwt_secret.is_none() {
        let fix = "export BOXOFFICE_JWT_SECRET=\"$(openssl rand -base64 48)\", the same one for every process";
        return Err(unsafe_setting("BOXOFFICE_JWT_SECRET is not set", fix));
    }
    if args.demo || args.allow_demo {
        return Err(unsafe_setting(
            "a demo is asked for, and everybody knows its passwords",
            "leave --demo and --allow-demo out",
        ));
    }
    if let Some(flag) = args.limits.unsafe_one() {
        return Err(unsafe_setting(
            &format!("{flag} bounds nothing, and anybody may ask"),
            &format!("leave {flag} out, or set it nearer to its default (boxoffice serve --help)"),
        ));
    }
    Ok(())
}

fn unsafe_setting(what: &str, fix: &str) -> Failure {
    Failure::new(format!("refusing to start for production: {what}"), fix).with_code(4)
}

/// Two first starts in one folder come one after the other: the second finds what the first made. Where folders cannot
/// be locked nothing is lost but that.
fn take_turn(target: &Target) -> Option<File> {
    let Target::Sqlite(path) = target else { return None };
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let folder = File::open(folder).ok()?;
    folder.lock().ok()?; // nothing else runs yet that could be kept waiting
    Some(folder)
}

/// The key's file, where the key was generated.
fn generated_key(args: &ServeArgs) -> Option<String> {
    let generated = args.jwt_secret.is_none() && args.store.database_url.is_none();
    generated.then(|| args.store.data.join(super::secret::FILE).display().to_string())
}

/// Says where to go: to people a banner, to machines one line of the log.
fn announce(args: &ServeArgs, format: LogFormat, start: &Start) {
    let page = format!("http://{}/graphiql", start.address);
    match format {
        LogFormat::Text if args.quiet => {}
        LogFormat::Text => {
            print!("{}", banner::banner(start, banner::Colours(log::colours(&std::io::stdout()))));
        }
        LogFormat::Json => {
            let graphql = format!("http://{}/graphql", start.address);
            let graphiql = start.page.then_some(&page).map(tracing::field::display);
            tracing::info!(addr = %start.address, %graphql, graphiql, data = %start.data, "listening");
        }
    }
    if args.open && start.page {
        let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
        if let Err(error) = std::process::Command::new(opener).arg(&page).spawn() {
            tracing::warn!(%error, "cannot open a browser; go to {page}");
        }
    }
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
