//! `boxoffice serve`: API and worker in one process, until ctrl-c.
//! Not here: the routes (`http`).

use std::fs::File;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use clap::Args;
use tokio::net::TcpListener;

use super::banner::{self, Start};
use super::database::DatabaseArgs;
use super::edge::HttpArgs;
use super::limits::LimitArgs;
use super::log::{self, LogFormat};
use super::retention::RetentionArgs;
use super::{Failure, StoreArgs, keys};
use crate::app::{App, Options, STOP_WITHIN, StartError};
use crate::booking::batcher;
use crate::clock::Clock;
use crate::db::{Db, DbError, Target};
use crate::demo::{self, Counts};
use crate::http;
use crate::id::RandomSource;

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
    /// The previous secret; tokens signed with it stay valid
    #[arg(long, value_name = "SECRET", env = "BOXOFFICE_JWT_SECRET_PREVIOUS", hide_env_values = true, hide = true)]
    jwt_secret_previous: Option<String>,
    /// Apply pending migrations to PostgreSQL first (on SQLite they always are applied)
    #[arg(long)]
    migrate: bool,
    /// Serve the API only; another process runs the jobs
    #[arg(long)]
    no_worker: bool,
    /// Most bookings decided in one transaction; 1 switches batching off, for measurements
    #[arg(long, value_name = "N", env = "BOXOFFICE_DESK_BATCH", hide = true)]
    desk_batch: Option<usize>,
    /// Create demo data in an empty database; default: only on new SQLite that listens on this machine only
    #[arg(long, conflicts_with = "no_demo")]
    demo: bool,
    /// Create no demo data
    #[arg(long)]
    no_demo: bool,
    /// Let other machines reach a service with demo accounts, although their password is public
    #[arg(long)]
    allow_demo: bool,
    /// Production profile: no GraphiQL, no introspection, no suggestions in errors; refuses unsafe settings
    #[arg(long, env = "BOXOFFICE_PRODUCTION")]
    production: bool,
    /// Open GraphiQL in the browser
    #[arg(long)]
    open: bool,
    /// Log warnings and errors only
    #[arg(long, short)]
    quiet: bool,
    /// Format of log lines; default: text at a terminal, json elsewhere
    #[arg(long, value_enum, env = "BOXOFFICE_LOG_FORMAT")]
    log_format: Option<LogFormat>,
    #[command(flatten)]
    edge: HttpArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    retention: RetentionArgs,
}

/// Serves until ctrl-c or SIGTERM, then finishes running requests and jobs.
pub async fn serve(args: ServeArgs) -> Result<(), Failure> {
    let began = Instant::now();
    if args.production {
        refuse_what_is_unsafe(&args)?;
    }
    let format = args.log_format.unwrap_or_else(LogFormat::usual);
    log::start(format, args.quiet);
    // The port comes first: a second start by mistake fails before it touches any data.
    let listener = listen(&args.listen).await?;
    let target = args.store.target()?;
    let keys = keys(&args.store, &target, args.jwt_secret.as_deref(), args.jwt_secret_previous.as_deref())?;
    let address = listener.local_addr().map_err(|error| {
        Failure::new(error.to_string(), "choose another address: boxoffice serve --listen 127.0.0.1:8080")
    })?;
    let (first, demo) = prepare(&args, &target, address).await?;

    let mut options = Options { worker: !args.no_worker, demo: demo.is_some(), ..Options::new(target.clone(), keys) };
    options.migrate = args.migrate;
    options.db = args.database.settings();
    options.production = args.production;
    args.edge.apply(&mut options);
    args.limits.apply(&mut options);
    if address.ip().is_loopback() && !args.production {
        args.limits.apply_to_this_machine(&mut options);
    }
    options.hosts = args.edge.hosts(&args.listen, address, args.production, demo.is_some());
    args.retention.apply(&mut options);
    if let Some(batch_max) = args.desk_batch {
        let usual = batcher::Settings::for_db(matches!(target, Target::Sqlite(_)));
        options.batcher = Some(batcher::Settings { batch_max, ..usual });
    }
    let connections = options.connections;
    let app = App::start(options).await?;
    let start = Start {
        address,
        page: !args.production,
        data: target.shown(),
        database: if app.ctx.db.is_sqlite() { "SQLite" } else { "PostgreSQL" },
        key: generated_key(&args),
        first,
        worker: !args.no_worker,
        demo,
        bookings: demo::counts(&app.ctx.db).await.map_or(0, |counts| counts.bookings),
        took: began.elapsed(),
        program: program(),
        data_flags: data_flags(&args),
    };
    // Before the announcement: a signal right after it must already stop the service in order.
    let interrupted = interrupted();
    announce(&args, format, &start);
    if !args.production && !address.ip().is_loopback() {
        tracing::warn!(
            "other machines can reach this service, GraphiQL and introspection included; --production switches both off"
        );
    }

    let router = app.router();
    let stopping = app.stopping();
    let signal = stopping.clone();
    let server = tokio::spawn(http::listen::serve(listener, router, connections, signal));
    interrupted.await;
    tracing::info!("stopping after the running requests and jobs");
    let deadline = tokio::time::Instant::now() + STOP_WITHIN;
    stopping.cancel();
    if tokio::time::timeout_at(deadline, server).await.is_err() {
        tracing::warn!("some connections did not close in time");
    }
    app.stop_by(deadline).await;
    tracing::info!("stopped");
    Ok(())
}

