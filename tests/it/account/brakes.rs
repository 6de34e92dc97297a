//! Scenes of brakes: guessing gets slow, for the guesser and for nobody else.
//! Not here: buckets for everything one may ask (`edge::limits`).

use std::time::Duration;

use boxoffice::account::brake::{Patience, Settings};
use boxoffice::db::{self, DbError, Lane};
use serde_json::{Value, json};

use super::sessions::sign_up;
use crate::harness::{Answer, TestApp};

/// Patience of a few attempts, so that a scene is short.
fn short(options: &mut boxoffice::app::Options) {
    let of = |free, seconds| Patience { free, longest: Duration::from_secs(seconds) };
    options.brakes = Some(Settings {
        account_here: of(3, 60),
        place: of(8, 30),
        account: of(12, 20),
        sign_up: of(4, 30),
        refresh: of(3, 30),
    });
    options.connections.proxies = 1; // so that actors of one machine come from many places
}

/// Tries a password from some place.
async fn guess(app: &TestApp, place: &str, email: &str, password: &str) -> Answer {
    let query =
        "mutation($input: SignInInput!) { signIn(input: $input) { viewer { id } userErrors { code message } } }";
    ask(app, place, query, json!({ "input": { "email": email, "password": password } })).await
}

async fn ask(app: &TestApp, place: &str, query: &str, variables: Value) -> Answer {
    let request = app.http.post(format!("http://{}/graphql", app.address)).header("x-forwarded-for", place);
    let response = request.json(&json!({ "query": query, "variables": variables })).send().await.unwrap();
    Answer { status: response.status().as_u16(), body: response.json().await.unwrap() }
}

fn wait(answer: &Answer) -> u64 {
    assert_eq!(answer.fault(), "RATE_LIMITED", "{}", answer.body);
    answer.body["errors"][0]["extensions"]["retryAfterMs"].as_u64().unwrap()
}

const RIGHT: &str = "correct horse battery";

scene! {
    async fn guessing_gets_slow_for_the_guesser_alone(stage: Stage) {
        let app = stage.app_with(short).await;
        let grace = sign_up(&app, "grace@example.org").await.email;
        let (thief, home) = ("198.51.100.1", "203.0.113.9");
        for _ in 0..3 {
            assert_eq!(guess(&app, thief, &grace, "wrong horse").await.refusal(), "INVALID_CREDENTIALS");
        }
        // One, two, four seconds; what is refused does not count, and even the right password has to wait.
        for seconds in [1, 2, 4] {
            assert_eq!(wait(&guess(&app, thief, &grace, RIGHT).await), seconds * 1_000);
            app.clock.advance(Duration::from_millis(seconds * 1_000 - 1));
            assert_eq!(wait(&guess(&app, thief, &grace, RIGHT).await), 1);
            app.clock.advance(Duration::from_millis(1));
            assert_eq!(guess(&app, thief, &grace, "wrong horse").await.refusal(), "INVALID_CREDENTIALS");
        }
        // At home nobody notices.
        guess(&app, home, &grace, RIGHT).await.ok();
        // Unknown accounts are braked like known ones.
        for _ in 0..3 {
            assert_eq!(guess(&app, "198.51.100.2", "nobody@example.org", "wrong horse").await.refusal(), "INVALID_CREDENTIALS");
        }
        assert_eq!(wait(&guess(&app, "198.51.100.2", "nobody@example.org", "wrong horse").await), 1_000);
        // Success starts the account anew at its place.
        for _ in 0..2 {
            for _ in 0..2 {
                assert_eq!(guess(&app, home, &grace, "a typo").await.refusal(), "INVALID_CREDENTIALS");
            }
            guess(&app, home, &grace, RIGHT).await.ok();
        }
    }
}

scene! {
    /// One password on many accounts from one place; then one account from many places.
    async fn spraying_and_guessing_from_everywhere_get_slow_too(stage: Stage) {
        let app = stage.app_with(short).await;
        let grace = sign_up(&app, "grace@example.org").await.email;
        let home = "203.0.113.9";
        guess(&app, home, &grace, RIGHT).await.ok();
        for n in 0..8 {
            let answer = guess(&app, "198.51.100.1", &format!("user{n}@example.org"), "password1").await;
            assert_eq!(answer.refusal(), "INVALID_CREDENTIALS");
        }
        assert_eq!(wait(&guess(&app, "198.51.100.1", "user10@example.org", "password1").await), 1_000);
        for n in 0..12 {
            let place = format!("2001:db8:{n}::1"); // a network each
            assert_eq!(guess(&app, &place, &grace, "wrong horse").await.refusal(), "INVALID_CREDENTIALS");
        }
        assert_eq!(wait(&guess(&app, "2001:db8:99::1", &grace, RIGHT).await), 1_000);
        // Where she was signed in from before she still is let in: no stranger locks her out.
        guess(&app, home, &grace, RIGHT).await.ok();
        // Within one network nobody gets further by changing their address.
        for n in 0..3 {
            guess(&app, &format!("2001:db8:7:7::{n}"), "alan@example.org", "wrong horse").await;
        }
        wait(&guess(&app, "2001:db8:7:7::99", "alan@example.org", "wrong horse").await);
    }
}

