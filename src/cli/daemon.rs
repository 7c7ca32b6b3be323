//! `chinwagd`: the hub's command line.
//!
//! What is on the command line wins over the environment, the environment over the file given with
//! `--config`, and the file over the defaults. The file is TOML; its keys are the options' names
//! with `_` for `-`:
//!
//! ```toml
//! listen = "127.0.0.1:50051"
//! data_dir = "/var/lib/chinwag"
//! lease = "30s"
//! log_format = "json"
//! ```

mod guard;

use std::{
    ffi::OsString,
    io::{self, IsTerminal, Write},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Parser, ValueEnum, builder::FalseyValueParser};
use jiff::SpanRelativeTo;
use serde::{Deserialize, Deserializer, de};
use tracing_subscriber::EnvFilter;

use self::guard::{Allowed, Local, allowed};
use crate::{
    backbone::{Retention, embedded::Store},
    error::{Error, Result},
    hub::{DEFAULT_LEASE, Hub, HubOptions, Rates},
    shutdown, transport,
};

/// Exit code: the hub could not start, or failed.
const FAILED: u8 = 1;

/// Exit code: the command line, the environment or the file asks for what cannot be.
const USAGE: u8 = 2;

/// Where the hub listens unless something else is said.
const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 50051);

/// What is logged unless something else is said.
const DEFAULT_LOG: &str = "info";

/// The hub of a Chinwag: who is here, and the rooms.
///
/// It prints one line when it listens, "chinwagd listening on ADDR:PORT", and logs to standard
/// error. SIGINT or SIGTERM makes it tell everybody, wait for a moment, and exit with 0; a second
/// one ends it at once.
#[derive(Debug, Parser)]
#[command(name = "chinwagd", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 stopped as told, 1 failed, 2 wrong usage.")]
struct Command {
    /// Reads options from this TOML file: the long names, with '_' for '-'
    #[arg(long, env = "CHINWAG_HUB_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    settings: Settings,
}

/// What may be said on the command line, in the environment, or in the file.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Where to listen; port 0 takes any free port [default: 127.0.0.1:50051]
    #[arg(long, env = "CHINWAG_HUB_LISTEN", value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,

    /// Where messages are kept [default: "hub" in the user's data directory for chinwag]
    #[arg(long, env = "CHINWAG_HUB_DATA_DIR", value_name = "DIR", conflicts_with = "ephemeral")]
    data_dir: Option<PathBuf>,

    /// Keeps messages in memory only
    #[arg(long, env = "CHINWAG_HUB_EPHEMERAL", value_parser = FalseyValueParser::new())]
    ephemeral: bool,

    /// Which messages to keep of each room: not older than a duration, the latest so many, or both,
    /// as in "30d,10000" [default: all]
    #[arg(long, env = "CHINWAG_HUB_RETAIN", value_name = "KEEP", value_parser = retention)]
    #[serde(deserialize_with = "read_retention")]
    retain: Option<Retention>,

    /// How long a peer who shows no sign of life counts as here, at least 1s [default: 30s]
    #[arg(long, env = "CHINWAG_HUB_LEASE", value_name = "DURATION", value_parser = duration)]
    #[serde(deserialize_with = "read_duration")]
    lease: Option<Duration>,

    /// How long streams have to end once the hub is told to stop [default: 5s]
    #[arg(long, env = "CHINWAG_HUB_GRACE", value_name = "DURATION", value_parser = duration)]
    #[serde(deserialize_with = "read_duration")]
    grace: Option<Duration>,

    /// Stops when nobody was here for this long [default: never]
    #[arg(long, env = "CHINWAG_HUB_IDLE_EXIT", value_name = "DURATION", value_parser = duration)]
    #[serde(deserialize_with = "read_duration")]
    idle_exit: Option<Duration>,

    /// How often a peer may post, as in 50/s or 30/m; all that come from one address may ten times
    /// as often; "off": no limit [default: 50/s]
    #[arg(long, env = "CHINWAG_HUB_POST_RATE", value_name = "RATE")]
    post_rate: Option<Allowed>,

    /// How often one address may register [default: 30/s]
    #[arg(long, env = "CHINWAG_HUB_REGISTER_RATE", value_name = "RATE")]
    register_rate: Option<Allowed>,

    /// How often a peer may search or ask for a page, and one address ten times as often
    /// [default: 20/s]
    #[arg(long, env = "CHINWAG_HUB_READ_RATE", value_name = "RATE")]
    read_rate: Option<Allowed>,

    /// How often one address may show a wrong token or invitation, or none [default: 10/s]
    #[arg(long, env = "CHINWAG_HUB_FAILURE_RATE", value_name = "RATE")]
    failure_rate: Option<Allowed>,

    /// Applies these rates to callers from this machine, too, who are exempt otherwise
    #[arg(long, env = "CHINWAG_HUB_RATE_LOOPBACK", value_parser = FalseyValueParser::new())]
    rate_loopback: bool,

    /// Shows metrics for Prometheus at http://ADDR:PORT/metrics; a port alone is one of loopback
    /// [default: nowhere]
    #[arg(long, env = "CHINWAG_HUB_METRICS_LISTEN", value_name = "[ADDR:]PORT")]
    metrics_listen: Option<Local>,

    /// What to log: a level, or targets with levels as in "warn,chinwag=debug" [default: info]
    #[arg(long, env = "CHINWAG_HUB_LOG", value_name = "FILTER")]
    log: Option<String>,

    /// How log lines look [default: text]
    #[arg(long, env = "CHINWAG_HUB_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Runs the hub as `args` say, program name first, until it is told to stop.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match Command::try_parse_from(args) {
        Ok(command) => command,
        Err(error) => {
            // Help that cannot be written interests nobody.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE));
        }
    };
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "chinwagd: {error}");
            ExitCode::from(if matches!(error, Error::Invalid(_)) { USAGE } else { FAILED })
        }
    }
}

