//! Events with several slots and ticket types: edits, bookings, waitlists and availability belong to the slot.
//! Not here: events with one of each (`event`, `booking`, `waitlist`).

use boxoffice::booking::allocate::Inventory;
use boxoffice::booking::close;
use boxoffice::booking::inventory::{self, Part};
use boxoffice::clock::Timestamp;
use boxoffice::db::{DbError, Priority, Tx};
use boxoffice::entity::{quota, slot, ticket_type};
use boxoffice::id::{EventId, NodeId, QuotaId, TicketTypeId};
use sea_orm::{EntityTrait, IntoActiveModel};
use serde_json::{Value, json};

use crate::harness::{Actor, Answer, TestApp};

const DECEMBER: &str = "2026-12-01T18:00:00Z";

fn at(text: &str) -> Timestamp {
    Timestamp::from_rfc3339(text).unwrap()
}

/// Adds `n` dates to an event, three hours each and a day apart, each with a ticket type and, unless it shares one, a
/// quota of its own, as the mutations for them will do.
pub async fn add(app: &TestApp, event: &str, first: &str, n: i64, shared: Option<QuotaId>) -> Vec<TicketTypeId> {
    let (event_id, ctx, hour) = (EventId::parse(event).unwrap(), &app.app.ctx, 3_600_000_000);
    let begins = |n: i64| Timestamp(at(first).0 + n * 24 * hour);
    let slots: Vec<slot::Model> = (0..n)
        .map(|n| slot::Model {
            id: ctx.id(),
            event_id,
            starts_at: begins(n),
            ends_at: Timestamp(begins(n).0 + 3 * hour),
        })
        .collect();
    let quotas: Vec<quota::Model> = (0..n)
        .map(|_| quota::Model {
            id: ctx.id(),
            event_id,
            capacity: 5,
            sold: 0,
            held: 0,
            open: 5,
            waiting: 0,
            revision: 0,
        })
        .collect();
    let types: Vec<ticket_type::Model> = slots
        .iter()
        .zip(&quotas)
        .enumerate()
        .map(|(n, (slot, quota))| ticket_type::Model {
            id: ctx.id(),
            event_id,
            slot_id: slot.id,
            quota_id: shared.unwrap_or(quota.id),
            name: format!("Date {n}"),
            price_minor: 9_900,
            position: n as i64 + 1,
        })
        .collect();
    let (slots, quotas, parts) = (&slots, &quotas, &types);
    let write = |tx: Tx| async move {
        for slots in slots.chunks(500) {
            slot::Entity::insert_many(slots.iter().cloned().map(|row| row.into_active_model())).exec(&tx).await?;
        }
        for quotas in quotas.chunks(500).filter(|_| shared.is_none()) {
            quota::Entity::insert_many(quotas.iter().cloned().map(|row| row.into_active_model())).exec(&tx).await?;
        }
        for types in parts.chunks(500) {
            ticket_type::Entity::insert_many(types.iter().cloned().map(|row| row.into_active_model()))
                .exec(&tx)
                .await?;
        }
        Ok::<_, DbError>(())
    };
    app.db().write(Priority::Interactive, write).await.unwrap();
    let span = "UPDATE event SET starts_at = (SELECT min(s.starts_at) FROM slot s WHERE s.event_id = event.id),
                ends_at = (SELECT max(s.ends_at) FROM slot s WHERE s.event_id = event.id),
                cheapest_minor = (SELECT min(t.price_minor) FROM ticket_type t WHERE t.event_id = event.id) WHERE id = $1";
    app.sql(span, [event_id.into()]).await;
    types.iter().map(|row| row.id).collect()
}

/// Returns the first ticket type of an event, and its quota.
async fn first_type(app: &TestApp, event: &str) -> (TicketTypeId, QuotaId) {
    let id: EventId = EventId::parse(event).unwrap();
    let types = boxoffice::event::store::ticket_types(app.db().read(), &[id], 1, None).await.unwrap();
    (types[0].id, types[0].quota_id)
}

