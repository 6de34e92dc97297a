//! Tests of events: from draft to archive, browsing, calling off.
//! Not here: notices (`notification`) and tickets (`booking`, `waitlist`).

use serde_json::{Value, json};

use crate::harness::Actor;

mod browse;
mod forms;

fn input() -> Value {
    json!({
        "title": "Jazz on the Roof", "venue": "Roof", "timeZone": "Europe/Berlin", "capacity": 10,
        "startsAt": "2026-03-01T19:00:00+01:00", "endsAt": "2026-03-01T22:00:00+01:00", "price": "20.00",
    })
}

async fn create(organizer: &Actor, changes: Value) -> crate::harness::Answer {
    let mut input = input();
    for (key, value) in changes.as_object().unwrap() {
        input[key] = value.clone();
    }
    let fields = "event { id slug title status price { amount currency } startsAt timeZone availability { capacity } }";
    organizer.mutate("createEvent", input, fields).await
}

#[apply(scene!)]
async fn is_created_published_and_seen(stage: Stage) {
    let app = stage.app().await;
    let organizer = app.organizer().await;
    let made = create(&organizer, json!({})).await.ok();
    assert_eq!(made.text("createEvent.event.slug"), "jazz-on-the-roof");
    assert_eq!(made.text("createEvent.event.startsAt"), "2026-03-01T18:00:00Z");
    assert_eq!(made.at("createEvent.event.price"), &json!({ "amount": "20.00", "currency": "EUR" }));
    let id = made.text("createEvent.event.id");
    // A second event of this name gets a slug of its own.
    let second = create(&organizer, json!({})).await.ok().text("createEvent.event.slug");
    assert!(second.starts_with("jazz-on-the-roof-"), "{second}");
    // Only its organizer can see a draft.
    let by_id = "query($id: ID!) { event(id: $id) { title status } }";
    let (stranger, rival) = (app.customer().await, app.organizer().await);
    for who in [&app.anonymous(), &stranger, &rival] {
        assert!(who.ask(by_id, json!({ "id": id })).await.ok().at("event").is_null());
    }
    assert_eq!(organizer.ask(by_id, json!({ "id": id })).await.ok().text("event.status"), "DRAFT");
    assert_eq!(rival.mutate("publishEvent", json!({ "eventId": id }), "event { id }").await.refusal(), "NOT_FOUND");
    organizer.mutate("publishEvent", json!({ "eventId": id }), "event { id }").await.ok();
    assert_eq!(
        organizer.mutate("publishEvent", json!({ "eventId": id }), "event { id }").await.refusal(),
        "INVALID_TRANSITION"
    );
    let by_slug = "{ event(slug: \"jazz-on-the-roof\") { status } }";
    assert_eq!(app.anonymous().ask(by_slug, json!({})).await.ok().text("event.status"), "PUBLISHED");
    assert_eq!(
        organizer.mutate("deleteEvent", json!({ "eventId": id }), "deletedId").await.refusal(),
        "INVALID_TRANSITION"
    );
    assert_eq!(app.domain_events("event.published").await, 1);
}

