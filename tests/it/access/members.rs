//! Teams of organizers: the actions of each role, executed; invitations, changes of roles and their effect.
//! Not here: viewers without a role in the team (`access`), and the policy as a table (`policy.snap`).

use boxoffice::id::{InvitationId, NodeId};
use serde_json::{Value, json};

use super::world::{address, organizer_of};
use crate::harness::{Actor, Answer, TestApp};

/// An organizer with a member of each role, an organizer beside it, and a customer.
struct Team {
    organizer: String,
    owner: Actor,
    /// The members in the order of [`ROLES`], then the other organizer.
    people: Vec<Actor>,
    customer: Actor,
    app: TestApp,
}

const ROLES: [&str; 4] = ["OWNER", "MANAGER", "DOOR_STAFF", "VIEWER"];

/// Outcome of each action, for a member of each role and for another organizer.
const TABLE: &str = "
                         OWNER   MANAGER     DOOR_STAFF  VIEWER      other
see a draft              yes     yes         yes         yes         null
list the events          yes     yes         yes         yes         null
see availability         yes     yes         yes         yes         yes
see bookings             yes     yes         yes         null        null
count bookings           yes     yes         yes         null        null
see participants         yes     yes         yes         null        null
see the waitlist         yes     yes         yes         null        null
read a booking           yes     yes         yes         null        null
stream bookings          yes     yes         yes         FORBIDDEN   NOT_FOUND
create an event          yes     yes         FORBIDDEN   FORBIDDEN   NOT_FOUND
update an event          yes     yes         FORBIDDEN   FORBIDDEN   NOT_FOUND
publish an event         yes     yes         FORBIDDEN   FORBIDDEN   NOT_FOUND
change the capacity      yes     yes         FORBIDDEN   FORBIDDEN   NOT_FOUND
call an event off        yes     yes         FORBIDDEN   FORBIDDEN   NOT_FOUND
delete a draft           yes     yes         FORBIDDEN   FORBIDDEN   NOT_FOUND
cancel a booking         yes     yes         FORBIDDEN   NOT_FOUND   NOT_FOUND
see members              yes     yes         null        null        null
see invitations          yes     yes         null        null        null
invite a member          yes     FORBIDDEN   FORBIDDEN   FORBIDDEN   NOT_FOUND
revoke an invitation     yes     FORBIDDEN   FORBIDDEN   FORBIDDEN   NOT_FOUND
change a role            yes     FORBIDDEN   FORBIDDEN   FORBIDDEN   NOT_FOUND
remove a member          yes     FORBIDDEN   FORBIDDEN   FORBIDDEN   NOT_FOUND
leave                    yes     yes         yes         yes         NOT_FOUND
";

/// Invites an organizer account and accepts; returns the id of the membership.
async fn enrol(owner: &Actor, organizer: &str, new: &Actor, role: &str) -> String {
    let invitation = invited(owner, organizer, &address(new).await, role).await;
    let accepted =
        new.mutate("acceptInvitation", json!({ "invitationId": invitation }), "membership { id role }").await;
    let accepted = accepted.ok();
    assert_eq!(accepted.text("acceptInvitation.membership.role"), role);
    accepted.text("acceptInvitation.membership.id")
}

/// Invites an address; returns the id of the invitation.
async fn invited(owner: &Actor, organizer: &str, email: &str, role: &str) -> String {
    let input = json!({ "organizerId": organizer, "email": email, "role": role });
    owner.mutate("inviteMember", input, "invitation { id }").await.ok().text("inviteMember.invitation.id")
}

/// Returns the id of the membership of a user in an organizer.
async fn membership(person: &Actor, organizer: &str) -> String {
    let mine = person.ask("{ viewer { memberships { id organizer { id } } } }", json!({})).await.ok();
    let mine = mine.at("viewer.memberships").as_array().unwrap().clone();
    let found = mine.iter().find(|one| one["organizer"]["id"] == organizer).expect("not a member");
    found["id"].as_str().unwrap().to_owned()
}

