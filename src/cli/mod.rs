//! Command line: one file per command. A setting is taken from its flag, its environment variable, a line of
//! `boxoffice.toml` or its default, in this order.
//! Not here: the composition of the service (`app`).

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::account::token::Keys;
use crate::app::StartError;
use crate::db::{ConnectError, Target, Trouble};

mod ask;
pub mod banner;
pub mod config;
pub mod database;
pub mod demo;
pub mod edge;
pub mod limits;
pub mod log;
pub mod migrate;
pub mod retention;
pub mod schema;
pub mod secret;
pub mod serve;
pub mod settings;
pub mod user;

/// Event booking over GraphQL: books tickets, keeps waitlists and notifies customers, live and durably
#[derive(Parser)]
#[command(
    name = "boxoffice",
    version,
    override_usage = "boxoffice [FLAGS OF serve]\n       boxoffice <COMMAND>",
    after_help = "Without a command, `serve` runs: `boxoffice --listen 127.0.0.1:9000` is `boxoffice serve --listen 127.0.0.1:9000`.\n\
                  All flags of the service: boxoffice serve --help\n\n\
                  Exit codes: 0 success, 1 failure, 2 wrong usage, 4 refused for safety, 75 temporary failure (a server did not answer)."
)]
pub struct Cli {
    /// Config file; default: boxoffice.toml in the working directory, if it exists
    #[arg(long, global = true, value_name = "FILE", env = "BOXOFFICE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Command to run; none: `serve`.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Commands of the program.
#[derive(Subcommand)]
pub enum Command {
    /// Run API and worker in one process
    #[command(after_help = "Example: boxoffice serve --listen 127.0.0.1:9000 --data /var/lib/boxoffice\n\n\
                      Secrets come from the environment:\n  \
                      BOXOFFICE_JWT_SECRET           signs access tokens, 32 bytes or more; default on SQLite: generated\n  \
                      BOXOFFICE_JWT_SECRET_PREVIOUS  the previous secret; tokens signed with it stay valid")]
    Serve(Box<serve::ServeArgs>),
    /// Apply the pending migrations to the database
    #[command(after_help = "Example: DATABASE_URL=postgres://box@db/box boxoffice migrate")]
    Migrate(StoreArgs),
    /// Manage accounts: create, list, change, disable
    User(user::UserArgs),
    /// Show, recreate or remove the demo data
    Demo(demo::DemoArgs),
    /// Print the public GraphQL schema, or compare a file with it
    Schema(schema::SchemaArgs),
}

/// Location of the data; shared by all commands that open it.
#[derive(Args, Clone)]
pub struct StoreArgs {
    /// Folder of the SQLite database and the generated key; created if missing
    #[arg(long, value_name = "DIR", env = "BOXOFFICE_DATA", default_value = "data")]
    pub data: PathBuf,
    /// Database: sqlite:PATH or postgres://user:password@host/name; default: SQLite in the data folder
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
}

impl StoreArgs {
    /// Returns the database that these arguments name. Creates the data folder if the database is in it.
    pub fn target(&self) -> Result<Target, Failure> {
        match &self.database_url {
            Some(url) => Ok(Target::parse(url).map_err(StartError::from)?),
            None => {
                secret::make_folder(&self.data)?;
                Ok(Target::Sqlite(self.data.join("boxoffice.db")))
            }
        }
    }

