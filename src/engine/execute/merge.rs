//! Checks that fields of one response name can share one value (October 2021, 5.3.2). async-graphql compares fields of
//! one selection set and one type; this check covers merged sets and several types.
//! Not here: merging their values (`shape`).

use std::collections::VecDeque;

use async_graphql::Name;
use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet};

use super::root::has_same_arguments;
use super::shape::{Output, Types};
use crate::engine::cost::Refusal;
use crate::engine::fault::{self, Fault};

/// Refuses an operation in which fields of one response name conflict. The cost check bounds its depth and its size
/// with fragments expanded. Each field is visited at most once for each level above it.
pub(super) fn check(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    types: &Types,
) -> Result<(), Refusal> {
    let rule = Rule { document, types };
    rule.merge(&[(&operation.selection_set.node, types.root(operation.ty))], true)
}

/// Selection set and the type it is on; `None` for an unknown type, which validation reports.
type On<'a> = (&'a SelectionSet, Option<&'a Name>);

struct Rule<'a> {
    document: &'a ExecutableDocument,
    types: &'a Types,
}

/// Field and the type it is selected on.
#[derive(Clone, Copy)]
struct Asked<'a> {
    field: &'a Field,
    parent: Option<&'a Name>,
    output: Option<&'a Output>,
}

impl<'a> Rule<'a> {
    /// Checks sets that are merged. With `same`, fields of one name must be the same field with the same arguments
    /// where one object can have both; otherwise only their types must agree.
    fn merge(&self, sets: &[On<'a>], same: bool) -> Result<(), Refusal> {
        for (key, group) in self.collect(sets) {
            let Some(first) = group.first() else { continue };
            if let Some(other) = group.iter().find(|other| !self.agree(first, other)) {
                return Err(conflict(key, &shapes(first, other)));
            }
            let classes = if same { self.classes(&group) } else { vec![group.clone()] };
            for class in &classes {
                if same && let Some(reason) = difference(class) {
                    return Err(conflict(key, &reason));
                }
                self.merge(&below(class), same)?;
            }
            if classes.len() > 1 {
                self.merge(&below(&group), false)?;
            }
        }
        Ok(())
    }

    /// Returns the fields of sets by their response name, with fragments expanded.
    fn collect(&self, sets: &[On<'a>]) -> IndexMap<&'a Name, Vec<Asked<'a>>> {
        let mut fields: IndexMap<&Name, Vec<Asked<'_>>> = IndexMap::new();
        let mut spread: Vec<&Name> = Vec::new();
        let mut open: VecDeque<On<'a>> = sets.iter().copied().collect();
        while let Some((set, parent)) = open.pop_front() {
            for selection in &set.items {
                match &selection.node {
                    Selection::Field(field) => {
                        let field = &field.node;
                        let key = &field.alias.as_ref().unwrap_or(&field.name).node;
                        let output = parent.and_then(|parent| self.types.output(parent, &field.name.node));
                        fields.entry(key).or_default().push(Asked { field, parent, output });
                    }
                    Selection::InlineFragment(inline) => {
                        let on = inline.node.type_condition.as_ref().map(|condition| &condition.node.on.node);
                        open.push_back((&inline.node.selection_set.node, on.or(parent)));
                    }
                    Selection::FragmentSpread(named) => {
                        let name = &named.node.fragment_name.node;
                        if let Some(fragment) = self.document.fragments.get(name).filter(|_| !spread.contains(&name)) {
                            spread.push(name);
                            let on = &fragment.node.type_condition.node.on.node;
                            open.push_back((&fragment.node.selection_set.node, Some(on)));
                        }
                    }
                }
            }
        }
        fields
    }

    /// Returns true if the types of two fields agree: their lists and nulls, and their names unless both have fields.
    fn agree(&self, one: &Asked<'_>, other: &Asked<'_>) -> bool {
        let (Some(one), Some(other)) = (one.output, other.output) else { return true };
        let is_composite = |output: &Output| self.types.is_composite(&output.named);
        one.wrapping == other.wrapping && (one.named == other.named || (is_composite(one) && is_composite(other)))
    }

    /// Groups fields that one object can have: those of each object type. A field of an interface may belong to any
    /// object.
    fn classes(&self, group: &[Asked<'a>]) -> Vec<Vec<Asked<'a>>> {
        let is_of_object = |asked: &Asked<'_>| asked.parent.is_some_and(|parent| !self.types.is_abstract(parent));
        if !group.iter().all(is_of_object) {
            return vec![group.to_vec()];
        }
        let mut classes: IndexMap<Option<&Name>, Vec<Asked<'_>>> = IndexMap::new();
        for asked in group {
            classes.entry(asked.parent).or_default().push(*asked);
        }
        classes.into_values().collect()
    }
}

fn below<'a>(class: &[Asked<'a>]) -> Vec<On<'a>> {
    class.iter().map(|asked| (&asked.field.selection_set.node, asked.output.map(|output| &output.named))).collect()
}

/// Returns a description of the difference between fields of a class, if there is one.
fn difference(class: &[Asked<'_>]) -> Option<String> {
    let (first, rest) = class.split_first()?;
    rest.iter().find_map(|other| {
        let (one, other) = (first.field, other.field);
        if one.name.node != other.name.node {
            return Some(format!("\"{}\" and \"{}\" are different fields", one.name.node, other.name.node));
        }
        (!has_same_arguments(one, other)).then(|| "they have differing arguments".to_owned())
    })
}

fn shapes(one: &Asked<'_>, other: &Asked<'_>) -> String {
    let (one, other) = (one.output.map(Output::shown), other.output.map(Output::shown));
    format!("they have the types {} and {}", one.unwrap_or_default(), other.unwrap_or_default())
}

fn conflict(key: &Name, reason: &str) -> Refusal {
    let message = format!("Fields \"{key}\" conflict because {reason}; use different aliases.");
    Refusal { fault: Fault::GraphqlValidationFailed, message: fault::one_line(&message) }
}
