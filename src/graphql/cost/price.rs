//! Prices of single fields, in points: one point is a row read by its key, or a batch of rows that belongs to one.
//! Not here: how often a field stands in an answer (`sum`).
//!
//! Names alone decide; nothing here knows a type. A scalar belongs to the row it stands on and is free; an object is read
//! from a table, unless it came along with its parent.

use async_graphql::parser::types::Field;
use async_graphql::{Name, Positioned};
use async_graphql_value::Value as Literal;

use super::values::Values;

/// Fields of the answer that cost one point together: they are written, not read.
pub(super) const FIELDS_PER_POINT: u64 = 50;

/// Price of a mutation beside what its answer reads: locks, writes and a commit.
pub(super) const MUTATION: u64 = 10;

/// Price of an object that is read from a table.
const OBJECT: u64 = 1;

/// Objects that come along with their parent. With arguments they are other fields of the same name.
const FREE: [&str; 8] = ["edges", "node", "nodes", "pageInfo", "token", "total", "unitPrice", "userErrors"];

/// Fields that cost more than others: what counts or ranks rows, and what hashes a password.
const EXPENSIVE: [(&str, u64); 8] = [
    ("changePassword", 100),
    ("createAdmin", 100),
    ("position", 5),
    ("positionAtLeast", 5),
    ("signIn", 100),
    ("signUp", 100),
    ("totalCount", 10),
    ("totalCountCapped", 10),
];

/// Keys of an argument `filter` that look at more rows than the page shows.
const SCANS: [(&str, u64); 4] = [("free", 20), ("hasTickets", 20), ("price", 20), ("text", 20)];

/// The price of a field itself, without the rows it lists and what stands below it.
pub(super) fn of(field: &Field) -> u64 {
    let name = field.name.node.as_str();
    let is_scalar = field.selection_set.node.items.is_empty();
    let expensive = EXPENSIVE.iter().find(|(expensive, _)| *expensive == name);
    match expensive {
        Some((_, price)) => *price,
        None if is_scalar || (field.arguments.is_empty() && FREE.contains(&name)) => 0,
        None => OBJECT,
    }
}

/// The price of what an argument `filter` has to look at.
pub(super) fn of_scans(arguments: &[(Positioned<Name>, Positioned<Literal>)], values: &Values<'_>) -> u64 {
    let filters = arguments.iter().filter(|(name, _)| name.node == "filter");
    let of = |filter: &Literal| {
        SCANS.iter().filter(|(key, _)| values.says(filter, key)).map(|(_, price)| price).sum::<u64>()
    };
    filters.map(|(_, filter)| of(&filter.node)).sum()
}
