//! Pure functions: money, ids, time, backoff, text, tokens, status tables. First examples here, all cases in the
//! modules below.
//! Not here: anything with a database but the CHECKs that must name the same words.

mod expensive;
mod idempotency;
mod ids;
mod letters;
mod money;
mod password;
mod search;
mod time;
mod token;
mod words;

use std::time::Duration;

use boxoffice::account::token::{Keys, LIFETIME};
use boxoffice::account::{email, new_password};
use boxoffice::clock::Timestamp;
use boxoffice::id::{BadId, BookingId, EventId, NodeId, REFERENCE_LETTERS, RandomSource, SessionId, UserId};
use boxoffice::money::{BadAmount, Currency, Money};
use boxoffice::queue::{Backoff, Queue};
use boxoffice::status::{BookingStatus, CancelReason, EventStatus, InvitationStatus, Role, WaitlistStatus};
use boxoffice::text;
use uuid::Uuid;

#[test]
fn money_has_its_currencys_digits() {
    let cases = [
        ("EUR", "12.50", 1_250),
        ("EUR", "0.05", 5),
        ("JPY", "1500", 1_500),
        ("BHD", "1.250", 1_250),
        ("BHD", "0.001", 1),
    ];
    for (code, text, minor) in cases {
        let currency = Currency::parse(code).unwrap();
        assert_eq!(Money::parse(text, currency).unwrap(), Money { minor, currency });
        assert_eq!(Money { minor, currency }.decimal(), text);
    }
    let (eur, jpy) = (Currency::parse("EUR").unwrap(), Currency::parse("JPY").unwrap());
    assert_eq!(Money { minor: -5, currency: eur }.decimal(), "-0.05");
    assert_eq!(Money::parse("7", eur).unwrap().minor, 700);
    for (text, why) in [
        ("", BadAmount::Malformed),
        (".5", BadAmount::Malformed),
        ("1.", BadAmount::Malformed),
        ("1,5", BadAmount::Malformed),
        ("1e3", BadAmount::Malformed),
        ("١", BadAmount::Malformed),
        ("1.999", BadAmount::TooPrecise),
        ("-1", BadAmount::OutOfRange),
        ("999999999999999", BadAmount::OutOfRange),
    ] {
        assert_eq!(Money::parse(text, eur), Err(why), "{text:?}");
    }
    assert_eq!(Money::parse("1.0", jpy), Err(BadAmount::TooPrecise));
    assert!(Currency::parse("eur").is_none() && Currency::parse("XXX").is_none());
}

#[test]
fn ids_are_opaque_typed_and_in_order() {
    let random = RandomSource::seeded(1);
    let event: EventId = random.id(Timestamp(1_800_000_000_000_000));
    assert_eq!(EventId::parse(&event.to_global_id()), Ok(event));
    assert_eq!(BookingId::parse(&event.to_global_id()), Err(BadId::OtherType { expected: "Booking" }));
    for text in
        ["", "x", "RXZlbnQ6", "ä", &"A".repeat(65), &event.to_global_id()[1..], &format!("{}=", event.to_global_id())]
    {
        assert!(EventId::parse(text).is_err(), "{text:?}");
    }
    // Within a millisecond, when it overflows, and when the clock is set back.
    let mut last: Uuid = random.id(Timestamp(0));
    for step in 0..600_000_i64 {
        let at = if step < 300_000 { 1_000_000 } else { 1_000_000 - step };
        let next: Uuid = random.id(Timestamp(at));
        assert!(next > last, "step {step}");
        assert_eq!(next.get_version_num(), 7);
        last = next;
    }
    for _ in 0..1_000 {
        let reference = random.reference();
        assert!(reference.starts_with("EVT-") && reference[4..].bytes().all(|byte| REFERENCE_LETTERS.contains(&byte)));
    }
    assert_eq!(RandomSource::seeded(7).reference(), RandomSource::seeded(7).reference());
}

#[test]
fn instants_survive_their_text() {
    for text in ["1970-01-01T00:00:00Z", "2026-12-24T18:30:00Z", "2026-12-24T18:30:00.000001Z", "9999-12-31T23:59:59Z"]
    {
        assert_eq!(Timestamp::from_rfc3339(text).unwrap().rfc3339(), text);
    }
    assert_eq!(Timestamp::from_rfc3339("2026-12-24T19:30:00+01:00"), Timestamp::from_rfc3339("2026-12-24T18:30:00Z"));
    for text in
        ["", "yesterday", "2026-12-24", "1969-12-31T23:59:59Z", "2026-13-01T00:00:00Z", "+12026-01-01T00:00:00Z"]
    {
        assert_eq!(Timestamp::from_rfc3339(text), None, "{text}");
    }
    assert_eq!(Timestamp(i64::MAX).plus(Duration::MAX).0, i64::MAX);
}

