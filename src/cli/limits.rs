//! Limits of requests and connections as settings, with their defaults.
//! Not here: their enforcement (`engine::cost`, `engine::budget`, `http`).

use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;

use crate::account::throttle;
use crate::app::Options;
use crate::engine::{budget, cost, execute};
use crate::http;

/// Factor by which buckets are larger on a service that only this machine can reach.
const GENEROUS: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);

fn document() -> cost::Limits {
    cost::Limits::default()
}

fn engine() -> execute::Settings {
    execute::Settings::default()
}

fn budget() -> budget::Settings {
    budget::Settings::default()
}

fn body() -> http::body::Body {
    http::body::Body::default()
}

fn connections() -> http::listen::Settings {
    http::listen::Settings::default()
}

fn sockets() -> http::websocket::Settings {
    http::websocket::Settings::default()
}

fn throttle() -> throttle::Settings {
    throttle::Settings::default()
}

fn free(backoff: throttle::Backoff) -> u32 {
    u32::try_from(backoff.free).unwrap_or(u32::MAX)
}

/// Flags of the limits. Their defaults are those of the modules that enforce them.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Largest request body, in bytes
    #[arg(long, value_name = "N", env = "BOXOFFICE_MAX_BODY_BYTES", default_value_t = body().bytes)]
    max_body_bytes: usize,
    /// Largest GraphQL document, in bytes
    #[arg(long, value_name = "N", env = "BOXOFFICE_MAX_DOCUMENT_BYTES", default_value_t = document().document_bytes)]
    max_document_bytes: usize,
    /// Most tokens in a document
    #[arg(long, value_name = "N", env = "BOXOFFICE_MAX_TOKENS", default_value_t = document().tokens)]
    max_tokens: usize,
    /// Deepest nesting of fields
    #[arg(long, value_name = "N", env = "BOXOFFICE_MAX_DEPTH", default_value_t = document().depth)]
    max_depth: u64,
    /// Most aliases in an operation, with fragments expanded
    #[arg(long, value_name = "N", env = "BOXOFFICE_MAX_ALIASES", default_value_t = document().aliases)]
    max_aliases: u64,
    /// Most directives in an operation
    #[arg(long, value_name = "N", env = "BOXOFFICE_MAX_DIRECTIVES", default_value_t = document().directives)]
    max_directives: u64,
    /// Most root fields in an operation
    #[arg(long, value_name = "N", env = "BOXOFFICE_MAX_ROOT_FIELDS", default_value_t = document().root_fields)]
    max_root_fields: u64,
    /// Most fragments in a document
    #[arg(long, value_name = "N", env = "BOXOFFICE_MAX_FRAGMENTS", default_value_t = document().fragments)]
    max_fragments: usize,
    /// Most operations in a document
    #[arg(long, value_name = "N", env = "BOXOFFICE_MAX_OPERATIONS", default_value_t = document().operations)]
    max_operations: usize,
    /// Points one operation may cost: one for each row or object it reads (docs/LIMITS.md)
    #[arg(long, value_name = "N", env = "BOXOFFICE_MAX_COST", default_value_t = document().cost)]
    max_cost: u64,
    /// Most fields in an answer; fields of a list count once per row
    #[arg(long, value_name = "N", env = "BOXOFFICE_MAX_ANSWER_FIELDS", default_value_t = document().answer)]
    max_answer_fields: u64,
    /// Points each result of a subscription may cost
    #[arg(long, value_name = "N", env = "BOXOFFICE_MAX_SUBSCRIPTION_COST", default_value_t = document().subscription)]
    max_subscription_cost: u64,
    /// Points in a user's full bucket; ten times as many if only this machine can reach the service (without
    /// --production); 0: no buckets
    #[arg(long, value_name = "N", env = "BOXOFFICE_BUCKET_POINTS", default_value_t = budget().points.get())]
    bucket_points: u32,
    /// Points restored per second; ten times as many if only this machine can reach the service (without --production)
    #[arg(long, value_name = "N", env = "BOXOFFICE_BUCKET_PER_SECOND", default_value_t = budget().per_second)]
    bucket_per_second: NonZeroU32,
    /// Size of the shared bucket of an address for requests without an account, in users' buckets
    #[arg(long, value_name = "N", env = "BOXOFFICE_BUCKETS_PER_ADDRESS", default_value_t = budget().address_factor)]
    buckets_per_address: NonZeroU32,
    /// Time limit for a query, in seconds
    #[arg(long, value_name = "S", env = "BOXOFFICE_QUERY_SECONDS", default_value_t = engine().patience.as_secs())]
    query_seconds: u64,
    /// Time a client waits for the answer of a mutation, in seconds; the mutation itself continues
    #[arg(long, value_name = "S", env = "BOXOFFICE_MUTATION_SECONDS", default_value_t = engine().mutation_patience.as_secs())]
    mutation_seconds: u64,
    /// Time limit for receiving a request body, in seconds
    #[arg(long, value_name = "S", env = "BOXOFFICE_BODY_SECONDS", default_value_t = body().within.as_secs())]
    body_seconds: u64,
    /// Time limit for receiving the headers of a request, in seconds
    #[arg(long, value_name = "S", env = "BOXOFFICE_HEADER_SECONDS", default_value_t = connections().headers.as_secs())]
    header_seconds: u64,
    /// Time a connection may be idle between requests, in seconds; a proxy in front should use a shorter one
    #[arg(long, value_name = "S", env = "BOXOFFICE_IDLE_SECONDS", default_value_t = connections().idle.as_secs())]
    idle_seconds: u64,
    /// Most open connections
    #[arg(long, value_name = "N", env = "BOXOFFICE_MAX_CONNECTIONS", default_value_t = connections().connections)]
    max_connections: usize,
    /// Most open connections from one address; behind a proxy: requests, streams and sockets of one client
    #[arg(long, value_name = "N", env = "BOXOFFICE_MAX_CONNECTIONS_PER_ADDRESS", default_value_t = connections().per_address)]
    max_connections_per_address: usize,
    /// Most open connections from one IPv6 network (/48)
    #[arg(long, value_name = "N", env = "BOXOFFICE_MAX_CONNECTIONS_PER_NETWORK", default_value_t = connections().per_network)]
    max_connections_per_network: usize,
    /// Number of trusted proxies in front that add the client's address to X-Forwarded-For
    #[arg(long, value_name = "N", env = "BOXOFFICE_PROXIES", default_value_t = connections().proxies)]
    proxies: usize,
    /// Most open WebSockets of one user
    #[arg(long, value_name = "N", env = "BOXOFFICE_MAX_SOCKETS_PER_USER", default_value_t = sockets().per_user)]
    max_sockets_per_user: usize,
    /// Most running operations on one WebSocket
    #[arg(long, value_name = "N", env = "BOXOFFICE_MAX_SOCKET_OPERATIONS", default_value_t = sockets().operations)]
    max_socket_operations: usize,
    /// Largest WebSocket message from a client, in bytes
    #[arg(long, value_name = "N", env = "BOXOFFICE_MAX_SOCKET_MESSAGE_BYTES", default_value_t = sockets().message)]
    max_socket_message_bytes: usize,
    /// Most messages per second from a client on a WebSocket, with bursts of 100
    #[arg(long, value_name = "N", env = "BOXOFFICE_SOCKET_MESSAGES_PER_SECOND", default_value_t = sockets().messages_per_second)]
    socket_messages_per_second: NonZeroU32,
    /// Time limit for `connection_init` on a new WebSocket, in seconds
    #[arg(long, value_name = "S", env = "BOXOFFICE_SOCKET_INIT_SECONDS", default_value_t = sockets().init.as_secs())]
    socket_init_seconds: u64,
    /// Wrong passwords for one account from one address before further ones have to wait, up to 15 minutes; up to 5
    /// seconds if the account signed in from there within 90 days
    #[arg(long, value_name = "N", env = "BOXOFFICE_FREE_PASSWORDS", default_value_t = free(throttle().account_network))]
    free_passwords: u32,
    /// Wrong passwords from one address for accounts that never signed in there, before further ones have to wait, up
    /// to a minute
    #[arg(long, value_name = "N", env = "BOXOFFICE_FREE_PASSWORDS_PER_ADDRESS", default_value_t = free(throttle().network))]
    free_passwords_per_address: u32,
    /// Wrong passwords for one account from addresses where it never signed in, before further ones have to wait, up to
    /// 30 seconds
    #[arg(long, value_name = "N", env = "BOXOFFICE_FREE_PASSWORDS_PER_ACCOUNT", default_value_t = free(throttle().account))]
    free_passwords_per_account: u32,
    /// New accounts from one address before further ones have to wait, up to a minute
    #[arg(long, value_name = "N", env = "BOXOFFICE_FREE_SIGN_UPS", default_value_t = free(throttle().sign_up))]
    free_sign_ups: u32,
    /// Unknown refresh tokens from one address before further ones have to wait, up to a minute
    #[arg(long, value_name = "N", env = "BOXOFFICE_FREE_REFRESHES", default_value_t = free(throttle().refresh))]
    free_refreshes: u32,
}

