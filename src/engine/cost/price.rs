//! Prices of single fields in points: one point is a row read by its key, or a batch of rows that belongs to one row.
//! Not here: the number of times a field is in an answer (`sum`).
//!
//! Prices depend on names alone, since no type is known here. A scalar belongs to the row of its parent and is free. An
//! object is read from a table, unless it is read together with its parent.

use async_graphql::parser::types::Field;
use async_graphql::{Name, Positioned};
use async_graphql_value::Value as Literal;

use super::values::Values;

/// Number of fields of the answer that cost one point together: they are written, not read.
pub(super) const FIELDS_PER_POINT: u64 = 50;

/// Price of a mutation in addition to what its answer reads: locks, writes and a commit.
pub(super) const MUTATION: u64 = 10;

/// Price of an object that is read from a table.
const OBJECT: u64 = 1;

/// Prices that differ from the default ones. They depend on names alone: the engine knows no type of the schema.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prices {
    /// Names of objects that are read together with their parent and cost nothing. With arguments they cost the default
    /// price.
    pub free: &'static [&'static str],
    /// Names of fields that cost more than others, such as those that count rows or hash a password, with their prices
    /// in points.
    pub expensive: &'static [(&'static str, u64)],
    /// Names of fields that are lists and are usually short, with the length that is charged when no argument gives
    /// one.
    pub lists: &'static [(&'static str, u64)],
    /// Keys of an argument `filter` that read more rows than the page shows, with their prices in points.
    pub scans: &'static [(&'static str, u64)],
}

/// Returns the price of a field itself, without the rows it lists and the fields below it.
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

/// Returns the length of a list whose arguments give none.
pub(super) fn default_length(name: &str, prices: &Prices) -> Option<u64> {
    prices.lists.iter().find(|(list, _)| *list == name).map(|(_, length)| *length)
}

/// Returns the price of the rows that an argument `filter` reads.
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
