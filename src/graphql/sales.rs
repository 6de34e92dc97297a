//! Sales of an event as its organizer sees them: bookings, participants and the waitlist.
//! Not here: the fields of `Event`, where guards check the role. The functions here check the owner of the event.

use async_graphql::connection::{Connection, Edge, EmptyFields};
use async_graphql::{Context, Result, SimpleObject};

use super::account::User;
use super::booking::page;
use super::error::{db_fault, int};
use super::guard::acting;
use super::load::{Load, failed};
use super::page::{Args, Cursor};
use super::waitlist::WaitlistEntry;
use crate::access::Action;
use crate::booking::list::{self, BookingScope, Filter};
use crate::entity::event;
use crate::id::{EntryId, UserId};
use crate::page::Paging;
use crate::status::BookingStatus;

pub use super::booking::BookingConnection;

/// A customer with confirmed bookings of an event. A value without an id.
#[derive(SimpleObject)]
pub struct Participant {
    /// Customer who has the tickets.
    customer: Option<User>,
    /// Number of tickets in the confirmed bookings of the customer for this event.
    tickets: i32,
}

/// A page of participants.
pub type ParticipantConnection = Connection<Cursor<UserId>, Participant, EmptyFields, EmptyFields>;

/// A page of an event's waitlist.
pub type EventWaitlistConnection = Connection<
    Cursor<(i64, EntryId)>,
    WaitlistEntry,
    EmptyFields,
    EmptyFields,
    EventWaitlistName,
    EventWaitlistEdgeName,
>;

/// Name of the connection of an event's waitlist. It differs from that of a customer's own entries, because the cursors
/// of the two are incompatible.
pub struct EventWaitlistName;

impl async_graphql::connection::ConnectionNameType for EventWaitlistName {
    fn type_name<T: async_graphql::OutputType>() -> String {
        "EventWaitlistConnection".to_owned()
    }
}

/// Name of the edges of that connection.
pub struct EventWaitlistEdgeName;

impl async_graphql::connection::EdgeNameType for EventWaitlistEdgeName {
    fn type_name<T: async_graphql::OutputType>() -> String {
        "EventWaitlistEdge".to_owned()
    }
}

/// Returns true if the viewer may see this event's sales; otherwise its fields are null.
fn may_see(ctx: &Context<'_>, event: &event::Model) -> Result<bool> {
    Ok(acting(ctx)?.allow(Action::ReadSalesOf(event.organizer_id)).is_ok())
}

/// Returns one page of an event's bookings.
pub async fn bookings(
    ctx: &Context<'_>,
    event: &event::Model,
    args: Args,
    status: Option<BookingStatus>,
) -> Result<Option<BookingConnection>> {
    if !may_see(ctx, event)? {
        return Ok(None);
    }
    page(ctx, BookingScope::Event(event.id), Filter { status, ..Filter::default() }, args).await
}

/// Returns one page of the customers who have tickets.
pub async fn participants(
    ctx: &Context<'_>,
    event: &event::Model,
    args: Args,
) -> Result<Option<ParticipantConnection>> {
    if !may_see(ctx, event)? {
        return Ok(None);
    }
    let paging: Paging<UserId> = args.paging()?;
    let found = list::participants(acting(ctx)?.db.read(), event.id, paging.after, paging.limit).await;
    let (rows, more) = found.map_err(|error| db_fault(&error))?;
    let people = ctx.data::<Load>()?.load_many(rows.iter().map(|row| row.user)).await.map_err(failed)?;
    let mut connection = Connection::new(paging.after.is_some(), more);
    connection.edges.extend(rows.into_iter().map(|row| {
        let customer = people.get(&row.user).cloned().map(User::customer);
        Edge::new(Cursor(row.user), Participant { customer, tickets: int(row.tickets) })
    }));
    Ok(Some(connection))
}

/// Returns one page of an event's waitlist.
pub async fn waitlist(ctx: &Context<'_>, event: &event::Model, args: Args) -> Result<Option<EventWaitlistConnection>> {
    if !may_see(ctx, event)? {
        return Ok(None);
    }
    let paging: Paging<(i64, EntryId)> = args.paging()?;
    let page = list::waitlist_of(acting(ctx)?.db.read(), event.id, &paging).await.map_err(|error| db_fault(&error))?;
    let mut connection = Connection::with_additional_fields(page.has_previous, page.has_next, EmptyFields);
    connection
        .edges
        .extend(page.rows.into_iter().map(|row| Edge::new(Cursor((row.position_key, row.id)), WaitlistEntry(row))));
    Ok(Some(connection))
}
