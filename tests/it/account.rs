//! Tests of accounts: signing up, signing in, and the value of a token.
//! Not here: tokens and addresses by themselves (`units`), and the command line (`binary`).

use boxoffice::account::password::Cost;
use boxoffice::id::NodeId;
use serde_json::json;

use crate::harness::TestApp;

mod administer;
mod api_tokens;
mod at_once;
mod sessions;
mod throttle;

const SIGN_UP: &str = "mutation($input: SignUpInput!) { signUp(input: $input) { token { accessToken expiresAt }
    viewer { id email name role organizer { name } } userErrors { code message path } } }";
const SIGN_IN: &str = "mutation($input: SignInInput!) { signIn(input: $input) { token { accessToken }
    viewer { email } userErrors { code message } } }";

fn account(email: &str, role: &str) -> serde_json::Value {
    json!({ "input": { "email": email, "password": "correct horse battery", "name": "Ada", "role": role } })
}

async fn sign_in(app: &TestApp, email: &str, password: &str) -> crate::harness::Answer {
    app.anonymous().ask(SIGN_IN, json!({ "input": { "email": email, "password": password } })).await
}

#[apply(scene!)]
async fn signs_up_and_in(stage: Stage) {
    let app = stage.app().await;
    let answer = app.anonymous().ask(SIGN_UP, account("Ada@Example.org", "ORGANIZER")).await.ok();
    assert_eq!(answer.text("signUp.viewer.email"), "Ada@Example.org");
    assert_eq!(answer.text("signUp.viewer.role"), "ORGANIZER");
    assert_eq!(answer.text("signUp.viewer.organizer.name"), "Ada");
    let mut ada = app.anonymous();
    ada.token = Some(answer.text("signUp.token.accessToken"));
    assert_eq!(ada.ask("{ viewer { name } }", json!({})).await.ok().text("viewer.name"), "Ada");
    // The address is one account whatever its case.
    let again = app.anonymous().ask(SIGN_UP, account("ada@EXAMPLE.org", "CUSTOMER")).await;
    assert_eq!(again.refusal(), "EMAIL_TAKEN");
    sign_in(&app, "ADA@example.ORG", "correct horse battery").await.ok();
    // Wrong password and unknown address: the same answer.
    let wrong = sign_in(&app, "ada@example.org", "wrong horse battery").await;
    let unknown = sign_in(&app, "nobody@example.org", "wrong horse battery").await;
    assert_eq!(wrong.body, unknown.body);
    assert_eq!(wrong.refusal(), "INVALID_CREDENTIALS");
    // One domain event, one welcome.
    app.settled().await;
    assert_eq!(app.domain_events("user.registered").await, 1);
    assert_eq!(ada_notices(&ada).await, ["USER_REGISTERED"]);
}

async fn ada_notices(ada: &crate::harness::Actor) -> Vec<String> {
    ada.notice_kinds().await
}

#[apply(scene!)]
async fn bad_accounts_are_refused_field_by_field(stage: Stage) {
    let app = stage.app().await;
    let bad = [
        ("email", json!("nobody")),
        ("email", json!("a@b")),
        ("email", json!("müller@example.org")),
        ("email", json!("a b@example.org")),
        ("email", json!(format!("{}@example.org", "a".repeat(250)))),
        ("password", json!("short")),
        ("password", json!("x".repeat(201))),
        ("name", json!("")),
        ("name", json!("  ")),
        ("name", json!("Ada\u{0000}")),
        ("name", json!("Ada\u{3164}")),
        ("name", json!("n".repeat(101))),
    ];
    for (field, value) in bad {
        let mut input = account("ada@example.org", "CUSTOMER");
        input["input"][field] = value.clone();
        let answer = app.anonymous().ask(SIGN_UP, input).await;
        assert_eq!(answer.refusal(), "INVALID", "{field} = {value}: {}", answer.body);
        assert_eq!(answer.at("signUp.userErrors.0.path"), &json!(["input", field]), "{}", answer.body);
    }
    // Signing up as an administrator is impossible: the value is not even in the schema.
    let admin = app.anonymous().ask(SIGN_UP, account("ada@example.org", "ADMIN")).await;
    assert!(!admin.fault().is_empty());
    assert_eq!(app.number("SELECT count(*) AS n FROM users", []).await, 0);
}

