//! The access matrix: complete, and executed as every kind of viewer on real transports.
//! Not here: what a viewer with the right to a field gets; scenes of each noun show that.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};
use boxoffice::access::{Action, Actor as Who, Role, SignedIn, decide};
use boxoffice::clock::Micros;
use boxoffice::id::{BookingId, Noun, OrganizerId, SessionId, UserId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::socket::Heard;
use crate::harness::{Actor, Answer, TestApp};

const MATRIX: &str = include_str!("snapshots/access_matrix.txt");

/// The columns of the matrix, in order.
const VIEWERS: [&str; 6] =
    ["anonymous", "customer own", "customer foreign", "organizer own", "organizer foreign", "admin"];

/// Field → what each viewer gets; one cell `parent` stands for all.
fn matrix() -> BTreeMap<String, Vec<String>> {
    let rows = MATRIX.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let mut cells = line.split_whitespace().map(str::to_owned);
        (cells.next().unwrap(), cells.collect::<Vec<_>>())
    });
    let mut matrix = BTreeMap::new();
    for (field, cells) in rows {
        assert!(cells == ["parent"] || cells.len() == VIEWERS.len(), "{field}: {cells:?}");
        assert!(matrix.insert(field.clone(), cells).is_none(), "{field} stands twice");
    }
    matrix
}

#[test]
fn every_field_has_a_row_and_every_row_a_field() {
    let mut fields = BTreeSet::new();
    for definition in parse_schema(boxoffice::graphql::sdl()).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        if let TypeKind::Object(object) = &definition.node.kind {
            let name = &definition.node.name.node;
            fields.extend(object.fields.iter().map(|field| format!("{name}.{}", field.node.name.node)));
        }
    }
    let rows: BTreeSet<String> = matrix().into_keys().collect();
    let without: Vec<_> = fields.difference(&rows).collect();
    let dead: Vec<_> = rows.difference(&fields).collect();
    assert!(without.is_empty() && dead.is_empty(), "fields without a row: {without:?}; rows without a field: {dead:?}");
}

#[test]
fn whatever_depends_on_the_viewer_is_no_mere_parent() {
    // A field that a guard or a check protects says so in its description.
    let sdl = boxoffice::graphql::sdl();
    for definition in parse_schema(sdl).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let TypeKind::Object(object) = &definition.node.kind else { continue };
        for field in &object.fields {
            let text = field.node.description.as_ref().map_or("", |text| text.node.as_str());
            let row = format!("{}.{}", definition.node.name.node, field.node.name.node);
            if text.contains("Needs ") || text.contains("Null unless you are") {
                assert_ne!(matrix()[&row], ["parent"], "{row}");
            }
        }
    }
}

/// A world with something of everybody's in it.
struct World {
    viewers: Vec<Actor>,
    event: String,
    booking: String,
    entry: String,
}

async fn world(app: &TestApp) -> World {
    let (own, foreign) = (app.customer().await, app.customer().await);
    let (organizer, rival, admin) = (app.organizer().await, app.organizer().await, app.admin().await);
    let event = organizer.event(2).await;
    let booking = own.books(&event, 2).await;
    let entry = own.join(&event, 1, false).await.ok().text("joinWaitlist.waitlistEntry.id");
    app.settled().await;
    World { viewers: vec![app.anonymous(), own, foreign, organizer, rival, admin], event, booking, entry }
}

