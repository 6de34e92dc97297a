//! Tests of the throttle: guessing becomes slow, for the attacker and for no other client; below the limits no attempt
//! waits.
//! Not here: buckets of points (`edge::limits`).

use std::sync::atomic::Ordering;
use std::time::Duration;

use boxoffice::account::throttle::{Backoff, Settings};
use boxoffice::account::token::Keys;
use boxoffice::clock::Clock;
use serde_json::{Value, json};

use super::sessions::sign_up;
use crate::harness::{Answer, TestApp};

/// Limits of a few attempts, so that a test is short.
fn short(options: &mut boxoffice::app::Options) {
    let of = |free, seconds| Backoff { free, longest: Duration::from_secs(seconds) };
    options.throttle = Some(Settings {
        account_network: of(3, 60),
        known_network: of(3, 5),
        network: of(8, 30),
        account: of(12, 20),
        sign_up: of(4, 30),
        refresh: of(3, 30),
    });
    options.connections.proxies = 1; // so that actors of one machine come from many networks
}

/// Tries a password from a network.
pub async fn guess(app: &TestApp, place: &str, email: &str, password: &str) -> Answer {
    let query =
        "mutation($input: SignInInput!) { signIn(input: $input) { viewer { id } userErrors { code message } } }";
    ask(app, place, query, json!({ "input": { "email": email, "password": password } })).await
}

pub async fn ask(app: &TestApp, place: &str, query: &str, variables: Value) -> Answer {
    let request = app.http.post(format!("http://{}/graphql", app.address)).header("x-forwarded-for", place);
    let response = request.json(&json!({ "query": query, "variables": variables })).send().await.unwrap();
    Answer { status: response.status().as_u16(), body: response.json().await.unwrap() }
}

fn wait(answer: &Answer) -> u64 {
    assert_eq!(answer.fault(), "RATE_LIMITED", "{}", answer.body);
    answer.body["errors"][0]["extensions"]["retryAfterMs"].as_u64().unwrap()
}

pub const RIGHT: &str = "correct horse battery";
pub const SIGN_UP: &str =
    "mutation($input: SignUpInput!) { signUp(input: $input) { token { refreshToken } userErrors { code } } }";
const REFRESH: &str = "mutation($token: String!) { refreshSession(input: { refreshToken: $token }) { token { refreshToken } userErrors { code } } }";

/// Opens an account from a network; returns its refresh token.
async fn open(app: &TestApp, place: &str, email: &str) -> String {
    let input = json!({ "input": { "email": email, "password": RIGHT, "name": "P" } });
    ask(app, place, SIGN_UP, input).await.ok().text("signUp.token.refreshToken")
}

pub async fn renew(app: &TestApp, place: &str, token: &str) -> Answer {
    ask(app, place, REFRESH, json!({ "token": token })).await
}

/// Tries one password on many accounts, until their network is throttled.
async fn spray(app: &TestApp, place: &str) {
    for n in 0..8 {
        let answer = guess(app, place, &format!("user{n}@example.org"), "password1").await;
        assert_eq!(answer.refusal(), "INVALID_CREDENTIALS");
    }
    wait(&guess(app, place, "user8@example.org", "password1").await);
}

fn was_judged(answer: &Answer) -> bool {
    answer.body["errors"].is_null()
}

/// Sets a clock back, which must not happen in production.
fn set_back(app: &TestApp, span: Duration) {
    let Clock::Manual(now) = &app.clock else { panic!("a manual clock") };
    now.fetch_sub(span.as_micros() as i64, Ordering::SeqCst);
}

