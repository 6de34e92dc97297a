//! All GraphQL about organizers: the object with its team, and its look-up.
//! Not here: the members and invitations (`membership`), and the events of an organizer (`catalog`).

use async_graphql::connection::EmptyFields;
use async_graphql::{Context, ID, Object, Result};

use super::error::db_fault;
use super::guard::{May, acting};
use super::load::{Load, failed};
use super::membership::{Invitation, InvitationConnection, Membership, MembershipConnection};
use super::page::{Args, connection, id};
use super::scalar::id_of;
use crate::access::Action;
use crate::account::store;
use crate::account::team::list;
use crate::engine::fault::Fault;
use crate::entity::{membership, membership_invitation, organizer};
use crate::id::OrganizerId;

/// The account that sells events.
pub struct Organizer(pub(super) organizer::Model);

/// The account that sells events. Users with the role ORGANIZER act for it as its members.
#[Object]
impl Organizer {
    /// Opaque id of the organizer.
    pub async fn id(&self) -> ID {
        id(self.0.id)
    }

    /// Name shown beside the organizer's events.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Readable address for links; never changes.
    async fn slug(&self) -> &str {
        &self.0.slug
    }

    /// Members of the organizer, oldest membership first. Needs ORGANIZER (OWNER or MANAGER of the organizer) or ADMIN,
    /// not an API token; null otherwise.
    #[graphql(guard = "May(Action::ManageMembers)")]
    async fn members(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of items from the start of the list, 1 to 100; give either `first` or `last`.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of items from the end of the list, 1 to 100; give either `first` or `last`.")]
        last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<Option<MembershipConnection>> {
        let paging = Args { first, after, last, before }.paging()?;
        let page = list::members(acting(ctx)?, self.0.id, &paging).await.map_err(|error| db_fault(&error))?;
        Ok(page.map(|page| connection(page, EmptyFields, |row: &membership::Model| row.id, Membership)))
    }

    /// Open invitations to become a member of the organizer, oldest first. Needs ORGANIZER (OWNER or MANAGER of the
    /// organizer) or ADMIN, not an API token; null otherwise.
    #[graphql(guard = "May(Action::ManageMembers)")]
    async fn invitations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of items from the start of the list, 1 to 100; give either `first` or `last`.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of items from the end of the list, 1 to 100; give either `first` or `last`.")]
        last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<Option<InvitationConnection>> {
        let paging = Args { first, after, last, before }.paging()?;
        let page = list::invitations(acting(ctx)?, self.0.id, &paging).await.map_err(|error| db_fault(&error))?;
        Ok(page.map(|page| connection(page, EmptyFields, |row: &membership_invitation::Model| row.id, Invitation)))
    }
}

/// Returns the organizer with this id.
pub async fn organizer_by_id(ctx: &Context<'_>, id: OrganizerId) -> Result<Option<Organizer>> {
    Ok(ctx.data::<Load>()?.load_one(id).await.map_err(failed)?.map(Organizer))
}

/// Queries about organizers.
#[derive(Default)]
pub struct OrganizerQuery;

#[Object]
impl OrganizerQuery {
    /// One organizer, by either id or slug; null when there is none. No sign-in needed.
    async fn organizer(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the organizer.")] id: Option<ID>,
        #[graphql(desc = "Slug of the organizer.")] slug: Option<String>,
    ) -> Result<Option<Organizer>> {
        match (id, slug) {
            (Some(id), None) => match id_of(&id)? {
                Some(id) => organizer_by_id(ctx, id).await,
                None => Ok(None),
            },
            (None, Some(slug)) => {
                let found = store::organizer_by_slug(acting(ctx)?.db.read(), &slug).await;
                Ok(found.map_err(|error| db_fault(&error))?.map(Organizer))
            }
            _ => Err(Fault::BadUserInput.error("Name the organizer by either id or slug.")),
        }
    }
}
