//! All GraphQL about the teams of organizers: memberships and invitations.
//! Not here: their rules (`account::team`), and the lists of an organizer (`organizer`).

use async_graphql::connection::{Connection, EmptyFields};
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use super::Services;
use super::account::User;
use super::error::{IntoUserError, UserError, db_fault, stored};
use super::guard::{May, acting};
use super::load::{Load, failed};
use super::organizer::{Organizer, organizer_by_id};
use super::page::{Args, Cursor, connection, id};
use super::scalar::{DateTime, id_or_nobody};
use crate::access::{Action, MemberRole};
use crate::account::{
    self,
    team::{answer, change, invite, list},
};
use crate::entity::{membership, membership_invitation};
use crate::id::{InvitationId, MembershipId};
use crate::status::InvitationStatus;

/// Right of a user to act for an organizer.
pub struct Membership(pub(super) membership::Model);

/// Right of a user to act for an organizer, in one role.
#[Object]
impl Membership {
    /// Opaque id of the membership.
    async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// Organizer that the user acts for.
    async fn organizer(&self, ctx: &Context<'_>) -> Result<Option<Organizer>> {
        organizer_by_id(ctx, self.0.organizer_id).await
    }

    /// User who acts for the organizer.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(ctx.data::<Load>()?.load_one(self.0.user_id).await.map_err(failed)?.map(User::member))
    }

    /// Role of the user for this organizer.
    async fn role(&self) -> MemberRole {
        self.0.role
    }

    /// Time at which the user became a member.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }
}

/// Invitation to act for an organizer.
pub struct Invitation(pub(super) membership_invitation::Model);

/// Invitation of an e-mail address to act for an organizer. Only an ORGANIZER account with this address can accept it.
#[Object]
impl Invitation {
    /// Opaque id of the invitation.
    async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// Organizer that invites.
    async fn organizer(&self, ctx: &Context<'_>) -> Result<Option<Organizer>> {
        organizer_by_id(ctx, self.0.organizer_id).await
    }

    /// E-mail address that is invited.
    async fn email(&self) -> &str {
        &self.0.email
    }

    /// Role that the new member gets.
    async fn role(&self) -> MemberRole {
        self.0.role
    }

    /// Current status of the invitation.
    async fn status(&self) -> InvitationStatus {
        self.0.status
    }

    /// User who sent the invitation.
    async fn invited_by(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(ctx.data::<Load>()?.load_one(self.0.invited_by).await.map_err(failed)?.map(User::new))
    }

    /// Time at which the address was first invited.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// Expiry of the invitation: from then on it cannot be accepted.
    async fn expires_at(&self) -> DateTime {
        DateTime(self.0.expires_at)
    }
}

/// A page of the members of an organizer.
pub type MembershipConnection = Connection<Cursor<MembershipId>, Membership, EmptyFields, EmptyFields>;

/// A page of invitations.
pub type InvitationConnection = Connection<Cursor<InvitationId>, Invitation, EmptyFields, EmptyFields>;

/// Queries about memberships.
#[derive(Default)]
pub struct MembershipQuery;

#[Object]
impl MembershipQuery {
    /// Open invitations to the e-mail address of your account, oldest first. Needs ORGANIZER, not an API token; null
    /// otherwise.
    #[graphql(guard = "May(Action::AnswerInvitations)")]
    async fn my_invitations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of items from the start of the list, 1 to 100; give either `first` or `last`.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of items from the end of the list, 1 to 100; give either `first` or `last`.")]
        last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<Option<InvitationConnection>> {
        let paging = Args { first, after, last, before }.paging()?;
        match list::mine(acting(ctx)?, &paging).await {
            Ok(page) => {
                Ok(Some(connection(page, EmptyFields, |row: &membership_invitation::Model| row.id, Invitation)))
            }
            Err(error) => Err(error.fault()),
        }
    }
}

