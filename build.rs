//! Compiles `proto/` with protox, so that building needs no `protoc`.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

/// The hub's services and the clients' are separate sets: reflection lists every service of its
/// set, and a server must list only what it serves.
const HUB: [&str; 2] = ["chinwag/v1/presence.proto", "chinwag/v1/broadcast.proto"];
const PEER: [&str; 1] = ["chinwag/v1/peer_chat.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for (name, files) in [("hub", &HUB[..]), ("peer", &PEER[..])] {
        let set = protox::compile(files, ["proto"])?;
        fs::write(out.join(name).with_extension("bin"), set.encode_to_vec())?;
    }
    let all = protox::compile(HUB.iter().chain(&PEER), ["proto"])?;
    tonic_prost_build::configure().compile_fds(all)?;

    if env::var_os("CARGO_FEATURE_HUB").is_none() {
        return Ok(());
    }
    // The hub answers streams below the generated code, with frames that all subscribers share.
    // These servers have the unary methods alone.
    let mut unary = protox::compile(HUB, ["proto"])?;
    for service in unary.file.iter_mut().flat_map(|file| &mut file.service) {
        service.method.retain(|method| !method.server_streaming());
    }
    let unary_out = out.join("unary");
    fs::create_dir_all(&unary_out)?;
    tonic_prost_build::configure()
        .build_client(false)
        .extern_path(".chinwag.v1", "crate::proto")
        .out_dir(unary_out)
        .compile_fds(unary)?;
    Ok(())
}
