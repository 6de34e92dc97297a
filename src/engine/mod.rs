//! Processes a GraphQL request from its text to its response: finds and parses the document, measures and charges its
//! cost, validates its values, executes it, and words its errors. The engine knows no type of the schema.
//! Not here: objects, queries and mutations (`graphql`), and transports (`http`).
//!
//! | question | file |
//! |---|---|
//! | Which document is requested, and may it run? | `document` |
//! | What does it cost? | `cost` |
//! | Has its viewer enough points left? | `budget` |
//! | Are its values of the declared types? | `execute::inputs` |
//! | How is it executed? | `execute` |
//! | How is it answered? | `response` |
//! | Which code and message has an error? | `fault` |
//! | How do fields read rows together? | `loader` |

pub mod budget;
pub mod cost;
pub mod document;
pub mod execute;
pub mod fault;
mod graph;
pub mod loader;
pub mod response;
