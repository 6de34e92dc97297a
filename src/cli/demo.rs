//! `boxoffice demo`: shows the demo's sign-ins, makes it anew, takes it away.
//! Not here: what it consists of (`demo`).

use clap::{Args, Subcommand};

use super::{Failure, StoreArgs, banner};
use crate::app::StartError;
use crate::clock::Clock;
use crate::db::{Db, DbError};
use crate::demo::{self, remove};
use crate::id::Chance;

/// `boxoffice demo …`
#[derive(Args)]
pub struct DemoArgs {
    #[command(subcommand)]
    command: DemoCommand,
}

#[derive(Subcommand)]
enum DemoCommand {
    /// Show the sign-ins
    Accounts(StoreArgs),
    /// Make the demo anew; refused where somebody real has an account
    Reset(StoreArgs),
    /// Take the demo away; where somebody real has an account, demo people only lose the right to sign in
    Clear(StoreArgs),
}

/// Does what was asked.
pub async fn demo(args: DemoArgs) -> Result<(), Failure> {
    let store = match &args.command {
        DemoCommand::Accounts(store) | DemoCommand::Reset(store) | DemoCommand::Clear(store) => store,
    };
    let db = Db::open(&store.target()?, false, Chance::system()).await.map_err(StartError::from)?;
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
                    "There is no demo in this database. Make one: boxoffice serve --demo, on an empty one.".into()
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
                    "refusing to reset: somebody real has an account in this database",
                    "name another data folder: boxoffice serve --data DIR --demo; nothing was changed",
                )
                .with_code(4));
            }
            let made = demo::make(db, Clock::System.now()).await;
            let made = made.map_err(|error| Failure::new(error.to_string(), "run it again"))?;
            Ok(format!("The demo is new: {} events, {} bookings.", made.events, made.bookings))
        }
        DemoCommand::Clear(_) => {
            if remove::wipe(db).await.map_err(failed)? {
                return Ok("The demo is gone; the database is empty.".into());
            }
            let disabled = remove::disable(db, Clock::System.now()).await.map_err(failed)?;
            Ok(format!("{disabled} demo accounts can no longer sign in; their events and bookings stay."))
        }
    }
}

fn failed(error: DbError) -> Failure {
    Failure::new(error.to_string(), "see whether the database is in use by something else, and run it again")
}
