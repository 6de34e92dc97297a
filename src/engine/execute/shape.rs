//! Gives a response the shape that the specification requires: fields in the requested order, null where a field
//! failed, and null in place of a parent when a non-null field inside it failed.
//! Not here: the text of errors (`fault`). async-graphql leaves failed fields out and orders fields by their
//! completion.

use std::collections::{HashMap, HashSet};

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, ExecutableDocument, FieldDefinition, OperationDefinition, OperationType, Selection, SelectionSet, Type,
    TypeKind, TypeSystemDefinition,
};
use async_graphql::{Name, PathSegment, Positioned, Response, Value};

use super::resume::AFTER;

/// Nullable positions of a type: the lowest bit is the outermost position, the next one that of a list's items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Nullable(u32);

impl Nullable {
    /// Value for an unknown type: every position is nullable, so nothing is removed.
    const ALL: Self = Self(u32::MAX);

    fn of(mut ty: &Type) -> Self {
        let (mut bits, mut level) = (0, 0);
        loop {
            bits |= u32::from(ty.nullable) << level;
            match &ty.base {
                BaseType::List(inner) if level < 31 => ty = inner,
                _ => return Self(bits),
            }
            level += 1;
        }
    }

    fn here(self) -> bool {
        self.0 & 1 == 1
    }

    fn items(self) -> Self {
        Self(self.0 >> 1)
    }
}

/// Type of a field.
#[derive(Debug)]
pub(super) struct Output {
    nullable: Nullable,
    /// Lists and nulls of the type, such as `[!]`.
    pub wrapping: String,
    /// Name of the type inside the lists.
    pub named: Name,
}

impl Output {
    /// Returns the type in schema notation.
    pub fn shown(&self) -> String {
        match self.wrapping.find(['!', ']']) {
            Some(at) => format!("{}{}{}", &self.wrapping[..at], self.named, &self.wrapping[at..]),
            None => self.named.to_string(),
        }
    }
}

/// Output types of a schema, limited to what shapes need.
#[derive(Debug, Default)]
pub struct Types {
    fields: HashMap<Name, HashMap<Name, Output>>,
    /// Names of interfaces and unions.
    abstracts: HashSet<Name>,
    /// Type and name of each field that takes `after`.
    resumable: HashSet<(Name, Name)>,
    query: Option<Name>,
    mutation: Option<Name>,
    subscription: Option<Name>,
}

impl Types {
    /// Reads a schema definition.
    pub fn read(sdl: &str) -> Result<Self, async_graphql::parser::Error> {
        let mut types = Self::default();
        for definition in parse_schema(sdl)?.definitions {
            match definition {
                TypeSystemDefinition::Schema(schema) => {
                    let schema = schema.node;
                    types.query = schema.query.map(|name| name.node);
                    types.mutation = schema.mutation.map(|name| name.node);
                    types.subscription = schema.subscription.map(|name| name.node);
                }
                TypeSystemDefinition::Type(definition) => {
                    let name = definition.node.name.node;
                    if matches!(definition.node.kind, TypeKind::Interface(_) | TypeKind::Union(_)) {
                        types.abstracts.insert(name.clone());
                    }
                    let fields = match definition.node.kind {
                        TypeKind::Object(object) => object.fields,
                        TypeKind::Interface(interface) => interface.fields,
                        _ => continue,
                    };
                    let takes_after = |field: &&Positioned<FieldDefinition>| {
                        field.node.arguments.iter().any(|argument| argument.node.name.node == AFTER)
                    };
                    let resumable = fields.iter().filter(takes_after);
                    types.resumable.extend(resumable.map(|field| (name.clone(), field.node.name.node.clone())));
                    types.fields.insert(name, fields.iter().map(Self::field).collect());
                }
                TypeSystemDefinition::Directive(_) => {}
            }
        }
        Ok(types)
    }

    fn field(field: &Positioned<FieldDefinition>) -> (Name, Output) {
        let ty = &field.node.ty.node;
        let mut base = &ty.base;
        let named = loop {
            match base {
                BaseType::Named(name) => break name.clone(),
                BaseType::List(inner) => base = &inner.base,
            }
        };
        let wrapping = ty.to_string().replace(named.as_str(), "");
        (field.node.name.node.clone(), Output { nullable: Nullable::of(ty), wrapping, named })
    }

    /// Returns true if a subscription to this field can resume after a cursor.
    pub fn is_resumable(&self, field: &Name) -> bool {
        self.subscription.as_ref().is_some_and(|root| self.resumable.contains(&(root.clone(), field.clone())))
    }

    /// Returns the named type of a field of this type; `None` when there is no such field.
    pub(super) fn of_field(&self, parent: &Name, field: &Name) -> Option<&Name> {
        self.output(parent, field).map(|output| &output.named)
    }

    /// Returns the type of a field with its lists and nulls.
    pub(super) fn output(&self, parent: &Name, field: &Name) -> Option<&Output> {
        self.fields.get(parent)?.get(field)
    }

    /// Returns true if a type has fields.
    pub(super) fn is_composite(&self, name: &Name) -> bool {
        self.fields.contains_key(name) || self.abstracts.contains(name)
    }

    /// Returns true for an interface or a union.
    pub(super) fn is_abstract(&self, name: &Name) -> bool {
        self.abstracts.contains(name)
    }

    /// Returns the root type of a kind of operation.
    pub(super) fn root(&self, kind: OperationType) -> Option<&Name> {
        match kind {
            OperationType::Query => self.query.as_ref(),
            OperationType::Mutation => self.mutation.as_ref(),
            OperationType::Subscription => self.subscription.as_ref(),
        }
    }