/// E-mail address to invite, and the role it gets.
#[derive(InputObject)]
pub struct InviteMemberInput {
    /// Id of the organizer.
    organizer_id: ID,
    /// E-mail address of the account to invite; it need not exist yet.
    email: String,
    /// Role of the new member.
    role: MemberRole,
}

/// Invitation to accept, decline or revoke.
#[derive(InputObject)]
pub struct InvitationInput {
    /// Id of the invitation.
    invitation_id: ID,
}

/// Member and the new role.
#[derive(InputObject)]
pub struct ChangeMemberRoleInput {
    /// Id of the membership.
    membership_id: ID,
    /// New role of the member.
    role: MemberRole,
}

/// Membership to end.
#[derive(InputObject)]
pub struct RemoveMemberInput {
    /// Id of the membership; your own to leave.
    membership_id: ID,
}

/// Outcome of `inviteMember`, `declineInvitation` and `revokeInvitation`.
#[derive(SimpleObject, Default)]
pub struct InvitationPayload {
    /// The invitation after the change; null when the request was refused.
    invitation: Option<Invitation>,
    /// Reasons for a refusal; empty on success.
    user_errors: Vec<UserError>,
}

/// Outcome of `acceptInvitation`.
#[derive(SimpleObject, Default)]
pub struct AcceptInvitationPayload {
    /// Your new membership; null when the request was refused.
    membership: Option<Membership>,
    /// The accepted invitation; null when the request was refused.
    invitation: Option<Invitation>,
    /// Reasons for a refusal; empty on success.
    user_errors: Vec<UserError>,
}

/// Outcome of `changeMemberRole`.
#[derive(SimpleObject, Default)]
pub struct ChangeMemberRolePayload {
    /// The membership after the change; null when the request was refused.
    membership: Option<Membership>,
    /// Reasons for a refusal; empty on success.
    user_errors: Vec<UserError>,
}

/// Outcome of `removeMember`.
#[derive(SimpleObject, Default)]
pub struct RemoveMemberPayload {
    /// Id of the membership that ended; null when the request was refused.
    removed_id: Option<ID>,
    /// Organizer of which it was; null when the request was refused.
    organizer: Option<Organizer>,
    /// Reasons for a refusal; empty on success.
    user_errors: Vec<UserError>,
}

async fn invitation(ctx: &Context<'_>, id: InvitationId) -> Result<Option<Invitation>> {
    let found = list::invitation(acting(ctx)?, id).await.map_err(|error| db_fault(&error))?;
    Ok(Some(Invitation(stored(found)?)))
}

async fn membership(ctx: &Context<'_>, id: MembershipId) -> Result<Option<Membership>> {
    let found = list::membership(acting(ctx)?, id).await.map_err(|error| db_fault(&error))?;
    Ok(Some(Membership(stored(found)?)))
}

async fn payload(
    ctx: &Context<'_>,
    outcome: Result<InvitationId, account::Error>,
) -> Result<Option<InvitationPayload>> {
    Ok(Some(match outcome {
        Ok(id) => InvitationPayload { invitation: invitation(ctx, id).await?, user_errors: Vec::new() },
        Err(error) => InvitationPayload { invitation: None, user_errors: error.into_user_error()? },
    }))
}

/// Makes the viewer's own next request see its new rights; other processes and sign-ins read the revocation.
fn forget_own(ctx: &Context<'_>) -> Result<()> {
    let session = acting(ctx)?.actor.session();
    ctx.data::<Services>()?.sessions.forget(session.map(|session| session.0));
    Ok(())
}

/// Mutations about memberships.
#[derive(Default)]
pub struct MembershipMutation;

