//! Answers to invitations: accepted or declined by the account with the invited address.
//! Not here: making and revoking them (`invite`).

use sea_orm::EntityTrait;

use super::{allow_now, invite, lock};
use crate::access::{Action, Memberships};
use crate::account::{Error, revocation, store};
use crate::ctx::Ctx;
use crate::db::{self, DbError, Priority, Tx};
use crate::entity::{membership, membership_invitation, users};
use crate::id::{InvitationId, MembershipId, NodeId, OrganizerId, UserId};
use crate::status::InvitationStatus;
use crate::text::Invalid;

/// The most memberships that can be accepted: one more is left for an organizer of the account's own.
const ACCEPTED_MAX: usize = Memberships::MAX - 1;

/// Accepts an invitation: the actor becomes a member of the organizer's team.
#[tracing::instrument(level = "debug", skip_all, fields(invitation = %id))]
pub async fn accept(ctx: &Ctx, id: InvitationId) -> Result<MembershipId, Error> {
    ctx.allow(Action::AnswerInvitations)?;
    let user = ctx.user()?;
    let now = ctx.now();
    let membership: MembershipId = ctx.id();
    ctx.db
        .write(Priority::Interactive, |tx| async move {
            let invitation = held(ctx, &tx, id, user).await?;
            if !invitation.status.may_become(InvitationStatus::Accepted) || invitation.expires_at <= now {
                return Err(Error::InvitationOver);
            }
            if !may_still_invite(&tx, invitation.invited_by, invitation.organizer_id).await? {
                return Err(Error::InvitationOver);
            }
            let own = store::memberships_of(&tx, user).await?;
            if own.iter().any(|own| own.organizer_id == invitation.organizer_id) {
                return Err(Error::AlreadyMember { field: "invitationId" });
            }
            if own.len() >= ACCEPTED_MAX {
                let full = format!("you are a member of {ACCEPTED_MAX} organizers: leave one first");
                return Err(Invalid::new("invitationId", full).into());
            }
            let (organizer_id, role) = (invitation.organizer_id, invitation.role);
            let row = membership::Model { id: membership, user_id: user, organizer_id, role, created_at: now };
            store::insert_membership(&tx, &row).await?;
            invite::end(&tx, id, InvitationStatus::Accepted, now).await?;
            revocation::revoke_all(&tx, user, now).await?;
            Ok::<_, Error>(())
        })
        .await?;
    tracing::info!(user = %user.to_global_id(), invitation = %id.to_global_id(), "invitation accepted");
    Ok(membership)
}

/// Declines an invitation.
#[tracing::instrument(level = "debug", skip_all, fields(invitation = %id))]
pub async fn decline(ctx: &Ctx, id: InvitationId) -> Result<InvitationId, Error> {
    ctx.allow(Action::AnswerInvitations)?;
    let user = ctx.user()?;
    ctx.db
        .write(Priority::Interactive, |tx| async move {
            held(ctx, &tx, id, user).await?;
            invite::end(&tx, id, InvitationStatus::Declined, ctx.now()).await?;
            Ok(id)
        })
        .await
}

/// Locks the organizer and the account, and returns an invitation to the address of this account. An invitation to
/// another address does not exist for it.
async fn held(ctx: &Ctx, tx: &Tx, id: InvitationId, user: UserId) -> Result<membership_invitation::Model, Error> {
    let find = || membership_invitation::Entity::find_by_id(id);
    let found = find().one(tx).await.map_err(DbError::from)?.ok_or(Error::InvitationNotFound)?;
    lock(tx, found.organizer_id).await?;
    // The account too, so that invitations of two organizers cannot exceed its limit.
    let sql = format!("SELECT id FROM users WHERE id = $1{}", db::for_update(tx));
    db::run(tx, &sql, [user.into()]).await?;
    allow_now(ctx, tx, Action::AnswerInvitations, Error::InvitationNotFound).await?;
    let account = users::Entity::find_by_id(user).one(tx).await.map_err(DbError::from)?;
    if account.is_none_or(|account| account.email_key != found.email_key) {
        return Err(Error::InvitationNotFound);
    }
    // Read again: it may have ended before the lock.
    find().one(tx).await.map_err(DbError::from)?.ok_or(Error::InvitationNotFound)
}

/// Returns true if the sender of an invitation still has the right to send it: disabling the account or changing its
/// role ends the right without a change of the team.
async fn may_still_invite(tx: &Tx, sender: UserId, organizer: OrganizerId) -> Result<bool, DbError> {
    let sql = "SELECT count(*) AS n FROM users u WHERE u.id = $1 AND u.disabled_at IS NULL
               AND (u.role = 'ADMIN' OR u.role = 'ORGANIZER' AND EXISTS (SELECT 1 FROM membership m
                    WHERE m.user_id = u.id AND m.organizer_id = $2 AND m.role = 'OWNER'))";
    Ok(db::number(tx, sql, [sender.into(), organizer.into()]).await? > 0)
}
