//! A world with an object of every viewer, and the route of each viewer to each object.
//! Not here: the expected access (`snapshots/access_matrix.txt`), and the comparison with it (`access`).

use std::sync::atomic::{AtomicU64, Ordering};

use boxoffice::account::password::{Cost, Hasher};
use boxoffice::id::{ApiTokenId, AvailabilityId, BookingId, EventId, NodeId, SessionId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Actor, TestApp};

/// The columns of the matrix, in order. Own and foreign are relative to the event: its customers, its organizer.
pub const VIEWERS: [&str; 6] =
    ["anonymous", "customer own", "customer foreign", "organizer own", "organizer foreign", "admin"];

/// One event with every object that can belong to it, and the viewers.
pub struct World {
    app: TestApp,
    /// The viewers, in the order of [`VIEWERS`].
    pub viewers: Vec<Actor>,
    /// Another customer with tickets for the event, who also fills new events.
    filler: Actor,
    /// The event: published, full, with an entry on its waitlist.
    pub event: String,
    /// A draft of the same organizer, which only the organizer can see.
    pub draft: String,
    /// A booking of the own customer, promoted from the waitlist and cancelled since, so that every field has a value.
    pub booking: String,
    reference: String,
    /// A waiting entry of the own customer.
    pub entry: String,
    /// The organizer of the event.
    organizer: String,
    slug: String,
    /// Address of the foreign organizer, who is invited by the own one.
    invited: String,
}

static COUNT: AtomicU64 = AtomicU64::new(0);

/// The password of every viewer.
const PASSWORD: &str = "correct horse battery";

/// Returns the id of the availability of an event.
fn figures_of(event: &str) -> String {
    AvailabilityId(EventId::parse(event).unwrap().0).to_global_id()
}

pub async fn address(person: &Actor) -> String {
    person.ask("{ viewer { email } }", json!({})).await.ok().text("viewer.email")
}

pub async fn organizer_of(person: &Actor) -> String {
    person.ask("{ viewer { organizer { id } } }", json!({})).await.ok().text("viewer.organizer.id")
}

fn api_token() -> Value {
    json!({ "name": "till", "scopes": ["BOOK"], "expiresAt": "2026-06-01T00:00:00Z" })
}

impl World {
    pub async fn build(app: &TestApp) -> Self {
        let (own, foreign, filler) = (app.customer().await, app.customer().await, app.customer().await);
        let (organizer, rival, admin) = (app.organizer().await, app.organizer().await, app.admin().await);
        let event = organizer.event(5).await;
        let draft = organizer.draft(5).await;
        let first = filler.books(&event, 5).await;
        own.join(&event, 1, false).await.ok();
        filler.cancel(&first).await.ok(); // the waitlist gives the own customer a booking
        filler.books(&event, 4).await;
        let mine = own.ask("{ myBookings(first: 1) { nodes { id reference } } }", json!({})).await.ok();
        let (booking, reference) = (mine.text("myBookings.nodes.0.id"), mine.text("myBookings.nodes.0.reference"));
        let change = json!({ "eventId": event, "venue": "Hall B" });
        organizer.mutate("updateEvent", change, "changed").await.ok();
        app.settled().await; // the customer gets the notice of the change before the booking is cancelled
        let entry = own.join(&event, 3, false).await.ok().text("joinWaitlist.waitlistEntry.id");
        own.cancel(&booking).await.ok(); // one ticket comes free; the waitlist wants three
        app.settled().await;
        let sold_by =
            organizer.ask("query($id: ID!) { event(id: $id) { organizer { id slug } } }", json!({ "id": event }));
        let sold_by = sold_by.await.ok();
        let (sold_by, slug) = (sold_by.text("event.organizer.id"), sold_by.text("event.organizer.slug"));
        let invited = address(&rival).await;
        let invite = json!({ "organizerId": sold_by, "email": invited, "role": "MANAGER" });
        organizer.mutate("inviteMember", invite, "invitation { id }").await.ok();
        let viewers = vec![app.anonymous(), own, foreign, organizer, rival, admin];
        let hash = Hasher::new(Cost::TEST, 1).unwrap().hash(PASSWORD.to_owned()).await.unwrap();
        app.sql("UPDATE users SET password_hash = $1", [hash.into()]).await;
        for viewer in &viewers[1..] {
            viewer.mutate("createApiToken", api_token(), "secret").await.ok();
        }
        Self {
            app: app.clone(),
            viewers,
            filler,
            event,
            draft,
            booking,
            reference,
            entry,
            organizer: sold_by,
            slug,
            invited,
        }
    }

