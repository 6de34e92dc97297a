//! Scenes of sign-ins that go on and end: refresh tokens, signing out, the password, open sockets.
//! Not here: opening an account (`super`), brakes (`brakes`).

use std::time::Duration;

use boxoffice::id::UserId;
use serde_json::{Value, json};

use crate::harness::socket::Socket;
use crate::harness::{Actor, Answer, TestApp};

const PASSWORD: &str = "correct horse battery";
const TOKEN: &str = "token { accessToken refreshToken expiresAt refreshExpiresAt } viewer { id }";

/// Somebody with a password, signed in through the API.
pub(super) struct Person {
    pub actor: Actor,
    pub email: String,
    pub refresh: String,
}

pub(super) async fn sign_up(app: &TestApp, email: &str) -> Person {
    let input = json!({ "email": email, "password": PASSWORD, "name": "Grace", "role": "CUSTOMER" });
    let answer = app.anonymous().mutate("signUp", input, TOKEN).await.ok();
    person(app, email, &answer, "signUp")
}

async fn sign_in(app: &TestApp, email: &str) -> Person {
    let input = json!({ "email": email, "password": PASSWORD });
    let answer = app.anonymous().mutate("signIn", input, TOKEN).await.ok();
    person(app, email, &answer, "signIn")
}

fn person(app: &TestApp, email: &str, answer: &Answer, of: &str) -> Person {
    let user: UserId = boxoffice::id::Noun::parse(&answer.text(&format!("{of}.viewer.id"))).unwrap();
    let token = answer.text(&format!("{of}.token.accessToken"));
    let actor = Actor::new(app, Some(token), user, None);
    Person { actor, email: email.to_owned(), refresh: answer.text(&format!("{of}.token.refreshToken")) }
}

async fn refresh(app: &TestApp, token: &str) -> Answer {
    app.anonymous().mutate("refreshSession", json!({ "refreshToken": token }), TOKEN).await
}

async fn viewer(actor: &Actor) -> Answer {
    actor.ask("{ viewer { id } }", json!({})).await
}

scene! {
    async fn a_session_goes_on_without_the_password(stage: Stage) {
        let app = stage.app().await;
        let grace = sign_up(&app, "grace@example.org").await;
        app.clock.advance(Duration::from_secs(15 * 60));
        assert_eq!(viewer(&grace.actor).await.fault(), "UNAUTHENTICATED", "the access token has ended");
        let renewed = refresh(&app, &grace.refresh).await.ok();
        let renewed = person(&app, &grace.email, &renewed, "refreshSession");
        viewer(&renewed.actor).await.ok();
        assert_ne!(renewed.refresh, grace.refresh);
        // A month without coming back is the end.
        app.clock.advance(Duration::from_secs(30 * 24 * 3_600));
        let late = refresh(&app, &renewed.refresh).await;
        assert_eq!(late.refusal(), "SESSION_ENDED");
        // No token is stored as it is.
        let stored = "SELECT count(*) AS n FROM refresh_token WHERE hash = $1";
        assert_eq!(app.number(stored, [renewed.refresh.into()]).await, 0);
        for broken in ["", "bor_", "nonsense", &format!("bor_{}", "A".repeat(43)), "bor_\u{0}"] {
            assert_eq!(refresh(&app, broken).await.refusal(), "SESSION_ENDED", "{broken:?}");
        }
    }
}

scene! {
    /// RFC 9700, 4.14.2: a token that comes back after its successor was used is in two hands.
    async fn a_token_in_two_hands_ends_the_session(stage: Stage) {
        let app = stage.app().await;
        let grace = sign_up(&app, "grace@example.org").await;
        let mut socket = Socket::open(&app.address, grace.actor.token.as_deref()).await;
        let second = person(&app, &grace.email, &refresh(&app, &grace.refresh).await.ok(), "refreshSession");
        let third = person(&app, &grace.email, &refresh(&app, &second.refresh).await.ok(), "refreshSession");
        viewer(&third.actor).await.ok();
        // A thief shows the first one, at once: its successor was used, so no lost answer explains it.
        assert_eq!(refresh(&app, &grace.refresh).await.refusal(), "SESSION_ENDED");
        assert_eq!(socket.closed().await.0, 4403);
        assert_eq!(refresh(&app, &third.refresh).await.refusal(), "SESSION_ENDED", "the whole family is gone");
        app.eventually("the access token is refused", || async {
            viewer(&third.actor).await.fault() == "UNAUTHENTICATED"
        }).await;
        // Other sessions of the same person go on.
        viewer(&sign_in(&app, &grace.email).await.actor).await.ok();
    }
}

