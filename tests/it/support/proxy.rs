//! A TCP proxy that records all bytes and can cut connections.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use parking_lot::Mutex;

/// A proxy on a separate port in front of one server. On drop it cuts all connections and stops.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// The bytes of every connection, one list per direction.
    streams: Vec<Vec<u8>>,
    /// Both ends of each connection.
    open: Vec<TcpStream>,
    cut: bool,
    /// True if the server's bytes are dropped.
    muted: bool,
    stopped: bool,
}

impl Proxy {
    /// Starts a proxy to `server`.
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.lock().stopped {
                    break;
                }
                let _ = join(&shared, client, server);
            }
        });
        Self { address, state }
    }

    /// Returns the address for clients.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks all connections, and every new one, until [`Proxy::heal`].
    pub(crate) fn cut(&self) {
        let mut state = self.state.lock();
        state.cut = true;
        state.break_all();
    }

    /// Breaks all connections but accepts new ones, so that clients can reconnect at once.
    pub(crate) fn begin_anew(&self) {
        let mut state = self.state.lock();
        state.break_all();
        (state.cut, state.muted) = (false, false);
    }

    /// Drops the server's bytes until [`Proxy::heal`]. The clients' bytes are still forwarded.
    pub(crate) fn mute(&self) {
        self.state.lock().muted = true;
    }

    /// Forwards everything again.
    pub(crate) fn heal(&self) {
        let mut state = self.state.lock();
        (state.cut, state.muted) = (false, false);
    }

    /// Returns the number of forwarded bytes.
    pub(crate) fn recorded(&self) -> usize {
        self.state.lock().streams.iter().map(Vec::len).sum()
    }

    /// Returns how often these bytes were forwarded, in either direction.
    pub(crate) fn occurrences(&self, text: &str) -> usize {
        let state = self.state.lock();
        let bytes = state.streams.iter();
        bytes.map(|all| all.windows(text.len()).filter(|w| *w == text.as_bytes()).count()).sum()
    }
}

impl State {
    fn break_all(&mut self) {
        for stream in self.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.state.lock().stopped = true;
        // Wakes the listener so that it can stop.
        let _ = TcpStream::connect(self.address);
    }
}

fn join(state: &Arc<Mutex<State>>, client: TcpStream, server: SocketAddr) -> std::io::Result<()> {
    if state.lock().cut {
        return client.shutdown(Shutdown::Both);
    }
    let server = TcpStream::connect(server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    state.lock().open.extend([client.try_clone()?, server.try_clone()?]);
    for (from, to, can_be_muted) in [
        (client.try_clone()?, server.try_clone()?, false),
        (server.try_clone()?, client.try_clone()?, true),
    ] {
        let state = state.clone();
        thread::spawn(move || pass(&state, from, to, can_be_muted));
    }
    Ok(())
}

/// Forwards bytes until either end closes. Records them first, so that received bytes are always
/// recorded.
fn pass(state: &Mutex<State>, mut from: TcpStream, mut to: TcpStream, can_be_muted: bool) {
    let stream = {
        let mut state = state.lock();
        state.streams.push(Vec::new());
        state.streams.len() - 1
    };
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        {
            let mut state = state.lock();
            if can_be_muted && state.muted {
                continue;
            }
            state.streams[stream].extend(&buffer[..length]);
        }
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
