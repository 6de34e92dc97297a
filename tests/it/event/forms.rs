//! Tests of the forms of events: every error at once, pasted texts, slugs, currencies, running events.
//! Not here: each field by itself (`event`) and notices (`notification`).

use serde_json::{Value, json};

use super::create;
use crate::harness::Answer;

/// Returns the last parts of the paths of all refusals.
fn paths(answer: &Answer, mutation: &str) -> Vec<String> {
    let errors = answer.at(mutation)["userErrors"].as_array().unwrap().iter();
    let mut paths: Vec<String> = errors.map(|error| error["path"][1].as_str().unwrap_or("").to_owned()).collect();
    paths.sort();
    paths
}

#[apply(scene!)]
async fn all_faults_are_told_at_once(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let bad = json!({
        "title": " ", "venue": "V\u{7}", "timeZone": "Mars/Olympus", "startsAt": "2020-01-01T00:00:00Z",
        "endsAt": "2019-01-01T00:00:00Z", "capacity": 0, "price": "1.999", "description": "x".repeat(10_001),
    });
    let answer = create(&organizer, bad).await;
    let all = ["capacity", "description", "endsAt", "price", "startsAt", "timeZone", "title", "venue"];
    assert_eq!(paths(&answer, "createEvent"), all, "{}", answer.body);
    let answer = create(
        &organizer,
        json!({ "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2019-01-01T00:00:00Z", "idempotencyKey": "k" }),
    )
    .await;
    assert_eq!(paths(&answer, "createEvent"), ["endsAt", "startsAt"], "{}", answer.body);
    let id = organizer.event(2).await;
    let bad = json!({ "eventId": id, "title": "", "timeZone": "x", "endsAt": "2019-01-01T00:00:00Z", "price": "-1" });
    let answer = organizer.mutate("updateEvent", bad, "changed").await;
    assert_eq!(paths(&answer, "updateEvent"), ["endsAt", "price", "timeZone", "title"], "{}", answer.body);
    assert_eq!(app.domain_events("event.updated").await, 0);
    customer.books(&id, 2).await;
    assert_eq!(paths(&organizer.resize(&id, 1).await, "setEventCapacity"), ["capacity"]);
    assert_eq!(paths(&organizer.resize(&id, 0).await, "setEventCapacity"), ["capacity"]);
    let unknown = organizer.mutate("publishEvent", json!({ "eventId": customer_id(&app).await }), "event { id }").await;
    assert_eq!((unknown.refusal(), paths(&unknown, "publishEvent")), ("NOT_FOUND", vec!["eventId".to_owned()]));
}

/// Returns an id of another type.
async fn customer_id(app: &crate::harness::TestApp) -> String {
    app.customer().await.ask("{ viewer { id } }", json!({})).await.ok().text("viewer.id")
}

#[apply(scene!)]
async fn pasted_texts_are_taken(stage: Stage) {
    let app = stage.app().await;
    let organizer = app.organizer().await;
    let pasted = json!({
        "title": "Jazz\u{ad}Night\u{200b}", "venue": "\u{200e}Alexanderplatz 1\u{202c}",
        "description": "\u{200f}أمسية (Jazz)\u{200f}\r\n19:00\tDoors\u{b}20:00\tCafe\u{301}",
    });
    let id = create(&organizer, pasted).await.ok().text("createEvent.event.id");
    let seen = organizer
        .ask("query($id: ID!) { event(id: $id) { title venue description slug } }", json!({ "id": id }))
        .await
        .ok();
    assert_eq!(
        seen.at("event"),
        &json!({
            "title": "JazzNight", "venue": "Alexanderplatz 1", "slug": "jazznight",
            "description": "\u{200f}أمسية (Jazz)\u{200f}\n19:00\tDoors\n20:00\tCaf\u{e9}",
        })
    );
    let refused = create(&organizer, json!({ "title": "Jazz\u{7} Night" })).await;
    let message = "Title: must not contain the control character U+0007 (character 5).";
    assert_eq!(refused.text("createEvent.userErrors.0.message"), message);
}

