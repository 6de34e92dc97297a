//! Rewrites `__typename` for validation. async-graphql does not validate `__typename` selections: their directives
//! would stay unchecked, and a variable that only their conditions use would count as unused.
//! Not here: every other field, which validation checks.

use async_graphql::Positioned;
use async_graphql::parser::types::{ExecutableDocument, Field, InlineFragment, Selection, SelectionSet};

use super::walk;
use crate::engine::cost::Refusal;
use crate::engine::fault::Fault;

/// Returns the document with the directives of each `__typename` moved to a fragment around it, which has the same
/// meaning; `None` when there are no such directives. Arguments and fields of a `__typename` are refused.
pub(super) fn readable(document: &ExecutableDocument) -> Result<Option<ExecutableDocument>, Refusal> {
    let mut sets = walk::tops(document);
    let mut hidden = false;
    while let Some(set) = sets.pop() {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) if is_typename(&field.node) => {
                    hidden |= !bare(&field.node)?.directives.is_empty();
                }
                Selection::Field(field) => sets.push(&field.node.selection_set.node),
                Selection::InlineFragment(inline) => sets.push(&inline.node.selection_set.node),
                Selection::FragmentSpread(_) => {}
            }
        }
    }
    if !hidden {
        return Ok(None);
    }
    let mut document = document.clone();
    walk::tops_mut(&mut document).into_iter().for_each(wrap);
    Ok(Some(document))
}

fn is_typename(field: &Field) -> bool {
    field.name.node == "__typename"
}

/// Returns a `__typename` field, and refuses one with arguments or fields.
fn bare(field: &Field) -> Result<&Field, Refusal> {
    let refused = |message: &str| Refusal { fault: Fault::GraphqlValidationFailed, message: message.to_owned() };
    if !field.arguments.is_empty() {
        return Err(refused("The field __typename takes no arguments."));
    }
    if !field.selection_set.node.items.is_empty() {
        return Err(refused("The field __typename is a string and has no fields."));
    }
    Ok(field)
}

/// Adds the fragments. The recursion is as deep as the document, and its brackets are counted before it is parsed.
fn wrap(set: &mut SelectionSet) {
    for selection in &mut set.items {
        match &mut selection.node {
            Selection::Field(field) if is_typename(&field.node) => {
                let directives = std::mem::take(&mut field.node.directives);
                if !directives.is_empty() {
                    let items = vec![selection.clone()];
                    let selection_set = Positioned::new(SelectionSet { items }, selection.pos);
                    let around = InlineFragment { type_condition: None, directives, selection_set };
                    selection.node = Selection::InlineFragment(Positioned::new(around, selection.pos));
                }
            }
            Selection::Field(field) => wrap(&mut field.node.selection_set.node),
            Selection::InlineFragment(inline) => wrap(&mut inline.node.selection_set.node),
            Selection::FragmentSpread(_) => {}
        }
    }
}
