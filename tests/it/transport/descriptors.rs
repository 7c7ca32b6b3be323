//! Processes with a low limit of file descriptors.
#![cfg(unix)]

use std::{fs::File, process::Command, sync::Arc};

use chinwag::transport::{Acceptor, Dial, Limits};
use parking_lot::Mutex;
use tokio::net::TcpStream;

use super::{patient, server::TestServer};

/// Runs an ignored test of this file in a process with these soft and hard limits of open files.
fn pass_with_files(soft: u32, hard: u32, test: &str) {
    let script =
        "ulimit -Sn $1 && ulimit -Hn $2 && exec \"$3\" --exact \"$4\" --ignored --nocapture";
    let output = Command::new("sh")
        .args(["-c", script, "sh", &soft.to_string(), &hard.to_string()])
        .arg(std::env::current_exe().unwrap())
        .arg(own_name!(test))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
}

#[test]
fn the_acceptor_survives_running_out_of_file_descriptors() {
    // Enough for the runtime and a call, but soon exhausted.
    pass_with_files(48, 48, "in_a_process_with_few_files");
}

#[test]
fn limits_fit_the_file_descriptor_limit() {
    pass_with_files(100, 128, "in_a_process_with_128_files");
    pass_with_files(100, 9000, "in_a_process_that_may_have_many_files");
}

#[test]
#[ignore = "run by limits_fit_the_file_descriptor_limit, in a process of its own"]
fn in_a_process_with_128_files() {
    let limits = Limits::default().fit();
    assert_eq!((limits.pending, limits.open), (16, 48));
}

#[test]
#[ignore = "run by limits_fit_the_file_descriptor_limit, in a process of its own"]
fn in_a_process_that_may_have_many_files() {
    assert_eq!(Limits::default().fit(), Limits::default());
    let files: Vec<_> = (0..1000).map(|_| File::open("/dev/null")).collect();
    assert!(files.iter().all(Result::is_ok));
}

/// Collects the log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn contains(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.0.lock()).contains(text)
    }
}

#[tokio::test]
#[ignore = "run by the_acceptor_survives_running_out_of_file_descriptors, in a process of its own"]
async fn in_a_process_with_few_files() {
    let log = Log::default();
    let writer = log.clone();
    let logging = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let _logging = tracing::subscriber::set_default(logging);
    let server = TestServer::start(Acceptor::plaintext().limits(patient())).await;
    let mut crowd = Vec::new();
    // Each takes two descriptors: the server is in the same process.
    while !log.contains("cannot accept connections") {
        match TcpStream::connect(server.address).await {
            Ok(stream) => crowd.push(stream),
            Err(_) => tokio::task::yield_now().await,
        }
    }
    drop(crowd);
    server.call(&Dial::plaintext()).await.unwrap();
}
