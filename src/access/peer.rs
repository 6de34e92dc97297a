//! Where a request comes from.
//! Not here: finding it out (`http::listen`), and what is counted by it (`engine::budget`, `account::throttle`).

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;

/// Where a request comes from. A proxy's address, unless proxies are trusted to name their clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// An IPv6 network of 48 bits, of which anybody gets one for nothing, counts as so many addresses.
    pub const ADDRESSES_PER_NETWORK: NonZeroU32 = NonZeroU32::MIN.saturating_add(7);

    /// What counts as one ticket: an IPv4 address, or the network of 64 bits that one IPv6 customer has to choose from.
    pub fn place(self) -> IpAddr {
        match self.0.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            v4 => v4,
        }
    }

    /// The IPv6 network of 48 bits that an address belongs to; none of IPv4.
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
