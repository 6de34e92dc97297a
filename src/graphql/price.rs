//! Facts about this schema for the engine: prices of fields and filters, and public root fields.
//! Not here: the sum of a document's prices (`engine::cost`), and the formats of scalars (`scalar`).

use crate::engine::cost::{Limits, Prices};

/// Prices of fields and filters that differ from the default. By default a scalar is free, because it is read with its
/// row, and an object costs one point for its row. An object that is read together with its parent is free and is
/// listed here.
const PRICES: Prices = Prices {
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
    // Most events have one or two of each: a page of 100 events with both must stay within the limit of an operation.
    lists: &[("memberships", 16), ("slots", 3), ("ticketTypes", 3)],
    scans: &[("free", 20), ("hasTickets", 20), ("price", 20), ("text", 20)],
};

/// Root fields that return the same to every viewer who is not signed in.
pub const PUBLIC: [&str; 3] = ["event", "events", "__typename"];

/// Returns the default limits of a document with the prices of this schema.
pub fn limits() -> Limits {
    Limits { prices: PRICES, ..Limits::default() }
}
