//! Queries about organizers.
//! Not here: the object (`account`), and the events of an organizer (`catalog`).

use async_graphql::{Context, ID, Object, Result};

use super::account::{Organizer, organizer_by_id};
use super::error::db_fault;
use super::guard::acting;
use super::scalar::id_of;
use crate::account::store;
use crate::engine::fault::Fault;

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
