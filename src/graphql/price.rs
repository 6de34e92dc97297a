//! What this schema tells the engine: prices of its fields and filters, its public roots, and the formats of its scalars.
//! Not here: how a document is summed up (`engine::cost`).

use crate::engine::cost::{Limits, Prices};

/// Prices of fields and filters that differ from the usual ones. A scalar belongs to the row it stands on and is free; an
/// object costs the point of its row unless it is read together with its parent.
pub const PRICES: Prices = Prices {
    free: &["edges", "node", "nodes", "pageInfo", "token", "total", "unitPrice", "userErrors"],
    expensive: &[
        ("changePassword", 100),
        ("createAdmin", 100),
        ("position", 5),
        ("positionAtLeast", 5),
        ("signIn", 100),
        ("signUp", 100),
        ("totalCount", 10),
        ("totalCountCapped", 10),
    ],
    scans: &[("free", 20), ("hasTickets", 20), ("price", 20), ("text", 20)],
};

/// Root fields that show every viewer without an account the same.
pub const PUBLIC: [&str; 3] = ["event", "events", "__typename"];

/// The default limits of a document, with the prices of this schema.
pub fn limits() -> Limits {
    Limits { prices: PRICES, ..Limits::default() }
}
