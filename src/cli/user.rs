//! `boxoffice user …`: creates the first administrator, lists and changes accounts from the terminal.
//! Not here: the rules. The verbs of `account` enforce them and write revocations, so that running processes notice.

use clap::{Args, Subcommand, ValueEnum};

use super::{Failure, StoreArgs, ask};
use crate::access::{Actor, Role};
use crate::account::administer::{self, Filter};
use crate::account::password::{Cost, Hasher};
use crate::account::sign_up::{self, NewAccount};
use crate::account::{self, change_password, store};
use crate::app::StartError;
use crate::clock::Clock;
use crate::ctx::Ctx;
use crate::db::{Db, Target};
use crate::entity::users;
use crate::id::{NodeId, RandomSource};
use crate::page::{PAGE_MAX, Paging};

/// `boxoffice user …`
#[derive(Args)]
pub struct UserArgs {
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Subcommand)]
enum UserCommand {
    /// Create an account; asks for the password, or reads it from standard input
    #[command(after_help = "Example: boxoffice user create --role admin --email root@example.org --name Root")]
    Create(CreateArgs),
    /// List accounts, oldest first
    #[command(after_help = "Example: boxoffice user list --role admin")]
    List(ListArgs),
    /// Set a new password and end all sessions of the account; asks for the password, or reads it from standard input
    #[command(after_help = "Example: boxoffice user password grace@example.org")]
    Password(OneArgs),
    /// Change the role of an account
    #[command(after_help = "Example: boxoffice user role grace@example.org organizer")]
    Role(RoleArgs),
    /// Disable an account: it can no longer sign in, and all its sessions end
    #[command(after_help = "Example: boxoffice user disable grace@example.org")]
    Disable(ChangeArgs),
    /// Enable a disabled account
    #[command(after_help = "Example: boxoffice user enable grace@example.org")]
    Enable(OneArgs),
}

#[derive(Args)]
struct CreateArgs {
    /// Role of the account
    #[arg(long, value_enum)]
    role: RoleArg,
    /// E-mail address of the account
    #[arg(long)]
    email: String,
    /// Display name of the user
    #[arg(long)]
    name: String,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Args)]
struct ListArgs {
    /// Only accounts with this role
    #[arg(long, value_enum)]
    role: Option<RoleArg>,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Args)]
struct OneArgs {
    /// E-mail address of the account
    email: String,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Args)]
struct ChangeArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

#[derive(Args)]
struct RoleArgs {
    #[command(flatten)]
    change: ChangeArgs,
    /// New role of the account
    #[arg(value_enum)]
    role: RoleArg,
}

#[derive(Clone, Copy, ValueEnum)]
enum RoleArg {
    Customer,
    Organizer,
    Admin,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Customer => Self::Customer,
            RoleArg::Organizer => Self::Organizer,
            RoleArg::Admin => Self::Admin,
        }
    }
}

/// Runs a command of `boxoffice user`.
pub async fn user(args: UserArgs) -> Result<(), Failure> {
    match args.command {
        UserCommand::Create(args) => {
            let password = ask::password()?;
            let target = args.store.target()?;
            within(target, async |ctx| {
                create(ctx, args.role.into(), args.email.clone(), args.name.clone(), password).await
            })
            .await
        }
        UserCommand::List(args) => {
            within(args.store.existing_target()?, async |ctx| list(ctx, args.role.map(Role::from)).await).await
        }
        UserCommand::Password(args) => {
            within(args.store.existing_target()?, async |ctx| {
                let user = find(ctx, &args.email).await?;
                let password = ask::password()?;
                change_password::reset_password(ctx, &hasher()?, user.id, password).await.map_err(failed)?;
                Ok(format!("changed the password of {}; its sessions end, its API tokens stay valid", shown(&user)))
            })
            .await
        }
        UserCommand::Role(RoleArgs { change, role }) => {
            within(change.one.store.existing_target()?, async |ctx| {
                let user = find(ctx, &change.one.email).await?;
                let role = Role::from(role);
                ask::confirm(&format!("Change {} to {}?", shown(&user), role.word()), change.yes)?;
                administer::set_role(ctx, user.id, role).await.map_err(failed)?;
                Ok(format!("{} now has the role {}", user.email, role.word()))
            })
            .await
        }
        UserCommand::Disable(change) => {
            within(change.one.store.existing_target()?, async |ctx| {
                let user = find(ctx, &change.one.email).await?;
                ask::confirm(&format!("Disable {} and end all its sessions?", shown(&user)), change.yes)?;
                administer::disable(ctx, user.id).await.map_err(failed)?;
                Ok(format!("disabled {}", shown(&user)))
            })
            .await
        }
        UserCommand::Enable(args) => {
            within(args.store.existing_target()?, async |ctx| {
                let user = find(ctx, &args.email).await?;
                administer::enable(ctx, user.id).await.map_err(failed)?;
                Ok(format!("enabled {}", shown(&user)))
            })
            .await
        }
    }
}