    fn own(&self) -> &Actor {
        &self.viewers[1]
    }

    fn organizer(&self) -> &Actor {
        &self.viewers[3]
    }

    /// Returns a client program of this viewer.
    pub async fn program(&self, whose: usize, scopes: Value) -> Actor {
        let user = &self.viewers[whose];
        let input = json!({ "name": "till", "scopes": scopes, "expiresAt": "2026-06-01T00:00:00Z" });
        let made = user.mutate("createApiToken", input, "secret").await.ok();
        Actor::new(&self.app, Some(made.text("createApiToken.secret")), user.user, None)
    }

    /// Returns an invitation of the foreign organizer by one of this try. As VIEWER, so that the foreign organizer
    /// still manages the events of one organizer only.
    async fn fresh_invitation(&self) -> String {
        let other = self.app.organizer().await;
        let of = organizer_of(&other).await;
        let invite = json!({ "organizerId": of, "email": self.invited, "role": "VIEWER" });
        other.mutate("inviteMember", invite, "invitation { id }").await.ok().text("inviteMember.invitation.id")
    }

    /// Returns the membership of a new member of the own organizer.
    async fn fresh_member(&self) -> String {
        let new = self.app.organizer().await;
        let invite = json!({ "organizerId": self.organizer, "email": address(&new).await, "role": "VIEWER" });
        let invited = self.organizer().mutate("inviteMember", invite, "invitation { id }").await.ok();
        let invitation = json!({ "invitationId": invited.text("inviteMember.invitation.id") });
        let accepted = new.mutate("acceptInvitation", invitation, "membership { id }").await.ok();
        accepted.text("acceptInvitation.membership.id")
    }

    async fn fresh_entry(&self) -> String {
        let event = self.organizer().event(1).await;
        self.filler.books(&event, 1).await;
        self.own().join(&event, 1, false).await.ok().text("joinWaitlist.waitlistEntry.id")
    }

