//! Identifiers: one type per kind of object, their public form, and the random source they are made from.
//! Not here: database rows, and the look-up of an identifier.

use std::sync::{Arc, Mutex};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};
use sea_orm::DeriveValueType;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::sync;

/// Reason why a text from a client is not an identifier of the expected type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    /// The text is not an identifier of this service.
    #[error("this is not an id of this service")]
    Malformed,
    /// The text is an identifier of another type.
    #[error("this is the id of another type: expected {expected}")]
    OtherType {
        /// Name of the expected type.
        expected: &'static str,
    },
}

/// Type of identifier, one per kind of object.
pub trait NodeId: Copy + From<Uuid> + Into<Uuid> {
    /// GraphQL type name; part of the opaque id, so that an id of another type is recognised.
    const NAME: &'static str;

    /// Returns the opaque id for clients: base64url of `Type:` and the 16 bytes. (Relay convention: clients never parse
    /// it.)
    fn to_global_id(self) -> String {
        let mut bytes = Vec::with_capacity(Self::NAME.len() + 17);
        bytes.extend_from_slice(Self::NAME.as_bytes());
        bytes.push(b':');
        bytes.extend_from_slice(self.into().as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Parses an opaque id of this type.
    fn parse(text: &str) -> Result<Self, BadId> {
        let (name, id) = split(text)?;
        if name != Self::NAME {
            return Err(BadId::OtherType { expected: Self::NAME });
        }
        Ok(Self::from(id))
    }
}

/// Splits an opaque id into type name and UUID; for `node(id:)`, which does not know the type beforehand.
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
            // Called only for generated integer keys, which no table of this service has.
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
    /// User with an account.
    UserId = "User";
    /// Account that sells tickets.
    OrganizerId = "Organizer";
    /// Membership of a user in the team of an organizer.
    MembershipId = "Membership";
    /// Invitation to the team of an organizer.
    InvitationId = "Invitation";
    /// Sign-in of a user.
    SessionId = "Session";
    /// Token that a client program signs in with.
    ApiTokenId = "ApiToken";
    /// Event that can be booked.
    EventId = "Event";
    /// Availability of an event's tickets; its UUID is the event's.
    AvailabilityId = "Availability";
    /// One bookable date and time of an event.
    SlotId = "Slot";
    /// Capacity that ticket types share.
    QuotaId = "Quota";
    /// Category of tickets at a price.
    TicketTypeId = "TicketType";
    /// A customer's claim on tickets.
    BookingId = "Booking";
    /// Item of a booking: tickets of one type.
    BookingItemId = "BookingItem";
    /// Customer's entry in a waitlist.
    EntryId = "WaitlistEntry";
    /// Record of a past change.
    DomainEventId = "DomainEvent";
    /// One update of an event, for the texts that changed.
    ChangeId = "EventChange";
}

/// Letters of a booking reference. 0, O, 1, I, L and U are left out, so that it can be read aloud and written down
/// without mistakes.
pub const REFERENCE_LETTERS: &[u8; 30] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Source of identifiers, references, secrets and jitter. It is passed as a parameter, so that a test can seed it.
#[derive(Clone)]
pub struct RandomSource(Arc<Mutex<Source>>);

struct Source {
    rng: StdRng,
    /// Millisecond and counter of the newest id.
    newest: (u64, u32),
}

/// Largest value of the counter of 18 bits behind the timestamp. With it, ids of one millisecond sort in the order they
/// were made.
const COUNTER_MAX: u32 = (1 << 18) - 1;

impl RandomSource {
    /// Creates a source seeded by the operating system.
    pub fn system() -> Self {
        Self::of(StdRng::from_os_rng())
    }

    /// Creates a source that returns the same sequence for the same seed; tests only.
    pub fn seeded(seed: u64) -> Self {
        Self::of(StdRng::seed_from_u64(seed))
    }

    fn of(rng: StdRng) -> Self {
        Self(Arc::new(Mutex::new(Source { rng, newest: (0, 0) })))
    }

    fn source(&self) -> std::sync::MutexGuard<'_, Source> {
        // A panic while drawing cannot leave the source in a bad state, so a poisoned lock is still usable.
        sync::lock(&self.0)
    }

    fn with<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.source().rng)
    }

    /// Returns a new identifier: a UUIDv7 of this moment. Ids of one process sort in the order they were made, also
    /// within a millisecond and after the clock is set back. So lists by id are lists by time, and inserts stay at one
    /// end of an index.
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
        // 12 bits before the variant, 6 bits after it (RFC 9562, 6.2, method 1).
        bytes[0] = (counter >> 14) as u8;
        bytes[1] = (counter >> 6) as u8;
        bytes[2] = (counter & 0x3f) as u8;
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid().into()
    }

    /// Returns a new booking reference such as `EVT-7K3F9Q`. There are 729 million, so the caller has to check that it
    /// is free.
    pub fn reference(&self) -> String {
        self.with(|rng| {
            let mut text = String::from("EVT-");
            for _ in 0..6 {
                text.push(REFERENCE_LETTERS[rng.random_range(0..REFERENCE_LETTERS.len())] as char);
            }
            text
        })
    }

    /// Returns random bytes for secrets.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.with(|rng| rng.fill_bytes(&mut bytes));
        bytes
    }

    /// Returns a number in `0.0..1.0`, for jitter.
    pub fn fraction(&self) -> f64 {
        self.with(|rng| rng.random())
    }
}
