//! Tests of administrators: roles, disabling, enabling, looking up users.
//! Not here: what a role may do (`access`), and sockets that a change ends (`sessions`).

use boxoffice::id::NodeId;
use serde_json::json;

use super::sessions::sign_up;

#[apply(scene!)]
async fn a_customer_becomes_an_organizer_and_is_disabled(stage: Stage) {
    let app = stage.app().await;
    let admin = app.admin().await;
    let grace = sign_up(&app, "Grace@example.org").await;
    let user = grace.actor.user.to_global_id();
    let found = admin
        .ask("{ users(first: 5, filter: { email: \"grace@EXAMPLE.org\" }) { nodes { id email role } } }", json!({}))
        .await
        .ok();
    assert_eq!(found.at("users.nodes"), &json!([{ "id": user, "email": "Grace@example.org", "role": "CUSTOMER" }]));
    for nobodys in ["grace", "grace@example", "", "a\u{0000}@example.org", "gräce@example.org", "gr_ce@example.org"] {
        let query = "query($email: String) { users(first: 5, filter: { email: $email }) { nodes { id } pageInfo { hasNextPage } } }";
        let found = admin.ask(query, json!({ "email": nobodys })).await.ok();
        assert_eq!(found.at("users"), &json!({ "nodes": [], "pageInfo": { "hasNextPage": false } }), "{nobodys:?}");
    }
    let admins = admin.ask("{ users(first: 5, filter: { role: ADMIN }) { nodes { role } } }", json!({})).await.ok();
    assert_eq!(admins.at("users.nodes"), &json!([{ "role": "ADMIN" }]));

    let role = |role: &str| json!({ "userId": user, "role": role });
    let made = admin.mutate("setUserRole", role("ORGANIZER"), "user { role organizer { id name } }").await.ok();
    assert_eq!(made.text("setUserRole.user.organizer.name"), "Grace");
    app.eventually("she runs events", || async {
        grace.actor.ask("{ myEvents(first: 1) { totalCount } }", json!({})).await.fault().is_empty()
    })
    .await;
    let event = grace.actor.event(3).await;
    // Back to customer: the event stays, the right to manage it does not. Back to organizer: it is the same
    // organizer.
    admin.mutate("setUserRole", role("CUSTOMER"), "user { role }").await.ok();
    app.eventually("she does not any more", || async {
        grace.actor.ask("{ myEvents(first: 1) { totalCount } }", json!({})).await.fault() == "FORBIDDEN"
    })
    .await;
    let again = admin.mutate("setUserRole", role("ORGANIZER"), "user { organizer { id } }").await.ok();
    assert_eq!(again.at("setUserRole.user.organizer.id"), made.at("setUserRole.user.organizer.id"));
    app.assert_sound(&event).await;

    let one = json!({ "userId": user });
    let disabled = admin.mutate("disableUser", one.clone(), "user { disabled }").await.ok();
    assert_eq!(disabled.at("disableUser.user.disabled"), &json!(true));
    let list = "{ users(first: 5, filter: { email: \"grace@example.org\" }) { nodes { disabled } } }";
    assert_eq!(admin.ask(list, json!({})).await.ok().at("users.nodes"), &json!([{ "disabled": true }]));
    let sign_in = || async {
        let input = json!({ "email": grace.email, "password": "correct horse battery" });
        app.anonymous().mutate("signIn", input, "viewer { id }").await
    };
    assert_eq!(sign_in().await.refusal(), "INVALID_CREDENTIALS", "as if she were unknown");
    let refreshed =
        app.anonymous().mutate("refreshSession", json!({ "refreshToken": grace.refresh }), "viewer { id }").await;
    assert_eq!(refreshed.refusal(), "SESSION_ENDED");
    let enabled = admin.mutate("enableUser", one, "user { disabled }").await.ok();
    assert_eq!(enabled.at("enableUser.user.disabled"), &json!(false));
    sign_in().await.ok();
}

#[apply(scene!)]
async fn nobody_changes_their_own_account_or_one_that_is_not_there(stage: Stage) {
    let app = stage.app().await;
    let admin = app.admin().await;
    let me = json!({ "userId": admin.user.to_global_id() });
    for verb in ["disableUser", "enableUser"] {
        let answer = admin.mutate(verb, me.clone(), "user { id }").await;
        assert_eq!(answer.refusal(), "INVALID", "no administrator locks everybody out by mistake");
    }
    let demoted = admin
        .mutate("setUserRole", json!({ "userId": admin.user.to_global_id(), "role": "CUSTOMER" }), "user { id }")
        .await;
    assert_eq!(demoted.refusal(), "INVALID");
    let nobody = boxoffice::id::UserId(uuid::Uuid::from_u128(7)).to_global_id();
    assert_eq!(admin.mutate("disableUser", json!({ "userId": nobody }), "user { id }").await.refusal(), "NOT_FOUND");
    let event = boxoffice::id::EventId(uuid::Uuid::from_u128(7)).to_global_id();
    assert_eq!(admin.mutate("disableUser", json!({ "userId": event }), "user { id }").await.refusal(), "NOT_FOUND");
    assert_eq!(admin.mutate("disableUser", json!({ "userId": "?" }), "user { id }").await.fault(), "BAD_USER_INPUT");
}
