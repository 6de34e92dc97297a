//! The access matrix: complete, and executed as every kind of viewer on real transports.
//! Not here: the values that a viewer with the right to a field gets (the tests of each noun).

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{BaseType, FieldDefinition, Type, TypeKind, TypeSystemDefinition};
use boxoffice::access::{Action, Actor as Who, MemberRole, Memberships, Role, SignedIn, Via, decide};
use boxoffice::clock::Timestamp;
use boxoffice::id::{BookingId, NodeId, OrganizerId, SessionId, UserId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::events::Events;
use crate::harness::socket::Heard;
use crate::harness::{Actor, Answer};
use crate::schema::needs_a_role;

mod members;
mod scopes;
mod world;

use world::{Route, VIEWERS, World};

const MATRIX: &str = include_str!("snapshots/access_matrix.txt");

/// The possible cells.
const CELLS: [&str; 6] = ["yes", "null", "-", "UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"];

/// Returns the cells of each row, one per viewer; one cell `parent` stands for all.
fn matrix() -> BTreeMap<String, Vec<String>> {
    let mut matrix = BTreeMap::new();
    for line in MATRIX.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        // Columns are separated by two or more spaces: the name of a row may contain one.
        let mut cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned);
        let row = cells.next().unwrap();
        let cells: Vec<String> = cells.collect();
        let known = cells.len() == VIEWERS.len() && cells.iter().all(|cell| CELLS.contains(&cell.as_str()));
        assert!(cells == ["parent"] || known, "{row}: {cells:?}");
        assert!(matrix.insert(row.clone(), cells).is_none(), "{row} stands twice");
    }
    matrix
}

/// Returns the row without the case in brackets.
fn field_of(row: &str) -> &str {
    row.split('[').next().unwrap()
}

/// The object types of the schema with their fields, and the inputs of its mutations.
struct Types {
    objects: BTreeMap<String, Vec<FieldDefinition>>,
    composite: BTreeSet<String>,
}

impl Types {
    fn read() -> Self {
        let mut types = Self { objects: BTreeMap::new(), composite: BTreeSet::new() };
        for definition in parse_schema(boxoffice::graphql::sdl()).unwrap().definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let name = definition.node.name.node.to_string();
            match definition.node.kind {
                TypeKind::Object(object) => {
                    types.composite.insert(name.clone());
                    types.objects.insert(name, object.fields.into_iter().map(|field| field.node).collect());
                }
                TypeKind::Interface(_) | TypeKind::Union(_) => {
                    types.composite.insert(name);
                }
                TypeKind::Scalar | TypeKind::Enum(_) | TypeKind::InputObject(_) => {}
            }
        }
        types
    }

    fn field(&self, path: &str) -> &FieldDefinition {
        let (of, name) = path.split_once('.').unwrap();
        self.objects[of].iter().find(|field| field.name.node == name).unwrap_or_else(|| panic!("no {path}"))
    }

    /// Returns a field as a document selects it, with the smallest page of a connection.
    fn asked(&self, field: &FieldDefinition) -> String {
        let name = &field.name.node;
        let is_list = field.arguments.iter().any(|argument| argument.node.name.node == "first");
        let arguments = if is_list { "(first: 1)" } else { "" };
        let inside = if self.composite.contains(named(&field.ty.node)) { " { __typename }" } else { "" };
        format!("{name}{arguments}{inside}")
    }

    /// Returns a document with a mutation, which selects `fields` of its payload or of one of its errors.
    fn mutation(&self, name: &str, path: &str, fields: &str) -> String {
        let definition = self.field(&format!("Mutation.{name}"));
        let input = &definition.arguments[0].node.ty.node;
        let fields = match path.strip_prefix("it").unwrap() {
            "" => fields.to_owned(),
            path => match path.strip_prefix(".userErrors.__typename=") {
                Some(of) => format!("userErrors {{ __typename ... on {of} {{ {fields} }} }}"),
                None => format!("{} {{ {fields} }}", &path[1..]),
            },
        };
        format!("mutation($input: {input}) {{ it: {name}(input: $input) {{ {fields} userErrors {{ code }} }} }}")
    }
}

fn named(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => named(inner),
    }
}

fn is_root(of: &str) -> bool {
    ["Query", "Mutation", "Subscription"].contains(&of)
}