/// Codes and paths of all errors of a payload.
fn errors(answer: &crate::harness::Answer, mutation: &str) -> Vec<(String, serde_json::Value)> {
    let errors = answer.at(&format!("{mutation}.userErrors")).as_array().expect("user errors");
    errors.iter().map(|error| (error["code"].as_str().unwrap().to_owned(), error["path"].clone())).collect()
}

/// A form gets the errors of all its fields at once; an error that one field causes names that field.
#[apply(scene!)]
async fn forms_report_every_field_at_fault(stage: Stage) {
    let app = stage.app().await;
    let admin = app.admin().await;
    let at = |field: &str| ("INVALID".to_owned(), json!(["input", field]));
    let nothing = json!({ "email": "nobody", "password": "short", "name": " ", "organizerName": "" });
    let answer = app.anonymous().mutate("signUp", nothing, "viewer { id }").await;
    assert_eq!(errors(&answer, "signUp"), ["email", "password", "name", "organizerName"].map(at), "{}", answer.body);
    let nothing = json!({ "email": "", "password": "", "name": "" });
    let answer = admin.mutate("createAdmin", nothing, "user { id }").await;
    assert_eq!(errors(&answer, "createAdmin"), ["email", "password", "name"].map(at), "{}", answer.body);
    let grace = sessions::sign_up(&app, "grace@example.org").await;
    let again = json!({ "email": "GRACE@example.org", "password": "correct horse battery", "name": "G" });
    for (mutation, who) in [("signUp", &app.anonymous()), ("createAdmin", &admin)] {
        let answer = who.mutate(mutation, again.clone(), "__typename").await;
        assert_eq!(
            errors(&answer, mutation),
            [("EMAIL_TAKEN".to_owned(), json!(["input", "email"]))],
            "{}",
            answer.body
        );
    }
    let change = |current: &str, new: &str| json!({ "currentPassword": current, "newPassword": new });
    let short = grace.actor.mutate("changePassword", change("correct horse battery", "short"), "viewer { id }").await;
    assert_eq!(errors(&short, "changePassword"), [at("newPassword")]);
    let wrong =
        grace.actor.mutate("changePassword", change("wrong horse battery", "a better password"), "viewer { id }").await;
    let expected = ("INVALID_CREDENTIALS".to_owned(), json!(["input", "currentPassword"]));
    assert_eq!(errors(&wrong, "changePassword"), [expected], "{}", wrong.body);
    let none = app.anonymous().mutate("refreshSession", json!({ "refreshToken": "none" }), "viewer { id }").await;
    assert_eq!(errors(&none, "refreshSession"), [("SESSION_ENDED".to_owned(), json!(["input", "refreshToken"]))]);
    // Neither field alone is the cause.
    let input = json!({ "email": "grace@example.org", "password": "wrong horse battery" });
    let refused = app.anonymous().mutate("signIn", input, "viewer { id }").await;
    assert_eq!(errors(&refused, "signIn"), [("INVALID_CREDENTIALS".to_owned(), json!(null))]);
}

