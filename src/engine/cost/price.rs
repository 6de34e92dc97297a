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

/// Prices that differ from the usual ones. Names alone decide: the engine knows no type of the schema.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prices {
    /// Objects that are read together with their parent and cost nothing. With arguments they cost what others do.
    pub free: &'static [&'static str],
    /// Fields that cost more than others, such as those that count rows or hash a password; in points.
    pub expensive: &'static [(&'static str, u64)],
    /// Keys of an argument `filter` that look at more rows than the page shows; in points.
    pub scans: &'static [(&'static str, u64)],
}

/// The price of a field itself, without the rows it lists and what stands below it.
pub(super) fn of(field: &Field, prices: &Prices) -> u64 {
    let name = field.name.node.as_str();
    let is_scalar = field.selection_set.node.items.is_empty();
    let expensive = prices.expensive.iter().find(|(expensive, _)| *expensive == name);
    match expensive {
        Some((_, price)) => *price,
        None if is_scalar || (field.arguments.is_empty() && prices.free.contains(&name)) => 0,
        None => OBJECT,
    }
}

/// The price of what an argument `filter` has to look at.
pub(super) fn of_scans(
    arguments: &[(Positioned<Name>, Positioned<Literal>)],
    values: &Values<'_>,
    prices: &Prices,
) -> u64 {
    let filters = arguments.iter().filter(|(name, _)| name.node == "filter");
    let of = |filter: &Literal| {
        prices.scans.iter().filter(|(key, _)| values.says(filter, key)).map(|(_, price)| price).sum::<u64>()
    };
    filters.map(|(_, filter)| of(&filter.node)).sum()
}