    /// Returns the same for commands about existing data: creates no folder and no SQLite database.
    pub fn existing_target(&self) -> Result<Target, Failure> {
        let target = match &self.database_url {
            Some(url) => Target::parse(url).map_err(StartError::from)?,
            None => Target::Sqlite(self.data.join("boxoffice.db")),
        };
        match &target {
            Target::Sqlite(path) if !path.exists() => Err(Failure::new(
                format!("there is no database at {}", path.display()),
                "choose its folder with --data DIR, or its address with --database-url URL",
            )),
            _ => Ok(target),
        }
    }
}

/// Failure of a command: what happened, how to fix it, and the exit code.
#[derive(Debug)]
pub struct Failure {
    /// Event that made the command fail, in one line.
    pub what: String,
    /// Action that fixes it.
    pub fix: String,
    /// Exit code of the program.
    pub code: u8,
}

impl Failure {
    /// Creates a failure with exit code 1.
    pub fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into(), code: 1 }
    }

    /// Replaces the exit code.
    pub fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let what = error.to_string();
        match error {
            StartError::Database(ConnectError::BadUrl(_)) => {
                Self::new(what, "use sqlite:PATH or postgres://user:password@host/name").with_code(2)
            }
            StartError::Database(ConnectError::Unreachable { trouble, .. }) => {
                Self::new(what, mend(trouble)).with_code(75)
            }
            StartError::Database(ConnectError::Pooled { .. }) => Self::new(
                what,
                "name PostgreSQL itself in DATABASE_URL: boxoffice pools connections, and needs each for LISTEN, prepared \
                 statements and time limits",
            )
            .with_code(4),
            StartError::Database(ConnectError::TooNew { .. }) => {
                Self::new(what, "upgrade boxoffice; your data was not touched").with_code(4)
            }
            StartError::Database(ConnectError::NotMigrated(_)) => {
                Self::new(what, "run: boxoffice migrate      or start with: boxoffice serve --migrate").with_code(4)
            }
            StartError::Database(ConnectError::Unusable { trouble, .. }) => Self::new(what, mend(trouble)),
            StartError::Documents(_) => {
                Self::new(what, "correct the document or remove it; only trusted documents run").with_code(2)
            }
            StartError::Cursors(_) | StartError::Hashing(_) | StartError::Jobs(_) => {
                Self::new(what, "this is a fault of boxoffice; please report it")
            }
        }
    }
}

/// Returns the action that lets a database open again.
fn mend(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::NoFolder => "make the folder, or name another file: --database-url sqlite:PATH",
        Trouble::NoRights => "give the user that runs boxoffice the right to read and write there, folder included",
        Trouble::NoRoom => "free disk space, then start again; nothing was lost",
        Trouble::InUse => "stop the other program that has the database open, then start again",
        Trouble::Damaged => "restore it from a backup, or name another database; nothing was overwritten",
        Trouble::Foreign => "name another database, or an empty one; nothing was overwritten",
        Trouble::NoServer => {
            "check that the address is right, that the server runs, and that it can be reached from here"
        }
        Trouble::SignIn => "check the user and password in DATABASE_URL, and that pg_hba.conf lets them in from here",
        Trouble::NoDatabase => "make it: createdb NAME, or name another database in DATABASE_URL",
        Trouble::Other => "fix the cause that the message names, then start again; nothing was overwritten",
    }
}

/// Returns the keys that sign access tokens: configured, or on SQLite generated in the data folder.
pub fn keys(
    store: &StoreArgs,
    target: &Target,
    configured: Option<&str>,
    previous: Option<&str>,
) -> Result<Keys, Failure> {
    let secret = match (configured, target) {
        (Some(secret), _) => secret.as_bytes().to_vec(),
        (None, Target::Sqlite(_)) => secret::read_or_generate(&store.data)?,
        (None, Target::Postgres(_)) => {
            return Err(Failure::new(
                "BOXOFFICE_JWT_SECRET is not set, and on PostgreSQL every process needs the same one",
                "export BOXOFFICE_JWT_SECRET=\"$(openssl rand -base64 48)\"",
            )
            .with_code(4));
        }
    };
    let secrets = std::iter::once(secret.as_slice()).chain(previous.map(str::as_bytes));
    Keys::new(secrets).map_err(|weak| {
        let name = match Keys::new([secret.as_slice()]) {
            Err(_) => "BOXOFFICE_JWT_SECRET",
            Ok(_) => "BOXOFFICE_JWT_SECRET_PREVIOUS",
        };
        Failure::new(
            weak.to_string().replace("the token secret", name),
            "unset it to use the key generated in the data folder, or: export BOXOFFICE_JWT_SECRET=\"$(openssl rand -base64 48)\"",
        )
        .with_code(4)
    })
}