#[apply(scene!)]
async fn creating_with_a_key_is_safe_to_repeat(stage: Stage) {
    let app = stage.app().await;
    let organizer = app.organizer().await;
    let first = create(&organizer, json!({ "idempotencyKey": "e1" })).await.ok().text("createEvent.event.id");
    let again = create(&organizer, json!({ "idempotencyKey": "e1" })).await.ok().text("createEvent.event.id");
    assert_eq!(first, again);
    let other = create(&organizer, json!({ "idempotencyKey": "e1", "capacity": 11 })).await;
    assert_eq!(other.refusal(), "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(app.number("SELECT count(*) AS n FROM event", []).await, 1);
}

#[apply(scene!)]
async fn a_draft_can_be_deleted_whole(stage: Stage) {
    let app = stage.app().await;
    let organizer = app.organizer().await;
    let id = create(&organizer, json!({})).await.ok().text("createEvent.event.id");
    organizer.mutate("updateEvent", json!({ "eventId": id, "venue": "Cellar" }), "changed").await.ok();
    organizer.mutate("deleteEvent", json!({ "eventId": id }), "deletedId").await.ok();
    for table in ["event", "slot", "quota", "ticket_type", "stock", "event_change"] {
        assert_eq!(app.number(&format!("SELECT count(*) AS n FROM {table}"), []).await, 0, "{table}");
    }
    assert_eq!(organizer.mutate("deleteEvent", json!({ "eventId": id }), "deletedId").await.refusal(), "NOT_FOUND");
}

#[apply(scene!)]
async fn bad_input_names_its_field(stage: Stage) {
    let app = stage.app().await;
    let organizer = app.organizer().await;
    let bad = [
        ("title", json!("")),
        ("title", json!("x".repeat(201))),
        ("title", json!("Jazz\u{0007}")),
        ("venue", json!("\u{200B}")),
        ("description", json!("x".repeat(10_001))),
        ("timeZone", json!("Mars/Olympus")),
        ("startsAt", json!("2020-01-01T00:00:00Z")),
        ("endsAt", json!("2026-03-01T18:59:59+01:00")),
        ("endsAt", json!("2028-03-01T18:59:59+01:00")),
        ("capacity", json!(0)),
        ("capacity", json!(-5)),
        ("capacity", json!(1_000_001)),
        ("price", json!("-1")),
        ("price", json!("1.999")),
        ("price", json!("99999999999999")),
        ("currency", json!("XXX")),
    ];
    for (field, value) in bad {
        let answer = create(&organizer, json!({ field: value })).await;
        assert_eq!(answer.refusal(), "INVALID", "{field} = {value}: {}", answer.body);
        assert_eq!(answer.at("createEvent.userErrors.0.path"), &json!(["input", field]), "{}", answer.body);
    }
    for (field, value) in [
        ("startsAt", json!("yesterday")),
        ("price", json!("cheap")),
        ("currency", json!("euro")),
        ("capacity", json!("many")),
    ] {
        let answer = create(&organizer, json!({ field: value })).await;
        let refused = ["BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"].contains(&answer.fault());
        assert!(refused, "{field}: {}", answer.body);
    }
    assert_eq!(app.number("SELECT count(*) AS n FROM event", []).await, 0);
    // Currencies without decimals and with three.
    create(&organizer, json!({ "price": "1500", "currency": "JPY" })).await.ok();
    assert_eq!(create(&organizer, json!({ "price": "1500.5", "currency": "JPY" })).await.refusal(), "INVALID");
    let dinar = create(&organizer, json!({ "price": "1.25", "currency": "BHD" })).await.ok();
    assert_eq!(dinar.text("createEvent.event.price.amount"), "1.250");
}

#[apply(scene!)]
async fn edits_say_what_really_changed(stage: Stage) {
    let app = stage.app().await;
    let (organizer, rival) = (app.organizer().await, app.organizer().await);
    let id = organizer.event(5).await;
    let edit = |input: Value| organizer.mutate("updateEvent", input, "changed event { venue title price { amount } }");
    assert_eq!(edit(json!({ "eventId": id, "venue": "Hall A" })).await.ok().at("updateEvent.changed"), &json!([]));
    assert_eq!(app.domain_events("event.updated").await, 0, "nothing changed, nobody is told");
    let changed = edit(json!({ "eventId": id, "venue": "Hall B", "price": "12.00" })).await.ok();
    assert_eq!(changed.at("updateEvent.changed"), &json!(["VENUE", "PRICE"]));
    assert_eq!(changed.text("updateEvent.event.price.amount"), "12.00");
    assert_eq!(app.domain_events("event.updated").await, 1);
    assert_eq!(edit(json!({ "eventId": id, "startsAt": "2025-01-01T00:00:00Z" })).await.refusal(), "INVALID");
    assert_eq!(edit(json!({ "eventId": id, "title": " " })).await.refusal(), "INVALID");
    let foreign = rival.mutate("updateEvent", json!({ "eventId": id, "venue": "Mine" }), "changed").await;
    assert_eq!(foreign.refusal(), "NOT_FOUND");
    // An admin may.
    app.admin().await.mutate("updateEvent", json!({ "eventId": id, "title": "Renamed" }), "changed").await.ok();
    app.clock.advance(std::time::Duration::from_secs(32 * 24 * 3_600));
    let organizer = app.renewed(&organizer).await;
    let late = organizer.mutate("updateEvent", json!({ "eventId": id, "venue": "Late" }), "changed").await;
    assert_eq!(late.refusal(), "EVENT_OVER");
}

#[apply(scene!)]
async fn capacity_never_falls_below_what_is_taken(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer, rival) = (app.organizer().await, app.customer().await, app.organizer().await);
    let id = organizer.event(5).await;
    customer.books(&id, 3).await;
    let refused = organizer.resize(&id, 2).await;
    assert_eq!(refused.refusal(), "CAPACITY_BELOW_TAKEN");
    assert_eq!(refused.int("setEventCapacity.userErrors.0.taken"), 3);
    let lowered = organizer.resize(&id, 3).await.ok();
    assert_eq!(lowered.int("setEventCapacity.event.availability.available"), 0);
    let raised = organizer.resize(&id, 8).await.ok();
    assert_eq!(raised.int("setEventCapacity.event.availability.available"), 5);
    for capacity in [0, -1, 1_000_001] {
        assert_eq!(organizer.resize(&id, capacity).await.refusal(), "INVALID");
    }
    assert_eq!(rival.resize(&id, 9).await.refusal(), "NOT_FOUND");
    let refused = customer.resize(&id, 9).await;
    assert_eq!(refused.fault(), "FORBIDDEN");
    let roles = "The role CUSTOMER may not do this; it needs ORGANIZER or ADMIN.";
    assert_eq!(refused.body["errors"][0]["message"], roles);
}