#[test]
fn every_field_has_a_row_and_every_row_a_field() {
    let mut wanted = BTreeSet::new();
    for (name, fields) in &Types::read().objects {
        wanted.extend(fields.iter().map(|field| format!("{name}.{}", field.name.node)));
        if !is_root(name) {
            wanted.insert(format!("{name}.*"));
        }
    }
    let matrix = matrix();
    let rows: BTreeSet<String> = matrix.keys().filter(|row| !row.contains('[')).cloned().collect();
    let without: Vec<_> = wanted.difference(&rows).collect();
    let mut dead: Vec<_> = rows.difference(&wanted).collect();
    dead.extend(matrix.keys().filter(|row| !wanted.contains(field_of(row))));
    assert!(without.is_empty() && dead.is_empty(), "without a row: {without:?}; rows of nothing: {dead:?}");
    for (row, cells) in &matrix {
        let may_be_parent = !is_root(row.split('.').next().unwrap()) && !row.ends_with('*') && !row.contains('[');
        assert!(cells != &["parent"] || may_be_parent, "{row} has no parent to stand for it");
    }
}

/// The description of a field says that it depends on the viewer exactly if it does.
#[test]
fn the_descriptions_say_what_the_matrix_says() {
    let types = Types::read();
    let matrix = matrix();
    for (of, fields) in &types.objects {
        for field in fields {
            let row = format!("{of}.{}", field.name.node);
            let text = field.description.as_ref().map_or("", |text| text.node.as_str());
            let refused = matrix[&row].iter().any(|cell| ["UNAUTHENTICATED", "FORBIDDEN"].contains(&cell.as_str()));
            assert_eq!(refused, needs_a_role(text), "{row}: {:?} is described as {text:?}", matrix[&row]);
            if text.contains("Null unless") || text.contains("unless you are") {
                assert_ne!(matrix[&row], ["parent"], "{row}");
            }
        }
    }
}

/// Follows a path such as `notices.nodes.kind=EVENT_UPDATED.changes.0` through an answer.
fn at<'a>(data: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(data, |value, step| match (step.split_once('='), step.parse::<usize>()) {
        (Some((key, wanted)), _) => {
            value.as_array().into_iter().flatten().find(|one| one[key] == wanted).unwrap_or(&Value::Null)
        }
        (None, Ok(index)) => &value[index],
        (None, Err(_)) => &value[step],
    })
}

/// Transport of a document.
#[derive(Clone, Copy)]
enum Transport {
    Http,
    Socket,
    /// Server-sent events, over HTTP too.
    Events,
}

impl Transport {
    /// Returns the transports that a route can use.
    fn of(route: &Route) -> &'static [Self] {
        match route {
            Route::Query { .. } | Route::Mutation { .. } => &[Self::Http, Self::Socket],
            Route::Live { .. } => &[Self::Socket, Self::Events],
        }
    }

    /// Returns the body of the first answer.
    async fn ask(self, viewer: &Actor, query: &str, variables: Value) -> Value {
        match self {
            Self::Http => return viewer.ask(query, variables).await.body,
            Self::Events => {
                let mut events = Events::open(viewer.stream(query, variables), "text/event-stream").await;
                loop {
                    let event = events.event().await.expect("the stream is over");
                    if event.kind == "next" {
                        return event.data;
                    }
                }
            }
            Self::Socket => {}
        }
        let mut socket = viewer.socket().await;
        socket.subscribe("1", query, variables).await;
        match socket.hear().await {
            Heard::Message(message) if message["type"] == "error" => json!({ "errors": message["payload"] }),
            Heard::Message(message) => message["payload"].clone(),
            Heard::Closed(code, reason) => panic!("the socket closed with {code} {reason}"),
        }
    }

    /// Follows a route to an object and selects these of its fields.
    async fn effects_of(
        self,
        world: &World,
        types: &Types,
        viewer: &Actor,
        route: &Route,
        fields: &str,
    ) -> (Value, &'static str) {
        match route {
            Route::Query { document, path } => {
                (self.ask(viewer, &document.replace("FIELDS", fields), json!({})).await, path)
            }
            Route::Mutation { name, case, path } => {
                let input = world.input(name, case).await;
                (self.ask(viewer, &types.mutation(name, path, fields), json!({ "input": input })).await, path)
            }
            Route::Live { document } => (self.ask(viewer, &document.replace("FIELDS", fields), json!({})).await, "it"),
        }
    }
}

