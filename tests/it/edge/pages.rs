//! Normal use of a front end fits the limits: pages, refetches, an office behind one address; and the costs are those
//! of the documentation.
//! Not here: counting a document (`cost`), and refusals (`limits`).

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use async_graphql::Variables;
use async_graphql::parser::parse_query;
use boxoffice::access::{self, Peer};
use boxoffice::clock::Clock;
use boxoffice::engine::budget;
use boxoffice::engine::cost::check;
use boxoffice::graphql::price::limits;
use regex::Regex;
use serde_json::json;

use crate::harness::actor::Actor;
use crate::harness::{BEGINNING, Stage, TestApp};

/// A list of 20 with 14 fields of each event.
const LIST: &str = "query List($first: Int = 20) {
    events(first: $first, filter: { text: \"rust\", hasTickets: true }) {
        totalCount
        pageInfo { hasNextPage endCursor }
        nodes { id slug title description venue timeZone startsAt endsAt status publishedAt updatedAt
                price { amount currency } organizer { id name }
                availability { capacity sold available waiting revision } } } }";

const ME: &str = "query Me($first: Int = 20) {
    viewer { id name email role }
    myBookings(first: $first) { totalCount nodes { id reference status quantity total { amount currency } createdAt
        slot { startsAt } items { quantity unitPrice { amount } ticketType { name } }
        event { id slug title startsAt timeZone venue availability { available } organizer { name } } } }
    myWaitlistEntries(first: $first) { nodes { id position quantity status event { id title availability { waiting } } } }
    notices(first: $first) { unreadCount streamCursor nodes { id number kind text occurredAt event { id slug } } } }";

async fn asks(person: &Actor, query: &str, first: i64) {
    let answer = person.ask(query, json!({ "first": first })).await;
    assert_eq!(answer.body.get("errors"), None, "{}", answer.body);
}

/// Loads the list and the page of the viewer's own account, as a user does who browses and then looks at their own
/// bookings.
async fn looks(person: &Actor) {
    asks(person, LIST, 20).await;
    asks(person, ME, 20).await;
}

async fn usual(stage: &Stage) -> (TestApp, String) {
    let app = stage.app_with(|options| options.budget = Some(budget::Settings::default())).await;
    let event = app.organizer().await.event(500).await;
    (app, event)
}

/// One page a second for a minute, one of them after a booking or a cancellation, after which the client requests
/// everything on the screen again, as urql does by itself.
#[apply(scene!)]
async fn a_minute_of_a_front_end(stage: Stage) {
    let (app, event) = usual(&stage).await;
    let grace = app.customer().await;
    for second in 0..60 {
        looks(&grace).await;
        if second % 2 == 0 {
            let booking = grace.books(&event, 1).await;
            looks(&grace).await;
            if second % 4 == 0 {
                grace.cancel(&booking).await.ok();
                looks(&grace).await;
            }
        }
        app.clock.advance(Duration::from_secs(1));
    }
}

/// The clock stands still: no points come back between the requests.
#[apply(scene!)]
async fn three_long_pages_in_a_row(stage: Stage) {
    let (app, _) = usual(&stage).await;
    let grace = app.customer().await;
    for _ in 0..3 {
        asks(&grace, LIST, 100).await;
        asks(&grace, ME, 100).await;
    }
}

#[tokio::test]
async fn twenty_people_behind_one_address() {
    let stage = Stage::sqlite();
    let (app, _) = usual(&stage).await;
    let anybody = app.anonymous();
    for _ in 0..3 * 20 {
        asks(&anybody, LIST, 100).await;
    }
}

/// A client with one IPv6 network has 65,536 networks of 64 bits in it, but not as many buckets.
#[test]
fn a_network_of_ipv6_has_a_bucket_of_its_own() {
    let n = |n| NonZeroU32::new(n).unwrap();
    let settings = budget::Settings { points: n(100), per_second: n(1), address_factor: n(1) };
    let clock = Clock::manual(BEGINNING);
    let budgets = budget::Budgets::new(settings, &clock);
    let asks =
        |address: &str| budgets.charge(&access::Actor::Anonymous, Some(Peer(address.parse().unwrap())), 100).is_ok();
    for n in 0..8 {
        assert!(asks(&format!("2001:db8:0:{n}::1")), "{n}");
        assert!(!asks(&format!("2001:db8:0:{n}::2")), "{n}");
    }
    assert!(!asks("2001:db8:0:8::1"));
    assert!(asks("2001:db8:1::1") && asks("203.0.113.9"));
}

/// `docs/LIMITS.md` shows pages and what each costs.
#[test]
fn the_documented_prices_are_those_of_the_program() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/LIMITS.md")).unwrap();
    let shown = Regex::new(r"(?s)\((\d+) points\)\n\n```graphql\n(.*?)\n```").unwrap();
    let pages: Vec<(String, String)> =
        shown.captures_iter(&text).map(|page| (page[1].into(), page[2].into())).collect();
    let cost = |page: &str| {
        let document = parse_query(page).unwrap();
        check(&document, None, &Variables::default(), &limits()).unwrap().cost.to_string()
    };
    let found: Vec<(String, String)> = pages.iter().map(|(_, page)| (cost(page), page.clone())).collect();
    assert_eq!(pages, found);
    assert_eq!(pages.len(), text.matches("```graphql").count());
    assert!(pages.len() >= 4);
    let usual = (budget::Settings::default(), limits());
    for number in [usual.0.points.get().into(), usual.0.per_second.get().into(), usual.1.cost, usual.1.answer] {
        let written = match number {
            0..1_000 => number.to_string(),
            _ => format!("{},{:03}", number / 1_000, number % 1_000),
        };
        assert!(text.contains(&format!("**{written}**")), "{written}");
    }
}
