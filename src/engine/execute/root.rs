//! Finds the one root field of a subscription through fragments and moves it to the operation, where async-graphql
//! looks for it.
//! Not here: the resolver of the field, and queries and mutations, which may have many root fields.

use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, Field, OperationDefinition, Selection};
use async_graphql::{Name, Positioned};

use crate::engine::cost::Refusal;
use crate::engine::fault::Fault;

/// Returns the root field's name, and the document to execute if it had to be changed. A subscription must have exactly
/// one root field without a condition. async-graphql does not check that, and looks for the field only in the operation
/// itself, so a field inside fragments is copied there.
pub(super) fn single_root(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    name: Option<&str>,
) -> Result<(Name, Option<ExecutableDocument>), Refusal> {
    let refused = |message: &str| Refusal { fault: Fault::GraphqlValidationFailed, message: message.to_owned() };
    let fields = root_fields(document, operation)
        .ok_or_else(|| refused("The root field of a subscription must not have @skip or @include."))?;
    let one = fields.first().filter(|one| fields.iter().all(|field| is_same(&field.node, &one.node)));
    let Some(one) = one else {
        return Err(refused("A subscription must have exactly one root field."));
    };
    if one.node.name.node.starts_with("__") {
        return Err(refused("The root field of a subscription must not be an introspection field."));
    }
    if matches!(operation.selection_set.node.items.as_slice(), [item] if matches!(item.node, Selection::Field(_))) {
        return Ok((one.node.name.node.clone(), None));
    }
    let mut one = (*one).clone();
    one.node.selection_set.node.items =
        fields.iter().flat_map(|field| field.node.selection_set.node.items.iter().cloned()).collect();
    let mut document = document.clone();
    if let Some(own) = operation_mut(&mut document, name) {
        let items = &mut own.node.selection_set.node.items;
        // The spreads stay beside the field, so that validation finds their fragments used.
        items.retain(|item| !matches!(item.node, Selection::Field(_)));
        items.push(Positioned::new(Selection::Field(one.clone()), one.pos));
    }
    Ok((one.node.name.node, Some(document)))
}

/// Returns the operation to execute.
fn operation_mut<'a>(
    document: &'a mut ExecutableDocument,
    name: Option<&str>,
) -> Option<&'a mut Positioned<OperationDefinition>> {
    match &mut document.operations {
        DocumentOperations::Single(own) => Some(own),
        DocumentOperations::Multiple(all) => match name {
            Some(name) => all.get_mut(name),
            None => all.values_mut().next(), // `pick` ensures that it is the only one
        },
    }
}

/// Returns true if all root fields are among `names` and none has a condition.
pub(super) fn asks_only(document: &ExecutableDocument, operation: &OperationDefinition, names: &[&str]) -> bool {
    let fields = root_fields(document, operation);
    fields.is_some_and(|fields| fields.iter().all(|field| names.contains(&field.node.name.node.as_str())))
}

/// Returns true if two fields are one field that is selected twice. With different arguments they are different fields:
/// validation would not notice once they are merged into one.
fn is_same(one: &Field, other: &Field) -> bool {
    one.response_key().node == other.response_key().node
        && one.name.node == other.name.node
        && has_same_arguments(one, other)
}

/// Returns true if two fields have the same arguments, in any order.
pub(super) fn has_same_arguments(one: &Field, other: &Field) -> bool {
    one.arguments.len() == other.arguments.len()
        && one.arguments.iter().all(|(name, value)| {
            other.arguments.iter().any(|(own, given)| own.node == name.node && given.node == value.node)
        })
}

/// Returns the fields of a subscription's root with fragments expanded; `None` when one of them has a condition.
///
/// The specification requires exactly one root field, without a condition, so that a stream cannot change its subject.
fn root_fields<'a>(
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
) -> Option<Vec<&'a Positioned<Field>>> {
    let mut fields = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    let mut stack = vec![&operation.selection_set.node];
    while let Some(set) = stack.pop() {
        for selection in &set.items {
            let conditional = |name: &Name| matches!(name.as_str(), "skip" | "include");
            if selection.node.directives().iter().any(|directive| conditional(&directive.node.name.node)) {
                return None;
            }
            match &selection.node {
                Selection::Field(field) => fields.push(field),
                Selection::InlineFragment(inline) => stack.push(&inline.node.selection_set.node),
                Selection::FragmentSpread(spread) => {
                    let name = spread.node.fragment_name.node.as_str();
                    if !seen.contains(&name) {
                        seen.push(name);
                        stack.extend(document.fragments.get(name).map(|found| &found.node.selection_set.node));
                    }
                }
            }
        }
    }
    Some(fields)
}
