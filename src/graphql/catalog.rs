//! All GraphQL about the catalog: lists of events with filters, orders and pages, and the look-up of one event.
//! Not here: the event itself and its mutations (`event`), and the SQL behind a page (`crate::event::browse`).

use async_graphql::connection::{Connection, EmptyFields};
use async_graphql::{Context, Enum, ID, InputObject, Object, Result};
use tokio::sync::OnceCell;

use super::error::{db_fault, int};
use super::event::Event;
use super::expensive;
use super::guard::{May, acting};
use super::page::{Args, Cursor, Key, connection};
use super::scalar::{CurrencyCode, DateTime, Decimal, id_of, id_or_nobody};
use crate::access::{Action, Role};
use crate::account::store::organizer_by_slug;
use crate::clock::Timestamp;
use crate::engine::fault::Fault;
use crate::entity::event;
use crate::event::browse::{self, Filter, Price, Scope, Sort};
use crate::event::{search, store};
use crate::id::{EventId, OrganizerId};
use crate::money::{Currency, MAX_PRICE_MINOR, Money};
use crate::page::{Count, Paging};
use crate::status::EventStatus;
use crate::text;

/// Conditions that listed events meet; all of them apply.
#[derive(Debug, Default, InputObject)]
pub struct EventFilter {
    /// Only events that are not over at this time; events in progress at this time are included.
    from: Option<DateTime>,
    /// Only events that begin at or after this time.
    starting_from: Option<DateTime>,
    /// Only events that begin before this time.
    until: Option<DateTime>,
    /// Only events that match all words of this text, in any order; up to 100 characters. A word matches when a word of
    /// the title or venue begins with it. Case, accents and ligatures make no difference.
    text: Option<String>,
    /// True: only events with tickets available. False: only events without.
    has_tickets: Option<bool>,
    /// Only events with a lowest ticket price in this range.
    price: Option<PriceFilter>,
    /// True: only events with a ticket that costs nothing. False: only events where every ticket costs something.
    free: Option<bool>,
    /// Only events of this organizer.
    organizer_id: Option<ID>,
    /// Only events of the organizer with this slug; instead of `organizerId`.
    organizer_slug: Option<String>,
    /// Only events in this status; useful in `myEvents` only.
    status: Option<EventStatus>,
}

/// A range of prices in one currency. Events sold in another currency are left out.
#[derive(Debug, InputObject)]
pub struct PriceFilter {
    /// Currency of both amounts.
    #[graphql(default_with = "CurrencyCode(\"EUR\".into())")]
    currency: CurrencyCode,
    /// Lowest amount, inclusive.
    from: Option<Decimal>,
    /// Highest amount, inclusive.
    to: Option<Decimal>,
}

impl PriceFilter {
    fn into_price(self) -> Result<Price> {
        let wrong = |field: &str, why: String| Fault::BadUserInput.error(format!("filter.price.{field}: {why}."));
        let code = &self.currency.0;
        let currency = Currency::parse(code)
            .ok_or_else(|| wrong("currency", format!("{code} is no ISO 4217 code such as EUR")))?;
        let minor = |field: &str, amount: Option<Decimal>, default: i64| match amount {
            None => Ok(default),
            Some(Decimal(text)) => Money::parse(&text, currency)
                .map(|money| money.minor)
                .map_err(|error| wrong(field, format!("{error} ({code} has {} decimals)", currency.exponent()))),
        };
        Ok(Price {
            currency: currency.code(),
            from: minor("from", self.from, 0)?,
            to: minor("to", self.to, MAX_PRICE_MINOR)?,
        })
    }
}