#[apply(scene!)]
async fn guessing_gets_slow_for_the_guesser_alone(stage: Stage) {
    let app = stage.app_with(short).await;
    let grace = sign_up(&app, "grace@example.org").await.email;
    let (thief, home) = ("198.51.100.1", "203.0.113.9");
    for _ in 0..3 {
        assert_eq!(guess(&app, thief, &grace, "wrong horse").await.refusal(), "INVALID_CREDENTIALS");
    }
    // One, two, four seconds; a refused attempt does not count, and even the right password has to wait.
    for seconds in [1, 2, 4] {
        assert_eq!(wait(&guess(&app, thief, &grace, RIGHT).await), seconds * 1_000);
        app.clock.advance(Duration::from_millis(seconds * 1_000 - 1));
        assert_eq!(wait(&guess(&app, thief, &grace, RIGHT).await), 1);
        app.clock.advance(Duration::from_millis(1));
        assert_eq!(guess(&app, thief, &grace, "wrong horse").await.refusal(), "INVALID_CREDENTIALS");
    }
    // On the known network nothing changes.
    guess(&app, home, &grace, RIGHT).await.ok();
    // Unknown accounts are throttled like known ones.
    for _ in 0..3 {
        assert_eq!(
            guess(&app, "198.51.100.2", "nobody@example.org", "wrong horse").await.refusal(),
            "INVALID_CREDENTIALS"
        );
    }
    assert_eq!(wait(&guess(&app, "198.51.100.2", "nobody@example.org", "wrong horse").await), 1_000);
    // A success resets the account on its network.
    for _ in 0..2 {
        for _ in 0..2 {
            assert_eq!(guess(&app, home, &grace, "a typo").await.refusal(), "INVALID_CREDENTIALS");
        }
        guess(&app, home, &grace, RIGHT).await.ok();
    }
}

/// One password on many accounts from one network; then one account from many networks.
#[apply(scene!)]
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
    // From a network that she has signed in from she is still let in: an attacker does not lock her out.
    guess(&app, home, &grace, RIGHT).await.ok();
    // Within one network, a change of address does not help.
    for n in 0..3 {
        guess(&app, &format!("2001:db8:7:7::{n}"), "alan@example.org", "wrong horse").await;
    }
    wait(&guess(&app, "2001:db8:7:7::99", "alan@example.org", "wrong horse").await);
}

/// Each alias is an attempt, and concurrent attempts count each other.
#[apply(scene!)]
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
    // Another process continues the count.
    let other = stage.app_with(short).await;
    wait(&guess(&other, "198.51.100.1", "grace@example.org", "wrong horse").await);
}

/// A flood from one network is refused in memory: not even the counters are read.
#[apply(scene!)]
async fn a_flood_is_refused_without_the_database(stage: Stage) {
    let app = stage.app_with(short).await;
    let mut attempts = 0;
    let tried = async |n: usize| guess(&app, "198.51.100.1", &format!("user{n}@example.org"), "password1").await;
    while attempts < 100 {
        tried(attempts).await; // eight are judged, the others refused by their rows
        attempts += 1;
    }
    app.sql("DELETE FROM throttle", []).await;
    assert_eq!(wait(&tried(100).await), 20);
    // Other networks are not affected, and fifty attempts a second are looked up again.
    assert!(was_judged(&guess(&app, "198.51.100.2", "user@example.org", "password1").await));
    app.clock.advance(Duration::from_millis(20));
    assert!(was_judged(&tried(101).await));
    assert_eq!(wait(&tried(102).await), 20);
}

