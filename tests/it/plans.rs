//! Every frequent statement uses an index: the statements that really ran are explained, on both databases, so that a
//! forgotten index fails a test instead of a sale.
//! Not here: durations.

use std::collections::BTreeSet;

use boxoffice::db::{self, DbError, Priority};
use boxoffice::queue::claim;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, FromQueryResult, Statement};
use serde_json::json;

use crate::harness::{Actor, Stage, TestApp, log};

/// Tables that are read whole, and the reason of each.
const READ_WHOLE: &[(&str, &str)] = &[
    ("stream_head", "has one row"),
    ("quota_waiting", "holds the quotas with a waitlist only"),
    ("consumer", "has a row per consumer of domain_events"),
    ("meta", "has a handful of rows"),
    ("sqlite_master", "the catalogue, at a start"),
    ("seaql_migrations", "a row per step, at a start"),
];

/// Open work (entries to end, jobs to run) is found without reading the finished: statement and index, as SQLite plans
/// them.
const OPEN_ONLY: &[(&str, &str)] = &[
    ("SELECT id, user_id, status FROM booking", "booking_live"),
    ("SELECT id, user_id, quota_id, quantity FROM waitlist_entry", "waitlist_waiting"),
    ("SELECT i.last_seq, i.read_seq", "notice_newer"),
    ("SELECT id FROM (SELECT * FROM (SELECT event.id", "event_by_organizer"),
];

/// Returns true if a statement pages or counts the catalog from an index alone; the test of it is that no event is
/// read.
fn is_catalog(sql: &str) -> bool {
    sql.contains("FROM event WHERE event.status = 'PUBLISHED'") && !sql.contains("(SELECT true")
}

/// Invites a member, who declines, accepts, gets another role and leaves.
async fn a_team(owner: &Actor, new: &Actor) {
    let me = new.ask("{ viewer { email memberships { role } } }", json!({})).await.ok();
    let team = owner.ask("{ viewer { organizer { id } } }", json!({})).await.ok().text("viewer.organizer.id");
    let invite = json!({ "organizerId": team, "email": me.text("viewer.email"), "role": "VIEWER" });
    for verb in ["declineInvitation", "revokeInvitation", "acceptInvitation"] {
        let invited = owner.mutate("inviteMember", invite.clone(), "invitation { id }").await.ok();
        owner.mutate("inviteMember", invite.clone(), "invitation { id }").await.ok();
        new.ask("{ myInvitations(first: 5) { nodes { id } } }", json!({})).await.ok();
        let id = json!({ "invitationId": invited.text("inviteMember.invitation.id") });
        let who = if verb == "revokeInvitation" { owner } else { new };
        who.mutate(verb, id, "invitation { status }").await.ok();
    }
    let query = "query($id: ID!) { organizer(id: $id) { members(last: 5) { nodes { id } } invitations(first: 5) { nodes { id } } } }";
    let members = owner.ask(query, json!({ "id": team })).await.ok();
    let member = members.text("organizer.members.nodes.1.id");
    new.ask("{ myEvents(first: 5) { totalCount nodes { id } } }", json!({})).await.ok();
    let change = json!({ "membershipId": member, "role": "OWNER" });
    owner.mutate("changeMemberRole", change, "membership { role }").await.ok();
    new.mutate("removeMember", json!({ "membershipId": member }), "removedId").await.ok();
}