/// The document that reaches a field, and where its value stands in the answer.
fn document(field: &str, world: &World, viewer: usize) -> (String, Value, &'static str) {
    let World { event, booking, entry, .. } = world;
    let draft = json!({
        "title": "T", "venue": "V", "timeZone": "UTC", "capacity": 1,
        "startsAt": "2026-05-01T00:00:00Z", "endsAt": "2026-05-02T00:00:00Z",
    });
    let person = json!({ "email": format!("new{viewer}@example.org"), "password": "correct horse", "name": "N" });
    let (name, input, fields) = match field {
        "Query.booking" => return (format!("{{ it: booking(id: \"{booking}\") {{ id }} }}"), json!({}), "it"),
        "Query.event" => return (format!("{{ it: event(id: \"{event}\") {{ id }} }}"), json!({}), "it"),
        "Query.events" => return ("{ it: events(first: 1) { nodes { id } } }".into(), json!({}), "it"),
        "Query.myBookings" => return ("{ it: myBookings(first: 1) { nodes { id } } }".into(), json!({}), "it"),
        "Query.myEvents" => return ("{ it: myEvents(first: 1) { nodes { id } } }".into(), json!({}), "it"),
        "Query.myWaitlistEntries" => {
            return ("{ it: myWaitlistEntries(first: 1) { nodes { id } } }".into(), json!({}), "it");
        }
        "Query.node" => return (format!("{{ it: node(id: \"{entry}\") {{ id }} }}"), json!({}), "it"),
        "Query.nodes" => return (format!("{{ it: nodes(ids: [\"{event}\"]) {{ id }} }}"), json!({}), "it"),
        "Query.notices" => return ("{ it: notices(first: 1) { nodes { id } } }".into(), json!({}), "it"),
        "Query.viewer" => return ("{ it: viewer { id } }".into(), json!({}), "it"),
        "Event.bookings" => {
            return (
                format!("{{ event(id: \"{event}\") {{ it: bookings(first: 1) {{ nodes {{ id }} }} }} }}"),
                json!({}),
                "event.it",
            );
        }
        "Event.participants" => {
            return (
                format!("{{ event(id: \"{event}\") {{ it: participants(first: 1) {{ nodes {{ places }} }} }} }}"),
                json!({}),
                "event.it",
            );
        }
        "Event.waitlist" => {
            return (
                format!("{{ event(id: \"{event}\") {{ it: waitlist(first: 1) {{ nodes {{ id }} }} }} }}"),
                json!({}),
                "event.it",
            );
        }
        "User.email" => {
            return (
                format!("{{ booking(id: \"{booking}\") {{ customer {{ it: email }} }} }}"),
                json!({}),
                "booking.customer.it",
            );
        }
        "User.organizer" => {
            return (
                format!("{{ booking(id: \"{booking}\") {{ customer {{ it: organizer {{ id }} }} }} }}"),
                json!({}),
                "booking.customer.it",
            );
        }
        "Mutation.cancelBooking" => ("CancelBooking", json!({ "bookingId": booking }), "booking { id }"),
        "Mutation.cancelEvent" => ("Event", json!({ "eventId": event }), "event { id }"),
        "Mutation.createAdmin" => ("CreateAdmin", person, "user { id }"),
        "Mutation.createBooking" => ("CreateBooking", json!({ "eventId": event, "quantity": 1 }), "booking { id }"),
        "Mutation.createEvent" => ("CreateEvent", draft, "event { id }"),
        "Mutation.deleteEvent" => ("Event", json!({ "eventId": event }), "deletedId"),
        "Mutation.joinWaitlist" => ("JoinWaitlist", json!({ "eventId": event, "quantity": 1 }), "waitlistEntry { id }"),
        "Mutation.leaveWaitlist" => ("LeaveWaitlist", json!({ "entryId": entry }), "waitlistEntry { id }"),
        "Mutation.markNoticesRead" => ("MarkNoticesRead", json!({ "upTo": 0 }), "readUpTo"),
        "Mutation.publishEvent" => ("Event", json!({ "eventId": event }), "event { id }"),
        "Mutation.setEventCapacity" => ("SetCapacity", json!({ "eventId": event, "capacity": 2 }), "event { id }"),
        "Mutation.signIn" => ("SignIn", json!({ "email": "a@b.org", "password": "p" }), "viewer { id }"),
        "Mutation.signUp" => ("SignUp", person, "viewer { id }"),
        "Mutation.updateEvent" => {
            ("UpdateEvent", json!({ "eventId": event, "venue": format!("Hall {viewer}") }), "event { id }")
        }
        "Subscription.availabilityChanged" => {
            return (
                format!("subscription {{ it: availabilityChanged(eventId: \"{event}\") {{ revision }} }}"),
                json!({}),
                "it",
            );
        }
        "Subscription.bookingChanged" => {
            return ("subscription { it: bookingChanged { cursor } }".into(), json!({}), "it");
        }
        "Subscription.eventBookingChanged" => {
            return ("subscription { it: eventBookingChanged { cursor } }".into(), json!({}), "it");
        }
        "Subscription.noticeReceived" => {
            return ("subscription { it: noticeReceived { cursor } }".into(), json!({}), "it");
        }
        "Subscription.waitlistEntryChanged" => {
            return (
                format!("subscription {{ it: waitlistEntryChanged(entryId: \"{entry}\") {{ status }} }}"),
                json!({}),
                "it",
            );
        }
        other => panic!("no document reaches {other}: write one"),
    };
    let verb = field.strip_prefix("Mutation.").unwrap();
    let query =
        format!("mutation($input: {name}Input!) {{ it: {verb}(input: $input) {{ {fields} userErrors {{ code }} }} }}");
    (query, json!({ "input": input }), "it")
}

