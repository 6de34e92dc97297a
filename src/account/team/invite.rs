//! Invitations of an organizer: made, renewed and revoked by its owners.
//! Not here: the answers to them (`answer`).

use std::time::Duration;

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::{TEAM_MAX, allow_now, lock};
use crate::access::{Action, MemberRole};
use crate::account::{Error, email};
use crate::clock::Timestamp;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Priority, Tx};
use crate::entity::membership_invitation;
use crate::id::{InvitationId, NodeId, OrganizerId};
use crate::status::InvitationStatus;
use crate::text::Invalid;

/// Time in which an invitation can be accepted.
const LIFETIME: Duration = Duration::from_secs(14 * 24 * 3_600);

/// Invites an e-mail address to the team of an organizer. A second invitation of the same address renews the first,
/// with the new role. The answer is the same whether the address has an account or not.
#[tracing::instrument(level = "debug", skip_all, fields(organizer = %organizer))]
pub async fn invite(ctx: &Ctx, organizer: OrganizerId, address: &str, role: MemberRole) -> Result<InvitationId, Error> {
    ctx.allow(Action::ManageMembers)?;
    let (email, email_key) = email(address)?;
    let now = ctx.now();
    let row = membership_invitation::Model {
        id: ctx.id(),
        organizer_id: organizer,
        email,
        email_key,
        role,
        status: InvitationStatus::Pending,
        invited_by: ctx.user()?,
        created_at: now,
        expires_at: now.plus(LIFETIME),
        ended_at: None,
    };
    let row = &row;
    let invitation = ctx
        .db
        .write(Priority::Interactive, |tx| async move {
            if !lock(&tx, organizer).await? {
                return Err(Error::OrganizerNotFound);
            }
            allow_now(ctx, &tx, Action::ManageMembersOf(organizer), Error::OrganizerNotFound).await?;
            let sql = "SELECT count(*) AS n FROM users u JOIN membership m ON m.user_id = u.id
                       WHERE u.email_key = $1 AND m.organizer_id = $2";
            if db::number(&tx, sql, [row.email_key.as_str().into(), organizer.into()]).await? > 0 {
                return Err(Error::AlreadyMember { field: "email" });
            }
            let open = open(&tx, organizer, &row.email_key).await?;
            // An expired invitation has given up its place in the team.
            let takes_place = open.as_ref().is_none_or(|open| open.expires_at <= now);
            if takes_place && size(&tx, organizer, now).await? >= TEAM_MAX {
                let full = format!("has {TEAM_MAX} members and open invitations: remove or revoke one first");
                return Err(Invalid::new("organizerId", full).into());
            }
            if let Some(open) = open {
                let sql = "UPDATE membership_invitation SET email = $2, role = $3, invited_by = $4, expires_at = $5
                           WHERE id = $1";
                let (email, role) = (row.email.as_str().into(), row.role.word().into());
                db::run(&tx, sql, [open.id.into(), email, role, row.invited_by.into(), row.expires_at.into()]).await?;
                return Ok(open.id);
            }
            let insert = membership_invitation::Entity::insert(row.clone().into_active_model());
            insert.exec_without_returning(&tx).await.map_err(DbError::from)?;
            Ok::<_, Error>(row.id)
        })
        .await?;
    let (by, organizer) = (row.invited_by.to_global_id(), organizer.to_global_id());
    tracing::info!(%by, %organizer, invitation = %invitation.to_global_id(), role = role.word(), "member invited");
    Ok(invitation)
}

/// Condition of a pending invitation; not bound, so that the indexes of pending ones are used.
pub(super) const PENDING: &str = "membership_invitation.status = 'PENDING'";

/// Returns the pending invitation of an address, which may have expired.
async fn open(
    tx: &Tx,
    organizer: OrganizerId,
    email_key: &str,
) -> Result<Option<membership_invitation::Model>, DbError> {
    let query = membership_invitation::Entity::find()
        .filter(membership_invitation::Column::OrganizerId.eq(organizer))
        .filter(membership_invitation::Column::EmailKey.eq(email_key))
        .filter(Expr::cust(PENDING));
    Ok(query.one(tx).await?)
}

/// Counts the members and open invitations of an organizer.
async fn size(tx: &Tx, organizer: OrganizerId, now: Timestamp) -> Result<i64, DbError> {
    let sql = "SELECT (SELECT count(*) FROM membership WHERE organizer_id = $1)
                    + (SELECT count(*) FROM membership_invitation
                       WHERE organizer_id = $1 AND status = 'PENDING' AND expires_at > $2) AS n";
    db::number(tx, sql, [organizer.into(), now.into()]).await
}

/// Revokes an open invitation.
#[tracing::instrument(level = "debug", skip_all, fields(invitation = %id))]
pub async fn revoke(ctx: &Ctx, id: InvitationId) -> Result<InvitationId, Error> {
    ctx.allow(Action::ManageMembers)?;
    ctx.db
        .write(Priority::Interactive, |tx| async move {
            let find = || membership_invitation::Entity::find_by_id(id);
            let found = find().one(&tx).await.map_err(DbError::from)?.ok_or(Error::InvitationNotFound)?;
            lock(&tx, found.organizer_id).await?;
            allow_now(ctx, &tx, Action::ManageMembersOf(found.organizer_id), Error::InvitationNotFound).await?;
            end(&tx, id, InvitationStatus::Revoked, ctx.now()).await?;
            Ok(id)
        })
        .await
}

/// Ends a pending invitation with this status; refused if it has ended already.
pub(super) async fn end(tx: &Tx, id: InvitationId, status: InvitationStatus, now: Timestamp) -> Result<(), Error> {
    let sql = "UPDATE membership_invitation SET status = $2, ended_at = $3 WHERE id = $1 AND status = 'PENDING'";
    match db::run(tx, sql, [id.into(), status.word().into(), now.into()]).await? {
        0 => Err(Error::InvitationOver),
        _ => Ok(()),
    }
}