async fn book(person: &Actor, event: &str, of: TicketTypeId, quantity: i64, fulfilment: &str) -> Answer {
    let items = json!([{ "ticketTypeId": of.to_global_id(), "quantity": quantity }]);
    let input = json!({ "eventId": event, "items": items, "fulfilment": fulfilment });
    person.mutate("createBooking", input, "booked booking { id slot { startsAt } } waitlistEntry { id }").await
}

async fn available(app: &TestApp, event: &str) -> (i64, bool) {
    let query = "query($id: ID!) { event(id: $id) { availability { available } }
                 events(first: 100, filter: { hasTickets: true }) { nodes { id } } }";
    let answer = app.anonymous().ask(query, json!({ "id": event })).await.ok();
    let listed = answer.at("events.nodes").as_array().unwrap().iter().any(|node| node["id"] == event);
    (answer.int("event.availability.available"), listed)
}

/// An edit of a title leaves dates and prices of an event with several of them alone, and an edit of these names
/// none of them.
#[apply(scene!)]
async fn an_edit_leaves_slots_and_ticket_types_alone(stage: Stage) {
    let app = stage.app().await;
    let organizer = app.organizer().await;
    let event = organizer.event(5).await;
    add(&app, &event, "2026-04-01T18:00:00Z", 1, None).await;
    let parts = "SELECT CAST((SELECT sum(starts_at / 7 + ends_at / 11) FROM slot)
                 + (SELECT sum(price_minor) FROM ticket_type) AS bigint) AS n";
    let span = "SELECT starts_at / 7 + ends_at / 11 + cheapest_minor AS n FROM event";
    let before = (app.number(parts, []).await, app.number(span, []).await);
    let edit = |mut input: Value| {
        input["eventId"] = json!(event);
        organizer.mutate("updateEvent", input, "changed")
    };
    let texts = json!({ "title": "Jazz", "description": "Two dates", "venue": "Hall B", "timeZone": "Europe/Paris" });
    let changed = edit(texts).await.ok();
    assert_eq!(changed.at("updateEvent.changed"), &json!(["TITLE", "DESCRIPTION", "VENUE", "TIME_ZONE"]));
    let all = json!({ "price": "1", "startsAt": "2026-05-01T18:00:00Z", "endsAt": "2026-05-01T19:00:00Z" });
    for (field, message) in [
        ("price", "Price: the event has several ticket types, each with a price of its own."),
        ("startsAt", "StartsAt: the event has several dates, each with times of its own."),
        ("endsAt", "EndsAt: the event has several dates, each with times of its own."),
    ] {
        let refused = edit(json!({ field: all[field] })).await;
        assert_eq!(refused.refusal(), "INVALID", "{}", refused.body);
        let error = refused.at("updateEvent.userErrors.0");
        assert_eq!((&error["path"], &error["message"]), (&json!(["input", field]), &json!(message)));
    }
    let refused = edit(all).await;
    assert_eq!(refused.at("updateEvent.userErrors").as_array().unwrap().len(), 3, "{}", refused.body);
    assert_eq!((app.number(parts, []).await, app.number(span, []).await), before);
}

#[apply(scene!)]
async fn a_date_ends_by_itself_and_leaves_the_others_on_sale(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(5).await; // 2026-02-01, 18:00 UTC
    let (february, _) = first_type(&app, &event).await;
    let december = add(&app, &event, DECEMBER, 1, None).await[0];
    let kept = book(&customer, &event, february, 2, "ALL_OR_NOTHING").await.ok().text("createBooking.booking.id");
    assert_eq!(available(&app, &event).await, (8, true));

    app.clock.set(at("2026-02-01T18:00:00Z"));
    let customer = app.renewed(&customer).await;
    assert_eq!(available(&app, &event).await, (5, true));
    assert_eq!(book(&customer, &event, february, 1, "PARTIAL").await.refusal(), "EVENT_OVER");
    assert_eq!(customer.cancel(&kept).await.refusal(), "EVENT_OVER");
    let booked = book(&customer, &event, december, 2, "ALL_OR_NOTHING").await.ok();
    assert_eq!(booked.text("createBooking.booking.slot.startsAt"), DECEMBER);
    assert_eq!(available(&app, &event).await, (3, true));
    customer.cancel(&booked.text("createBooking.booking.id")).await.ok();
    let join = json!({ "eventId": event, "ticketTypeId": february.to_global_id(), "quantity": 1 });
    assert_eq!(customer.mutate("joinWaitlist", join, "event { id }").await.refusal(), "EVENT_OVER");

    app.clock.set(at(DECEMBER));
    let customer = app.renewed(&customer).await;
    assert_eq!(available(&app, &event).await, (0, false));
    assert_eq!(book(&customer, &event, december, 1, "PARTIAL").await.refusal(), "EVENT_OVER");
    app.assert_sound(&event).await;
}

