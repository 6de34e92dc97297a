//! Client address of a request.
//! Not here: its discovery (`http::listen`), and the counters keyed by it (`engine::budget`, `account::throttle`).

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;

/// Client address of a request. It is the address of the proxy unless proxies are trusted to name their clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// Number of addresses that an IPv6 /48 counts as; any customer gets such a network for free.
    pub const ADDRESSES_PER_NETWORK: NonZeroU32 = NonZeroU32::MIN.saturating_add(7);

    /// Returns the client network: an IPv4 address, or the IPv6 /64 from which one customer can choose addresses.
    pub fn place(self) -> IpAddr {
        match self.0.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            v4 => v4,
        }
    }

    /// Returns the IPv6 /48 that an address belongs to; None for IPv4.
    pub fn network(self) -> Option<IpAddr> {
        match self.0.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, ..] = address.segments();
                Some(IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)))
            }
            IpAddr::V4(_) => None,
        }
    }
}