/// Returns `yes`, `null`, or the code of the fault or refusal.
fn verdict(answer: &Answer, path: &str) -> String {
    match (answer.fault(), answer.refusal(), answer.at(path)) {
        ("", "", Value::Null) => "null".to_owned(),
        ("", "", _) => "yes".to_owned(),
        ("", refusal, _) => refusal.to_owned(),
        (fault, ..) => fault.to_owned(),
    }
}

impl Team {
    async fn build(app: &TestApp) -> Self {
        let owner = app.organizer().await;
        let organizer = organizer_of(&owner).await;
        let mut people = Vec::new();
        for role in ROLES {
            let new = app.organizer().await;
            enrol(&owner, &organizer, &new, role).await;
            people.push(new);
        }
        people.push(app.organizer().await);
        Self { organizer, owner, people, customer: app.customer().await, app: app.clone() }
    }

    /// Does an action on objects made for this one try; returns its outcome.
    async fn outcome(&self, action: &str, who: &Actor) -> String {
        let draft = json!({ "eventId": self.owner.draft(5).await });
        let of_event = async |fields: &str, path: &str| {
            let event = self.owner.event(5).await;
            self.customer.books(&event, 5).await;
            let query = format!("query($id: ID!) {{ event(id: $id) {{ {fields} }} }}");
            verdict(&who.ask(&query, json!({ "id": event })).await, &format!("event.{path}"))
        };
        let of_team = async |fields: &str, path: &str| {
            let query = format!("query($id: ID!) {{ organizer(id: $id) {{ {fields} }} }}");
            verdict(&who.ask(&query, json!({ "id": self.organizer })).await, &format!("organizer.{path}"))
        };
        let done = async |verb: &str, input: Value, fields: &str| {
            let answer = who.mutate(verb, input, &format!("done: {fields}")).await;
            verdict(&answer, &format!("{verb}.done"))
        };
        match action {
            "see a draft" => {
                let query = "query($eventId: ID!) { event(id: $eventId) { id } }";
                verdict(&who.ask(query, draft).await, "event")
            }
            "list the events" => {
                let query = "query($of: ID!) { myEvents(first: 1, filter: { organizerId: $of, status: DRAFT }) { nodes { id } } }";
                verdict(&who.ask(query, json!({ "of": self.organizer })).await, "myEvents.nodes.0")
            }
            "see availability" => of_event("availability { sold waiting }", "availability.sold").await,
            "see bookings" => {
                of_event("bookings(first: 1) { nodes { customer { email } } }", "bookings.nodes.0.customer.email").await
            }
            "count bookings" => of_event("bookings(first: 1) { totalCount }", "bookings").await,
            "see participants" => of_event("participants(first: 1) { nodes { tickets } }", "participants").await,
            "see the waitlist" => of_event("waitlist(first: 1) { nodes { id } }", "waitlist").await,
            "read a booking" => {
                let booking = self.customer.books(&self.owner.event(5).await, 1).await;
                let query = "query($id: ID!) { booking(id: $id) { id } }";
                verdict(&who.ask(query, json!({ "id": booking })).await, "booking")
            }
            "stream bookings" => self.opened(who).await,
            "create an event" => {
                let input = json!({
                    "organizerId": self.organizer, "title": "T", "venue": "V", "timeZone": "UTC", "capacity": 1,
                    "startsAt": "2026-05-01T00:00:00Z", "endsAt": "2026-05-02T00:00:00Z",
                });
                done("createEvent", input, "event { id }").await
            }
            "update an event" => {
                done("updateEvent", json!({ "eventId": draft["eventId"], "venue": "Hall C" }), "event { id }").await
            }
            "publish an event" => done("publishEvent", draft, "event { id }").await,
            "change the capacity" => {
                done("setEventCapacity", json!({ "eventId": draft["eventId"], "capacity": 6 }), "event { id }").await
            }
            "call an event off" => {
                done("cancelEvent", json!({ "eventId": self.owner.event(5).await }), "event { id }").await
            }
            "delete a draft" => done("deleteEvent", draft, "deletedId").await,
            "cancel a booking" => {
                let booking = self.customer.books(&self.owner.event(5).await, 1).await;
                done("cancelBooking", json!({ "bookingId": booking }), "booking { id }").await
            }
            "see members" => {
                of_team("members(first: 1) { nodes { user { email } } }", "members.nodes.0.user.email").await
            }
            "see invitations" => of_team("invitations(first: 1) { nodes { id } }", "invitations").await,
            "invite a member" => {
                let email = address(&self.app.organizer().await).await;
                let input = json!({ "organizerId": self.organizer, "email": email, "role": "VIEWER" });
                done("inviteMember", input, "invitation { id }").await
            }
            "revoke an invitation" => {
                let email = address(&self.app.organizer().await).await;
                let invitation = invited(&self.owner, &self.organizer, &email, "VIEWER").await;
                done("revokeInvitation", json!({ "invitationId": invitation }), "invitation { id }").await
            }
            "change a role" | "remove a member" => {
                let member = enrol(&self.owner, &self.organizer, &self.app.organizer().await, "VIEWER").await;
                match action {
                    "change a role" => {
                        let input = json!({ "membershipId": member, "role": "MANAGER" });
                        done("changeMemberRole", input, "membership { id }").await
                    }
                    _ => done("removeMember", json!({ "membershipId": member }), "removedId").await,
                }
            }
            "leave" => {
                let of = if who.user == self.people[4].user { &self.people[1] } else { who };
                let input = json!({ "membershipId": membership(of, &self.organizer).await });
                done("removeMember", input, "removedId").await
            }
            other => panic!("no such action: {other}"),
        }
    }

