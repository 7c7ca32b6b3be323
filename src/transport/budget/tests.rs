//! Tests of the accounts of a budget, and of their limits.

use super::*;

const LIMIT: usize = 64 * 1024 * 1024;

/// The limit of a connection.
const LARGE: usize = LIMIT / CONNECTION_SHARE;

fn open(budget: &Budget, address: &str) -> Arc<Account> {
    budget.open(address.parse().unwrap())
}

fn has_ended(account: &Arc<Account>) -> bool {
    account.ended().is_cancelled()
}

fn refusal(account: &Arc<Account>) -> String {
    account.check().unwrap_err().to_string()
}

#[test]
fn charges_are_counted_until_they_are_dropped() {
    let budget = Budget::new(LIMIT);
    let account = open(&budget, "192.0.2.1");
    let first = account.charge(3 * STEP);
    account.belongs_to("alice");
    let mut second = account.charge(1);
    second.resize(STEP);
    assert_eq!(budget.held(), 4 * STEP);
    let alice = account.state.lock().peer.clone().unwrap();
    assert_eq!(alice.held(), 4 * STEP, "with what is held since before the peer is known");
    second.resize(0);
    assert_eq!((budget.held(), alice.held()), (3 * STEP, 3 * STEP));
    drop((first, second));
    assert_eq!((budget.held(), alice.held()), (0, 0));
    drop(account);
    assert!(budget.0.accounts.lock().is_empty());
}

#[test]
fn near_its_limit_a_connection_is_refused_and_beyond_it_ends() {
    let budget = Budget::new(LIMIT);
    let account = open(&budget, "127.0.0.1");
    let mut charge = account.charge(LARGE - LARGE / 8 - 1);
    account.check().unwrap();
    charge.resize(LARGE);
    assert!(refusal(&account).contains("your connection"));
    assert!(!has_ended(&account));
    charge.resize(LARGE + 1);
    assert!(has_ended(&account));
    assert_eq!(budget.ended(), 1);
    drop(charge);
    assert_eq!(budget.0.whole.ending.load(Relaxed), 0);
}

#[test]
fn the_largest_connection_of_the_largest_group_ends() {
    let budget = Budget::new(LIMIT);
    // Eight addresses hold an eighth each, in two connections.
    let accounts: Vec<_> = (0..8)
        .flat_map(|host| [(); 2].map(|()| open(&budget, &format!("192.0.2.{host}"))))
        .collect();
    let mut charges: Vec<_> = accounts.iter().map(|account| account.charge(LARGE)).collect();
    assert!(!accounts.iter().any(has_ended));
    charges[3].resize(LARGE - STEP);
    charges[5].resize(LARGE - STEP);
    let newcomers = [(); 3].map(|()| open(&budget, "198.51.100.1"));
    let [_held @ .., last] = &newcomers;
    let _held = [newcomers[0].charge(STEP), newcomers[1].charge(STEP)];
    assert!(!accounts.iter().any(has_ended), "the limit is reached");
    let _beyond = last.charge(STEP);
    assert_eq!(accounts.iter().filter(|account| has_ended(account)).count(), 1);
    for small in [3, 5] {
        assert!(!has_ended(&accounts[small]), "others hold more");
    }
    for newcomer in &newcomers {
        assert!(!has_ended(newcomer));
        newcomer.check().expect("it holds little");
    }
    assert!(refusal(&accounts[3]).contains("your connection"));
}

#[test]
fn a_peer_has_a_share() {
    let budget = Budget::new(LIMIT);
    let held: Vec<_> = (0..4)
        .map(|host| {
            let account = open(&budget, &format!("192.0.2.{host}"));
            let charge = account.charge(LARGE / 2);
            account.belongs_to("alice");
            (account, charge)
        })
        .collect();
    assert!(refusal(&held[0].0).contains("one peer"));
    assert!(!held.iter().any(|(account, _)| has_ended(account)));
    let other = open(&budget, "192.0.2.5");
    let _charge = other.charge(LARGE / 2);
    other.check().unwrap();
    other.belongs_to("alice");
    let all = held.iter().map(|(account, _)| account).chain([&other]);
    assert_eq!(all.filter(|account| has_ended(account)).count(), 1);
}

#[test]
fn an_address_has_a_share_and_small_connections_from_it_go_on() {
    let budget = Budget::new(LIMIT);
    let large: Vec<_> = (0..8)
        .map(|_| {
            let account = open(&budget, "192.0.2.1");
            let charge = account.charge(LARGE / 2);
            (account, charge)
        })
        .collect();
    assert!(refusal(&large[0].0).contains("one address"));
    let small = open(&budget, "192.0.2.1");
    let mut charge = small.charge(MODEST);
    small.check().unwrap();
    assert!(!has_ended(&small));
    assert_eq!(large.iter().filter(|(account, _)| has_ended(account)).count(), 1);
    charge.resize(MODEST + 1);
    assert!(refusal(&small).contains("one address"));
    let elsewhere = open(&budget, "192.0.2.2");
    let _charge = elsewhere.charge(LARGE / 2);
    elsewhere.check().unwrap();
}

#[test]
fn with_a_small_budget_less_goes_on() {
    let budget = Budget::new(16 * 1024 * 1024);
    let share = budget.limit() / MODEST_SHARE;
    assert!(share < MODEST);
    let connection = budget.limit() / CONNECTION_SHARE;
    let large: Vec<_> = (0..8)
        .map(|_| {
            let account = open(&budget, "192.0.2.1");
            let charge = account.charge(connection / 2);
            (account, charge)
        })
        .collect();
    let small = open(&budget, "192.0.2.1");
    let mut charge = small.charge(share);
    small.check().unwrap();
    charge.resize(share + 1);
    assert!(refusal(&small).contains("one address"));
    drop(large);
}

#[test]
fn groups_are_forgotten_with_their_connections() {
    let budget = Budget::new(LIMIT);
    for host in 0..10_000_u32 {
        drop(budget.open(std::net::Ipv4Addr::from_bits(0x0a00_0000 + host).into()));
    }
    assert!(budget.0.groups.lock().len() < 100);
}

#[test]
fn a_pool_counts_for_the_whole() {
    let budget = Budget::new(LIMIT);
    let pool = budget.pool(4);
    let held = pool.hold(100);
    assert_eq!((pool.held(), pool.limit(), budget.held()), (100, LIMIT / 4, 100));
    drop(held);
    assert_eq!((pool.held(), budget.held()), (0, 0));
}
