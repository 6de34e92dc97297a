//! The conventions of the public contract: it equals the file that is checked in, it is documented, and it follows its
//! own conventions.
//! Not here: access to fields (`access`).
//!
//! Each convention is a function from a contract to its violations, so that a test can show that it finds one.

use std::collections::BTreeMap;
use std::path::Path;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, FieldDefinition, InputValueDefinition, Type, TypeDefinition, TypeKind, TypeSystemDefinition,
};

/// The types of a schema, by name.
struct Contract(BTreeMap<String, TypeDefinition>);

/// Types that come with the library, described by it or by Relay's specification.
const FOREIGN: &[&str] = &["PageInfo", "Boolean", "Float", "ID", "Int", "String"];

/// Connections have no description in the library; Relay's specification defines them. The same holds for these fields
/// of connections and of their edges.
const CONNECTIONS: &[&str] = &[
    "ApiTokenConnection",
    "BookingConnection",
    "EventConnection",
    "InvitationConnection",
    "MembershipConnection",
    "NoticeConnection",
    "ParticipantConnection",
    "SessionConnection",
    "UserConnection",
    "WaitlistEntryConnection",
    "EventWaitlistConnection",
];

/// Every `Int` of the schema. Each of these stays inside 32 bits: tickets (a million per event at most), numbers of
/// notices and entries of one list, commits of one event. Ids, times and money are never `Int`.
const INTS: &[&str] = &[
    // tickets
    "available",
    "booked",
    "capacity",
    "granted",
    "held",
    "tickets",
    "quantity",
    "requested",
    "sold",
    "taken",
    "waiting",
    "waitlisted",
    // sign-ins of a user
    "ended",
    // entries of a waitlist, notices of a user, rows of a list
    "number",
    "position",
    "positionAtLeast",
    "readUpTo",
    "totalCount",
    "unreadCount",
    "upTo",
    // page sizes
    "first",
    "last",
    // commits that changed an event's tickets
    "revision",
];

impl Contract {
    fn read(sdl: &str) -> Self {
        let document = parse_schema(sdl).unwrap();
        let types = document.definitions.into_iter().filter_map(|definition| match definition {
            TypeSystemDefinition::Type(definition) => Some((definition.node.name.node.to_string(), definition.node)),
            _ => None,
        });
        Self(types.filter(|(name, _)| !FOREIGN.contains(&name.as_str())).collect())
    }

    fn ours() -> Self {
        Self::read(&boxoffice::graphql::sdl())
    }

    /// Returns every field of every object and interface, by `Type.field`.
    fn fields(&self) -> Vec<(String, FieldDefinition)> {
        let of = |(name, definition): (&String, &TypeDefinition)| {
            let fields = fields(definition).into_iter();
            fields.map(|field| (format!("{name}.{}", field.name.node), field)).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(of).collect()
    }

    /// Returns every input: arguments and input fields.
    fn inputs(&self) -> Vec<(String, InputValueDefinition)> {
        let mut inputs = Vec::new();
        for (path, field) in self.fields() {
            let arguments = field.arguments.iter().map(|argument| argument.node.clone());
            inputs.extend(arguments.map(|argument| (format!("{path}({})", argument.name.node), argument)));
        }
        for (name, definition) in &self.0 {
            if let TypeKind::InputObject(input) = &definition.kind {
                let fields = input.fields.iter().map(|field| field.node.clone());
                inputs.extend(fields.map(|field| (format!("{name}.{}", field.name.node), field)));
            }
        }
        inputs
    }

    /// Returns every typed element: its path, its own name, its type.
    fn typed(&self) -> Vec<(String, String, Type)> {
        let fields = self.fields().into_iter().map(|(path, field)| (path, field.name.node.to_string(), field.ty.node));
        let inputs = self.inputs().into_iter().map(|(path, input)| (path, input.name.node.to_string(), input.ty.node));
        fields.chain(inputs).collect()
    }

    /// Checks a convention; fails with its violations.
    fn holds(&self, convention: impl Fn(&Self) -> Vec<String>) {
        let wrong = convention(self);
        assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    }
}

fn fields(definition: &TypeDefinition) -> Vec<FieldDefinition> {
    match &definition.kind {
        TypeKind::Object(object) => object.fields.iter().map(|field| field.node.clone()).collect(),
        TypeKind::Interface(interface) => interface.fields.iter().map(|field| field.node.clone()).collect(),
        TypeKind::Scalar | TypeKind::Union(_) | TypeKind::Enum(_) | TypeKind::InputObject(_) => Vec::new(),
    }
}

/// Returns the type below lists and exclamation marks.
fn named(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => named(inner),
    }
}

