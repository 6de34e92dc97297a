//! Tests of booking: requests, results and refusals.
//! Not here: concurrent bookings (`batcher`, `race`) and the waitlist by itself (`waitlist`).

use serde_json::json;

/// The example of the product's documents: a request for 10 where 2 are left books 2 and waits for 8 at position 1,
/// in one payload.
#[apply(scene!)]
async fn asks_ten_has_two(stage: Stage) {
    let app = stage.app().await;
    let (organizer, early, late) = (app.organizer().await, app.customer().await, app.customer().await);
    let event = organizer.event(5).await;
    early.books(&event, 3).await;
    let answer = late.book(&event, 10, "PARTIAL_AND_WAITLIST", None).await.ok();
    assert_eq!(answer.text("createBooking.outcome"), "PARTIALLY_BOOKED_AND_WAITLISTED");
    assert_eq!(answer.int("createBooking.booking.quantity"), 2);
    assert_eq!(answer.text("createBooking.booking.status"), "CONFIRMED");
    assert_eq!(answer.int("createBooking.waitlistEntry.position"), 1);
    assert_eq!(answer.int("createBooking.waitlistEntry.quantity"), 8);
    assert_eq!(answer.text("createBooking.message"), "Booked 2 tickets. Remaining 8 tickets added to waitlist.");
    app.assert_sound(&event).await;
}

#[apply(scene!)]
async fn each_fulfilment_gets_its_share(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(4).await;
    let refused = customer.book(&event, 5, "ALL_OR_NOTHING", None).await;
    assert_eq!(refused.refusal(), "NOT_ENOUGH_TICKETS");
    assert_eq!(refused.int("createBooking.userErrors.0.available"), 4);
    assert_eq!(refused.int("createBooking.userErrors.0.requested"), 5);
    let part = customer.book(&event, 5, "PARTIAL", None).await.ok();
    assert_eq!(part.text("createBooking.outcome"), "PARTIALLY_BOOKED");
    assert_eq!(part.int("createBooking.booked"), 4);
    assert!(part.at("createBooking.waitlistEntry").is_null());
    assert_eq!(customer.book(&event, 1, "PARTIAL", None).await.refusal(), "NOT_ENOUGH_TICKETS");
    let waits = customer.book(&event, 1, "PARTIAL_AND_WAITLIST", None).await.ok();
    assert_eq!(waits.text("createBooking.outcome"), "WAITLISTED");
    assert!(waits.at("createBooking.booking").is_null());
    app.assert_sound(&event).await;
}

#[apply(scene!)]
async fn references_have_no_look_alikes(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(20).await;
    for _ in 0..20 {
        let answer = customer.book(&event, 1, "ALL_OR_NOTHING", None).await.ok();
        let reference = answer.text("createBooking.booking.reference");
        let letters = reference.strip_prefix("EVT-").unwrap();
        assert_eq!(letters.len(), 6);
        assert!(letters.chars().all(|c| "23456789ABCDEFGHJKMNPQRSTVWXYZ".contains(c)), "{reference}");
    }
}

#[apply(scene!)]
async fn a_repeated_key_answers_with_the_first_outcome(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer, other) = (app.organizer().await, app.customer().await, app.customer().await);
    let event = organizer.event(3).await;
    // A refusal is not stored: the same key may succeed later.
    assert_eq!(customer.book(&event, 9, "ALL_OR_NOTHING", Some("k1")).await.refusal(), "NOT_ENOUGH_TICKETS");
    let first = customer.book(&event, 2, "ALL_OR_NOTHING", Some("k1")).await.ok();
    let again = customer.book(&event, 2, "ALL_OR_NOTHING", Some("k1")).await.ok();
    assert_eq!(first.text("createBooking.booking.id"), again.text("createBooking.booking.id"));
    assert_eq!(app.sold(&event).await, 2);
    // The payload is resolved again: it shows the booking as it is now.
    customer.cancel(&first.text("createBooking.booking.id")).await.ok();
    let later = customer.book(&event, 2, "ALL_OR_NOTHING", Some("k1")).await.ok();
    assert_eq!(later.text("createBooking.booking.status"), "CANCELLED");
    assert_eq!(app.sold(&event).await, 0);
    assert_eq!(customer.book(&event, 3, "ALL_OR_NOTHING", Some("k1")).await.refusal(), "IDEMPOTENCY_KEY_REUSED");
    // Keys are a user's own.
    other.book(&event, 1, "ALL_OR_NOTHING", Some("k1")).await.ok();
    assert_eq!(customer.book(&event, 1, "ALL_OR_NOTHING", Some("")).await.refusal(), "INVALID");
    assert_eq!(customer.book(&event, 1, "ALL_OR_NOTHING", Some(&"k".repeat(256))).await.refusal(), "INVALID");
}