/// N attempts have N − 1 waits.
#[test]
fn queues_wait_as_their_documents_say() {
    let waits = |queue: Queue| -> Vec<u64> {
        let policy = queue.retry();
        (1..policy.attempts).map(|failed| policy.backoff.after(failed, 0.5).as_millis() as u64).collect()
    };
    assert_eq!(waits(Queue::Emails), [2_000, 4_000, 8_000, 16_000]);
    assert_eq!(waits(Queue::Notifications), [1_000, 2_000]);
    assert_eq!(waits(Queue::Tickets), [5_000, 5_000]);
    let backoff = Backoff::Exponential(Duration::from_secs(2));
    assert!(backoff.after(60, 1.0) <= Duration::from_secs(17 * 60), "no wait is endless");
    assert!(backoff.after(1, 0.0) < backoff.after(1, 1.0), "what failed together does not come back together");
}

#[test]
fn texts_are_trimmed_and_checked() {
    assert_eq!(text::line("t", "  Grüße, 東京 👩‍🚀 ", 20).unwrap(), "Grüße, 東京 👩‍🚀");
    assert_eq!(text::lines("t", "one\r\ntwo", 20).unwrap(), "one\ntwo");
    for bad in ["", " \t ", "\u{200b}", "a\0b", "a\u{1b}[31m", "a\u{7f}b", "a\u{3164}b"] {
        assert!(text::line("t", bad, 20).is_err(), "{bad:?}");
    }
    assert!(text::line("t", &"ä".repeat(20), 20).is_ok() && text::line("t", &"ä".repeat(21), 20).is_err());
}

#[test]
fn addresses_and_passwords() {
    assert_eq!(
        email(" Ada.Lovelace+x@Example.ORG ").unwrap(),
        ("Ada.Lovelace+x@Example.ORG".into(), "ada.lovelace+x@example.org".into())
    );
    for bad in [
        "",
        "@",
        "a@",
        "@b.c",
        "a@b",
        "a@@b.c",
        "a b@c.d",
        "a@b..c",
        ".a@b.c",
        "a.@b.c",
        "a@-b.c",
        "a@b.c\n",
        "ä@b.c",
        "a@ü",
        "a@-ü.de",
        "a@ü_.de",
        "a@\u{200b}.de",
        "a@b.c,d@e.f",
        "\"a\"@b.c",
    ] {
        let result = email(bad);
        assert!(result.is_err() || bad == "a@b.c\n", "{bad:?} {result:?}");
    }
    assert!(new_password("p", "ten chars!").is_ok() && new_password("p", "nine char").is_err());
    assert!(new_password("p", &"x".repeat(200)).is_ok() && new_password("p", &"x".repeat(201)).is_err());
    // Letters are counted as they are hashed: a decomposed letter is one.
    assert!(new_password("p", &"e\u{301}".repeat(9)).is_err() && new_password("p", &"e\u{301}".repeat(200)).is_ok());
    assert!(new_password("p", &"\u{1112}\u{1161}\u{11ab}".repeat(200)).is_ok(), "Hangul in parts");
    assert!(new_password("p", &"x".repeat(100_000)).is_err());
}

