//! Access of client programs: the executed access test again, with a token of each single scope.
//! Not here: access of users with their own sign-in (`access`), and the life of tokens (`account::api_tokens`).

use std::fmt::Write as _;

use serde_json::json;

use super::world::{Route, VIEWERS, World};
use super::{Transport, Types, is_root, matrix, verdict};
use crate::harness::Actor;

/// The columns after the one of the user: a token of each scope.
const SCOPES: [&str; 4] = ["BOOK", "MANAGE_EVENTS", "READ_SALES", "READ_NOTICES"];

/// The viewers with client programs: those who have something to see at the event.
const WHOSE: [usize; 3] = [1, 3, 5];

/// A row: its name, the route, the selection there, and its path in the answer.
struct Row {
    name: String,
    route: Route,
    fields: &'static str,
    path: &'static str,
}

/// Returns every root field as in the matrix, and every field below one that needs a scope of its own.
fn rows(world: &World) -> Vec<Row> {
    let query = |document: String| Route::Query { document, path: "" };
    let notice = |field: &str| query(format!("{{ notices(first: 50) {{ nodes {{ kind {field} }} }} }}"));
    let event = || world.route("Event");
    let below = [
        ("Booking.customer", world.route("Booking"), "customer { email }", "booking.customer.email"),
        ("Event.bookings", event(), "bookings(first: 1) { nodes { id } }", "event.bookings"),
        ("Event.participants", event(), "participants(first: 1) { nodes { tickets } }", "event.participants"),
        ("Event.waitlist", event(), "waitlist(first: 1) { nodes { id } }", "event.waitlist"),
        ("Notice.booking[mine]", notice("booking { id }"), "", "notices.nodes.kind=WAITLIST_PROMOTED.booking"),
        ("Notice.booking[sold]", notice("booking { id }"), "", "notices.nodes.kind=BOOKING_CREATED.booking"),
        ("Notice.event", notice("event { id }"), "", "notices.nodes.kind=WAITLIST_PROMOTED.event"),
        ("Notice.text", notice("text"), "", "notices.nodes.kind=WAITLIST_PROMOTED.text"),
        (
            "Notice.waitlistEntry",
            notice("waitlistEntry { id }"),
            "",
            "notices.nodes.kind=WAITLIST_PROMOTED.waitlistEntry",
        ),
        ("User.email[oneself]", query("{ viewer { email } }".into()), "", "viewer.email"),
        ("User.organizer[oneself]", query("{ viewer { organizer { id } } }".into()), "", "viewer.organizer"),
        ("CancelBookingPayload.booking", world.route("CancelBookingPayload"), "booking { id }", "it.booking"),
    ];
    let below = below.into_iter().map(|(name, route, fields, path)| Row { name: name.to_owned(), route, fields, path });
    let roots = matrix().into_keys().filter(|row| is_root(row.split('.').next().unwrap()));
    let roots = roots.map(|name| Row { route: world.root(&name), name, fields: "__typename", path: "it" });
    // A viewer who changes something gets a notice of it, so reads come first.
    below.chain(roots).collect()
}

#[apply(scene!)]
async fn every_scope_covers_its_part_and_no_more(stage: Stage) {
    let app = stage.app().await;
    let (world, types) = (World::build(&app).await, Types::read());
    let mut text = format!("{:<57}{:<16}", "", "in person");
    SCOPES.iter().for_each(|scope| write!(text, "{scope:<16}").unwrap());
    let mut programs: Vec<(usize, Vec<Actor>)> = Vec::new();
    for whose in WHOSE {
        let mut actors = vec![world.viewers[whose].clone()];
        for scope in SCOPES {
            actors.push(world.program(whose, json!([scope])).await);
        }
        programs.push((whose, actors));
    }
    for Row { name, route, fields, path } in rows(&world) {
        for (whose, actors) in &programs {
            let mut got = Vec::new();
            for actor in actors {
                let (body, _) = Transport::of(&route)[0].effects_of(&world, &types, actor, &route, fields).await;
                got.push(verdict(&body, path));
            }
            let more = got[0] != "yes" && got.iter().any(|got| got == "yes");
            assert!(!more, "{name}: a program may more than {} in person: {got:?}", VIEWERS[*whose]);
            write!(text, "\n{name:<41}{:<16}", VIEWERS[*whose]).unwrap();
            got.iter().for_each(|cell| write!(text, "{cell:<16}").unwrap());
        }
    }
    text.push_str("\n\nnull in person: has none, or may not see it");
    let text: String = text.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../snapshots" }, {
        insta::assert_snapshot!("scopes", text);
    });
}

/// The guard demands the scope that the messages need: a stream that was opened is not refused at the first
/// booking.
#[apply(scene!)]
async fn the_stream_of_an_events_bookings_is_for_those_who_read_sales(stage: Stage) {
    let app = stage.app().await;
    let world = World::build(&app).await;
    let query = "subscription { eventBookingChanged { change booking { customer { email } } } }";
    let mut runs = world.program(3, json!(["MANAGE_EVENTS"])).await.socket().await;
    runs.subscribe("b", query, json!({})).await;
    assert_eq!(runs.message().await["payload"][0]["extensions"]["code"], "FORBIDDEN");
    let mut sees = world.program(3, json!(["READ_SALES"])).await.socket().await;
    sees.subscribe("b", query, json!({})).await;
    assert!(sees.next("b").await["eventBookingChanged"]["change"].is_null(), "the opening frame");
    world.viewers[2].books(&world.viewers[3].event(5).await, 1).await;
    let frame = sees.next("b").await;
    let frame = &frame["eventBookingChanged"];
    assert_eq!(frame["change"], "CREATED", "{frame}");
    assert!(frame["booking"]["customer"]["email"].is_string());
}