impl EventFilter {
    fn into_filter(self) -> Result<Filter> {
        let text = self.text.map(|text| text::lines("text", &text, 100)).transpose();
        let text = text.map_err(|error| Fault::BadUserInput.error(format!("filter.{error}.")))?;
        Ok(Filter {
            from: self.from.map(|at| at.0),
            starting_from: self.starting_from.map(|at| at.0),
            until: self.until.map(|at| at.0),
            words: text.filter(|text| !text.is_empty()).map(|text| search::asked(&text)),
            has_tickets: self.has_tickets,
            price: self.price.map(PriceFilter::into_price).transpose()?,
            free: self.free,
            organizer: self.organizer_id.as_ref().map(id_or_nobody).transpose()?,
            status: self.status,
        })
    }
}

/// Order of a list of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum EventSort {
    /// By start, earliest first.
    StartsAtAsc,
    /// By start, latest first.
    StartsAtDesc,
    /// By publication, newest first; drafts are left out.
    PublishedAtDesc,
}

impl EventSort {
    fn word(self) -> &'static str {
        match self {
            Self::StartsAtAsc => "STARTS_AT_ASC",
            Self::StartsAtDesc => "STARTS_AT_DESC",
            Self::PublishedAtDesc => "PUBLISHED_AT_DESC",
        }
    }

    fn of(word: &str) -> Option<Self> {
        [Self::StartsAtAsc, Self::StartsAtDesc, Self::PublishedAtDesc].into_iter().find(|sort| sort.word() == word)
    }
}

/// A position in a list of events; valid only in lists of the same order.
#[derive(Debug, Clone, Copy)]
pub struct EventKey {
    sort: EventSort,
    at: Timestamp,
    id: EventId,
}

impl Key for EventKey {
    const KIND: &'static str = "event";

    fn write(&self) -> String {
        format!("{}.{}", self.sort.word(), (self.at, self.id).write())
    }

    fn read(text: &str) -> Option<Self> {
        let (sort, key) = text.split_once('.')?;
        let (at, id) = <(Timestamp, EventId)>::read(key)?;
        Some(Self { sort: EventSort::of(sort)?, at, id })
    }
}

impl EventKey {
    /// Returns the position in a list of the order `sort`.
    fn within(self, argument: &str, sort: EventSort) -> Result<(Timestamp, EventId)> {
        if self.sort == sort {
            return Ok((self.at, self.id));
        }
        Err(Fault::BadUserInput.error(format!(
            "{argument}: this cursor belongs to the order {}, and this list is in the order {}.",
            self.sort.word(),
            sort.word()
        )))
    }
}

/// Fields of an event list beside its page.
pub struct EventList {
    list: browse::List,
    count: OnceCell<Count>,
}

#[Object]
impl EventList {
    /// Number of events on all pages, at most 1,000; `totalCountCapped` is true when there are more. Counted only when
    /// this field is selected.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        Ok(int(self.count(ctx).await?.n))
    }

    /// True when there are more than the 1,000 that `totalCount` is limited to.
    async fn total_count_capped(&self, ctx: &Context<'_>) -> Result<bool> {
        Ok(self.count(ctx).await?.is_capped)
    }
}

impl EventList {
    async fn count(&self, ctx: &Context<'_>) -> Result<Count> {
        let count = async || {
            let _turn = expensive::turn(ctx).await?;
            browse::count(acting(ctx)?, &self.list).await.map_err(|error| db_fault(&error))
        };
        self.count.get_or_try_init(count).await.copied()
    }
}

/// A page of events.
pub type EventConnection = Connection<Cursor<EventKey>, Event, EventList, EmptyFields>;

