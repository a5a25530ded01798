use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use AddressClass::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

fn policy(allowed: &[&str]) -> AddressPolicy {
    AddressPolicy::new(allowed.iter().map(|net| net.parse().unwrap()))
}

fn policy_of(address: &str, allowed: &[&str]) -> AddressPolicy {
    AddressPolicy::for_address(&Address::parse(address).unwrap(), allowed.iter().map(|net| net.parse().unwrap()))
}

#[test]
fn every_special_range_has_its_class_at_both_ends() {
    let table: &[(&[&str], AddressClass)] = &[
        (&["0.0.0.0", "::"], Unspecified),
        (&["0.0.0.1", "0.255.255.255"], ThisNetwork),
        (&["127.0.0.0", "127.0.0.1", "127.255.255.255", "::1"], Loopback),
        (&["10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255"], Private),
        (&["fc00::", "fd12:3456::1", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fec0::1", "feff::1"], Private),
        (&["100.64.0.0", "100.127.255.255"], Shared),
        (&["169.254.0.0", "169.254.169.254", "169.254.255.255", "fe80::", "febf:ffff::1"], LinkLocal),
        (&["fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"], Metadata),
        (&["224.0.0.0", "239.255.255.255", "ff00::", "ff02::1", "ffff::"], Multicast),
        (&["255.255.255.255"], Broadcast),
        (&["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1", "3fff:fff::1"], Documentation),
        (&["198.18.0.0", "198.19.255.255", "2001:2::1"], Benchmarking),
        (&["240.0.0.0", "255.255.255.254", "192.0.0.1", "192.88.99.1"], Reserved),
        (
            &["100::1", "2001:1::1", "2001:20::1", "5f00::1", "4000::", "1fff::", "::8.8.8.8", "::ffff:0:8.8.8.8"],
            Reserved,
        ),
        (&["2002::1", "2002:808:808::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"], Tunnel),
        (&["64:ff9b:1::1", "64:ff9b:1:ffff::808:808", "2a00::5efe:a00:1", "2a00::200:5efe:a00:1"], Tunnel),
        (&["1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"], Public),
        (&["128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255"], Public),
        (&["192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255"], Public),
        (&["2000::", "2001:200::1", "2606:4700::1111", "3ffe::1", "3fff:1000::1", "64:ff9b::8.8.8.8"], Public),
        (&["::ffff:8.8.8.8"], Public),
    ];
    for (addresses, class) in table {
        for address in *addresses {
            assert_eq!(classify(ip(address)).class, *class, "{address}");
        }
    }
}

#[test]
fn ipv6_spellings_are_judged_as_the_ipv4_address() {
    let table =
        [("127.0.0.1", Loopback), ("10.0.0.7", Private), ("169.254.169.254", LinkLocal), ("0.0.0.0", Unspecified)];
    for (v4, class) in table {
        for spelling in [format!("::ffff:{v4}"), format!("64:ff9b::{v4}"), format!("::ffff:0:{v4}")] {
            let found = classify(ip(&spelling));
            assert_eq!((found.judged, found.class), (ip(v4), class), "{spelling}");
        }
    }
    assert_eq!(classify(ip("::10.0.0.7")), Classified { judged: ip("10.0.0.7"), class: Private });
}

#[test]
fn an_allowed_range_covers_the_spellings_of_its_addresses_and_nothing_beside_it() {
    let policy = policy(&["10.0.0.0/8"]);
    for allowed in ["10.0.0.0", "10.255.255.255", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "8.8.8.8"] {
        assert!(policy.judge(ip(allowed)).is_ok(), "{allowed}");
    }
    for refused in ["127.0.0.1", "192.168.0.1", "::ffff:127.0.0.1", "2002:a00:1::", "fd00::1", "169.254.169.254"] {
        assert!(policy.judge(ip(refused)).is_err(), "{refused}");
    }
}

#[test]
fn a_range_of_ipv6_never_allows_an_embedded_ipv4_address() {
    let everything_v6 = policy(&["::/0"]);
    assert!(everything_v6.judge(ip("fd00::1")).is_ok());
    for refused in ["::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "::127.0.0.1", "127.0.0.1"] {
        assert!(everything_v6.judge(ip(refused)).is_err(), "{refused}");
    }
}

#[test]
fn a_range_written_as_mapped_addresses_means_the_ipv4_range() {
    let policy = policy(&["::ffff:10.0.0.0/104"]);
    assert!(policy.judge(ip("10.9.9.9")).is_ok());
    assert!(policy.judge(ip("::ffff:10.9.9.9")).is_ok());
    assert!(policy.judge(ip("11.0.0.1")).is_ok(), "public");
    assert!(policy.judge(ip("192.168.0.1")).is_err());
}

#[test]
fn an_address_written_plainly_is_its_own_grant_and_no_other_s() {
    let policy = policy_of("http://10.0.0.7:9090", &[]);
    assert!(policy.judge(ip("10.0.0.7")).is_ok());
    assert!(policy.judge(ip("10.0.0.8")).is_err());
    assert!(policy_of("http://[fd00::7]", &[]).judge(ip("fd00::7")).is_ok());
    assert!(policy_of("http://127.0.0.1:1", &[]).judge(ip("127.0.0.1")).is_ok());
}

#[test]
fn localhost_is_its_own_grant_for_loopback_only() {
    let policy = policy_of("http://LocalHost:9090", &[]);
    assert!(policy.judge(ip("127.0.0.1")).is_ok());
    assert!(policy.judge(ip("127.0.0.53")).is_ok());
    assert!(policy.judge(ip("::1")).is_ok());
    assert!(policy.judge(ip("10.0.0.7")).is_err());
    assert!(policy_of("http://my.localhost", &[]).judge(ip("127.0.0.1")).is_err());
}

#[test]
fn metadata_and_addresses_that_are_no_server_s_are_never_their_own_grant() {
    for literal in [
        "169.254.169.254",
        "169.254.0.1",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "168.63.129.16",
        "0.0.0.0",
        "[::]",
        "224.0.0.1",
        "255.255.255.255",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::10.0.0.1]",
        "[2002:a00:1::]",
    ] {
        let address = Address::parse(&format!("http://{literal}:80")).unwrap();
        let found = ip(literal.trim_matches(['[', ']']));
        assert!(AddressPolicy::for_address(&address, []).judge(found).is_err(), "{literal}");
        let range = IpNet::from(classify(found).judged);
        assert!(AddressPolicy::for_address(&address, [range]).judge(found).is_ok(), "{literal} allowed as {range}");
    }
}

#[test]
fn an_odd_spelling_is_judged_as_what_it_is_but_grants_nothing() {
    for odd in [
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "127.0.0.1.",
        "１２７.0.0.1",
        "①②⑦.0.0.1",
    ] {
        let address = Address::parse(&format!("http://{odd}:9090")).unwrap();
        assert_eq!(address.host(), Some(&crate::Host::Ip(ip("127.0.0.1"))), "{odd}");
        assert!(AddressPolicy::for_address(&address, []).judge(ip("127.0.0.1")).is_err(), "{odd}");
    }
}

#[test]
fn a_refusal_says_what_the_address_is_and_which_range_would_allow_it() {
    let refusal = policy(&[]).judge(ip("::ffff:10.0.0.7")).unwrap_err();
    assert_eq!(refusal.to_string(), "::ffff:10.0.0.7 (that is 10.0.0.7) is a private address");
    assert_eq!(refusal.narrowest_range().to_string(), "10.0.0.7/32");
}

proptest! {
    #[test]
    fn embedding_an_ipv4_address_never_makes_it_more_reachable(bits: u32) {
        let v4 = Ipv4Addr::from_bits(bits);
        let plain = policy(&[]).judge(v4.into());
        let low = u128::from(bits);
        for prefix in [0xffff_u128 << 32, 0x64_ff9b_u128 << 96, 0, 0xffff_u128 << 48] {
            let v6 = Ipv6Addr::from_bits(prefix | low);
            if v6.is_unspecified() || v6.is_loopback() { continue; }
            let embedded = policy(&[]).judge(v6.into());
            prop_assert!(plain.is_ok() || embedded.is_err(), "{v4} as {v6}");
            prop_assert_eq!(classify(v6.into()).judged, IpAddr::V4(v4));
        }
        let six_to_four = Ipv6Addr::from_bits((0x2002_u128 << 112) | (low << 80));
        let teredo = Ipv6Addr::from_bits((0x2001_u128 << 112) | u128::from(!bits));
        prop_assert!(policy(&[]).judge(six_to_four.into()).is_err());
        prop_assert!(policy(&[]).judge(teredo.into()).is_err());
    }

    #[test]
    fn what_the_standard_library_calls_special_is_never_public(v4_bits: u32, v6_bits: u128) {
        let v4 = Ipv4Addr::from_bits(v4_bits);
        if v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast() || v4.is_broadcast()
            || v4.is_documentation() || v4.is_unspecified() {
            prop_assert!(policy(&[]).judge(v4.into()).is_err());
        }
        let v6 = Ipv6Addr::from_bits(v6_bits);
        if v6_bits >> 125 != 1 && !matches!(v6.segments(), [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0, 0xffff, ..]) {
            prop_assert!(policy(&[]).judge(v6.into()).is_err(), "{v6}");
        }
    }

    #[test]
    fn a_refused_address_is_allowed_by_its_narrowest_range(v4_bits: u32, v6_bits: u128) {
        for found in [IpAddr::V4(Ipv4Addr::from_bits(v4_bits)), IpAddr::V6(Ipv6Addr::from_bits(v6_bits))] {
            if let Err(refusal) = policy(&[]).judge(found) {
                prop_assert!(AddressPolicy::new([refusal.narrowest_range()]).judge(found).is_ok());
            }
        }
    }
}
