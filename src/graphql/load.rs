//! Loaders: what objects of one response need of other tables, a statement per table instead of one per object.
//! Not here: visibility. A loader gives what it is asked for; the fields that ask decide who may see it.
//!
//! Built per request, so that nothing loaded for one viewer is ever shown to another.

use std::collections::HashMap;
use std::sync::Arc;

use crate::booking::availability::{self, Availability};
use crate::booking::{list, mine};
use crate::clock::Clock;
use crate::db::{Db, DbError};
use crate::engine::loader::{Loader, Source};
use crate::entity::{booking, booking_item, event, event_change, organizer, slot, ticket_type, users, waitlist_entry};
use crate::event::store as events;
use crate::id::{BookingId, ChangeId, EntryId, EventId, OrganizerId, UserId};
use crate::notification::read;
use crate::status::BookingStatus;

/// The tables to load from.
pub struct Tables(Db, Clock);

/// The loaders of a request.
pub type Load = Loader<Tables>;

/// New loaders.
pub fn loaders(db: Db, clock: Clock) -> Load {
    Loader::new(Tables(db, clock))
}

/// The loader shares its error among everybody who asked.
pub type LoadError = Arc<DbError>;

/// The slots of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SlotsOf(pub EventId);

/// The ticket types of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TypesOf(pub EventId);

/// The availability of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AvailabilityOf(pub EventId);

/// The lines of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ItemsOf(pub BookingId);

/// The position of an entry in its waitlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PositionOf(pub EntryId);

/// What an update of an event changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChangesOf(pub ChangeId);

/// A customer's newest bookings at an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BookingsAt {
    /// The event.
    pub event: EventId,
    /// The customer.
    pub user: UserId,
    /// Only those in this status.
    pub status: Option<BookingStatus>,
}

/// A customer's entries that wait at an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EntriesAt {
    /// The event.
    pub event: EventId,
    /// The customer.
    pub user: UserId,
}

/// The number up to which a user's notices are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReadUpTo(pub UserId);

/// Groups rows under the key each belongs to.
fn grouped<K: Eq + std::hash::Hash, V>(rows: Vec<V>, key: impl Fn(&V) -> K) -> HashMap<K, Vec<V>> {
    let mut groups: HashMap<K, Vec<V>> = HashMap::new();
    for row in rows {
        groups.entry(key(&row)).or_default().push(row);
    }
    groups
}

/// Declares a loader: key, value, and how rows are read and keyed.
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
    crate::account::store::by_ids(db, keys).await.map(|rows| rows.into_iter().map(|row| (row.id, row)).collect())
});
loader!(OrganizerId => organizer::Model, |db, keys| {
    crate::account::store::organizers(db, keys).await.map(|rows| rows.into_iter().map(|row| (row.id, row)).collect())
});
loader!(BookingId => booking::Model, |db, keys| {
    list::by_ids(db, keys).await.map(|rows| rows.into_iter().map(|row| (row.id, row)).collect())
});
loader!(EntryId => waitlist_entry::Model, |db, keys| {
    list::entries_by_ids(db, keys).await.map(|rows| rows.into_iter().map(|row| (row.id, row)).collect())
});
loader!(SlotsOf => Vec<slot::Model>, |db, keys| {
    let ids: Vec<EventId> = keys.iter().map(|key| key.0).collect();
    events::slots(db, &ids).await.map(|rows| grouped(rows, |row| SlotsOf(row.event_id)))
});
loader!(TypesOf => Vec<ticket_type::Model>, |db, keys| {
    let ids: Vec<EventId> = keys.iter().map(|key| key.0).collect();
    events::ticket_types(db, &ids).await.map(|rows| grouped(rows, |row| TypesOf(row.event_id)))
});
impl Source<AvailabilityOf> for Tables {
    type Value = Availability;
    type Error = LoadError;

    async fn load(&self, keys: &[AvailabilityOf]) -> Result<HashMap<AvailabilityOf, Availability>, LoadError> {
        let ids: Vec<EventId> = keys.iter().map(|key| key.0).collect();
        let rows = availability::of(self.0.read(), &ids, self.1.now()).await.map_err(Arc::new)?;
        Ok(rows.into_iter().map(|row| (AvailabilityOf(row.event_id), row)).collect())
    }
}
loader!(ItemsOf => Vec<booking_item::Model>, |db, keys| {
    let ids: Vec<BookingId> = keys.iter().map(|key| key.0).collect();
    list::items(db, &ids).await.map(|rows| grouped(rows, |row| ItemsOf(row.booking_id)))
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
            // A row that two keys asked for comes twice.
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

/// The fault a failed load is.
pub fn failed(error: LoadError) -> async_graphql::Error {
    super::error::db_fault(&error)
}