#[apply(scene!)]
async fn cancelling_frees_places_for_newcomers(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer, stranger) = (app.organizer().await, app.customer().await, app.customer().await);
    let event = organizer.event(2).await;
    let booking = customer.books(&event, 2).await;
    // Another customer's booking: the same answer as for a missing one.
    assert_eq!(stranger.cancel(&booking).await.refusal(), "NOT_FOUND");
    let cancelled = customer.cancel(&booking).await.ok();
    assert_eq!(cancelled.text("cancelBooking.booking.status"), "CANCELLED");
    assert_eq!(cancelled.text("cancelBooking.booking.cancelReason"), "BY_CUSTOMER");
    assert_eq!(customer.cancel(&booking).await.refusal(), "ALREADY_CANCELLED");
    let second = stranger.books(&event, 2).await;
    // The organizer may cancel too.
    let by_organizer = organizer.cancel(&second).await.ok();
    assert_eq!(by_organizer.text("cancelBooking.booking.cancelReason"), "BY_ORGANIZER");
    app.assert_sound(&event).await;
}

#[apply(scene!)]
async fn what_cannot_be_booked(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(5).await;
    for quantity in [0, -1, 101, i64::from(i32::MAX)] {
        assert_eq!(customer.book(&event, quantity, "PARTIAL", None).await.refusal(), "INVALID", "{quantity}");
    }
    let beyond = customer.book(&event, 3_000_000_000, "PARTIAL", None).await;
    assert_eq!(beyond.fault(), "BAD_USER_INPUT", "{}", beyond.body);
    let draft = organizer.draft(5).await;
    assert_eq!(customer.book(&draft, 1, "PARTIAL", None).await.refusal(), "NOT_FOUND");
    let unknown = boxoffice::id::NodeId::to_global_id(boxoffice::id::EventId(uuid::Uuid::from_u128(7)));
    assert_eq!(customer.book(&unknown, 1, "PARTIAL", None).await.refusal(), "NOT_FOUND");
    let of_another_type = boxoffice::id::NodeId::to_global_id(customer.user);
    assert_eq!(customer.book(&of_another_type, 1, "PARTIAL", None).await.refusal(), "NOT_FOUND");
    assert_eq!(customer.book("hello", 1, "PARTIAL", None).await.fault(), "BAD_USER_INPUT");
    // Organizers do not book, not even their own events; admins neither.
    assert_eq!(organizer.book(&event, 1, "PARTIAL", None).await.fault(), "FORBIDDEN");
    assert_eq!(app.admin().await.book(&event, 1, "PARTIAL", None).await.fault(), "FORBIDDEN");
    assert_eq!(app.anonymous().book(&event, 1, "PARTIAL", None).await.fault(), "UNAUTHENTICATED");
    let booking = customer.books(&event, 1).await;
    let over = organizer.event(5).await;
    organizer.mutate("cancelEvent", json!({ "eventId": over }), "event { status }").await.ok();
    assert_eq!(customer.book(&over, 1, "PARTIAL", None).await.refusal(), "INVALID_TRANSITION");
    app.clock.advance(std::time::Duration::from_secs(32 * 24 * 3_600));
    // The token of a month ago has ended; renewing is no subject of this test.
    let customer = app.renewed(&customer).await;
    assert_eq!(customer.book(&event, 1, "PARTIAL", None).await.refusal(), "EVENT_OVER");
    assert_eq!(customer.cancel(&booking).await.refusal(), "EVENT_OVER");
    assert_eq!(app.sold(&event).await, 1);
}