async fn list(
    ctx: &Context<'_>,
    scope: Scope<'_>,
    args: Args,
    filter: Option<EventFilter>,
    sort: EventSort,
) -> Result<Option<EventConnection>> {
    let Paging { after, before, limit, from_end } = args.paging::<EventKey>()?;
    let after = after.map(|key| key.within("after", sort)).transpose()?;
    let before = before.map(|key| key.within("before", sort)).transpose()?;
    let paging = Paging { after, before, limit, from_end };
    let mut filter = filter.unwrap_or_default();
    let slug = filter.organizer_slug.take();
    if filter.organizer_id.is_some() && slug.is_some() {
        return Err(Fault::BadUserInput.error("Name the organizer by either organizerId or organizerSlug."));
    }
    let mut filter = filter.into_filter()?;
    let order = match sort {
        EventSort::StartsAtAsc => Sort::StartsAtAsc,
        EventSort::StartsAtDesc => Sort::StartsAtDesc,
        EventSort::PublishedAtDesc => Sort::PublishedAtDesc,
    };
    let acting = acting(ctx)?;
    if let Some(slug) = slug {
        let found = organizer_by_slug(acting.db.read(), &slug).await.map_err(|error| db_fault(&error))?;
        // An organizer that does not exist has no events.
        filter.organizer = Some(found.map_or(OrganizerId(uuid::Uuid::nil()), |organizer| organizer.id));
    }
    let is_expensive = filter.words.is_some() || filter.has_tickets.is_some();
    let turn = if is_expensive { Some(expensive::turn(ctx).await?) } else { None };
    let list = browse::list(acting, scope, &filter).await.map_err(|error| db_fault(&error))?;
    let page = browse::page(acting, &list, order, &paging).await.map_err(|error| db_fault(&error))?;
    drop(turn); // the count takes a permit of its own
    let key = move |row: &event::Model| {
        let at = match sort {
            EventSort::StartsAtAsc | EventSort::StartsAtDesc => row.starts_at,
            EventSort::PublishedAtDesc => row.published_at.unwrap_or(row.created_at),
        };
        EventKey { sort, at, id: row.id }
    };
    Ok(Some(connection(page, EventList { list, count: OnceCell::new() }, key, Event)))
}

/// Queries about the catalog.
#[derive(Default)]
pub struct CatalogQuery;

#[Object]
impl CatalogQuery {
    /// The catalog: published events that are not over. No sign-in needed.
    #[expect(clippy::too_many_arguments, reason = "Relay's four, a filter and an order")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of items from the start of the list, 1 to 100; give either `first` or `last`.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of items from the end of the list, 1 to 100; give either `first` or `last`.")]
        last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
        #[graphql(desc = "Conditions that the events meet.")] filter: Option<EventFilter>,
        #[graphql(desc = "Order of the list.", default_with = "EventSort::StartsAtAsc")] sort: EventSort,
    ) -> Result<Option<EventConnection>> {
        list(ctx, Scope::Catalog, Args { first, after, last, before }, filter, sort).await
    }

    /// All events of the organizers you are a member of, drafts included; for an ADMIN the events of all organizers.
    /// Null when you are a member of none. Needs ORGANIZER or ADMIN; null otherwise.
    #[graphql(guard = "May(Action::ManageEvents)")]
    #[expect(clippy::too_many_arguments, reason = "Relay's four, a filter and an order")]
    async fn my_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of items from the start of the list, 1 to 100; give either `first` or `last`.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of items from the end of the list, 1 to 100; give either `first` or `last`.")]
        last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
        #[graphql(desc = "Conditions that the events meet.")] filter: Option<EventFilter>,
        #[graphql(desc = "Order of the list.", default_with = "EventSort::StartsAtAsc")] sort: EventSort,
    ) -> Result<Option<EventConnection>> {
        let actor = acting(ctx)?.actor;
        let organizers = actor.organizers(Action::SeeEventsOf);
        let scope = match actor.signed_in() {
            Some(user) if user.role == Role::Admin => Scope::All,
            _ if organizers.is_empty() => return Ok(None),
            _ => Scope::Of(&organizers),
        };
        list(ctx, scope, Args { first, after, last, before }, filter, sort).await
    }

    /// One event, by either id or slug; null when there is none that you may see. No sign-in needed for published
    /// events.
    async fn event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the event.")] id: Option<ID>,
        #[graphql(desc = "Slug of the event.")] slug: Option<String>,
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
