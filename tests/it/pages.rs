//! Queries of a page in one document: the viewer's own bookings beside an event, notices marked read in a mutation,
//! organizers by name, local times, and one stream for the whole list.
//! Not here: access (`access`), and the lists themselves (`booking`, `waitlist`, `notification`).

use boxoffice::clock::Timestamp;
use boxoffice::zone;
use serde_json::{Value, json};

const MINE: &str = "query($id: ID!, $type: ID) { event(id: $id) {
    myBookings { id status } confirmed: myBookings(status: CONFIRMED) { id }
    myWaitlistEntry { id position } ofType: myWaitlistEntry(ticketTypeId: $type) { id } } }";

#[apply(scene!)]
async fn a_page_shows_what_is_the_viewers_own_at_an_event(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer, other) = (app.organizer().await, app.customer().await, app.customer().await);
    let (event, elsewhere) = (organizer.event(3).await, organizer.event(3).await);
    customer.books(&elsewhere, 1).await;
    let gone = customer.books(&event, 1).await;
    customer.cancel(&gone).await.ok();
    let kept = customer.books(&event, 1).await;
    other.books(&event, 2).await;
    let entry = customer.join(&event, 2, false).await.ok().text("joinWaitlist.waitlistEntry.id");

    let kind = organizer.ask("query($id: ID!) { event(id: $id) { ticketTypes { id } } }", json!({ "id": event })).await;
    let kind = kind.text("event.ticketTypes.0.id");
    let mine = customer.ask(MINE, json!({ "id": event, "type": kind })).await.ok();
    assert_eq!(
        mine.at("event"),
        &json!({
            "myBookings": [{ "id": kept, "status": "CONFIRMED" }, { "id": gone, "status": "CANCELLED" }],
            "confirmed": [{ "id": kept }],
            "myWaitlistEntry": { "id": entry, "position": 1 },
            "ofType": { "id": entry },
        })
    );
    // In a list of events, the field is answered for each of them.
    let list = "{ events(first: 5) { nodes { id myBookings(status: CONFIRMED) { event { id } } } } }";
    let list = customer.ask(list, json!({})).await.ok();
    for node in list.at("events.nodes").as_array().unwrap() {
        assert_eq!(node["myBookings"], json!([{ "event": { "id": node["id"] } }]), "{}", list.body);
    }
    // The list has nothing of other users, and for roles that cannot book the page has no error.
    customer.leave(&entry).await.ok();
    let nothing = json!({ "myBookings": null, "confirmed": null, "myWaitlistEntry": null, "ofType": null });
    for (viewer, wanted) in [(&organizer, &nothing), (&app.anonymous(), &nothing)] {
        assert_eq!(viewer.ask(MINE, json!({ "id": event })).await.ok().at("event"), wanted);
    }
    assert_eq!(customer.ask(MINE, json!({ "id": event })).await.ok().at("event.myWaitlistEntry"), &Value::Null);
}

#[apply(scene!)]
async fn twenty_bookings_of_an_event_are_shown_and_the_rest_is_paged(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(50).await;
    for _ in 0..22 {
        customer.books(&event, 1).await;
    }
    let query = "query($id: ID!) { event(id: $id) { myBookings { id } }
                 myBookings(first: 100, eventId: $id) { totalCount nodes { id } } }";
    let answer = customer.ask(query, json!({ "id": event })).await.ok();
    let all = answer.at("myBookings.nodes").as_array().unwrap();
    assert_eq!((all.len(), answer.int("myBookings.totalCount")), (22, 22));
    assert_eq!(answer.at("event.myBookings").as_array().unwrap()[..], all[..20], "the newest");
}

