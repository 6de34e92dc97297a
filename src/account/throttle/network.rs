//! Client networks, and the networks an account has recently signed in from.
//! Not here: finding the address of a client (`http::listen`).

use std::time::Duration;

use super::counter;
use crate::access::Peer;
use crate::clock::Timestamp;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Tx};

/// Time a network stays known without another sign-in.
pub const KNOWN_FOR: Duration = Duration::from_secs(90 * 24 * 3_600);

/// Shortest interval between two writes of the time of a known network: a session is renewed every quarter of an hour.
const WRITTEN_EVERY: Duration = Duration::from_secs(24 * 3_600);

/// Returns the client's network: an IPv4 address or an IPv6 /64.
pub(super) fn network(ctx: &Ctx) -> String {
    ctx.peer.map_or_else(|| "internal".to_owned(), |peer| peer.place().to_string())
}

/// Returns the client's site: a /48 on IPv6, None on IPv4.
pub(super) fn site(ctx: &Ctx) -> Option<String> {
    ctx.peer.and_then(Peer::network).map(|site| site.to_string())
}

/// An account together with the client's network. None: networks are not distinguished.
#[derive(Debug, Clone, Default)]
pub struct KnownNetwork(Option<String>);

impl KnownNetwork {
    /// Pairs this account with the network of this request.
    pub(super) fn of(ctx: &Ctx, account: &str) -> Self {
        Self(Some(counter::key("known network", &[account, &network(ctx)])))
    }

    /// Returns true if the account was opened, signed in or renewed from this network within [`KNOWN_FOR`].
    pub(super) async fn is_known(&self, ctx: &Ctx) -> Result<bool, DbError> {
        let Some(key) = &self.0 else { return Ok(false) };
        let sql = "SELECT count(*) AS n FROM known_network WHERE key = $1 AND seen_at > $2";
        let since = ctx.now().minus(KNOWN_FOR);
        Ok(db::number(ctx.db.read(), sql, [key.clone().into(), since.into()]).await? == 1)
    }

    /// Records the network as known from now on, exact to the day. The account must have proved itself.
    pub async fn remember(&self, tx: &Tx, now: Timestamp) -> Result<(), DbError> {
        let Some(key) = &self.0 else { return Ok(()) };
        let sql = "INSERT INTO known_network (key, seen_at) VALUES ($1, $2)
                   ON CONFLICT (key) DO UPDATE SET seen_at = excluded.seen_at WHERE known_network.seen_at <= $3";
        db::run(tx, sql, [key.clone().into(), now.into(), now.minus(WRITTEN_EVERY).into()]).await.map(drop)
    }
}
