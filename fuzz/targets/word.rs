//! Opaque words: ids, cursors of lists and of streams. What is read is written back as the same word, or another spelling
//! of it that reads the same; everything else is refused.
//! Not here: whether what they name exists.
#![no_main]

use std::sync::LazyLock;

use async_graphql::connection::CursorType;
use boxoffice::account::token::Keys;
use boxoffice::clock::Timestamp;
use boxoffice::graphql::page::{Cursor, Key};
use boxoffice::graphql::stream_cursor::{CursorKeys, Log};
use boxoffice::id::{self, BookingId, EventId, NodeId, UserId};
use libfuzzer_sys::fuzz_target;

static KEYS: LazyLock<CursorKeys> = LazyLock::new(|| {
    let secret: &[u8] = b"a secret that only fuzzing knows, long enough for HS256";
    CursorKeys::new(&Keys::new([secret]).unwrap()).unwrap()
});

fn cursor<K: Key>(text: &str) {
    if let Ok(read) = Cursor::<K>::decode_cursor(text) {
        let written = read.encode_cursor();
        let again = Cursor::<K>::decode_cursor(&written).unwrap_or_else(|_| panic!("{written} is not read"));
        assert_eq!(again.encode_cursor(), written);
    }
}

fuzz_target!(|text: &str| {
    if let Ok(id) = EventId::parse(text) {
        assert_eq!(id.to_global_id(), text);
        assert!(BookingId::parse(text).is_err());
    }
    let _ = id::split(text);
    cursor::<i64>(text);
    cursor::<BookingId>(text);
    cursor::<(Timestamp, EventId)>(text);
    let owner = UserId(EventId::parse(text).map_or_else(|_| Default::default(), |id| id.0));
    for log in [Log::Notices(owner), Log::Bookings(owner)] {
        let cursors = KEYS.of(log, "history");
        assert_eq!(cursors.open(text), None, "nobody sealed it");
    }
});