scene! {
    /// A lost answer is asked for again; tabs race. Within ten seconds everybody gets the same successor.
    async fn a_lost_answer_is_given_again_and_racing_tabs_share_one(stage: Stage) {
        let app = stage.app().await;
        let grace = sign_up(&app, "grace@example.org").await;
        let tabs = futures_util::future::join_all((0..8).map(|_| refresh(&app, &grace.refresh))).await;
        let tokens: Vec<String> = tabs.into_iter().map(|tab| tab.ok().text("refreshSession.token.refreshToken")).collect();
        assert!(tokens.iter().all(|token| *token == tokens[0]), "one successor");
        assert_eq!(app.number("SELECT count(*) AS n FROM refresh_token", []).await, 2);
        app.clock.advance(Duration::from_secs(9));
        assert_eq!(refresh(&app, &grace.refresh).await.ok().text("refreshSession.token.refreshToken"), tokens[0]);
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(refresh(&app, &grace.refresh).await.refusal(), "SESSION_ENDED", "too late for a lost answer");
        assert_eq!(refresh(&app, &tokens[0]).await.refusal(), "SESSION_ENDED");
    }
}

scene! {
    async fn signing_out_here_there_and_everywhere(stage: Stage) {
        let app = stage.app().await;
        let here = sign_up(&app, "grace@example.org").await;
        let (there, elsewhere) = (sign_in(&app, &here.email).await, sign_in(&app, &here.email).await);
        let stranger = sign_up(&app, "alan@example.org").await;
        let list = "{ mySessions(first: 9) { nodes { id current createdAt seenAt } } }";
        let sessions = here.actor.ask(list, json!({})).await.ok().at("mySessions.nodes").as_array().unwrap().clone();
        assert_eq!(sessions.iter().map(|session| session["current"].clone()).collect::<Vec<_>>(), [json!(true), json!(false), json!(false)]);
        let end = |session: &Value| json!({ "sessionId": session["id"] });
        // Somebody else's session is not there.
        assert_eq!(stranger.actor.mutate("signOut", end(&sessions[1]), "ended").await.refusal(), "NOT_FOUND");
        here.actor.mutate("signOut", end(&sessions[1]), "ended").await.ok();
        assert_eq!(viewer(&there.actor).await.fault(), "UNAUTHENTICATED", "at once in this process");
        assert_eq!(refresh(&app, &there.refresh).await.refusal(), "SESSION_ENDED");
        viewer(&elsewhere.actor).await.ok();
        // Twice is once.
        here.actor.mutate("signOut", end(&sessions[1]), "ended").await.ok();
        let others = here.actor.mutate("signOutEverywhere", json!({ "stayHere": true }), "ended").await.ok();
        assert_eq!(others.int("signOutEverywhere.ended"), 1);
        viewer(&here.actor).await.ok();
        here.actor.mutate("signOut", json!({}), "ended").await.ok();
        for gone in [&here, &there, &elsewhere] {
            app.eventually("it is refused", || async { viewer(&gone.actor).await.fault() == "UNAUTHENTICATED" }).await;
        }
        let again = sign_in(&app, &here.email).await;
        again.actor.mutate("signOutEverywhere", json!({}), "ended").await.ok();
        assert_eq!(viewer(&again.actor).await.fault(), "UNAUTHENTICATED");
        viewer(&stranger.actor).await.ok();
    }
}

