//! Change of a password: replaces it and ends every other session of the user.
//! Not here: a forgotten password; that needs mail.

use sea_orm::EntityTrait;

use super::password::{self, Hasher};
use super::throttle::{Attempt, Throttle};
use super::{Error, new_password, sign_out, store};
use crate::access::Action;
use crate::ctx::{Ctx, Denied};
use crate::db::{self, DbError, Priority};
use crate::entity::users;
use crate::id::{NodeId, UserId};

/// Replaces the password after checking the current one. Every other session of the user ends; this one stays.
pub async fn change_password(
    ctx: &Ctx,
    hasher: &Hasher,
    throttle: &Throttle,
    current: String,
    new: String,
) -> Result<UserId, Error> {
    ctx.allow(Action::ManageAccount)?;
    let user = ctx.user()?;
    new_password("newPassword", &new)?;
    let row = users::Entity::find_by_id(user).one(ctx.db.read()).await.map_err(DbError::from)?;
    let row = row.ok_or(Denied::SignIn)?;
    let attempt = throttle.password(ctx, &row.email_key).await?;
    let outcome = judged(ctx, hasher, &attempt, row, current, new).await;
    let changed = attempt.closed(ctx, outcome).await?;
    tracing::info!(user = %changed.to_global_id(), "password changed");
    Ok(changed)
}

/// Sets a new password without the current one; only for the service itself (command line). Every session of the user
/// ends.
pub async fn reset_password(ctx: &Ctx, hasher: &Hasher, user: UserId, new: String) -> Result<UserId, Error> {
    ctx.allow(Action::Administer)?;
    new_password("password", &new)?;
    let (hash, now) = (hasher.hash(new).await?, ctx.now());
    let hash = &hash;
    ctx.db
        .write(Priority::Interactive, |tx| async move {
            let sql = "UPDATE users SET password_hash = $1 WHERE id = $2";
            if db::run(&tx, sql, [hash.into(), user.into()]).await? == 0 {
                return Err(Error::UserNotFound);
            }
            sign_out::end_all_of(&tx, user, None, now).await?;
            Ok(user)
        })
        .await
}

async fn judged(
    ctx: &Ctx,
    hasher: &Hasher,
    attempt: &Attempt,
    row: users::Model,
    current: String,
    new: String,
) -> Result<UserId, Error> {
    let is_possible = current.len() <= password::BYTES_MAX;
    if !is_possible || !hasher.verify(current, Some(row.password_hash.clone())).await? {
        tracing::info!(reason = "wrong_password", user = %row.id.to_global_id(), "password change refused");
        return Err(Error::WrongPassword);
    }
    let hash = hasher.hash(new).await?;
    let (user, now) = (row.id, ctx.now());
    let (old, hash) = (&row.password_hash, &hash);
    ctx.db
        .write(Priority::Interactive, |tx| async move {
            if store::replace_hash(&tx, user, old, hash).await? == 0 {
                // Changed or renewed while it was verified: a retry is judged by the hash stored then.
                return Err(DbError::Overloaded.into());
            }
            sign_out::end_all_of(&tx, user, ctx.actor.session(), now).await?;
            attempt.succeeded(&tx, now).await?;
            Ok(user)
        })
        .await
}
