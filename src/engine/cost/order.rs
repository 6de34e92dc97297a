//! Fragments of a document ordered so that each comes after those it spreads, and other counts of the same walk.
//! Not here: costs (`sum`, `price`).

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, FragmentDefinition, Selection, SelectionSet};

use super::Refusal;
use crate::engine::fault::Fault;

/// Result of one walk over a document.
pub(super) struct Order<'a> {
    /// Fragments, each after all those it spreads.
    pub fragments: Vec<(&'a str, &'a FragmentDefinition)>,
    /// Directives anywhere in the document.
    pub directives: u64,
    /// Selections that were visited: all of them, once.
    pub visited: u64,
}

impl<'a> Order<'a> {
    /// Walks each definition once without following spreads, then orders the fragments.
    pub(super) fn of(document: &'a ExecutableDocument) -> Result<Self, Refusal> {
        let mut order = Self { fragments: Vec::with_capacity(document.fragments.len()), directives: 0, visited: 0 };
        let mut edges: HashMap<&str, Vec<&str>> = HashMap::with_capacity(document.fragments.len());
        for (name, fragment) in &document.fragments {
            order.directives += fragment.node.directives.len() as u64;
            edges.insert(name.as_str(), order.walk(&fragment.node.selection_set.node));
        }
        for (_, operation) in document.operations.iter() {
            let variables = operation.node.variable_definitions.iter();
            order.directives += variables.map(|variable| variable.node.directives.len() as u64).sum::<u64>();
            order.directives += operation.node.directives.len() as u64;
            order.walk(&operation.node.selection_set.node);
        }

        // Depth first with an explicit stack: a fragment is done when all its spreads are done. A fragment that is met
        // again while it is still open contains itself.
        let mut done: HashMap<&str, bool> = HashMap::with_capacity(edges.len());
        for start in edges.keys().copied() {
            let mut stack = vec![(start, 0)];
            while let Some((name, next)) = stack.pop() {
                if next == 0 {
                    match done.get(name) {
                        Some(true) => continue,
                        Some(false) => {
                            let message = "A fragment of the document contains itself, directly or through others.";
                            return Err(Refusal::new(Fault::GraphqlValidationFailed, message));
                        }
                        None => done.insert(name, false),
                    };
                }
                match edges.get(name).and_then(|spread| spread.get(next)) {
                    Some(spread) => {
                        stack.push((name, next + 1));
                        // An unknown fragment is reported by validation.
                        if edges.contains_key(spread) {
                            stack.push((spread, 0));
                        }
                    }
                    None => {
                        done.insert(name, true);
                        if let Some((name, fragment)) = document.fragments.get_key_value(name) {
                            order.fragments.push((name.as_str(), &fragment.node));
                        }
                    }
                }
            }
        }
        Ok(order)
    }

    /// Counts the directives of a selection set and returns the fragments it spreads.
    fn walk(&mut self, set: &'a SelectionSet) -> Vec<&'a str> {
        let mut found = Vec::new();
        let mut stack = vec![set];
        while let Some(set) = stack.pop() {
            for selection in &set.items {
                self.visited += 1;
                self.directives += selection.node.directives().len() as u64;
                match &selection.node {
                    Selection::Field(field) => stack.push(&field.node.selection_set.node),
                    Selection::InlineFragment(inline) => stack.push(&inline.node.selection_set.node),
                    Selection::FragmentSpread(spread) => found.push(spread.node.fragment_name.node.as_str()),
                }
            }
        }
        found
    }
}
