//! `boxoffice demo`: shows the demo accounts, recreates or removes the demo data.
//! Not here: the contents of the demo (`demo`).

use clap::{Args, Subcommand};

use super::{Failure, StoreArgs, banner};
use crate::app::StartError;
use crate::clock::Clock;
use crate::db::{Db, DbError};
use crate::demo::{self, remove};
use crate::id::RandomSource;

/// `boxoffice demo …`
#[derive(Args)]
pub struct DemoArgs {
    #[command(subcommand)]
    command: DemoCommand,
}

#[derive(Subcommand)]
enum DemoCommand {
    /// Show the demo accounts and their password
    Accounts(StoreArgs),
    /// Delete and recreate the demo data; refused if the database has other accounts
    Reset(StoreArgs),
    /// Delete the demo data; if the database has other accounts, only disable the demo accounts
    Clear(StoreArgs),
}

/// Runs a command of `boxoffice demo`.
pub async fn demo(args: DemoArgs) -> Result<(), Failure> {
    let store = match &args.command {
        DemoCommand::Accounts(store) | DemoCommand::Reset(store) | DemoCommand::Clear(store) => store,
    };
    let db = Db::open(&store.target()?, false, RandomSource::system()).await.map_err(StartError::from)?;
    let done = run(&args.command, &db).await;
    db.close().await;
    println!("{}", done?);
    Ok(())
}

async fn run(command: &DemoCommand, db: &Db) -> Result<String, Failure> {
    match command {
        DemoCommand::Accounts(_) => {
            if demo::accounts(db).await.map_err(failed)? == 0 {
                return Ok(
                    "This database has no demo. To create one, start with an empty database: boxoffice serve --demo"
                        .into(),
                );
            }
            let mut text = String::new();
            // Writing into a String cannot fail.
            let _ = banner::sign_ins(&mut text, "Sign in");
            Ok(text.trim_end().to_owned())
        }
        DemoCommand::Reset(_) => {
            if !remove::wipe(db).await.map_err(failed)? {
                return Err(Failure::new(
                    "refusing to reset: this database has accounts that are not part of the demo",
                    "use another data folder: boxoffice serve --data DIR --demo      nothing was changed",
                )
                .with_code(4));
            }
            let made = demo::make(db, Clock::System.now()).await;
            let made = made.map_err(|error| Failure::new(error.to_string(), "run it again"))?;
            Ok(format!("Demo recreated: {} events, {} bookings.", made.events, made.bookings))
        }
        DemoCommand::Clear(_) => {
            if remove::wipe(db).await.map_err(failed)? {
                return Ok("Demo deleted; the database is empty.".into());
            }
            let disabled = remove::disable(db, Clock::System.now()).await.map_err(failed)?;
            Ok(format!("{disabled} demo accounts disabled. Their events and bookings stay."))
        }
    }
}

fn failed(error: DbError) -> Failure {
    Failure::new(error.to_string(), "check whether another program uses the database, then run the command again")
}
