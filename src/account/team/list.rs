//! Lists of a team: members and open invitations of an organizer, and invitations of the viewer.
//! Not here: the memberships of one user (`store::memberships_of`).

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Select};

use super::invite::PENDING;
use crate::access::Action;
use crate::account::{Error, store};
use crate::ctx::Ctx;
use crate::db::DbError;
use crate::entity::{membership, membership_invitation};
use crate::id::{InvitationId, MembershipId, OrganizerId};
use crate::page::{Page, Paging};

/// Returns a page of the members of an organizer, oldest membership first; `None` if the actor may not see them.
pub async fn members(
    ctx: &Ctx,
    organizer: OrganizerId,
    paging: &Paging<MembershipId>,
) -> Result<Option<Page<membership::Model>>, DbError> {
    if ctx.allow(Action::SeeMembersOf(organizer)).is_err() {
        return Ok(None);
    }
    let members = membership::Entity::find().filter(membership::Column::OrganizerId.eq(organizer));
    paging.run(members.cursor_by(membership::Column::Id), ctx.db.read()).await.map(Some)
}

/// Returns a page of the open invitations of an organizer, oldest first; `None` if the actor may not see them.
pub async fn invitations(
    ctx: &Ctx,
    organizer: OrganizerId,
    paging: &Paging<InvitationId>,
) -> Result<Option<Page<membership_invitation::Model>>, DbError> {
    if ctx.allow(Action::SeeMembersOf(organizer)).is_err() {
        return Ok(None);
    }
    let of = open(ctx).filter(membership_invitation::Column::OrganizerId.eq(organizer));
    paging.run(of.cursor_by(membership_invitation::Column::Id), ctx.db.read()).await.map(Some)
}

/// Returns a page of the open invitations to the address of the actor, oldest first.
pub async fn mine(ctx: &Ctx, paging: &Paging<InvitationId>) -> Result<Page<membership_invitation::Model>, Error> {
    ctx.allow(Action::AnswerInvitations)?;
    let user = ctx.user()?;
    let account = store::by_ids(ctx.db.read(), &[user]).await?;
    let key = account.into_iter().next().map(|account| account.email_key).ok_or(Error::UserNotFound)?;
    let mine = open(ctx).filter(membership_invitation::Column::EmailKey.eq(key));
    Ok(paging.run(mine.cursor_by(membership_invitation::Column::Id), ctx.db.read()).await?)
}

fn open(ctx: &Ctx) -> Select<membership_invitation::Entity> {
    membership_invitation::Entity::find()
        .filter(Expr::cust(PENDING))
        .filter(membership_invitation::Column::ExpiresAt.gt(ctx.now()))
}

/// Returns the membership with this id.
pub async fn membership(ctx: &Ctx, id: MembershipId) -> Result<Option<membership::Model>, DbError> {
    Ok(membership::Entity::find_by_id(id).one(ctx.db.read()).await?)
}

/// Returns the invitation with this id.
pub async fn invitation(ctx: &Ctx, id: InvitationId) -> Result<Option<membership_invitation::Model>, DbError> {
    Ok(membership_invitation::Entity::find_by_id(id).one(ctx.db.read()).await?)
}