/// A failed sign-in takes the same work for an unknown account, a disabled account and an invalid address: the time
/// does not reveal which accounts exist.
#[apply(scene!)]
async fn a_failed_sign_in_costs_the_same_work_for_every_address(stage: Stage) {
    let app = stage.app().await;
    sessions::sign_up(&app, "grace@example.org").await;
    let disabled = sessions::sign_up(&app, "alan@example.org").await.actor.user.to_global_id();
    app.admin().await.mutate("disableUser", json!({ "userId": disabled }), "user { id }").await.ok();
    let hasher = &app.app.services.hasher;
    let work = async |email: &str, password: &str| {
        let before = hasher.work();
        let answer = sign_in(&app, email, password).await;
        assert_eq!(answer.refusal(), "INVALID_CREDENTIALS", "{email}: {}", answer.body);
        hasher.work() - before
    };
    let known = work("grace@example.org", "wrong horse battery").await;
    assert!(known > 0);
    for (email, password) in [
        ("nobody@example.org", "wrong horse battery"),
        ("no address", "wrong horse battery"),
        ("alan@example.org", "wrong horse battery"),
        ("alan@example.org", "correct horse battery"),
    ] {
        assert_eq!(work(email, password).await, known, "{email} {password}");
    }
}

/// RFC 8265: a password is the same on every keyboard and system that it is typed on.
#[apply(scene!)]
async fn a_password_is_one_however_it_is_typed(stage: Stage) {
    let app = stage.app().await;
    let spellings = [
        // composed, decomposed; no-break and ideographic spaces; the Ångström sign
        ["Caf\u{e9}-Passwort-1", "Cafe\u{301}-Passwort-1"],
        ["correct\u{a0}horse\u{3000}battery", "correct horse battery"],
        ["\u{212b}ngstr\u{f6}m horse", "A\u{30a}ngstro\u{308}m horse"],
    ];
    for (n, [one, other]) in spellings.into_iter().enumerate() {
        let email = format!("p{n}@example.org");
        let input = json!({ "email": email, "password": one, "name": "P" });
        let up = app.anonymous().mutate("signUp", input, "token { accessToken }").await.ok();
        sign_in(&app, &email, one).await.ok();
        sign_in(&app, &email, other).await.ok();
        let mut person = app.anonymous();
        person.token = Some(up.text("signUp.token.accessToken"));
        let change = json!({ "currentPassword": other, "newPassword": format!("{other} 2") });
        person.mutate("changePassword", change, "viewer { id }").await.ok();
        sign_in(&app, &email, &format!("{one} 2")).await.ok();
        // Case and spaces at the ends are part of it.
        for different in [one.to_uppercase(), format!(" {one} 2"), format!("{one} 2 ")] {
            assert_eq!(sign_in(&app, &email, &different).await.refusal(), "INVALID_CREDENTIALS", "{different:?}");
        }
    }
}

/// An internationalised domain is one account in both spellings, kept as mail servers know it.
#[apply(scene!)]
async fn mail_domains_beyond_ascii_are_converted(stage: Stage) {
    let app = stage.app().await;
    let up = app.anonymous().ask(SIGN_UP, account("Grace@M\u{fc}nchen.example", "CUSTOMER")).await.ok();
    assert_eq!(up.text("signUp.viewer.email"), "Grace@xn--mnchen-3ya.example");
    let spellings = [
        "grace@m\u{fc}nchen.example",
        "grace@mu\u{308}nchen.EXAMPLE",
        "GRACE@XN--MNCHEN-3YA.example",
        "grace@M\u{dc}NCHEN\u{3002}example",
    ];
    for spelling in spellings {
        sign_in(&app, spelling, "correct horse battery").await.ok();
        assert_eq!(
            app.anonymous().ask(SIGN_UP, account(spelling, "CUSTOMER")).await.refusal(),
            "EMAIL_TAKEN",
            "{spelling}"
        );
    }
    let admin = app.admin().await;
    let query = "query($email: String) { users(first: 5, filter: { email: $email }) { nodes { email } } }";
    let found = admin.ask(query, json!({ "email": spellings[0] })).await.ok();
    assert_eq!(found.at("users.nodes"), &json!([{ "email": "Grace@xn--mnchen-3ya.example" }]));
}

