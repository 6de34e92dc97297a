//! Loaders: read related rows for all objects of a response, with one statement per table instead of one per object.
//! Not here: visibility. A loader returns any row it is asked for; the fields that ask check whether the viewer may see
//! it.
//!
//! Loaders are built per request, so that no row loaded for one viewer is shown to another.

use std::collections::HashMap;
use std::sync::Arc;

use crate::account::store;
use crate::booking::availability::{self, Availability, SlotAvailability};
use crate::booking::{list, mine};
use crate::clock::Clock;
use crate::db::{Db, DbError};
use crate::engine::loader::{Loader, Source};
use crate::entity::{
    booking, booking_item, event, event_change, membership, organizer, slot, ticket_type, users, waitlist_entry,
};
use crate::event::store as events;
use crate::id::{BookingId, ChangeId, EntryId, EventId, OrganizerId, SlotId, TicketTypeId, UserId};
use crate::notification::read;
use crate::status::BookingStatus;

/// Database and clock that the loaders read from.
pub struct Tables(Db, Clock);

/// Loaders of one request.
pub type Load = Loader<Tables>;

/// Returns new loaders for one request.
pub fn loaders(db: Db, clock: Clock) -> Load {
    Loader::new(Tables(db, clock))
}

/// Error of a load, shared among all fields that asked for it.
pub type LoadError = Arc<DbError>;

/// Key of the first slots of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SlotsOf {
    /// Event of the slots.
    pub event: EventId,
    /// Number of slots at most.
    pub first: u64,
    /// Slot behind which they begin.
    pub after: Option<SlotId>,
}

/// Key of the first ticket types of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TypesOf {
    /// Event of the ticket types.
    pub event: EventId,
    /// Number of ticket types at most.
    pub first: u64,
    /// Ticket type behind which they begin.
    pub after: Option<TicketTypeId>,
}

/// Key of the availability of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AvailabilityOf(pub EventId);

/// Key of the availability of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SlotAvailabilityOf(pub SlotId);

/// Key of the items of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ItemsOf(pub BookingId);

/// Key of the memberships of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MembershipsOf(pub UserId);

/// Key of the position of an entry in its waitlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PositionOf(pub EntryId);

/// Key of the changes made by one update of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChangesOf(pub ChangeId);

/// Key of a customer's newest bookings of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BookingsAt {
    /// Event that is booked or waited for.
    pub event: EventId,
    /// Customer who books or waits.
    pub user: UserId,
    /// Status that the bookings have; `None` for any.
    pub status: Option<BookingStatus>,
}

/// Key of a customer's waiting entries for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EntriesAt {
    /// Event that is booked or waited for.
    pub event: EventId,
    /// Customer who books or waits.
    pub user: UserId,
}

/// Key of the number up to which a user's notices are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReadUpTo(pub UserId);

/// Groups rows by the key that each belongs to.
fn grouped<K: Eq + std::hash::Hash, V>(rows: Vec<V>, key: impl Fn(&V) -> K) -> HashMap<K, Vec<V>> {
    let mut groups: HashMap<K, Vec<V>> = HashMap::new();
    for row in rows {
        groups.entry(key(&row)).or_default().push(row);
    }
    groups
}

/// Declares a loader by its key, its value, and the reading and keying of rows.
macro_rules! loader {
    ($key:ty => $value:ty, |$db:ident, $keys:ident| $body:expr) => {
        impl Source<$key> for Tables {
            type Value = $value;
            type Error = LoadError;

            async fn load(&self, $keys: &[$key]) -> Result<HashMap<$key, $value>, LoadError> {
                let $db = self.0.read();
                $body.map_err(Arc::new)
            }
        }
    };
}

loader!(EventId => event::Model, |db, keys| {
    events::by_ids(db, keys).await.map(|rows| rows.into_iter().map(|row| (row.id, row)).collect())
});
loader!(UserId => users::Model, |db, keys| {
    store::by_ids(db, keys).await.map(|rows| rows.into_iter().map(|row| (row.id, row)).collect())
});
loader!(OrganizerId => organizer::Model, |db, keys| {
    store::organizers(db, keys).await.map(|rows| rows.into_iter().map(|row| (row.id, row)).collect())
});
loader!(BookingId => booking::Model, |db, keys| {
    list::by_ids(db, keys).await.map(|rows| rows.into_iter().map(|row| (row.id, row)).collect())
});
loader!(EntryId => waitlist_entry::Model, |db, keys| {
    list::entries_by_ids(db, keys).await.map(|rows| rows.into_iter().map(|row| (row.id, row)).collect())
});
loader!(SlotId => slot::Model, |db, keys| {
    events::slots_by_ids(db, keys).await.map(|rows| rows.into_iter().map(|row| (row.id, row)).collect())
});
loader!(TicketTypeId => ticket_type::Model, |db, keys| {
    events::ticket_types_by_ids(db, keys).await.map(|rows| rows.into_iter().map(|row| (row.id, row)).collect())
});

