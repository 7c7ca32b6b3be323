//! The options of `chinwagd`, and the hub options made of them.

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, builder::FalseyValueParser};
use serde::Deserialize;

use super::{
    error::{Error, Result},
    logging::LogFormat,
    memory,
    values::{
        BytesOption, RateOption, guests, rate_or, read_duration, read_guests, read_listen,
        read_memory, read_parsed, read_retention, read_size, retention,
    },
};
use crate::{
    cli::{addresses::ListenAddress, values::duration},
    hub::{Admission, DEFAULT_LEASE, Guests, HubOptions, Issuer, Rates},
    identity::Credentials,
    model::Endpoint,
    shutdown,
    storage::{Retention, embedded::Store},
    transport::{Limits, Plaintext},
};

pub(super) const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 50051);

const DEFAULT_AUDIENCE: &str = "chinwag";

/// Settings from the command line, the environment or the file.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HubSettings {
    /// Address to listen on; port 0 picks any free port, a port alone means loopback
    /// [default: 127.0.0.1:50051]
    #[arg(long, env = "CHINWAG_HUB_LISTEN", value_name = "ADDR:PORT", global = true)]
    #[serde(deserialize_with = "read_listen")]
    pub(super) listen: Option<ListenAddress>,

    /// Address of the hub in the join link [default: that of --listen]
    #[arg(long, env = "CHINWAG_HUB_ADVERTISE", value_name = "HOST:PORT", global = true)]
    #[serde(deserialize_with = "read_parsed")]
    pub(super) advertise: Option<Endpoint>,

    /// Directory for messages, members and the hub's key [default: "hub" in the user's data
    /// directory for chinwag]
    #[arg(long, env = "CHINWAG_HUB_DATA_DIR", value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,

    /// Keep all data in memory only
    #[arg(long, env = "CHINWAG_HUB_EPHEMERAL", value_parser = FalseyValueParser::new())]
    #[arg(conflicts_with = "data_dir")]
    ephemeral: bool,

    /// Certificate chain for TLS (PEM), instead of a self-signed one: clients then trust the hub by
    /// its host name
    #[arg(long, env = "CHINWAG_HUB_TLS_CERT", value_name = "FILE", global = true)]
    pub(super) tls_cert: Option<PathBuf>,

    /// Private key of --tls-cert (PEM), readable by its owner only
    #[arg(long, env = "CHINWAG_HUB_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// Require TLS from loopback as well
    #[arg(long, env = "CHINWAG_HUB_NO_PLAINTEXT", value_parser = FalseyValueParser::new())]
    no_plaintext: bool,

    /// When to admit guests, who have no key and take a free name: never, loopback (from this machine)
    /// or always [default: loopback; with --invite-only: never]
    #[arg(long, env = "CHINWAG_HUB_GUESTS", value_name = "WHO", value_parser = guests)]
    #[serde(deserialize_with = "read_guests")]
    guests: Option<Guests>,

    /// Require an invitation from newcomers: see chinwagd invite
    #[arg(long, env = "CHINWAG_HUB_INVITE_ONLY", value_parser = FalseyValueParser::new())]
    invite_only: bool,

    /// Accept JWTs of this issuer ("iss"), with their subjects as names
    #[arg(long, env = "CHINWAG_HUB_JWT_ISSUER", value_name = "NAME")]
    jwt_issuer: Option<String>,

    /// Public keys of the issuer for RS256, ES256 or EdDSA: a JWK set, or PEM
    #[arg(long, env = "CHINWAG_HUB_JWT_KEYS", value_name = "FILE")]
    jwt_keys: Option<PathBuf>,

    /// Audience that JWTs must have ("aud") [default: chinwag]
    #[arg(long, env = "CHINWAG_HUB_JWT_AUDIENCE", value_name = "NAME")]
    jwt_audience: Option<String>,

    /// Messages to keep of each room: up to an age, up to a number, or both, such as "30d,10000"
    /// [default: all]
    #[arg(long, env = "CHINWAG_HUB_RETAIN", value_name = "KEEP", value_parser = retention)]
    #[serde(deserialize_with = "read_retention")]
    retain: Option<Retention>,

    /// Remove rooms without a post for this time, with their messages [default: never]
    #[arg(long, env = "CHINWAG_HUB_ROOM_EXPIRY", value_name = "DURATION", value_parser = duration)]
    #[serde(deserialize_with = "read_duration")]
    room_expiry: Option<Duration>,

    /// Free names that were not used for this time, at least 7d [default: never]
    #[arg(long, env = "CHINWAG_HUB_NAME_EXPIRY", value_name = "DURATION", value_parser = duration)]
    #[serde(deserialize_with = "read_duration")]
    name_expiry: Option<Duration>,

    /// Size of the stored messages, such as 10GiB, at which posts are refused [default: no limit but
    /// the disk]
    #[arg(long, env = "CHINWAG_HUB_STORE_LIMIT", value_name = "SIZE", value_parser = memory::bytes)]
    #[serde(deserialize_with = "read_size")]
    store_limit: Option<u64>,

    /// Time after which a peer without keepalives counts as gone, at least 1s [default: 30s]
    #[arg(long, env = "CHINWAG_HUB_LEASE", value_name = "DURATION", value_parser = duration)]
    #[serde(deserialize_with = "read_duration")]
    lease: Option<Duration>,

    /// Time that streams have to end when the hub stops [default: 5s]
    #[arg(long, env = "CHINWAG_HUB_GRACE", value_name = "DURATION", value_parser = duration)]
    #[serde(deserialize_with = "read_duration")]
    grace: Option<Duration>,

    /// Stop after no peer was connected for this time [default: never]
    #[arg(long, env = "CHINWAG_HUB_IDLE_EXIT", value_name = "DURATION", value_parser = duration)]
    #[serde(deserialize_with = "read_duration")]
    idle_exit: Option<Duration>,

    /// Limit of open connections; an address has a 32nd of them, loopback no limit [default: 8192]
    #[arg(long, env = "CHINWAG_HUB_MAX_CONNECTIONS", value_name = "N")]
    max_connections: Option<NonZeroU32>,

    /// Memory that callers may make the hub hold, such as 192MiB or 2GiB [default: 3/4 of the limit
    /// of the control group, or 512MiB]
    #[arg(long, env = "CHINWAG_HUB_MEMORY", value_name = "SIZE", value_parser = memory::size)]
    #[serde(deserialize_with = "read_memory")]
    memory: Option<usize>,

    /// Limit of posts per peer, such as 50/s, 30/m or off; ten times that per address
    /// [default: 50/s]
    #[arg(long, env = "CHINWAG_HUB_POST_RATE", value_name = "RATE")]
    #[serde(deserialize_with = "read_parsed")]
    post_rate: Option<RateOption>,

    /// Bytes of posts per peer and day, such as 1GiB or off; ten times that per address
    /// [default: 1GiB]
    #[arg(long, env = "CHINWAG_HUB_POST_BYTES", value_name = "SIZE")]
    #[serde(deserialize_with = "read_parsed")]
    post_bytes: Option<BytesOption>,

    /// Limit of registrations per address [default: 30/s]
    #[arg(long, env = "CHINWAG_HUB_REGISTER_RATE", value_name = "RATE")]
    #[serde(deserialize_with = "read_parsed")]
    register_rate: Option<RateOption>,

    /// Limit of searches, history and lists per peer; ten times that per address [default: 20/s]
    #[arg(long, env = "CHINWAG_HUB_READ_RATE", value_name = "RATE")]
    #[serde(deserialize_with = "read_parsed")]
    read_rate: Option<RateOption>,

    /// Limit of failed authentications per address [default: 10/s]
    #[arg(long, env = "CHINWAG_HUB_FAILURE_RATE", value_name = "RATE")]
    #[serde(deserialize_with = "read_parsed")]
    failure_rate: Option<RateOption>,

    /// Apply the rate limits to loopback as well, which is exempt by default
    #[arg(long, env = "CHINWAG_HUB_RATE_LOOPBACK", value_parser = FalseyValueParser::new())]
    rate_loopback: bool,

    /// Serve Prometheus metrics at http://ADDR:PORT/metrics; a port alone means loopback [default:
    /// off]
    #[arg(long, env = "CHINWAG_HUB_METRICS_LISTEN", value_name = "[ADDR:]PORT")]
    #[serde(deserialize_with = "read_listen")]
    metrics_listen: Option<ListenAddress>,

    /// Log filter: a level, or targets with levels, such as "warn,chinwag=debug" [default: info]
    #[arg(long, env = "CHINWAG_HUB_LOG", value_name = "FILTER")]
    pub(super) log: Option<String>,

    /// Format of log lines [default: text]
    #[arg(long, env = "CHINWAG_HUB_LOG_FORMAT", value_name = "FORMAT")]
    pub(super) log_format: Option<LogFormat>,
}

