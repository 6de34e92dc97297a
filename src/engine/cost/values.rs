//! Size of the values of a document with its variables expanded. Each position that names a variable gets a copy of it,
//! so a large variable that is named often would cost a multiple of the request.
//! Not here: the meaning of a value, except the number of rows it asks for and whether a filter is set.

use std::collections::HashMap;

use async_graphql::parser::types::{Directive, VariableDefinition};
use async_graphql::{Name, Number, Positioned, Value, Variables};
use async_graphql_value::Value as Literal;

/// Bytes of text that weigh as much as a number.
const BYTES: usize = 64;

/// Variables of a request with their weights. The value is the request's own, else the default.
pub(super) struct Values<'a>(HashMap<&'a str, (&'a Value, u64)>);

impl<'a> Values<'a> {
    /// Weighs each variable once.
    pub(super) fn of(variables: &'a Variables, declared: &'a [Positioned<VariableDefinition>]) -> Self {
        let defaults = declared.iter().filter_map(|variable| {
            let default = variable.node.default_value.as_ref()?;
            Some((variable.node.name.node.as_str(), &default.node))
        });
        let given = variables.iter().map(|(name, value)| (name.as_str(), value));
        // Later values replace earlier ones: a given value replaces a default.
        Self(defaults.chain(given).map(|(name, value)| (name, (value, constant(value)))).collect())
    }

    /// Returns the weight of arguments.
    pub(super) fn weigh(&self, arguments: &[(Positioned<Name>, Positioned<Literal>)]) -> u64 {
        arguments.iter().map(|(_, value)| self.literal(&value.node)).fold(0, u64::saturating_add)
    }

    /// Returns the weight of the arguments of directives.
    pub(super) fn weigh_all(&self, directives: &[Positioned<Directive>]) -> u64 {
        directives.iter().map(|directive| self.weigh(&directive.node.arguments)).fold(0, u64::saturating_add)
    }

    /// Returns the number of rows that `first` or `last` asks for; `None` for null. A value that is not a number counts
    /// as the longest page, and so does a variable without a value.
    pub(super) fn number(&self, value: &Literal) -> Option<u64> {
        match value {
            Literal::Variable(name) => match self.0.get(name.as_str()) {
                Some((Value::Null, _)) => None,
                Some((Value::Number(number), _)) => Some(rows(number)),
                _ => Some(u64::MAX),
            },
            Literal::Null => None,
            Literal::Number(number) => Some(rows(number)),
            _ => Some(u64::MAX),
        }
    }

    /// Returns the number of rows that a list of keys asks for; `None` when it is not a list.
    pub(super) fn items(&self, value: &Literal) -> Option<u64> {
        match value {
            Literal::Variable(name) => match self.0.get(name.as_str()) {
                Some((Value::List(items), _)) => Some(items.len() as u64),
                Some(_) => None,
                None => Some(u64::MAX),
            },
            Literal::List(items) => Some(items.len() as u64),
            _ => None,
        }
    }

    /// Returns true if an object has a value other than null for a key.
    pub(super) fn says(&self, value: &Literal, key: &str) -> bool {
        match value {
            Literal::Variable(name) => match self.0.get(name.as_str()) {
                Some((Value::Object(fields), _)) => fields.get(key).is_some_and(|field| *field != Value::Null),
                _ => false,
            },
            Literal::Object(fields) => match fields.get(key) {
                Some(Literal::Variable(name)) => {
                    self.0.get(name.as_str()).is_some_and(|(field, _)| **field != Value::Null)
                }
                Some(field) => *field != Literal::Null,
                None => false,
            },
            _ => false,
        }
    }

    fn literal(&self, value: &Literal) -> u64 {
        match value {
            Literal::Variable(name) => self.0.get(name.as_str()).map_or(1, |(_, weight)| *weight),
            Literal::List(items) => items.iter().map(|item| self.literal(item)).fold(1, u64::saturating_add),
            Literal::Object(fields) => {
                fields.values().map(|field| self.literal(field).saturating_add(1)).fold(1, u64::saturating_add)
            }
            Literal::String(text) => text_of(text.len()),
            _ => 1,
        }
    }
}

fn constant(value: &Value) -> u64 {
    match value {
        Value::List(items) => items.iter().map(constant).fold(1, u64::saturating_add),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| text_of(name.len()).saturating_add(constant(field)))
            .fold(1, u64::saturating_add),
        Value::String(text) => text_of(text.len()),
        _ => 1,
    }
}

fn text_of(bytes: usize) -> u64 {
    1 + (bytes / BYTES) as u64
}

/// Returns the rows of a page size. A size below zero is refused later and costs nothing.
fn rows(number: &Number) -> u64 {
    if number.is_i64() { number.as_u64().unwrap_or(1) } else { u64::MAX }
}
