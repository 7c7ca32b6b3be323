//! The servers, as child processes on loopback.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::{
    contender::Contender,
    line::Line,
    over::{Certified, Over},
    process::Usage,
    wire::{Grpc, Nats, Redis, Wire},
};

/// The maximum time until a server listens.
const PATIENCE: Duration = Duration::from_secs(60);

/// The interval of attempts to connect to a server that does not report when it listens.
const POLL: Duration = Duration::from_millis(5);

/// The files of a server's standard output and standard error.
const SAID: &str = "said";
const LOGGED: &str = "logged";

/// The directory of the hub's data and, with TLS, of every server's key.
const DATA: &str = "data";

/// The connections that the hub accepts: more than any workload opens.
const MAX_CONNECTIONS: &str = "16384";

/// What the hub may hold for its callers: enough for all of them.
const MEMORY: &str = "2GiB";

/// The number of log lines that are shown if a server failed.
const SHOWN_LINES: usize = 10;

/// What a server does with posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// Rooms of a chat. The hub stores every message; the others store nothing.
    Rooms,
    /// A log that the server syncs at any time. The hub has no such mode.
    Log,
    /// A log that is synced before each acknowledgement.
    SyncedLog,
}

/// A running server. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) contender: Contender,
    keeping: Keeping,
    child: Child,
    address: SocketAddr,
    /// Its certificate, if it uses TLS.
    certified: Option<Certified>,
    /// The directory of its files and its log.
    folder: PathBuf,
    /// Removes the directory if it belongs to this server.
    _own: Option<TempDir>,
}

impl Server {
    /// Starts a server with an empty store.
    pub(crate) async fn start(contender: Contender, keeping: Keeping) -> Result<Self> {
        Self::start_over(Over::Plaintext, contender, keeping).await
    }

    /// Starts a server with an empty store, with or without TLS.
    pub(crate) async fn start_over(
        over: Over,
        contender: Contender,
        keeping: Keeping,
    ) -> Result<Self> {
        let own = folder()?;
        let mut server = Self::begin(own.path(), over, contender, keeping).await?;
        server._own = Some(own);
        Ok(server)
    }

    /// Starts a server with the data of a previous one.
    pub(crate) async fn start_in(
        folder: &Path,
        contender: Contender,
        keeping: Keeping,
    ) -> Result<Self> {
        Self::begin(folder, Over::Plaintext, contender, keeping).await
    }

    async fn begin(
        folder: &Path,
        over: Over,
        contender: Contender,
        keeping: Keeping,
    ) -> Result<Self> {
        let certified = match over {
            Over::Plaintext => None,
            Over::Tls => Some(Certified::new(&folder.join(DATA))?),
        };
        // Our servers listen on any free port and print it.
        let ours = matches!(contender, Contender::Chinwag | Contender::Plain);
        let port = if ours { 0 } else { free_port()? };
        let mut command = command(contender, keeping, folder, port, certified.as_ref())?;
        command.stdin(Stdio::null());
        command.stdout(fs::File::create(folder.join(SAID))?);
        command.stderr(fs::File::create(folder.join(LOGGED))?);
        let child = command.spawn().with_context(|| format!("cannot start {contender}"))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let folder = folder.to_owned();
        let mut server = Self { contender, keeping, child, address, certified, folder, _own: None };
        let listens = server.listen().await;
        listens.with_context(|| format!("{contender} does not listen\n{}", server.log()))?;
        Ok(server)
    }

    /// Connects, and registers if the server needs it. `name` must be unique.
    pub(crate) async fn connect(&self, name: &str) -> Result<Line> {
        self.connect_with(name, None).await
    }

    /// Like [`connect`](Self::connect), with the given size of the receive buffer.
    pub(crate) async fn connect_with(&self, name: &str, buffer: Option<u32>) -> Result<Line> {
        let keeps = self.keeping != Keeping::Rooms;
        let open = |out: &mut Vec<u8>| match self.contender {
            Contender::Nats => Wire::Nats(Nats::open(name, keeps, out)),
            Contender::Redis => Wire::Redis(Redis::open(keeps, out)),
            _ => Wire::Grpc(Grpc::open(out)),
        };
        let mut line = Line::connect(self.address, self.certified.as_ref(), buffer, open).await?;
        if self.contender == Contender::Chinwag {
            let (grpc, out) = line.grpc()?;
            grpc.register(name, out);
            let answer = line.answer().await.with_context(|| format!("{name} cannot register"))?;
            line.grpc()?.0.registered(&answer)?;
        }
        Ok(line)
    }

