//! Traversal of a document: all of its operations and fragments, each visited once, wherever it is spread.
//! Not here: the use of what is found.

use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, Field, Selection, SelectionSet};

/// Returns the outermost selection sets of all operations and fragments.
pub(super) fn tops(document: &ExecutableDocument) -> Vec<&SelectionSet> {
    let operations = document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
    let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set.node);
    operations.chain(fragments).collect()
}

/// Returns the same selection sets for changes.
pub(super) fn tops_mut(document: &mut ExecutableDocument) -> Vec<&mut SelectionSet> {
    let fragments = document.fragments.values_mut().map(|fragment| &mut fragment.node.selection_set.node);
    let mut tops: Vec<&mut SelectionSet> = fragments.collect();
    match &mut document.operations {
        DocumentOperations::Single(own) => tops.push(&mut own.node.selection_set.node),
        DocumentOperations::Multiple(all) => {
            tops.extend(all.values_mut().map(|operation| &mut operation.node.selection_set.node));
        }
    }
    tops
}

/// Visits every selection.
pub(super) fn each(document: &ExecutableDocument, mut look: impl FnMut(&Selection)) {
    let mut stack = tops(document);
    while let Some(set) = stack.pop() {
        for selection in &set.items {
            look(&selection.node);
            match &selection.node {
                Selection::Field(field) => stack.push(&field.node.selection_set.node),
                Selection::InlineFragment(inline) => stack.push(&inline.node.selection_set.node),
                Selection::FragmentSpread(_) => {}
            }
        }
    }
}

/// Visits every field, which may be changed.
pub(super) fn each_field_mut(document: &mut ExecutableDocument, mut look: impl FnMut(&mut Field)) {
    let mut stack = tops_mut(document);
    while let Some(set) = stack.pop() {
        for selection in &mut set.items {
            match &mut selection.node {
                Selection::Field(field) => {
                    look(&mut field.node);
                    stack.push(&mut field.node.selection_set.node);
                }
                Selection::InlineFragment(inline) => stack.push(&mut inline.node.selection_set.node),
                Selection::FragmentSpread(_) => {}
            }
        }
    }
}
