//! A TCP proxy that records all bytes and can cut connections.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use parking_lot::Mutex;

/// A proxy on a port of its own in front of one server. Dropped, it is cut and stops.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Every byte of every connection, those of one direction of one connection together.
    streams: Vec<Vec<u8>>,
    /// Both ends of each connection.
    open: Vec<TcpStream>,
    cut: bool,
    /// Nothing of what the server says is passed on.
    muted: bool,
    stopped: bool,
}

impl Proxy {
    /// Passes everything on to `server`, and back.
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

    /// Where clients should connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks all connections, and every new one at once, until [`Proxy::heal`].
    pub(crate) fn cut(&self) {
        let mut state = self.state.lock();
        state.cut = true;
        state.break_all();
    }

    /// Breaks all connections, and passes on what new ones say: nobody who comes again at once finds
    /// it cut.
    pub(crate) fn begin_anew(&self) {
        let mut state = self.state.lock();
        state.break_all();
        (state.cut, state.muted) = (false, false);
    }

    /// Loses what the server says from now on, until [`Proxy::heal`]. What clients say arrives.
    pub(crate) fn mute(&self) {
        self.state.lock().muted = true;
    }

    /// Passes on what comes from now on.
    pub(crate) fn heal(&self) {
        let mut state = self.state.lock();
        (state.cut, state.muted) = (false, false);
    }

    /// How many bytes went through.
    pub(crate) fn recorded(&self) -> usize {
        self.state.lock().streams.iter().map(Vec::len).sum()
    }

    /// How often these bytes went through, in either direction.
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
        // Wakes the listener, which then sees that it is to stop.
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

/// Passes bytes on until either end closes; recorded first, so that whatever arrived is known.
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