#[apply(scene!)]
async fn items_and_slots_must_be_of_the_event(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let (event, other) = (organizer.event(5).await, organizer.event(5).await);
    let parts = "query($id: ID!) { event(id: $id) { ticketTypes { id } slots { id } } }";
    let own = customer.ask(parts, json!({ "id": event })).await.ok();
    let foreign = customer.ask(parts, json!({ "id": other })).await.ok();
    let (kind, slot) = (own.text("event.ticketTypes.0.id"), own.text("event.slots.0.id"));
    let foreign_slot = foreign.text("event.slots.0.id");
    let order = |input: serde_json::Value| {
        customer.mutate(
            "createBooking",
            input,
            "booking { quantity items { quantity unitPrice { amount } } total { amount } }",
        )
    };
    let booked = order(json!({ "eventId": event, "slotId": slot, "items": [{ "ticketTypeId": kind, "quantity": 2 }] }))
        .await
        .ok();
    assert_eq!(booked.text("createBooking.booking.items.0.unitPrice.amount"), "15.50");
    assert_eq!(booked.text("createBooking.booking.total.amount"), "31.00");
    for wrong in [
        json!({ "eventId": event }),
        json!({ "eventId": event, "items": [] }),
        json!({ "eventId": event, "quantity": 1, "items": [{ "ticketTypeId": kind, "quantity": 1 }] }),
        json!({ "eventId": other, "items": [{ "ticketTypeId": kind, "quantity": 1 }] }),
        json!({ "eventId": event, "quantity": 1, "slotId": foreign_slot }),
        json!({ "eventId": event, "items": [{ "ticketTypeId": kind, "quantity": 1 }, { "ticketTypeId": kind, "quantity": 1 }] }),
        json!({ "eventId": event, "items": [{ "ticketTypeId": kind, "quantity": -2 }] }),
    ] {
        let answer = order(wrong.clone()).await;
        assert_eq!(answer.refusal(), "INVALID", "{wrong}: {}", answer.body);
    }
    assert_eq!(app.sold(&event).await, 2);
}

#[apply(scene!)]
async fn bookings_are_found_by_those_they_concern(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let (rival, stranger, admin) = (app.organizer().await, app.customer().await, app.admin().await);
    let event = organizer.event(5).await;
    let answer = customer.book(&event, 2, "ALL_OR_NOTHING", None).await.ok();
    let (id, reference) = (answer.text("createBooking.booking.id"), answer.text("createBooking.booking.reference"));
    let by_id = "query($id: ID!) { booking(id: $id) { reference customer { email } } }";
    let by_reference = "query($r: String!) { booking(reference: $r) { id } }";
    for who in [&customer, &organizer, &admin] {
        assert_eq!(who.ask(by_id, json!({ "id": id })).await.ok().text("booking.reference"), reference);
        let found = who.ask(by_reference, json!({ "r": reference.to_lowercase() })).await.ok();
        assert_eq!(found.text("booking.id"), id);
    }
    for who in [&rival, &stranger] {
        assert!(who.ask(by_id, json!({ "id": id })).await.ok().at("booking").is_null());
        assert!(who.ask(by_reference, json!({ "r": reference })).await.ok().at("booking").is_null());
        let node = who.ask("query($id: ID!) { node(id: $id) { id } }", json!({ "id": id })).await.ok();
        assert!(node.at("node").is_null());
    }
    let sales = "query($id: ID!) { event(id: $id) { bookings(first: 5) { totalCount nodes { id } }
                 participants(first: 5) { nodes { tickets } } } }";
    let seen = organizer.ask(sales, json!({ "id": event })).await.ok();
    assert_eq!(seen.int("event.bookings.totalCount"), 1);
    assert_eq!(seen.int("event.participants.nodes.0.tickets"), 2);
    assert!(rival.ask(sales, json!({ "id": event })).await.ok().at("event.bookings").is_null());
    assert_eq!(stranger.ask(sales, json!({ "id": event })).await.fault(), "FORBIDDEN");
}