/// Returns true if any position of a type may be null.
fn may_be_null(ty: &Type) -> bool {
    ty.nullable || matches!(&ty.base, BaseType::List(inner) if may_be_null(inner))
}

fn description(field: &FieldDefinition) -> &str {
    field.description.as_ref().map_or("", |text| text.node.as_str())
}

#[test]
fn what_is_checked_in_is_what_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql");
    let checked_in = std::fs::read_to_string(path).unwrap();
    let served = boxoffice::graphql::sdl();
    let first = checked_in.lines().zip(served.lines()).position(|(old, new)| old != new);
    assert!(
        checked_in == served,
        "schema.graphql is stale from line {} on. fix: cargo run -- schema print > schema.graphql",
        first.unwrap_or_else(|| checked_in.lines().count().min(served.lines().count())) + 1
    );
}

// --- it explains itself

fn silent(contract: &Contract) -> Vec<String> {
    let mut silent = Vec::new();
    let mut check = |path: String, text: Option<&str>| {
        if text.is_none_or(|text| text.trim().is_empty()) {
            silent.push(format!("{path} has no description"));
        }
    };
    for (name, definition) in &contract.0 {
        let is_connection = CONNECTIONS.contains(&name.as_str());
        if !is_connection {
            check(name.clone(), definition.description.as_ref().map(|text| text.node.as_str()));
        }
        for field in fields(definition) {
            check(format!("{name}.{}", field.name.node), field.description.as_ref().map(|text| text.node.as_str()));
        }
        if let TypeKind::Enum(words) = &definition.kind {
            for word in words.values.iter().map(|word| &word.node) {
                check(format!("{name}.{}", word.value.node), word.description.as_ref().map(|text| text.node.as_str()));
            }
        }
    }
    for (path, input) in contract.inputs() {
        check(path, input.description.as_ref().map(|text| text.node.as_str()));
    }
    silent
}

#[test]
fn everything_is_described() {
    Contract::ours().holds(silent);
    let ours = Contract::ours();
    let dead: Vec<_> = CONNECTIONS.iter().filter(|name| !ours.0.contains_key(**name)).collect();
    assert!(dead.is_empty(), "no such connections any more: {dead:?}");
}

// --- null

/// Returns true if a description names a role; the words may be on two lines.
pub fn needs_a_role(text: &str) -> bool {
    text.split_whitespace().any(|word| word == "Needs")
}

/// A refusal of one field must not remove the fields beside it: a guarded field is nullable. Only a subscription has no
/// other fields; a refused one has no data at all.
fn guarded_but_not_null(contract: &Contract) -> Vec<String> {
    let guarded = contract.fields().into_iter().filter(|(path, field)| {
        needs_a_role(description(field)) && !field.ty.node.nullable && !path.starts_with("Subscription.")
    });
    guarded
        .map(|(path, field)| format!("{path}: {} is guarded: a refusal would null its parent", field.ty.node))
        .collect()
}

/// A field that is described as null at times is nullable.
fn never_null_against_its_word(contract: &Contract) -> Vec<String> {
    let says_null = |text: &str| text.to_lowercase().split(|c: char| !c.is_alphanumeric()).any(|word| word == "null");
    let wrong = contract
        .fields()
        .into_iter()
        .filter(|(_, field)| says_null(description(field)) && !may_be_null(&field.ty.node));
    wrong
        .map(|(path, field)| format!("{path}: {} cannot be null, but its description says when it is", field.ty.node))
        .collect()
}

#[test]
fn whatever_may_be_refused_or_absent_may_be_null() {
    Contract::ours().holds(guarded_but_not_null);
    Contract::ours().holds(never_null_against_its_word);
}

// --- ids, numbers, times

/// GraphQL's Int has 32 bits; JavaScript's numbers have 53. Ids are `ID`, times `DateTime`, and every other number is
/// listed.
fn wrong_numbers(contract: &Contract) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, name, ty) in contract.typed() {
        let ty = named(&ty);
        let is_id = ["id", "ids"].contains(&name.as_str()) || name.ends_with("Id") || name.ends_with("Ids");
        if is_id && ty != "ID" {
            wrong.push(format!("{path}: an id is an ID, not {ty}"));
        }
        if name.ends_with("At") && ty != "DateTime" {
            wrong.push(format!("{path}: a moment is a DateTime, not {ty}"));
        }
        if ty == "Float" {
            wrong.push(format!("{path}: no number here is a fraction; amounts are Decimal"));
        }
        if ty == "Int" && !INTS.contains(&name.as_str()) {
            wrong.push(format!("{path}: say in tests/it/schema.rs why this Int stays inside 32 bits"));
        }
    }
    wrong
}

