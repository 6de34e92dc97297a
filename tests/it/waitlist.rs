//! Tests of the waitlist: joining, waiting, promotion, leaving.
//! Not here: the rules by themselves (`allocate`).

use serde_json::json;

#[apply(scene!)]
async fn is_served_first_come_first_in_the_same_commit(stage: Stage) {
    let app = stage.app().await;
    let organizer = app.organizer().await;
    let people = app.customers(4).await;
    let event = organizer.event(2).await;
    let booking = people[0].books(&event, 2).await;
    let first = people[1].join(&event, 1, false).await.ok();
    assert_eq!(first.int("joinWaitlist.waitlistEntry.position"), 1);
    let second = people[2].join(&event, 2, true).await.ok();
    assert_eq!(second.int("joinWaitlist.waitlistEntry.position"), 2);
    let line = "query($id: ID!) { event(id: $id) { waitlist(first: 5) { nodes { position quantity } } } }";
    let line = organizer.ask(line, json!({ "id": event })).await.ok();
    let waiting = json!([{ "position": 1, "quantity": 1 }, { "position": 2, "quantity": 2 }]);
    assert_eq!(line.at("event.waitlist.nodes"), &waiting);
    people[0].cancel(&booking).await.ok();
    // The tickets go to the waitlist first: one entry whole, one in part.
    assert_eq!(app.sold(&event).await, 2);
    let entry = second.text("joinWaitlist.waitlistEntry.id");
    let seen = "query($id: ID!) { node(id: $id) { ... on WaitlistEntry { status position quantity granted } } }";
    let state = people[2].ask(seen, json!({ "id": entry })).await.ok();
    assert_eq!(state.at("node"), &json!({ "status": "WAITING", "position": 1, "quantity": 1, "granted": 1 }));
    let promoted = people[1]
        .ask("{ myBookings(first: 5) { nodes { reference quantity promotedFrom { id } } } }", json!({}))
        .await
        .ok();
    assert_eq!(promoted.int("myBookings.nodes.0.quantity"), 1);
    assert_eq!(promoted.text("myBookings.nodes.0.promotedFrom.id"), first.text("joinWaitlist.waitlistEntry.id"));
    // Newcomers never overtake, whatever they request.
    assert_eq!(people[3].book(&event, 1, "PARTIAL", None).await.refusal(), "NOT_ENOUGH_TICKETS");
    organizer.resize(&event, 3).await.ok();
    let state = people[2].ask(seen, json!({ "id": entry })).await.ok();
    assert_eq!(state.at("node"), &json!({ "status": "FULFILLED", "position": null, "quantity": 0, "granted": 2 }));
    app.settled().await;
    assert_eq!(people[2].notice_kinds().await.iter().filter(|kind| *kind == "WAITLIST_PROMOTED").count(), 2);
    app.assert_sound(&event).await;
}

#[apply(scene!)]
async fn a_head_that_does_not_fit_blocks(stage: Stage) {
    let app = stage.app().await;
    let organizer = app.organizer().await;
    let people = app.customers(5).await;
    let event = organizer.event(3).await;
    let bookings = [people[0].books(&event, 1).await, people[0].books(&event, 2).await];
    let large = people[1].join(&event, 3, false).await.ok().text("joinWaitlist.waitlistEntry.id");
    people[2].join(&event, 1, false).await.ok();
    people[0].cancel(&bookings[1]).await.ok();
    assert_eq!(app.sold(&event).await, 1, "two are free, the head wants three");
    assert_eq!(people[3].book(&event, 1, "PARTIAL", None).await.refusal(), "NOT_ENOUGH_TICKETS");
    let availability = app
        .anonymous()
        .ask("query($id: ID!) { event(id: $id) { availability { available waiting } } }", json!({ "id": event }))
        .await
        .ok();
    assert_eq!(availability.at("event.availability"), &json!({ "available": 0, "waiting": 4 }));
    // When the front entry leaves, the next one is promoted at once.
    people[1].leave(&large).await.ok();
    assert_eq!(app.sold(&event).await, 2);
    people[3].books(&event, 1).await;
    app.assert_sound(&event).await;
}

/// A second request while waiting: the old entry keeps its position, only the added tickets go to the end.
#[apply(scene!)]
async fn who_asks_for_more_keeps_the_place_they_have(stage: Stage) {
    let app = stage.app().await;
    let organizer = app.organizer().await;
    let people = app.customers(3).await;
    let event = organizer.event(2).await;
    let first = people[0].books(&event, 1).await;
    people[0].books(&event, 1).await;
    let old = people[1].join(&event, 1, false).await.ok().text("joinWaitlist.waitlistEntry.id");
    people[2].join(&event, 1, false).await.ok();
    assert_eq!(people[1].join(&event, 1, false).await.refusal(), "ALREADY_WAITING");
    // A second click is reported, and adds nothing.
    assert_eq!(people[1].book(&event, 1, "PARTIAL_AND_WAITLIST", None).await.refusal(), "ALREADY_WAITING");
    let added = people[1].book(&event, 3, "PARTIAL_AND_WAITLIST", None).await.ok();
    assert_ne!(added.text("createBooking.waitlistEntry.id"), old);
    assert_eq!(added.int("createBooking.waitlistEntry.position"), 3, "what is added stands at the end");
    assert_eq!((added.int("createBooking.waitlisted"), added.int("createBooking.waitlistEntry.quantity")), (3, 3));
    let seen = "query($id: ID!) { node(id: $id) { ... on WaitlistEntry { status position quantity acceptsPart } } }";
    let state = people[1].ask(seen, json!({ "id": old })).await.ok();
    assert_eq!(state.at("node"), &json!({ "status": "WAITING", "position": 1, "quantity": 1, "acceptsPart": false }));
    let line = organizer.ask("query($id: ID!) { event(id: $id) { waitlist(first: 9) { nodes { quantity position customer { email } } } } }", json!({ "id": event })).await.ok();
    assert_eq!(line.at("event.waitlist.nodes.2.quantity"), 3);
    assert!(
        line.text("event.waitlist.nodes.0.customer.email").contains("@Example.org"),
        "organizers can reach who waits"
    );
    people[0].cancel(&first).await.ok();
    let state = people[1].ask(seen, json!({ "id": old })).await.ok();
    assert_eq!(state.text("node.status"), "FULFILLED", "the old part was still the first");
    app.assert_sound(&event).await;
}