    /// Returns an input with which a permitted viewer succeeds, on objects made for this one try. With `case` the
    /// outcome is another one.
    pub async fn input(&self, mutation: &str, case: &str) -> Value {
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let person = json!({ "email": format!("new{n}@example.org"), "password": "correct horse", "name": "New" });
        match (mutation, case) {
            ("signUp" | "createAdmin", "") => person,
            ("signIn", "") => {
                let made = self.app.anonymous().mutate("signUp", person.clone(), "viewer { id }").await;
                made.ok();
                json!({ "email": person["email"], "password": person["password"] })
            }
            ("signIn", "wrong password") => json!({ "email": "nobody@example.org", "password": "wrong" }),
            ("createEvent", "") => json!({
                "title": "T", "venue": "V", "timeZone": "UTC", "capacity": 1,
                "startsAt": "2026-05-01T00:00:00Z", "endsAt": "2026-05-02T00:00:00Z",
            }),
            ("publishEvent" | "deleteEvent", "") => json!({ "eventId": self.organizer().draft(5).await }),
            ("cancelEvent", "") => json!({ "eventId": self.organizer().event(5).await }),
            ("updateEvent", "") => json!({ "eventId": self.organizer().event(5).await, "venue": "Hall C" }),
            ("setEventCapacity", "") => json!({ "eventId": self.organizer().event(5).await, "capacity": 6 }),
            ("setEventCapacity", "too few") => json!({ "eventId": self.event, "capacity": 1 }),
            ("createBooking", "") => json!({ "eventId": self.organizer().event(5).await, "quantity": 1 }),
            ("createBooking", "draft") => json!({ "eventId": self.draft, "quantity": 1 }),
            ("createBooking", "another price") => {
                json!({ "eventId": self.organizer().event(5).await, "quantity": 1, "expectedTotal": "1.00" })
            }
            ("createBooking", "too many") => json!({ "eventId": self.event, "quantity": 100 }),
            ("cancelBooking", "") => {
                json!({ "bookingId": self.own().books(&self.organizer().event(5).await, 1).await })
            }
            ("joinWaitlist", "") => {
                let event = self.organizer().event(1).await;
                self.filler.books(&event, 1).await;
                json!({ "eventId": event, "quantity": 1 })
            }
            ("joinWaitlist", "draft") => json!({ "eventId": self.draft, "quantity": 1 }),
            ("joinWaitlist", "free") => json!({ "eventId": self.organizer().event(5).await, "quantity": 1 }),
            ("leaveWaitlist" | "confirmWaitlistEntry", "") => json!({ "entryId": self.fresh_entry().await }),
            ("markNoticesRead", "") => json!({ "upTo": 0 }),
            ("refreshSession", "") => {
                let made = self.app.anonymous().mutate("signUp", person.clone(), "token { refreshToken }").await.ok();
                json!({ "refreshToken": made.text("signUp.token.refreshToken") })
            }
            // A session of no user: the viewer's own is needed for the rows that follow.
            ("signOut", "") => json!({ "sessionId": SessionId(Uuid::from_u128(7)).to_global_id() }),
            ("signOutEverywhere", "") => json!({ "keepCurrent": true }),
            ("changePassword", "") => json!({ "currentPassword": PASSWORD, "newPassword": PASSWORD }),
            ("createApiToken", "") => api_token(),
            ("revokeApiToken", "") => json!({ "apiTokenId": ApiTokenId(Uuid::from_u128(7)).to_global_id() }),
            ("inviteMember", "") => {
                json!({ "organizerId": self.organizer, "email": format!("new{n}@example.org"), "role": "VIEWER" })
            }
            ("revokeInvitation", "") => {
                let invite = json!({ "organizerId": self.organizer, "email": person["email"], "role": "VIEWER" });
                let invited = self.organizer().mutate("inviteMember", invite, "invitation { id }").await.ok();
                json!({ "invitationId": invited.text("inviteMember.invitation.id") })
            }
            ("acceptInvitation" | "declineInvitation", "") => json!({ "invitationId": self.fresh_invitation().await }),
            ("changeMemberRole", "") => json!({ "membershipId": self.fresh_member().await, "role": "DOOR_STAFF" }),
            ("removeMember", "") => json!({ "membershipId": self.fresh_member().await }),
            ("disableUser" | "enableUser", "") => json!({ "userId": self.app.customer().await.user.to_global_id() }),
            ("setUserRole", "") => {
                json!({ "userId": self.app.customer().await.user.to_global_id(), "role": "ORGANIZER" })
            }
            other => panic!("no input for {other:?}: write one in tests/it/access/world.rs"),
        }
    }

