//! Shared by the tests: hubs, clients, terminals, proxies and waiting.

pub(crate) mod audit;
pub(crate) mod cli;
pub(crate) mod crowd;
pub(crate) mod direct_line;
pub(crate) mod disk;
pub(crate) mod fake_hub;
pub(crate) mod fixture;
pub(crate) mod grpcurl;
pub(crate) mod help;
pub(crate) mod hub;
pub(crate) mod keyed;
pub(crate) mod keys;
pub(crate) mod library;
pub(crate) mod metrics_page;
pub(crate) mod one_client;
pub(crate) mod peer;
pub(crate) mod person;
pub(crate) mod proxy;
pub(crate) mod python;
pub(crate) mod raw;
pub(crate) mod refusal;
pub(crate) mod room;
pub(crate) mod skip;
pub(crate) mod terminal;
pub(crate) mod watch;
pub(crate) mod within;
