//! Identifiers beyond the first examples: every noun, one text per id, cursors, the letters of references.
//! Not here: access to the object of an id (`access`).

use std::collections::BTreeSet;
use std::time::Duration;

use async_graphql::connection::CursorType;
use boxoffice::clock::Timestamp;
use boxoffice::graphql::page::Cursor;
use boxoffice::id::{
    BadId, BookingId, BookingItemId, ChangeId, DomainEventId, EntryId, EventId, NodeId, OrganizerId, QuotaId,
    REFERENCE_LETTERS, RandomSource, SessionId, SlotId, TicketTypeId, UserId, split,
};
use uuid::Uuid;

use crate::harness::{BEGINNING, seeded};

fn round_trip<N: NodeId + std::fmt::Debug + PartialEq>(random: &RandomSource, names: &mut BTreeSet<&'static str>) {
    let id: N = random.id(BEGINNING);
    let text = id.to_global_id();
    assert_eq!(N::parse(&text), Ok(id));
    assert_eq!(split(&text), Ok((N::NAME.to_owned(), id.into())));
    assert!(text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{text}");
    assert!(names.insert(N::NAME), "two node_ids are called {}", N::NAME);
}

#[test]
fn every_noun_reads_its_own_ids_and_no_others() {
    let random = seeded("node_ids");
    let mut names = BTreeSet::new();
    round_trip::<UserId>(&random, &mut names);
    round_trip::<OrganizerId>(&random, &mut names);
    round_trip::<SessionId>(&random, &mut names);
    round_trip::<EventId>(&random, &mut names);
    round_trip::<SlotId>(&random, &mut names);
    round_trip::<QuotaId>(&random, &mut names);
    round_trip::<TicketTypeId>(&random, &mut names);
    round_trip::<BookingId>(&random, &mut names);
    round_trip::<BookingItemId>(&random, &mut names);
    round_trip::<EntryId>(&random, &mut names);
    round_trip::<DomainEventId>(&random, &mut names);
    round_trip::<ChangeId>(&random, &mut names);
    let booking: BookingId = random.id(BEGINNING);
    // One type name begins with the other.
    assert_eq!(BookingItemId::parse(&booking.to_global_id()), Err(BadId::OtherType { expected: "BookingItem" }));
    assert_eq!(EventId::parse(&ChangeId(booking.0).to_global_id()), Err(BadId::OtherType { expected: "Event" }));
}

/// Clients compare ids as strings and use them as keys: one object must not have two of them.
#[test]
fn an_id_has_one_text() {
    let random = seeded("texts of ids");
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= \n%é";
    for _ in 0..20 {
        let id: EventId = random.id(BEGINNING);
        let text = id.to_global_id();
        for at in 0..text.len() {
            for c in alphabet.chars().filter(|c| !text[at..].starts_with(*c)) {
                let other = format!("{}{c}{}", &text[..at], &text[at + 1..]);
                assert_ne!(EventId::parse(&other), Ok(id), "{other:?} is read as {text:?}");
            }
            assert_ne!(EventId::parse(&text[..at]), Ok(id));
            assert_ne!(EventId::parse(&text[at + 1..]), Ok(id));
        }
        for more in ["=", "==", " ", "A", "\n"] {
            assert_eq!(EventId::parse(&format!("{text}{more}")).ok(), None, "{more:?}");
            assert_eq!(EventId::parse(&format!("{more}{text}")).ok(), None, "{more:?}");
        }
        assert_eq!(EventId::parse(&id.0.to_string()).ok(), None, "a bare UUID is not an id");
    }
}

/// The time in an id is the time of its creation; a clock that is set back does not repeat ids.
#[test]
fn ids_sort_as_they_were_made() {
    let random = seeded("ids in time");
    let millis = |id: Uuid| id.get_timestamp().unwrap().to_unix();
    let mut now = BEGINNING;
    let mut last = Uuid::nil();
    for _ in 0..10_000 {
        let drawn = Duration::from_micros((random.fraction() * 3_000.0) as u64);
        now = if random.fraction() < 0.2 { now.minus(drawn * 5) } else { now.plus(drawn) };
        let id: Uuid = random.id(now);
        assert!(id > last);
        let (seconds, nanos) = millis(id);
        assert!(
            Timestamp((seconds * 1_000_000 + u64::from(nanos) / 1_000) as i64).plus(Duration::from_millis(1)) > now
        );
        last = id;
    }
    // Two processes make different ids of the same moment.
    let (one, two) = (RandomSource::seeded(1), RandomSource::seeded(2));
    let ids: BTreeSet<Uuid> = (0..1_000).flat_map(|_| [one.id(BEGINNING), two.id(BEGINNING)]).collect();
    assert_eq!(ids.len(), 2_000);
    let early: Uuid = RandomSource::seeded(3).id(Timestamp(-5)); // before 1970 there are no milliseconds to count
    assert_eq!(early.get_version_num(), 7);
}

#[test]
fn references_use_every_letter_but_look_alikes() {
    let letters: BTreeSet<u8> = REFERENCE_LETTERS.iter().copied().collect();
    assert_eq!(letters.len(), REFERENCE_LETTERS.len(), "no letter twice");
    assert!(b"01OILU".iter().all(|look_alike| !letters.contains(look_alike)));
    let random = seeded("references");
    let mut used = BTreeSet::new();
    for _ in 0..500 {
        let reference = random.reference();
        assert_eq!(reference.len(), 10);
        used.extend(reference.strip_prefix("EVT-").unwrap().bytes());
    }
    assert_eq!(used, letters);
}

fn cursor_survives<K: boxoffice::graphql::page::Key + std::fmt::Debug + PartialEq>(key: K) {
    let text = Cursor(key.clone()).encode_cursor();
    assert_eq!(Cursor::<K>::decode_cursor(&text).map(|cursor| cursor.0), Ok(key), "{text}");
}

#[test]
fn cursors_survive_their_text_and_refuse_any_other() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let id = Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0001);
    cursor_survives(7_i64);
    cursor_survives(i64::MIN);
    cursor_survives(BookingId(id));
    cursor_survives((BEGINNING, EventId(id)));
    cursor_survives((i64::MAX, EntryId(id)));
    type ByTime = Cursor<(Timestamp, EventId)>;
    let written = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let simple = id.simple();
    assert!(ByTime::decode_cursor(&written(&format!("2:event-time:5.{simple}"))).is_ok(), "the forger works");
    for bad in [
        String::new(),
        "nonsense".into(),
        "é".into(),
        written(""),
        written(":"),
        written(&format!("1:event-time:5.{simple}")),   // another version
        written(&format!("2:booking-time:5.{simple}")), // another list
        written(&format!("2:5.{simple}")),
        written(&format!("5.{simple}")),
        written(&format!("2:event-time:.{simple}")),
        written("2:event-time:5."),
        written("2:event-time:5"),
        written(&format!("2:event-time:99999999999999999999.{simple}")),
        written(&format!("2:event-time:5.{simple}.5")),
        BookingId(id).to_global_id(),
        "A".repeat(257),
    ] {
        assert!(ByTime::decode_cursor(&bad).is_err(), "{bad:?}");
    }
}
