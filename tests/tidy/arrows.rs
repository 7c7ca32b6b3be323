//! Allowed module dependencies: the layers of `src/lib.rs`, as a check.

use super::source::{Path, paths};

/// The modules of each layer, the lowest first.
const LAYERS: [&[&str]; 6] = [
    &["proto", "model", "error", "limiter"],
    &["wire", "identity", "transport", "backoff", "shutdown", "sqlite", "text"],
    &["storage"],
    &["hub", "client"],
    &["cli"],
    &["fuzz"],
];

/// Allowed uses within one layer: errors contain types of the model, connections are made
/// with an identity, and a refused connection gets a refusal made by `wire`.
const NEIGHBOURS: [(&str, &str); 3] =
    [("error", "model"), ("transport", "identity"), ("transport", "wire")];

/// Forbidden uses of a lower layer: a client reaches the data of a hub through the hub.
const STRANGERS: [(&str, &str); 1] = [("client", "storage")];

/// The modules that may name types generated from the protos.
const SPEAKS_PROTO: [&str; 5] = ["proto", "wire", "hub", "client", "fuzz"];

/// The model uses no crate whose name begins with one of these.
const NOT_IN_MODEL: [&str; 4] = ["tonic", "tokio", "prost", "hyper"];

/// Returns the forbidden dependencies of a module's file (`src/hub/auth.rs` is `["hub", "auth"]`).
pub(crate) fn violations(module: &[&str], source: &str) -> Vec<String> {
    let from = module[0];
    let Some(layer) = layer(from) else {
        return vec![format!("{from} is in no layer: give it one in tests/tidy/arrows.rs")];
    };
    let problem = |path: Path| match path {
        Path::Own(path) => own_problem(from, layer, path.first().map_or("", String::as_str)),
        Path::Other(path) => (from == "model"
            && NOT_IN_MODEL.iter().any(|library| path[0].starts_with(library)))
        .then(|| format!("model knows no {}", path[0])),
    };
    let mut found: Vec<_> = paths(module, source).into_iter().filter_map(problem).collect();
    found.dedup();
    found
}

fn own_problem(from: &str, height: usize, to: &str) -> Option<String> {
    if from == to {
        return None;
    }
    let Some(target) = layer(to) else {
        return Some(format!("{from} uses crate::{to}, which is in no layer"));
    };
    if to == "proto" && !SPEAKS_PROTO.contains(&from) {
        return Some(format!("{from} uses generated types, which end at {SPEAKS_PROTO:?}"));
    }
    let allowed = target < height || NEIGHBOURS.contains(&(from, to));
    (!allowed || STRANGERS.contains(&(from, to))).then(|| format!("{from} must not use {to}"))
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

mod tests {
    use super::*;

    fn check(module: &str, source: &str) -> String {
        violations(&module.split("::").collect::<Vec<_>>(), source).join("\n")
    }

    #[test]
    fn what_stands_below_may_be_used() {
        assert_eq!(check("hub::auth", "use crate::{storage::Lease, error::Error};"), "");
        assert_eq!(check("hub::auth", "use super::registry::Registry;"), "");
        assert_eq!(check("client", "use crate::{proto, wire}; use tonic::Status;"), "");
        assert_eq!(check("error", "use crate::model::Name;"), "");
    }

    #[test]
    fn what_stands_above_may_not() {
        assert_eq!(check("model", "use crate::wire::name;"), "model must not use wire");
        assert_eq!(check("storage::embedded", "use crate::hub;"), "storage must not use hub");
        assert_eq!(check("client::peers", "super::super::cli::f();"), "client must not use cli");
    }

    #[test]
    fn neighbours_may_not() {
        assert_eq!(check("hub", "use crate::client::Client;"), "hub must not use client");
        assert_eq!(
            check("client", "mod tests { use crate::hub::Hub; }"),
            "client must not use hub"
        );
        assert_eq!(check("text", "use crate::wire;"), "text must not use wire");
        assert_eq!(check("model", "use crate::error::Error;"), "model must not use error");
    }

    #[test]
    fn a_client_knows_no_backbone() {
        let use_it = "use crate::{model::Name, storage::MessageLog};";
        assert_eq!(check("client::session", use_it), "client must not use storage");
    }

    #[test]
    fn generated_types_end_where_they_should() {
        for module in ["cli::chat", "storage", "transport", "text"] {
            assert!(check(module, "use crate::proto::Message;").contains("generated types"));
        }
    }

    #[test]
    fn the_model_knows_no_runtime() {
        assert_eq!(check("model", "use tokio::time::Instant;"), "model knows no tokio");
        assert_eq!(check("model::name", "fn f(c: tonic::Code) {}"), "model knows no tonic");
        assert_eq!(check("model", "use tokio_util::sync::X;"), "model knows no tokio_util");
    }

    #[test]
    fn a_module_without_a_layer_is_an_error() {
        assert!(check("attic", "").contains("is in no layer"));
        assert!(check("cli", "use crate::attic::Box;").contains("is in no layer"));
        assert!(check("cli", "use crate::*;").contains("is in no layer"));
    }
}
