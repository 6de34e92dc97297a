//! Cursors of log streams: they reveal nothing, and are valid for one reader and for a limited time.
//! Not here: that streams resume without gap or duplicate (`live`).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use boxoffice::account::token::Keys;
use boxoffice::graphql::stream_cursor::{CursorKeys, Log, Opened};
use boxoffice::id::{OrganizerId, UserId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Actor, SECRET};

const NEW_SECRET: &[u8] = b"another secret that only tests know, as long as the first";

fn keys(secrets: &[&[u8]]) -> CursorKeys {
    CursorKeys::new(&Keys::new(secrets.iter().copied()).unwrap()).unwrap()
}

#[test]
fn a_cursor_opens_for_its_log_its_owner_and_its_history() {
    let (user, other) = (UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
    let ring = keys(&[SECRET]);
    let mine = ring.of(Log::Bookings(user), "here");
    for seq in [0, 1, 7, 1_000_000, i64::MAX] {
        let cursor = mine.seal(seq).unwrap();
        assert_eq!(mine.open(&cursor), Some(Opened::Here(seq)));
        assert_eq!(mine.seal(seq).unwrap(), cursor, "clients compare them");
        assert_eq!(cursor.len(), 50, "its length tells nothing");
        assert_eq!(ring.of(Log::Bookings(user), "restored").open(&cursor), Some(Opened::Elsewhere));
        for log in [Log::Bookings(other), Log::Notices(user), Log::Sales(OrganizerId(user.0))] {
            assert_eq!(ring.of(log, "here").open(&cursor), None, "{log:?}");
        }
    }
    let bytes = URL_SAFE_NO_PAD.decode(mine.seal(7).unwrap()).unwrap();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            // Bytes 1 to 4 name the key: a cursor of an unknown key restarts the stream.
            let expected = (1..5).contains(&at).then_some(Opened::Elsewhere);
            assert_eq!(mine.open(&URL_SAFE_NO_PAD.encode(&bytes)), expected, "byte {at}, bit {bit}");
        }
    }
    for text in ["", "A", "1:f:here:7", &URL_SAFE_NO_PAD.encode("1:f:here:7"), &"A".repeat(50), &"A".repeat(100_000)] {
        assert_eq!(mine.open(text), None, "{text:.60}");
    }
}

#[test]
fn the_secret_before_opens_what_it_sealed() {
    let log = Log::Sales(OrganizerId(Uuid::from_u128(1)));
    let (old, both, new) = (keys(&[SECRET]), keys(&[NEW_SECRET, SECRET]), keys(&[NEW_SECRET]));
    let before = old.of(log, "here").seal(7).unwrap();
    let after = both.of(log, "here").seal(7).unwrap();
    assert_ne!(before, after, "the first secret seals");
    assert_eq!(both.of(log, "here").open(&before), Some(Opened::Here(7)));
    assert_eq!(new.of(log, "here").open(&after), Some(Opened::Here(7)));
    let gone = Some(Opened::Elsewhere);
    assert_eq!((new.of(log, "here").open(&before), old.of(log, "here").open(&after)), (gone, gone));
}

const MINE: &str = "subscription($after: String) { log: bookingChanged(after: $after) { cursor resync change } }";
const SALES: &str = "subscription($after: String) { log: eventBookingChanged(after: $after) { cursor resync change } }";
const NOTICES: &str =
    "subscription($after: String) { log: noticeReceived(after: $after) { cursor resync notice { number } } }";

/// Returns the first message of a stream: its opening, or its refusal.
async fn opening(person: &Actor, query: &str, after: &Value) -> Value {
    let mut socket = person.socket().await;
    socket.subscribe("s", query, json!({ "after": after })).await;
    socket.message().await
}

async fn cursor(person: &Actor, query: &str) -> Value {
    let cursor = opening(person, query, &Value::Null).await["payload"]["data"]["log"]["cursor"].clone();
    assert!(cursor.is_string(), "{cursor}");
    cursor
}

/// A client that subscribes repeatedly learns nothing of other users' activity, neither its amount nor that it
/// happens.
#[apply(scene!)]
async fn a_cursor_moves_with_its_readers_own_entries_only(stage: Stage) {
    let app = stage.app().await;
    let (organizer, rival, customer, other) =
        (app.organizer().await, app.organizer().await, app.customer().await, app.customer().await);
    let (event, theirs) = (organizer.event(99).await, rival.event(99).await);
    customer.books(&event, 1).await;
    app.settled().await;
    let watched = [(&customer, MINE), (&customer, NOTICES), (&organizer, SALES)];
    let mut before = Vec::new();
    for (person, query) in watched {
        before.push(cursor(person, query).await);
    }
    for _ in 0..5 {
        other.books(&theirs, 1).await;
    }
    app.settled().await;
    for ((person, query), before) in watched.into_iter().zip(&before) {
        assert_eq!(cursor(person, query).await, *before, "{query}");
    }
    customer.books(&event, 1).await;
    app.settled().await;
    for ((person, query), before) in watched.into_iter().zip(&before) {
        assert_ne!(cursor(person, query).await, *before, "{query}");
    }
    assert_ne!(cursor(&customer, MINE).await, cursor(&other, MINE).await);
}

#[apply(scene!)]
async fn a_foreign_or_altered_cursor_is_refused(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer, other) = (app.organizer().await, app.customer().await, app.customer().await);
    let event = organizer.event(9).await;
    customer.books(&event, 1).await;
    app.settled().await;
    let mine = cursor(&customer, MINE).await;
    let text = mine.as_str().unwrap();
    let altered = format!("{}{}", if text.starts_with('A') { 'B' } else { 'A' }, &text[1..]);
    let old = URL_SAFE_NO_PAD.encode("1:f:epoch:1");
    for (person, query, after) in [
        (&other, MINE, mine.clone()),
        (&customer, NOTICES, mine.clone()),
        (&customer, MINE, cursor(&customer, NOTICES).await),
        (&organizer, SALES, mine.clone()),
        (&customer, MINE, json!(altered)),
        (&customer, MINE, json!(&text[..40])),
        (&customer, MINE, json!(old)),
    ] {
        let refused = opening(person, query, &after).await;
        assert!(refused.to_string().contains("BAD_USER_INPUT"), "{after}: {refused}");
        assert!(refused.to_string().contains("not a cursor of this stream"), "{after}: {refused}");
    }
}

/// A cursor is valid at every process, after a restart, and while the secret that sealed it is the previous one.
#[apply(scene!)]
async fn a_cursor_outlives_processes_and_a_change_of_the_secret(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(9).await;
    let (mine, notices) = (cursor(&customer, MINE).await, cursor(&customer, NOTICES).await);
    customer.books(&event, 1).await;
    app.settled().await;
    for (secrets, is_good) in [(vec![SECRET], true), (vec![NEW_SECRET, SECRET], true), (vec![NEW_SECRET], false)] {
        let other = stage
            .app_with(|options| {
                options.clock = app.clock.clone();
                options.keys = Keys::new(secrets).unwrap();
            })
            .await;
        let person = other.renewed(&customer).await.at(&other);
        for (query, after) in [(MINE, &mine), (NOTICES, &notices)] {
            let first = opening(&person, query, after).await;
            assert_eq!(first["payload"]["data"]["log"]["resync"], !is_good, "{first}");
        }
    }
}