#[test]
fn tokens_are_good_for_their_key_their_time_and_nothing_else() {
    let (old, new): ([u8; 32], [u8; 48]) = (std::array::from_fn(|n| n as u8), std::array::from_fn(|n| n as u8 + 100));
    let (first, ring, other) =
        (Keys::new([&old[..]]).unwrap(), Keys::new([&new[..], &old[..]]).unwrap(), Keys::new([&new[..]]).unwrap());
    let (user, session): (UserId, SessionId) = (UserId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(2)));
    let now = Timestamp(1_800_000_000_000_000);
    let (token, ends) = first.sign(user, session, now).unwrap();
    assert_eq!(ends, now.plus(LIFETIME));
    let claims = ring.verify(&token, now).expect("the key before is still accepted");
    assert_eq!((claims.sub, claims.sid), (user, session));
    assert!(other.verify(&token, now).is_none(), "another key");
    assert!(first.verify(&token, ends).is_none(), "ended");
    assert!(first.verify(&token[..token.len() - 2], now).is_none(), "cut");
    assert!(first.verify("", now).is_none() && first.verify("a.b.c", now).is_none());
    // Same key, other claims: signed by hand.
    let kid = jsonwebtoken::decode_header(&token).unwrap().kid;
    let forge = |claims: serde_json::Value, algorithm| {
        let header = jsonwebtoken::Header { kid: kid.clone(), ..jsonwebtoken::Header::new(algorithm) };
        jsonwebtoken::encode(&header, &claims, &jsonwebtoken::EncodingKey::from_secret(&old)).unwrap()
    };
    let good = serde_json::json!({ "iss": "boxoffice", "aud": "boxoffice-api", "typ": "access", "sub": user, "sid": session, "exp": ends.seconds(), "iat": now.seconds() });
    assert!(first.verify(&forge(good.clone(), jsonwebtoken::Algorithm::HS256), now).is_some(), "the forger works");
    assert!(first.verify(&forge(good.clone(), jsonwebtoken::Algorithm::HS512), now).is_none(), "one algorithm");
    for (claim, value) in [("iss", "evil"), ("aud", "evil"), ("typ", "refresh")] {
        let mut bad = good.clone();
        bad[claim] = value.into();
        assert!(first.verify(&forge(bad, jsonwebtoken::Algorithm::HS256), now).is_none(), "{claim}");
    }
    for claim in ["iss", "aud", "typ", "sub", "sid", "exp"] {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(claim);
        assert!(first.verify(&forge(bad, jsonwebtoken::Algorithm::HS256), now).is_none(), "without {claim}");
    }
    assert!(Keys::new([&[0_u8; 31][..]]).is_err() && Keys::new(std::iter::empty::<&[u8]>()).is_err());
}

#[test]
fn status_machines_as_tables() {
    let mut text = String::new();
    let mut table = |name: &str, words: &[&str], may: &dyn Fn(usize, usize) -> bool| {
        for (from, word) in words.iter().enumerate() {
            let to: Vec<&str> = (0..words.len()).filter(|to| may(from, *to)).map(|to| words[to]).collect();
            text.push_str(&format!(
                "{name}: {word} → {}\n",
                if to.is_empty() { "(ends)".to_owned() } else { to.join(", ") }
            ));
        }
    };
    let words = |all: &[&'static str]| all.to_vec();
    table("event", &words(&EventStatus::ALL.iter().map(|s| s.word()).collect::<Vec<_>>()), &|a, b| {
        EventStatus::ALL[a].may_become(EventStatus::ALL[b])
    });
    table("booking", &words(&BookingStatus::ALL.iter().map(|s| s.word()).collect::<Vec<_>>()), &|a, b| {
        BookingStatus::ALL[a].may_become(BookingStatus::ALL[b])
    });
    table("waitlist entry", &words(&WaitlistStatus::ALL.iter().map(|s| s.word()).collect::<Vec<_>>()), &|a, b| {
        WaitlistStatus::ALL[a].may_become(WaitlistStatus::ALL[b])
    });
    table("invitation", &words(&InvitationStatus::ALL.iter().map(|s| s.word()).collect::<Vec<_>>()), &|a, b| {
        InvitationStatus::ALL[a].may_become(InvitationStatus::ALL[b])
    });
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "snapshots" }, {
        insta::assert_snapshot!("status", text);
    });
}

/// The CHECKs of the database name the same words as the code.
#[tokio::test]
async fn checks_name_the_same_words() {
    let stage = crate::harness::Stage::sqlite();
    let app = stage.app().await;
    let has = async |table: &str, words: Vec<&str>| {
        let list = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ");
        let sql = "SELECT count(*) AS n FROM sqlite_master WHERE name = $1 AND sql LIKE $2";
        let found = app.number(sql, [table.into(), format!("%({list})%").into()]).await;
        assert_eq!(found, 1, "{table}: no CHECK names exactly {list}");
    };
    has("event", EventStatus::ALL.iter().map(|s| s.word()).collect()).await;
    has("booking", BookingStatus::ALL.iter().map(|s| s.word()).collect()).await;
    has("booking", CancelReason::ALL.iter().map(|s| s.word()).collect()).await;
    has("waitlist_entry", WaitlistStatus::ALL.iter().map(|s| s.word()).collect()).await;
    has("users", Role::ALL.iter().map(|s| s.word()).collect()).await;
    has("job", Queue::ALL.iter().map(|queue| queue.name()).collect()).await;
}