    /// Returns the shape of an operation's answers. The document must have passed the cost check, which bounds this
    /// work.
    pub fn shape(&self, document: &ExecutableDocument, operation: &OperationDefinition) -> Shape {
        let mut shape = Shape::default();
        self.add(&mut shape, document, &operation.selection_set.node, self.root(operation.ty));
        shape
    }

    fn add(&self, shape: &mut Shape, document: &ExecutableDocument, set: &SelectionSet, parent: Option<&Name>) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    let name = &field.node.name.node;
                    let known = parent.and_then(|parent| self.fields.get(parent)?.get(name));
                    let nullable = known.map_or(Nullable::ALL, |output| output.nullable);
                    let entry = shape.0.entry(field.node.response_key().node.clone());
                    let (_, inner) = entry.or_insert_with(|| (nullable, Shape::default()));
                    self.add(inner, document, &field.node.selection_set.node, known.map(|output| &output.named));
                }
                Selection::InlineFragment(inline) => {
                    let on = inline.node.type_condition.as_ref().map(|condition| &condition.node.on.node);
                    self.add(shape, document, &inline.node.selection_set.node, on.or(parent));
                }
                Selection::FragmentSpread(spread) => {
                    // An unknown fragment is reported by validation.
                    if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                        let on = &fragment.node.type_condition.node.on.node;
                        self.add(shape, document, &fragment.node.selection_set.node, Some(on));
                    }
                }
            }
        }
    }
}

/// Fields that an object of an answer may contain, in order: those of all fragments, whatever the type of the object.
#[derive(Debug, Default)]
pub struct Shape(IndexMap<Name, (Nullable, Shape)>);

impl Shape {
    /// Gives this shape to a response that was executed.
    pub fn complete(&self, response: &mut Response) {
        let failed: Vec<&[PathSegment]> = response.errors.iter().map(|error| error.path.as_slice()).collect();
        for path in failed.iter().filter(|path| !path.is_empty()) {
            self.fill(&mut response.data, path);
        }
        // Nulls move up after all fields are filled in: a filled object must not come back after its parent was
        // removed.
        for path in failed.iter().filter(|path| !path.is_empty()) {
            self.lift(&mut response.data, Nullable::ALL, path);
        }
        if response.data == Value::Null && failed.is_empty() {
            response.data = Value::Object(IndexMap::new()); // every field was skipped
        }
        self.sort(&mut response.data, Nullable::ALL);
    }

    /// Writes null where the failed field of this path is missing. An object in which every field failed is null at
    /// first, and becomes an object again.
    fn fill(&self, value: &mut Value, path: &[PathSegment]) {
        match (path, value) {
            ([PathSegment::Field(key), rest @ ..], value @ (Value::Object(_) | Value::Null)) => {
                let Some((key, (_, inner))) = self.0.get_key_value(key.as_str()) else { return };
                if *value == Value::Null {
                    *value = Value::Object(IndexMap::new());
                }
                let Value::Object(fields) = value else { return };
                match fields.get_mut(key) {
                    Some(field) if !rest.is_empty() => inner.fill(field, rest),
                    Some(_) => {}
                    // This field is missing, whatever the rest of the path.
                    None => _ = fields.insert(key.clone(), Value::Null),
                }
            }
            ([PathSegment::Index(index), rest @ ..], Value::List(items)) if !rest.is_empty() => {
                if let Some(item) = items.get_mut(*index) {
                    self.fill(item, rest);
                }
            }
            _ => {}
        }
    }

    /// Sets the nearest nullable parent to null when a position of this path is null that must not be. Returns true if
    /// this value is such a position, so that its parent has to be null.
    fn lift(&self, value: &mut Value, nullable: Nullable, path: &[PathSegment]) -> bool {
        let missing = match (path, &mut *value) {
            (_, Value::Null) => true,
            ([PathSegment::Field(key), rest @ ..], Value::Object(fields)) => {
                match (fields.get_mut(key.as_str()), self.0.get(key.as_str())) {
                    (Some(field), Some((nullable, inner))) => inner.lift(field, *nullable, rest),
                    _ => false,
                }
            }
            ([PathSegment::Index(index), rest @ ..], Value::List(items)) => {
                items.get_mut(*index).is_some_and(|item| self.lift(item, nullable.items(), rest))
            }
            _ => false,
        };
        if missing && nullable.here() {
            *value = Value::Null;
        }
        missing && !nullable.here()
    }

    /// Orders the fields of objects as they were requested; most often they are in order already. Null where null is
    /// not allowed is an object to which no fragment applied, since the nulls of failed fields have moved up.
    fn sort(&self, value: &mut Value, nullable: Nullable) {
        match value {
            Value::List(items) => items.iter_mut().for_each(|item| self.sort(item, nullable.items())),
            Value::Object(fields) => {
                let mut rest = self.0.keys();
                if !fields.keys().all(|key| rest.any(|asked| asked == key)) {
                    let place = |key: &Name| self.0.get_index_of(key).unwrap_or(usize::MAX);
                    fields.sort_by(|one, _, other, _| place(one).cmp(&place(other)));
                }
                for (key, field) in fields {
                    // Most fields are leaves and have nothing to sort.
                    if matches!(field, Value::Object(_) | Value::List(_) | Value::Null)
                        && let Some((nullable, inner)) = self.0.get(key)
                        && !inner.0.is_empty()
                    {
                        inner.sort(field, *nullable);
                    }
                }
            }
            Value::Null if !nullable.here() => *value = Value::Object(IndexMap::new()),
            _ => {}
        }
    }
}