fn run(command: Command) -> Result<()> {
    let settings = match &command.config {
        Some(file) => command.settings.or(read(file)?),
        None => command.settings,
    };
    log(settings.log.as_deref().unwrap_or(DEFAULT_LOG), settings.log_format.unwrap_or_default())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Io(format!("no threads to run on: {error}")))?;
    runtime.block_on(serve(settings))
}

async fn serve(settings: Settings) -> Result<()> {
    let stop = shutdown::on_signal()
        .map_err(|error| Error::Io(format!("cannot listen for signals: {error}")))?;
    let listener = transport::listen(settings.listen.unwrap_or(DEFAULT_LISTEN)).await?;
    let address = listener
        .local_addr()
        .map_err(|error| Error::Io(format!("the listener has no address: {error}")))?;
    let hub = Hub::new(settings.options()?).await?;
    writeln!(io::stdout(), "chinwagd listening on {address}")
        .map_err(|error| Error::Io(format!("cannot write to standard output: {error}")))?;
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "listening");
    hub.serve(listener, stop).await
}

impl Settings {
    /// What is said here, else what is said there.
    fn or(self, file: Self) -> Self {
        let store_is_said = self.ephemeral || self.data_dir.is_some();
        Self {
            listen: self.listen.or(file.listen),
            data_dir: self.data_dir.or(file.data_dir).filter(|_| !self.ephemeral),
            ephemeral: if store_is_said { self.ephemeral } else { file.ephemeral },
            retain: self.retain.or(file.retain),
            lease: self.lease.or(file.lease),
            grace: self.grace.or(file.grace),
            idle_exit: self.idle_exit.or(file.idle_exit),
            post_rate: self.post_rate.or(file.post_rate),
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
        let usual = Rates::default();
        Rates {
            posts: allowed(self.post_rate, usual.posts),
            registrations: allowed(self.register_rate, usual.registrations),
            reads: allowed(self.read_rate, usual.reads),
            failures: allowed(self.failure_rate, usual.failures),
            loopback: self.rate_loopback,
        }
    }

    fn options(self) -> Result<HubOptions> {
        let (rates, metrics) = (self.rates(), self.metrics_listen.map(|Local(address)| address));
        let store = match (self.ephemeral, self.data_dir) {
            (true, None) => Store::Memory,
            (false, Some(dir)) => Store::Directory(dir),
            (false, None) => Store::Directory(default_data_dir()?),
            (true, Some(_)) => {
                return Err(Error::invalid("ephemeral", "cannot be together with data_dir"));
            }
        };
        Ok(HubOptions {
            store,
            retention: self.retain.unwrap_or_default(),
            lease: self.lease.unwrap_or(DEFAULT_LEASE),
            grace: self.grace.unwrap_or(shutdown::GRACE),
            idle_exit: self.idle_exit,
            rates,
            metrics,
        })
    }
}

fn read(file: &Path) -> Result<Settings> {
    let name = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Error::invalid("config", format!("cannot read {name}: {error}")))?;
    toml::from_str(&text).map_err(|error| Error::invalid(name.to_string(), error.message()))
}

