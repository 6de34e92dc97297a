//! Opaque words: ids, cursors of lists and of streams. What is read is written back as the same word, or another spelling
//! of it that reads the same; everything else is refused.
//! Not here: whether what they name exists.
#![no_main]

use async_graphql::connection::CursorType;
use boxoffice::clock::Micros;
use boxoffice::graphql::live::LogCursor;
use boxoffice::graphql::page::{Cursor, Key};
use boxoffice::id::{self, BookingId, EventId, Noun};
use libfuzzer_sys::fuzz_target;

fn cursor<K: Key>(text: &str) {
    if let Ok(read) = Cursor::<K>::decode_cursor(text) {
        let written = read.encode_cursor();
        let again = Cursor::<K>::decode_cursor(&written).unwrap_or_else(|_| panic!("{written} is not read"));
        assert_eq!(again.encode_cursor(), written);
    }
}

fuzz_target!(|text: &str| {
    if let Ok(id) = EventId::parse(text) {
        assert_eq!(id.opaque(), text);
        assert!(BookingId::parse(text).is_err());
    }
    let _ = id::split(text);
    cursor::<i64>(text);
    cursor::<BookingId>(text);
    cursor::<(Micros, EventId)>(text);
    for log in ['n', 'f'] {
        if let Ok(read) = LogCursor::decode(text, log) {
            assert_eq!(LogCursor::decode(&read.encode(), log).ok(), Some(read));
        }
    }
});