/// Runs a command on the database as the service itself, and prints its answer.
async fn within(target: Target, command: impl AsyncFnOnce(&Ctx) -> Result<String, Failure>) -> Result<(), Failure> {
    let db = Db::open(&target, false, RandomSource::system()).await.map_err(StartError::from)?;
    let ctx = Ctx {
        actor: Actor::System,
        peer: None,
        lease: None,
        db: db.clone(),
        clock: Clock::System,
        random: RandomSource::system(),
    };
    let done = command(&ctx).await;
    db.close().await;
    println!("{}", done?);
    Ok(())
}

fn hasher() -> Result<Hasher, Failure> {
    Ok(Hasher::new(Cost::STANDARD, 1).map_err(StartError::from)?)
}

fn failed(error: account::Error) -> Failure {
    Failure::new(error.to_string(), "nothing was changed; correct it and try again")
}

/// Returns the account with this address.
async fn find(ctx: &Ctx, address: &str) -> Result<users::Model, Failure> {
    let (_, key) = account::email(address).map_err(|error| failed(error.into()))?;
    let found = store::by_email(ctx.db.read(), &key).await.map_err(|error| failed(error.into()))?;
    found.ok_or_else(|| {
        Failure::new(
            format!("there is no account with the address {address}"),
            "list the accounts: boxoffice user list",
        )
    })
}

/// Returns a description of an account in one line.
fn shown(user: &users::Model) -> String {
    format!("{} ({}, {})", user.email, user.role.word(), user.name)
}

async fn create(ctx: &Ctx, role: Role, email: String, name: String, password: String) -> Result<String, Failure> {
    let account = NewAccount { email: email.clone(), password, name, organizer_name: None };
    let opened = sign_up::create_user(ctx, &hasher()?, account, role).await.map_err(failed)?;
    Ok(format!("created {} {email} ({})", role.word(), opened.user.to_global_id()))
}

/// Returns a table with a line per account.
async fn list(ctx: &Ctx, role: Option<Role>) -> Result<String, Failure> {
    let head = ["E-MAIL", "ROLE", "STATE", "NAME", "ID"].map(str::to_owned);
    let mut rows = vec![head];
    let mut paging = Paging { after: None, before: None, limit: PAGE_MAX, from_end: false };
    loop {
        let filter = Filter { role, ..Filter::default() };
        let page = administer::list(ctx, filter, paging.clone()).await.map_err(failed)?;
        paging.after = page.rows.last().map(|user| user.id);
        rows.extend(page.rows.into_iter().map(|user| {
            let state = if user.disabled_at.is_some() { "disabled" } else { "enabled" };
            [user.email, user.role.word().to_owned(), state.to_owned(), user.name, user.id.to_global_id()]
        }));
        if !page.has_next {
            break;
        }
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let [email, role, state, name, _] = [0, 1, 2, 3, 4].map(width);
    let line = |[a, b, c, d, e]: &[String; 5]| format!("{a:email$}  {b:role$}  {c:state$}  {d:name$}  {e}");
    Ok(rows.iter().map(line).collect::<Vec<_>>().join("\n"))
}
