//! The schema: one file per noun, merged into one graph. GraphQL types point at each other in circles, so they are one
//! module on top of everything.
//! Not here: rules and queries (the slices below), and transports (`http`).

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

/// What can be asked.
#[derive(MergedObject, Default)]
pub struct Query(
    node::NodeQuery,
    account::AccountQuery,
    session::SessionQuery,
    api_token::ApiTokenQuery,
    users::UsersQuery,
    catalog::CatalogQuery,
    organizer::OrganizerQuery,
    booking::BookingQuery,
    waitlist::WaitlistQuery,
    notice::NoticeQuery,
);

/// What can be done. Each mutation takes one `input` and answers with a payload whose `userErrors` say why nothing was
/// changed.
#[derive(MergedObject, Default)]
pub struct Mutation(
    account::AccountMutation,
    session::SessionMutation,
    api_token::ApiTokenMutation,
    users::UsersMutation,
    event::mutations::EventMutation,
    booking::mutations::BookingMutation,
    waitlist::WaitlistMutation,
    notice::NoticeMutation,
);

/// What can be watched live, one field per operation. States begin with how they stand now, logs with a cursor to go on
/// from.
#[derive(MergedSubscription, Default)]
pub struct Subscription(
    notice::live::NoticeSubscription,
    booking::live::BookingSubscription,
    availability::AvailabilitySubscription,
    waitlist::WaitlistSubscription,
);

/// The whole graph.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// What resolvers need besides the acting context; shared by all requests.
#[derive(Clone)]
pub struct Services {
    /// Where orders are handed in.
    pub batcher: Batcher,
    /// Hashes passwords.
    pub hasher: Hasher,
    /// Throttles sign-ins.
    pub throttle: Throttle,
    /// Looks sessions up.
    pub sessions: Sessions,
    /// Seals the cursors of log streams.
    pub cursors: stream_cursor::CursorKeys,
    /// Wakes log streams.
    pub bus: Bus,
    /// Shows states.
    pub availability_hub: AvailabilityHub,
    /// Bounds searches and counts that run at once.
    pub expensive: expensive::Expensive,
}

/// Builds the schema. Without services it can be printed but not executed. With `discreet` it answers no introspection
/// and does not suggest names to whoever guesses one.
pub fn schema(services: Option<Services>, discreet: bool) -> Schema {
    let mut builder = Schema::build(Query::default(), Mutation::default(), Subscription::default())
        // Documents were measured before: these are a second wall that never stands in anybody's way.
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

/// A schema that validates documents and executes none; it needs no services.
pub fn validator() -> Schema {
    Schema::build(Query::default(), Mutation::default(), Subscription::default()).extension(OnlyValidate).finish()
}

/// The public contract as it is checked in: sorted, so that a change is a small difference.
pub fn sdl() -> String {
    let options = SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items().include_specified_by();
    schema(None, false).sdl_with_options(options)
}