/// Checks if this is the first start, creates the demo if wanted, and refuses to expose a demo to the network. Returns
/// true for a first start, and the size of the demo.
async fn prepare(args: &ServeArgs, target: &Target, address: SocketAddr) -> Result<(bool, Option<Counts>), Failure> {
    let failed = |error: DbError| {
        Failure::new(error.to_string(), "check whether another program uses the database, then start again")
    };
    let _turn = take_turn(target);
    let settings = args.database.settings();
    let db = Db::open_with(target, args.migrate, RandomSource::system(), &settings).await.map_err(StartError::from)?;
    if demo::is_half_made(&db).await.map_err(failed)? {
        // The creation of the demo was interrupted. With accounts beside the demo's this does nothing.
        demo::remove::wipe(&db).await.map_err(failed)?;
    }
    let fresh = demo::is_fresh(&db).await.map_err(failed)?;
    if args.demo && !fresh && demo::accounts(&db).await.map_err(failed)? == 0 {
        return Err(Failure::new(
            "refusing to create demo data in a database that is in use",
            "use another data folder: boxoffice serve --data DIR --demo",
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
            "the database has demo accounts, and their password is public",
            "boxoffice demo clear",
        ));
    }
    if there_is && !address.ip().is_loopback() && !args.allow_demo {
        return Err(Failure::new(
            format!("refusing to listen on {address} while the database has demo accounts (their password is public)"),
            format!(
                "boxoffice demo clear      or, on a private network only: boxoffice --listen {address} --allow-demo"
            ),
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

/// Refuses settings that are unsafe on the open internet.
fn refuse_what_is_unsafe(args: &ServeArgs) -> Result<(), Failure> {
    if args.jwt_secret.is_none() {
        let fix = "export BOXOFFICE_JWT_SECRET=\"$(openssl rand -base64 48)\", the same one for every process";
        return Err(unsafe_setting("BOXOFFICE_JWT_SECRET is not set", fix));
    }
    if args.demo || args.allow_demo {
        return Err(unsafe_setting(
            "--demo and --allow-demo make accounts usable whose password is public",
            "leave --demo and --allow-demo out",
        ));
    }
    if let Some(flag) = args.limits.unsafe_one() {
        return Err(unsafe_setting(
            &format!("{flag} is effectively unlimited, which is unsafe in production"),
            &format!("leave {flag} out, or set it closer to its default (boxoffice serve --help)"),
        ));
    }
    Ok(())
}

fn unsafe_setting(what: &str, fix: &str) -> Failure {
    Failure::new(format!("refusing to start for production: {what}"), fix).with_code(4)
}

/// Locks the data folder, so that the second of two simultaneous first starts finds the data of the first. Without
/// effect if folders cannot be locked.
fn take_turn(target: &Target) -> Option<File> {
    let Target::Sqlite(path) = target else { return None };
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let folder = File::open(folder).ok()?;
    folder.lock().ok()?; // blocks this thread; nothing else runs yet
    Some(folder)
}

/// Returns the path of the generated key, if the key was generated.
fn generated_key(args: &ServeArgs) -> Option<String> {
    let generated = args.jwt_secret.is_none() && args.store.database_url.is_none();
    generated.then(|| args.store.data.join(super::secret::FILE).display().to_string())
}

/// Returns the name of the program as it was called from the working folder (`./boxoffice`), else its plain name.
fn program() -> String {
    let called = std::env::args_os().next().and_then(|name| name.into_string().ok());
    let relative = called.filter(|name| name.contains('/') && !name.starts_with('/'));
    relative.unwrap_or_else(|| "boxoffice".to_owned())
}

/// Returns the flags that name the data of this service for another command. The URL of a database may hold a password,
/// so it is left to the environment.
fn data_flags(args: &ServeArgs) -> String {
    let data = &args.store.data;
    if args.store.database_url.is_some() || data == Path::new("data") {
        return String::new();
    }
    let path = data.display().to_string();
    let is_plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    if is_plain { format!("--data {path}") } else { format!("--data '{}'", path.replace('\'', r"'\''")) }
}

/// Prints the banner (text) or logs one line with the addresses (JSON).
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
            tracing::warn!(%error, "cannot open a browser; open {page} yourself");
        }
    }
}

async fn listen(address: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => Failure::new(
            format!("{address} is already in use"),
            "stop the program that listens there, or choose another port: boxoffice serve --listen 127.0.0.1:8081",
        ),
        ErrorKind::PermissionDenied => Failure::new(
            format!("no permission to listen on {address}"),
            "choose a port above 1023: boxoffice serve --listen 127.0.0.1:8080",
        ),
        ErrorKind::InvalidInput | ErrorKind::InvalidData => {
            Failure::new(format!("{address:?} is not an address"), "write host:port, such as 127.0.0.1:8080")
                .with_code(2)
        }
        _ => Failure::new(
            format!("cannot listen on {address}: {error}"),
            "use an address of this machine, such as 127.0.0.1:8080",
        ),
    })
}

/// Listens for ctrl-c and SIGTERM from now on; the future ends with the first of them.
#[cfg(unix)]
fn interrupted() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async move {
        match signals {
            (Ok(mut interrupt), Ok(mut terminate)) => tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            },
            _ => tokio::signal::ctrl_c().await.unwrap_or_default(),
        }
    }
}

/// Listens for ctrl-c.
#[cfg(not(unix))]
async fn interrupted() {
    tokio::signal::ctrl_c().await.unwrap_or_default();
}