/// Declares a loader of the first parts of events: one statement for all events that ask for the same page.
macro_rules! first_parts {
    ($key:ident => $value:ty, $read:path) => {
        impl Source<$key> for Tables {
            type Value = Vec<$value>;
            type Error = LoadError;

            async fn load(&self, keys: &[$key]) -> Result<HashMap<$key, Vec<$value>>, LoadError> {
                let mut found = HashMap::new();
                for ((first, after), keys) in grouped(keys.to_vec(), |key| (key.first, key.after)) {
                    let ids: Vec<EventId> = keys.iter().map(|key| key.event).collect();
                    let rows = $read(self.0.read(), &ids, first, after).await.map_err(Arc::new)?;
                    found.extend(grouped(rows, |row| $key { event: row.event_id, first, after }));
                }
                Ok(found)
            }
        }
    };
}

first_parts!(SlotsOf => slot::Model, events::slots);
first_parts!(TypesOf => ticket_type::Model, events::ticket_types);

impl Source<AvailabilityOf> for Tables {
    type Value = Availability;
    type Error = LoadError;

    async fn load(&self, keys: &[AvailabilityOf]) -> Result<HashMap<AvailabilityOf, Availability>, LoadError> {
        let ids: Vec<EventId> = keys.iter().map(|key| key.0).collect();
        let rows = availability::of(self.0.read(), &ids, self.1.now()).await.map_err(Arc::new)?;
        Ok(rows.into_iter().map(|row| (AvailabilityOf(row.event_id), row)).collect())
    }
}

impl Source<SlotAvailabilityOf> for Tables {
    type Value = SlotAvailability;
    type Error = LoadError;

    async fn load(
        &self,
        keys: &[SlotAvailabilityOf],
    ) -> Result<HashMap<SlotAvailabilityOf, SlotAvailability>, LoadError> {
        let ids: Vec<SlotId> = keys.iter().map(|key| key.0).collect();
        let rows = availability::of_slots(self.0.read(), &ids, self.1.now()).await.map_err(Arc::new)?;
        Ok(rows.into_iter().map(|row| (SlotAvailabilityOf(row.slot_id), row)).collect())
    }
}

loader!(ItemsOf => Vec<booking_item::Model>, |db, keys| {
    let ids: Vec<BookingId> = keys.iter().map(|key| key.0).collect();
    list::items(db, &ids).await.map(|rows| grouped(rows, |row| ItemsOf(row.booking_id)))
});
loader!(MembershipsOf => Vec<membership::Model>, |db, keys| {
    let users: Vec<UserId> = keys.iter().map(|key| key.0).collect();
    store::memberships(db, &users).await.map(|rows| grouped(rows, |row| MembershipsOf(row.user_id)))
});
loader!(PositionOf => i64, |db, keys| {
    let ids: Vec<EntryId> = keys.iter().map(|key| key.0).collect();
    list::positions(db, &ids).await.map(|rows| rows.into_iter().map(|row| (PositionOf(row.id), row.position)).collect())
});
loader!(ChangesOf => Vec<event_change::Model>, |db, keys| {
    let ids: Vec<ChangeId> = keys.iter().map(|key| key.0).collect();
    events::changes(db, &ids).await.map(|rows| grouped(rows, |row| ChangesOf(row.id)))
});

loader!(BookingsAt => Vec<booking::Model>, |db, keys| {
    let at = |key: &BookingsAt| mine::At {
        user_id: key.user,
        event_id: key.event,
        status: key.status.map_or("", BookingStatus::word),
    };
    let asked: Vec<mine::At> = keys.iter().map(at).collect();
    mine::bookings(db, &asked).await.map(|rows| {
        let belongs = |key: &BookingsAt, row: &booking::Model| {
            row.event_id == key.event && row.user_id == key.user && key.status.is_none_or(|status| status == row.status)
        };
        let of = |key: &BookingsAt| {
            let own = rows.iter().filter(|row| belongs(key, row)).cloned();
            // A row that two keys ask for is returned twice.
            let mut own: Vec<booking::Model> = own.collect();
            own.dedup_by_key(|row| row.id);
            own.truncate(mine::BOOKINGS_MAX as usize);
            own
        };
        keys.iter().map(|key| (*key, of(key))).collect()
    })
});
loader!(EntriesAt => Vec<waitlist_entry::Model>, |db, keys| {
    let asked: Vec<mine::At> =
        keys.iter().map(|key| mine::At { user_id: key.user, event_id: key.event, status: "" }).collect();
    mine::waiting(db, &asked)
        .await
        .map(|rows| grouped(rows, |row| EntriesAt { event: row.event_id, user: row.user_id }))
});
loader!(ReadUpTo => i64, |db, keys| {
    let users: Vec<UserId> = keys.iter().map(|key| key.0).collect();
    read::heads(db, &users).await.map(|rows| rows.into_iter().map(|row| (ReadUpTo(row.user_id), row.read_seq)).collect())
});

/// Converts the error of a load to its fault.
pub fn failed(error: LoadError) -> async_graphql::Error {
    super::error::db_fault(&error)
}