#[apply(scene!)]
async fn my_bookings_are_paged_without_gap_or_overlap(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(50).await;
    let mut made = Vec::new();
    for _ in 0..7 {
        made.push(customer.books(&event, 1).await);
    }
    made.reverse();
    let page = "query($after: String) { myBookings(first: 3, after: $after) { totalCount nodes { id }
                pageInfo { hasNextPage endCursor } } }";
    let (mut seen, mut after) = (Vec::new(), serde_json::Value::Null);
    loop {
        let answer = customer.ask(page, json!({ "after": after })).await.ok();
        assert_eq!(answer.int("myBookings.totalCount"), 7);
        seen.extend(
            answer.at("myBookings.nodes").as_array().unwrap().iter().map(|n| n["id"].as_str().unwrap().to_owned()),
        );
        if answer.at("myBookings.pageInfo.hasNextPage") == false {
            break;
        }
        after = answer.at("myBookings.pageInfo.endCursor").clone();
    }
    assert_eq!(seen, made);
    for wrong in ["first: 0", "first: 101", "first: -1", "first: 1, last: 1", "", "first: 1, after: \"nonsense\""] {
        let arguments = if wrong.is_empty() { String::new() } else { format!("({wrong})") };
        let answer = customer.ask(&format!("{{ myBookings{arguments} {{ nodes {{ id }} }} }}"), json!({})).await;
        assert_eq!(answer.fault(), "BAD_USER_INPUT", "{wrong}: {}", answer.body);
    }
}

/// A form gets all its errors at once, each with the path of its field.
#[apply(scene!)]
async fn all_fields_at_fault_are_told_at_once(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let (event, other) = (organizer.event(5).await, organizer.event(5).await);
    let kind = |event: &str| {
        let (customer, event) = (customer.clone(), event.to_owned());
        async move {
            let query = "query($id: ID!) { event(id: $id) { ticketTypes { id } slots { id } } }";
            let parts = customer.ask(query, json!({ "id": event })).await.ok();
            (parts.text("event.ticketTypes.0.id"), parts.text("event.slots.0.id"))
        }
    };
    let ((own, _), (foreign, slot)) = (kind(&event).await, kind(&other).await);
    let paths = |answer: &crate::harness::Answer, mutation: &str| {
        let errors = answer.at(&format!("{mutation}.userErrors")).as_array().unwrap().clone();
        assert!(errors.iter().all(|error| error["code"] == "INVALID"), "{}", answer.body);
        errors.iter().map(|error| error["path"].clone()).collect::<Vec<_>>()
    };
    let item = |kind: &str, quantity: i64| json!({ "ticketTypeId": kind, "quantity": quantity });
    let input =
        json!({ "eventId": event, "quantity": 1, "items": [item(&own, 0), item(&own, 101)], "idempotencyKey": "ä" });
    let answer = customer.mutate("createBooking", input, "booked").await;
    let wrong = [
        json!(["input", "quantity"]),
        json!(["input", "items", "0", "quantity"]),
        json!(["input", "items", "1", "quantity"]),
        json!(["input", "items", "1", "ticketTypeId"]),
        json!(["input", "idempotencyKey"]),
    ];
    assert_eq!(paths(&answer, "createBooking"), wrong);
    let input = json!({ "eventId": event, "slotId": slot, "items": [item(&own, 1), item(&foreign, 1)] });
    let answer = customer.mutate("createBooking", input, "booked").await;
    let wrong = [json!(["input", "items", "1", "ticketTypeId"]), json!(["input", "slotId"])];
    assert_eq!(paths(&answer, "createBooking"), wrong);
    let input = json!({ "eventId": event, "quantity": 0, "idempotencyKey": "" });
    let answer = customer.mutate("joinWaitlist", input, "event { id }").await;
    assert_eq!(paths(&answer, "joinWaitlist"), [json!(["input", "quantity"]), json!(["input", "idempotencyKey"])]);
}