#[apply(scene!)]
async fn only_admins_make_admins(stage: Stage) {
    let app = stage.app().await;
    let create = "mutation($input: CreateAdminInput!) { createAdmin(input: $input) { user { role email } userErrors { code } } }";
    let input =
        json!({ "input": { "email": "root@example.org", "password": "correct horse battery", "name": "Root" } });
    for who in [app.customer().await, app.organizer().await] {
        assert_eq!(who.ask(create, input.clone()).await.fault(), "FORBIDDEN");
    }
    assert_eq!(app.anonymous().ask(create, input.clone()).await.fault(), "UNAUTHENTICATED");
    let made = app.admin().await.ask(create, input).await.ok();
    assert_eq!(made.text("createAdmin.user.role"), "ADMIN");
    sign_in(&app, "root@example.org", "correct horse battery").await.ok();
}

#[apply(scene!)]
async fn old_hashes_are_renewed_at_sign_in(stage: Stage) {
    let weak = stage.app().await;
    weak.anonymous().ask(SIGN_UP, account("ada@example.org", "CUSTOMER")).await.ok();
    let strong = stage.app_with(|options| options.hash_cost = Cost { memory_kib: 128, passes: 2 }).await;
    let with = |parameters: &'static str| {
        let strong = strong.clone();
        async move {
            let like = format!("$argon2id$v=19${parameters}$%");
            strong.number("SELECT count(*) AS n FROM users WHERE password_hash LIKE $1", [like.into()]).await
        }
    };
    assert_eq!(with("m=64,t=1,p=1").await, 1);
    assert_eq!(sign_in(&strong, "ada@example.org", "wrong horse battery").await.refusal(), "INVALID_CREDENTIALS");
    assert_eq!(with("m=64,t=1,p=1").await, 1, "a wrong password renews nothing");
    sign_in(&strong, "ada@example.org", "correct horse battery").await.ok();
    assert_eq!(with("m=128,t=2,p=1").await, 1);
    sign_in(&strong, "ada@example.org", "correct horse battery").await.ok();
}

#[apply(scene!)]
async fn tokens_end_and_sessions_can_be_revoked(stage: Stage) {
    let app = stage.app().await;
    let customer = app.customer().await;
    let viewer = "{ viewer { id } }";
    customer.ask(viewer, json!({})).await.ok();
    for broken in ["", "nonsense", "a.b.c", "eyJhbGciOiJub25lIn0.e30."] {
        let mut thief = customer.clone();
        thief.token = Some(broken.to_owned());
        let answer = thief.ask(viewer, json!({})).await;
        assert_eq!((answer.status, answer.fault()), (401, "UNAUTHENTICATED"), "{broken:?}");
    }
    app.clock.advance(std::time::Duration::from_secs(15 * 60));
    assert_eq!(customer.ask(viewer, json!({})).await.fault(), "UNAUTHENTICATED");
    let renewed = app.renewed(&customer).await;
    renewed.ask(viewer, json!({})).await.ok();
    app.revoke(customer.user).await;
    app.eventually("the session is refused", || async {
        renewed.ask(viewer, json!({})).await.fault() == "UNAUTHENTICATED"
    })
    .await;
}

#[apply(scene!)]
async fn a_change_of_role_counts_at_once(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(3).await;
    customer.books(&event, 1).await;
    let admin = app.admin().await;
    let user = customer.user.to_global_id();
    let role = json!({ "userId": user, "role": "ORGANIZER" });
    admin.mutate("setUserRole", role, "user { role organizer { name } }").await.ok();
    app.eventually("the old role is gone", || async {
        customer.book(&event, 1, "PARTIAL", None).await.fault() == "FORBIDDEN"
    })
    .await;
    admin.mutate("disableUser", json!({ "userId": user }), "user { id }").await.ok();
    app.eventually("the account is refused", || async {
        customer.ask("{ viewer { id } }", json!({})).await.fault() == "UNAUTHENTICATED"
    })
    .await;
}
