//! A GraphQL request from its text to its response: finding and parsing the document, measuring what it costs, paying for
//! it, validating its values, executing it, and wording what went wrong. It knows no type of the schema.
//! Not here: objects, queries and mutations (`graphql`), and transports (`http`).
//!
//! | question | file |
//! |---|---|
//! | Which document is meant, and may it run? | `document` |
//! | What does it ask for? | `cost` |
//! | Has its viewer points left? | `budget` |
//! | Are its values of the declared types? | `execute::inputs` |
//! | How is it executed and answered? | `execute` |
//! | Which code and message has an error? | `fault` |
//! | How do fields read rows together? | `loader` |

pub mod budget;
pub mod cost;
pub mod document;
pub mod execute;
pub mod fault;
mod graph;
pub mod loader;