    /// Opens the stream of bookings; returns `yes` or the code of the refusal.
    async fn opened(&self, who: &Actor) -> String {
        let mut socket = who.socket().await;
        let query = "subscription($of: ID!) { eventBookingChanged(organizerId: $of) { cursor } }";
        socket.subscribe("s", query, json!({ "of": self.organizer })).await;
        let message = socket.message().await;
        let errors = if message["type"] == "error" { &message["payload"] } else { &message["payload"]["errors"] };
        errors[0]["extensions"]["code"].as_str().unwrap_or("yes").to_owned()
    }
}

#[apply(scene!)]
async fn each_role_may_do_its_part(stage: Stage) {
    let app = stage.app().await;
    let team = Team::build(&app).await;
    let mut wrong = Vec::new();
    let mut rows = TABLE.trim_matches('\n').lines();
    assert_eq!(rows.next().unwrap().split_whitespace().take(4).collect::<Vec<_>>(), ROLES);
    for row in rows {
        let mut cells = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        let action = cells.next().unwrap();
        // The other organizer first: a member who leaves is another one, too.
        let expected: Vec<(usize, &str)> = cells.enumerate().collect();
        assert_eq!(expected.len(), team.people.len(), "{row}");
        for (nth, expected) in expected.into_iter().rev() {
            let got = team.outcome(action, &team.people[nth]).await;
            if got != expected {
                wrong.push(format!(
                    "{action} as {}: expected {expected}, got {got}",
                    ROLES.get(nth).unwrap_or(&"other")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The whole way: invited, accepted, an event managed for the other organizer, beside the own one.
#[apply(scene!)]
async fn a_member_of_two_organizers_manages_events_of_both(stage: Stage) {
    let app = stage.app().await;
    let (owner, new) = (app.organizer().await, app.organizer().await);
    let (theirs, own) = (organizer_of(&owner).await, organizer_of(&new).await);
    let draft = owner.draft(3).await;
    let mine = new.draft(3).await;
    let invitation = invited(&owner, &theirs, &address(&new).await.to_uppercase(), "MANAGER").await;
    let shown = "{ myInvitations(first: 5) { nodes { id role status organizer { id } invitedBy { name email } } } }";
    let shown = new.ask(shown, json!({})).await.ok();
    assert_eq!(
        shown.at("myInvitations.nodes"),
        &json!([{
            "id": invitation, "role": "MANAGER", "status": "PENDING", "organizer": { "id": theirs },
            "invitedBy": { "name": owner.name().await, "email": null },
        }])
    );
    let accept = json!({ "invitationId": invitation });
    let fields = "membership { role organizer { id } user { id } } invitation { status }";
    let accepted = new.mutate("acceptInvitation", accept, fields).await.ok();
    assert_eq!(
        accepted.at("acceptInvitation.membership"),
        &json!({
            "role": "MANAGER", "organizer": { "id": theirs }, "user": { "id": new.user.to_global_id() },
        })
    );
    assert_eq!(accepted.text("acceptInvitation.invitation.status"), "ACCEPTED");
    // The next request has the new rights.
    new.mutate("publishEvent", json!({ "eventId": draft }), "event { id }").await.ok();
    let me = new.ask("{ viewer { organizer { id } memberships { role organizer { id } } } }", json!({})).await.ok();
    assert_eq!(
        me.at("viewer"),
        &json!({
            "organizer": { "id": own },
            "memberships": [
                { "role": "OWNER", "organizer": { "id": own } }, { "role": "MANAGER", "organizer": { "id": theirs } },
            ],
        })
    );

    let mut input = json!({
        "title": "T", "venue": "V", "timeZone": "UTC", "capacity": 1,
        "startsAt": "2026-05-01T00:00:00Z", "endsAt": "2026-05-02T00:00:00Z", "idempotencyKey": "k",
    });
    let create = async |input: &Value| new.mutate("createEvent", input.clone(), "event { id organizer { id } }").await;
    let unclear = create(&input).await;
    assert_eq!(unclear.at("createEvent.userErrors.0.code"), "INVALID", "{}", unclear.body);
    assert_eq!(unclear.at("createEvent.userErrors.0.path"), &json!(["input", "organizerId"]));
    input["organizerId"] = json!(theirs);
    let made = create(&input).await.ok();
    assert_eq!(made.text("createEvent.event.organizer.id"), theirs);
    assert_eq!(create(&input).await.ok().body, made.body, "a repeat gets the same event");
    input["organizerId"] = json!(own);
    assert_eq!(create(&input).await.refusal(), "IDEMPOTENCY_KEY_REUSED", "for another organizer it is another request");
    input["organizerId"] = json!(organizer_of(&app.organizer().await).await);
    let refused = create(&input).await;
    assert_eq!(
        (refused.refusal(), refused.at("createEvent.userErrors.0.path")),
        ("NOT_FOUND", &json!(["input", "organizerId"]))
    );

    let listed = async |filter: Value| {
        let query = "query($filter: EventFilter) { myEvents(first: 9, filter: $filter) { totalCount nodes { id } } }";
        let found = new.ask(query, json!({ "filter": filter })).await.ok();
        let ids: Vec<Value> =
            found.at("myEvents.nodes").as_array().unwrap().iter().map(|node| node["id"].clone()).collect();
        assert_eq!(found.int("myEvents.totalCount") as usize, ids.len());
        ids
    };
    let of_theirs = vec![json!(draft), json!(made.text("createEvent.event.id"))];
    assert_eq!(listed(json!({ "organizerId": theirs })).await, of_theirs);
    assert_eq!(listed(json!({ "organizerId": own })).await, [json!(mine)]);
    let mut both = listed(json!({})).await;
    both.sort_by_key(Value::to_string);
    let mut expected = vec![of_theirs[0].clone(), of_theirs[1].clone(), json!(mine)];
    expected.sort_by_key(Value::to_string);
    assert_eq!(both, expected);

    let query =
        "subscription($of: ID, $event: ID) { eventBookingChanged(organizerId: $of, eventId: $event) { change } }";
    let mut socket = new.socket().await;
    socket.subscribe("unclear", query, json!({})).await;
    assert_eq!(socket.message().await["payload"][0]["extensions"]["code"], "BAD_USER_INPUT");
    socket.subscribe("theirs", query, json!({ "of": theirs })).await;
    assert!(socket.next("theirs").await["eventBookingChanged"]["change"].is_null());
    let mut by_event = new.socket().await;
    by_event.subscribe("event", query, json!({ "event": draft })).await;
    assert!(by_event.next("event").await["eventBookingChanged"]["change"].is_null());
    app.customer().await.books(&draft, 1).await;
    assert_eq!(socket.next("theirs").await["eventBookingChanged"]["change"], "CREATED");
    assert_eq!(by_event.next("event").await["eventBookingChanged"]["change"], "CREATED");
}

#[apply(scene!)]
async fn an_invitation_is_for_one_address_once(stage: Stage) {
    let app = stage.app().await;
    let (owner, new, other) = (app.organizer().await, app.organizer().await, app.organizer().await);
    let organizer = organizer_of(&owner).await;
    let email = address(&new).await;
    let invite = async |email: &str, role: &str| {
        let input = json!({ "organizerId": organizer, "email": email, "role": role });
        owner.mutate("inviteMember", input, "invitation { id role expiresAt }").await
    };
    let answer = async |who: &Actor, verb: &str, id: &str| {
        who.mutate(verb, json!({ "invitationId": id }), "invitation { status }").await
    };
    let told = |answer: &Answer, verb: &str| {
        (answer.refusal().to_owned(), answer.at(&format!("{verb}.userErrors.0.path")).clone())
    };
    let at = |field: &str| json!(["input", field]);

    let bad = invite("nobody", "VIEWER").await;
    assert_eq!(told(&bad, "inviteMember"), ("INVALID".into(), at("email")));
    let same = invite(&address(&owner).await, "VIEWER").await;
    assert_eq!(told(&same, "inviteMember"), ("ALREADY_MEMBER".into(), at("email")));
    // The address of a customer gets the same answer; the customer cannot accept.
    let customer = app.customer().await;
    let refused = invite(&address(&customer).await, "OWNER").await.ok().text("inviteMember.invitation.id");
    assert_eq!(answer(&customer, "acceptInvitation", &refused).await.fault(), "FORBIDDEN");

    let first = invite(&email, "VIEWER").await.ok();
    let id = first.text("inviteMember.invitation.id");
    for verb in ["acceptInvitation", "declineInvitation", "revokeInvitation"] {
        let refused = answer(&other, verb, &id).await;
        assert_eq!(told(&refused, verb), ("NOT_FOUND".into(), at("invitationId")), "{verb}");
    }
    let none = InvitationId(uuid::Uuid::from_u128(7)).to_global_id();
    assert_eq!(answer(&new, "acceptInvitation", &none).await.refusal(), "NOT_FOUND");
    app.clock.advance(std::time::Duration::from_secs(60));
    let renewed = invite(&email, "DOOR_STAFF").await.ok();
    assert_eq!(renewed.text("inviteMember.invitation.id"), id, "a second invitation renews the first");
    assert_eq!(renewed.text("inviteMember.invitation.role"), "DOOR_STAFF");
    assert_ne!(renewed.at("inviteMember.invitation.expiresAt"), first.at("inviteMember.invitation.expiresAt"));

    let over = |answer: Answer, verb: &str| {
        assert_eq!(told(&answer, verb), ("INVALID_TRANSITION".into(), at("invitationId")), "{}", answer.body);
    };
    app.sql(
        "UPDATE membership_invitation SET expires_at = $1 WHERE email_key = $2",
        [app.clock.now().into(), email.to_lowercase().into()],
    )
    .await;
    over(answer(&new, "acceptInvitation", &id).await, "acceptInvitation");
    let list = "{ myInvitations(first: 5) { nodes { id } } }";
    assert_eq!(new.ask(list, json!({})).await.ok().at("myInvitations.nodes"), &json!([]), "it has expired");
    assert_eq!(invite(&email, "DOOR_STAFF").await.ok().text("inviteMember.invitation.id"), id);
    assert_eq!(
        answer(&new, "declineInvitation", &id).await.ok().text("declineInvitation.invitation.status"),
        "DECLINED"
    );
    over(answer(&new, "acceptInvitation", &id).await, "acceptInvitation");
    let second = invite(&email, "VIEWER").await.ok().text("inviteMember.invitation.id");
    assert_ne!(second, id);
    answer(&owner, "revokeInvitation", &second).await.ok();
    over(answer(&new, "acceptInvitation", &second).await, "acceptInvitation");
    over(answer(&owner, "revokeInvitation", &second).await, "revokeInvitation");
    let third = invite(&email, "VIEWER").await.ok().text("inviteMember.invitation.id");
    answer(&new, "acceptInvitation", &third).await.ok();
    over(answer(&new, "acceptInvitation", &third).await, "acceptInvitation");
    assert_eq!(invite(&email, "OWNER").await.refusal(), "ALREADY_MEMBER");
    let team = "query($id: ID!) { organizer(id: $id) { members(last: 5) { nodes { role user { email } } }
                invitations(first: 5) { nodes { id } } } }";
    let team = owner.ask(team, json!({ "id": organizer })).await.ok();
    assert_eq!(
        team.at("organizer.members.nodes"),
        &json!([
            { "role": "OWNER", "user": { "email": address(&owner).await } }, { "role": "VIEWER", "user": { "email": email } },
        ])
    );
    assert_eq!(team.at("organizer.invitations.nodes"), &json!([{ "id": refused }]), "only the customer's is open");
}

#[apply(scene!)]
async fn an_organizer_keeps_an_owner(stage: Stage) {
    let app = stage.app().await;
    let (owner, second, admin) = (app.organizer().await, app.organizer().await, app.admin().await);
    let organizer = organizer_of(&owner).await;
    let mine = membership(&owner, &organizer).await;
    let remove = async |who: &Actor, id: &str| {
        who.mutate("removeMember", json!({ "membershipId": id }), "removedId organizer { id }").await
    };
    let demote = async |who: &Actor, id: &str| {
        who.mutate("changeMemberRole", json!({ "membershipId": id, "role": "MANAGER" }), "membership { role }").await
    };
    let last = |answer: Answer, verb: &str| {
        let path = answer.at(&format!("{verb}.userErrors.0.path"));
        assert_eq!((answer.refusal(), path), ("LAST_OWNER", &json!(["input", "membershipId"])), "{}", answer.body);
    };
    last(remove(&owner, &mine).await, "removeMember");
    last(demote(&owner, &mine).await, "changeMemberRole");
    last(remove(&admin, &mine).await, "removeMember");
    let theirs = enrol(&owner, &organizer, &second, "OWNER").await;
    // An owner who may not use the right does not count.
    let user = json!({ "userId": second.user.to_global_id() });
    admin.mutate("setUserRole", json!({ "userId": user["userId"], "role": "CUSTOMER" }), "user { id }").await.ok();
    last(remove(&owner, &mine).await, "removeMember");
    admin.mutate("setUserRole", json!({ "userId": user["userId"], "role": "ORGANIZER" }), "user { id }").await.ok();
    app.eventually("the second is an owner again", || async {
        second.ask("{ myEvents(first: 1) { totalCount } }", json!({})).await.fault().is_empty()
    })
    .await;
    // Each removes the other at the same time: one of them stays.
    let (first, other) = tokio::join!(remove(&owner, &theirs), remove(&second, &mine));
    let outcomes = [first.refusal(), other.refusal()];
    assert_eq!(outcomes.iter().filter(|refusal| refusal.is_empty()).count(), 1, "{outcomes:?}");
    let sql = "SELECT count(*) AS n FROM membership m JOIN organizer o ON o.id = m.organizer_id
               WHERE m.role = 'OWNER' AND o.id = (SELECT organizer_id FROM membership_invitation)";
    assert_eq!(app.number(sql, []).await, 1);
}

/// A change ends running streams and narrows API tokens; the next request is decided by the new role.
#[apply(scene!)]
async fn a_change_of_a_membership_takes_effect_at_once(stage: Stage) {
    // Sessions are remembered for long, so that nothing but the revocation can bring the new rights.
    let app = stage.app_with(|options| options.sessions.remembered = std::time::Duration::from_secs(86_400)).await;
    let (owner, member) = (app.organizer().await, app.organizer().await);
    let organizer = organizer_of(&owner).await;
    let event = owner.event(5).await;
    app.customer().await.books(&event, 1).await;
    let id = enrol(&owner, &organizer, &member, "MANAGER").await;
    let token =
        json!({ "name": "till", "scopes": ["MANAGE_EVENTS", "READ_SALES"], "expiresAt": "2026-06-01T00:00:00Z" });
    let token = member.mutate("createApiToken", token, "secret").await.ok().text("createApiToken.secret");
    let program = Actor::new(&app, Some(token), member.user, None);
    let invite = json!({ "organizerId": organizer, "email": "a@example.org", "role": "VIEWER" });
    assert_eq!(program.mutate("inviteMember", invite.clone(), "invitation { id }").await.fault(), "FORBIDDEN");
    let resize = async |who: &Actor| who.resize(&event, 6).await;
    resize(&member).await.ok();
    resize(&program).await.ok();
    let sales = "query($id: ID!) { event(id: $id) { bookings(first: 1) { nodes { id } } } }";
    let sees = async |who: &Actor| !who.ask(sales, json!({ "id": event })).await.ok().at("event.bookings").is_null();

    let change = async |role: &str| {
        let input = json!({ "membershipId": id, "role": role });
        owner.mutate("changeMemberRole", input, "membership { role }").await.ok();
    };
    let opened = async || {
        let mut socket = member.socket().await;
        let query = "subscription($of: ID!) { eventBookingChanged(organizerId: $of) { cursor } }";
        socket.subscribe("s", query, json!({ "of": organizer })).await;
        socket.next("s").await;
        socket
    };
    let ended = |message: Value| {
        let text = message.to_string();
        assert!(text.contains("FORBIDDEN") && text.contains("Your rights have changed: subscribe again."), "{text}");
    };
    let mut stream = opened().await;
    change("DOOR_STAFF").await;
    ended(stream.message().await);
    for who in [&member, &program] {
        app.eventually("a changed role is in force", || async { resize(who).await.fault() == "FORBIDDEN" }).await;
        assert!(sees(who).await);
    }
    let mut stream = opened().await;
    change("VIEWER").await;
    ended(stream.message().await);
    for who in [&member, &program] {
        app.eventually("sales are out of sight", || async { !sees(who).await }).await;
    }
    change("OWNER").await;
    member.mutate("inviteMember", invite.clone(), "invitation { id }").await.ok();
    app.eventually("the new owner manages events", || async { resize(&member).await.fault().is_empty() }).await;
    let mut stream = opened().await;
    owner.mutate("removeMember", json!({ "membershipId": id }), "removedId").await.ok();
    ended(stream.message().await);
    for who in [&member, &program] {
        app.eventually("the event is another organizer's", || async { resize(who).await.refusal() == "NOT_FOUND" })
            .await;
    }
    let left = "SELECT count(*) AS n FROM membership_invitation WHERE status = 'PENDING'";
    assert_eq!(app.number(left, []).await, 0, "the invitations of a former owner end");
}

#[apply(scene!)]
async fn owners_and_managers_are_notified_of_bookings(stage: Stage) {
    let app = stage.app().await;
    let team = Team::build(&app).await;
    team.customer.books(&team.owner.event(5).await, 1).await;
    app.settled().await;
    for (person, told) in team.people.iter().zip([1, 1, 0, 0, 0]) {
        assert_eq!(app.notices(person.user, "booking.created").await, told);
    }
    assert_eq!(app.notices(team.owner.user, "booking.created").await, 1);
}

/// An account has 16 memberships at most, and a team 100 members and open invitations.
#[apply(scene!)]
async fn teams_and_memberships_are_bounded(stage: Stage) {
    let app = stage.app().await;
    let new = app.organizer().await;
    let email = address(&new).await;
    for nth in 1..=15 {
        let owner = app.organizer().await;
        let id = invited(&owner, &organizer_of(&owner).await, &email, "VIEWER").await;
        let answer = new.mutate("acceptInvitation", json!({ "invitationId": id }), "membership { id }").await;
        assert_eq!(answer.refusal(), if nth == 15 { "INVALID" } else { "" }, "{nth}: {}", answer.body);
    }
    let organizer = organizer_of(&new).await;
    let invite = async |nth: usize| {
        let input = json!({ "organizerId": organizer, "email": format!("n{nth}@example.org"), "role": "VIEWER" });
        new.mutate("inviteMember", input, "invitation { id }").await
    };
    for nth in 1..100 {
        invite(nth).await.ok();
    }
    let full = invite(100).await;
    assert_eq!(
        (full.refusal(), full.at("inviteMember.userErrors.0.path")),
        ("INVALID", &json!(["input", "organizerId"]))
    );
    invite(99).await.ok(); // renewed
    // An expired one has given up its place, so renewing it needs another.
    let expire = "UPDATE membership_invitation SET expires_at = $1 WHERE email_key = 'n1@example.org'";
    app.sql(expire, [app.clock.now().into()]).await;
    invite(100).await.ok();
    assert_eq!(invite(1).await.refusal(), "INVALID");
}

/// An invitation holds the address of a person who may have no account: it is deleted 30 days after its expiry.
#[apply(scene!)]
async fn old_invitations_are_deleted(stage: Stage) {
    let app = stage.app().await;
    let owner = app.organizer().await;
    invited(&owner, &organizer_of(&owner).await, "nobody@example.org", "VIEWER").await;
    for (days, left) in [(44, 1), (45, 0)] {
        let now = app.clock.now().plus(std::time::Duration::from_secs(days * 24 * 3_600));
        boxoffice::account::retention::purge(app.db(), now).await.unwrap();
        assert_eq!(app.number("SELECT count(*) AS n FROM membership_invitation", []).await, left, "{days}");
    }
}

/// A right that an account loses without a change of its team ends what rests on it: invitations that the account
/// sent, and notices to its organizer.
#[apply(scene!)]
async fn an_account_without_its_role_neither_invites_nor_is_notified(stage: Stage) {
    let app = stage.app().await;
    let (admin, owner, second) = (app.admin().await, app.organizer().await, app.organizer().await);
    let (new, customer) = (app.organizer().await, app.customer().await);
    let organizer = organizer_of(&owner).await;
    enrol(&owner, &organizer, &second, "OWNER").await;
    let event = owner.event(5).await;
    let invitation = invited(&second, &organizer, &address(&new).await, "MANAGER").await;
    let accept = || new.mutate("acceptInvitation", json!({ "invitationId": invitation }), "membership { id }");
    let user = second.user.to_global_id();
    admin.mutate("setUserRole", json!({ "userId": user, "role": "CUSTOMER" }), "user { id }").await.ok();
    customer.books(&event, 1).await;
    app.settled().await;
    assert_eq!(app.notices(owner.user, "booking.created").await, 1);
    assert_eq!(app.notices(second.user, "booking.created").await, 0, "the right to the organizer's notices has ended");
    assert_eq!(accept().await.refusal(), "INVALID_TRANSITION");
    // A present owner makes the invitation good again.
    assert_eq!(invited(&owner, &organizer, &address(&new).await, "MANAGER").await, invitation);
    accept().await.ok();
}

/// A repetition under a key is answered with the first outcome, also after its sender has come to manage the events of
/// several organizers and would have to name one.
#[apply(scene!)]
async fn a_repeated_draft_survives_a_second_membership(stage: Stage) {
    let app = stage.app().await;
    let (owner, member) = (app.organizer().await, app.organizer().await);
    let draft = json!({ "title": "Jazz", "venue": "Club", "timeZone": "UTC", "capacity": 5, "idempotencyKey": "once",
        "startsAt": "2026-02-01T18:00:00Z", "endsAt": "2026-02-01T20:00:00Z" });
    let create = async |input: &Value| member.mutate("createEvent", input.clone(), "event { id }").await;
    let first = create(&draft).await.ok().text("createEvent.event.id");
    enrol(&owner, &organizer_of(&owner).await, &member, "MANAGER").await;
    assert_eq!(create(&draft).await.ok().text("createEvent.event.id"), first);
    let mut other = draft.clone();
    other["idempotencyKey"] = json!("another");
    assert_eq!(create(&other).await.refusal(), "INVALID", "a new request has to name the organizer");
    let mut changed = draft;
    changed["title"] = json!("Blues");
    assert_eq!(create(&changed).await.refusal(), "IDEMPOTENCY_KEY_REUSED");
}
