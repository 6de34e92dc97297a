//! Client networks, and the networks an account has recently signed in from.
//! Not here: how a client's address is found (`http::listen`).

use std::time::Duration;

use super::counter;
use crate::access::Peer;
use crate::clock::Timestamp;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Tx};

/// How long a network stays known without another sign-in.
pub const KNOWN_FOR: Duration = Duration::from_secs(90 * 24 * 3_600);

/// How often the time of a known network is written: a session is renewed every quarter of an hour.
const WRITTEN_EVERY: Duration = Duration::from_secs(24 * 3_600);

/// The client's network: an IPv4 address or an IPv6 /64.
pub(super) fn network(ctx: &Ctx) -> String {
    ctx.peer.map_or_else(|| "internal".to_owned(), |peer| peer.place().to_string())
}

/// The client's site, on IPv6: a /48.
pub(super) fn site(ctx: &Ctx) -> Option<String> {
    ctx.peer.and_then(Peer::network).map(|site| site.to_string())
}

/// An account together with the client's network; none: networks are not told apart.
#[derive(Debug, Clone, Default)]
pub struct KnownNetwork(Option<String>);

impl KnownNetwork {
    /// This account and the network of this request.
    pub(super) fn of(ctx: &Ctx, account: &str) -> Self {
        Self(Some(counter::key("known network", &[account, &network(ctx)])))
    }

    /// Whether the account was opened, signed in or renewed from this network of late.
    pub(super) async fn is_known(&self, ctx: &Ctx) -> Result<bool, DbError> {
        let Some(key) = &self.0 else { return Ok(false) };
        let sql = "SELECT count(*) AS n FROM known_network WHERE key = $1 AND seen_at > $2";
        let since = ctx.now().minus(KNOWN_FOR);
        Ok(db::number(ctx.db.read(), sql, [key.clone().into(), since.into()]).await? == 1)
    }

    /// Remembers the network from now on, to the day. The account must have proved itself.
    pub async fn remember(&self, tx: &Tx, now: Timestamp) -> Result<(), DbError> {
        let Some(key) = &self.0 else { return Ok(()) };
        let sql = "INSERT INTO known_network (key, seen_at) VALUES ($1, $2)
                   ON CONFLICT (key) DO UPDATE SET seen_at = excluded.seen_at WHERE known_network.seen_at <= $3";
        db::run(tx, sql, [key.clone().into(), now.into(), now.minus(WRITTEN_EVERY).into()]).await.map(drop)
    }
}
