//! The GraphQL schema: one file per noun, merged into one graph. GraphQL types refer to each other in circles, so they
//! are one module on top of all others.
//! Not here: rules and SQL (the domain modules below), and transports (`http`).

use async_graphql::{MergedObject, MergedSubscription, SDLExportOptions};

use crate::account::password::Hasher;
use crate::account::session::Sessions;
use crate::account::throttle::Throttle;
use crate::booking::batcher::Batcher;
use crate::booking::watch::AvailabilityHub;
use crate::bus::Bus;
use crate::engine::document::trusted::OnlyValidate;

pub mod account;
pub mod api_token;
pub mod availability;
pub mod booking;
pub mod catalog;
pub mod error;
pub mod event;
pub mod expensive;
pub mod guard;
pub mod load;
pub mod membership;
pub mod mine;
pub mod node;
pub mod notice;
pub mod organizer;
pub mod page;
pub mod price;
pub mod sales;
pub mod scalar;
pub mod session;
mod stream;
pub mod stream_cursor;
pub mod users;
pub mod waitlist;

/// Root of all queries. A field that needs another role or a sign-in is null, with an error of the code `FORBIDDEN` or
/// `UNAUTHENTICATED`. A nullable field that states no reason for null is null only together with an error.
#[derive(MergedObject, Default)]
pub struct Query(
    node::NodeQuery,
    account::AccountQuery,
    session::SessionQuery,
    api_token::ApiTokenQuery,
    users::UsersQuery,
    catalog::CatalogQuery,
    organizer::OrganizerQuery,
    membership::MembershipQuery,
    booking::BookingQuery,
    waitlist::WaitlistQuery,
    notice::NoticeQuery,
);

/// Root of all mutations. Each mutation takes one `input` and returns a payload. When the request is refused, nothing
/// is changed and `userErrors` of the payload has the reasons. The payload itself is null only together with an error,
/// such as `FORBIDDEN` for a missing role or `UNAUTHENTICATED` for a missing sign-in.
#[derive(MergedObject, Default)]
pub struct Mutation(
    account::AccountMutation,
    session::SessionMutation,
    api_token::ApiTokenMutation,
    users::UsersMutation,
    membership::MembershipMutation,
    event::mutations::EventMutation,
    booking::mutations::BookingMutation,
    waitlist::WaitlistMutation,
    notice::NoticeMutation,
);

/// Root of all subscriptions; each operation selects one field. A stream of states, such as `availabilityChanged`,
/// begins with the current state. A stream of log entries, such as `noticeReceived`, begins with an opening message
/// that has a cursor. After a lost connection it resumes with the last cursor as `after`.
#[derive(MergedSubscription, Default)]
pub struct Subscription(
    notice::live::NoticeSubscription,
    booking::live::BookingSubscription,
    availability::AvailabilitySubscription,
    waitlist::WaitlistSubscription,
);

/// Executable schema of the service.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// Services that resolvers use besides the request context; shared by all requests.
#[derive(Clone)]
pub struct Services {
    /// Batcher that decides bookings.
    pub batcher: Batcher,
    /// Worker threads that hash passwords.
    pub hasher: Hasher,
    /// Throttle of sign-in attempts.
    pub throttle: Throttle,
    /// Look-up of sessions and API tokens.
    pub sessions: Sessions,
    /// Keys that seal the cursors of log streams.
    pub cursors: stream_cursor::CursorKeys,
    /// Bus that wakes log streams.
    pub bus: Bus,
    /// Hub of availability, for streams of states.
    pub availability_hub: AvailabilityHub,
    /// Limit of searches and counts that run at the same time.
    pub expensive: expensive::Expensive,
}

/// Builds the schema. Without services it can be printed but not executed. With `discreet` it refuses introspection and
/// suggests no names in errors about unknown ones.
pub fn schema(services: Option<Services>, discreet: bool) -> Schema {
    let mut builder = Schema::build(Query::default(), Mutation::default(), Subscription::default())
        // A second limit, wide enough never to apply: the depth of documents was checked before.
        .limit_depth(64)
        .limit_recursive_depth(64);
    if let Some(services) = services {
        builder = builder.data(services);
    }
    if discreet {
        builder = builder.disable_introspection().disable_suggestions();
    }
    builder.finish()
}

/// Returns a schema that validates documents and executes none; it needs no services.
pub fn validator() -> Schema {
    Schema::build(Query::default(), Mutation::default(), Subscription::default()).extension(OnlyValidate).finish()
}

/// Returns the schema as text, as it is checked in: sorted, so that a change makes a small diff.
pub fn sdl() -> String {
    let options = SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items().include_specified_by();
    schema(None, false).sdl_with_options(options)
}