    /// Returns the route to an object of a type; `FIELDS` stands for the selection.
    pub fn route(&self, of: &str) -> Route {
        let Self { event, draft, booking, entry, organizer, .. } = self;
        let query = |document: String, path: &'static str| Route::Query { document, path };
        let at_event = |fields: &str| format!("{{ event(id: \"{event}\") {{ {fields} }} }}");
        let team = |fields: &str| format!("{{ organizer(id: \"{organizer}\") {{ {fields} }} }}");
        let mutation = |name, case, path| Route::Mutation { name, case, path };
        let live = |document: &str| Route::Live { document: document.to_owned() };
        match of {
            "Event" => query(at_event("FIELDS"), "event"),
            "Event[draft]" => query(format!("{{ event(id: \"{draft}\") {{ FIELDS }} }}"), "event"),
            "Slot" => query(at_event("slots { FIELDS }"), "event.slots.0"),
            "TicketType" => query(at_event("ticketTypes { FIELDS }"), "event.ticketTypes.0"),
            "Availability" => query(at_event("availability { FIELDS }"), "event.availability"),
            "SlotAvailability" => query(at_event("slots { availability { FIELDS } }"), "event.slots.0.availability"),
            "Money" => query(at_event("price { FIELDS }"), "event.price"),
            "Organizer" => query(at_event("organizer { FIELDS }"), "event.organizer"),
            "Membership" => query(team("members(first: 1) { nodes { FIELDS } }"), "organizer.members.nodes.0"),
            "Membership[mine]" => query("{ viewer { memberships { FIELDS } } }".into(), "viewer.memberships.0"),
            "MembershipConnection" => query(team("members(first: 1) { FIELDS }"), "organizer.members"),
            "MembershipEdge" => query(team("members(first: 1) { edges { FIELDS } }"), "organizer.members.edges.0"),
            "Invitation" => query(team("invitations(first: 1) { nodes { FIELDS } }"), "organizer.invitations.nodes.0"),
            "Invitation[mine]" => {
                query("{ myInvitations(first: 1) { nodes { FIELDS } } }".into(), "myInvitations.nodes.0")
            }
            "InvitationConnection" => query(team("invitations(first: 1) { FIELDS }"), "organizer.invitations"),
            "InvitationConnection[mine]" => query("{ myInvitations(first: 1) { FIELDS } }".into(), "myInvitations"),
            "InvitationEdge" => {
                query(team("invitations(first: 1) { edges { FIELDS } }"), "organizer.invitations.edges.0")
            }
            "EventConnection" => query("{ events(first: 1) { FIELDS } }".into(), "events"),
            "EventEdge" => query("{ events(first: 1) { edges { FIELDS } } }".into(), "events.edges.0"),
            "PageInfo" => query("{ events(first: 1) { pageInfo { FIELDS } } }".into(), "events.pageInfo"),

            "Booking" => query(format!("{{ booking(id: \"{booking}\") {{ FIELDS }} }}"), "booking"),
            "BookingItem" => {
                query(format!("{{ booking(id: \"{booking}\") {{ items {{ FIELDS }} }} }}"), "booking.items.0")
            }
            "User" => {
                query(format!("{{ booking(id: \"{booking}\") {{ customer {{ FIELDS }} }} }}"), "booking.customer")
            }
            "User[oneself]" => query("{ viewer { FIELDS } }".into(), "viewer"),
            "User[organizer]" => {
                let user = self.organizer().user.to_global_id();
                query(format!("{{ node(id: \"{user}\") {{ ... on User {{ FIELDS }} }} }}"), "node")
            }
            "BookingConnection" => query(at_event("bookings(first: 1) { FIELDS }"), "event.bookings"),
            "BookingConnection[mine]" => query("{ myBookings(first: 1) { FIELDS } }".into(), "myBookings"),
            "BookingEdge" => query(at_event("bookings(first: 1) { edges { FIELDS } }"), "event.bookings.edges.0"),
            "BookingEdge[mine]" => query("{ myBookings(first: 1) { edges { FIELDS } } }".into(), "myBookings.edges.0"),
            "Participant" => {
                query(at_event("participants(first: 1) { nodes { FIELDS } }"), "event.participants.nodes.0")
            }
            "ParticipantConnection" => query(at_event("participants(first: 1) { FIELDS }"), "event.participants"),
            "ParticipantEdge" => {
                query(at_event("participants(first: 1) { edges { FIELDS } }"), "event.participants.edges.0")
            }

            "WaitlistEntry" => {
                query(format!("{{ node(id: \"{entry}\") {{ ... on WaitlistEntry {{ FIELDS }} }} }}"), "node")
            }
            "WaitlistEntryConnection" => {
                query("{ myWaitlistEntries(first: 1) { FIELDS } }".into(), "myWaitlistEntries")
            }
            "WaitlistEntryEdge" => {
                query("{ myWaitlistEntries(first: 1) { edges { FIELDS } } }".into(), "myWaitlistEntries.edges.0")
            }
            "EventWaitlistConnection" => query(at_event("waitlist(first: 1) { FIELDS }"), "event.waitlist"),
            "EventWaitlistEdge" => query(at_event("waitlist(first: 1) { edges { FIELDS } }"), "event.waitlist.edges.0"),

            // No other viewer was promoted, or has a booking of an event that changed.
            "Notice" => {
                query("{ notices(first: 50) { nodes { kind FIELDS } } }".into(), "notices.nodes.kind=WAITLIST_PROMOTED")
            }
            "EventChange" => query(
                "{ notices(first: 50) { nodes { kind changes { FIELDS } } } }".into(),
                "notices.nodes.kind=EVENT_UPDATED.changes.0",
            ),
            "NoticeConnection" => query("{ notices(first: 1) { FIELDS } }".into(), "notices"),
            "NoticeEdge" => query("{ notices(first: 1) { edges { FIELDS } } }".into(), "notices.edges.0"),

            "NoticeUpdate" => live("subscription { it: noticeReceived { FIELDS } }"),
            "BookingUpdate" => live("subscription { it: bookingChanged { FIELDS } }"),
            "BookingUpdate[of my events]" => live("subscription { it: eventBookingChanged { FIELDS } }"),

            "Session" => query("{ mySessions(first: 1) { nodes { FIELDS } } }".into(), "mySessions.nodes.0"),
            "SessionConnection" => query("{ mySessions(first: 1) { FIELDS } }".into(), "mySessions"),
            "SessionEdge" => query("{ mySessions(first: 1) { edges { FIELDS } } }".into(), "mySessions.edges.0"),
            "ApiToken" => query("{ myApiTokens(first: 1) { nodes { FIELDS } } }".into(), "myApiTokens.nodes.0"),
            "ApiTokenConnection" => query("{ myApiTokens(first: 1) { FIELDS } }".into(), "myApiTokens"),
            "ApiTokenEdge" => query("{ myApiTokens(first: 1) { edges { FIELDS } } }".into(), "myApiTokens.edges.0"),
            "UserConnection" => query("{ users(first: 1) { FIELDS } }".into(), "users"),
            "UserEdge" => query("{ users(first: 1) { edges { FIELDS } } }".into(), "users.edges.0"),

            "SignOutPayload" => mutation("signOutEverywhere", "", "it"),
            "ChangePasswordPayload" => mutation("changePassword", "", "it"),
            "CreateApiTokenPayload" => mutation("createApiToken", "", "it"),
            "RevokeApiTokenPayload" => mutation("revokeApiToken", "", "it"),
            "InvitationPayload" => mutation("inviteMember", "", "it"),
            "AcceptInvitationPayload" => mutation("acceptInvitation", "", "it"),
            "ChangeMemberRolePayload" => mutation("changeMemberRole", "", "it"),
            "RemoveMemberPayload" => mutation("removeMember", "", "it"),
            "UserPayload" => mutation("setUserRole", "", "it"),
            "AccessToken" => mutation("signIn", "", "it.token"),
            "SignInPayload" => mutation("signUp", "", "it"),
            "CreateAdminPayload" => mutation("createAdmin", "", "it"),
            "EventPayload" => mutation("publishEvent", "", "it"),
            "UpdateEventPayload" => mutation("updateEvent", "", "it"),
            "DeleteEventPayload" => mutation("deleteEvent", "", "it"),
            "CreateBookingPayload" => mutation("createBooking", "", "it"),
            "CancelBookingPayload" => mutation("cancelBooking", "", "it"),
            "WaitlistPayload" => mutation("joinWaitlist", "", "it"),
            "MarkNoticesReadPayload" => mutation("markNoticesRead", "", "it"),
            "RefusalError" => mutation("signIn", "wrong password", "it.userErrors.__typename=RefusalError"),
            "NotEnoughTicketsError" => {
                mutation("createBooking", "too many", "it.userErrors.__typename=NotEnoughTicketsError")
            }
            "TicketsAvailableError" => {
                mutation("joinWaitlist", "free", "it.userErrors.__typename=TicketsAvailableError")
            }
            "PriceChangedError" => {
                mutation("createBooking", "another price", "it.userErrors.__typename=PriceChangedError")
            }
            "CapacityBelowTakenError" => {
                mutation("setEventCapacity", "too few", "it.userErrors.__typename=CapacityBelowTakenError")
            }
            other => panic!("no route to {other}: write one in tests/it/access/world.rs"),
        }
    }

