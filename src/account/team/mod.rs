//! Teams: the members of an organizer, and invitations to become one.
//! Not here: the actions of each role in a team (`access::policy`).
//!
//! Every change locks the organizer first and then decides on what it reads, so that of two owners who remove each
//! other one stays. A change of a membership revokes the cached rights of its user, so it takes effect within a second.

use sea_orm::EntityTrait;

use crate::access::{Action, Actor, Memberships, SignedIn};
use crate::account::{Error, store};
use crate::ctx::{Ctx, Denied};
use crate::db::{self, DbError, Tx};
use crate::entity::users;
use crate::id::OrganizerId;

pub mod answer;
pub mod change;
pub mod invite;
pub mod list;

/// The most members and open invitations of one organizer: all of its owners and managers are notified of each booking.
const TEAM_MAX: i64 = 100;

/// Locks an organizer until the end of the transaction: its team changes by one request at a time. Returns true if the
/// organizer exists.
async fn lock(tx: &Tx, organizer: OrganizerId) -> Result<bool, DbError> {
    let sql = format!("SELECT CAST(1 AS bigint) AS n FROM organizer WHERE id = $1{}", db::for_update(tx));
    Ok(db::number(tx, &sql, [organizer.into()]).await? == 1)
}

/// Checks the access policy with the rights that the actor has in this transaction: cached ones may be a moment old.
/// The error `hidden` stands for an object that the actor may not see.
async fn allow_now(ctx: &Ctx, tx: &Tx, action: Action, hidden: Error) -> Result<(), Error> {
    let user = ctx.actor.signed_in().ok_or(Denied::SignIn)?;
    let found = users::Entity::find_by_id(user.user).one(tx).await.map_err(DbError::from)?;
    let row = found.filter(|row| row.disabled_at.is_none()).ok_or(Denied::SignIn)?;
    let rows = store::memberships_of(tx, user.user).await?;
    let memberships = Memberships::of(rows.into_iter().map(|row| (row.organizer_id, row.role)));
    let now = Actor::User(SignedIn { role: row.role, memberships, ..*user });
    ctx.acting_as(now).require(action, hidden)
}
