//! Cost of a document, counted before it is validated or executed, and the limits it must keep.
//! Not here: parsing, the schema (no type is known here), and the points a viewer has spent (`budget`).
//!
//! The work is linear in the size of the document and its variables, whatever its fragments do: each fragment is summed
//! up once, after the fragments it spreads, and a spread then costs one addition. All sums saturate.

use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, OperationType};
use async_graphql::{Positioned, Variables};

use self::order::Order;
use self::sum::{Count, Sum};
use super::fault::Fault;

mod escapes;
mod order;
mod price;
mod sum;
mod tokens;
mod values;

pub use escapes::{NoCharacter, without_long_escapes};
pub use price::Prices;
pub use tokens::{Tokens, repeated_field, tokens};

/// Levels of fields allowed below `__schema` or `__type`: graphql-js asks for types wrapped ten times.
const INTROSPECTION_DEPTH: u64 = 16;

/// Fields and spreads allowed below `__schema` and `__type` of one operation: twice the standard query with its spreads
/// expanded.
const INTROSPECTION_SIZE: u64 = 500;

/// Levels of introspection lists that may be nested: `types` and the members of each, but not the members of the types
/// of the members.
const INTROSPECTION_LISTS_DEEP: u64 = 2;

/// Upper limits of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Size of the document's text; 16 KiB.
    pub document_bytes: usize,
    /// Tokens of the text; 2,000.
    pub tokens: usize,
    /// Nesting of brackets of selections, arguments, lists and objects alike; 64.
    pub nesting: usize,
    /// Levels of fields; 10. Introspection has a limit of its own.
    pub depth: u64,
    /// Aliases of an operation with its fragments expanded; 15.
    pub aliases: u64,
    /// Directives anywhere in the document; 10.
    pub directives: u64,
    /// Root fields of an operation; 10.
    pub root_fields: u64,
    /// Fragments of the document; 50.
    pub fragments: usize,
    /// Operations of the document; 10.
    pub operations: usize,
    /// Fields and spreads of all definitions with their fragments expanded; 10,000. Bounds the work of validation,
    /// which reads definitions that are not executed, too.
    pub expanded: u64,
    /// Weight of the arguments of all definitions with fragments and variables expanded; 10,000. A number, list or
    /// object weighs one, and text one more for each 64 bytes. Bounds the copies that validation makes of variables.
    pub values: u64,
    /// Cost of the operation in points; 2,000. One for the operation itself, one for each row or object that is read,
    /// more for fields that count, search or write, and one for fifty fields of the answer.
    pub cost: u64,
    /// Cost of each result of a subscription. The viewer's bucket pays only once, when it begins; 200.
    pub subscription: u64,
    /// Fields of the answer, where a field in a list counts once per item; 20,000.
    pub answer: u64,
    /// Largest page of a list; 100. Also assumed where the length cannot be known beforehand.
    pub page: u64,
    /// Length assumed for a connection without a length in its arguments; 20.
    pub default_page: u64,
    /// Prices of fields and filters; the default prices unless set.
    pub prices: Prices,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: 16 * 1024,
            tokens: 2_000,
            nesting: 64,
            depth: 10,
            aliases: 15,
            directives: 10,
            root_fields: 10,
            fragments: 50,
            operations: 10,
            expanded: 10_000,
            values: 10_000,
            cost: 2_000,
            subscription: 200,
            answer: 20_000,
            page: 100,
            default_page: 20,
            prices: Prices::default(),
        }
    }
}

impl Limits {
    /// Checks the text before it is parsed: its size, then its tokens and the nesting of its brackets.
    pub fn check_text(&self, text: &str) -> Result<(), Refusal> {
        within("The document", text.len() as u64, "bytes", self.document_bytes as u64)?;
        let found = tokens(text);
        within("The document", found.count as u64, "tokens", self.tokens as u64)?;
        within("The document", found.nesting as u64, "levels of brackets", self.nesting as u64)
    }

    /// Checks the cost of each result of a subscription.
    pub fn check_subscription(&self, found: Cost) -> Result<(), Refusal> {
        within("The subscription", found.cost, "points of cost for each result", self.subscription)
    }
}

/// Measured size and cost of an operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Fields with fragments expanded.
    pub fields: u64,
    /// Levels of fields, without introspection.
    pub depth: u64,
    /// Aliases with fragments expanded.
    pub aliases: u64,
    /// Directives anywhere in the document.
    pub directives: u64,
    /// Fields of the operation's root.
    pub root_fields: u64,
    /// Cost in points; see [`Limits::cost`].
    pub cost: u64,
    /// Fields of the answer; see [`Limits::answer`].
    pub answer: u64,
    /// Fields and spreads below `__schema` and `__type`; 0 without introspection.
    pub introspection: u64,
    /// Selections that were visited for this count: at most twice those in the document.
    pub visited: u64,
}