    /// Returns the route to a root field, with the alias `it`.
    pub fn root(&self, field: &str) -> Route {
        let Self { event, draft, booking, entry, reference, organizer, slug, .. } = self;
        let customer = self.own().user.to_global_id();
        let unknown = BookingId(Uuid::from_u128(7)).to_global_id();
        let asked = match field {
            "Query.booking" => format!("booking(id: \"{booking}\") {{ id }}"),
            "Query.booking[by reference]" => format!("booking(reference: \"{reference}\") {{ id }}"),
            "Query.booking[unknown]" => format!("booking(id: \"{unknown}\") {{ id }}"),
            "Query.event" => format!("event(id: \"{event}\") {{ id }}"),
            "Query.event[draft]" => format!("event(id: \"{draft}\") {{ id }}"),
            "Query.events" => "events(first: 1) { nodes { id } }".into(),
            "Query.myBookings" => "myBookings(first: 1) { nodes { id } }".into(),
            "Query.myEvents" => "myEvents(first: 1) { nodes { id } }".into(),
            "Query.myWaitlistEntries" => "myWaitlistEntries(first: 1) { nodes { id } }".into(),
            "Query.node" => format!("node(id: \"{entry}\") {{ id }}"),
            "Query.node[booking]" => format!("node(id: \"{booking}\") {{ id }}"),
            "Query.node[draft]" => format!("node(id: \"{draft}\") {{ id }}"),
            "Query.node[customer]" => format!("node(id: \"{customer}\") {{ id }}"),
            "Query.node[organizer]" => format!("node(id: \"{organizer}\") {{ id }}"),
            "Query.node[availability]" => format!("node(id: \"{}\") {{ id }}", figures_of(event)),
            "Query.node[availability of draft]" => format!("node(id: \"{}\") {{ id }}", figures_of(draft)),
            "Query.organizer" => format!("organizer(id: \"{organizer}\") {{ id }}"),
            "Query.organizer[by slug]" => format!("organizer(slug: \"{slug}\") {{ id }}"),
            "Query.nodes" => format!("nodes(ids: [\"{event}\"]) {{ id }}"),
            "Query.myApiTokens" => "myApiTokens(first: 1) { nodes { id } }".into(),
            "Query.myInvitations" => "myInvitations(first: 1) { nodes { id } }".into(),
            "Query.mySessions" => "mySessions(first: 1) { nodes { id } }".into(),
            "Query.users" => "users(first: 1) { nodes { id } }".into(),
            "Query.notices" => "notices(first: 1) { nodes { id } }".into(),
            "Query.viewer" => "viewer { id }".into(),
            "Subscription.availabilityChanged" => format!("availabilityChanged(eventId: \"{event}\") {{ revision }}"),
            "Subscription.availabilityChanged[draft]" => {
                format!("availabilityChanged(eventId: \"{draft}\") {{ revision }}")
            }
            "Subscription.availabilityChanged[several]" => {
                format!("availabilityChanged(eventIds: [\"{event}\"]) {{ revision }}")
            }
            "Subscription.availabilityChanged[a draft too]" => {
                format!("availabilityChanged(eventIds: [\"{event}\", \"{draft}\"]) {{ revision }}")
            }
            "Subscription.bookingChanged" => "bookingChanged { cursor }".into(),
            "Subscription.eventBookingChanged" => "eventBookingChanged { cursor }".into(),
            "Subscription.noticeReceived" => "noticeReceived { cursor }".into(),
            "Subscription.waitlistEntryChanged" => format!("waitlistEntryChanged(entryId: \"{entry}\") {{ status }}"),
            "Mutation.createBooking[draft]" => {
                return Route::Mutation { name: "createBooking", case: "draft", path: "it" };
            }
            "Mutation.joinWaitlist[draft]" => {
                return Route::Mutation { name: "joinWaitlist", case: "draft", path: "it" };
            }
            "Mutation.acceptInvitation" => return Route::mutation("acceptInvitation"),
            "Mutation.changeMemberRole" => return Route::mutation("changeMemberRole"),
            "Mutation.declineInvitation" => return Route::mutation("declineInvitation"),
            "Mutation.inviteMember" => return Route::mutation("inviteMember"),
            "Mutation.removeMember" => return Route::mutation("removeMember"),
            "Mutation.revokeInvitation" => return Route::mutation("revokeInvitation"),
            "Mutation.changePassword" => return Route::mutation("changePassword"),
            "Mutation.createApiToken" => return Route::mutation("createApiToken"),
            "Mutation.disableUser" => return Route::mutation("disableUser"),
            "Mutation.enableUser" => return Route::mutation("enableUser"),
            "Mutation.refreshSession" => return Route::mutation("refreshSession"),
            "Mutation.revokeApiToken" => return Route::mutation("revokeApiToken"),
            "Mutation.setUserRole" => return Route::mutation("setUserRole"),
            "Mutation.signOut" => return Route::mutation("signOut"),
            "Mutation.signOutEverywhere" => return Route::mutation("signOutEverywhere"),
            "Mutation.cancelBooking" => return Route::mutation("cancelBooking"),
            "Mutation.cancelEvent" => return Route::mutation("cancelEvent"),
            "Mutation.createAdmin" => return Route::mutation("createAdmin"),
            "Mutation.createBooking" => return Route::mutation("createBooking"),
            "Mutation.createEvent" => return Route::mutation("createEvent"),
            "Mutation.deleteEvent" => return Route::mutation("deleteEvent"),
            "Mutation.joinWaitlist" => return Route::mutation("joinWaitlist"),
            "Mutation.confirmWaitlistEntry" => return Route::mutation("confirmWaitlistEntry"),
            "Mutation.leaveWaitlist" => return Route::mutation("leaveWaitlist"),
            "Mutation.markNoticesRead" => return Route::mutation("markNoticesRead"),
            "Mutation.publishEvent" => return Route::mutation("publishEvent"),
            "Mutation.setEventCapacity" => return Route::mutation("setEventCapacity"),
            "Mutation.signIn" => return Route::mutation("signIn"),
            "Mutation.signUp" => return Route::mutation("signUp"),
            "Mutation.updateEvent" => return Route::mutation("updateEvent"),
            other => panic!("no document asks {other}: write one in tests/it/access/world.rs"),
        };
        match field.starts_with("Query.") {
            true => Route::Query { document: format!("{{ it: {asked} }}"), path: "it" },
            false => Route::Live { document: format!("subscription {{ it: {asked} }}") },
        }
    }
}

/// A route to an object.
pub enum Route {
    /// A document over HTTP, and the path of the object in the answer.
    Query { document: String, path: &'static str },
    /// A mutation with an input of [`World::input`], called `it`.
    Mutation { name: &'static str, case: &'static str, path: &'static str },
    /// A document over the socket with a root field of the alias `it`; its first message counts.
    Live { document: String },
}

impl Route {
    fn mutation(name: &'static str) -> Self {
        Self::Mutation { name, case: "", path: "it" }
    }
}
