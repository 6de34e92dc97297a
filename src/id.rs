//! Identifiers: one type per noun, how they look outside, and the random source they are made from.
//! Not here: database rows, and anything that looks an identifier up.

use std::sync::{Arc, Mutex};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};
use sea_orm::DeriveValueType;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;

/// Why a text from outside is not the identifier that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    /// Not something this service ever handed out.
    #[error("this is no id of this service")]
    Malformed,
    /// A well-formed id of another type.
    #[error("this is the id of another type: expected {expected}")]
    OtherType {
        /// The type that was asked for.
        expected: &'static str,
    },
}

/// A noun that has identifiers of its own.
pub trait NodeId: Copy + From<Uuid> + Into<Uuid> {
    /// GraphQL type name; part of the opaque id, so that an id of another type is recognised.
    const NAME: &'static str;

    /// The opaque id clients see: base64url of `Type:` and the 16 bytes. (Relay: clients never look inside.)
    fn to_global_id(self) -> String {
        let mut bytes = Vec::with_capacity(Self::NAME.len() + 17);
        bytes.extend_from_slice(Self::NAME.as_bytes());
        bytes.push(b':');
        bytes.extend_from_slice(self.into().as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads an opaque id of this type.
    fn parse(text: &str) -> Result<Self, BadId> {
        let (name, id) = split(text)?;
        if name != Self::NAME {
            return Err(BadId::OtherType { expected: Self::NAME });
        }
        Ok(Self::from(id))
    }
}

/// Takes an opaque id apart into type name and UUID; for `node(id:)`, which does not know the type beforehand.
pub fn split(text: &str) -> Result<(String, Uuid), BadId> {
    if text.len() > 64 {
        return Err(BadId::Malformed);
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadId::Malformed)?;
    let at = bytes.len().checked_sub(17).ok_or(BadId::Malformed)?;
    if bytes[at] != b':' {
        return Err(BadId::Malformed);
    }
    let name = std::str::from_utf8(&bytes[..at]).map_err(|_| BadId::Malformed)?;
    let id = Uuid::from_slice(&bytes[at + 1..]).map_err(|_| BadId::Malformed)?;
    Ok((name.to_owned(), id))
}

macro_rules! node_ids {
    ($($(#[$doc:meta])* $id:ident = $name:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, DeriveValueType)]
        #[serde(transparent)]
        pub struct $id(pub Uuid);

        impl From<Uuid> for $id { fn from(id: Uuid) -> Self { Self(id) } }
        impl From<$id> for Uuid { fn from(id: $id) -> Self { id.0 } }
        impl NodeId for $id { const NAME: &'static str = $name; }
        impl sea_orm::TryFromU64 for $id {
            // Asked for only with generated integer keys, which no table of ours has.
            fn try_from_u64(_: u64) -> Result<Self, sea_orm::DbErr> {
                Err(sea_orm::DbErr::ConvertFromU64(stringify!($id)))
            }
        }
        impl std::fmt::Display for $id {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { self.0.fmt(f) }
        }
    )*};
}

node_ids! {
    /// A person with an account.
    UserId = "User";
    /// The account that sells.
    OrganizerId = "Organizer";
    /// A sign-in.
    SessionId = "Session";
    /// What a program signs in with.
    ApiTokenId = "ApiToken";
    /// What one can book.
    EventId = "Event";
    /// The figures of an event's places; its UUID is the event's.
    AvailabilityId = "Availability";
    /// One bookable date and time of an event.
    SlotId = "Slot";
    /// The places that ticket types share.
    QuotaId = "Quota";
    /// A kind of place at a price.
    TicketTypeId = "TicketType";
    /// A customer's claim on places.
    BookingId = "Booking";
    /// One line of a booking.
    BookingItemId = "BookingItem";
    /// A place in the line.
    EntryId = "WaitlistEntry";
    /// What happened.
    DomainEventId = "DomainEvent";
    /// One update of an event, for the texts that changed.
    ChangeId = "EventChange";
}

/// Letters of a booking reference: no 0 O 1 I L U, so that it survives being read out and written down.
pub const REFERENCE_LETTERS: &[u8; 30] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The source of identifiers, references, secrets and jitter. A parameter everywhere, so that a test can seed it.
#[derive(Clone)]
pub struct RandomSource(Arc<Mutex<Source>>);

struct Source {
    rng: StdRng,
    /// Millisecond and counter of the newest id.
    newest: (u64, u32),
}

/// Ids of one millisecond have a counter of 18 bits behind the timestamp, so that they sort as they were made.
const COUNTER_MAX: u32 = (1 << 18) - 1;

impl RandomSource {
    /// Seeded by the operating system.
    pub fn system() -> Self {
        Self::of(StdRng::from_os_rng())
    }

    /// The same sequence for the same seed; tests only.
    pub fn seeded(seed: u64) -> Self {
        Self::of(StdRng::seed_from_u64(seed))
    }

    fn of(rng: StdRng) -> Self {
        Self(Arc::new(Mutex::new(Source { rng, newest: (0, 0) })))
    }

    fn source(&self) -> std::sync::MutexGuard<'_, Source> {
        // A panic while drawing cannot leave the source in a bad state, so a poisoned lock is still good.
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn with<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.source().rng)
    }

    /// A new identifier: UUIDv7 of this moment. Ids of one process sort as they were made, also within a millisecond
    /// and when the clock is set back, so lists by id are lists by time and indexes stay hot at one end.
    pub fn id<T: From<Uuid>>(&self, now: Timestamp) -> T {
        let now = u64::try_from(now.0 / 1_000).unwrap_or(0);
        let mut source = self.source();
        let (millis, counter) = match source.newest {
            (newest, COUNTER_MAX) if newest >= now => (newest + 1, 0),
            (newest, counter) if newest >= now => (newest, counter + 1),
            // Half of the range is left for the rest of the millisecond.
            _ => (now, source.rng.random_range(0..=COUNTER_MAX / 2)),
        };
        source.newest = (millis, counter);
        let mut bytes: [u8; 10] = source.rng.random();
        // 12 bits before the variant, 6 bits behind it (RFC 9562, 6.2, method 1).
        bytes[0] = (counter >> 14) as u8;
        bytes[1] = (counter >> 6) as u8;
        bytes[2] = (counter & 0x3f) as u8;
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid().into()
    }

    /// A new booking reference such as `EVT-7K3F9Q`; 729 million of them, so the caller checks whether it is taken.
    pub fn reference(&self) -> String {
        self.with(|rng| {
            let mut text = String::from("EVT-");
            for _ in 0..6 {
                text.push(REFERENCE_LETTERS[rng.random_range(0..REFERENCE_LETTERS.len())] as char);
            }
            text
        })
    }

    /// Random bytes for secrets.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.with(|rng| rng.fill_bytes(&mut bytes));
        bytes
    }

    /// A number in `0.0..1.0`, for jitter.
    pub fn fraction(&self) -> f64 {
        self.with(|rng| rng.random())
    }
}