fn default_data_dir() -> Result<PathBuf> {
    let dirs = directories::ProjectDirs::from("", "", "chinwag").ok_or_else(|| {
        Error::invalid("data_dir", "this user has no home directory: say --data-dir DIR")
    })?;
    Ok(dirs.data_dir().join("hub"))
}

fn log(filter: &str, format: LogFormat) -> Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|problem| Error::invalid("log", problem))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    }
    .map_err(|error| Error::Io(format!("cannot log: {error}")))
}

/// Reads "30s", "5m", "1h 30m", "7d"; a day has 24 hours.
fn duration(raw: &str) -> Result<Duration, String> {
    let span = raw.parse::<jiff::Span>();
    span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
        .and_then(Duration::try_from)
        .map_err(|_| "not a duration; write it as 30s, 5m, 1h or 7d".into())
}

/// How to say what is kept.
const HOW: &str = "write it as 30d, as 10000, or as 30d,10000";

/// Reads "30d", "10000", "30d,10000".
fn retention(raw: &str) -> Result<Retention, String> {
    let mut retention = Retention::default();
    for part in raw.split(',').map(str::trim) {
        let before = match part.parse() {
            Ok(count) => retention.count.replace(count).is_some(),
            Err(_) => match duration(part) {
                Ok(age) => retention.age.replace(age).is_some(),
                Err(_) => return Err(format!("{part:?} is no number and no duration: {HOW}")),
            },
        };
        if before {
            return Err(HOW.into());
        }
    }
    Ok(retention)
}

fn read_duration<'de, D: Deserializer<'de>>(raw: D) -> Result<Option<Duration>, D::Error> {
    read_with(duration, raw)
}

fn read_retention<'de, D: Deserializer<'de>>(raw: D) -> Result<Option<Retention>, D::Error> {
    read_with(retention, raw)
}

fn read_with<'de, T, D: Deserializer<'de>>(
    parse: fn(&str) -> Result<T, String>,
    raw: D,
) -> Result<Option<T>, D::Error> {
    let raw = String::deserialize(raw)?;
    parse(&raw).map(Some).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Settings {
        Command::try_parse_from(args).unwrap().settings
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let file: Settings =
            toml::from_str("listen = '127.0.0.1:1'\nlease = '1m'\nephemeral = true").unwrap();
        let both = parse(&["chinwagd", "--lease", "2s", "--data-dir", "/d"]).or(file);
        assert_eq!(both.listen.unwrap().port(), 1);
        assert_eq!(both.lease, Some(Duration::from_secs(2)));
        let options = both.options().unwrap();
        assert!(matches!(options.store, Store::Directory(dir) if dir == Path::new("/d")));
        assert_eq!(options.grace, shutdown::GRACE);
    }

    #[test]
    fn a_file_with_mistakes_is_refused() {
        for file in ["lease = 'soon'", "lisen = '127.0.0.1:1'", "listen = 'here'"] {
            assert!(toml::from_str::<Settings>(file).is_err(), "{file}");
        }
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("1h 30m").unwrap(), Duration::from_secs(5400));
        assert!(duration("30").is_err());
        assert!(duration("-3s").is_err());
        assert_eq!(duration("7d").unwrap(), Duration::from_secs(7 * 86_400));
    }

    #[test]
    fn what_is_kept_is_an_age_or_a_number_or_both() {
        let age = Some(Duration::from_secs(86_400));
        for (raw, age, count) in [
            ("1d", age, None),
            ("5", None, Some(5)),
            ("1d,5", age, Some(5)),
            ("5, 1d", age, Some(5)),
        ] {
            assert_eq!(retention(raw).unwrap(), Retention { age, count }, "{raw}");
        }
        for raw in ["", "soon", "5,6", "1d,1h", "-5"] {
            assert!(retention(raw).is_err(), "{raw}");
        }
    }
}