#[apply(scene!)]
async fn sign_ups_and_refresh_tokens_have_counters_of_their_own(stage: Stage) {
    let app = stage.app_with(short).await;
    let person = |n: i32| format!("p{n}@example.org");
    let again = json!({ "input": { "email": "p1@example.org", "password": RIGHT, "name": "P" } });
    let short = json!({ "input": { "email": "p9@example.org", "password": "short", "name": "P" } });
    let mut good = String::new();
    for n in 0..3 {
        good = open(&app, "198.51.100.1", &person(n)).await;
    }
    // An attempt on an unknown account does not count; attempts on an existing account are bounded.
    for _ in 0..5 {
        assert_eq!(ask(&app, "198.51.100.1", SIGN_UP, short.clone()).await.refusal(), "INVALID");
    }
    assert_eq!(ask(&app, "198.51.100.1", SIGN_UP, again.clone()).await.refusal(), "EMAIL_TAKEN");
    wait(&ask(&app, "198.51.100.1", SIGN_UP, again).await);
    open(&app, "198.51.100.2", &person(5)).await;
    let made_up = |n: i32| format!("bor_{}{n}AA", "A".repeat(40));
    for n in 0..2 {
        assert_eq!(renew(&app, "198.51.100.3", &made_up(n)).await.refusal(), "SESSION_ENDED");
    }
    assert_eq!(renew(&app, "198.51.100.3", "no token").await.refusal(), "SESSION_ENDED");
    wait(&renew(&app, "198.51.100.3", &made_up(3)).await);
    wait(&renew(&app, "198.51.100.3", "no token").await);
    // A valid token is accepted there nevertheless, and one that was valid is told that it is no longer.
    let next = renew(&app, "198.51.100.3", &good).await.ok().text("refreshSession.token.refreshToken");
    app.clock.advance(Duration::from_secs(10));
    for _ in 0..5 {
        assert_eq!(renew(&app, "198.51.100.3", &good).await.refusal(), "SESSION_ENDED");
        assert_eq!(renew(&app, "198.51.100.3", &next).await.refusal(), "SESSION_ENDED");
    }
    // An hour later the counters are cleared.
    app.clock.advance(Duration::from_secs(3_601));
    boxoffice::account::retention::purge(app.db(), app.clock.now()).await.unwrap();
    assert_eq!(app.number("SELECT count(*) AS n FROM throttle", []).await, 0);
    open(&app, "198.51.100.1", &person(6)).await;
}

/// On a network where an account was opened, signed in or renewed, attackers cannot lock it out, neither from the
/// same network nor from others.
#[apply(scene!)]
async fn a_known_network_is_not_throttled_by_strangers(stage: Stage) {
    let app = stage.app_with(short).await;
    let (opened, signed_in, renewed) = ("203.0.113.1", "203.0.113.2", "203.0.113.3");
    let token = open(&app, opened, "grace@example.org").await;
    guess(&app, signed_in, "grace@example.org", RIGHT).await.ok();
    renew(&app, renewed, &token).await.ok();
    for place in [opened, signed_in, renewed] {
        spray(&app, place).await;
    }
    for n in 0..12 {
        let place = format!("2001:db8:{n}::1");
        assert_eq!(guess(&app, &place, "grace@example.org", "wrong horse").await.refusal(), "INVALID_CREDENTIALS");
    }
    for place in [opened, signed_in, renewed] {
        guess(&app, place, "grace@example.org", RIGHT).await.ok();
    }
    // An attacker who guesses this account on its own network makes it wait seconds, not minutes.
    let mut longest = 0;
    for _ in 0..12 {
        let answer = guess(&app, opened, "grace@example.org", "wrong horse").await;
        if was_judged(&answer) {
            continue;
        }
        longest = longest.max(wait(&answer));
        app.clock.advance(Duration::from_millis(wait(&answer)));
    }
    assert_eq!(longest, 5_000);
    app.clock.advance(Duration::from_secs(5));
    guess(&app, opened, "grace@example.org", RIGHT).await.ok();
}

/// An attempt that was right or was never checked has no effect on others on the same network, or later.
#[apply(scene!)]
async fn only_what_was_wrong_counts(stage: Stage) {
    let app = stage.app_with(short).await;
    let place = "198.51.100.1";
    for name in ["grace", "alan", "ada", "barbara"] {
        open(&app, "203.0.113.9", &format!("{name}@example.org")).await;
        app.clock.advance(Duration::from_secs(60));
    }
    spray(&app, place).await;
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(guess(&app, place, "user9@example.org", "password1").await.refusal(), "INVALID_CREDENTIALS");
    app.clock.advance(Duration::from_secs(2));
    // Two correct sign-ins, one after the other in the same moment.
    guess(&app, place, "grace@example.org", RIGHT).await.ok();
    guess(&app, place, "alan@example.org", RIGHT).await.ok();
    // An unreadable hash stands for every cause that keeps a password from being checked.
    let break_it = "UPDATE users SET password_hash = $1 WHERE email_key = 'ada@example.org'";
    app.sql(break_it, ["none".into()]).await;
    for _ in 0..9 {
        assert_eq!(guess(&app, place, "ada@example.org", RIGHT).await.fault(), "INTERNAL");
    }
    // Failures expire an hour after the last one, whatever succeeded since.
    app.clock.advance(Duration::from_secs(3_500));
    guess(&app, place, "barbara@example.org", RIGHT).await.ok();
    app.clock.advance(Duration::from_secs(100));
    for n in 0..2 {
        let answer = guess(&app, place, &format!("other{n}@example.org"), "password1").await;
        assert_eq!(answer.refusal(), "INVALID_CREDENTIALS");
    }
}

