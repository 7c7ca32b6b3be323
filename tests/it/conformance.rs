//! Suites of others against the hub and its transport: h2spec, testssl.sh, gRPC's interop client and
//! grpc-health-probe. `docs/conformance.md` lists what they may complain about, and why.

mod deviations;
mod messages;
mod server;
mod test_service;

use std::{fs, path::Path, process::Command};

use chinwag::identity::{CERTIFICATE_FILE, TLS_NAME};
use deviations::Deviations;
use serde_json::Value;
use server::Server;

use crate::support::{cli, hub::TestHub, tools};

/// The findings of testssl.sh that are not complaints.
const FINE: [&str; 3] = ["OK", "INFO", "DEBUG"];

fn command(program: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args);
    command
}

/// Returns what did not pass in a report of h2spec, as section and number.
fn not_passed(report: &str) -> (usize, Vec<String>) {
    let (mut section, mut number, mut found) = (String::new(), 0, Vec::new());
    let tests = report.split("<testcase package=\"").skip(1);
    for test in tests.clone() {
        let (of, rest) = test.split_once('"').unwrap();
        number = if section == of { number + 1 } else { 1 };
        section = of.to_owned();
        if ["<error", "<failure", "<skipped"].iter().any(|mark| rest.contains(mark)) {
            found.push(format!("{section}/{number}"));
        }
    }
    (tests.count(), found)
}

/// h2spec sends only GET, which the hub refuses at once. This server takes it for a POST, and the
/// call goes on until the request has ended.
#[tokio::test(flavor = "multi_thread")]
async fn http2_is_spoken_as_h2spec_wants() {
    let Some(h2spec) = tools::fetched("h2spec") else { return };
    let server = Server::taking_get_for_post().await;
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.xml");
    let port = server.port();
    let path = "/grpc.testing.TestService/StreamingInputCall";
    let args = ["--strict", "--tls", "--insecure", "--port", &port, "--path", path];
    let mut run = command(&h2spec, &args);
    run.arg("--junit-report").arg(&report);
    let ended = cli::run(run, b"");
    let (count, failed) = not_passed(&fs::read_to_string(report).unwrap());
    assert!(count > 140, "h2spec ran only {count} tests:\n{}{}", ended.stdout, ended.stderr);
    Deviations::of("h2spec").assert(&failed, &ended.stdout);
}

#[test]
fn reports_of_h2spec_are_read() {
    let report = r#"<testcase package="a/1" classname="x"></testcase>
        <testcase package="a/1" classname="y"><error>bad</error></testcase>
        <testcase package="a/2" classname="z"><skipped></skipped></testcase>"#;
    assert_eq!(not_passed(report), (3, vec!["a/1/2".to_owned(), "a/2/1".to_owned()]));
}

#[test]
fn tls_is_configured_as_testssl_wants() {
    let Some(testssl) = tools::fetched("testssl") else { return };
    let hub = TestHub::start();
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    // Protocols, ciphers, forward secrecy, preferences, the certificate and vulnerabilities, at an
    // address, without DNS.
    let options = ["--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none"];
    let checks = ["-p", "-s", "-f", "-P", "-S", "-U"];
    let mut run = command(&testssl, &[&options[..], &checks].concat());
    run.args(["--ip", "127.0.0.1", "--jsonfile"]).arg(&report);
    run.arg(format!("localhost:{}", hub.address().port()));
    // It may say nothing for long.
    let output = String::from_utf8(run.output().unwrap().stdout).unwrap();
    let findings = fs::read_to_string(report).unwrap();
    let mut findings: Vec<Value> = serde_json::from_str(&findings).unwrap();
    // What is about the machine that it runs on.
    findings.retain(|finding| text(finding, "ip") != "/");
    // Without a connection there would be no complaints either.
    let found = |id| {
        let finding = findings.iter().find(|finding| finding["id"] == id);
        text(finding.unwrap_or_else(|| panic!("no {id}:\n{output}")), "finding")
    };
    assert_eq!(found("TLS1_3"), "offered with final");
    assert_eq!(found("TLS1_2"), "not offered");
    assert_eq!(found("heartbleed"), "not vulnerable, no heartbeat extension");
    let complaints = findings.iter().filter(|finding| !FINE.contains(&text(finding, "severity")));
    let complaints: Vec<_> = complaints.map(|finding| text(finding, "id").to_owned()).collect();
    Deviations::of("testssl.sh").assert(&complaints, &output);
}