/// Returns the outcome of a field for a viewer, in the words of the matrix.
fn verdict(body: &Value, path: &str) -> String {
    if let Some(code) = body["errors"][0]["extensions"]["code"].as_str() {
        return code.to_owned();
    }
    let value = at(&body["data"], path);
    match (value, value["userErrors"][0]["code"].as_str()) {
        (Value::Null, _) => "null".into(),
        (_, Some(refusal)) => refusal.to_owned(),
        _ => "yes".into(),
    }
}

fn compare(row: &str, cells: &[String], viewer: usize, got: &str, wrong: &mut Vec<String>) {
    if cells[viewer] != got {
        wrong.push(format!("{row} as {}: the matrix says {}, got {got}", VIEWERS[viewer], cells[viewer]));
    }
}

/// Returns every viewer on every transport.
fn ways<'a>(world: &'a World, route: &Route) -> impl Iterator<Item = (usize, &'a Actor, Transport)> {
    let viewers = world.viewers.iter().enumerate();
    let transports = Transport::of(route);
    viewers.flat_map(move |(nth, actor)| transports.iter().map(move |transport| (nth, actor, *transport)))
}

#[apply(scene!)]
async fn every_root_field_is_asked_by_every_viewer(stage: Stage) {
    let app = stage.app().await;
    let (world, types) = (World::build(&app).await, Types::read());
    let mut wrong = Vec::new();
    for (row, cells) in matrix().iter().filter(|(row, _)| is_root(row.split('.').next().unwrap())) {
        let route = world.root(row);
        for (viewer, actor, transport) in ways(&world, &route) {
            let (body, path) = transport.effects_of(&world, &types, actor, &route, "__typename").await;
            compare(row, cells, viewer, &verdict(&body, path), &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Checks which viewers can read an object of each type; a viewer who can also gets every field marked `parent`.
#[apply(scene!)]
async fn every_object_is_sought_by_every_viewer(stage: Stage) {
    let app = stage.app().await;
    let (world, types) = (World::build(&app).await, Types::read());
    let matrix = matrix();
    let mut wrong = Vec::new();
    let mut reached = BTreeSet::new();
    let rows = matrix.iter().filter(|(row, _)| field_of(row).ends_with(".*"));
    let mut rows: Vec<_> = rows.map(|(row, cells)| (row, cells, world.route(&row.replace(".*", "")))).collect();
    // A viewer who changes something gets bookings and notices of their own, so reads come first.
    rows.sort_by_key(|(_, _, route)| matches!(route, Route::Mutation { .. }));
    for (row, cells, route) in rows {
        let of = field_of(row).strip_suffix(".*").unwrap();
        let open = types.objects[of].iter().filter(|field| matrix[&format!("{of}.{}", field.name.node)] == ["parent"]);
        let open: BTreeMap<String, String> =
            open.map(|field| (field.name.node.to_string(), types.asked(field))).collect();
        let mut fields: Vec<String> = open.values().cloned().collect();
        let open: Vec<String> = open.into_keys().collect();
        fields.push("__typename".into());
        for (viewer, actor, transport) in ways(&world, &route) {
            let (body, path) = transport.effects_of(&world, &types, actor, &route, &fields.join(" ")).await;
            let has = at(&body["data"], path)["__typename"] == of;
            if has {
                reached.extend(open.iter().map(|field| format!("{of}.{field}")));
            }
            compare(row, cells, viewer, if has { "yes" } else { "-" }, &mut wrong);
            if has && body["errors"].is_array() {
                wrong.push(format!("{row} as {}: {}", VIEWERS[viewer], body["errors"]));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    // The two tests beside this one cover the other fields of the contract.
    let parents: BTreeSet<String> =
        matrix.iter().filter(|(_, cells)| *cells == &["parent"]).map(|(row, _)| row.clone()).collect();
    assert_eq!(reached, parents, "every field was reached by somebody");
}

/// Checks the fields that depend on the viewer, on objects that every viewer can read.
#[apply(scene!)]
async fn every_guarded_field_is_asked_by_every_viewer(stage: Stage) {
    let app = stage.app().await;
    let (world, types) = (World::build(&app).await, Types::read());
    let matrix = matrix();
    let mut wrong = Vec::new();
    let mut asked = 0;
    for (row, cells) in matrix.iter().filter(|(row, cells)| !row.contains('*') && cells.len() > 1) {
        let (of, _) = row.split_once('.').unwrap();
        if is_root(of) {
            continue;
        }
        let case = row.strip_prefix(field_of(row)).unwrap();
        let route = world.route(&format!("{of}{case}"));
        let field = types.field(field_of(row));
        for (viewer, actor, transport) in ways(&world, &route) {
            asked += 1;
            // The parent comes first: an error of the field must not look like one of the way to it.
            let (body, path) = transport.effects_of(&world, &types, actor, &route, "__typename").await;
            let got = match at(&body["data"], path)["__typename"] == of {
                true => {
                    let fields = format!("__typename {}", types.asked(field));
                    let (body, path) = transport.effects_of(&world, &types, actor, &route, &fields).await;
                    verdict(&body, &format!("{path}.{}", field.name.node))
                }
                false => "-".to_owned(),
            };
            compare(row, cells, viewer, &got, &mut wrong);
        }
    }
    assert!(asked >= 5 * VIEWERS.len());
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Each element of the list has an answer of its own, and a forbidden object looks like a missing one.
#[apply(scene!)]
async fn nodes_shows_each_object_to_those_who_may(stage: Stage) {
    let app = stage.app().await;
    let world = World::build(&app).await;
    let unknown = BookingId(Uuid::from_u128(7)).to_global_id();
    let ids = json!([world.event, "hello", world.booking, unknown, world.entry, world.viewers[1].user.to_global_id()]);
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

/// A notice stays with its recipient; its subject is shown only if the recipient may see it now.
#[apply(scene!)]
async fn who_sells_no_more_keeps_the_notices_without_the_customers(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer, admin) = (app.organizer().await, app.customer().await, app.admin().await);
    let event = organizer.event(2).await;
    customer.books(&event, 1).await;
    app.settled().await;
    let notices = || async {
        let query =
            "{ notices(first: 50) { nodes { kind text event { id } booking { reference customer { name email } } } } }";
        let answer = organizer.ask(query, json!({})).await.ok();
        at(&answer.body["data"], "notices.nodes.kind=BOOKING_CREATED").clone()
    };
    let before = notices().await;
    assert!(before["booking"]["customer"]["email"].is_string(), "{before}");
    let role = |role: &str| json!({ "userId": organizer.user.to_global_id(), "role": role });
    admin.mutate("setUserRole", role("CUSTOMER"), "user { role }").await.ok();
    app.eventually("the customer is out of sight", || async { notices().await["booking"].is_null() }).await;
    let after = notices().await;
    assert_eq!((&after["text"], &after["event"]["id"]), (&before["text"], &json!(event)));
    app.clock.advance(std::time::Duration::from_secs(1));
    admin.mutate("setUserRole", role("ORGANIZER"), "user { role }").await.ok();
    app.eventually("and in sight again", || async { notices().await == before }).await;
}

/// Number of an action. A new action does not compile without a number here, and fails without a row below.
fn number(action: Action) -> usize {
    match action {
        Action::Browse => 0,
        Action::UseAccount => 1,
        Action::BookTickets => 2,
        Action::ManageEvents => 3,
        Action::ReadSales => 4,
        Action::CancelBooking => 5,
        Action::Administer => 6,
        Action::ManageEventOf(_) => 7,
        Action::ReadSalesOf(_) => 8,
        Action::OwnThingOf(_) => 9,
        Action::BookingOf { .. } => 10,
        Action::ReadNotices => 11,
        Action::ManageAccount => 12,
        Action::AccountOf(_) => 13,
        Action::CancelBookingOf { .. } => 14,
        Action::ManageMembers => 15,
        Action::AnswerInvitations => 16,
        Action::SeeEventsOf(_) => 17,
        Action::SeeMembersOf(_) => 18,
        Action::ManageMembersOf(_) => 19,
        Action::EndMembershipOf { .. } => 20,
    }
}

/// The pure policy, printed: each action as each kind of actor.
#[test]
fn the_policy_as_a_table() {
    let (me, other): (UserId, UserId) = (UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
    let (mine, theirs) = (OrganizerId(Uuid::from_u128(3)), OrganizerId(Uuid::from_u128(4)));
    let user = |role, member: Option<MemberRole>| {
        Who::User(SignedIn {
            user: me,
            role,
            memberships: Memberships::of(member.map(|role| (mine, role))),
            via: Via::Session(SessionId(Uuid::nil())),
            expires_at: Timestamp(0),
        })
    };
    let actors = [
        ("anonymous", Who::Anonymous),
        ("customer", user(Role::Customer, None)),
        // A membership left over from another role gives nothing.
        ("customer+", user(Role::Customer, Some(MemberRole::Owner))),
        ("owner", user(Role::Organizer, Some(MemberRole::Owner))),
        ("manager", user(Role::Organizer, Some(MemberRole::Manager))),
        ("door staff", user(Role::Organizer, Some(MemberRole::DoorStaff))),
        ("viewer", user(Role::Organizer, Some(MemberRole::Viewer))),
        ("organizer-", user(Role::Organizer, None)),
        ("admin", user(Role::Admin, None)),
        ("system", Who::System),
    ];
    let actions = [
        ("browse", Action::Browse),
        ("use an account", Action::UseAccount),
        ("read notices", Action::ReadNotices),
        ("manage one's account", Action::ManageAccount),
        ("book tickets", Action::BookTickets),
        ("run events", Action::ManageEvents),
        ("see sales", Action::ReadSales),
        ("cancel a booking", Action::CancelBooking),
        ("administer", Action::Administer),
        ("manage members", Action::ManageMembers),
        ("answer invitations", Action::AnswerInvitations),
        ("see drafts of mine", Action::SeeEventsOf(mine)),
        ("see drafts of theirs", Action::SeeEventsOf(theirs)),
        ("manage an event of mine", Action::ManageEventOf(mine)),
        ("manage an event of theirs", Action::ManageEventOf(theirs)),
        ("see sales of mine", Action::ReadSalesOf(mine)),
        ("see sales of theirs", Action::ReadSalesOf(theirs)),
        ("see members of mine", Action::SeeMembersOf(mine)),
        ("see members of theirs", Action::SeeMembersOf(theirs)),
        ("manage members of mine", Action::ManageMembersOf(mine)),
        ("manage members of theirs", Action::ManageMembersOf(theirs)),
        ("leave mine", Action::EndMembershipOf { member: me, organizer: mine }),
        ("leave theirs", Action::EndMembershipOf { member: me, organizer: theirs }),
        ("remove another from mine", Action::EndMembershipOf { member: other, organizer: mine }),
        ("my account", Action::AccountOf(me)),
        ("another's account", Action::AccountOf(other)),
        ("something of my own", Action::OwnThingOf(me)),
        ("something of another's", Action::OwnThingOf(other)),
        ("my booking at theirs", Action::BookingOf { customer: me, organizer: theirs }),
        ("another's booking at mine", Action::BookingOf { customer: other, organizer: mine }),
        ("another's booking at theirs", Action::BookingOf { customer: other, organizer: theirs }),
        ("cancel mine at theirs", Action::CancelBookingOf { customer: me, organizer: theirs }),
        ("cancel another's at mine", Action::CancelBookingOf { customer: other, organizer: mine }),
        ("cancel another's at theirs", Action::CancelBookingOf { customer: other, organizer: theirs }),
    ];
    let numbers: BTreeSet<usize> = actions.iter().map(|(_, action)| number(*action)).collect();
    assert_eq!(numbers, (0..=20).collect(), "every action has a row");
    let mut text = format!("{:<28}", "");
    for (name, _) in &actors {
        text.push_str(&format!("{name:<12}"));
    }
    for (what, action) in actions {
        text.push_str(&format!("\n{what:<28}"));
        for (_, actor) in &actors {
            text.push_str(&format!("{:<12}", format!("{:?}", decide(actor, action)).to_lowercase()));
        }
    }
    text.push_str(
        "\n\ncustomer+: with a membership as owner; organizer-: without any; mine: the organizer of the membership",
    );
    let text: String = text.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "snapshots" }, {
        insta::assert_snapshot!("policy", text);
    });
}
