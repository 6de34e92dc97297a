//! Accounts from the terminal: the way the first administrator comes about.
//! Not here: signing up over the API (`account`).

use serde_json::json;

use super::holdings;
use super::refusals::refuses;
use crate::harness::binary::{Call, Guest, Place, Served};

const PASSWORD: &str = "correct horse battery";

const SIGN_IN: &str = "mutation($input: SignInInput!) { signIn(input: $input) {
    viewer { email role } token { accessToken } userErrors { code } } }";

fn create(place: &Place, role: &str, email: &str) -> Call {
    place.call(&["user", "create", "--role", role, "--email", email, "--name", "Root"])
}

async fn sign_in(served: &Served, email: &str, password: &str) -> crate::harness::Answer {
    let input = json!({ "input": { "email": email, "password": password } });
    Guest::with(None).ask(&served.address, SIGN_IN, input).await
}

scene! {
    async fn an_administrator_is_made_and_signs_in(stage: Stage) {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::of(&stage.target, folder.path());
        let made = create(&place, "admin", "Root@Example.org").reading(&format!("{PASSWORD}\r\n")).end().await;
        assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{made:?}");
        assert!(made.stdout.starts_with("created ADMIN Root@Example.org "), "{}", made.stdout);
        assert!(!made.stdout.contains(PASSWORD));
        let served = place.serve().begin().ready().await;
        let answer = sign_in(&served, "root@example.ORG", PASSWORD).await.ok();
        assert_eq!(answer.text("signIn.viewer.role"), "ADMIN");
        assert_eq!(answer.text("signIn.viewer.email"), "Root@Example.org");
        let root = Guest::with(Some(answer.text("signIn.token.accessToken")));
        let another = json!({ "input": { "email": "second@example.org", "password": PASSWORD, "name": "Second" } });
        let create_admin = "mutation($input: CreateAdminInput!) { createAdmin(input: $input) { user { role } userErrors { code } } }";
        assert_eq!(root.ask(&served.address, create_admin, another).await.ok().text("createAdmin.user.role"), "ADMIN");
        // Also beside a service that runs.
        for (role, email) in [("customer", "c@example.org"), ("organizer", "o@example.org")] {
            let made = create(&place, role, email).reading(PASSWORD).end().await;
            assert_eq!(made.code, Some(0), "{made:?}");
            assert_eq!(sign_in(&served, email, PASSWORD).await.ok().text("signIn.viewer.role"), role.to_uppercase());
        }
        let taken = create(&place, "customer", "ROOT@example.org").reading("another good password").end().await;
        refuses(&taken, 1, "already an account", "nothing was changed");
        assert_eq!(sign_in(&served, "root@example.org", PASSWORD).await.ok().text("signIn.viewer.role"), "ADMIN");
        assert_eq!(sign_in(&served, "root@example.org", "another good password").await.refusal(), "INVALID_CREDENTIALS");
    }
}

#[tokio::test]
async fn what_cannot_become_an_account() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&boxoffice::db::Target::Sqlite(folder.path().join("boxoffice.db")), folder.path());
    place.db().await.close().await;
    let before = holdings(folder.path());
    let root = "root@example.org";
    for (email, name, password, error) in [
        (root, "Root", "short", "password: "),
        (root, "Root", "", "password: "),
        (root, "Root", "\n", "password: "),
        (root, "Root", &"p".repeat(201), "password: "),
        ("root", "Root", PASSWORD, "email: "),
        ("root@example", "Root", PASSWORD, "email: "),
        (root, " ", PASSWORD, "name: "),
        (root, "Ro\u{7}ot", PASSWORD, "name: "),
        (root, &"n".repeat(101), PASSWORD, "name: "),
    ] {
        let call = place.call(&["user", "create", "--role", "admin", "--email", email, "--name", name]);
        let ended = call.reading(password).end().await;
        refuses(&ended, 1, error, "nothing was changed");
        assert!(password.trim().is_empty() || !format!("{ended:?}").contains(password), "{ended:?}");
    }
    assert_eq!(holdings(folder.path()), before);
}

#[tokio::test]
async fn a_password_is_never_taken_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&boxoffice::db::Target::Sqlite(folder.path().join("data/boxoffice.db")), folder.path());
    for argument in ["--password", "--password=hunter2hunter2"] {
        let ended = create_at(&place, folder.path()).and(argument).reading(PASSWORD).end().await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains("unexpected argument '--password'"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}

fn create_at(place: &Place, folder: &std::path::Path) -> Call {
    create(place, "admin", "root@example.org").standing_in(folder)
}