impl LimitArgs {
    /// Applies the limits to the options of the service.
    pub fn apply(&self, options: &mut Options) {
        let seconds = Duration::from_secs;
        options.limits.document_bytes = self.max_document_bytes;
        options.limits.tokens = self.max_tokens;
        options.limits.depth = self.max_depth;
        options.limits.aliases = self.max_aliases;
        options.limits.directives = self.max_directives;
        options.limits.root_fields = self.max_root_fields;
        options.limits.fragments = self.max_fragments;
        options.limits.operations = self.max_operations;
        options.limits.cost = self.max_cost;
        options.limits.subscription = self.max_subscription_cost;
        options.limits.answer = self.max_answer_fields;
        options.budget = NonZeroU32::new(self.bucket_points).map(|points| budget::Settings {
            points,
            per_second: self.bucket_per_second,
            address_factor: self.buckets_per_address,
        });
        options.patience = seconds(self.query_seconds);
        options.mutation_patience = seconds(self.mutation_seconds);
        options.body.bytes = self.max_body_bytes;
        options.body.within = seconds(self.body_seconds);
        options.connections.headers = seconds(self.header_seconds);
        options.connections.idle = seconds(self.idle_seconds);
        options.connections.connections = self.max_connections;
        options.connections.per_address = self.max_connections_per_address;
        options.connections.per_network = self.max_connections_per_network;
        options.connections.proxies = self.proxies;
        options.sockets.per_user = self.max_sockets_per_user;
        options.sockets.operations = self.max_socket_operations;
        options.sockets.message = self.max_socket_message_bytes;
        options.sockets.messages_per_second = self.socket_messages_per_second;
        options.sockets.init = seconds(self.socket_init_seconds);
        if let Some(throttle) = &mut options.throttle {
            throttle.account_network.free = self.free_passwords.into();
            throttle.known_network.free = self.free_passwords.into();
            throttle.network.free = self.free_passwords_per_address.into();
            throttle.account.free = self.free_passwords_per_account.into();
            throttle.sign_up.free = self.free_sign_ups.into();
            throttle.refresh.free = self.free_refreshes.into();
        }
    }