#[Object]
impl MembershipMutation {
    /// Invites an e-mail address to act for an organizer. Another invitation of the same address renews the first, with
    /// the new role. It is shown to the invited account in `myInvitations` for 14 days. Needs ORGANIZER (OWNER of the
    /// organizer) or ADMIN, not an API token.
    #[graphql(guard = "May(Action::ManageMembers)")]
    async fn invite_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Organizer, address and role.")] input: InviteMemberInput,
    ) -> Result<Option<InvitationPayload>> {
        let organizer = id_or_nobody(&input.organizer_id)?;
        payload(ctx, invite::invite(acting(ctx)?, organizer, &input.email, input.role).await).await
    }

    /// Accepts an invitation to the e-mail address of your account: you become a member of the organizer, and running
    /// subscriptions of yours end. Needs ORGANIZER, not an API token.
    #[graphql(guard = "May(Action::AnswerInvitations)")]
    async fn accept_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Invitation to accept.")] input: InvitationInput,
    ) -> Result<Option<AcceptInvitationPayload>> {
        let id = id_or_nobody(&input.invitation_id)?;
        Ok(Some(match answer::accept(acting(ctx)?, id).await {
            Ok(accepted) => {
                forget_own(ctx)?;
                AcceptInvitationPayload {
                    membership: membership(ctx, accepted).await?,
                    invitation: invitation(ctx, id).await?,
                    user_errors: Vec::new(),
                }
            }
            Err(error) => AcceptInvitationPayload { user_errors: error.into_user_error()?, ..Default::default() },
        }))
    }

    /// Declines an invitation to the e-mail address of your account. Needs ORGANIZER, not an API token.
    #[graphql(guard = "May(Action::AnswerInvitations)")]
    async fn decline_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Invitation to decline.")] input: InvitationInput,
    ) -> Result<Option<InvitationPayload>> {
        payload(ctx, answer::decline(acting(ctx)?, id_or_nobody(&input.invitation_id)?).await).await
    }

    /// Revokes an open invitation. Needs ORGANIZER (OWNER of the organizer) or ADMIN, not an API token.
    #[graphql(guard = "May(Action::ManageMembers)")]
    async fn revoke_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Invitation to revoke.")] input: InvitationInput,
    ) -> Result<Option<InvitationPayload>> {
        payload(ctx, invite::revoke(acting(ctx)?, id_or_nobody(&input.invitation_id)?).await).await
    }

    /// Gives a member of an organizer another role. Running subscriptions of the member end within a second. The last
    /// OWNER cannot get another role. Needs ORGANIZER (OWNER of the organizer) or ADMIN, not an API token.
    #[graphql(guard = "May(Action::ManageMembers)")]
    async fn change_member_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Member and the new role.")] input: ChangeMemberRoleInput,
    ) -> Result<Option<ChangeMemberRolePayload>> {
        let id = id_or_nobody(&input.membership_id)?;
        Ok(Some(match change::change_role(acting(ctx)?, id, input.role).await {
            Ok(changed) => {
                forget_own(ctx)?;
                ChangeMemberRolePayload { membership: membership(ctx, changed).await?, user_errors: Vec::new() }
            }
            Err(error) => ChangeMemberRolePayload { membership: None, user_errors: error.into_user_error()? },
        }))
    }

    /// Ends a membership; running subscriptions of the former member end within a second. Every member may end the own
    /// one, except for the last OWNER. Needs ORGANIZER (OWNER of the organizer; any role to leave) or ADMIN, not an API
    /// token.
    #[graphql(guard = "May(Action::ManageMembers)")]
    async fn remove_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Membership to end.")] input: RemoveMemberInput,
    ) -> Result<Option<RemoveMemberPayload>> {
        Ok(Some(match change::remove(acting(ctx)?, id_or_nobody(&input.membership_id)?).await {
            Ok(removed) => {
                forget_own(ctx)?;
                RemoveMemberPayload {
                    removed_id: Some(id(removed.id)),
                    organizer: organizer_by_id(ctx, removed.organizer_id).await?,
                    user_errors: Vec::new(),
                }
            }
            Err(error) => RemoveMemberPayload { user_errors: error.into_user_error()?, ..Default::default() },
        }))
    }
}
