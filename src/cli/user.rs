//! `boxoffice user create`: makes accounts from the terminal; the way the first administrator comes about.
//! Not here: signing up over the API.

use std::io::{BufRead, IsTerminal};

use clap::{Args, Subcommand, ValueEnum};

use super::{Failure, StoreArgs};
use crate::access::{Actor, Role};
use crate::account::password::{Cost, Hasher};
use crate::account::sign_up::{self, NewAccount};
use crate::app::StartError;
use crate::clock::Clock;
use crate::ctx::Ctx;
use crate::db::Db;
use crate::id::{Chance, Noun};

/// `boxoffice user …`
#[derive(Args)]
pub struct UserArgs {
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Subcommand)]
enum UserCommand {
    /// Make an account; the password is asked for, or read from standard input
    #[command(after_help = "Example: boxoffice user create --role admin --email root@example.org --name Root")]
    Create(CreateArgs),
}

#[derive(Args)]
struct CreateArgs {
    /// What kind of account
    #[arg(long, value_enum)]
    role: RoleArg,
    /// E-mail address
    #[arg(long)]
    email: String,
    /// Display name
    #[arg(long)]
    name: String,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum RoleArg {
    Customer,
    Organizer,
    Admin,
}

/// Does what was asked.
pub async fn user(args: UserArgs) -> Result<(), Failure> {
    let UserCommand::Create(args) = args.command;
    let password = password()?;
    let target = args.store.target()?;
    let db = Db::open(&target, false, Chance::system()).await.map_err(StartError::from)?;
    let ctx = Ctx { actor: Actor::System, peer: None, db: db.clone(), clock: Clock::System, chance: Chance::system() };
    let hasher = Hasher::new(Cost::STANDARD, 1).map_err(StartError::from)?;
    let role = match args.role {
        RoleArg::Customer => Role::Customer,
        RoleArg::Organizer => Role::Organizer,
        RoleArg::Admin => Role::Admin,
    };
    let account = NewAccount { email: args.email.clone(), password, name: args.name, organizer_name: None };
    let opened = sign_up::create_user(&ctx, &hasher, account, role).await;
    db.close().await;
    let opened =
        opened.map_err(|error| Failure::new(error.to_string(), "nothing was changed; correct it and try again"))?;
    println!("created {} {} ({})", role.word(), args.email, opened.user.opaque());
    Ok(())
}

/// From a prompt that does not show it, or one line of standard input; never from the command line, where `ps` sees it.
fn password() -> Result<String, Failure> {
    let failed =
        |error: std::io::Error| Failure::new(format!("cannot read the password: {error}"), "type it, or pipe it in");
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password("Password: ").map_err(failed);
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(failed)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
