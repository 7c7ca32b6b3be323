//! Which addresses count as one, for limits of one address.

use std::net::{IpAddr, Ipv6Addr};

use super::loopback::is_loopback;

/// Returns what counts as one address: an IPv4 address, or an IPv6 network of 64 bits, the least
/// that a customer gets. `None` for loopback, which has no limit of its own: it is this machine, or
/// a proxy for everybody.
pub(crate) fn source_of(address: IpAddr) -> Option<IpAddr> {
    const NETWORK: u128 = u128::MAX << 64;
    match address.to_canonical() {
        local if is_loopback(local) => None,
        IpAddr::V6(address) => Some(Ipv6Addr::from_bits(address.to_bits() & NETWORK).into()),
        address => Some(address),
    }
}

/// Returns the IPv6 network of 48 bits of an address.
pub(crate) fn network_of(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(address) = address else { return None };
    Some(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 80)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    #[test]
    fn a_network_of_64_bits_is_one_source() {
        assert_eq!(source_of(ip("2001:db8::1")), source_of(ip("2001:db8::ffff:1")));
        assert_ne!(source_of(ip("2001:db8::1")), source_of(ip("2001:db8:0:1::1")));
        assert_ne!(source_of(ip("192.0.2.1")), source_of(ip("192.0.2.2")));
        assert_eq!(source_of(ip("::ffff:192.0.2.1")), source_of(ip("192.0.2.1")));
        assert_eq!((source_of(ip("127.0.0.1")), source_of(ip("::1"))), (None, None));
    }
}
