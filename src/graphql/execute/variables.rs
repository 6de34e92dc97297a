//! Variables of a request: which an operation cannot do without, which have defaults, and which errors are about their values.
//! Not here: their types; the engine knows the schema and checks them where they are used.

use std::collections::HashSet;

use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, Selection, SelectionSet};
use async_graphql::{Pos, Response, Value, Variables};

use crate::graphql::cost::Refusal;
use crate::graphql::fault::{self, Fault};

/// Refuses a request that leaves out a variable the operation cannot do without. The engine would notice only in the
/// field that uses it, when other fields may have run.
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

/// Gives conditions their defaults: where `@skip` or `@include` name a variable that was left out, the engine does not
/// look at its declaration. Everywhere else it does, and checks the default with the document.
pub(super) fn default_conditions(operation: &OperationDefinition, variables: &mut Variables) {
    for declared in operation.variable_definitions.iter().map(|declared| &declared.node) {
        if let Some(default) = declared.default_value.as_ref().map(|default| &default.node)
            && matches!(default, Value::Boolean(_))
        {
            variables.entry(declared.name.node.clone()).or_insert_with(|| default.clone());
        }
    }
}

/// The arguments of a document that take their value, or a part of it, from a variable.
#[derive(Debug, Default)]
pub(super) struct Filled(HashSet<Pos>);

impl Filled {
    /// Looks at each argument once; at none when no variable was given.
    pub fn read(document: &ExecutableDocument, variables: &Variables) -> Self {
        let mut filled = Self::default();
        if variables.is_empty() {
            return filled;
        }
        let operations = document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
        let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set.node);
        let mut stack: Vec<&SelectionSet> = operations.chain(fragments).collect();
        while let Some(set) = stack.pop() {
            for selection in &set.items {
                let own = match &selection.node {
                    Selection::Field(field) => {
                        stack.push(&field.node.selection_set.node);
                        field.node.arguments.as_slice()
                    }
                    Selection::InlineFragment(inline) => {
                        stack.push(&inline.node.selection_set.node);
                        &[]
                    }
                    Selection::FragmentSpread(_) => &[],
                };
                let directives = selection.node.directives().iter();
                let arguments = directives.flat_map(|directive| &directive.node.arguments).chain(own);
                let variable = arguments.filter(|(_, value)| value.node.clone().into_const().is_none());
                filled.0.extend(variable.map(|(name, _)| name.pos));
            }
        }
        filled
    }

    /// Marks what validation refused because of a variable's value: the document is right, the input is not.
    pub fn blame(&self, response: &mut Response) {
        for error in &mut response.errors {
            // The engine marks such errors by these words alone, and points at the argument.
            let is_about_value = error.message.starts_with("Invalid value for argument ");
            if is_about_value && error.locations.iter().any(|at| self.0.contains(at)) {
                let locations = std::mem::take(&mut error.locations);
                *error = Fault::BadUserInput.server_error(fault::one_line(&error.message));
                error.locations = locations;
            }
        }
    }
}
