//! Actors: users and other clients that call the service over HTTP, and the answers they get.
//! Not here: sockets (`socket`).

use boxoffice::id::{SessionId, UserId};
use serde_json::{Value, json};

use super::TestApp;
use super::socket::Socket;

/// A client, with the token of a user or without one.
#[derive(Clone)]
pub struct Actor {
    pub app: TestApp,
    pub token: Option<String>,
    pub user: UserId,
    pub session: Option<SessionId>,
}

/// An answer: status, headers and body.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    /// Returns the value at a path such as `createBooking.booking.id`; null if there is none.
    pub fn at(&self, path: &str) -> &Value {
        path.split('.').fold(&self.body["data"], |value, key| match key.parse::<usize>() {
            Ok(index) => &value[index],
            Err(_) => &value[key],
        })
    }

    /// Returns the text at a path.
    pub fn text(&self, path: &str) -> String {
        self.at(path).as_str().unwrap_or_else(|| panic!("no text at {path} in {}", self.body)).to_owned()
    }

    /// Returns the number at a path.
    pub fn int(&self, path: &str) -> i64 {
        self.at(path).as_i64().unwrap_or_else(|| panic!("no number at {path} in {}", self.body))
    }

    /// Returns the code of the first fault; empty if there is none.
    pub fn fault(&self) -> &str {
        self.body["errors"][0]["extensions"]["code"].as_str().unwrap_or("")
    }

    /// Returns the code of the first refusal of the only mutation; empty if there is none.
    pub fn refusal(&self) -> &str {
        let Some(payload) = self.body["data"].as_object().and_then(|data| data.values().next()) else { return "" };
        payload["userErrors"][0]["code"].as_str().unwrap_or("")
    }

    /// Panics on any fault or refusal.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.fault().is_empty() && self.refusal().is_empty(), "expected success, got {}", self.body);
        self
    }
}

impl Actor {
    pub fn new(app: &TestApp, token: Option<String>, user: UserId, session: Option<SessionId>) -> Self {
        Self { app: app.clone(), token, user, session }
    }

    /// Returns the same user at another process.
    pub fn at(&self, app: &TestApp) -> Self {
        Self { app: app.clone(), ..self.clone() }
    }

    /// Sends a document with variables.
    pub async fn ask(&self, query: &str, variables: Value) -> Answer {
        let url = format!("http://{}/graphql", self.app.address);
        let mut request = self.app.http.post(url).json(&json!({ "query": query, "variables": variables }));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        Answer { status: response.status().as_u16(), body: response.json().await.unwrap() }
    }

    /// Runs one mutation that takes `input`; `fields` are those of its payload besides `userErrors`.
    pub async fn mutate(&self, name: &str, input: Value, fields: &str) -> Answer {
        let kind = format!(
            "{}Input",
            match name {
                "publishEvent" | "cancelEvent" | "deleteEvent" => "Event".to_owned(),
                "setEventCapacity" => "SetCapacity".to_owned(),
                "disableUser" | "enableUser" => "User".to_owned(),
                "acceptInvitation" | "declineInvitation" | "revokeInvitation" => "Invitation".to_owned(),
                _ => format!("{}{}", name[..1].to_uppercase(), &name[1..]),
            }
        );
        let query = format!(
            "mutation($input: {kind}!) {{ {name}(input: $input) {{ {fields} userErrors {{ code message path
             ... on NotEnoughTicketsError {{ available requested }} ... on TicketsAvailableError {{ available }}
             ... on CapacityBelowTakenError {{ taken }} }} }} }}"
        );
        self.ask(&query, json!({ "input": input })).await
    }

    /// Opens a socket as this user.
    pub async fn socket(&self) -> Socket {
        Socket::open(&self.app.address, self.token.as_deref()).await
    }

    /// Creates a draft with `capacity` tickets in a month; returns its id.
    pub async fn draft(&self, capacity: i64) -> String {
        let input = json!({
            "title": "Rust Nation", "venue": "Hall A", "timeZone": "Europe/Berlin", "capacity": capacity,
            "startsAt": "2026-02-01T19:00:00+01:00", "endsAt": "2026-02-01T22:00:00+01:00", "price": "15.50",
        });
        self.mutate("createEvent", input, "event { id }").await.ok().text("createEvent.event.id")
    }

    /// Publishes an event with `capacity` tickets; returns its id.
    pub async fn event(&self, capacity: i64) -> String {
        let id = self.draft(capacity).await;
        self.mutate("publishEvent", json!({ "eventId": id }), "event { status }").await.ok();
        id
    }

    /// Books; returns the whole answer.
    pub async fn book(&self, event: &str, quantity: i64, fulfilment: &str, key: Option<&str>) -> Answer {
        let input = json!({
            "eventId": event, "quantity": quantity, "fulfilment": fulfilment, "idempotencyKey": key,
        });
        let fields = "outcome message booked waitlisted booking { id reference status quantity }
                      waitlistEntry { id position quantity status }";
        self.mutate("createBooking", input, fields).await
    }

    /// Books exactly this many and must succeed; returns the booking's id.
    pub async fn books(&self, event: &str, quantity: i64) -> String {
        self.book(event, quantity, "ALL_OR_NOTHING", None).await.ok().text("createBooking.booking.id")
    }

    pub async fn cancel(&self, booking: &str) -> Answer {
        self.mutate("cancelBooking", json!({ "bookingId": booking }), "booking { status cancelReason }").await
    }

    pub async fn join(&self, event: &str, quantity: i64, accepts_part: bool) -> Answer {
        let input = json!({ "eventId": event, "quantity": quantity, "acceptsPart": accepts_part });
        self.mutate("joinWaitlist", input, "waitlistEntry { id position quantity status }").await
    }

    pub async fn leave(&self, entry: &str) -> Answer {
        self.mutate("leaveWaitlist", json!({ "entryId": entry }), "waitlistEntry { status position }").await
    }

    pub async fn resize(&self, event: &str, capacity: i64) -> Answer {
        let input = json!({ "eventId": event, "capacity": capacity });
        self.mutate("setEventCapacity", input, "event { availability { capacity sold available waiting } }").await
    }

    /// Returns the display name of the user.
    pub async fn name(&self) -> String {
        self.ask("{ viewer { name } }", json!({})).await.ok().text("viewer.name")
    }

    /// Returns the kinds of all notices, oldest first.
    pub async fn notice_kinds(&self) -> Vec<String> {
        let answer = self.ask("{ notices(last: 100) { nodes { number kind } } }", json!({})).await.ok();
        let mut notices: Vec<(i64, String)> = answer
            .at("notices.nodes")
            .as_array()
            .unwrap()
            .iter()
            .map(|notice| (notice["number"].as_i64().unwrap(), notice["kind"].as_str().unwrap().to_owned()))
            .collect();
        notices.sort();
        notices.into_iter().map(|(_, kind)| kind).collect()
    }
}