/// What a viewer got, in the words of the matrix.
fn verdict(body: &Value, path: &str) -> String {
    if let Some(code) = body["errors"][0]["extensions"]["code"].as_str() {
        return code.to_owned();
    }
    let value = path.split('.').fold(&body["data"], |value, key| &value[key]);
    match value {
        Value::Null => "null".into(),
        payload if payload["userErrors"][0]["code"] == "NOT_FOUND" => "NOT_FOUND".into(),
        _ => "yes".into(),
    }
}

async fn ask(viewer: &Actor, field: &str, query: &str, variables: Value, path: &str) -> String {
    if !field.starts_with("Subscription.") {
        return verdict(&viewer.ask(query, variables).await.body, path);
    }
    let mut socket = viewer.socket().await;
    socket.subscribe("1", query, variables).await;
    match socket.hear().await {
        Heard::Message(message) if message["type"] == "error" => {
            verdict(&json!({ "errors": message["payload"] }), path)
        }
        Heard::Message(message) => verdict(&message["payload"], path),
        Heard::Closed(code, reason) => format!("closed with {code} {reason}"),
    }
}

scene! {
    async fn every_row_is_executed_as_every_viewer(stage: Stage) {
        let app = stage.app().await;
        let world = world(&app).await;
        let mut wrong = Vec::new();
        let matrix = matrix();
        let executed = matrix.iter().filter(|(_, cells)| cells.len() > 1);
        // What ends things comes last, so that the others still find them; within a row foreigners come before owners.
        let last = ["Mutation.leaveWaitlist", "Mutation.cancelBooking", "Mutation.cancelEvent"];
        let (ending, mut rows): (Vec<_>, Vec<_>) = executed.partition(|(field, _)| last.contains(&field.as_str()));
        rows.extend(last.iter().filter_map(|name| ending.iter().find(|(field, _)| field == name)));
        assert!(rows.len() > 30);
        for (field, cells) in rows {
            for viewer in [0, 2, 4, 1, 3, 5] {
                if cells[viewer] == "-" {
                    continue;
                }
                let (query, variables, path) = document(field, &world, viewer);
                let got = ask(&world.viewers[viewer], field, &query, variables, path).await;
                if got != cells[viewer] {
                    wrong.push(format!("{field} as {}: the matrix says {}, got {got}", VIEWERS[viewer], cells[viewer]));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

scene! {
    /// Each place of the list has an answer of its own, and what one may not see looks like what is not there.
    async fn nodes_shows_each_object_to_those_who_may(stage: Stage) {
        let app = stage.app().await;
        let world = world(&app).await;
        let unknown = BookingId(Uuid::from_u128(7)).opaque();
        let ids = json!([world.event, "hello", world.booking, unknown, world.entry, world.viewers[1].user.opaque()]);
        let query = "query($ids: [ID!]!) { them: nodes(ids: $ids) { __typename } }";
        let names = |answer: &Answer| -> Vec<String> {
            let names = answer.at("them").as_array().unwrap_or_else(|| panic!("{}", answer.body)).iter();
            names.map(|node| node["__typename"].as_str().unwrap_or("null").to_owned()).collect()
        };
        for (viewer, seen) in [
            (0, ["Event", "null", "null", "null", "null", "null"]),
            (1, ["Event", "null", "Booking", "null", "WaitlistEntry", "User"]),
            (2, ["Event", "null", "null", "null", "null", "null"]),
            (3, ["Event", "null", "Booking", "null", "WaitlistEntry", "null"]),
            (4, ["Event", "null", "null", "null", "null", "null"]),
            (5, ["Event", "null", "Booking", "null", "WaitlistEntry", "User"]),
        ] {
            let answer = world.viewers[viewer].ask(query, json!({ "ids": ids })).await;
            assert_eq!(names(&answer), seen, "as {}", VIEWERS[viewer]);
            let errors = answer.body["errors"].as_array().unwrap();
            assert_eq!(errors.len(), 1, "only the malformed id is an error: {}", answer.body);
            assert_eq!((answer.fault(), &errors[0]["path"]), ("BAD_USER_INPUT", &json!(["them", 1])));
        }
    }
}

/// The pure policy, printed: each action as each kind of actor.
#[test]
fn the_policy_as_a_table() {
    let (me, other): (UserId, UserId) = (UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
    let (mine, theirs) = (OrganizerId(Uuid::from_u128(3)), OrganizerId(Uuid::from_u128(4)));
    let user = |role, organizer| {
        Who::User(SignedIn { user: me, role, organizer, session: SessionId(Uuid::nil()), expires_at: Micros(0) })
    };
    let actors = [
        ("anonymous", Who::Anonymous),
        ("customer", user(Role::Customer, None)),
        ("organizer", user(Role::Organizer, Some(mine))),
        ("admin", user(Role::Admin, None)),
        ("system", Who::System),
    ];
    let actions = [
        ("browse", Action::Browse),
        ("use an account", Action::UseAccount),
        ("book places", Action::BookPlaces),
        ("run events", Action::RunEvents),
        ("see sales", Action::SeeSales),
        ("cancel a booking", Action::CancelBooking),
        ("administer", Action::Administer),
        ("manage an event of mine", Action::ManageEventOf(mine)),
        ("manage an event of theirs", Action::ManageEventOf(theirs)),
        ("see sales of mine", Action::SeeSalesOf(mine)),
        ("see sales of theirs", Action::SeeSalesOf(theirs)),
        ("something of my own", Action::OwnThingOf(me)),
        ("something of another's", Action::OwnThingOf(other)),
        ("my booking at theirs", Action::BookingOf { customer: me, organizer: theirs }),
        ("another's booking at mine", Action::BookingOf { customer: other, organizer: mine }),
        ("another's booking at theirs", Action::BookingOf { customer: other, organizer: theirs }),
    ];
    let mut text = format!("{:<28}", "");
    for (name, _) in &actors {
        text.push_str(&format!("{name:<11}"));
    }
    for (what, action) in actions {
        text.push_str(&format!("\n{what:<28}"));
        for (_, actor) in &actors {
            text.push_str(&format!("{:<11}", format!("{:?}", decide(actor, action)).to_lowercase()));
        }
    }
    let text: String = text.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "snapshots" }, {
        insta::assert_snapshot!("policy", text);
    });
}
