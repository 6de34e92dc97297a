//! Keys, fingerprints and answers of repeated requests, without the table.
//! Not here: that a repetition changes nothing (`booking`, `event`, `race`).

use boxoffice::booking::order::{Order, Placed};
use boxoffice::booking::waitlist::Join;
use boxoffice::clock::Timestamp;
use boxoffice::event::create::NewEvent;
use boxoffice::id::{BookingId, EventId, UserId};
use boxoffice::idempotency::{KEY_MAX, Keyed, Recall, Stored, fingerprint, is_valid_key};
use boxoffice::status::Fulfilment;
use uuid::Uuid;

fn id<T: From<Uuid>>(n: u128) -> T {
    T::from(Uuid::from_u128(n))
}

fn order() -> Order {
    Order {
        event: id(1),
        slot: Some(id(2)),
        items: vec![(id(3), 2)],
        quantity: None,
        fulfilment: Fulfilment::Partial,
        expected_total: None,
    }
}

#[test]
fn keys_are_visible_ascii() {
    for good in ["a", "0b4c6f1e-5a0f-4f0a-9d1c-0a1b2c3d4e5f", "!~", &"k".repeat(KEY_MAX)] {
        assert!(is_valid_key(good), "{good:?}");
    }
    for bad in ["", " ", "a b", "a\n", "a\0", "ä", "\u{7f}", &"k".repeat(KEY_MAX + 1)] {
        assert!(!is_valid_key(bad), "{bad:?}");
    }
}

/// A different request has a different fingerprint, whatever the difference.
#[test]
fn fingerprints_tell_requests_apart() {
    let same = fingerprint(&order());
    assert_eq!(same, fingerprint(&order()));
    assert!(same.len() == 64 && same.bytes().all(|b| b.is_ascii_hexdigit()));
    let others = [
        Order { event: id(9), ..order() },
        Order { slot: None, ..order() },
        Order { slot: Some(id(9)), ..order() },
        Order { items: vec![], ..order() },
        Order { items: vec![(id(9), 2)], ..order() },
        Order { items: vec![(id(3), 3)], ..order() },
        Order { items: vec![(id(3), 2), (id(4), 1)], ..order() },
        Order { quantity: Some(2), ..order() },
        Order { fulfilment: Fulfilment::AllOrNothing, ..order() },
        Order { expected_total: Some("31.00".to_owned()), ..order() },
    ];
    let mut seen = vec![same];
    for other in others {
        let print = fingerprint(&other);
        assert!(!seen.contains(&print), "{other:?}");
        seen.push(print);
    }
}

/// A release that adds a field which may be left out recognises the requests of the release before.
#[test]
fn fingerprints_survive_a_new_optional_field() {
    #[derive(serde::Serialize)]
    struct Item {
        id: i64,
        seat: Option<i64>,
    }
    #[derive(serde::Serialize)]
    struct Extended {
        acceptances: Vec<i64>,
        quantity: i64,
        event: EventId,
        ticket_type: Option<i64>,
        note: String,
        referral: Option<Item>,
        accepts_part: bool,
    }
    let join = Join { event: id(1), ticket_type: None, quantity: 2, accepts_part: true };
    let extended = |quantity, seat| Extended {
        acceptances: Vec::new(),
        quantity,
        event: id(1),
        ticket_type: None,
        note: String::new(),
        referral: seat,
        accepts_part: true,
    };
    assert_eq!(fingerprint(&join), fingerprint(&extended(2, None)));
    let others = [extended(3, None), extended(2, Some(Item { id: 1, seat: None }))];
    assert!(others.iter().all(|other| fingerprint(other) != fingerprint(&join)));
    let [seatless, seated] = [None, Some(4)].map(|seat| fingerprint(&extended(2, Some(Item { id: 1, seat }))));
    assert_eq!(seatless, fingerprint(&others[1]));
    assert_ne!(seatless, seated);
    assert_ne!(fingerprint(&[None, Some(1)]), fingerprint(&[Some(1), None]), "items keep their positions");
}

/// Fingerprints are kept for two days, so an upgrade meets those of the release before: a change here refuses every
/// repetition that is under way.
#[test]
fn fingerprints_stay_what_they_are() {
    let join = Join { event: id(1), ticket_type: None, quantity: 2, accepts_part: true };
    let event = NewEvent {
        organizer: None,
        title: "T".into(),
        description: "D".into(),
        venue: "V".into(),
        time_zone: "UTC".into(),
        starts_at: Timestamp(1),
        ends_at: Timestamp(2),
        capacity: 3,
        price: "1.50".into(),
        currency: "EUR".into(),
    };
    let prints = [fingerprint(&order()), fingerprint(&join), fingerprint(&event)].map(|print| print[..16].to_owned());
    assert_eq!(prints, ["3e8ebd2328f54962", "91b0cbd071fa22e4", "513209274d4fc3a7"]);
}

#[test]
fn an_answer_is_recalled_for_the_same_request_only() {
    let placed = Placed {
        booking: Some(BookingId(Uuid::from_u128(5))),
        entries: vec![id(6)],
        booked: 2,
        queued: 8,
        requested: 10,
    };
    let request = Keyed::of(UserId(Uuid::from_u128(1)), Some("k".into()), "createBooking", &order()).unwrap();
    let (kept, print) = (request.answer(&placed, Timestamp(7)), fingerprint(&order()));
    let stored = |outcome: &str| Stored {
        user_id: kept.user_id,
        key: kept.key.clone(),
        operation: kept.operation.into(),
        fingerprint: kept.fingerprint.clone(),
        outcome: outcome.into(),
    };
    let same = stored(&kept.outcome);
    assert_eq!(same.recall::<Placed>("createBooking", &print), Recall::Same(placed));
    assert_eq!(same.recall::<Placed>("createBooking", "other"), Recall::Reused);
    assert_eq!(same.recall::<Placed>("joinWaitlist", &print), Recall::Reused, "one key serves one kind of request");
    for unreadable in ["", "{}", "null", "[]"] {
        assert_eq!(stored(unreadable).recall::<Placed>("createBooking", &print), Recall::Reused, "never run again");
    }
}
