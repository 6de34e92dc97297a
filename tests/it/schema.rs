//! The laws of the public contract: it is what is checked in, it explains itself, and it follows its own conventions.
//! Not here: who may use a field (`access`).

use std::collections::BTreeMap;
use std::path::Path;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{FieldDefinition, TypeDefinition, TypeKind, TypeSystemDefinition};

/// Types that come with the library, described by it or by Relay's specification.
fn is_ours(name: &str) -> bool {
    !["PageInfo", "Boolean", "Float", "ID", "Int", "String"].contains(&name)
}

fn types() -> BTreeMap<String, TypeDefinition> {
    let document = parse_schema(boxoffice::graphql::sdl()).unwrap();
    let types = document.definitions.into_iter().filter_map(|definition| match definition {
        TypeSystemDefinition::Type(definition) => Some((definition.node.name.node.to_string(), definition.node)),
        _ => None,
    });
    types.filter(|(name, _)| is_ours(name)).collect()
}

fn fields(definition: &TypeDefinition) -> Vec<FieldDefinition> {
    match &definition.kind {
        TypeKind::Object(object) => object.fields.iter().map(|field| field.node.clone()).collect(),
        TypeKind::Interface(interface) => interface.fields.iter().map(|field| field.node.clone()).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn what_is_checked_in_is_what_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql");
    let checked_in = std::fs::read_to_string(path).unwrap();
    assert!(checked_in == boxoffice::graphql::sdl(), "stale: cargo run -- schema print > schema.graphql");
}

#[test]
fn everything_is_described() {
    let mut silent = Vec::new();
    for (name, definition) in types() {
        let relay = name.ends_with("Connection") || name.ends_with("Edge");
        let root = ["Query", "Mutation", "Subscription"].contains(&name.as_str());
        if definition.description.is_none() && !relay && !root {
            silent.push(name.clone());
        }
        for field in fields(&definition) {
            let of_relay =
                relay && ["edges", "nodes", "pageInfo", "node", "cursor"].contains(&field.name.node.as_str());
            if field.description.is_none() && !of_relay {
                silent.push(format!("{name}.{}", field.name.node));
            }
            for argument in &field.arguments {
                if argument.node.description.is_none() {
                    silent.push(format!("{name}.{}({})", field.name.node, argument.node.name.node));
                }
            }
        }
        match &definition.kind {
            TypeKind::Enum(words) => silent.extend(
                words
                    .values
                    .iter()
                    .filter(|word| word.node.description.is_none())
                    .map(|word| format!("{name}.{}", word.node.value.node)),
            ),
            TypeKind::InputObject(input) => silent.extend(
                input
                    .fields
                    .iter()
                    .filter(|field| field.node.description.is_none())
                    .map(|field| format!("{name}.{}", field.node.name.node)),
            ),
            _ => {}
        }
    }
    assert!(silent.is_empty(), "without a description:\n{}", silent.join("\n"));
}

#[test]
fn whatever_is_guarded_may_be_null() {
    for (name, definition) in types() {
        if name == "Subscription" {
            continue; // a refused subscription has no data at all
        }
        for field in fields(&definition) {
            let guarded = field.description.as_ref().is_some_and(|text| text.node.contains("Needs "));
            assert!(
                !guarded || field.ty.node.nullable,
                "{name}.{} is guarded: a refusal would null its parent",
                field.name.node
            );
        }
    }
}

#[test]
fn mutations_take_one_input_and_answer_with_a_payload() {
    let types = types();
    for field in fields(&types["Mutation"]) {
        let name = &field.name.node;
        let [argument] = field.arguments.as_slice() else { panic!("{name} takes {} arguments", field.arguments.len()) };
        assert_eq!(argument.node.name.node, "input", "{name}");
        let input = argument.node.ty.node.to_string();
        assert!(input.ends_with("Input!"), "{name} takes {input}");
        let payload = field.ty.node.to_string();
        assert!(payload.ends_with("Payload"), "{name} answers with {payload}");
        let errors = fields(&types[&payload]).into_iter().find(|field| field.name.node == "userErrors");
        assert_eq!(errors.unwrap().ty.node.to_string(), "[UserError!]!", "{payload}");
    }
}

#[test]
fn refusals_carry_code_message_and_path() {
    for (name, definition) in types() {
        let TypeKind::Object(object) = &definition.kind else { continue };
        if object.implements.iter().any(|interface| interface.node == "UserError") {
            let names: Vec<String> = fields(&definition).iter().map(|field| field.name.node.to_string()).collect();
            for wanted in ["code", "message", "path"] {
                assert!(names.iter().any(|name| name == wanted), "{name} has no {wanted}");
            }
        }
    }
}
