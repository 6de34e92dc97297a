//! Scenes of accounts: opening one, signing in, what a token is worth.
//! Not here: tokens and addresses by themselves (`units`), and the command line (`binary`).

use boxoffice::account::password::Cost;
use boxoffice::id::Noun;
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

scene! {
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
        // One fact, one welcome.
        app.settled().await;
        assert_eq!(app.facts("user.registered").await, 1);
        assert_eq!(ada_notices(&ada).await, ["USER_REGISTERED"]);
    }
}

async fn ada_notices(ada: &crate::harness::Actor) -> Vec<String> {
    ada.notice_kinds().await
}

scene! {
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
            ("name", json!("Ada\u{202E}adA")),
            ("name", json!("n".repeat(101))),
        ];
        for (field, value) in bad {
            let mut input = account("ada@example.org", "CUSTOMER");
            input["input"][field] = value.clone();
            let answer = app.anonymous().ask(SIGN_UP, input).await;
            assert_eq!(answer.refusal(), "INVALID", "{field} = {value}: {}", answer.body);
            assert_eq!(answer.at("signUp.userErrors.0.path"), &json!(["input", field]), "{}", answer.body);
        }
        // Nobody signs up as an administrator: the word is not even in the schema.
        let admin = app.anonymous().ask(SIGN_UP, account("ada@example.org", "ADMIN")).await;
        assert!(!admin.fault().is_empty());
        assert_eq!(app.number("SELECT count(*) AS n FROM users", []).await, 0);
    }
}

scene! {
    async fn only_admins_make_admins(stage: Stage) {
        let app = stage.app().await;
        let create = "mutation($input: CreateAdminInput!) { createAdmin(input: $input) { user { role email } userErrors { code } } }";
        let input = json!({ "input": { "email": "root@example.org", "password": "correct horse battery", "name": "Root" } });
        for who in [app.customer().await, app.organizer().await] {
            assert_eq!(who.ask(create, input.clone()).await.fault(), "FORBIDDEN");
        }
        assert_eq!(app.anonymous().ask(create, input.clone()).await.fault(), "UNAUTHENTICATED");
        let made = app.admin().await.ask(create, input).await.ok();
        assert_eq!(made.text("createAdmin.user.role"), "ADMIN");
        sign_in(&app, "root@example.org", "correct horse battery").await.ok();
    }
}

scene! {
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
}

scene! {
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
        }).await;
    }
}

scene! {
    async fn a_change_of_role_counts_at_once(stage: Stage) {
        let app = stage.app().await;
        let (organizer, customer) = (app.organizer().await, app.customer().await);
        let event = organizer.event(3).await;
        customer.books(&event, 1).await;
        let admin = app.admin().await;
        let user = customer.user.opaque();
        let role = json!({ "userId": user, "role": "ORGANIZER" });
        admin.mutate("setUserRole", role, "user { role organizer { name } }").await.ok();
        app.eventually("the old role is gone", || async {
            customer.book(&event, 1, "PARTIAL", None).await.fault() == "FORBIDDEN"
        }).await;
        admin.mutate("disableUser", json!({ "userId": user }), "user { id }").await.ok();
        app.eventually("the account is refused", || async {
            customer.ask("{ viewer { id } }", json!({})).await.fault() == "UNAUTHENTICATED"
        }).await;
    }
}