/// An entry for more tickets at once than exist, since the capacity was lowered, blocks no other entry.
#[apply(scene!)]
async fn who_can_never_fit_does_not_block(stage: Stage) {
    let app = stage.app().await;
    let (organizer, people) = (app.organizer().await, app.customers(2).await);
    let (large, small) = (&people[0], &people[1]);
    let event = organizer.event(6).await;
    let one = small.books(&event, 1).await;
    let rest = small.books(&event, 5).await;
    let waits = large.join(&event, 6, false).await.ok().text("joinWaitlist.waitlistEntry.id");
    small.cancel(&rest).await.ok();
    let refused = small.book(&event, 1, "PARTIAL", None).await;
    assert_eq!(refused.refusal(), "NOT_ENOUGH_TICKETS", "five are free, for who may get six one day");
    organizer.resize(&event, 5).await.ok();
    small.books(&event, 1).await;
    app.assert_sound(&event).await;
    // The entry keeps its position: after a raise, it is promoted as soon as it fits.
    organizer.resize(&event, 7).await.ok();
    assert_eq!(small.book(&event, 1, "PARTIAL", None).await.refusal(), "NOT_ENOUGH_TICKETS");
    small.cancel(&one).await.ok();
    let state = "query($id: ID!) { node(id: $id) { ... on WaitlistEntry { status } } }";
    let state = large.ask(state, json!({ "id": waits })).await.ok();
    assert_eq!(state.text("node.status"), "FULFILLED");
    assert_eq!(app.sold(&event).await, 7);
    app.assert_sound(&event).await;
}

/// An entry for more tickets than are left must not keep others from buying the rest.
#[apply(scene!)]
async fn nobody_stops_a_sale_by_waiting(stage: Stage) {
    let app = stage.app().await;
    let (organizer, griefer, other) = (app.organizer().await, app.customer().await, app.customer().await);
    let event = organizer.event(100).await;
    other.books(&event, 1).await;
    let refused = griefer.join(&event, 100, false).await;
    assert_eq!((refused.refusal(), refused.int("joinWaitlist.userErrors.0.available")), ("TICKETS_AVAILABLE", 99));
    other.books(&event, 99).await;
}

#[apply(scene!)]
async fn joining_is_refused_where_it_makes_no_sense(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer, other) = (app.organizer().await, app.customer().await, app.customer().await);
    let event = organizer.event(3).await;
    let free = customer.join(&event, 2, false).await;
    assert_eq!(free.refusal(), "TICKETS_AVAILABLE");
    assert_eq!(free.int("joinWaitlist.userErrors.0.available"), 3);
    other.books(&event, 2).await;
    assert_eq!(customer.join(&event, 2, true).await.refusal(), "TICKETS_AVAILABLE", "who takes part can take it now");
    for quantity in [0, -1, 101] {
        assert_eq!(customer.join(&event, quantity, false).await.refusal(), "INVALID");
    }
    assert_eq!(customer.join(&event, 4, false).await.refusal(), "INVALID", "more than there will ever be");
    assert_eq!(organizer.join(&event, 1, false).await.fault(), "FORBIDDEN");
    other.books(&event, 1).await;
    let entry = customer.join(&event, 2, false).await.ok().text("joinWaitlist.waitlistEntry.id");
    assert_eq!(other.leave(&entry).await.refusal(), "NOT_FOUND");
    customer.leave(&entry).await.ok();
    assert_eq!(customer.leave(&entry).await.refusal(), "NOT_WAITING");
    let draft = organizer.draft(2).await;
    assert_eq!(customer.join(&draft, 1, false).await.refusal(), "NOT_FOUND");
}

#[apply(scene!)]
async fn joining_with_a_key_is_safe_to_repeat(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(1).await;
    app.customer().await.books(&event, 1).await;
    let join = |quantity: i64| {
        let input = json!({ "eventId": event, "quantity": quantity, "idempotencyKey": "w1" });
        let customer = customer.clone();
        async move { customer.mutate("joinWaitlist", input, "waitlistEntry { id }").await }
    };
    let first = join(1).await.ok();
    assert_eq!(first.body, join(1).await.ok().body);
    assert_eq!(join(2).await.refusal(), "IDEMPOTENCY_KEY_REUSED");
    let mine = customer.ask("{ myWaitlistEntries(first: 5) { nodes { id position quantity } } }", json!({})).await.ok();
    assert_eq!(mine.at("myWaitlistEntries.nodes").as_array().unwrap().len(), 1);
}
