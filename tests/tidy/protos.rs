//! Checks the basic style of the protos, for machines without buf. Uses the compiled descriptors.

use std::collections::{BTreeSet, HashSet};

use prost::Message;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto,
};

/// The package of every proto in this project.
const PACKAGE: &str = "chinwag.v1";

/// The services, whose names are part of the API.
const SERVICES: [&str; 3] = ["Broadcast", "PeerChat", "Presence"];

/// Returns this project's files in these descriptor sets, each once.
pub(crate) fn files(sets: &[&[u8]]) -> Vec<FileDescriptorProto> {
    let mut seen = HashSet::new();
    sets.iter()
        .flat_map(|set| FileDescriptorSet::decode(*set).unwrap().file)
        .filter(|file| file.name().starts_with("chinwag/") && seen.insert(file.name().to_owned()))
        .collect()
}

/// Returns the problems of all files together.
pub(crate) fn violations(files: &[FileDescriptorProto]) -> Vec<String> {
    let mut found: Vec<_> = files.iter().flat_map(of_file).collect();
    let services: BTreeSet<_> =
        files.iter().flat_map(|file| &file.service).map(|service| service.name()).collect();
    if services != BTreeSet::from(SERVICES) {
        found.push(format!("the services are {services:?} instead of {SERVICES:?}"));
    }
    found
}

/// Returns the problems of one file.
fn of_file(file: &FileDescriptorProto) -> Vec<String> {
    let mut found = Vec::new();
    if file.package() != PACKAGE {
        found.push(format!("{} is of package {:?}", file.name(), file.package()));
    }
    found.extend(file.service.iter().flat_map(of_service));
    found.extend(file.enum_type.iter().flat_map(of_enum));
    found.extend(file.message_type.iter().filter_map(of_message));
    found.extend(uncommented(file));
    found
}

fn of_service(service: &ServiceDescriptorProto) -> Vec<String> {
    let mut found = Vec::new();
    for method in &service.method {
        for (kind, name) in [("Request", method.input_type()), ("Response", method.output_type())] {
            if name != format!(".{PACKAGE}.{}{kind}", method.name()) {
                let (service, method) = (service.name(), method.name());
                found.push(format!("{service}.{method} has {name} where {method}{kind} belongs"));
            }
        }
    }
    found
}

fn of_enum(kind: &EnumDescriptorProto) -> Vec<String> {
    let mut prefix = String::new();
    for (at, c) in kind.name().char_indices() {
        if c.is_uppercase() && at > 0 {
            prefix.push('_');
        }
        prefix.push(c.to_ascii_uppercase());
    }
    let zero = format!("{prefix}_UNSPECIFIED");
    let mut found = Vec::new();
    if !kind.value.first().is_some_and(|value| value.number() == 0 && value.name() == zero) {
        found.push(format!("{} does not begin with {zero} = 0", kind.name()));
    }
    for value in &kind.value {
        if !value.name().starts_with(&format!("{prefix}_")) {
            found.push(format!("{} does not begin with {prefix}_", value.name()));
        }
    }
    found
}

fn of_message(message: &DescriptorProto) -> Option<String> {
    (!message.nested_type.is_empty() || !message.enum_type.is_empty())
        .then(|| format!("{} has types within it: put them beside it", message.name()))
}

/// Returns the items without a comment.
fn uncommented(file: &FileDescriptorProto) -> Vec<String> {
    let commented: HashSet<&[i32]> = file
        .source_code_info
        .iter()
        .flat_map(|info| &info.location)
        .filter(|place| !place.leading_comments().trim().is_empty())
        .map(|place| &place.path[..])
        .collect();
    items(file)
        .into_iter()
        .filter(|(path, _)| !commented.contains(&path[..]))
        .map(|(_, name)| format!("{name} has no comment above it"))
        .collect()
}