scene! {
    async fn a_new_password_ends_every_other_session(stage: Stage) {
        let app = stage.app().await;
        let grace = sign_up(&app, "grace@example.org").await;
        let thief = sign_in(&app, &grace.email).await;
        let mut socket = Socket::open(&app.address, thief.actor.token.as_deref()).await;
        let change = |current: &str, new: &str| json!({ "currentPassword": current, "newPassword": new });
        let wrong = grace.actor.mutate("changePassword", change("wrong horse battery", "a better password"), "viewer { id }").await;
        assert_eq!(wrong.refusal(), "INVALID_CREDENTIALS");
        let short = grace.actor.mutate("changePassword", change(PASSWORD, "short"), "viewer { id }").await;
        assert_eq!((short.refusal(), short.at("changePassword.userErrors.0.path")), ("INVALID", &json!(["input", "newPassword"])));
        grace.actor.mutate("changePassword", change(PASSWORD, "a better password"), "viewer { id }").await.ok();
        assert_eq!(socket.closed().await.0, 4403);
        assert_eq!(refresh(&app, &thief.refresh).await.refusal(), "SESSION_ENDED");
        viewer(&grace.actor).await.ok();
        let old = app.anonymous().mutate("signIn", json!({ "email": grace.email, "password": PASSWORD }), TOKEN).await;
        assert_eq!(old.refusal(), "INVALID_CREDENTIALS");
        let new = json!({ "email": grace.email, "password": "a better password" });
        app.anonymous().mutate("signIn", new, TOKEN).await.ok();
    }
}

scene! {
    /// Rights stay true on open sockets whatever ends them, in every process, also when no fact is ever numbered: fifty
    /// sockets, a thousand in the long run. The relay does not run at all here.
    async fn rights_stay_true_on_open_sockets_without_the_relay(stage: Stage) {
        let changing = stage.app_with(|options| options.relay = false).await;
        let serving = stage.app_with(|options| options.relay = false).await;
        let admin = changing.admin().await;
        let each = if std::env::var_os("BOXOFFICE_LONG").is_some() { 200 } else { 10 };
        let live = "subscription { noticeReceived { cursor } }";
        let mut groups: Vec<Vec<(Actor, Socket)>> = Vec::new();
        for _ in 0..5 {
            let mut group = Vec::new();
            for actor in changing.customers(each).await {
                let mut socket = Socket::open(&serving.address, actor.token.as_deref()).await;
                socket.subscribe("n", live, json!({})).await;
                socket.next("n").await;
                group.push((actor, socket));
            }
            groups.push(group);
        }
        let user = |actor: &Actor| json!({ "userId": boxoffice::id::Noun::opaque(actor.user) });
        for (signed_out, _) in &groups[0] {
            signed_out.mutate("signOut", json!({}), "ended").await.ok();
        }
        for (everywhere, _) in &groups[1] {
            everywhere.mutate("signOutEverywhere", json!({}), "ended").await.ok();
        }
        for (banned, _) in &groups[2] {
            admin.mutate("disableUser", user(banned), "user { id }").await.ok();
        }
        for (promoted, _) in &groups[3] {
            let mut input = user(promoted);
            input["role"] = json!("ORGANIZER");
            admin.mutate("setUserRole", input, "user { role }").await.ok();
        }
        for (_, socket) in groups[..3].iter_mut().flatten() {
            assert_eq!(socket.closed().await.0, 4403);
        }
        for (_, socket) in &mut groups[3] {
            let ended = socket.message().await;
            assert_eq!(ended["payload"][0]["extensions"]["code"], "FORBIDDEN", "{ended}");
        }
        // Whoever nothing happened to is still there; then their tokens end.
        for (_, socket) in &mut groups[4] {
            socket.subscribe("q", "{ viewer { id } }", json!({})).await;
            assert!(socket.next("q").await["viewer"]["id"].is_string());
        }
        serving.clock.advance(Duration::from_secs(15 * 60));
        for (_, socket) in &mut groups[4] {
            assert_eq!(socket.closed().await.0, 4403);
        }
    }
}