impl HubSettings {
    /// Returns these settings, completed by those of the file.
    pub(super) fn or(self, file: Self) -> Self {
        let has_store = self.ephemeral || self.data_dir.is_some();
        Self {
            listen: self.listen.or(file.listen),
            advertise: self.advertise.or(file.advertise),
            data_dir: self.data_dir.or(file.data_dir).filter(|_| !self.ephemeral),
            ephemeral: if has_store { self.ephemeral } else { file.ephemeral },
            tls_cert: self.tls_cert.or(file.tls_cert),
            tls_key: self.tls_key.or(file.tls_key),
            no_plaintext: self.no_plaintext || file.no_plaintext,
            guests: self.guests.or(file.guests),
            invite_only: self.invite_only || file.invite_only,
            jwt_issuer: self.jwt_issuer.or(file.jwt_issuer),
            jwt_keys: self.jwt_keys.or(file.jwt_keys),
            jwt_audience: self.jwt_audience.or(file.jwt_audience),
            retain: self.retain.or(file.retain),
            room_expiry: self.room_expiry.or(file.room_expiry),
            name_expiry: self.name_expiry.or(file.name_expiry),
            store_limit: self.store_limit.or(file.store_limit),
            lease: self.lease.or(file.lease),
            grace: self.grace.or(file.grace),
            idle_exit: self.idle_exit.or(file.idle_exit),
            max_connections: self.max_connections.or(file.max_connections),
            memory: self.memory.or(file.memory),
            post_rate: self.post_rate.or(file.post_rate),
            post_bytes: self.post_bytes.or(file.post_bytes),
            register_rate: self.register_rate.or(file.register_rate),
            read_rate: self.read_rate.or(file.read_rate),
            failure_rate: self.failure_rate.or(file.failure_rate),
            rate_loopback: self.rate_loopback || file.rate_loopback,
            metrics_listen: self.metrics_listen.or(file.metrics_listen),
            log: self.log.or(file.log),
            log_format: self.log_format.or(file.log_format),
        }
    }