/// Watching clients see the end of each date, without a commit.
#[apply(scene!)]
async fn the_end_of_each_date_is_streamed(stage: Stage) {
    let app = stage.app().await;
    let event = app.organizer().await.event(5).await;
    add(&app, &event, DECEMBER, 1, None).await;
    let mut socket = app.anonymous().socket().await;
    let watch = "subscription($id: ID!) { availabilityChanged(eventId: $id) { available } }";
    socket.subscribe("a", watch, json!({ "id": event })).await;
    assert_eq!(socket.next("a").await["availabilityChanged"]["available"], 10);
    app.clock.set(at("2026-02-01T18:00:00Z"));
    assert_eq!(socket.next("a").await["availabilityChanged"]["available"], 5);
    app.clock.set(at(DECEMBER));
    assert_eq!(socket.next("a").await["availabilityChanged"]["available"], 0);
}

/// Entries for a date end with it; those for another date keep waiting and get tickets, though both share a quota.
#[apply(scene!)]
async fn waitlists_end_with_their_date(stage: Stage) {
    let app = stage.app_with(|options| options.worker = false).await;
    let (organizer, people) = (app.organizer().await, app.customers(4).await);
    let event = organizer.event(2).await;
    let (february, quota) = first_type(&app, &event).await;
    let december = add(&app, &event, DECEMBER, 1, Some(quota)).await[0];
    let sold = book(&people[0], &event, december, 1, "ALL_OR_NOTHING").await.ok();
    let last = book(&people[0], &event, december, 1, "ALL_OR_NOTHING").await.ok();
    for (person, of) in [(1, february), (2, december), (3, december)] {
        book(&people[person], &event, of, 1, "PARTIAL_AND_WAITLIST").await.ok();
    }
    app.clock.set(at("2026-02-01T18:00:00Z"));
    let of = |person: &Actor| {
        let (app, user) = (app.clone(), person.user);
        async move {
            let sql = "SELECT count(*) AS n FROM booking WHERE user_id = $1 AND status = 'CONFIRMED'";
            app.number(sql, [user.into()]).await
        }
    };
    // The front of the waitlist is for the date that has begun: no sweep has ended its entry yet.
    app.renewed(&people[0]).await.cancel(&sold.text("createBooking.booking.id")).await.ok();
    assert_eq!((of(&people[1]).await, of(&people[2]).await, of(&people[3]).await), (0, 1, 0));
    assert_eq!(close::close_begun(&app.app.ctx).await.unwrap(), 1);
    assert_eq!(close::close_begun(&app.app.ctx).await.unwrap(), 0);
    let waiting = "SELECT count(*) AS n FROM waitlist_entry WHERE status = 'WAITING'";
    assert_eq!(app.number(waiting, []).await, 1);
    app.assert_sound(&event).await;
    app.renewed(&people[0]).await.cancel(&last.text("createBooking.booking.id")).await.ok();
    assert_eq!((of(&people[3]).await, app.number(waiting, []).await), (1, 0));
    app.assert_sound(&event).await;
}

async fn read(app: &TestApp, parts: &[Part]) -> Inventory {
    let lock = |tx: Tx| async move { inventory::lock(&tx, parts, &[], app.clock.now()).await };
    let mut inventories = app.db().write::<_, DbError, _, _>(Priority::Interactive, lock).await.unwrap();
    assert_eq!(inventories.len(), 1);
    inventories.drain().next().unwrap().1
}