/// A clock that ran ahead and is set back delays no client by as much.
#[apply(scene!)]
async fn a_clock_that_is_set_back_keeps_nobody_out(stage: Stage) {
    let app = stage.app_with(short).await;
    let grace = "grace@example.org";
    let token = open(&app, "203.0.113.9", grace).await;
    let first = renew(&app, "203.0.113.9", &token).await.ok().text("refreshSession.token.refreshToken");
    for n in 0..12 {
        guess(&app, &format!("198.51.100.{n}"), grace, "wrong horse").await;
    }
    spray(&app, "192.0.2.1").await;
    for _ in 0..4 {
        guess(&app, "192.0.2.2", grace, "wrong horse").await;
    }
    wait(&guess(&app, "192.0.2.2", grace, RIGHT).await);
    set_back(&app, Duration::from_secs(1_800));
    guess(&app, "192.0.2.1", grace, RIGHT).await.ok();
    guess(&app, "192.0.2.2", grace, RIGHT).await.ok();
    // It does not lengthen the time in which a used token is accepted either.
    assert_eq!(renew(&app, "203.0.113.9", &token).await.refusal(), "SESSION_ENDED");
    assert_eq!(renew(&app, "203.0.113.9", &first).await.refusal(), "SESSION_ENDED");
}

/// While a key is changed, processes sign with different ones; each of them can repeat a lost answer.
#[apply(scene!)]
async fn a_change_of_keys_makes_no_thief(stage: Stage) {
    let keys = |secrets: &[&'static [u8]]| Keys::new(secrets.iter().copied()).unwrap();
    let (old, new): (&[u8], &[u8]) = (b"the old secret, thirty-two bytes", b"the new secret, thirty-two bytes");
    let before = stage.app_with(|options| options.keys = keys(&[old, new])).await;
    let after = stage.app_with(|options| options.keys = keys(&[new, old])).await;
    let mut token = open(&before, "203.0.113.9", "grace@example.org").await;
    for (one, other) in [(&before, &after), (&after, &before)] {
        let next = renew(one, "203.0.113.9", &token).await.ok().text("refreshSession.token.refreshToken");
        let again = renew(other, "203.0.113.9", &token).await.ok().text("refreshSession.token.refreshToken");
        assert_eq!(next, again);
        token = next;
    }
}

/// An IPv6 /48 has 65,536 networks, but neither that many times the guesses nor the accounts.
#[apply(scene!)]
async fn a_site_of_many_networks_is_one_guesser(stage: Stage) {
    let app = stage.app_with(short).await;
    open(&app, "2001:db8:7:1::1", "grace@example.org").await;
    let mut judged = 0;
    for n in 0..200 {
        let place = format!("2001:db8:7:{n:x}::2");
        judged += i32::from(was_judged(&guess(&app, &place, &format!("user{n}@example.org"), "password1").await));
    }
    assert_eq!(judged, 8 * 20);
    wait(&guess(&app, "2001:db8:7:ffff::1", "user@example.org", "password1").await);
    // Known networks in it, and other networks, are not throttled.
    guess(&app, "2001:db8:7:1::1", "grace@example.org", RIGHT).await.ok();
    assert!(was_judged(&guess(&app, "2001:db8:8:1::1", "user@example.org", "password1").await));
    let mut opened = 0;
    for n in 0..100 {
        let input = json!({ "input": { "email": format!("new{n}@example.org"), "password": RIGHT, "name": "P" } });
        opened += i32::from(was_judged(&ask(&app, &format!("2001:db8:9:{n:x}::1"), SIGN_UP, input).await));
    }
    assert_eq!(opened, 4 * 20);
}