    /// Returns its address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the resources it has used.
    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of(self.child.id())
    }

    /// Returns the end of its log.
    pub(crate) fn log(&self) -> String {
        let files = [SAID, LOGGED].map(|file| fs::read_to_string(self.folder.join(file)));
        let log = files.map(Result::unwrap_or_default).concat();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }

    /// Waits until it listens, and records the address.
    async fn listen(&mut self) -> Result<()> {
        let began = Instant::now();
        loop {
            if let Some(address) = self.listens_at()? {
                self.address = address;
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}");
            }
            ensure!(began.elapsed() < PATIENCE, "it took longer than {PATIENCE:?}");
            sleep(POLL).await;
        }
    }

    /// Our servers print it: "… listening on ADDRESS:PORT". The port of the others was chosen
    /// before.
    fn listens_at(&self) -> Result<Option<SocketAddr>> {
        if self.address.port() != 0 {
            return Ok(TcpStream::connect(self.address).is_ok().then_some(self.address));
        }
        let said = fs::read_to_string(self.folder.join(SAID))?;
        let Some((line, _)) = said.split_once('\n') else { return Ok(None) };
        let (_, address) = line.rsplit_once(' ').context("it says nothing")?;
        Ok(Some(address.parse().with_context(|| format!("it says {line:?}"))?))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes an empty directory on the disk of the project. Temporary files may be in memory, where a
/// sync costs nothing.
pub(crate) fn folder() -> Result<TempDir> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    fs::create_dir_all(&target)?;
    tempfile::tempdir_in(&target).context("no folder for a server's files")
}

fn command(
    contender: Contender,
    keeping: Keeping,
    folder: &Path,
    port: u16,
    certified: Option<&Certified>,
) -> Result<Command> {
    let program = contender.program().with_context(|| format!("{contender} is missing"))?;
    let mut command = Command::new(program);
    match contender {
        Contender::Chinwag => {
            forget_settings(&mut command);
            command.env("CHINWAG_HUB_MAX_CONNECTIONS", MAX_CONNECTIONS);
            command.env("CHINWAG_HUB_MEMORY", MEMORY);
            command.args(["--listen", "127.0.0.1:0", "--log", "warn", "--data-dir"]);
            command.arg(folder.join(DATA));
        }
        Contender::Nats => {
            let config = folder.join("nats.conf");
            fs::write(&config, nats_config(keeping, folder, port, certified))?;
            command.arg("--config").arg(config);
        }
        Contender::Redis => {
            command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""]);
            command.args(["--appendonly", if keeping == Keeping::Rooms { "no" } else { "yes" }]);
            let sync = if keeping == Keeping::SyncedLog { "always" } else { "everysec" };
            command.args(["--appendfsync", sync, "--dir"]).arg(folder);
        }
        Contender::Plain => {
            command.arg("--serve-plain");
        }
        Contender::Tcp => bail!("a bare socket is no server"),
    }
    Ok(command)
}

fn nats_config(
    keeping: Keeping,
    folder: &Path,
    port: u16,
    certified: Option<&Certified>,
) -> String {
    let store = folder.join("jetstream");
    let sync = if keeping == Keeping::SyncedLog { "sync_interval: always" } else { "" };
    let jetstream = format!("jetstream {{ store_dir: {store:?}, {sync} }}");
    let jetstream = if keeping == Keeping::Rooms { "" } else { jetstream.as_str() };
    let tls = certified.map(|certified| {
        let [certificate, key] = certified.files();
        format!("tls {{ cert_file: {certificate:?}, key_file: {key:?}, handshake_first: true }}")
    });
    let tls = tls.unwrap_or_default();
    format!("listen: \"127.0.0.1:{port}\"\n{jetstream}\n{tls}\n")
}

/// Removes the user's settings from the environment of the hub.
fn forget_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CHINWAG_") {
            command.env_remove(name);
        }
    }
}

/// Returns a port that was free a moment ago, for servers that cannot report their port.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
