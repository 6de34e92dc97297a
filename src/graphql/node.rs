//! Relay's `node` and `nodes`: any object by its id, with the same access rules as in other fields.
//! Not here: the objects themselves.

use async_graphql::{Context, ID, Interface, Object, PathSegment, Result, ServerError};

use super::account::User;
use super::availability::Availability;
use super::booking::Booking;
use super::error::db_fault;
use super::event::Event;
use super::guard::acting;
use super::load::{AvailabilityOf, Load, failed};
use super::organizer::{Organizer, organizer_by_id};
use super::waitlist::WaitlistEntry;
use crate::access::Action;
use crate::booking::list::{self, BookingKey};
use crate::engine::fault::Fault;
use crate::id::{self, AvailabilityId, BookingId, EntryId, EventId, NodeId, OrganizerId, UserId};

/// Largest number of objects that `nodes` fetches.
const NODES_MAX: usize = 100;

/// An object that `Query.node` returns for its id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Opaque id of the object."))]
pub enum Node {
    /// An event that customers can book.
    Event(Event),
    /// Tickets that a customer booked together.
    Booking(Booking),
    /// A customer's entry in a waitlist.
    WaitlistEntry(WaitlistEntry),
    /// A person with an account.
    User(User),
    /// The account that sells events.
    Organizer(Organizer),
    /// Ticket availability of an event.
    Availability(Availability),
}

async fn find(ctx: &Context<'_>, id: &ID) -> Result<Option<Node>> {
    let acting = acting(ctx)?;
    let (name, uuid) = id::split(id).map_err(|_| Fault::BadUserInput.error("This is not an id of this service."))?;
    let load = ctx.data::<Load>()?;
    Ok(match name.as_str() {
        EventId::NAME => {
            let found = load.load_one(EventId(uuid)).await.map_err(failed)?;
            found.filter(|row| crate::event::may_see(acting, row)).map(|row| Node::Event(Event(row)))
        }
        BookingId::NAME => {
            let found = list::visible(acting, BookingKey::Id(BookingId(uuid))).await.map_err(|e| db_fault(&e))?;
            found.map(|row| Node::Booking(Booking(row)))
        }
        EntryId::NAME => {
            let found = list::visible_entry(acting, EntryId(uuid)).await.map_err(|e| db_fault(&e))?;
            found.map(|row| Node::WaitlistEntry(WaitlistEntry(row)))
        }
        UserId::NAME => {
            let user = UserId(uuid);
            if acting.allow(Action::AccountOf(user)).is_err() && acting.allow(Action::Administer).is_err() {
                return Ok(None);
            }
            load.load_one(user).await.map_err(failed)?.map(|row| Node::User(User::new(row)))
        }
        AvailabilityId::NAME => {
            let event = EventId(uuid);
            let found = load.load_one(event).await.map_err(failed)?;
            match found.filter(|row| crate::event::may_see(acting, row)) {
                Some(_) => {
                    let figures = load.load_one(AvailabilityOf(event)).await.map_err(failed)?;
                    figures.map(|figures| Node::Availability(figures.into()))
                }
                None => None,
            }
        }
        OrganizerId::NAME => organizer_by_id(ctx, OrganizerId(uuid)).await?.map(Node::Organizer),
        _ => None,
    })
}

/// Queries for objects by id.
#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// Any object that implements `Node`, by its id; null when there is none that you may see. No sign-in needed for
    /// public objects.
    async fn node(&self, ctx: &Context<'_>, #[graphql(desc = "Id of the object.")] id: ID) -> Result<Option<Node>> {
        find(ctx, &id).await
    }

    /// Several objects that implement `Node`, in the order of their ids. An item is null when there is no object that
    /// you may see. For a malformed id, the item is null and there is an error. No sign-in needed for public objects.
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Ids of the objects, at most 100.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Node>>> {
        if ids.len() > NODES_MAX {
            return Err(Fault::BadUserInput.error(format!("ids must not be more than {NODES_MAX}.")));
        }
        let found = futures_util::future::join_all(ids.iter().map(|id| find(ctx, id))).await;
        // Errors are added by hand: for a list of results, async-graphql would declare items that are never null.
        let or_null = |(at, node): (usize, Result<Option<Node>>)| {
            node.unwrap_or_else(|error| {
                let path =
                    vec![PathSegment::Field(ctx.item.node.response_key().node.to_string()), PathSegment::Index(at)];
                ctx.add_error(ServerError { path, ..error.into_server_error(ctx.item.pos) });
                None
            })
        };
        Ok(found.into_iter().enumerate().map(or_null).collect())
    }
}
