//! Which IP addresses are public, and which belong to this machine or its network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 networks that are not part of the public internet: first address and prefix length.
///
/// Those in IANA's IPv4 Special-Purpose Address Registry that are not globally reachable, and
/// multicast (224.0.0.0/4) and reserved addresses (240.0.0.0/4).
const SPECIAL_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The only part of IPv6 that is allocated for the public internet (RFC 4291).
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What is not public within it: protocol assignments (Teredo among them) and documentation.
const SPECIAL_V6: [(Ipv6Addr, u32); 3] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// IPv6 networks whose addresses contain an IPv4 address: network, prefix length, and the bit where it
/// begins. These are compatible and mapped addresses, NAT64 (RFC 6052) and 6to4 (RFC 3056).
const EMBEDDED_V4: [(Ipv6Addr, u32, u32); 4] = [
    (Ipv6Addr::UNSPECIFIED, 96, 96),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, 96),
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96, 96),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, 16),
];

/// Whether an address is part of the public internet.
///
/// Private, loopback, link-local, unique-local, shared (100.64.0.0/10), documentation, benchmark,
/// multicast and unspecified addresses are not, nor are IPv6 addresses that contain such an IPv4 address.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let contains = |(network, prefix): (Ipv4Addr, u32)| {
        (address.to_bits() ^ network.to_bits()) >> (u32::BITS - prefix) == 0
    };
    !SPECIAL_V4.into_iter().any(contains)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let is_in = |(network, prefix): (Ipv6Addr, u32)| {
        (address.to_bits() ^ network.to_bits()) >> (u128::BITS - prefix) == 0
    };
    let embedding = EMBEDDED_V4
        .into_iter()
        .find(|&(network, prefix, _)| is_in((network, prefix)));
    if let Some((_, _, first_bit)) = embedding {
        let shifted = address.to_bits() << first_bit >> (u128::BITS - u32::BITS);
        return is_public_v4(Ipv4Addr::from_bits(shifted as u32));
    }
    is_in(GLOBAL_V6) && !SPECIAL_V6.into_iter().any(is_in)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public_ones(addresses: &[&str]) -> Vec<String> {
        let public = |text: &&&str| is_public(text.parse().unwrap());
        addresses
            .iter()
            .filter(public)
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn addresses_of_this_machine_and_its_network_are_not_public() {
        let found = public_ones(&[
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "64:ff9b:1::1",
            "4000::1",
        ]);
        assert!(found.is_empty(), "wrongly public: {found:?}");
    }

    #[test]
    fn a_private_ipv4_address_inside_an_ipv6_address_is_not_public() {
        let found = public_ones(&[
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "::192.168.1.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2002:c0a8:101::1",
        ]);
        assert!(found.is_empty(), "wrongly public: {found:?}");
    }

    #[test]
    fn addresses_of_the_public_internet_are_public() {
        let all = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "128.0.0.1",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ];
        assert_eq!(public_ones(&all), all);
    }
}
