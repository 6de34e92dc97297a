//! Variables of a request: required ones, those that were left out, and errors about their values.
//! Not here: their types; async-graphql knows the schema and checks them where they are used.

use std::collections::HashSet;

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, Selection, VariableDefinition,
};
use async_graphql::{Name, Pos, Response, Value, Variables};
use async_graphql_value::Value as Literal;

use super::walk;
use crate::engine::cost::Refusal;
use crate::engine::fault::{self, Fault};

/// Refuses a request that leaves out a required variable. async-graphql would report it only while resolving the field
/// that uses it, after other fields may have run.
pub(super) fn require(operation: &OperationDefinition, variables: &Variables) -> Result<(), Refusal> {
    for declared in operation.variable_definitions.iter().map(|declared| &declared.node) {
        let given = variables.get(&declared.name.node);
        let missing = match given {
            None => declared.default_value.is_none(),
            Some(value) => *value == Value::Null,
        };
        if !declared.var_type.node.nullable && missing {
            let message = format!("Variable ${} of type {} needs a value.", declared.name.node, declared.var_type.node);
            return Err(Refusal { fault: Fault::BadUserInput, message: fault::one_line(&message) });
        }
    }
    Ok(())
}

/// Returns the document without the arguments and input fields that take a variable that was left out and has no
/// default; `None` when no change is needed. They count as not given (October 2021, 6.4.1 and 3.10), so that their own
/// defaults apply. async-graphql would treat them as null. A variable that is also used in a list or a directive is
/// null there, and then it is null everywhere.
pub(super) fn without_left_out(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
) -> Option<ExecutableDocument> {
    let declared = operation.variable_definitions.iter().map(|declared| &declared.node);
    let is_left_out = |declared: &&VariableDefinition| {
        let has_default = declared.default_value.is_some(); // an explicit default of null counts, too
        declared.var_type.node.nullable && !has_default && !variables.contains_key(&declared.name.node)
    };
    let mut gone: HashSet<Name> = declared.filter(is_left_out).map(|declared| declared.name.node.clone()).collect();
    if gone.is_empty() {
        return None;
    }
    let (mut optional, mut fixed) = (HashSet::new(), HashSet::new());
    walk::each(document, |selection| {
        if let Selection::Field(field) = selection {
            for (_, value) in &field.node.arguments {
                uses(&value.node, true, &mut optional, &mut fixed);
            }
        }
        for (_, value) in selection.directives().iter().flat_map(|directive| &directive.node.arguments) {
            uses(&value.node, false, &mut optional, &mut fixed);
        }
    });
    gone.retain(|name| optional.contains(name) && !fixed.contains(name));
    if gone.is_empty() {
        return None;
    }
    let mut document = document.clone();
    walk::each_field_mut(&mut document, |field| {
        field.arguments.retain(|(_, value)| !is_one_of(&value.node, &gone));
        for (_, value) in &mut field.arguments {
            strip(&mut value.node, &gone);
        }
    });
    let keep = |operation: &mut OperationDefinition| {
        operation.variable_definitions.retain(|declared| !gone.contains(&declared.node.name.node));
    };
    match &mut document.operations {
        DocumentOperations::Single(own) => keep(&mut own.node),
        DocumentOperations::Multiple(all) => all.values_mut().for_each(|operation| keep(&mut operation.node)),
    }
    Some(document)
}

/// Collects the variables in positions that may be left out, and those in other positions.
fn uses(value: &Literal, may_go: bool, optional: &mut HashSet<Name>, fixed: &mut HashSet<Name>) {
    match value {
        Literal::Variable(name) => drop(if may_go { optional } else { fixed }.insert(name.clone())),
        Literal::List(items) => items.iter().for_each(|item| uses(item, false, optional, fixed)),
        Literal::Object(fields) => fields.values().for_each(|field| uses(field, true, optional, fixed)),
        _ => {}
    }
}

fn is_one_of(value: &Literal, gone: &HashSet<Name>) -> bool {
    matches!(value, Literal::Variable(name) if gone.contains(name))
}

fn strip(value: &mut Literal, gone: &HashSet<Name>) {
    match value {
        Literal::List(items) => items.iter_mut().for_each(|item| strip(item, gone)),
        Literal::Object(fields) => {
            fields.retain(|_, field| !is_one_of(field, gone));
            fields.values_mut().for_each(|field| strip(field, gone));
        }
        _ => {}
    }
}

/// Gives each variable that was left out its default, else null. async-graphql does the same when it resolves a field,
/// but before that it checks neither an argument with a variable left out nor the defaults of conditions.
pub(super) fn fill(operation: &OperationDefinition, variables: &mut Variables) {
    for declared in operation.variable_definitions.iter().map(|declared| &declared.node) {
        if let Some(value) = declared.default_value() {
            variables.entry(declared.name.node.clone()).or_insert_with(|| value.clone());
        }
    }
}

/// Adds the format to an error that names only the scalar a value does not fit.
pub(super) fn name_formats(response: &mut Response, format_of: fn(&str) -> Option<&'static str>) {
    for error in &mut response.errors {
        let Some((_, rest)) = error.message.split_once("expected type \"") else { continue };
        let Some((name, _)) = rest.split_once('"') else { continue };
        if let Some(format) = format_of(name.trim_end_matches('!')) {
            error.message = format!("{}: {format}", error.message);
        }
    }
}

/// Arguments of a document that take their value, or a part of it, from a variable.
#[derive(Debug, Default)]
pub(super) struct VariablePositions(HashSet<Pos>);

impl VariablePositions {
    /// Visits each argument once, or none when no variable was given.
    pub fn read(document: &ExecutableDocument, variables: &Variables) -> Self {
        let mut filled = Self::default();
        if variables.is_empty() {
            return filled;
        }
        walk::each(document, |selection| {
            let own = match selection {
                Selection::Field(field) => field.node.arguments.as_slice(),
                Selection::InlineFragment(_) | Selection::FragmentSpread(_) => &[],
            };
            let directives = selection.directives().iter();
            let arguments = directives.flat_map(|directive| &directive.node.arguments).chain(own);
            let variable = arguments.filter(|(_, value)| value.node.clone().into_const().is_none());
            filled.0.extend(variable.map(|(name, _)| name.pos));
        });
        filled
    }

    /// Marks errors of validation that a variable's value caused: the document is valid, the input is not.
    pub fn blame(&self, response: &mut Response) {
        for error in &mut response.errors {
            // async-graphql marks such errors only by these words, and locates them at the argument.
            let is_about_value = error.message.starts_with("Invalid value for argument ");
            if is_about_value && error.locations.iter().any(|at| self.0.contains(at)) {
                let locations = std::mem::take(&mut error.locations);
                *error = Fault::BadUserInput.server_error(fault::one_line(&error.message));
                error.locations = locations;
            }
        }
    }
}
