//! Connections: converts Relay's arguments and cursors to key paging, and pages of rows to connections.
//! Not here: reading rows (`crate::page`, and the list of each noun).

use async_graphql::connection::{Connection, CursorType, Edge, EmptyFields};
use async_graphql::{OutputType, Result};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::engine::fault::Fault;
use crate::id::NodeId;
use crate::page::{PAGE_MAX, Page, Paging};

/// Version of the cursor format; cursors of another version are refused instead of misread.
const VERSION: &str = "2";

/// A key that rows are ordered by, written as text inside a cursor.
pub trait Key: Clone + Send + Sync {
    /// Name of the kind of rows and their order: a cursor of another kind does not belong to the list.
    const KIND: &'static str;

    /// Writes the key as text without spaces.
    fn write(&self) -> String;
    /// Reads the key back from its text.
    fn read(text: &str) -> Option<Self>;
}

impl Key for i64 {
    const KIND: &'static str = "number";

    fn write(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

macro_rules! id_keys {
    ($($name:ident: $id:ty),*) => {$(
        impl Key for $id {
            const KIND: &'static str = stringify!($name);

            fn write(&self) -> String {
                self.0.simple().to_string()
            }

            fn read(text: &str) -> Option<Self> {
                Uuid::try_parse(text).ok().map(Self)
            }
        }

        impl Key for (Timestamp, $id) {
            const KIND: &'static str = concat!(stringify!($name), "-time");

            fn write(&self) -> String {
                format!("{}.{}", self.0.0, self.1.write())
            }

            fn read(text: &str) -> Option<Self> {
                let (first, second) = text.split_once('.')?;
                Some((Timestamp(first.parse().ok()?), <$id>::read(second)?))
            }
        }

        impl Key for (i64, $id) {
            const KIND: &'static str = concat!(stringify!($name), "-number");

            fn write(&self) -> String {
                format!("{}.{}", self.0, self.1.write())
            }

            fn read(text: &str) -> Option<Self> {
                let (first, second) = text.split_once('.')?;
                Some((first.parse().ok()?, <$id>::read(second)?))
            }
        }
    )*};
}

id_keys!(event: crate::id::EventId, booking: crate::id::BookingId, entry: crate::id::EntryId);
id_keys!(membership: crate::id::MembershipId, invitation: crate::id::InvitationId);
id_keys!(user: crate::id::UserId, session: crate::id::SessionId, token: crate::id::ApiTokenId);

/// A cursor in the form sent to clients: opaque and versioned.
pub struct Cursor<K>(pub K);

/// Error for a text that is not a cursor of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("This is not a cursor of this list.")]
pub struct BadCursor;

impl<K: Key> CursorType for Cursor<K> {
    type Error = BadCursor;

    fn decode_cursor(text: &str) -> Result<Self, BadCursor> {
        if text.len() > 256 {
            return Err(BadCursor);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadCursor)?;
        let text = String::from_utf8(bytes).map_err(|_| BadCursor)?;
        let (version, rest) = text.split_once(':').ok_or(BadCursor)?;
        let (kind, key) = rest.split_once(':').ok_or(BadCursor)?;
        if (version, kind) != (VERSION, K::KIND) {
            return Err(BadCursor);
        }
        K::read(key).map(Self).ok_or(BadCursor)
    }

    fn encode_cursor(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{VERSION}:{}:{}", K::KIND, self.0.write()))
    }
}

/// Relay's four paging arguments.
#[derive(Debug, Clone, Default)]
pub struct Args {
    /// Page size from the start.
    pub first: Option<i32>,
    /// Cursor after which the page begins.
    pub after: Option<String>,
    /// Page size from the end.
    pub last: Option<i32>,
    /// Cursor before which the page ends.
    pub before: Option<String>,
}

impl Args {
    /// Converts the arguments to key paging. They must have exactly one of `first` and `last`, 1 to 100.
    pub fn paging<K: Key>(self) -> Result<Paging<K>> {
        let input = |text: String| Fault::BadUserInput.error(text);
        let (limit, from_end) = match (self.first, self.last) {
            (Some(first), None) => (first, false),
            (None, Some(last)) => (last, true),
            _ => return Err(input("Give exactly one of first and last.".into())),
        };
        let limit = u64::try_from(limit).ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
        let limit = limit.ok_or_else(|| input(format!("first and last must be between 1 and {PAGE_MAX}.")))?;
        let decode = |text: Option<String>| {
            let cursor = text.map(|text| Cursor::<K>::decode_cursor(&text)).transpose();
            cursor.map(|cursor| cursor.map(|cursor| cursor.0)).map_err(|error| input(error.to_string()))
        };
        Ok(Paging { after: decode(self.after)?, before: decode(self.before)?, limit, from_end })
    }
}

/// Converts a page to a connection; `more` has fields such as `totalCount`, which are computed only when selected.
pub fn connection<K: Key, T, N: OutputType, F: async_graphql::ObjectType>(
    page: Page<T>,
    more: F,
    key: impl Fn(&T) -> K,
    node: impl Fn(T) -> N,
) -> Connection<Cursor<K>, N, F, EmptyFields> {
    let mut connection = Connection::with_additional_fields(page.has_previous, page.has_next, more);
    connection.edges.extend(page.rows.into_iter().map(|row| Edge::new(Cursor(key(&row)), node(row))));
    connection
}

/// Checks the length that is asked of a list without pages before the first: 1 to 100.
pub fn length(first: i32) -> Result<u64> {
    let length = u64::try_from(first).ok().filter(|length| (1..=PAGE_MAX).contains(length));
    length.ok_or_else(|| Fault::BadUserInput.error(format!("first must be between 1 and {PAGE_MAX}.")))
}

/// Returns the opaque id that GraphQL sends for a noun.
pub fn id<N: NodeId>(noun: N) -> async_graphql::ID {
    noun.to_global_id().into()
}
