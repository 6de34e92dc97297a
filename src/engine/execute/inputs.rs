//! Checks values against their input types where async-graphql is less strict than the specification: a string in place
//! of an enum value, an Int of more than 32 bits, any value in place of an input object, a repeated field, and
//! variables of an unknown type. It would report them only while resolving the field, after sibling mutations may have
//! run, or not at all.
//! Not here: every other check of values, which async-graphql makes.

use std::collections::{HashMap, HashSet};

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, ExecutableDocument, InputValueDefinition, OperationDefinition, Selection, SelectionSet, Type, TypeKind,
    TypeSystemDefinition, VariableDefinition,
};
use async_graphql::{Name, Number, Positioned, Value, Variables};
use async_graphql_value::Value as Literal;

use super::shape::Types;
use crate::engine::cost::{Refusal, repeated_field};
use crate::engine::fault::{self, Fault};

/// Names and their types: the arguments of a field, or the fields of an input object.
type Fields = HashMap<Name, Type>;

/// The input types of a schema.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    /// Arguments by type and field.
    arguments: HashMap<Name, HashMap<Name, Fields>>,
    objects: HashMap<Name, Fields>,
    enums: HashSet<Name>,
    scalars: HashSet<Name>,
}

/// Scalars that a schema need not define.
const BUILT_IN: [&str; 5] = ["Boolean", "Float", "ID", "Int", "String"];

/// A value that is not of its type.
struct TypeMismatch {
    /// Path of the value: fields and indices, from the inside out.
    path: Vec<String>,
    /// Expected type; `None` when there is no such argument or field. That is reported only for one that takes a
    /// variable: if the variable is left out, the argument is removed before async-graphql sees it. All others are
    /// reported by async-graphql.
    expected: Option<String>,
}

impl TypeMismatch {
    const UNKNOWN: Self = Self { path: Vec::new(), expected: None };
}

/// Refuses input objects that repeat a field. The text must be valid for the parser.
pub(super) fn said_once(text: &str) -> Result<(), Refusal> {
    let Some(field) = repeated_field(text) else { return Ok(()) };
    let message = fault::one_line(&format!("There can be only one input field named \"{field}\"."));
    Err(Refusal { fault: Fault::GraphqlValidationFailed, message })
}

impl Inputs {
    /// Reads a schema definition.
    pub fn read(sdl: &str) -> Result<Self, async_graphql::parser::Error> {
        let mut inputs = Self::default();
        for definition in parse_schema(sdl)?.definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let name = definition.node.name.node;
            let fields = match definition.node.kind {
                TypeKind::Object(object) => object.fields,
                TypeKind::Interface(interface) => interface.fields,
                TypeKind::InputObject(object) => {
                    inputs.objects.insert(name, typed(object.fields));
                    continue;
                }
                TypeKind::Enum(_) => {
                    inputs.enums.insert(name);
                    continue;
                }
                TypeKind::Scalar => {
                    inputs.scalars.insert(name);
                    continue;
                }
                TypeKind::Union(_) => continue,
            };
            let fields = fields.into_iter().map(|field| (field.node.name.node, typed(field.node.arguments)));
            inputs.arguments.insert(name, fields.collect());
        }
        Ok(inputs)
    }

    /// Refuses values that do not fit their types. The document must have passed the cost check, which bounds its
    /// nesting. Fragments are visited once, wherever they are spread.
    pub fn check(
        &self,
        document: &ExecutableDocument,
        operation: &OperationDefinition,
        variables: &Variables,
        types: &Types,
    ) -> Result<(), Refusal> {
        for (_, operation) in document.operations.iter() {
            let operation = &operation.node;
            for declared in operation.variable_definitions.iter().map(|declared| &declared.node) {
                self.check_type(declared)?;
                if let Some(default) = &declared.default_value {
                    let misfit = self.fits(&declared.var_type.node, &default.node, true);
                    refuse_unless(misfit, || of_variable(declared), Fault::GraphqlValidationFailed)?;
                }
            }
            self.check_set(&operation.selection_set.node, types.root(operation.ty), types)?;
        }
        for fragment in document.fragments.values().map(|fragment| &fragment.node) {
            self.check_set(&fragment.selection_set.node, Some(&fragment.type_condition.node.on.node), types)?;
        }
        for declared in operation.variable_definitions.iter().map(|declared| &declared.node) {
            if let Some(given) = variables.get(&declared.name.node) {
                let misfit = self.fits(&declared.var_type.node, given, false);
                refuse_unless(misfit, || of_variable(declared), Fault::BadUserInput)?;
            }
        }
        Ok(())
    }

    /// Refuses variables of an unknown type. async-graphql cannot handle a default for a list of an unknown type.
    fn check_type(&self, declared: &VariableDefinition) -> Result<(), Refusal> {
        let mut base = &declared.var_type.node.base;
        let name = loop {
            match base {
                BaseType::Named(name) => break name,
                BaseType::List(inner) => base = &inner.base,
            }
        };
        let is_known = BUILT_IN.contains(&name.as_str())
            || self.scalars.contains(name)
            || self.enums.contains(name)
            || self.objects.contains_key(name);
        if is_known || self.objects.is_empty() {
            return Ok(()); // without a schema no type is known
        }
        let message = fault::one_line(&format!(
            "Variable ${} is of type \"{name}\", which is not an input type.",
            declared.name.node
        ));
        Err(Refusal { fault: Fault::GraphqlValidationFailed, message })
    }

    /// Checks the arguments of a selection set. Unknown types and fields are reported by async-graphql.
    fn check_set(&self, set: &SelectionSet, parent: Option<&Name>, types: &Types) -> Result<(), Refusal> {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    let (name, field) = (&field.node.name.node, &field.node);
                    let arguments = parent.and_then(|parent| self.arguments.get(parent)?.get(name));
                    for (argument, value) in &field.arguments {
                        let Some(arguments) = arguments else { continue };
                        let fits = match (arguments.get(&argument.node), &value.node) {
                            (Some(ty), value) => self.fits(ty, value, true),
                            (None, Literal::Variable(_)) => Err(TypeMismatch::UNKNOWN),
                            (None, _) => Ok(()),
                        };
                        let what = || format!("argument \"{}\" of {name}", argument.node);
                        refuse_unless(fits, what, Fault::GraphqlValidationFailed)?;
                    }
                    let inner = parent.and_then(|parent| types.of_field(parent, name));
                    self.check_set(&field.selection_set.node, inner, types)?;
                }
                Selection::InlineFragment(inline) => {
                    let on = inline.node.type_condition.as_ref().map(|condition| &condition.node.on.node);
                    self.check_set(&inline.node.selection_set.node, on.or(parent), types)?;
                }
                Selection::FragmentSpread(_) => {}
            }
        }
        Ok(())
    }

    /// Checks that a value fits its type. A literal of a document has enum values without quotes.
    fn fits<V: ValueView>(&self, ty: &Type, value: &V, is_literal: bool) -> Result<(), TypeMismatch> {
        let misfit = |name: &Name| Err(TypeMismatch { path: Vec::new(), expected: Some(name.to_string()) });
        match (value.view(), &ty.base) {
            (View::List(items), BaseType::List(inner)) => {
                let mut each = items.iter().enumerate();
                each.try_for_each(|(at, item)| within(self.fits(inner, item, is_literal), at))
            }
            (_, BaseType::List(inner)) => self.fits(inner, value, is_literal), // a single value counts as a list of one
            (View::Null | View::Variable, BaseType::Named(_)) => Ok(()),
            (seen, BaseType::Named(name)) => match (seen, self.objects.get(name)) {
                (View::Object(values), Some(fields)) => values.iter().try_for_each(|(field, value)| {
                    let fits = match (fields.get(field), value.view()) {
                        (Some(ty), _) => self.fits(ty, value, is_literal),
                        (None, View::Variable) => Err(TypeMismatch::UNKNOWN),
                        (None, _) => Ok(()),
                    };
                    within(fits, field)
                }),
                (_, Some(_)) => misfit(name),
                (View::Text, None) if is_literal && self.enums.contains(name) => misfit(name),
                (View::Number(number), None) if name == "Int" && !has_32_bits(number) => misfit(name),
                _ => Ok(()),
            },
        }
    }
}

