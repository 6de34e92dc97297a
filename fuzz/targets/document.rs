//! Documents and their variables, a line break between them: text → limits → parser → cost, as the engine goes about it.
//! Whatever passes the text's limits is parsed without exhausting the stack, and measured by looking at each selection
//! twice at most.
//! Not here: validation and execution.
#![no_main]

use async_graphql::Variables;
use async_graphql::parser::parse_query;
use boxoffice::engine::cost::{self, Limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|sent: &str| {
    let limits = boxoffice::graphql::price::limits();
    let (text, variables) = sent.rsplit_once('\n').unwrap_or((sent, "{}"));
    let Ok(variables) = serde_json::from_str::<Variables>(variables) else { return };
    if limits.check_text(text).is_err() {
        return;
    }
    let Ok(document) = parse_query(text) else { return };
    if let Some(field) = cost::repeated_field(text) {
        assert!(text.matches(field).count() > 1, "{field} stands there once");
    }
    match cost::check(&document, None, &variables, &limits) {
        Ok(cost) => {
            let selections = cost::tokens(text).count as u64;
            assert!(cost.visited <= 2 * selections, "{} visits of {selections} tokens", cost.visited);
            assert!(cost.cost <= limits.cost && cost.depth <= limits.depth);
        }
        Err(refusal) => assert!(!refusal.message.contains('\n') && refusal.message.len() < 400),
    }
});