#[test]
fn no_int_can_grow_beyond_32_bits() {
    Contract::ours().holds(wrong_numbers);
    let names: Vec<String> = Contract::ours().typed().into_iter().map(|(_, name, _)| name).collect();
    let dead: Vec<_> = INTS.iter().filter(|known| !names.iter().any(|name| name == *known)).collect();
    assert!(dead.is_empty(), "no such numbers any more: {dead:?}");
}

// --- conventions

/// Mutations: verb first, one input, one payload, refusals as data.
fn wrong_mutations(contract: &Contract) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(mutation) = contract.0.get("Mutation") else { return vec!["no Mutation".into()] };
    for field in fields(mutation) {
        let name = &field.name.node;
        match field.arguments.as_slice() {
            [only] if only.node.name.node == "input" => {
                let input = only.node.ty.node.to_string();
                let is_input =
                    |name: &str| matches!(contract.0.get(name).map(|ty| &ty.kind), Some(TypeKind::InputObject(_)));
                if !input.strip_suffix("!").is_some_and(|name| name.ends_with("Input") && is_input(name)) {
                    wrong.push(format!("{name}(input: {input}): expected an input object `…Input!`"));
                }
            }
            arguments => wrong.push(format!("{name}: takes {} arguments instead of one `input`", arguments.len())),
        }
        let payload = field.ty.node.to_string();
        let refusals = contract.0.get(&payload).into_iter().flat_map(fields).find(|f| f.name.node == "userErrors");
        match refusals {
            Some(refusals) if payload.ends_with("Payload") && refusals.ty.node.to_string() == "[UserError!]!" => {}
            _ => wrong
                .push(format!("{name}: {payload}: expected a nullable `…Payload` with `userErrors: [UserError!]!`")),
        }
    }
    wrong
}

#[test]
fn mutations_take_one_input_and_answer_with_a_payload() {
    Contract::ours().holds(wrong_mutations);
}

/// Relay's connections: nullable, paged by key from either end, or at least from the front.
fn wrong_connections(contract: &Contract) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, field) in contract.fields() {
        if !named(&field.ty.node).ends_with("Connection") {
            continue;
        }
        let has = |wanted: &str, ty: &str| {
            field.arguments.iter().any(|a| a.node.name.node == wanted && a.node.ty.node.to_string().starts_with(ty))
        };
        let front = has("first", "Int") && has("after", "String");
        let back = has("last", "Int") == has("before", "String");
        if !field.ty.node.nullable || !front || !back {
            wrong.push(format!(
                "{path}: expected a nullable connection with first and after, and last and before or neither"
            ));
        }
    }
    for (name, definition) in contract.0.iter().filter(|(name, _)| name.ends_with("Connection")) {
        let has = |wanted: &str, ty: &str| {
            fields(definition).iter().any(|field| field.name.node == wanted && field.ty.node.to_string() == ty)
        };
        let node = fields(definition).into_iter().find(|field| field.name.node == "nodes");
        let edge = fields(definition).into_iter().find(|field| field.name.node == "edges");
        if !has("pageInfo", "PageInfo!") || node.is_none() || edge.is_none() {
            wrong.push(format!("{name}: a connection has edges, nodes and pageInfo"));
        }
    }
    wrong
}

#[test]
fn lists_are_connections_as_relay_has_them() {
    Contract::ours().holds(wrong_connections);
}

/// Refusals have the same fields, so that one fragment reads them all; objects with an id can be fetched by it.
fn wrong_interfaces(contract: &Contract) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, definition) in &contract.0 {
        let TypeKind::Object(object) = &definition.kind else { continue };
        let is = |interface: &str| object.implements.iter().any(|implemented| implemented.node == interface);
        let has = |wanted: &str, ty: &str| {
            fields(definition).iter().any(|field| field.name.node == wanted && field.ty.node.to_string() == ty)
        };
        let refusal = has("code", "UserErrorCode!") && has("message", "String!") && has("path", "[String!]");
        if name.ends_with("Error") != is("UserError") || (is("UserError") && !refusal) {
            wrong.push(format!(
                "{name}: a refusal is called `…Error`, implements UserError and has code, message and path"
            ));
        }
        if is("Node") && !has("id", "ID!") {
            wrong.push(format!("{name}: a Node has `id: ID!`"));
        }
    }
    wrong
}