/// Returns true for an integer of 32 bits. A number that is not an integer is left to async-graphql to report.
fn has_32_bits(number: &Number) -> bool {
    match number.as_i64() {
        Some(number) => i32::try_from(number).is_ok(),
        None => !number.is_u64(),
    }
}

fn typed(definitions: Vec<Positioned<InputValueDefinition>>) -> Fields {
    definitions.into_iter().map(|definition| (definition.node.name.node, definition.node.ty.node)).collect()
}

fn within(inner: Result<(), TypeMismatch>, at: impl ToString) -> Result<(), TypeMismatch> {
    inner.map_err(|mut misfit| {
        misfit.path.push(at.to_string());
        misfit
    })
}

fn of_variable(declared: &VariableDefinition) -> String {
    format!("variable ${}", declared.name.node)
}

fn refuse_unless(fits: Result<(), TypeMismatch>, what: impl FnOnce() -> String, fault: Fault) -> Result<(), Refusal> {
    fits.map_err(|TypeMismatch { path, expected }| {
        let what = what();
        let inside: String = path.iter().rev().map(|part| format!(".{part}")).collect();
        let message = match expected {
            Some(expected) => format!("Invalid value for {what}{inside}: expected type \"{expected}\"."),
            None => format!("Unknown {what}{inside}."),
        };
        Refusal { fault, message: fault::one_line(&message) }
    })
}

/// View of a value of a document or of a variable, limited to what is checked.
enum View<'a, V> {
    Null,
    /// Variable, which is checked against its own declared type.
    Variable,
    Number(&'a Number),
    Text,
    List(&'a [V]),
    Object(&'a IndexMap<Name, V>),
    Other,
}

trait ValueView: Sized {
    fn view(&self) -> View<'_, Self>;
}

impl ValueView for Literal {
    fn view(&self) -> View<'_, Self> {
        match self {
            Self::Null => View::Null,
            Self::Variable(_) => View::Variable,
            Self::Number(number) => View::Number(number),
            Self::String(_) => View::Text,
            Self::List(items) => View::List(items),
            Self::Object(fields) => View::Object(fields),
            Self::Boolean(_) | Self::Enum(_) | Self::Binary(_) => View::Other,
        }
    }
}

impl ValueView for Value {
    fn view(&self) -> View<'_, Self> {
        match self {
            Self::Null => View::Null,
            Self::Number(number) => View::Number(number),
            Self::String(_) => View::Text,
            Self::List(items) => View::List(items),
            Self::Object(fields) => View::Object(fields),
            Self::Boolean(_) | Self::Enum(_) | Self::Binary(_) => View::Other,
        }
    }
}
