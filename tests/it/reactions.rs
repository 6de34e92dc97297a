//! What follows each fact, printed; and facts as they are stored, kept for ever.
//! Not here: carrying consequences out (`notification`).

use boxoffice::fact::{Fact, UnreadableFact, VERSION};
use boxoffice::id::{BookingId, ChangeId, EntryId, EventId, OrganizerId, UserId};
use boxoffice::notification::audience::Customers;
use boxoffice::reactions::{Consequence, follow};
use boxoffice::status::{CancelReason, EventField, LeaveReason};
use uuid::Uuid;

fn id<T: From<Uuid>>(n: u128) -> T {
    T::from(Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0000 + n))
}

/// One of each kind, and both ends of a booking's cancellation.
fn samples() -> Vec<(&'static str, Fact)> {
    let (event, organizer, user): (EventId, OrganizerId, UserId) = (id(1), id(2), id(3));
    let (booking, entry, change): (BookingId, EntryId, ChangeId) = (id(4), id(5), id(6));
    let cancelled = |reason| Fact::BookingCancelled { booking, event, organizer, user, quantity: 2, reason };
    vec![
        ("", Fact::UserRegistered { user }),
        ("", Fact::EventPublished { event, organizer }),
        ("", Fact::EventUpdated { event, organizer, change, fields: vec![EventField::Venue, EventField::StartsAt] }),
        ("", Fact::EventCancelled { event, organizer }),
        ("", Fact::BookingCreated { booking, event, organizer, user, quantity: 2 }),
        ("", Fact::BookingConfirmed { booking, event, organizer, user, quantity: 2 }),
        (" by its customer", cancelled(CancelReason::ByCustomer)),
        (" by its organizer", cancelled(CancelReason::ByOrganizer)),
        (" because the event was called off", cancelled(CancelReason::EventCancelled)),
        ("", Fact::WaitlistJoined { entry, event, organizer, user, quantity: 8 }),
        ("", Fact::WaitlistPromoted { entry, booking, event, organizer, user, quantity: 2, remaining: 6 }),
        ("", Fact::WaitlistLeft { entry, event, organizer, user, quantity: 8, reason: LeaveReason::Left }),
        ("", Fact::AvailabilityChanged { event, revision: 7 }),
    ]
}

fn words(consequence: Consequence) -> &'static str {
    match consequence {
        Consequence::TellUser(_) => "tell the user",
        Consequence::TellOrganizer(_) => "tell the organizer",
        Consequence::TellCustomers(_, Customers::WithLiveBooking) => "tell every customer with a live booking",
        Consequence::TellCustomers(_, Customers::WhenCalledOff) => {
            "tell every customer whose booking was live when it was called off"
        }
        Consequence::CallOff(_) => "end its bookings and its line, in chunks",
    }
}

#[test]
fn what_follows_each_fact() {
    let mut text = String::new();
    for (which, fact) in samples() {
        let follows: Vec<&str> = follow(&fact).into_iter().map(words).collect();
        let follows = if follows.is_empty() { "nothing".to_owned() } else { follows.join("; ") };
        text.push_str(&format!("{}{which} → {follows}\n", fact.kind()));
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "snapshots" }, {
        insta::assert_snapshot!("reactions", text);
    });
}

#[test]
fn every_kind_has_a_sample() {
    let kinds: Vec<&str> = samples().iter().map(|(_, fact)| fact.kind()).collect();
    for kind in Fact::KINDS {
        assert!(kinds.contains(kind), "{kind}");
    }
}

/// A stored fact is read for ever: what this release writes is kept, and must still be written and read alike.
#[test]
fn golden_facts_are_written_and_read_alike() {
    for (_, fact) in samples() {
        let folder = format!("{}/tests/it/snapshots/facts/v{VERSION}", env!("CARGO_MANIFEST_DIR"));
        let suffix = match &fact {
            Fact::BookingCancelled { reason, .. } => format!(".{}", reason.word().to_lowercase()),
            _ => String::new(),
        };
        let path = format!("{folder}/{}{suffix}.json", fact.kind());
        let written = serde_json::to_string_pretty(&fact.data()).unwrap() + "\n";
        if std::env::var_os("BOXOFFICE_WRITE_GOLDEN").is_some() {
            std::fs::write(&path, &written).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_else(|_| {
            panic!("{path} is missing: a new kind is written once with BOXOFFICE_WRITE_GOLDEN=1 and never changed")
        });
        assert_eq!(written, golden, "{path}: a changed fact is a new version, not another golden file");
        assert_eq!(Fact::read(fact.kind(), VERSION, &golden).unwrap(), fact);
    }
}

#[test]
fn facts_of_later_releases_are_told_from_damaged_ones() {
    assert_eq!(Fact::read("booking.teleported", 1, "{}"), Err(UnreadableFact::Newer));
    assert_eq!(Fact::read("booking.created", VERSION + 1, "{}"), Err(UnreadableFact::Newer));
    assert!(matches!(Fact::read("booking.created", VERSION, "{}"), Err(UnreadableFact::Damaged(_))));
    assert!(matches!(Fact::read("booking.created", VERSION, "no json"), Err(UnreadableFact::Damaged(_))));
}
