//! Resumes a subscription after a cursor that its transport brings. The cursor replaces the argument `after` of the
//! root field, and the next one is read from each result.
//! Not here: the transport that brings it (`http::sse`), and the meaning of a cursor (`graphql::live`).

use async_graphql::parser::types::{ExecutableDocument, Field, Selection};
use async_graphql::{Name, Positioned, Value, Variables};

use super::walk;
use crate::engine::response::GraphqlResponse;

/// Name of the argument that takes a cursor.
pub(super) const AFTER: &str = "after";

/// Sets `after` to a cursor wherever the root field `root` is selected: in the variable that is there, else in the
/// document, which is returned if it had to be changed.
pub(super) fn behind(
    cursor: &str,
    document: &ExecutableDocument,
    root: &Name,
    variables: &mut Variables,
) -> Option<ExecutableDocument> {
    let mut document = document.clone();
    let mut is_changed = false;
    let mut stack = walk::tops_mut(&mut document);
    while let Some(set) = stack.pop() {
        for selection in &mut set.items {
            match &mut selection.node {
                Selection::Field(field) if field.node.name.node == *root => {
                    is_changed |= put(cursor, field, variables);
                }
                Selection::InlineFragment(inline) => stack.push(&mut inline.node.selection_set.node),
                Selection::Field(_) | Selection::FragmentSpread(_) => {}
            }
        }
    }
    is_changed.then_some(document)
}

/// Sets the argument of one field and returns true if the field had to be changed.
fn put(cursor: &str, field: &mut Positioned<Field>, variables: &mut Variables) -> bool {
    let value = Value::String(cursor.to_owned());
    let pos = field.pos;
    let given = field.node.arguments.iter_mut().find(|(argument, _)| argument.node == AFTER);
    let Some((_, given)) = given else {
        let argument = (Positioned::new(Name::new(AFTER), pos), Positioned::new(value.into_value(), pos));
        field.node.arguments.push(argument);
        return true;
    };
    let mut variable = None;
    let named = given.node.clone().into_const_with(|name| {
        variable = Some(name);
        Err(())
    });
    match (named, variable) {
        (Err(()), Some(variable)) => drop(variables.insert(variable, value)),
        _ => {
            given.node = value.into_value();
            return true;
        }
    }
    false
}

impl GraphqlResponse {
    /// Returns the cursor of a log's message if the client asked for it: `cursor` in the root field.
    pub fn cursor(&self) -> Option<String> {
        let Value::Object(data) = &self.response.data else { return None };
        match data.values().next()? {
            Value::Object(message) => match message.get("cursor")? {
                Value::String(cursor) => Some(cursor.clone()),
                _ => None,
            },
            _ => None,
        }
    }
}
