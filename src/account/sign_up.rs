//! Sign-up: creates accounts of customers and organizers; administrators are created by an administrator or the command
//! line.
//! Not here: signing in afterwards.

use super::password::Hasher;
use super::refresh::{self, Refresh};
use super::session::Opened;
use super::throttle::{Attempt, Throttle};
use super::{Error, email, new_password, store};
use crate::access::{Action, Role};
use crate::ctx::Ctx;
use crate::db::Priority;
use crate::domain_event::DomainEvent;
use crate::entity::users;
use crate::id::{SessionId, UserId};
use crate::outbox::{self, Draft};
use crate::text;

/// Input for a new account.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// E-mail address as typed.
    pub email: String,
    /// Password in clear text; hashed before anything is stored.
    pub password: String,
    /// Display name of the user.
    pub name: String,
    /// Name of the organizer that an ORGANIZER acts for; default: the user's own name.
    pub organizer_name: Option<String>,
}

/// Creates an account of a customer or organizer, with a session.
pub async fn sign_up(
    ctx: &Ctx,
    hasher: &Hasher,
    throttle: &Throttle,
    account: NewAccount,
    role: Role,
) -> Result<(Opened, Refresh), Error> {
    if role == Role::Admin {
        return Err(text::Invalid::new("role", "cannot be ADMIN: only an administrator can create another one").into());
    }
    open(ctx, hasher, Some(throttle), account, role).await
}

/// Creates an administrator; only for an administrator or the service itself (command line).
pub async fn create_admin(ctx: &Ctx, hasher: &Hasher, account: NewAccount) -> Result<Opened, Error> {
    ctx.allow(Action::Administer)?;
    Ok(open(ctx, hasher, None, account, Role::Admin).await?.0)
}

/// Creates an account with any role; only for the service itself (command line).
pub async fn create_user(ctx: &Ctx, hasher: &Hasher, account: NewAccount, role: Role) -> Result<Opened, Error> {
    ctx.allow(Action::Administer)?;
    Ok(open(ctx, hasher, None, account, role).await?.0)
}

async fn open(
    ctx: &Ctx,
    hasher: &Hasher,
    throttle: Option<&Throttle>,
    account: NewAccount,
    role: Role,
) -> Result<(Opened, Refresh), Error> {
    let new = checked(account)?;
    // Invalid input reveals nothing and is not throttled; from here on an attempt counts.
    let attempt = match throttle {
        Some(throttle) => throttle.sign_up(ctx, &new.email_key).await?,
        None => Attempt::default(),
    };
    let outcome = insert(ctx, hasher, &attempt, new, role).await;
    attempt.closed(ctx, outcome).await
}

/// A new account with valid fields.
struct Checked {
    email: String,
    email_key: String,
    password: String,
    name: String,
    organizer_name: String,
}

fn checked(account: NewAccount) -> Result<Checked, text::Invalids> {
    let mut fields = text::Fields::default();
    let address = fields.check(email(&account.email));
    let password = fields.check(new_password("password", &account.password));
    let name = fields.check(text::line("name", &account.name, 100));
    let organizer_name = match account.organizer_name.as_deref() {
        Some(given) => fields.check(text::line("organizerName", given, 100)),
        None => name.clone(),
    };
    fields.finish(|| {
        let ((email, email_key), ()) = (address?, password?);
        Some(Checked { email, email_key, password: account.password, name: name?, organizer_name: organizer_name? })
    })
}

async fn insert(
    ctx: &Ctx,
    hasher: &Hasher,
    attempt: &Attempt,
    account: Checked,
    role: Role,
) -> Result<(Opened, Refresh), Error> {
    // The expensive hash is made before the transaction. The unique index still decides which sign-up is first.
    if store::by_email(ctx.db.read(), &account.email_key).await?.is_some() {
        return Err(Error::EmailTaken);
    }
    let hash = hasher.hash(account.password).await?;

    let now = ctx.now();
    let (user, session): (UserId, SessionId) = (ctx.id(), ctx.id());
    let owner = store::first_owner(ctx.id(), user, ctx.id(), now);
    let row = users::Model {
        id: user,
        email: account.email,
        email_key: account.email_key,
        name: account.name,
        role,
        password_hash: hash,
        disabled_at: None,
        created_at: now,
    };
    let domain_event =
        Draft::new(ctx, DomainEvent::UserRegistered { user }).caused_by(ctx.actor.user_id().or(Some(user)));
    let token = refresh::begin(ctx);
    let slugs = store::organizer_slugs(&account.organizer_name, owner.organizer_id);
    let (row, organizer_name, slugs, owner) = (&row, &account.organizer_name, &slugs, &owner);
    let (domain_event, first) = (&domain_event, &token.token);
    let opened = ctx
        .db
        .write(Priority::Interactive, |tx| async move {
            store::insert_user(&tx, row.clone()).await?;
            if role == Role::Organizer {
                store::insert_organizer(&tx, organizer_name, slugs, owner).await?;
            }
            store::insert_session(&tx, session, user, now).await?;
            refresh::first(&tx, session, first, now).await?;
            attempt.remember_network(&tx, now).await?;
            outbox::append(&tx, std::slice::from_ref(domain_event)).await?;
            Ok::<_, Error>(Opened { user, session })
        })
        .await?;
    Ok((opened, token))
}