/// Runs everything that users do in a day, and the reactions to it.
async fn a_day(app: &TestApp) {
    let (organizer, admin) = (app.organizer().await, app.admin().await);
    let people = app.customers(4).await;
    let email = "grace@example.org";
    let input = json!({ "email": email, "password": "correct horse battery", "name": "Grace", "role": "CUSTOMER" });
    app.anonymous().mutate("signUp", input, "token { expiresAt }").await.ok();
    let input = json!({ "email": email, "password": "correct horse battery" });
    app.anonymous().mutate("signIn", input.clone(), "token { expiresAt }").await.ok();
    let again = app.anonymous().mutate("signIn", input, "token { accessToken refreshToken } viewer { id }").await.ok();
    let refresh = json!({ "refreshToken": again.text("signIn.token.refreshToken") });
    app.anonymous().mutate("refreshSession", refresh.clone(), "token { expiresAt }").await.ok();
    app.anonymous().mutate("refreshSession", refresh, "token { expiresAt }").await.ok();
    app.anonymous()
        .mutate("refreshSession", json!({ "refreshToken": format!("bor_{}", "A".repeat(43)) }), "viewer { id }")
        .await;
    let mut grace = app.customer().await;
    grace.token = Some(again.text("signIn.token.accessToken"));
    let ends = json!({ "name": "till", "scopes": ["BOOK"], "expiresAt": "2026-02-01T00:00:00Z" });
    let made = grace.mutate("createApiToken", ends, "secret apiToken { id }").await.ok();
    let mut till = grace.clone();
    till.token = Some(made.text("createApiToken.secret"));
    till.ask("{ viewer { id } }", json!({})).await.ok();
    grace
        .ask("{ mySessions(first: 5) { nodes { id } } myApiTokens(first: 5) { nodes { id usedAt } } }", json!({}))
        .await
        .ok();
    let revoke = json!({ "apiTokenId": made.text("createApiToken.apiToken.id") });
    grace.mutate("revokeApiToken", revoke, "apiToken { id }").await.ok();
    let change = json!({ "currentPassword": "correct horse battery", "newPassword": "a better password" });
    grace.mutate("changePassword", change, "viewer { id }").await.ok();
    let user = json!({ "userId": again.text("signIn.viewer.id") });
    admin.ask("{ users(first: 5, filter: { email: \"grace@example.org\" }) { nodes { id } } }", json!({})).await.ok();
    admin.ask("{ users(last: 5) { nodes { id } } }", json!({})).await.ok();
    let role = json!({ "userId": again.text("signIn.viewer.id"), "role": "ORGANIZER" });
    admin.mutate("setUserRole", role, "user { id }").await.ok();
    admin.mutate("disableUser", user.clone(), "user { id }").await.ok();
    admin.mutate("enableUser", user, "user { id }").await.ok();
    grace.mutate("signOutEverywhere", json!({}), "ended").await;

    let event = organizer.event(4).await;
    let cancelled = organizer.event(4).await;
    a_team(&organizer, &app.organizer().await).await;
    let mut feed = people[1].socket().await;
    feed.subscribe("n", "subscription { noticeReceived { cursor unreadCount notice { read } } }", json!({})).await;
    feed.subscribe("b", "subscription { bookingChanged { cursor } }", json!({})).await;
    let available = "subscription($ids: [ID!]) { availabilityChanged(eventIds: $ids) { available } }";
    feed.subscribe("a", available, json!({ "ids": [event, cancelled] })).await;
    let kept = people[0].book(&event, 2, "ALL_OR_NOTHING", Some("k1")).await.ok();
    people[0].book(&event, 2, "ALL_OR_NOTHING", Some("k1")).await.ok();
    let freed = people[1].books(&event, 2).await;
    people[2].book(&event, 3, "PARTIAL_AND_WAITLIST", None).await.ok();
    let left = people[3].join(&event, 1, false).await.ok().text("joinWaitlist.waitlistEntry.id");
    people[2].book(&event, 1, "PARTIAL_AND_WAITLIST", None).await.ok();
    people[3].leave(&left).await.ok();
    people[1].cancel(&freed).await.ok();
    organizer.resize(&event, 9).await.ok();
    people[3].join(&event, 9, false).await;
    organizer.mutate("updateEvent", json!({ "eventId": event, "venue": "Hall B" }), "event { id }").await.ok();
    let again = people[2].join(&event, 1, false).await;
    let input = json!({ "entryId": again.at("joinWaitlist.waitlistEntry.id") });
    people[2].mutate("confirmWaitlistEntry", input, "waitlistEntry { pause positionAtLeast }").await;
    people[0].books(&cancelled, 1).await;
    people[1].book(&cancelled, 9, "PARTIAL_AND_WAITLIST", None).await.ok();
    organizer.mutate("cancelEvent", json!({ "eventId": cancelled }), "event { id }").await.ok();
    app.settled().await;
    let large = organizer.event(1_200).await;
    crate::notification::fill(app, &large, 1_100).await;
    organizer.mutate("updateEvent", json!({ "eventId": large, "venue": "Hall C" }), "event { id }").await.ok();
    app.settled().await;

    let booking = kept.text("createBooking.booking.id");
    let reference = kept.text("createBooking.booking.reference");
    let mine = "query($id: ID!, $reference: String!, $event: ID!) {
        node(id: $id) { id } booking(reference: $reference) { id event { slug organizer { name } availability { available } } }
        myBookings(first: 5) { totalCount nodes { quantity total { amount } slot { id } customer { name } promotedFrom { id } }
            pageInfo { hasNextPage endCursor } }
        back: myBookings(last: 5, status: CONFIRMED) { nodes { items { ticketType { name } } } }
        coming: myBookings(first: 5, when: UPCOMING) { totalCount nodes { event { myBookings { id } myWaitlistEntry { id } } } }
        here: myBookings(first: 5, when: PAST, eventId: $event) { totalCount nodes { event { myBookings(status: CONFIRMED) { id } } } }
        myWaitlistEntries(first: 5) { nodes { position event { title } ticketType { id } } }
        organizer(slug: \"none\") { id }
        notices(first: 5) { nodes { read text booking { id } event { id } changes { field } } } viewer { organizer { id } } }";
    for person in &people {
        let answer = person.ask(mine, json!({ "id": booking, "reference": reference, "event": event })).await;
        person.mutate("markNoticesRead", json!({ "upTo": 1 }), "unreadCount notices { read }").await.ok();
        assert!(answer.at("viewer").is_object(), "{}", answer.body);
    }
    let browse = "query($after: String, $organizer: ID) {
        events(first: 1, after: $after, filter: { text: \"rust\", hasTickets: true }) { totalCount nodes { id } pageInfo { endCursor } }
        latest: events(last: 3, sort: PUBLISHED_AT_DESC, filter: { organizerId: $organizer }) { nodes { id } }
        cheap: events(first: 5, filter: { from: \"2026-01-01T00:00:00Z\", price: { to: \"99\" } }) { totalCount nodes { id } }
        free: events(first: 5, sort: PUBLISHED_AT_DESC, filter: { free: true }) { totalCount nodes { id } }
        words: events(first: 5, filter: { text: \"nation rust\" }) { totalCount nodes { id } }
        event(slug: \"rust-nation\") { id slots { id } ticketTypes { id } } }";
    let first = people[0].ask(browse, json!({})).await;
    let after = first.at("events.pageInfo.endCursor").as_str().expect("a cursor").to_owned();
    people[0].ask(browse, json!({ "after": after })).await.ok();
    let office = "query($id: ID!) { event(id: $id) {
        bookings(first: 5, status: CONFIRMED) { totalCount nodes { id } }
        waitlist(first: 5) { nodes { position } } participants(first: 5) { nodes { customer { id } } } } }";
    for person in [&organizer, &admin] {
        person.ask(office, json!({ "id": event })).await.ok();
    }
    let own = "{ myEvents(first: 5) { totalCount nodes { id } } drafts: myEvents(last: 5, filter: { status: DRAFT }) { totalCount }
        latest: myEvents(first: 5, sort: PUBLISHED_AT_DESC, filter: { text: \"rust\" }) { nodes { id } }
        newest: myEvents(first: 5, sort: PUBLISHED_AT_DESC) { nodes { id } } }";
    organizer.ask(own, json!({})).await.ok();
    admin.ask(own, json!({})).await.ok();
    boxoffice::event::search::reindex(app.db()).await.unwrap();
    hold_and_lose_a_job(app).await;
    let id = boxoffice::id::NodeId::parse(&event).unwrap();
    boxoffice::booking::promote::promote_left(&app.app.ctx).await.unwrap();
    boxoffice::booking::promote::chunk(&app.app.ctx, id, None).await.unwrap();
    boxoffice::booking::close::chunk_of_account(&app.app.ctx, people[3].user, None).await.unwrap();
    boxoffice::booking::close::close_begun(&app.app.ctx).await.unwrap();
    boxoffice::event::archive::archive(app.db(), app.clock.now()).await.unwrap();
    boxoffice::account::retention::purge(app.db(), app.clock.now()).await.unwrap();
    let (keep, stop) = (Default::default(), Default::default());
    boxoffice::retention::sweep(&app.app.ctx, &keep, &stop).await;
    app.settled().await;
}

/// Renews and fails a job as a worker does; the job's number does not exist here.
async fn hold_and_lose_a_job(app: &TestApp) {
    let (now, token) = (app.clock.now(), claim::Token(uuid::Uuid::nil()));
    claim::renew(app.db(), &[0], token, now).await.unwrap();
    claim::rescue(app.db(), &boxoffice::jobs::KINDS, now).await.unwrap();
    let failed = claim::Failed {
        id: 0,
        lease_token: token,
        counts_attempt: 1,
        is_permanent: 0,
        run_at: now,
        last_error: "no such job".to_owned(),
    };
    let failed = &[failed];
    let lost = |tx: db::Tx| async move { claim::fail(&tx, failed, now).await };
    app.db().write::<_, DbError, _, _>(Priority::Worker, lost).await.unwrap();
}

#[derive(FromQueryResult)]
struct Step {
    detail: String,
}

/// Returns the tables that SQLite reads whole, according to its plan.
async fn whole_sqlite(db: &DatabaseConnection, sql: &str) -> Vec<String> {
    let explain = Statement::from_string(DbBackend::Sqlite, format!("EXPLAIN QUERY PLAN {sql}"));
    let rows = db.query_all_raw(explain).await.unwrap();
    let steps: Vec<String> = rows.iter().map(|row| Step::from_query_result(row, "").unwrap().detail).collect();
    for (statement, index) in OPEN_ONLY {
        let is_planned_so = steps.iter().any(|step| step.contains(index));
        assert!(!sql.starts_with(statement) || is_planned_so, "{steps:?}: {sql}");
    }
    let is_covered = steps.iter().any(|step| step.starts_with("SEARCH event USING COVERING INDEX event_by_"));
    assert!(!is_catalog(sql) || is_covered, "{steps:?}: {sql}");
    let is_whole = |step: &String| {
        let Some(name) = step.strip_prefix("SCAN ").filter(|_| !step.contains("VIRTUAL TABLE")) else { return false };
        let name = name.split(' ').next().unwrap_or("");
        // Reading the first rows in the order of an index does not read the whole table.
        if (step.contains("USING INDEX") || step.contains("USING COVERING INDEX"))
            && sql.contains(" LIMIT ")
            && !sql.contains(" WHERE ")
        {
            return false;
        }
        let is_derived = name.starts_with('(')
            || name == "CONSTANT"
            || sql.contains(&format!(") {name}"))
            || sql.contains(&format!(") AS \"{name}\""));
        !is_derived
    };
    steps.into_iter().filter(is_whole).collect()
}

/// Returns the tables that PostgreSQL reads whole, also by way of an index. The connections of the product are told to
/// avoid it; the tables are as small as in a new installation, where nothing else would keep PostgreSQL from doing so.
#[expect(clippy::disallowed_methods, reason = "nothing is written: settings that end with the transaction")]
async fn whole_postgres(db: &DatabaseConnection, sql: &str) -> Vec<String> {
    let binds = (1..=20).rev().find(|n| sql.contains(&format!("${n}"))).unwrap_or(0);
    let nulls = vec!["NULL"; binds].join(", ");
    let call = if binds == 0 { "EXECUTE plan_of".to_owned() } else { format!("EXECUTE plan_of({nulls})") };
    let run = |sql: String| Statement::from_string(DbBackend::Postgres, sql);
    // One connection for all three: a transaction.
    let tx = sea_orm::TransactionTrait::begin(db).await.unwrap();
    tx.execute_unprepared("SET LOCAL plan_cache_mode = force_generic_plan").await.unwrap();
    if let Err(error) = tx.execute_unprepared(&format!("PREPARE plan_of AS {sql}")).await {
        panic!("cannot prepare {sql}: {error}");
    }
    let rows = tx.query_all_raw(run(format!("EXPLAIN {call}"))).await.unwrap();
    let steps: Vec<String> = rows.iter().map(|row| row.try_get_by_index::<String>(0).unwrap()).collect();
    tx.execute_unprepared("DEALLOCATE plan_of").await.unwrap();
    tx.rollback().await.unwrap();
    let is_whole = |(at, step): &(usize, &String)| {
        let has_condition = steps.get(at + 1).is_some_and(|next| next.contains("Index Cond:"));
        // Reading the first rows in the order of an index does not read the whole table.
        let is_first_rows = sql.replace("LIMIT (SELECT NULL::bigint)", "").contains(" LIMIT ");
        step.contains("Seq Scan on") || step.contains("Scan using") && !has_condition && !is_first_rows
    };
    steps.iter().enumerate().filter(is_whole).map(|(_, step)| step.trim().to_owned()).collect()
}

/// Returns true for a statement of the harness, not of the product.
fn is_harness(sql: &str) -> bool {
    ["stream_head h, consumer c", "'FILL-'", "'f' || i"].iter().any(|part| sql.contains(part))
}

/// Plans follow PostgreSQL's statistics, which it collects in the background: here it has none, as on the first day,
/// until ANALYZE runs.
async fn keep_ignorant(db: &DatabaseConnection) {
    if matches!(db.get_database_backend(), DbBackend::Postgres) {
        let each = "DO $$ DECLARE t text; BEGIN
            FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() LOOP
                EXECUTE format('ALTER TABLE %I SET (autovacuum_enabled = off)', t);
            END LOOP; END $$";
        db.execute_unprepared(each).await.unwrap();
    }
}

/// Returns the tables that a statement reads whole.
async fn read_whole(app: &TestApp, sql: &str) -> Vec<String> {
    let has_plan = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].iter().any(|word| sql.starts_with(word));
    match (has_plan, app.db().is_sqlite()) {
        (false, _) => Vec::new(),
        (true, true) => whole_sqlite(app.db().read(), sql).await,
        (true, false) => whole_postgres(app.db().read(), sql).await,
    }
}

async fn play(stage: Stage) {
    log::collect();
    let app = stage.app_with(|options| options.throttle = Some(Default::default())).await;
    keep_ignorant(app.db().read()).await;
    a_day(&app).await;
    let ran: BTreeSet<String> = log::collected();
    // The check can fail: here is a statement without an index.
    assert!(!read_whole(&app, "SELECT user_id FROM notice WHERE cause = $1").await.is_empty());
    let mut whole = Vec::new();
    for sql in &ran {
        for step in read_whole(&app, sql).await {
            if !READ_WHOLE.iter().any(|(table, _)| step.contains(table)) && !is_harness(sql) {
                whole.push(format!("{step}\n    {sql}"));
            }
        }
    }
    for (statement, _) in OPEN_ONLY {
        assert!(ran.iter().any(|sql| sql.starts_with(statement)), "never ran: {statement}");
    }
    let catalog = ran.iter().filter(|sql| is_catalog(sql)).count();
    assert!(catalog >= 4, "pages and counts by price, pages by time: only {catalog} were seen");
    assert!(ran.len() > 60, "only {} statements were seen", ran.len());
    assert!(whole.is_empty(), "{} of {}:\n{}", whole.len(), ran.len(), whole.join("\n"));
    if !app.db().is_sqlite() {
        // At rest no job is leased, so an index of the leased jobs looks like the shortest way to any job. Under load
        // it is not.
        app.db().read().execute_unprepared("ANALYZE job").await.unwrap();
        let of_one_job = |sql: &&String| sql.starts_with("UPDATE job") && sql.contains("lease_token = ");
        let (mut asked, set) = (0, ["'succeeded'", "'dead'", "SET lease_until", "SET progress"]);
        for sql in ran.iter().filter(of_one_job) {
            asked += usize::from(set.iter().any(|set| sql.contains(set)));
            assert_eq!(read_whole(&app, sql).await, Vec::<String>::new(), "{sql}");
        }
        assert!(asked >= set.len(), "succeed, fail, renew and advance: only {asked} were seen");
    }
}

/// Runs on one thread, where no other statements are collected.
fn alone(stage: impl Future<Output = Stage>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        play(stage.await).await;
    });
}

mod every_statement_uses_an_index {
    use super::*;

    #[test]
    fn sqlite() {
        alone(async { Stage::sqlite() });
    }

    #[test]
    #[ignore = "needs PostgreSQL: scripts/with-postgres cargo test"]
    fn postgres() {
        alone(Stage::postgres());
    }
}