#[apply(scene!)]
async fn my_bookings_of_an_event_and_of_what_is_to_come(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let (early, late) = (organizer.event(9).await, organizer.event(9).await);
    let times = json!({ "eventId": late, "startsAt": "2026-03-01T19:00:00Z", "endsAt": "2026-03-01T22:00:00Z" });
    organizer.mutate("updateEvent", times, "changed").await.ok();
    let (first, second) = (customer.books(&early, 1).await, customer.books(&late, 1).await);
    let ids = async |arguments: &str| {
        let query = format!("{{ myBookings(first: 10, {arguments}) {{ totalCount nodes {{ id }} }} }}");
        let answer = customer.ask(&query, json!({})).await.ok();
        let nodes = answer.at("myBookings.nodes").as_array().unwrap().clone();
        assert_eq!(answer.int("myBookings.totalCount"), nodes.len() as i64);
        nodes.iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&format!("eventId: \"{early}\"")).await, vec![first.clone()]);
    assert_eq!(ids("when: UPCOMING").await, [second.clone(), first.clone()]);
    assert!(ids("when: PAST").await.is_empty());
    app.clock.set(Timestamp::from_rfc3339("2026-02-01T21:00:00Z").unwrap()); // the very end of the first
    let customer = app.renewed(&customer).await;
    let ids = async |arguments: &str| {
        let query = format!("{{ myBookings(first: 10, {arguments}) {{ nodes {{ id }} }} }}");
        let answer = customer.ask(&query, json!({})).await.ok();
        let nodes = answer.at("myBookings.nodes").as_array().unwrap().clone();
        nodes.iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids("when: UPCOMING").await, [second]);
    assert_eq!(ids("when: PAST").await, std::slice::from_ref(&first));
    assert_eq!(ids(&format!("when: PAST, eventId: \"{early}\", status: CONFIRMED")).await, [first]);
    assert!(ids(&format!("when: PAST, eventId: \"{late}\"")).await.is_empty());
}

#[apply(scene!)]
async fn what_was_read_is_known_everywhere_at_once(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(9).await;
    let mut phone = customer.socket().await;
    phone.subscribe("n", "subscription { noticeReceived { unreadCount notice { number read } } }", json!({})).await;
    let frame = async |phone: &mut crate::harness::socket::Socket| phone.next("n").await["noticeReceived"].clone();
    assert_eq!(frame(&mut phone).await, json!({ "unreadCount": 0, "notice": null }));
    for n in 1..=3 {
        customer.books(&event, 1).await;
        assert_eq!(frame(&mut phone).await, json!({ "unreadCount": n, "notice": { "number": n, "read": false } }));
    }
    let marked =
        customer.mutate("markNoticesRead", json!({ "upTo": 2 }), "unreadCount notices { number read }").await.ok();
    assert_eq!(marked.at("markNoticesRead.unreadCount"), &json!(1));
    let both = json!([{ "number": 2, "read": true }, { "number": 1, "read": true }]);
    assert_eq!(marked.at("markNoticesRead.notices"), &both);
    assert_eq!(frame(&mut phone).await, json!({ "unreadCount": 1, "notice": null }), "read on another device");
    let again = customer.mutate("markNoticesRead", json!({ "upTo": 1 }), "readUpTo notices { number }").await.ok();
    assert_eq!(again.at("markNoticesRead"), &json!({ "readUpTo": 2, "notices": [], "userErrors": [] }));
    let list = customer.ask("{ notices(first: 5) { unreadCount nodes { number read } } }", json!({})).await.ok();
    let reads: Vec<_> = list.at("notices.nodes").as_array().unwrap().iter().map(|node| node["read"].clone()).collect();
    assert_eq!(reads, [json!(false), json!(true), json!(true)]);
}

/// Wake-ups are lost, or the notices are marked read through another process: the regular poll notices it.
#[apply(scene!)]
async fn what_was_read_elsewhere_is_noticed_without_a_wake_up(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    customer.books(&organizer.event(9).await, 1).await;
    app.settled().await;
    let mut phone = customer.socket().await;
    phone.subscribe("n", "subscription { noticeReceived { unreadCount } }", json!({})).await;
    assert_eq!(phone.next("n").await["noticeReceived"]["unreadCount"], 1);
    app.sql("UPDATE inbox SET read_seq = last_seq WHERE user_id = $1", [customer.user.into()]).await;
    assert_eq!(phone.next("n").await["noticeReceived"]["unreadCount"], 0);
}