#[apply(scene!)]
async fn the_programme_is_filtered_sorted_and_paged(stage: Stage) {
    let app = stage.app().await;
    let (organizer, rival, customer) = (app.organizer().await, app.organizer().await, app.customer().await);
    let mut ids = Vec::new();
    for (n, title) in ["Alpha 100%", "Beta", "Gamma"].iter().enumerate() {
        let day = n + 1;
        let changes = json!({ "title": title, "startsAt": format!("2026-04-0{day}T10:00:00Z"), "endsAt": format!("2026-04-0{day}T12:00:00Z"), "capacity": 1 });
        let id = create(&organizer, changes).await.ok().text("createEvent.event.id");
        organizer.mutate("publishEvent", json!({ "eventId": id }), "event { id }").await.ok();
        ids.push(id);
    }
    rival.event(1).await;
    create(&organizer, json!({ "title": "Draft" })).await.ok();
    let list = |arguments: &'static str| {
        let anonymous = app.anonymous();
        async move {
            let answer = anonymous
                .ask(&format!("{{ events({arguments}) {{ totalCount nodes {{ title }} }} }}"), json!({}))
                .await
                .ok();
            let titles: Vec<String> = answer
                .at("events.nodes")
                .as_array()
                .unwrap()
                .iter()
                .map(|n| n["title"].as_str().unwrap().to_owned())
                .collect();
            (answer.int("events.totalCount"), titles.join(","))
        }
    };
    assert_eq!(list("first: 10").await, (4, "Rust Nation,Alpha 100%,Beta,Gamma".into()));
    assert_eq!(list("first: 2, sort: STARTS_AT_DESC").await, (4, "Gamma,Beta".into()));
    assert_eq!(list("last: 1").await, (4, "Gamma".into()));
    assert_eq!(list("first: 9, filter: { text: \"bet\" }").await, (1, "Beta".into()));
    assert_eq!(list("first: 9, filter: { text: \"100% al\" }").await, (1, "Alpha 100%".into()));
    assert_eq!(list("first: 9, filter: { text: \"%\" }").await, (0, String::new()));
    assert_eq!(list("first: 9, filter: { text: \"_\" }").await, (0, String::new()));
    assert_eq!(list("first: 9, filter: { text: \" \" }").await, (4, "Rust Nation,Alpha 100%,Beta,Gamma".into()));
    assert_eq!(
        list("first: 9, filter: { from: \"2026-04-02T10:00:00Z\", until: \"2026-04-03T10:00:00Z\" }").await,
        (1, "Beta".into())
    );
    customer.books(&ids[1], 1).await;
    assert_eq!(
        list("first: 9, filter: { hasTickets: true, from: \"2026-04-01T00:00:00Z\" }").await,
        (2, "Alpha 100%,Gamma".into())
    );
    assert_eq!(list("first: 9, filter: { hasTickets: false }").await, (1, "Beta".into()));
    let mine = organizer.ask("{ myEvents(first: 9) { nodes { title status } totalCount } }", json!({})).await.ok();
    assert_eq!(mine.int("myEvents.totalCount"), 4, "drafts included, the rival's not");
    let all = app
        .admin()
        .await
        .ask("{ myEvents(first: 9, filter: { status: DRAFT }) { nodes { title } totalCount } }", json!({}))
        .await
        .ok();
    assert_eq!(all.int("myEvents.totalCount"), 1);
    // Paging forward and back returns every event once.
    let forward =
        app.anonymous().ask("{ events(first: 3) { pageInfo { endCursor hasNextPage } } }", json!({})).await.ok();
    let rest = app.anonymous().ask("query($c: String) { events(first: 3, after: $c) { nodes { title } pageInfo { startCursor hasNextPage hasPreviousPage } } }",
        json!({ "c": forward.text("events.pageInfo.endCursor") })).await.ok();
    assert_eq!(rest.at("events.nodes"), &json!([{ "title": "Gamma" }]));
    let back = app
        .anonymous()
        .ask(
            "query($c: String) { events(last: 2, before: $c) { nodes { title } pageInfo { hasPreviousPage } } }",
            json!({ "c": rest.text("events.pageInfo.startCursor") }),
        )
        .await
        .ok();
    assert_eq!(back.at("events.nodes"), &json!([{ "title": "Alpha 100%" }, { "title": "Beta" }]));
}