    fn rates(&self) -> Rates {
        let defaults = Rates::default();
        Rates {
            posts: rate_or(self.post_rate, defaults.posts),
            post_bytes: self.post_bytes.map_or(defaults.post_bytes, |BytesOption(bytes)| bytes),
            registrations: rate_or(self.register_rate, defaults.registrations),
            reads: rate_or(self.read_rate, defaults.reads),
            failures: rate_or(self.failure_rate, defaults.failures),
            loopback: self.rate_loopback,
        }
    }

    fn limits(&self) -> Limits {
        let limits = Limits::default();
        match self.max_connections {
            Some(most) => limits.with_open(most.get() as usize),
            None => limits,
        }
    }

    /// Returns the options of the hub. Reads the files that the settings name.
    pub(super) fn options(&self) -> Result<HubOptions> {
        let plaintext = if self.no_plaintext { Plaintext::Never } else { Plaintext::FromLoopback };
        Ok(HubOptions {
            retention: Retention { idle: self.room_expiry, ..self.retain.unwrap_or_default() },
            store_limit: self.store_limit,
            name_expiry: self.name_expiry,
            lease: self.lease.unwrap_or(DEFAULT_LEASE),
            grace: self.grace.unwrap_or(shutdown::GRACE),
            idle_exit: self.idle_exit,
            credentials: self.credentials()?,
            plaintext,
            admission: self.admission(),
            issuer: self.issuer()?,
            rates: self.rates(),
            limits: self.limits().fit(),
            memory: self.memory(),
            metrics: self.metrics_listen.as_ref().map(|listen| listen.address),
            ..HubOptions::new(self.store()?)
        })
    }

