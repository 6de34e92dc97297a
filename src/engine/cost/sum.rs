//! Sums of a selection set: fields, depth, aliases, the weight of values, and the load of its answer including the
//! length of its lists.
//! Not here: limits on the sums, except the one on nesting that bounds the recursion of this file; and the price of a
//! single field (`price`).

use std::collections::HashMap;

use async_graphql::parser::types::{Field, Selection, SelectionSet, VariableDefinition};
use async_graphql::{Positioned, Variables};

use super::price;
use super::values::Values;
use super::{Limits, Refusal, within};

/// Nesting of selections in the text that is accepted. The parser stops earlier, but the recursion here does not rely
/// on that.
const NESTING: u64 = 200;

/// Introspection fields with lists that multiply when nested.
const INTROSPECTION_LISTS: [&str; 5] = ["types", "fields", "inputFields", "interfaces", "possibleTypes"];

/// Number of introspection fields that cost as much as one field of data: they are in memory and have a limit of their
/// own. A page that introspects on each load must not empty its viewer's bucket.
const INTROSPECTION_DISCOUNT: u64 = 4;

/// Sums of one selection set with fragments expanded. They do not depend on the position of the set.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    pub nodes: u64,
    pub fields: u64,
    pub aliases: u64,
    pub roots: u64,
    pub depth: u64,
    /// Weight of arguments with their variables expanded.
    pub values: u64,
    pub load: Load,
    /// Part of `load` below `nodes` and `edges` of this set, which is multiplied by the length of the page.
    paged: Load,
    /// True when the set itself contains `nodes` or `edges`, so that it is the set of a connection.
    is_page: bool,
    /// Levels of nested [`INTROSPECTION_LISTS`].
    lists: u64,
    pub introspection: Introspection,
}

/// Points of database work, and fields of the answer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    pub points: u64,
    pub fields: u64,
}

impl Load {
    fn plus(self, other: Self) -> Self {
        Self { points: self.points.saturating_add(other.points), fields: self.fields.saturating_add(other.fields) }
    }

    fn times(self, n: u64) -> Self {
        Self { points: self.points.saturating_mul(n), fields: self.fields.saturating_mul(n) }
    }
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Introspection {
    pub depth: u64,
    pub lists: u64,
    pub size: u64,
}

impl Sum {
    /// Adds a set that is selected beside this one.
    pub(super) fn add(&mut self, other: Self) {
        self.nodes = self.nodes.saturating_add(other.nodes);
        self.fields = self.fields.saturating_add(other.fields);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.roots = self.roots.saturating_add(other.roots);
        self.depth = self.depth.max(other.depth);
        self.values = self.values.saturating_add(other.values);
        self.load = self.load.plus(other.load);
        self.paged = self.paged.plus(other.paged);
        self.is_page |= other.is_page;
        self.lists = self.lists.max(other.lists);
        let (own, other) = (&mut self.introspection, other.introspection);
        own.depth = own.depth.max(other.depth);
        own.lists = own.lists.max(other.lists);
        own.size = own.size.saturating_add(other.size);
    }
}

/// Sums up selection sets, and each fragment once.
pub(super) struct Count<'a> {
    fragments: HashMap<&'a str, Sum>,
    values: Values<'a>,
    limits: &'a Limits,
    /// Selections that were visited.
    pub visited: u64,
}

impl<'a> Count<'a> {
    /// Count with the values of these variables.
    pub fn new(
        variables: &'a Variables,
        declared: &'a [Positioned<VariableDefinition>],
        limits: &'a Limits,
        visited: u64,
    ) -> Self {
        Self { fragments: HashMap::new(), values: Values::of(variables, declared), limits, visited }
    }

    /// Stores the sum of a fragment for the definitions that spread it.
    pub fn known(&mut self, fragment: &'a str, sum: Sum) {
        self.fragments.insert(fragment, sum);
    }

    /// Sums up a selection set.
    pub fn set(&mut self, set: &SelectionSet) -> Result<Sum, Refusal> {
        self.nested(set, 0)
    }

    fn nested(&mut self, set: &SelectionSet, nesting: u64) -> Result<Sum, Refusal> {
        within("The document", nesting, "levels of selections", NESTING)?;
        let mut sum = Sum::default();
        for selection in &set.items {
            self.visited += 1;
            sum.values = sum.values.saturating_add(self.values.weigh_all(selection.node.directives()));
            sum.add(match &selection.node {
                Selection::Field(field) => self.field(&field.node, nesting)?,
                Selection::InlineFragment(inline) => {
                    let inner = self.nested(&inline.node.selection_set.node, nesting + 1)?;
                    Sum { nodes: inner.nodes.saturating_add(1), ..inner }
                }
                Selection::FragmentSpread(spread) => {
                    // The order of the fragments ensures that this one is known, unless the document does not contain
                    // it.
                    let inner =
                        self.fragments.get(spread.node.fragment_name.node.as_str()).copied().unwrap_or_default();
                    Sum { nodes: inner.nodes.saturating_add(1), ..inner }
                }
            });
        }
        Ok(sum)
    }

    fn field(&mut self, field: &Field, nesting: u64) -> Result<Sum, Refusal> {
        let inner = self.nested(&field.selection_set.node, nesting + 1)?;
        let name = field.name.node.as_str();
        let mut sum = Sum {
            nodes: inner.nodes.saturating_add(1),
            fields: inner.fields.saturating_add(1),
            aliases: inner.aliases.saturating_add(u64::from(field.alias.is_some())),
            roots: 1,
            depth: inner.depth.saturating_add(1),
            values: inner.values.saturating_add(self.values.weigh(&field.arguments)),
            lists: inner.lists.saturating_add(u64::from(INTROSPECTION_LISTS.contains(&name))),
            introspection: inner.introspection,
            ..Sum::default()
        };
        if matches!(name, "__schema" | "__type") {
            sum.introspection = Introspection { depth: sum.depth, lists: inner.lists, size: sum.nodes };
            sum.depth = 1;
            sum.load = Load { points: sum.fields.div_ceil(INTROSPECTION_DISCOUNT), fields: sum.fields };
            return Ok(sum);
        }
        let is_wrapper = matches!(name, "nodes" | "edges") && field.arguments.is_empty();
        let own = price::of(field, &self.limits.prices).saturating_add(price::of_scans(
            &field.arguments,
            &self.values,
            &self.limits.prices,
        ));
        let length = self.length(field).or_else(|| price::default_length(name, &self.limits.prices));
        let (rows, children) = match (length, inner.is_page) {
            (None, false) => (0, inner.load),
            (Some(rows), false) => (rows, inner.load.times(rows)),
            // A connection: `totalCount` and `pageInfo` count once, and only the rows are multiplied by the length of
            // the page.
            (length, true) => {
                let rows = length.unwrap_or(self.limits.default_page);
                (rows, inner.load.plus(inner.paged.times(rows.saturating_sub(1))))
            }
        };
        sum.load = children.plus(Load { points: own.saturating_add(rows), fields: 1 });
        sum.is_page = is_wrapper;
        sum.paged = if is_wrapper { inner.load } else { Load::default() };
        Ok(sum)
    }

    /// Returns the number of rows that a field's arguments ask for, if they give one.
    fn length(&self, field: &Field) -> Option<u64> {
        let lengths = field.arguments.iter().filter_map(|(name, value)| match name.node.as_str() {
            "first" | "last" => self.values.number(&value.node),
            "ids" | "eventIds" => self.values.items(&value.node),
            _ => None,
        });
        lengths.max().map(|length| length.clamp(1, self.limits.page))
    }
}
