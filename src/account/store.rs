//! Queries of accounts.
//! Not here: decisions, and the begin or commit of a transaction.

use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use super::Error;
use crate::clock::Timestamp;
use crate::db::{self, DbError, Tx, is_unique_violation};
use crate::entity::{membership, organizer, session, users};
use crate::id::{MembershipId, OrganizerId, SessionId, UserId};
use crate::status::MemberRole;
use crate::text;

/// Returns the account with this address key.
pub async fn by_email(c: &impl ConnectionTrait, key: &str) -> Result<Option<users::Model>, DbError> {
    Ok(users::Entity::find().filter(users::Column::EmailKey.eq(key)).one(c).await?)
}

/// Returns these users, in no order.
pub async fn by_ids(c: &impl ConnectionTrait, ids: &[UserId]) -> Result<Vec<users::Model>, DbError> {
    Ok(users::Entity::find().filter(users::Column::Id.is_in(ids.iter().copied())).all(c).await?)
}

/// Returns these organizers, in no order.
pub async fn organizers(c: &impl ConnectionTrait, ids: &[OrganizerId]) -> Result<Vec<organizer::Model>, DbError> {
    Ok(organizer::Entity::find().filter(organizer::Column::Id.is_in(ids.iter().copied())).all(c).await?)
}

/// Returns the first organizer that a user owns.
pub async fn organizer_of(c: &impl ConnectionTrait, user: UserId) -> Result<Option<OrganizerId>, DbError> {
    let owned = memberships_of(c, user).await?.into_iter().find(|row| row.role == MemberRole::Owner);
    Ok(owned.map(|row| row.organizer_id))
}

/// Returns the memberships of a user, oldest first.
pub async fn memberships_of(c: &impl ConnectionTrait, user: UserId) -> Result<Vec<membership::Model>, DbError> {
    memberships(c, &[user]).await
}

/// Returns the memberships of these users, oldest first.
pub async fn memberships(c: &impl ConnectionTrait, users: &[UserId]) -> Result<Vec<membership::Model>, DbError> {
    let of = membership::Entity::find().filter(membership::Column::UserId.is_in(users.iter().copied()));
    Ok(of.order_by_asc(membership::Column::Id).all(c).await?)
}

/// Inserts a new user. The unique index decides which of two sign-ups with one address is first.
pub async fn insert_user(tx: &Tx, user: users::Model) -> Result<(), Error> {
    let row: users::ActiveModel = user.into();
    match users::Entity::insert(sea_orm::IntoActiveModel::into_active_model(row)).exec_without_returning(tx).await {
        Ok(_) => Ok(()),
        Err(error) => {
            let error = DbError::from(error);
            Err(if is_unique_violation(&error) { Error::EmailTaken } else { error.into() })
        }
    }
}

/// Returns the organizer with this slug.
pub async fn organizer_by_slug(c: &impl ConnectionTrait, slug: &str) -> Result<Option<organizer::Model>, DbError> {
    if slug.contains('\0') {
        return Ok(None); // PostgreSQL cannot even compare a text with NUL
    }
    Ok(organizer::Entity::find().filter(organizer::Column::Slug.eq(slug)).one(c).await?)
}

/// Returns the slugs an organizer may get, in order of preference. The second ends in the random end of its id, which
/// distinguishes it from other organizers with the same name.
pub fn organizer_slugs(name: &str, id: OrganizerId) -> [String; 2] {
    text::slugs(name, "organizer", &id.0.simple().to_string()[26..])
}

/// Inserts an organizer, under the first of `slugs` that is free, with its first owner.
pub async fn insert_organizer(tx: &Tx, name: &str, slugs: &[String], owner: &membership::Model) -> Result<(), DbError> {
    let (id, now) = (owner.organizer_id, owner.created_at);
    let mut written = 0;
    for slug in slugs {
        let sql =
            "INSERT INTO organizer (id, name, slug, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (slug) DO NOTHING";
        written = db::run(tx, sql, [id.into(), name.into(), slug.as_str().into(), now.into()]).await?;
        if written > 0 {
            break;
        }
    }
    if written == 0 {
        return Err(sea_orm::DbErr::Custom("no free slug".into()).into());
    }
    insert_membership(tx, owner).await
}

/// Inserts a membership. The unique index refuses a second one of the same user and organizer.
pub async fn insert_membership(tx: &Tx, row: &membership::Model) -> Result<(), DbError> {
    let row: membership::ActiveModel = row.clone().into();
    membership::Entity::insert(sea_orm::IntoActiveModel::into_active_model(row)).exec_without_returning(tx).await?;
    Ok(())
}

/// Returns the membership of the first owner of a new organizer.
pub fn first_owner(id: MembershipId, user: UserId, organizer: OrganizerId, now: Timestamp) -> membership::Model {
    membership::Model { id, user_id: user, organizer_id: organizer, role: MemberRole::Owner, created_at: now }
}

/// Inserts a new session.
pub async fn insert_session(tx: &Tx, id: SessionId, user: UserId, now: Timestamp) -> Result<(), DbError> {
    let row = session::ActiveModel {
        id: Set(id),
        user_id: Set(user),
        created_at: Set(now),
        revoked_at: Set(None),
        seen_at: Set(Some(now)),
    };
    session::Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}

/// Locks a user's row until the end of the transaction. Returns true if it still has this password hash and the user
/// may sign in: both may have changed since they were verified outside the transaction.
pub async fn hold(tx: &Tx, user: UserId, hash: &str) -> Result<bool, DbError> {
    let sql = "SELECT CAST(1 AS bigint) AS n FROM users WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL";
    let sql = format!("{sql}{}", db::for_update(tx));
    Ok(db::number(tx, &sql, [user.into(), hash.into()]).await? == 1)
}

/// Replaces a password hash unless it was changed meanwhile. Returns the number of rows changed.
pub async fn replace_hash(tx: &Tx, user: UserId, old: &str, new: &str) -> Result<u64, DbError> {
    let sql = "UPDATE users SET password_hash = $1 WHERE id = $2 AND password_hash = $3";
    db::run(tx, sql, [new.into(), user.into(), old.into()]).await
}
