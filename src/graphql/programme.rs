//! All GraphQL about the programme: which events, in which order, a page at a time, and one by name.
//! Not here: the event itself and running it (`event`), and the query behind a page (`crate::event::browse`).

use async_graphql::connection::{Connection, EmptyFields};
use async_graphql::{Context, Enum, ID, InputObject, Object, Result};

use super::error::db_fault;
use super::event::Event;
use super::fault::Fault;
use super::guard::{May, acting};
use super::page::{Args, Cursor, connection};
use super::scalar::{DateTime, id_of, id_or_nobody};
use crate::access::{Action, Role};
use crate::clock::Micros;
use crate::entity::event;
use crate::event::browse::{self, Filter, Scope, Sort};
use crate::event::store;
use crate::id::EventId;
use crate::status::EventStatus;
use crate::text;

/// Which events to list. Conditions add up.
#[derive(Debug, Default, InputObject)]
pub struct EventFilter {
    /// That begin at or after this moment.
    from: Option<DateTime>,
    /// That begin before this moment.
    until: Option<DateTime>,
    /// Whose title or venue contains this, whatever the case; up to 100 characters.
    text: Option<String>,
    /// Where a newcomer can book at least one place now (true), or cannot (false).
    has_places: Option<bool>,
    /// Of this organizer.
    organizer_id: Option<ID>,
    /// In this status; of use in `myEvents` only.
    status: Option<EventStatus>,
}

impl EventFilter {
    fn into_filter(self) -> Result<Filter> {
        let text = self.text.map(|text| text::lines("text", &text, 100)).transpose();
        let text = text.map_err(|error| Fault::BadUserInput.error(error.to_string()))?;
        Ok(Filter {
            from: self.from.map(|at| at.0),
            until: self.until.map(|at| at.0),
            text: text.filter(|text| !text.is_empty()),
            has_places: self.has_places,
            organizer: self.organizer_id.as_ref().map(id_or_nobody).transpose()?,
            status: self.status,
        })
    }
}

/// In which order to list events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum EventSort {
    /// The next one first.
    StartsAtAsc,
    /// The farthest one first.
    StartsAtDesc,
    /// The newest publication first; drafts are left out.
    PublishedAtDesc,
}

/// What a list of events can tell besides its page.
pub struct EventList {
    scope: Scope,
    filter: Filter,
}

#[Object]
impl EventList {
    /// How many events there are on all pages; counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let count = browse::count(acting(ctx)?, self.scope, &self.filter).await.map_err(|e| db_fault(&e))?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

/// A page of events.
pub type EventConnection = Connection<Cursor<(Micros, EventId)>, Event, EventList, EmptyFields>;

async fn list(
    ctx: &Context<'_>,
    scope: Scope,
    args: Args,
    filter: Option<EventFilter>,
    sort: EventSort,
) -> Result<Option<EventConnection>> {
    let paging = args.paging()?;
    let filter = filter.unwrap_or_default().into_filter()?;
    let sort = match sort {
        EventSort::StartsAtAsc => Sort::StartsAtAsc,
        EventSort::StartsAtDesc => Sort::StartsAtDesc,
        EventSort::PublishedAtDesc => Sort::PublishedAtDesc,
    };
    let page = browse::browse(acting(ctx)?, scope, &filter, sort, &paging).await.map_err(|e| db_fault(&e))?;
    let key = move |row: &event::Model| match sort {
        Sort::StartsAtAsc | Sort::StartsAtDesc => (row.starts_at, row.id),
        Sort::PublishedAtDesc => (row.published_at.unwrap_or(row.created_at), row.id),
    };
    Ok(Some(connection(page, EventList { scope, filter }, key, Event)))
}

/// Queries about the programme.
#[derive(Default)]
pub struct ProgrammeQuery;

#[Object]
impl ProgrammeQuery {
    /// The programme: published events that are not over. No account needed.
    #[expect(clippy::too_many_arguments, reason = "Relay's four, a filter and an order")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the beginning, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
        #[graphql(desc = "Which events.")] filter: Option<EventFilter>,
        #[graphql(desc = "In which order.", default_with = "EventSort::StartsAtAsc")] sort: EventSort,
    ) -> Result<Option<EventConnection>> {
        list(ctx, Scope::Programme, Args { first, after, last, before }, filter, sort).await
    }

    /// Every event of the organizer you act for, drafts included; every event there is for admins. Needs ORGANIZER or
    /// ADMIN.
    #[graphql(guard = "May(Action::RunEvents)")]
    #[expect(clippy::too_many_arguments, reason = "Relay's four, a filter and an order")]
    async fn my_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the beginning, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Only those behind this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
        #[graphql(desc = "Which events.")] filter: Option<EventFilter>,
        #[graphql(desc = "In which order.", default_with = "EventSort::StartsAtAsc")] sort: EventSort,
    ) -> Result<Option<EventConnection>> {
        let scope = match acting(ctx)?.actor.signed_in() {
            Some(user) if user.role == Role::Admin => Scope::All,
            Some(user) => match user.organizer {
                Some(organizer) => Scope::Of(organizer),
                None => return Ok(None),
            },
            None => return Ok(None),
        };
        list(ctx, scope, Args { first, after, last, before }, filter, sort).await
    }

    /// One event, by id or by slug; null when there is none you may see.
    async fn event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: Option<ID>,
        #[graphql(desc = "Its slug.")] slug: Option<String>,
    ) -> Result<Option<Event>> {
        let acting = acting(ctx)?;
        let found = match (id, slug) {
            (Some(id), None) => match id_of(&id)? {
                Some(id) => store::by_id(acting.db.read(), id).await,
                None => return Ok(None),
            },
            (None, Some(slug)) => store::by_slug(acting.db.read(), &slug).await,
            _ => return Err(Fault::BadUserInput.error("Name the event by either id or slug.")),
        };
        let found = found.map_err(|error| db_fault(&error))?;
        Ok(found.filter(|row| crate::event::may_see(acting, row)).map(Event))
    }
}