#[apply(scene!)]
async fn what_is_over_is_archived(stage: Stage) {
    let app = stage.app().await;
    let organizer = app.organizer().await;
    let id = organizer.event(5).await;
    app.clock.advance(std::time::Duration::from_secs(40 * 24 * 3_600));
    let listed = app.anonymous().ask("{ events(first: 5) { totalCount } }", json!({})).await.ok();
    assert_eq!(listed.int("events.totalCount"), 0, "not on the catalog even before the sweep");
    assert_eq!(boxoffice::event::archive::archive(app.db(), app.clock.now()).await.unwrap(), 1);
    assert_eq!(boxoffice::event::archive::archive(app.db(), app.clock.now()).await.unwrap(), 0);
    let status = app.anonymous().ask("query($id: ID!) { event(id: $id) { status } }", json!({ "id": id })).await.ok();
    assert_eq!(status.text("event.status"), "ARCHIVED");
}

#[apply(scene!)]
async fn calling_off_ends_bookings_and_line(stage: Stage) {
    let app = stage.app().await;
    let (organizer, rival) = (app.organizer().await, app.organizer().await);
    let people = app.customers(6).await;
    let id = organizer.event(8).await;
    for customer in &people[..4] {
        customer.books(&id, 2).await;
    }
    people[0]
        .cancel(
            &people[0].ask("{ myBookings(first: 1) { nodes { id } } }", json!({})).await.text("myBookings.nodes.0.id"),
        )
        .await
        .ok();
    people[4].books(&id, 2).await;
    people[4].book(&id, 3, "PARTIAL_AND_WAITLIST", None).await.ok();
    let entry = people[5].join(&id, 1, false).await.ok().text("joinWaitlist.waitlistEntry.id");
    app.settled().await;
    assert_eq!(rival.mutate("cancelEvent", json!({ "eventId": id }), "event { id }").await.refusal(), "NOT_FOUND");
    let cancelled = organizer.mutate("cancelEvent", json!({ "eventId": id }), "event { status }").await.ok();
    assert_eq!(cancelled.text("cancelEvent.event.status"), "CANCELLED");
    // Every verb refuses immediately.
    assert_eq!(people[0].book(&id, 1, "PARTIAL_AND_WAITLIST", None).await.refusal(), "INVALID_TRANSITION");
    assert_eq!(people[0].join(&id, 1, true).await.refusal(), "INVALID_TRANSITION");
    assert_eq!(organizer.resize(&id, 20).await.refusal(), "INVALID_TRANSITION");
    assert_eq!(
        organizer.mutate("cancelEvent", json!({ "eventId": id }), "event { id }").await.refusal(),
        "INVALID_TRANSITION"
    );
    app.settled().await;
    assert_eq!(app.sold(&id).await, 0);
    assert_eq!(app.number("SELECT count(*) AS n FROM booking WHERE status <> 'CANCELLED'", []).await, 0);
    assert_eq!(people[5].leave(&entry).await.refusal(), "NOT_WAITING");
    // Each customer with a live booking or a waiting entry gets one notice; a customer who had cancelled before
    // gets none.
    for customer in &people[1..] {
        assert_eq!(app.notices(customer.user, "event.cancelled").await, 1);
        assert_eq!(app.notices(customer.user, "waitlist.left").await, 0, "one notice per cause");
        assert_eq!(app.notices(customer.user, "booking.cancelled").await, 0);
    }
    assert_eq!(app.notices(people[0].user, "event.cancelled").await, 0);
    let told =
        people[5].ask("{ notices(first: 1) { nodes { text booking { id } event { id } } } }", json!({})).await.ok();
    assert_eq!(
        told.at("notices.nodes.0"),
        &json!({
            "text": "Rust Nation was called off, so its waitlist is closed.", "booking": null, "event": { "id": id },
        })
    );
}