scene! {
    /// Each alias is an attempt, and attempts side by side count each other.
    async fn aliases_and_crowds_are_no_way_around(stage: Stage) {
        let app = stage.app_with(short).await;
        let tried = |place: &'static str| {
            let app = app.clone();
            async move { guess(&app, place, "grace@example.org", "wrong horse").await }
        };
        let query: String = (0..10).map(|n| format!("a{n}: signIn(input: {{ email: \"grace@example.org\", password: \"wrong {n}\" }}) {{ userErrors {{ code }} }} ")).collect();
        let answer = ask(&app, "198.51.100.1", &format!("mutation {{ {query} }}"), json!({})).await;
        let tries = answer.body["data"].as_object().unwrap().values().filter(|tried| tried.is_object()).count();
        assert_eq!(tries, 3, "{}", answer.body);
        let crowd = futures_util::future::join_all((0..20).map(|_| tried("198.51.100.2"))).await;
        let tries = crowd.iter().filter(|answer| answer.refusal() == "INVALID_CREDENTIALS").count();
        assert!(tries <= 3, "{tries} of a crowd got through");
        // Another process counts on.
        let other = stage.app_with(short).await;
        wait(&guess(&other, "198.51.100.1", "grace@example.org", "wrong horse").await);
    }
}

scene! {
    /// Who was just refused is refused again without a question to the database: here it would let them in.
    async fn a_flood_costs_the_database_nothing(stage: Stage) {
        let app = stage.app_with(short).await;
        let tried = || guess(&app, "198.51.100.1", "grace@example.org", "wrong horse");
        for free_after in [0, 0, 0, 1] {
            app.clock.advance(Duration::from_secs(free_after));
            assert_eq!(tried().await.refusal(), "INVALID_CREDENTIALS");
        }
        assert_eq!(wait(&tried().await), 2_000);
        let forgotten = |tx| async move { db::run(&tx, "DELETE FROM brake", []).await };
        app.db().write::<_, DbError, _, _>(Lane::Interactive, forgotten).await.unwrap();
        app.clock.advance(Duration::from_millis(999));
        assert_eq!(wait(&tried().await), 1_001);
        // After a second it is looked up again.
        app.clock.advance(Duration::from_millis(1));
        assert_eq!(tried().await.refusal(), "INVALID_CREDENTIALS");
    }
}

scene! {
    async fn accounts_and_refresh_tokens_have_brakes_of_their_own(stage: Stage) {
        let app = stage.app_with(short).await;
        let query = "mutation($input: SignUpInput!) { signUp(input: $input) { token { refreshToken } userErrors { code } } }";
        let person = |n: i32| json!({ "input": { "email": format!("p{n}@example.org"), "password": RIGHT, "name": "P" } });
        let mut good = String::new();
        for n in 0..4 {
            good = ask(&app, "198.51.100.1", query, person(n)).await.ok().text("signUp.token.refreshToken");
        }
        wait(&ask(&app, "198.51.100.1", query, person(5)).await);
        ask(&app, "198.51.100.2", query, person(5)).await.ok();
        let refresh = "mutation($token: String!) { refreshSession(input: { refreshToken: $token }) { token { refreshToken } userErrors { code } } }";
        for n in 0..3 {
            let made_up = format!("bor_{}{n}AA", "A".repeat(40));
            assert_eq!(ask(&app, "198.51.100.3", refresh, json!({ "token": made_up })).await.refusal(), "SESSION_ENDED");
        }
        wait(&ask(&app, "198.51.100.3", refresh, json!({ "token": good })).await);
        ask(&app, "198.51.100.4", refresh, json!({ "token": good })).await.ok();
        // An hour later all is forgotten.
        app.clock.advance(Duration::from_secs(3_601));
        boxoffice::account::brake::forget(app.db(), app.clock.now()).await.unwrap();
        assert_eq!(app.number("SELECT count(*) AS n FROM brake WHERE failures > 0", []).await, 0);
        ask(&app, "198.51.100.1", query, person(6)).await.ok();
    }
}