fn text<'a>(finding: &'a Value, field: &str) -> &'a str {
    finding[field].as_str().unwrap()
}

/// Returns the test cases in the help of the interop client.
fn cases(help: &str) -> Vec<String> {
    let lines = help.lines().map(str::trim).skip_while(|line| !line.contains("Valid options are"));
    let named = lines.skip(1).map_while(|line| line.split_once(" : ").or(line.split_once(": ")));
    named.map(|(case, _)| case.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_is_spoken_as_its_interop_client_wants() {
    let Some(client) = tools::fetched("grpc-interop-client") else { return };
    let server = Server::start().await;
    let cases = cases(&cli::run(command(&client, &["--help"]), b"").stderr);
    assert!(cases.len() > 20, "{cases:?}");
    let deviations = Deviations::of("interop client");
    deviations.assert_known(&cases);
    let (mut failed, mut said) = (Vec::new(), String::new());
    for case in cases.iter().filter(|case| !deviations.leave_out(case)) {
        let mut run = command(&client, &["--use_tls", "--use_test_ca", "--server_host=127.0.0.1"]);
        run.args(["--server_host_override", TLS_NAME, "--server_port", &server.port()]);
        run.args(["--test_case", case, "--ca_file"]).arg(server.certificate());
        let ended = cli::run(run, b"");
        if ended.code != Some(0) {
            failed.push(case.clone());
            said += &format!("{case}: {}\n", ended.stderr);
        }
    }
    deviations.assert(&failed, &said);
}

/// Probes a server, and returns the exit code: 0 if it serves, 2 if it cannot be reached, 3 if the
/// call fails, 4 if it does not serve.
fn probe(program: &Path, args: &[&str]) -> Option<i32> {
    let ended = cli::run(command(program, args), b"");
    println!("{args:?}: {}{}", ended.stdout, ended.stderr);
    ended.code
}

#[test]
fn the_health_probe_finds_hubs_and_clients_healthy() {
    let Some(program) = tools::fetched("grpc-health-probe") else { return };
    let data = tempfile::tempdir().unwrap();
    let hub = TestHub::with(&["--data-dir", data.path().to_str().unwrap()]);
    let address = hub.address().to_string();
    let root = data.path().join(CERTIFICATE_FILE);
    let root = root.to_str().unwrap();
    let tls = ["-addr", &address, "-tls", "-tls-server-name", TLS_NAME, "-tls-ca-cert", root];
    assert_eq!(probe(&program, &tls), Some(0));
    assert_eq!(probe(&program, &["-addr", &address]), Some(0), "in plaintext, from loopback");
    for service in ["chinwag.v1.Presence", "chinwag.v1.Broadcast"] {
        let of_service = [&tls[..], &["-service", service]].concat();
        assert_eq!(probe(&program, &of_service), Some(0), "{service}");
    }
    let unknown = [&tls[..], &["-service", "chinwag.v1.PeerChat"]].concat();
    assert_eq!(probe(&program, &unknown), Some(3), "a hub has no PeerChat");
    let untrusted = ["-addr", &address, "-tls", "-tls-server-name", TLS_NAME];
    assert_eq!(probe(&program, &untrusted), Some(2), "the certificate is from no authority");

    let home = tempfile::tempdir().unwrap();
    let client = cli::Running::start(cli::command(home.path(), hub.address(), "buzz", &["listen"]));
    let direct = client.direct_address().to_string();
    for service in ["", "chinwag.v1.PeerChat"] {
        let args = ["-addr", &direct, "-service", service];
        assert_eq!(probe(&program, &args), Some(0), "{service}");
    }
}