/// Returns all items that need a comment: the path in the descriptor, by the field numbers of
/// google/protobuf/descriptor.proto, and the name.
fn items(file: &FileDescriptorProto) -> Vec<(Vec<i32>, String)> {
    let mut found = Vec::new();
    let mut add = |path: &[i32], parent: &str, name: &str| {
        found.push((
            path.to_vec(),
            if parent.is_empty() { name.into() } else { format!("{parent}.{name}") },
        ));
    };
    for (i, message) in (0..).zip(&file.message_type) {
        add(&[4, i], "", message.name());
        for (j, field) in (0..).zip(&message.field) {
            add(&[4, i, 2, j], message.name(), field.name());
        }
        for (j, oneof) in (0..).zip(&message.oneof_decl) {
            add(&[4, i, 8, j], message.name(), oneof.name());
        }
    }
    for (i, kind) in (0..).zip(&file.enum_type) {
        add(&[5, i], "", kind.name());
        for (j, value) in (0..).zip(&kind.value) {
            add(&[5, i, 2, j], kind.name(), value.name());
        }
    }
    for (i, service) in (0..).zip(&file.service) {
        add(&[6, i], "", service.name());
        for (j, method) in (0..).zip(&service.method) {
            add(&[6, i, 2, j], service.name(), method.name());
        }
    }
    found
}

mod tests {
    use chinwag::proto::{HUB_DESCRIPTORS, PEER_DESCRIPTORS};

    use super::*;

    /// Returns the problems found after `spoil` has changed one proto.
    fn spoilt(file: &str, spoil: impl FnOnce(&mut FileDescriptorProto)) -> String {
        let mut files = files(&[HUB_DESCRIPTORS, PEER_DESCRIPTORS]);
        spoil(files.iter_mut().find(|f| f.name() == format!("chinwag/v1/{file}.proto")).unwrap());
        violations(&files).join("\n")
    }

    #[test]
    fn the_package_is_ours() {
        let said = spoilt("types", |file| file.package = Some("chinwag".into()));
        assert!(said.contains("is of package \"chinwag\""), "{said}");
    }

    #[test]
    fn the_services_have_their_names() {
        let said = spoilt("presence", |file| file.service[0].name = Some("Presences".into()));
        assert!(said.contains("the services are"), "{said}");
    }

    #[test]
    fn a_method_has_messages_of_its_own() {
        let said = spoilt("peer_chat", |file| {
            file.service[0].method[0].output_type = Some(".google.protobuf.Empty".into());
        });
        assert!(said.contains("where SendResponse belongs"), "{said}");
    }

    #[test]
    fn an_enum_begins_with_nothing_said() {
        let said = spoilt("types", |file| {
            file.enum_type[0].value[0].name = Some("PEER_STATUS_ONLINE".into());
        });
        assert!(said.contains("PEER_STATUS_UNSPECIFIED = 0"), "{said}");
        let said = spoilt("types", |file| file.enum_type[0].value[2].name = Some("AWAY".into()));
        assert!(said.contains("AWAY does not begin with PEER_STATUS_"), "{said}");
    }

    #[test]
    fn types_stand_side_by_side() {
        let said = spoilt("types", |file| {
            file.message_type[0].nested_type.push(DescriptorProto::default());
        });
        assert!(said.contains("has types within it"), "{said}");
    }

    #[test]
    fn everything_has_a_comment() {
        for place in [&[4, 0][..], &[4, 0, 2, 0], &[5, 0], &[5, 0, 2, 0]] {
            let said = spoilt("types", |file| forget(file, place));
            assert!(said.contains("has no comment above it"), "{place:?}: {said}");
        }
        for place in [&[6, 0][..], &[6, 0, 2, 0]] {
            let said = spoilt("peer_chat", |file| forget(file, place));
            assert!(said.contains("has no comment above it"), "{place:?}: {said}");
        }
    }

    fn forget(file: &mut FileDescriptorProto, place: &[i32]) {
        let locations = &mut file.source_code_info.as_mut().unwrap().location;
        locations.iter_mut().find(|l| l.path == place).unwrap().leading_comments = None;
    }
}
