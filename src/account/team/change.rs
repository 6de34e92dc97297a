//! Changes of a team: another role for a member, and the end of a membership.
//! Not here: new members (`invite`, `answer`).

use sea_orm::EntityTrait;

use super::{allow_now, lock};
use crate::access::{Action, MemberRole};
use crate::account::{Error, revocation};
use crate::clock::Timestamp;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Priority, Tx};
use crate::entity::membership;
use crate::id::{MembershipId, NodeId};

/// Gives a member another role. Takes effect immediately: running subscriptions of the member are terminated.
#[tracing::instrument(level = "debug", skip_all, fields(membership = %id))]
pub async fn change_role(ctx: &Ctx, id: MembershipId, role: MemberRole) -> Result<MembershipId, Error> {
    ctx.allow(Action::ManageMembers)?;
    let before = ctx
        .db
        .write(Priority::Interactive, |tx| async move {
            let before = held(&tx, id).await?;
            let action = Action::ManageMembersOf(before.organizer_id);
            allow_now(ctx, &tx, action, Error::MembershipNotFound).await?;
            if before.role != role {
                let sql = "UPDATE membership SET role = $2 WHERE id = $1";
                db::run(&tx, sql, [id.into(), role.word().into()]).await?;
                ended(&tx, &before, ctx.now()).await?;
            }
            Ok::<_, Error>(before)
        })
        .await?;
    log(ctx, &before, role.word());
    Ok(id)
}

/// Ends a membership: one's own, or one of an organizer the actor owns. Returns it as it was.
#[tracing::instrument(level = "debug", skip_all, fields(membership = %id))]
pub async fn remove(ctx: &Ctx, id: MembershipId) -> Result<membership::Model, Error> {
    ctx.allow(Action::ManageMembers)?;
    let before = ctx
        .db
        .write(Priority::Interactive, |tx| async move {
            let before = held(&tx, id).await?;
            let action = Action::EndMembershipOf { member: before.user_id, organizer: before.organizer_id };
            allow_now(ctx, &tx, action, Error::MembershipNotFound).await?;
            db::run(&tx, "DELETE FROM membership WHERE id = $1", [id.into()]).await?;
            ended(&tx, &before, ctx.now()).await?;
            Ok::<_, Error>(before)
        })
        .await?;
    log(ctx, &before, "none");
    Ok(before)
}

/// Locks the organizer of a membership and returns the membership.
async fn held(tx: &Tx, id: MembershipId) -> Result<membership::Model, Error> {
    let find = || membership::Entity::find_by_id(id);
    let found = find().one(tx).await.map_err(DbError::from)?.ok_or(Error::MembershipNotFound)?;
    lock(tx, found.organizer_id).await?;
    // Read again: it may have changed before the lock.
    find().one(tx).await.map_err(DbError::from)?.ok_or(Error::MembershipNotFound)
}

/// Revokes the cached rights of a former role. Open invitations of a former owner end. Refused if no owner who can use
/// the right is left: the last one has to name another first.
async fn ended(tx: &Tx, before: &membership::Model, now: Timestamp) -> Result<(), Error> {
    if before.role == MemberRole::Owner {
        let sql = "SELECT count(*) AS n FROM membership m JOIN users u ON u.id = m.user_id
                   WHERE m.organizer_id = $1 AND m.role = 'OWNER' AND u.role = 'ORGANIZER' AND u.disabled_at IS NULL";
        if db::number(tx, sql, [before.organizer_id.into()]).await? == 0 {
            return Err(Error::LastOwner);
        }
        let sql = "UPDATE membership_invitation SET status = 'REVOKED', ended_at = $3
                   WHERE organizer_id = $1 AND invited_by = $2 AND status = 'PENDING'";
        db::run(tx, sql, [before.organizer_id.into(), before.user_id.into(), now.into()]).await?;
    }
    Ok(revocation::revoke_all(tx, before.user_id, now).await?)
}

fn log(ctx: &Ctx, before: &membership::Model, role: &str) {
    let by = ctx.actor.user_id().map(NodeId::to_global_id);
    let (user, organizer) = (before.user_id.to_global_id(), before.organizer_id.to_global_id());
    tracing::info!(by, %user, %organizer, from = before.role.word(), to = role, "membership changed");
}