/// A booking reads the ticket types it names, however many the event has.
#[apply(scene!)]
async fn a_booking_reads_what_it_touches(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer, other) = (app.organizer().await, app.customer().await, app.customer().await);
    let event = organizer.event(5).await;
    let id = EventId::parse(&event).unwrap();
    let (first, quota) = first_type(&app, &event).await;
    assert_eq!(read(&app, &[Part::Any(id)]).await, read(&app, &[Part::Whole(id)]).await);
    let types = add(&app, &event, "2026-04-01T18:00:00Z", 999, None).await;
    let shared = add(&app, &event, "2029-04-01T18:00:00Z", 300, Some(quota)).await;
    let whole = read(&app, &[Part::Whole(id)]).await;
    assert_eq!((whole.ticket_types.len(), whole.quotas.len(), whole.only_type), (1_300, 1_000, None));
    for parts in [vec![Part::Type(id, types[500])], vec![Part::Type(id, first)], vec![Part::Any(id)]] {
        let part = read(&app, &parts).await;
        assert_eq!((part.ticket_types.len(), part.quotas.len(), part.only_type), (1, 1, None), "{parts:?}");
        assert!(part.ticket_types.iter().all(|one| whole.ticket_types.contains(one)));
        assert!(part.quotas.iter().all(|one| whole.quotas.contains(one)));
    }
    let unknown = read(&app, &[Part::Type(id, TicketTypeId(uuid::Uuid::nil()))]).await;
    assert_eq!((unknown.ticket_types.len(), unknown.organizer), (0, whole.organizer));

    // The front of a shared waitlist waits for another ticket type: that one is read too.
    let sold = book(&customer, &event, first, 5, "ALL_OR_NOTHING").await.ok();
    book(&other, &event, shared[7], 2, "PARTIAL_AND_WAITLIST").await.ok();
    let input = json!({ "eventId": event, "quantity": 1 });
    assert_eq!(customer.mutate("createBooking", input, "booked").await.refusal(), "INVALID");
    let booked = book(&customer, &event, types[998], 3, "ALL_OR_NOTHING").await.ok();
    assert_eq!(booked.int("createBooking.booked"), 3);
    customer.cancel(&sold.text("createBooking.booking.id")).await.ok();
    let promoted =
        "SELECT CAST(sum(i.quantity) AS bigint) AS n FROM booking b JOIN booking_item i ON i.booking_id = b.id
                    WHERE b.status = 'CONFIRMED' AND i.ticket_type_id = $1";
    assert_eq!(app.number(promoted, [shared[7].into()]).await, 2);
    app.assert_sound(&event).await;
}