/// A past event cannot be called off, nor one that is archived in the very same moment.
#[apply(scene!)]
async fn what_is_over_cannot_be_called_off(stage: Stage) {
    let app = stage.app().await;
    let organizer = app.organizer().await;
    let call_off = |id: String| {
        let organizer = organizer.clone();
        async move { organizer.mutate("cancelEvent", json!({ "eventId": id }), "event { id }").await.refusal().to_owned() }
    };
    let id = organizer.event(5).await;
    let archive = "UPDATE event SET status = 'ARCHIVED' WHERE id = $1";
    let archiving = crate::harness::HeldStock::by(app.db(), archive, &id).await;
    let asked = tokio::spawn(call_off(id));
    if !app.db().is_sqlite() {
        let waits = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        app.eventually("it waits for the event", || async { app.number(waits, []).await == 1 }).await;
    }
    archiving.release().await;
    assert_eq!(asked.await.unwrap(), "INVALID_TRANSITION");

    let id = organizer.event(5).await;
    app.clock.advance(std::time::Duration::from_secs(40 * 24 * 3_600));
    let organizer = app.renewed(&organizer).await;
    let refused = organizer.mutate("cancelEvent", json!({ "eventId": id }), "event { id }").await;
    assert_eq!(refused.refusal(), "EVENT_OVER");
    assert_eq!(app.domain_events("event.cancelled").await, 0);
}

/// More bookings than a chunk holds, and more customers than a reaction notifies by itself.
#[apply(scene!)]
async fn calling_off_a_large_event_goes_in_chunks(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let organizer = app.organizer().await;
    let id = organizer.event(1_200).await;
    crate::notification::fill(&app, &id, 1_100).await;
    organizer.mutate("cancelEvent", json!({ "eventId": id }), "event { status }").await.ok();
    app.reacted().await;
    let event: boxoffice::id::EventId = boxoffice::id::NodeId::parse(&id).unwrap();
    // One chunk, as if the process died after it; another process continues.
    assert!(boxoffice::booking::call_off::chunk(&app.app.ctx, event, None).await.unwrap());
    let left = app.sold(&id).await;
    assert!(0 < left && left < 1_100, "{left}");
    let other = stage.app().await;
    other.settled().await;
    assert_eq!(app.sold(&id).await, 0);
    let told = "SELECT count(*) AS n FROM notice WHERE cause = 'event.cancelled'";
    assert_eq!(app.number(told, []).await, 1_100);
    let twice = "SELECT count(*) AS n FROM (SELECT user_id FROM notice WHERE cause = 'event.cancelled' GROUP BY user_id HAVING count(*) > 1) t";
    assert_eq!(app.number(twice, []).await, 0);
    assert_eq!(app.domain_events("booking.cancelled").await, 1_100);
}

/// The same request twice at once creates one event, whichever comes first; and a repetition is answered even after
/// its start.
#[apply(scene!)]
async fn a_keyed_event_is_made_once_however_often_it_is_asked_for(stage: Stage) {
    // Without a worker, which would purge the key once three days have passed.
    let app = stage.app_with(|options| options.worker = false).await;
    let organizer = app.organizer().await;
    let create = || {
        let organizer = organizer.clone();
        let input = json!({
            "title": "Once", "venue": "V", "timeZone": "UTC", "capacity": 1, "idempotencyKey": "e1",
            "startsAt": "2026-01-02T00:00:00Z", "endsAt": "2026-01-02T02:00:00Z",
        });
        async move { organizer.mutate("createEvent", input, "event { id }").await.ok().text("createEvent.event.id") }
    };
    let made = futures_util::future::join_all((0..8).map(|_| create())).await;
    assert!(made.iter().all(|id| *id == made[0]), "{made:?}");
    assert_eq!(app.number("SELECT count(*) AS n FROM event", []).await, 1);
    app.clock.advance(std::time::Duration::from_secs(3 * 24 * 3_600));
    let later = app.renewed(&organizer).await;
    let input = json!({
        "title": "Once", "venue": "V", "timeZone": "UTC", "capacity": 1, "idempotencyKey": "e1",
        "startsAt": "2026-01-02T00:00:00Z", "endsAt": "2026-01-02T02:00:00Z",
    });
    assert_eq!(later.mutate("createEvent", input, "event { id }").await.ok().text("createEvent.event.id"), made[0]);
}
