//! Opening an account: customers and organizers by themselves, admins by an admin or the command line.
//! Not here: signing in afterwards.

use super::password::Hasher;
use super::refresh::{self, Refresh};
use super::throttle::{Attempt, Throttle};
use super::{Error, email, new_password, store};
use crate::access::{Action, Role};
use crate::ctx::Ctx;
use crate::db::Priority;
use crate::domain_event::DomainEvent;
use crate::entity::users;
use crate::id::{OrganizerId, SessionId, UserId};
use crate::outbox::{self, Draft};
use crate::text;

/// What a new account is made from.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// As typed.
    pub email: String,
    /// In clear; hashed before anything is stored.
    pub password: String,
    /// Display name.
    pub name: String,
    /// Name of the organizer an ORGANIZER acts for; their own name when none is given.
    pub organizer_name: Option<String>,
}

/// A new account and the sign-in that comes with it.
#[derive(Debug, Clone, Copy)]
pub struct Opened {
    /// The user.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
}

/// Opens an account as customer or organizer.
pub async fn sign_up(
    ctx: &Ctx,
    hasher: &Hasher,
    throttle: &Throttle,
    account: NewAccount,
    role: Role,
) -> Result<(Opened, Refresh), Error> {
    if role == Role::Admin {
        return Err(text::Invalid::new("role", "an administrator is made by another administrator").into());
    }
    open(ctx, hasher, Some(throttle), account, role).await
}

/// Makes an administrator: by an administrator, or by the service itself (command line).
pub async fn create_admin(ctx: &Ctx, hasher: &Hasher, account: NewAccount) -> Result<Opened, Error> {
    ctx.allow(Action::Administer)?;
    Ok(open(ctx, hasher, None, account, Role::Admin).await?.0)
}

/// Makes an account of any role; only for the service itself (command line).
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
    // What is no account yet costs nothing and tells nothing; from here on it does.
    let attempt = match throttle {
        Some(throttle) => throttle.sign_up(ctx, &new.email_key).await?,
        None => Attempt::default(),
    };
    let outcome = insert(ctx, hasher, &attempt, new, role).await;
    attempt.closed(ctx, outcome).await
}

/// A new account whose every field is as it should be.
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
    // The dear part comes before the transaction; the unique index still decides who is first.
    if store::by_email(ctx.db.read(), &account.email_key).await?.is_some() {
        return Err(Error::EmailTaken);
    }
    let hash = hasher.hash(account.password).await?;

    let now = ctx.now();
    let (user, session): (UserId, SessionId) = (ctx.id(), ctx.id());
    let organizer: OrganizerId = ctx.id();
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
    let slugs = store::organizer_slugs(&account.organizer_name, organizer);
    let (row, organizer_name, slugs) = (&row, &account.organizer_name, &slugs);
    let (domain_event, first) = (&domain_event, &token.token);
    let opened = ctx
        .db
        .write(Priority::Interactive, |tx| async move {
            store::insert_user(&tx, row.clone()).await?;
            if role == Role::Organizer {
                store::insert_organizer(&tx, organizer, organizer_name, slugs, user, now).await?;
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
