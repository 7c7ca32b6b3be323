//! The types of JSON objects, as `chinwag schema` prints them.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

/// Returns what `chinwag schema` prints.
pub(crate) fn schema() -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_chinwag")).arg("schema").output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Returns the schema of each type of object.
pub(crate) fn variants(schema: &Value) -> BTreeMap<String, Value> {
    let variants = schema["oneOf"].as_array().unwrap().iter();
    let name =
        |variant: &Value| variant["properties"]["type"]["const"].as_str().unwrap().to_owned();
    variants.map(|variant| (name(variant), variant.clone())).collect()
}

/// Returns the fields of each type other than `type`, with a star after those that can be null.
pub(crate) fn fields() -> BTreeMap<String, BTreeSet<String>> {
    let schema = schema();
    let fields = |variant: &Value| {
        let inherited = variant["$ref"].as_str().map(|path| path.trim_start_matches('#'));
        let inherited = inherited.and_then(|path| schema.pointer(path)).cloned();
        let mut all = variant["properties"].as_object().unwrap().clone();
        all.extend(
            inherited.into_iter().flat_map(|one| one["properties"].as_object().unwrap().clone()),
        );
        all.remove("type");
        let nullable = |field: &Value| {
            let is_null = |kind: &Value| kind == "null";
            field["type"].as_array().is_some_and(|kinds| kinds.iter().any(is_null))
        };
        let fields = all.iter().map(|(name, field)| match nullable(field) {
            true => format!("{name}*"),
            false => name.clone(),
        });
        fields.collect()
    };
    variants(&schema).iter().map(|(name, variant)| (name.clone(), fields(variant))).collect()
}

/// Returns the reasons of errors that the programs find themselves.
pub(crate) fn reasons() -> BTreeSet<String> {
    let schema = schema();
    let reasons = schema["$defs"]["LocalReason"]["oneOf"].as_array().unwrap().iter();
    reasons.map(|reason| reason["const"].as_str().unwrap().to_owned()).collect()
}
