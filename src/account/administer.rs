//! Administration of other users' accounts: sets a role, disables, enables and looks up accounts.
//! Not here: the creation of administrators (`sign_up`).

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};

use super::{Error, revocation, sign_out, store};
use crate::access::{Action, Role};
use crate::clock::Timestamp;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Priority, Tx};
use crate::entity::users;
use crate::id::{NodeId, UserId};
use crate::page::{Page, Paging};
use crate::queue::{self, JobKind, NewJob};
use crate::text::Invalid;

/// Job that ends the waitlist entries of a user who may no longer book (`booking::close`).
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct EndWaitlistEntries {
    /// User of the entries.
    pub user: UserId,
}

impl JobKind for EndWaitlistEntries {
    const KIND: &'static str = "end_waitlist_entries";
    const IS_LONG: bool = true;
}

async fn end_entries(tx: &Tx, user: UserId, now: Timestamp) -> Result<(), DbError> {
    queue::enqueue(tx, &[NewJob::new(&EndWaitlistEntries { user }, now)]).await?;
    Ok(())
}

/// Gives a user another role. Takes effect immediately: the user's running subscriptions are terminated. A new
/// ORGANIZER gets an organizer with the user's name unless the user owns one from before; a former ORGANIZER keeps all
/// memberships without the right to use them.
#[tracing::instrument(level = "debug", skip_all, fields(user = %id))]
pub async fn set_role(ctx: &Ctx, id: UserId, role: Role) -> Result<UserId, Error> {
    let owner = store::first_owner(ctx.id(), id, ctx.id(), ctx.now());
    let owner = &owner;
    change(ctx, id, &format!("role set to {role:?}"), |tx, user| async move {
        if user.role == role {
            return Ok(false);
        }
        let sql = "UPDATE users SET role = $2 WHERE id = $1";
        db::run(&tx, sql, [id.into(), role.into()]).await?;
        if role == Role::Organizer && store::organizer_of(&tx, id).await?.is_none() {
            let slugs = store::organizer_slugs(&user.name, owner.organizer_id);
            store::insert_organizer(&tx, &user.name, &slugs, owner).await?;
        }
        if user.role == Role::Customer {
            end_entries(&tx, id, ctx.now()).await?;
        }
        revocation::revoke_all(&tx, id, ctx.now()).await?;
        Ok(true)
    })
    .await
}

/// Disables a user: takes away the right to sign in and ends all their sessions. Their bookings and events stay.
#[tracing::instrument(level = "debug", skip_all, fields(user = %id))]
pub async fn disable(ctx: &Ctx, id: UserId) -> Result<UserId, Error> {
    change(ctx, id, "disabled", |tx, _| async move {
        let sql = "UPDATE users SET disabled_at = $2 WHERE id = $1 AND disabled_at IS NULL";
        let disabled = db::run(&tx, sql, [id.into(), ctx.now().into()]).await?;
        if disabled == 1 {
            end_entries(&tx, id, ctx.now()).await?;
        }
        sign_out::end_all_of(&tx, id, None, ctx.now()).await?;
        Ok(disabled == 1)
    })
    .await
}

/// Enables a disabled user: gives back the right to sign in.
#[tracing::instrument(level = "debug", skip_all, fields(user = %id))]
pub async fn enable(ctx: &Ctx, id: UserId) -> Result<UserId, Error> {
    change(ctx, id, "enabled", |tx, _| async move {
        let sql = "UPDATE users SET disabled_at = NULL WHERE id = $1 AND disabled_at IS NOT NULL";
        let enabled = db::run(&tx, sql, [id.into()]).await?;
        revocation::revoke_all(&tx, id, ctx.now()).await?;
        Ok(enabled == 1)
    })
    .await
}

/// Changes the account of another user, and logs the action if the body reports a change. Administrators cannot change
/// their own account, so that none of them locks out all administrators by mistake. The command line acts as the
/// service itself and may change any account.
async fn change<F, Fut>(ctx: &Ctx, id: UserId, deed: &str, body: F) -> Result<UserId, Error>
where
    F: Fn(Tx, users::Model) -> Fut,
    Fut: Future<Output = Result<bool, DbError>>,
{
    ctx.allow(Action::Administer)?;
    let admin = ctx.actor.user_id();
    if admin == Some(id) {
        return Err(Invalid::new("userId", "must be another user; you cannot change your own account").into());
    }
    let body = &body;
    let changed = ctx
        .db
        .write(Priority::Interactive, |tx| async move {
            let found = users::Entity::find_by_id(id).one(&tx).await.map_err(DbError::from)?;
            let user = found.ok_or(Error::UserNotFound)?;
            Ok::<_, Error>(body(tx, user).await?)
        })
        .await?;
    if changed {
        tracing::info!(admin = admin.map(|admin| admin.to_global_id()), user = %id.to_global_id(), "account changed: {deed}");
    }
    Ok(id)
}

/// Filter of a list of users.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only users with this role.
    pub role: Option<Role>,
    /// Only the user with this address, in upper or lower case.
    pub email: Option<String>,
}

/// Returns a page of all users that match the filter.
pub async fn list(ctx: &Ctx, filter: Filter, paging: Paging<UserId>) -> Result<Page<users::Model>, Error> {
    ctx.allow(Action::Administer)?;
    let mut users = users::Entity::find();
    if let Some(role) = filter.role {
        users = users.filter(users::Column::Role.eq(role));
    }
    if let Some(email) = filter.email {
        // A text that is no address belongs to no user, and PostgreSQL cannot even compare some texts.
        let Ok((_, key)) = super::email(&email) else {
            return Ok(Page { rows: Vec::new(), has_previous: false, has_next: false });
        };
        users = users.filter(users::Column::EmailKey.eq(key));
    }
    Ok(paging.run(users.cursor_by(users::Column::Id), ctx.db.read()).await?)
}