/// A payload carries every object it changed, so that a cache needs no other request.
#[apply(scene!)]
async fn payloads_carry_the_event_as_it_is_then(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer, other) = (app.organizer().await, app.customer().await, app.customer().await);
    let event = organizer.event(3).await;
    let figures = "event { id availability { sold available waiting } }";
    let seen = |sold: i64, available: i64, waiting: i64| json!({ "id": event, "availability": { "sold": sold, "available": available, "waiting": waiting } });
    let input = json!({ "eventId": event, "quantity": 3 });
    let booked = customer.mutate("createBooking", input, &format!("booking {{ id }} {figures}")).await.ok();
    assert_eq!(booked.at("createBooking.event"), &seen(3, 0, 0));
    let input = json!({ "eventId": event, "quantity": 2 });
    let joined = other.mutate("joinWaitlist", input, &format!("waitlistEntry {{ id }} {figures}")).await.ok();
    assert_eq!(joined.at("joinWaitlist.event"), &seen(3, 0, 2));
    let input = json!({ "entryId": joined.text("joinWaitlist.waitlistEntry.id") });
    let left = other.mutate("leaveWaitlist", input, figures).await.ok();
    assert_eq!(left.at("leaveWaitlist.event"), &seen(3, 0, 0));
    let input = json!({ "bookingId": booked.text("createBooking.booking.id") });
    let cancelled = customer.mutate("cancelBooking", input, &format!("message {figures}")).await.ok();
    assert_eq!(cancelled.at("cancelBooking.event"), &seen(0, 3, 0));
    let refused = customer.mutate("createBooking", json!({ "eventId": event, "quantity": 9 }), figures).await;
    assert_eq!((refused.refusal(), refused.at("createBooking.event")), ("NOT_ENOUGH_TICKETS", &json!(null)));
}

/// An order can say what it expects to pay: another price is refused with the new total.
#[apply(scene!)]
async fn another_price_than_expected_is_refused(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(9).await;
    let order = |total: &str| {
        let input = json!({ "eventId": event, "quantity": 2, "expectedTotal": total });
        let customer = customer.clone();
        async move {
            let query = "mutation($input: CreateBookingInput!) { createBooking(input: $input) { booked
                         userErrors { code path ... on PriceChangedError { total { amount currency } } } } }";
            customer.ask(query, json!({ "input": input })).await
        }
    };
    assert_eq!(order("31.00").await.ok().int("createBooking.booked"), 2);
    assert_eq!(order("31").await.ok().int("createBooking.booked"), 2);
    organizer.mutate("updateEvent", json!({ "eventId": event, "price": "99" }), "changed").await.ok();
    let refused = order("31.00").await;
    let total = json!({ "code": "PRICE_CHANGED", "path": ["input", "expectedTotal"], "total": { "amount": "198.00", "currency": "EUR" } });
    assert_eq!(refused.at("createBooking.userErrors"), &json!([total]));
    assert_eq!(app.sold(&event).await, 4);
    assert_eq!(order("198.00").await.ok().int("createBooking.booked"), 2);
    assert_eq!(order("198.001").await.refusal(), "INVALID");
}

/// A key is kept for a day at least, whatever else is purged meanwhile.
#[apply(scene!)]
async fn a_key_is_kept_for_a_day(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(9).await;
    let first = customer.book(&event, 2, "ALL_OR_NOTHING", Some("k")).await.ok();
    app.clock.advance(std::time::Duration::from_secs(24 * 3_600));
    assert_eq!(boxoffice::retention::sweep(&app.app.ctx, &Default::default(), &Default::default()).await, 0);
    let again = app.renewed(&customer).await.book(&event, 2, "ALL_OR_NOTHING", Some("k")).await.ok();
    assert_eq!(again.text("createBooking.booking.id"), first.text("createBooking.booking.id"));
    assert_eq!(app.sold(&event).await, 2);
    // And not for ever.
    app.clock.advance(std::time::Duration::from_secs(7 * 24 * 3_600));
    assert!(boxoffice::retention::sweep(&app.app.ctx, &Default::default(), &Default::default()).await > 0);
    assert_eq!(app.number("SELECT count(*) AS n FROM idempotency", []).await, 0);
}