    /// Enlarges the buckets of a service that only this machine can reach, unless they were set.
    pub fn apply_to_this_machine(&self, options: &mut Options) {
        let usual = budget::Settings::default();
        options.budget = options.budget.map(|mut budget| {
            let generous = usual.times(GENEROUS);
            if budget.points == usual.points {
                budget.points = generous.points;
            }
            if budget.per_second == usual.per_second {
                budget.per_second = generous.per_second;
            }
            budget
        });
    }

    /// Returns the first limit that is effectively unlimited: more than a hundred times its default, or no bucket at
    /// all.
    pub fn unsafe_one(&self) -> Option<&'static str> {
        let limits = [
            ("--max-body-bytes", self.max_body_bytes as u64, body().bytes as u64),
            ("--max-document-bytes", self.max_document_bytes as u64, document().document_bytes as u64),
            ("--max-tokens", self.max_tokens as u64, document().tokens as u64),
            ("--max-depth", self.max_depth, document().depth),
            ("--max-aliases", self.max_aliases, document().aliases),
            ("--max-directives", self.max_directives, document().directives),
            ("--max-root-fields", self.max_root_fields, document().root_fields),
            ("--max-fragments", self.max_fragments as u64, document().fragments as u64),
            ("--max-operations", self.max_operations as u64, document().operations as u64),
            ("--max-cost", self.max_cost, document().cost),
            ("--max-answer-fields", self.max_answer_fields, document().answer),
            ("--max-subscription-cost", self.max_subscription_cost, document().subscription),
            ("--bucket-points", self.bucket_points.into(), budget().points.get().into()),
            ("--bucket-per-second", self.bucket_per_second.get().into(), budget().per_second.get().into()),
            ("--buckets-per-address", self.buckets_per_address.get().into(), budget().address_factor.get().into()),
            ("--query-seconds", self.query_seconds, engine().patience.as_secs()),
            ("--mutation-seconds", self.mutation_seconds, engine().mutation_patience.as_secs()),
            ("--body-seconds", self.body_seconds, body().within.as_secs()),
            ("--header-seconds", self.header_seconds, connections().headers.as_secs()),
            ("--idle-seconds", self.idle_seconds, connections().idle.as_secs()),
            ("--max-connections", self.max_connections as u64, connections().connections as u64),
            (
                "--max-connections-per-address",
                self.max_connections_per_address as u64,
                connections().per_address as u64,
            ),
            (
                "--max-connections-per-network",
                self.max_connections_per_network as u64,
                connections().per_network as u64,
            ),
            ("--max-sockets-per-user", self.max_sockets_per_user as u64, sockets().per_user as u64),
            ("--max-socket-operations", self.max_socket_operations as u64, sockets().operations as u64),
            ("--max-socket-message-bytes", self.max_socket_message_bytes as u64, sockets().message as u64),
            (
                "--socket-messages-per-second",
                self.socket_messages_per_second.get().into(),
                sockets().messages_per_second.get().into(),
            ),
            ("--socket-init-seconds", self.socket_init_seconds, sockets().init.as_secs()),
            ("--free-passwords", self.free_passwords.into(), free(throttle().account_network).into()),
            ("--free-passwords-per-address", self.free_passwords_per_address.into(), free(throttle().network).into()),
            ("--free-passwords-per-account", self.free_passwords_per_account.into(), free(throttle().account).into()),
            ("--free-sign-ups", self.free_sign_ups.into(), free(throttle().sign_up).into()),
            ("--free-refreshes", self.free_refreshes.into(), free(throttle().refresh).into()),
        ];
        let is_endless = |(_, value, usual): &&(&str, u64, u64)| *value > 100 * usual;
        let none = (self.bucket_points == 0).then_some("--bucket-points");
        none.or_else(|| limits.iter().find(is_endless).map(|(flag, _, _)| *flag))
    }
}
