//! Accounts from the terminal: creating the first administrator, and changing accounts as an operator.
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

#[apply(scene!)]
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
    let create_admin =
        "mutation($input: CreateAdminInput!) { createAdmin(input: $input) { user { role } userErrors { code } } }";
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

const VIEWER: &str = "{ viewer { role } }";

/// Waits until a running service gives this answer to a token.
async fn answers(served: &Served, guest: &Guest, what: &str, wanted: impl Fn(&crate::harness::Answer) -> bool) {
    let mut pace = tokio::time::interval(std::time::Duration::from_millis(20));
    let wait = async {
        while !wanted(&guest.ask(&served.address, VIEWER, json!({})).await) {
            pace.tick().await;
        }
    };
    assert!(tokio::time::timeout(crate::harness::PATIENCE, wait).await.is_ok(), "waited in vain until {what}");
}

/// The commands run the verbs of the API: a running service notices.
#[apply(scene!)]
async fn accounts_are_listed_and_changed_beside_a_running_service(stage: Stage) {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&stage.target, folder.path());
    let served = place.serve().begin().ready().await;
    let email = "grace@example.org";
    for (role, email) in [("admin", "root@example.org"), ("customer", "Grace@Example.org")] {
        assert_eq!(create(&place, role, email).reading(PASSWORD).end().await.code, Some(0));
    }
    let signed_in = sign_in(&served, email, PASSWORD).await.ok();
    let grace = Guest::with(Some(signed_in.text("signIn.token.accessToken")));
    let run = async |arguments: &[&str]| {
        let ended = place.call(arguments).end().await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}: {ended:?}");
        ended.stdout
    };
    let table = run(&["user", "list"]).await;
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["E-MAIL", "ROLE", "STATE", "NAME", "ID"]);
    assert_eq!(lines[1][..4], ["root@example.org", "ADMIN", "enabled", "Root"], "{table}");
    assert_eq!(lines[2][..4], ["Grace@Example.org", "CUSTOMER", "enabled", "Root"], "{table}");
    assert_eq!(lines.len(), 3);
    assert_eq!(run(&["user", "list", "--role", "admin"]).await.lines().count(), 2);

    // Commands that end something ask for confirmation; here is no terminal to ask at.
    for verb in [&["user", "disable", email][..], &["user", "role", email, "organizer"]] {
        let ended = place.call(verb).reading("y\n").end().await;
        refuses(&ended, 2, "cannot ask for confirmation without a terminal", "--yes");
    }
    assert!(grace.ask(&served.address, VIEWER, json!({})).await.ok().at("viewer").is_object());

    run(&["user", "role", email, "organizer", "--yes"]).await;
    answers(&served, &grace, "the role has changed", |answer| answer.at("viewer.role") == "ORGANIZER").await;
    let out = run(&["user", "disable", "GRACE@example.org", "--yes"]).await;
    assert!(out.starts_with("disabled Grace@Example.org"), "{out}");
    answers(&served, &grace, "the session has ended", |answer| answer.fault() == "UNAUTHENTICATED").await;
    assert!(run(&["user", "list"]).await.contains("disabled"));
    assert_eq!(sign_in(&served, email, PASSWORD).await.refusal(), "INVALID_CREDENTIALS");
    run(&["user", "enable", email]).await;

    let signed_in = sign_in(&served, email, PASSWORD).await.ok();
    let grace = Guest::with(Some(signed_in.text("signIn.token.accessToken")));
    let changed = place.call(&["user", "password", email]).reading("another good password\n").end().await;
    assert_eq!((changed.code, changed.stderr.as_str()), (Some(0), ""), "{changed:?}");
    answers(&served, &grace, "the session has ended", |answer| answer.fault() == "UNAUTHENTICATED").await;
    assert_eq!(sign_in(&served, email, PASSWORD).await.refusal(), "INVALID_CREDENTIALS");
    sign_in(&served, email, "another good password").await.ok();
    let short = place.call(&["user", "password", email]).reading("short").end().await;
    refuses(&short, 1, "password: ", "nothing was changed");

    let nobody = place.call(&["user", "enable", "nobody@example.org"]).end().await;
    refuses(&nobody, 1, "there is no account with the address nobody@example.org", "boxoffice user list");
    let no_address = place.call(&["user", "enable", "nobody"]).end().await;
    refuses(&no_address, 1, "email: ", "nothing was changed");
}

#[tokio::test]
async fn what_lists_and_changes_accounts_makes_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::of(&boxoffice::db::Target::Sqlite(folder.path().join("data/boxoffice.db")), folder.path());
    for verb in
        [&["user", "list"][..], &["user", "disable", "grace@example.org", "--yes"], &["user", "enable", "a@b.c"]]
    {
        let ended = place.call(verb).standing_in(folder.path()).end().await;
        refuses(&ended, 1, "there is no database at", "--data");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}