/// Reason why a document is not executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `TOO_COSTLY` for every limit, `BAD_USER_INPUT` when no operation can be chosen, `GRAPHQL_VALIDATION_FAILED` for
    /// fragments that contain themselves.
    pub fault: Fault,
    /// One line of text: the limit and the amount that was requested.
    pub message: String,
}

impl Refusal {
    fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self { fault, message: message.into() }
    }
}

fn within(what: &str, asked: u64, unit: &str, limit: u64) -> Result<(), Refusal> {
    if asked <= limit {
        return Ok(());
    }
    // The exact value of a saturated sum has no meaning beyond its size.
    let asked = if asked > 1_000_000_000 { "over 1000000000".to_owned() } else { asked.to_string() };
    Err(Refusal::new(Fault::TooCostly, format!("{what} has {asked} {unit}; at most {limit} are allowed.")))
}

/// Returns the operation that a request means: the named one, or the only one. An empty name counts as none.
pub fn pick<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Result<&'a Positioned<OperationDefinition>, Refusal> {
    let bad = |message: &str| Refusal::new(Fault::BadUserInput, message);
    let mut operations = document.operations.iter();
    match name.filter(|name| !name.is_empty()) {
        Some(name) => operations
            .find(|(own, _)| own.is_some_and(|own| own.as_str() == name))
            .map(|(_, operation)| operation)
            .ok_or_else(|| bad("The document has no operation with the name in operationName.")),
        None => match (operations.next(), operations.next()) {
            (Some((_, only)), None) => Ok(only),
            (Some(_), Some(_)) => Err(bad("The document has several operations: name one of them in operationName.")),
            (None, _) => Err(bad("The document has no operation.")),
        },
    }
}

/// Counts a document and refuses it when it exceeds `limits`. `variables` are those of the request: a page size given
/// by a variable counts with its value.
pub fn check(
    document: &ExecutableDocument,
    operation: Option<&str>,
    variables: &Variables,
    limits: &Limits,
) -> Result<Cost, Refusal> {
    within("The document", document.operations.iter().count() as u64, "operations", limits.operations as u64)?;
    within("The document", document.fragments.len() as u64, "fragments", limits.fragments as u64)?;
    let chosen = pick(document, operation)?;
    let order = Order::of(document)?;
    within("The document", order.directives, "directives", limits.directives)?;

    let mut count = Count::new(variables, &chosen.node.variable_definitions, limits, order.visited);
    let mut whole = Sum::default();
    for (name, fragment) in order.fragments {
        let sum = count.set(&fragment.selection_set.node)?;
        whole.add(sum);
        within("The document", whole.nodes, "selections with its fragments expanded", limits.expanded)?;
        within("The document", whole.values, "values with its variables expanded", limits.values)?;
        count.known(name, sum);
    }
    let mut found = Sum::default();
    for (_, operation) in document.operations.iter() {
        let sum = count.set(&operation.node.selection_set.node)?;
        whole.add(sum);
        within("The document", whole.nodes, "selections with its fragments expanded", limits.expanded)?;
        within("The document", whole.values, "values with its variables expanded", limits.values)?;
        if std::ptr::eq(operation, chosen) {
            found = sum;
        }
    }
    within("The operation", found.depth, "levels of fields", limits.depth)?;
    within("The operation", found.roots, "root fields", limits.root_fields)?;
    within("The operation", found.aliases, "aliases", limits.aliases)?;
    within("The operation", found.introspection.depth, "levels of introspection", INTROSPECTION_DEPTH)?;
    within("The operation", found.introspection.lists, "levels of introspection lists", INTROSPECTION_LISTS_DEEP)?;
    within("The operation", found.introspection.size, "introspection fields", INTROSPECTION_SIZE)?;
    within("The answer", found.load.fields, "fields", limits.answer)?;
    let writes = if chosen.node.ty == OperationType::Mutation { found.roots } else { 0 };
    let cost = [found.load.points, found.load.fields / price::FIELDS_PER_POINT, writes.saturating_mul(price::MUTATION)];
    let cost = cost.into_iter().fold(1, u64::saturating_add);
    within("The operation", cost, "points of cost", limits.cost)?;
    Ok(Cost {
        fields: found.fields,
        depth: found.depth,
        aliases: found.aliases,
        directives: order.directives,
        root_fields: found.roots,
        cost,
        answer: found.load.fields,
        introspection: found.introspection.size,
        visited: count.visited,
    })
}
