//! Tests of API tokens: shown once, limited to their scopes, revoked within a second.
//! Not here: the rights of users with their own sign-in.

use std::time::Duration;

use boxoffice::id::{EventId, NodeId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::socket::Socket;
use crate::harness::{Actor, HeldStock, TestApp};

async fn program(app: &TestApp, user: &Actor, scopes: Value) -> (Actor, String) {
    let input = json!({ "name": "till 1", "scopes": scopes, "expiresAt": "2026-03-01T00:00:00Z" });
    let made = user.mutate("createApiToken", input, "secret apiToken { id name scopes usedAt }").await.ok();
    assert_eq!(made.at("createApiToken.apiToken.scopes"), &scopes);
    let token = made.text("createApiToken.secret");
    assert!(token.starts_with("bo_"), "recognisable");
    (Actor::new(app, Some(token), user.user, None), made.text("createApiToken.apiToken.id"))
}

#[apply(scene!)]
async fn a_program_may_what_its_scopes_and_its_user_may(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(5).await;
    let (books, _) = program(&app, &customer, json!(["BOOK"])).await;
    let booking = books.books(&event, 2).await;
    books.cancel(&booking).await.ok();
    let booking = books.books(&event, 1).await;
    let viewer = books.ask("{ viewer { id } myBookings(first: 1) { nodes { id } } }", json!({})).await.ok();
    assert_eq!(viewer.text("myBookings.nodes.0.id"), booking);
    // Not within its scopes, though within its user's rights.
    assert_eq!(books.ask("{ notices(first: 1) { nodes { id } } }", json!({})).await.fault(), "FORBIDDEN");
    let (reads, _) = program(&app, &customer, json!(["READ_NOTICES"])).await;
    reads.ask("{ notices(first: 1) { nodes { id } } }", json!({})).await.ok();
    assert_eq!(reads.book(&event, 1, "PARTIAL", None).await.fault(), "FORBIDDEN");
    assert_eq!(reads.ask("{ myBookings(first: 1) { nodes { id } } }", json!({})).await.fault(), "FORBIDDEN");
    // Within its scopes, but beyond its user's rights.
    let (over, _) = program(&app, &customer, json!(["MANAGE_EVENTS", "READ_SALES"])).await;
    let update = json!({ "eventId": event, "venue": "Mine" });
    assert_eq!(over.mutate("updateEvent", update.clone(), "changed").await.fault(), "FORBIDDEN");
    let (runs, _) = program(&app, &organizer, json!(["MANAGE_EVENTS"])).await;
    runs.mutate("updateEvent", update, "changed").await.ok();
    let sales = "query($id: ID!) { event(id: $id) { bookings(first: 1) { nodes { id } } } }";
    assert_eq!(runs.ask(sales, json!({ "id": event })).await.fault(), "FORBIDDEN");
    let (sees, _) = program(&app, &organizer, json!(["READ_SALES"])).await;
    sees.ask(sales, json!({ "id": event })).await.ok();
    // No client program can change the account, not even with an administrator's token and every scope.
    let admin = app.admin().await;
    let (all, _) = program(&app, &admin, json!(["BOOK", "MANAGE_EVENTS", "READ_SALES", "READ_NOTICES"])).await;
    for query in [
        "{ mySessions(first: 1) { nodes { id } } }",
        "{ myApiTokens(first: 1) { nodes { id } } }",
        "{ users(first: 1) { nodes { id } } }",
    ] {
        assert_eq!(all.ask(query, json!({})).await.fault(), "FORBIDDEN", "{query}");
    }
    for (verb, input) in [
        ("signOutEverywhere", json!({})),
        ("changePassword", json!({ "currentPassword": "x", "newPassword": "correct horse battery" })),
        ("createApiToken", json!({ "name": "more", "scopes": ["BOOK"], "expiresAt": "2026-03-01T00:00:00Z" })),
    ] {
        assert_eq!(all.mutate(verb, input, "userErrors { code }").await.fault(), "FORBIDDEN", "{verb}");
    }
}

#[apply(scene!)]
async fn a_token_is_shown_once_ends_and_can_be_revoked(stage: Stage) {
    let app = stage.app().await;
    let (customer, other) = (app.customer().await, app.customer().await);
    let (till, id) = program(&app, &customer, json!(["READ_NOTICES"])).await;
    let secret = till.token.clone().unwrap();
    till.ask("{ viewer { id } }", json!({})).await.ok();
    let list = "{ myApiTokens(first: 5) { nodes { id usedAt } } }";
    app.eventually("its use is noted", || async {
        customer.ask(list, json!({})).await.ok().at("myApiTokens.nodes.0.usedAt").is_string()
    })
    .await;
    for half in [&secret[..25], &secret[25..]] {
        let found = "SELECT count(*) AS n FROM api_token WHERE hash LIKE $1 OR name LIKE $1";
        assert_eq!(app.number(found, [format!("%{half}%").into()]).await, 0, "it is nowhere");
    }
    // A wrong letter at any position, another token's secret, half a token.
    let (second, _) = program(&app, &customer, json!(["READ_NOTICES"])).await;
    let second = second.token.unwrap();
    for wrong in [
        &secret[..secret.len() - 1],
        &format!("{}{}", &secret[..25], &second[25..]),
        "bo_",
        "bo_ä",
        &format!("{secret}A"),
    ] {
        let thief = Actor { token: Some(wrong.to_owned()), ..till.clone() };
        let answer = thief.ask("{ viewer { id } }", json!({})).await;
        assert_eq!((answer.status, answer.fault()), (401, "UNAUTHENTICATED"), "{wrong}");
    }
    let mut socket = Socket::open(&app.address, Some(&secret)).await;
    socket.subscribe("n", "subscription { noticeReceived { cursor } }", json!({})).await;
    socket.next("n").await;
    let revoke = json!({ "apiTokenId": id });
    assert_eq!(other.mutate("revokeApiToken", revoke.clone(), "apiToken { id }").await.refusal(), "NOT_FOUND");
    customer.mutate("revokeApiToken", revoke.clone(), "apiToken { id }").await.ok();
    assert_eq!(socket.closed().await.0, 4403);
    assert_eq!(till.ask("{ viewer { id } }", json!({})).await.fault(), "UNAUTHENTICATED");
    customer.mutate("revokeApiToken", revoke, "apiToken { id }").await.ok();
    // The other token ends by itself; signing out everywhere does not revoke it.
    let ends = Actor { token: Some(second), ..till.clone() };
    customer.mutate("signOutEverywhere", json!({ "keepCurrent": true }), "ended").await.ok();
    ends.ask("{ viewer { id } }", json!({})).await.ok();
    app.clock.advance(Duration::from_secs(60 * 24 * 3_600));
    assert_eq!(ends.ask("{ viewer { id } }", json!({})).await.fault(), "UNAUTHENTICATED");
}

/// A stolen session must not create a token that outlives it, not even while the session is still cached.
#[apply(scene!)]
async fn a_session_that_ended_makes_no_token(stage: Stage) {
    let app = stage.app().await;
    let customer = app.customer().await;
    customer.ask("{ viewer { id } }", json!({})).await.ok();
    // Ended by a statement of another process, whose revocation this one has not read.
    app.sql("UPDATE session SET revoked_at = $1", [app.clock.now().into()]).await;
    let input = json!({ "name": "till", "scopes": ["BOOK"], "expiresAt": "2026-03-01T00:00:00Z" });
    assert_eq!(customer.mutate("createApiToken", input, "secret").await.fault(), "UNAUTHENTICATED");
    assert_eq!(app.number("SELECT count(*) AS n FROM api_token", []).await, 0);
}

/// Two requests that both counted one free slot: both are held until they are under way, and then released.
#[apply(scene!)]
async fn the_limit_holds_for_two_at_once(stage: Stage) {
    let app = stage.app().await;
    let customer = app.customer().await;
    for _ in 0..49 {
        program(&app, &customer, json!(["BOOK"])).await;
    }
    let make = || {
        let customer = customer.clone();
        let input = json!({ "name": "till", "scopes": ["BOOK"], "expiresAt": "2026-03-01T00:00:00Z" });
        tokio::spawn(async move { customer.mutate("createApiToken", input, "secret").await.refusal().to_owned() })
    };
    // No other statement locks the row of a user meanwhile, or writes a row that refers to it. SQLite allows one
    // write at a time anyway.
    let everybody = match app.db().is_sqlite() {
        true => "SELECT id FROM users WHERE id <> $1",
        false => "SELECT id FROM users WHERE id <> $1 FOR UPDATE",
    };
    let held = HeldStock::by(app.db(), everybody, &EventId(Uuid::nil()).to_global_id()).await;
    let asked = [make(), make()];
    if !app.db().is_sqlite() {
        let waits = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        app.eventually("both wait", || async { app.number(waits, []).await == 2 }).await;
    }
    held.release().await;
    let [one, other] = asked;
    let refused = [one.await.unwrap(), other.await.unwrap()];
    assert_eq!(refused.iter().filter(|code| *code == "INVALID").count(), 1, "{refused:?}");
    assert_eq!(app.number("SELECT count(*) AS n FROM api_token", []).await, 50);
}

#[apply(scene!)]
async fn what_cannot_be_a_token(stage: Stage) {
    let app = stage.app().await;
    let customer = app.customer().await;
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("a\u{0000}b")),
        ("scopes", json!([])),
        ("expiresAt", json!("2025-12-31T00:00:00Z")),
        ("expiresAt", json!("2027-06-01T00:00:00Z")),
    ] {
        let mut input = json!({ "name": "till", "scopes": ["BOOK"], "expiresAt": "2026-03-01T00:00:00Z" });
        input[field] = value.clone();
        let answer = customer.mutate("createApiToken", input, "secret").await;
        assert_eq!(
            (answer.refusal(), answer.at("createApiToken.userErrors.0.path")),
            ("INVALID", &json!(["input", field])),
            "{value}"
        );
    }
    let input = json!({ "name": "", "scopes": [], "expiresAt": "2025-12-31T00:00:00Z" });
    let all = customer.mutate("createApiToken", input, "secret").await;
    let paths = ["0", "1", "2", "3"].map(|at| all.at(&format!("createApiToken.userErrors.{at}.path.1")).clone());
    assert_eq!(paths, [json!("name"), json!("scopes"), json!("expiresAt"), json!(null)], "{}", all.body);
    for _ in 0..50 {
        program(&app, &customer, json!(["BOOK"])).await;
    }
    let input = json!({ "name": "one more", "scopes": ["BOOK"], "expiresAt": "2026-03-01T00:00:00Z" });
    assert_eq!(customer.mutate("createApiToken", input, "secret").await.refusal(), "INVALID");
}
