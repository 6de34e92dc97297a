//! Where a request comes from, as brakes and turns tell places apart.
//! Not here: how the address is known (`http::listen`).

use std::net::{IpAddr, Ipv6Addr};

use crate::access::Peer;
use crate::ctx::Ctx;

/// What is braked: an IPv4 address, or 64 bits of IPv6.
pub fn place(ctx: &Ctx) -> String {
    named(ctx.peer.map(Peer::place))
}

/// What has one turn: an IPv4 address, or 48 bits of IPv6.
pub fn network(ctx: &Ctx) -> String {
    named(ctx.peer.map(|peer| match peer.place() {
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
        v4 => v4,
    }))
}

/// The network of IPv6 that has many places, all of them perhaps somebody's own.
pub fn of_many(ctx: &Ctx) -> Option<String> {
    ctx.peer.filter(|peer| peer.place().is_ipv6()).map(|_| network(ctx))
}

fn named(place: Option<IpAddr>) -> String {
    place.map_or_else(|| "inside".to_owned(), |place| place.to_string())
}