/// Lists below an event are read in pages, and each row costs a point.
#[apply(scene!)]
async fn long_lists_of_slots_are_bounded_and_priced(stage: Stage) {
    let app = stage.app_with(|options| options.budget = Some(Default::default())).await;
    let event = app.organizer().await.event(5).await;
    add(&app, &event, "2026-04-01T18:00:00Z", 999, None).await;
    let reader = app.anonymous();
    let usual = reader
        .ask("query($id: ID!) { event(id: $id) { slots { id } ticketTypes { id } } }", json!({ "id": event }))
        .await
        .ok();
    let count = |answer: &Answer, list: &str| answer.at(list).as_array().unwrap().len();
    assert_eq!((count(&usual, "event.slots"), count(&usual, "event.ticketTypes")), (20, 20));
    let cost = usual.body["extensions"]["cost"]["requested"].as_i64().unwrap();
    assert!(cost > 2 * 3, "{cost}");
    let many = "{ events(first: 100) { nodes { organizer { id } availability { available } slots { id } ticketTypes { id price { amount } } } } }";
    reader.ask(many, json!({})).await.ok();
    for (list, order) in [("slots", "startsAt"), ("ticketTypes", "name")] {
        let page = format!(
            "query($id: ID!, $after: ID) {{ event(id: $id) {{ {list}(first: 100, after: $after) {{ id {order} }} }} }}"
        );
        let (mut seen, mut after) = (Vec::new(), Value::Null);
        loop {
            let answer = reader.ask(&page, json!({ "id": event, "after": after })).await.ok();
            assert!(answer.body["extensions"]["cost"]["requested"].as_i64().unwrap() >= 102);
            let rows = answer.at(&format!("event.{list}")).as_array().unwrap().clone();
            let Some(last) = rows.last() else { break };
            after = last["id"].clone();
            seen.extend(rows);
        }
        assert_eq!(seen.len(), 1_000, "{list}");
        let mut ids: Vec<&str> = seen.iter().map(|row| row["id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 1_000, "{list}: a row twice");
        assert!(list == "ticketTypes" || seen.is_sorted_by_key(|row| row[order].as_str().unwrap().to_owned()));
    }
    for wrong in ["0", "101", "-1"] {
        let query = format!("query($id: ID!) {{ event(id: $id) {{ slots(first: {wrong}) {{ id }} }} }}");
        assert_eq!(reader.ask(&query, json!({ "id": event })).await.fault(), "BAD_USER_INPUT");
    }
    let flood = "{ events(first: 100) { nodes { slots(first: 100) { id } } } }";
    assert_eq!(reader.ask(flood, json!({})).await.fault(), "TOO_COSTLY");
}

/// Each slot shows figures and a revision of its own: a booking of one date leaves the other's alone, a quota that
/// dates share counts in each, and nothing of a slot that has begun is available.
#[apply(scene!)]
async fn each_slot_has_an_availability_and_a_revision(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(4).await;
    let (first, quota) = first_type(&app, &event).await;
    let april = add(&app, &event, "2026-04-01T18:00:00Z", 1, None).await[0];
    let slots = async || {
        let query = "query($id: ID!) { event(id: $id) { availability { revision sold available }
            slots { startsAt availability { capacity sold held available waiting revision } } } }";
        let answer = app.anonymous().ask(query, json!({ "id": event })).await.ok();
        let of = |n: usize| answer.at(&format!("event.slots.{n}.availability")).clone();
        (of(0), of(1), answer.at("event.availability").clone())
    };
    let figures = |capacity: i64, sold: i64, available: i64, waiting: i64, revision: i64| {
        json!({
            "capacity": capacity, "sold": sold, "held": 0, "available": available, "waiting": waiting, "revision": revision
        })
    };
    assert_eq!(slots().await.0, figures(4, 0, 4, 0, 0));
    book(&customer, &event, first, 1, "ALL_OR_NOTHING").await.ok();
    book(&customer, &event, april, 2, "ALL_OR_NOTHING").await.ok();
    let (march_now, april_now, whole) = slots().await;
    assert_eq!((march_now, april_now.clone()), (figures(4, 1, 3, 0, 1), figures(5, 2, 3, 0, 2)));
    assert_eq!(whole, json!({ "revision": 2, "sold": 3, "available": 6 }));
    book(&customer, &event, first, 5, "PARTIAL_AND_WAITLIST").await.ok();
    let (march_now, unmoved, _) = slots().await;
    assert_eq!((march_now, unmoved), (figures(4, 4, 0, 2, 3), april_now), "the other date keeps figures and revision");
    // A second type of the same date takes from the same tickets, which count once.
    let another = "INSERT INTO ticket_type (id, event_id, slot_id, quota_id, name, price_minor, position)
                SELECT $2, event_id, slot_id, quota_id, 'Student', 0, 7 FROM ticket_type WHERE id = $1";
    app.sql(another, [first.into(), app.app.ctx.id::<TicketTypeId>().into()]).await;
    assert_eq!(slots().await.0, figures(4, 4, 0, 2, 3));
    // A third date shares the tickets of the first.
    add(&app, &event, "2026-05-01T18:00:00Z", 1, Some(quota)).await;
    let query = "query($id: ID!) { event(id: $id) { slots { availability { sold revision } } } }";
    let answer = app.anonymous().ask(query, json!({ "id": event })).await.ok();
    assert_eq!(answer.at("event.slots.2.availability"), &json!({ "sold": 4, "revision": 3 }));
    app.clock.set(at("2026-04-02T00:00:00Z"));
    let (_, april_now, _) = slots().await;
    assert_eq!(april_now["available"], 0, "it has begun");
}