/// A type that a normalised cache cannot merge says so: every other type with fields of its own has an id.
fn silent_values(contract: &Contract) -> Vec<String> {
    let of_a_kind = |name: &str| {
        ["Connection", "Edge", "Payload", "Error", "PageInfo"].iter().any(|end| name.ends_with(end))
            || ["Query", "Mutation", "Subscription"].contains(&name)
    };
    let objects = contract
        .0
        .iter()
        .filter(|(name, definition)| matches!(definition.kind, TypeKind::Object(_)) && !of_a_kind(name));
    let silent = objects.filter(|(_, definition)| {
        let text = definition.description.as_ref().map_or("", |text| text.node.as_str());
        !fields(definition).iter().any(|field| field.name.node == "id") && !text.contains("A value without an id")
    });
    silent.map(|(name, _)| format!("{name}: give it an id, or say that it is a value without an id")).collect()
}

#[test]
fn refusals_and_nodes_look_alike() {
    Contract::ours().holds(wrong_interfaces);
    Contract::ours().holds(silent_values);
}

fn wrong_names(contract: &Contract) -> Vec<String> {
    let letters = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric());
    let mut wrong = Vec::new();
    for (name, definition) in &contract.0 {
        if !name.starts_with(|c: char| c.is_ascii_uppercase()) || !letters(name) {
            wrong.push(format!("{name}: types are in PascalCase"));
        }
        if let TypeKind::Enum(words) = &definition.kind {
            for word in words.values.iter().map(|word| &word.node.value.node) {
                if !word.chars().all(|c| c.is_ascii_uppercase() || c == '_') {
                    wrong.push(format!("{name}.{word}: words of an enum are in CAPITALS"));
                }
            }
        }
    }
    for (path, name, _) in contract.typed() {
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !letters(&name) {
            wrong.push(format!("{path}: fields are in camelCase"));
        }
    }
    wrong
}

#[test]
fn names_follow_one_style() {
    Contract::ours().holds(wrong_names);
}

#[test]
fn each_convention_finds_its_violation() {
    let bad = Contract::read(
        r#"
        "Described."
        type Mutation {
            "Two arguments."
            a(first: Int!, second: Int!): APayload
            "No input object."
            b(input: String!): APayload
            "Needs CUSTOMER."
            c(input: CInput!): APayload!
            "No refusals."
            d(input: CInput): CPayload
        }
        "Described." type APayload { "Described." userErrors: [UserError!]! }
        "Described." type CPayload { "Null where there is none." things: [String!]! }
        "Described." input CInput { undescribed: Int, "Described." event_id: Int }
        "Described." type Slip { "Described." code: String }
        "Described." type SlipError { "Described." code: String }
        "Described." type Lost implements Node { "Described." key: ID! }
        "Described." type ThingConnection { "Described." nodes: [Lost!]! }
        "Described." type Query { "Described." things(first: Int): ThingConnection! "Described." soldAt: Int "Described." share: Float }
        enum mood { "Described." Glad SAD }
        "#,
    );
    let found = |convention: fn(&Contract) -> Vec<String>, expected: &[&str]| {
        let wrong = convention(&bad);
        for expected in expected {
            assert!(wrong.iter().any(|what| what.starts_with(expected)), "{expected:?} was not found: {wrong:#?}");
        }
        assert_eq!(wrong.len(), expected.len(), "{wrong:#?}");
    };
    found(
        silent,
        &[
            "CInput.undescribed",
            "mood has",
            "mood.SAD",
            "Mutation.a(first)",
            "Mutation.a(second)",
            "Mutation.b(input)",
            "Mutation.c(input)",
            "Mutation.d(input)",
            "Query.things(first)",
        ],
    );
    found(guarded_but_not_null, &["Mutation.c"]);
    found(never_null_against_its_word, &["CPayload.things"]);
    found(wrong_mutations, &["a:", "b(input", "c:", "d(input", "d:"]);
    found(
        wrong_numbers,
        &[
            "Mutation.a(second)",
            "CInput.undescribed",
            "Query.soldAt: a moment",
            "Query.soldAt: say",
            "Query.share",
            "CInput.event_id",
        ],
    );
    found(wrong_connections, &["Query.things", "ThingConnection"]);
    found(wrong_interfaces, &["SlipError", "Lost"]);
    found(silent_values, &["Lost", "Slip"]);
    found(wrong_names, &["mood:", "mood.Glad", "CInput.event_id"]);
}