    /// Returns what callers may make the hub hold, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.memory.unwrap_or_else(memory::default_size)
    }

    pub(super) fn store(&self) -> Result<Store> {
        match (self.ephemeral, &self.data_dir) {
            (true, None) => Ok(Store::Memory),
            (false, Some(dir)) => Ok(Store::Directory(dir.clone())),
            (false, None) => Ok(Store::Directory(default_data_dir()?)),
            (true, Some(_)) => Err(Error::invalid("ephemeral", "cannot be used with data_dir")),
        }
    }

    fn credentials(&self) -> Result<Option<Credentials>> {
        match (&self.tls_cert, &self.tls_key) {
            (None, None) => Ok(None),
            (Some(certificates), Some(key)) => Ok(Some(Credentials::load(certificates, key)?)),
            _ => Err(Error::invalid("tls-cert", "--tls-cert and --tls-key go together")),
        }
    }

    fn admission(&self) -> Admission {
        let default = if self.invite_only { Guests::Never } else { Guests::Loopback };
        Admission { guests: self.guests.unwrap_or(default), by_invitation: self.invite_only }
    }

    /// Returns the shell command that makes an invitation; `None` if none is needed or can be kept.
    pub(super) fn invite_command(&self) -> Option<String> {
        if !self.invite_only || self.ephemeral {
            return None;
        }
        Some(match &self.data_dir {
            None => "chinwagd invite".into(),
            Some(directory) => format!("chinwagd invite --data-dir {directory:?}"),
        })
    }

    fn issuer(&self) -> Result<Option<Issuer>> {
        match (&self.jwt_issuer, &self.jwt_keys) {
            (None, None) => Ok(None),
            (Some(name), Some(keys)) => {
                let audience = self.jwt_audience.as_deref().unwrap_or(DEFAULT_AUDIENCE);
                Ok(Some(Issuer::load(name.clone(), audience.to_owned(), keys)?))
            }
            _ => Err(Error::invalid("jwt-issuer", "--jwt-issuer and --jwt-keys go together")),
        }
    }
}

/// Reads the file of `--config`.
pub(super) fn read(file: &Path) -> Result<HubSettings> {
    let name = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Error::invalid("config", format!("cannot read {name}: {error}")))?;
    toml::from_str(&text).map_err(|error| Error::invalid(name.to_string(), error.message()))
}

fn default_data_dir() -> Result<PathBuf> {
    let dirs = directories::ProjectDirs::from("", "", "chinwag").ok_or_else(|| {
        Error::invalid("data_dir", "this user has no home directory: use --data-dir DIR")
    })?;
    Ok(dirs.data_dir().join("hub"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct HubCommandLine {
        #[command(flatten)]
        settings: HubSettings,
    }

    fn parse(args: &[&str]) -> HubSettings {
        HubCommandLine::try_parse_from(args).unwrap().settings
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let file: HubSettings =
            toml::from_str("listen = '127.0.0.1:1'\nlease = '1m'\nephemeral = true").unwrap();
        let both = parse(&["chinwagd", "--lease", "2s", "--data-dir", "/d"]).or(file);
        assert_eq!(both.listen.as_ref().unwrap().address.port(), 1);
        assert_eq!(both.lease, Some(Duration::from_secs(2)));
        let options = both.options().unwrap();
        assert!(matches!(options.store, Store::Directory(dir) if dir == Path::new("/d")));
        assert_eq!(options.grace, shutdown::GRACE);
    }

    #[test]
    fn the_number_of_connections_is_set() {
        let limits = |settings: &HubSettings| {
            let Limits { open, open_per_address, .. } = settings.limits();
            (open, open_per_address)
        };
        assert_eq!(limits(&parse(&["chinwagd"])), (8192, 256));
        let file: HubSettings = toml::from_str("max_connections = 64").unwrap();
        let both = parse(&["chinwagd", "--max-connections", "20000"]).or(file);
        assert_eq!(limits(&both), (20_000, 625));
        let file: HubSettings = toml::from_str("max_connections = 7").unwrap();
        assert_eq!(limits(&parse(&["chinwagd"]).or(file)), (7, 1));
        assert!(toml::from_str::<HubSettings>("max_connections = 0").is_err());
    }

    #[test]
    fn a_file_with_errors_is_refused() {
        for port in ["'50051'", "':50051'", "'localhost:50051'", "50051"] {
            let file: HubSettings =
                toml::from_str(&format!("listen = {port}\nmetrics_listen = {port}")).unwrap();
            for listen in [file.listen, file.metrics_listen] {
                assert_eq!(listen.unwrap().address.to_string(), "127.0.0.1:50051", "{port}");
            }
        }
        for file in ["lease = 'soon'", "lisen = '127.0.0.1:1'", "listen = 'here'", "listen = 70000"]
        {
            assert!(toml::from_str::<HubSettings>(file).is_err(), "{file}");
        }
    }
}
