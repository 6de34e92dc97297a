//! What organizers see of their events: bookings, participants, the waitlist.
//! Not here: the root fields; these hang on `Event`, whose guards ask for the role. Here it is asked whose event it is.

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

/// Somebody who has tickets at an event. A value without an id.
#[derive(SimpleObject)]
pub struct Participant {
    /// Who.
    customer: Option<User>,
    /// How many tickets they have in all their bookings.
    tickets: i32,
}

/// A page of participants.
pub type ParticipantConnection = Connection<Cursor<UserId>, Participant, EmptyFields, EmptyFields>;

/// A page of an event's line.
pub type LineConnection =
    Connection<Cursor<(i64, EntryId)>, WaitlistEntry, EmptyFields, EmptyFields, LineName, LineEdgeName>;

/// Names the waitlist's connection apart from a customer's own entries, whose cursors are of another kind.
pub struct LineName;

impl async_graphql::connection::ConnectionNameType for LineName {
    fn type_name<T: async_graphql::OutputType>() -> String {
        "EventWaitlistConnection".to_owned()
    }
}

/// Names its edges.
pub struct LineEdgeName;

impl async_graphql::connection::EdgeNameType for LineEdgeName {
    fn type_name<T: async_graphql::OutputType>() -> String {
        "EventWaitlistEdge".to_owned()
    }
}

/// Whether the viewer may see this event's sales; if not, the field is null as if there were none.
fn may_see(ctx: &Context<'_>, event: &event::Model) -> Result<bool> {
    Ok(acting(ctx)?.allow(Action::ReadSalesOf(event.organizer_id)).is_ok())
}

/// One page of an event's bookings.
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

/// One page of who has tickets.
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

/// One page of the waitlist.
pub async fn line(ctx: &Context<'_>, event: &event::Model, args: Args) -> Result<Option<LineConnection>> {
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