#[apply(scene!)]
async fn one_stream_tells_of_several_events(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let events = [organizer.event(5).await, organizer.event(6).await, organizer.event(7).await];
    let mut socket = app.anonymous().socket().await;
    let watch = "subscription($ids: [ID!]) { availabilityChanged(eventIds: $ids) { id eventId available } }";
    // Each event is sent once, however often it is named.
    let ids = json!([events[0], events[1], events[2], events[0]]);
    socket.subscribe("a", watch, json!({ "ids": ids })).await;
    let mut figures = Vec::new();
    for (event, free) in events.iter().zip([5, 6, 7]) {
        let frame = socket.next("a").await["availabilityChanged"].clone();
        assert_eq!((&frame["eventId"], &frame["available"]), (&json!(event), &json!(free)));
        figures.push(frame["id"].clone());
    }
    for nth in [2, 0, 1, 0] {
        customer.books(&events[nth], 1).await;
        let frame = socket.next("a").await["availabilityChanged"].clone();
        assert_eq!((&frame["eventId"], &frame["id"]), (&json!(events[nth]), &figures[nth]));
    }
    // The same object as in its event, and by its id.
    let beside = "query($id: ID!, $figures: ID!) { event(id: $id) { availability { id available } }
                  node(id: $figures) { id ... on Availability { available } } }";
    let beside = customer.ask(beside, json!({ "id": events[0], "figures": figures[0] })).await.ok();
    assert_eq!(beside.at("event.availability"), &json!({ "id": figures[0], "available": 3 }));
    assert_eq!(beside.at("node"), beside.at("event.availability"));

    let unknown = "RXZlbnQ6AAAAAAAAAAAAAAAAAAAABw";
    let both =
        format!("subscription {{ availabilityChanged(eventId: \"{0}\", eventIds: [\"{0}\"]) {{ id }} }}", events[0]);
    for (query, ids, code) in [
        (watch, json!([]), "BAD_USER_INPUT"),
        (watch, json!(vec![&events[0]; 51]), "BAD_USER_INPUT"),
        (watch, Value::Null, "BAD_USER_INPUT"),
        (both.as_str(), Value::Null, "BAD_USER_INPUT"),
        (watch, json!([events[0], unknown]), "NOT_FOUND"),
    ] {
        socket.subscribe("x", query, if query == watch { json!({ "ids": ids }) } else { json!({}) }).await;
        let refused = socket.message().await;
        assert!(refused["type"] == "error" && refused["id"] == "x", "{ids}: {refused}");
        assert!(refused.to_string().contains(code), "{ids}: {refused}");
    }
}

#[apply(scene!)]
async fn organizers_have_a_readable_address(stage: Stage) {
    let app = stage.app().await;
    let sign_up = async |email: &str| {
        let input = json!({ "email": email, "password": "correct horse battery", "name": "Grace", "role": "ORGANIZER",
                            "organizerName": "Jazz & More" });
        let answer = app.anonymous().mutate("signUp", input, "viewer { organizer { id slug } }").await.ok();
        (answer.text("signUp.viewer.organizer.id"), answer.text("signUp.viewer.organizer.slug"))
    };
    let (first, second) = (sign_up("grace@example.org").await, sign_up("ada@example.org").await);
    assert_eq!(first.1, "jazz-more");
    assert!(second.1.starts_with("jazz-more-") && second.1.len() == 16, "{}", second.1);
    for (id, slug) in [first, second] {
        let query = "query($id: ID!, $slug: String!) { byId: organizer(id: $id) { slug } bySlug: organizer(slug: $slug) { id } }";
        let answer = app.anonymous().ask(query, json!({ "id": id, "slug": slug })).await.ok();
        assert_eq!((answer.text("byId.slug"), answer.text("bySlug.id")), (slug, id));
    }
    let none = app.anonymous().ask("{ organizer(slug: \"nobody\\u0000\") { id } }", json!({})).await.ok();
    assert_eq!(none.at("organizer"), &Value::Null);
    assert_eq!(app.anonymous().ask("{ organizer { id } }", json!({})).await.fault(), "BAD_USER_INPUT");
    // A user who becomes an organizer gets an organizer too.
    let (admin, customer) = (app.admin().await, app.customer().await);
    let role = json!({ "userId": boxoffice::id::NodeId::to_global_id(customer.user), "role": "ORGANIZER" });
    let made = admin.mutate("setUserRole", role, "user { organizer { slug } }").await.ok();
    assert!(made.text("setUserRole.user.organizer.slug").starts_with("person"), "{}", made.body);
}