#[apply(scene!)]
async fn slugs_are_readable_in_any_script(stage: Stage) {
    let app = stage.app().await;
    let organizer = app.organizer().await;
    for (title, slug) in [
        ("Café Théâtre", "cafe-theatre"),
        ("Straße", "strasse"),
        ("Überraschung", "uberraschung"),
        ("Łódź & Ærø", "lodz-aero"),
        ("Концерт", "kontsert"),
        ("東京マラソン", "dong-jing-marason"),
    ] {
        assert_eq!(create(&organizer, json!({ "title": title })).await.ok().text("createEvent.event.slug"), slug);
    }
    for title in ["أمسية جاز", "ערב ג'אז", "재즈의 밤", "งานดนตรี", "🎷"] {
        let slug = create(&organizer, json!({ "title": title })).await.ok().text("createEvent.event.slug");
        assert!(!slug.starts_with("event") && slug.is_ascii() && !slug.contains("--"), "{title}: {slug}");
    }
    let long = create(&organizer, json!({ "title": "word ".repeat(30) })).await.ok().text("createEvent.event.slug");
    assert!(long.len() <= 60 && long.ends_with("word"), "{long}");
    let one = create(&organizer, json!({ "title": "x".repeat(100) })).await.ok().text("createEvent.event.slug");
    assert_eq!(one, "x".repeat(60));
}

#[apply(scene!)]
async fn every_currency_in_use_can_be_sold_in(stage: Stage) {
    let app = stage.app().await;
    let organizer = app.organizer().await;
    for (currency, amount) in
        [("XOF", "5000"), ("XAF", "5000"), ("UGX", "5000"), ("PKR", "5000.00"), ("IQD", "5000.000"), ("PYG", "5000")]
    {
        let made = create(&organizer, json!({ "currency": currency, "price": "5000" })).await.ok();
        assert_eq!(made.at("createEvent.event.price"), &json!({ "amount": amount, "currency": currency }));
    }
    for currency in ["HRK", "CLF", "XAU", "ABC"] {
        assert_eq!(create(&organizer, json!({ "currency": currency })).await.refusal(), "INVALID", "{currency}");
    }
    // A stored currency that is no longer in use is shown and can be edited.
    let id = organizer.event(1).await;
    app.sql("UPDATE event SET currency = 'HRK'", []).await;
    let edit = json!({ "eventId": id, "price": "12.5" });
    let edited = organizer.mutate("updateEvent", edit, "event { price { amount currency } }").await.ok();
    assert_eq!(edited.at("updateEvent.event.price"), &json!({ "amount": "12.50", "currency": "HRK" }));
}

#[apply(scene!)]
async fn an_event_that_runs_can_be_edited(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let id = organizer.event(5).await; // 2026-02-01, 18:00 to 21:00 UTC
    customer.books(&id, 1).await;
    app.clock.set(boxoffice::clock::Timestamp::from_rfc3339("2026-02-01T19:00:00Z").unwrap());
    let organizer = app.renewed(&organizer).await;
    let edit = |mut input: Value| {
        input["eventId"] = json!(id);
        organizer.mutate("updateEvent", input, "changed event { venue endsAt slots { startsAt endsAt } }")
    };
    let moved =
        edit(json!({ "venue": "Room 2", "endsAt": "2026-02-01T22:30:00Z", "startsAt": "2026-02-01T18:00:00Z" }))
            .await
            .ok();
    assert_eq!(moved.at("updateEvent.changed"), &json!(["VENUE", "ENDS_AT"]));
    assert_eq!(
        moved.at("updateEvent.event.slots"),
        &json!([{ "startsAt": "2026-02-01T18:00:00Z", "endsAt": "2026-02-01T22:30:00Z" }])
    );
    app.settled().await;
    assert_eq!(app.notices(customer.user, "event.updated").await, 1);
    let refused =
        edit(json!({ "startsAt": "2026-02-01T20:00:00Z", "price": "1", "endsAt": "2026-02-01T18:30:00Z" })).await;
    assert_eq!(paths(&refused, "updateEvent"), ["endsAt", "price", "startsAt"], "{}", refused.body);
    app.clock.set(boxoffice::clock::Timestamp::from_rfc3339("2026-02-01T22:30:00Z").unwrap());
    let organizer = app.renewed(&organizer).await;
    let late = organizer.mutate("updateEvent", json!({ "eventId": id, "venue": "Late" }), "changed").await;
    assert_eq!(late.refusal(), "EVENT_OVER");
}

/// Dates and prices are written only where they are given: those of other slots and ticket types stay.
#[apply(scene!)]
async fn an_edit_touches_only_what_is_given(stage: Stage) {
    let app = stage.app().await;
    let organizer = app.organizer().await;
    let id = organizer.event(5).await;
    app.sql("UPDATE slot SET ends_at = ends_at - 1", []).await;
    app.sql("UPDATE ticket_type SET price_minor = price_minor + 1", []).await;
    let sum =
        "SELECT CAST((SELECT sum(ends_at) FROM slot) + (SELECT sum(price_minor) FROM ticket_type) AS bigint) AS n";
    let before = app.number(sum, []).await;
    organizer.mutate("updateEvent", json!({ "eventId": id, "venue": "Hall C" }), "changed").await.ok();
    assert_eq!(app.number(sum, []).await, before);
}
