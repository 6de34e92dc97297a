//! Log lines of sign-ins that failed or were throttled: they hold the reason and the account, but no input.
//! Not here: the answers to the client (`account`).

use serde_json::json;

use crate::harness::binary::{Guest, Place, until};

const PASSWORD: &str = "correct horse battery";

#[apply(scene!)]
async fn failed_and_throttled_sign_ins_are_in_the_log(stage: Stage) {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&stage.target, folder.path());
    let create = ["user", "create", "--role", "customer", "--email", "grace@example.org", "--name", "Grace"];
    let served = place.serve().begin().ready().await;
    let made = place.call(&create).reading(PASSWORD).end().await;
    let user = made.stdout.rsplit_once('(').and_then(|(_, rest)| rest.split_once(')')).expect("an id").0.to_owned();
    let guest = Guest::with(None);
    let sign_in = async |email: &str, password: &str| {
        let query = "mutation($input: SignInInput!) { signIn(input: $input) { userErrors { code } } }";
        guest.ask(&served.address, query, json!({ "input": { "email": email, "password": password } })).await
    };
    for (email, reason) in [
        ("nobody@example.org", "unknown_account"),
        ("no address at all", "no_address"),
        ("grace@example.org", "wrong_password"),
    ] {
        assert_eq!(sign_in(email, "wrong horse battery").await.refusal(), "INVALID_CREDENTIALS");
        let line = until("the line is written", || {
            let said = served.running.said();
            said.lines().find(|line| line.contains(&format!("reason=\"{reason}\""))).map(str::to_owned)
        })
        .await;
        assert!(line.contains("sign-in failed") && line.contains("request_id="), "{line}");
        assert_eq!(line.contains(&user), reason == "wrong_password", "{line}");
        for typed in [email, "wrong horse", "127.0.0.1"] {
            assert!(!line.contains(typed), "{line}");
        }
    }
    let mut last = sign_in("grace@example.org", "wrong horse battery").await;
    while last.fault().is_empty() {
        last = sign_in("grace@example.org", "wrong horse battery").await;
    }
    assert_eq!(last.fault(), "RATE_LIMITED");
    let line = until("the line is written", || {
        served.running.said().lines().find(|line| line.contains("attempt throttled")).map(str::to_owned)
    })
    .await;
    assert!(
        line.contains("counter=\"account and network\"") && line.contains("wait_ms=") && line.contains("request_id="),
        "{line}"
    );
    let failed = served.running.said().lines().filter(|line| line.contains("sign-in failed")).count();
    assert!(failed >= 7, "a line for each: {failed}");
}