#[apply(scene!)]
async fn times_are_told_as_the_venue_has_them(stage: Stage) {
    let app = stage.app().await;
    let (organizer, customer) = (app.organizer().await, app.customer().await);
    let event = organizer.event(9).await;
    let query = "query($id: ID!) { event(id: $id) { startsAtLocal endsAtLocal timeText } }";
    assert_eq!(
        customer.ask(query, json!({ "id": event })).await.ok().at("event"),
        &json!({
            "startsAtLocal": "2026-02-01T19:00:00+01:00", "endsAtLocal": "2026-02-01T22:00:00+01:00",
            "timeText": "Sun 1 February 2026, 19:00 to 22:00",
        })
    );
    customer.books(&event, 1).await;
    let input = json!({
        "eventId": event, "startsAt": "2026-06-05T19:00:00Z", "endsAt": "2026-06-06T01:30:00Z", "price": "17",
        "timeZone": "Europe/London", "description": "Two lines\nof text",
    });
    organizer.mutate("updateEvent", input, "changed").await.ok();
    app.settled().await;
    let notices = "{ notices(first: 1) { nodes { text changes { field old text } event { timeText } } } }";
    let told = customer.ask(notices, json!({})).await.ok();
    let changes = told.at("notices.nodes.0.changes").as_array().unwrap();
    let text = |field: &str| changes.iter().find(|change| change["field"] == field).unwrap()["text"].clone();
    assert_eq!(text("STARTS_AT"), "Starts at: Sun 1 February 2026, 19:00 → Fri 5 June 2026, 20:00");
    assert_eq!(text("PRICE"), "Price: 15.50 EUR → 17.00 EUR");
    assert_eq!(text("TIME_ZONE"), "Time zone: Europe/Berlin → Europe/London");
    assert_eq!(text("DESCRIPTION"), "Description changed");
    let text = told.text("notices.nodes.0.text");
    assert!(text.starts_with("Rust Nation changed. ") && text.ends_with('.'), "{text}");
    assert!(text.contains("Ends at: Sun 1 February 2026, 22:00 → Sat 6 June 2026, 02:30."), "{text}");
    assert!(!text.contains("00Z"), "{text}");
    assert_eq!(told.text("notices.nodes.0.event.timeText"), "Fri 5 June 2026, 20:00 to Sat 6 June 2026, 02:30");
}

#[test]
fn a_zone_this_release_does_not_know_is_told_in_utc() {
    let at = Timestamp::from_rfc3339("2027-06-05T17:00:00.5Z").unwrap();
    assert_eq!(zone::words(at, "Europe/Berlin"), "Sat 5 June 2027, 19:00");
    assert_eq!(zone::words(at, "Mars/Olympus"), "Sat 5 June 2027, 17:00");
    assert_eq!(zone::local(at, "America/New_York"), "2027-06-05T13:00:00.500-04:00");
    assert_eq!(zone::local(at, "Asia/Kathmandu"), "2027-06-05T22:45:00.500+05:45");
}
