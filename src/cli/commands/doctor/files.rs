//! Checks of the user's own files.

use super::Finding;
use crate::{
    cli::options::Settings,
    client::{ClientOptions, Error},
    identity::{CERTIFICATE_FILE, ContactBook, Identity, KEY_FILE, KnownHub},
    model::Name,
};

/// The remedy for a file that exists but cannot be read.
const RESTORE: &str = "fix it, or restore it from a backup; it is not overwritten";

pub(super) fn settings(settings: &Settings) -> Finding {
    let file = settings.home.config_file();
    let from = match file.exists() {
        true => format!("from {}", file.display()),
        false => format!("no {}, so the defaults", file.display()),
    };
    let data = settings.home.data().display();
    let found = format!(
        "{from}; files in {data}; you are {} at the hub {}",
        settings.name, settings.hub.hub
    );
    match settings.home.read_only().is_empty() {
        true => Finding::ok("settings", found),
        false => Finding::warn(
            "settings",
            format!("{found}; read-only, so nothing new is kept"),
            "make the directory and its files writable for you",
        ),
    }
}

/// Checks what other users of the machine can do with the files.
pub(super) fn permissions(settings: &Settings) -> Finding {
    const NAME: &str = "permissions";
    match settings.home.exposed() {
        Ok(exposed) => match exposed.first() {
            None => Finding::ok(NAME, "only you can write your files"),
            Some((first, mode)) => {
                let paths: Vec<_> = exposed
                    .iter()
                    .map(|(path, _)| format!("{}{}", path.display(), self::mode(path)))
                    .collect();
                let found = format!("others can read or write {}", paths.join(" and "));
                let remedy = format!(
                    "`chmod {mode} {}`, and consider whether somebody has read or changed it",
                    first.display()
                );
                Finding::fail(NAME, found, remedy)
            }
        },
        Err(failure) => Finding::fail(
            NAME,
            failure.line().unwrap_or_default(),
            "nothing else works until then; or choose another directory with --home",
        ),
    }
}

/// Checks the user's key, and returns it if it can be used.
pub(super) fn key(settings: &Settings) -> (Finding, Option<Identity>) {
    const NAME: &str = "key";
    if settings.plaintext {
        let found = "no key and no encryption, because of --plaintext";
        return (
            Finding::warn(NAME, found, "leave out --plaintext, so that the name stays yours"),
            None,
        );
    }
    let path = settings.home.data().join(KEY_FILE);
    let is_new = !path.exists();
    let shown = path.display();
    match Identity::load_or_create(settings.home.data()) {
        Ok(identity) => {
            let created = if is_new { ", created just now" } else { "" };
            let (mode, key) = (mode(&path), identity.fingerprint());
            (Finding::ok(NAME, format!("{key} in {shown}{mode}{created}")), Some(identity))
        }
        Err(error) => {
            let remedy = match is_shared(&path) {
                true => format!("`chmod 600 {shown}`, and consider whether somebody has read it"),
                false if is_new && !settings.home.data().join(CERTIFICATE_FILE).exists() => {
                    format!(
                        "{} must be a directory that you can write to; or choose another with --home",
                        settings.home.data().display()
                    )
                }
                false => format!("{RESTORE}; with another --home you have a new key"),
            };
            (Finding::fail(NAME, error.to_string(), remedy), None)
        }
    }
}

/// Returns the permissions of a file, as a suffix for a finding.
fn mode(path: &std::path::Path) -> String {
    bits(path).map(|bits| format!(", mode {bits:04o}")).unwrap_or_default()
}

fn is_shared(path: &std::path::Path) -> bool {
    bits(path).is_some_and(|bits| bits & 0o077 != 0)
}

#[cfg(unix)]
fn bits(path: &std::path::Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    Some(std::fs::metadata(path).ok()?.mode() & 0o7777)
}

#[cfg(not(unix))]
fn bits(_: &std::path::Path) -> Option<u32> {
    None
}

/// Checks the contact book and the refused keys in it.
pub(super) fn contact_book(settings: &Settings) -> (ContactBook, Vec<Finding>) {
    const NAME: &str = "contact_book";
    let path = settings.home.contact_book();
    let book = match settings.contacts().read_only().read() {
        Ok(book) => book,
        Err(error) => {
            return (ContactBook::default(), vec![Finding::fail(NAME, error.to_string(), RESTORE)]);
        }
    };
    let hub = book.hub(&settings.hub.hub);
    let count = hub.map_or(0, |hub| hub.contacts.len());
    let found = match (path.exists(), count) {
        (false, _) => "no contacts yet".to_owned(),
        (true, 1) => format!("one contact at this hub, in {}", path.display()),
        (true, count) => format!("{count} contacts at this hub, in {}", path.display()),
    };
    let mut findings = vec![Finding::ok(NAME, found)];
    findings.extend(hub.and_then(refused));
    (book, findings)
}

fn refused(hub: &KnownHub) -> Option<Finding> {
    let who = hub.contacts.iter().filter(|(_, contact)| contact.refused_key.is_some());
    let names: Vec<_> = who.map(|(name, _)| Name::as_str(name)).collect();
    let first = names.first()?;
    Some(Finding::warn(
        "refused_keys",
        format!("another key than the known one was refused of {}", names.join(", ")),
        format!("ask them over another channel; if the key is theirs: `chinwag accept {first}`"),
    ))
}

pub(super) async fn outbox(settings: &Settings) -> Option<Finding> {
    const NAME: &str = "outbox";
    let path = settings.home.outbox();
    if !path.exists() {
        return None;
    }
    let mut options = ClientOptions::new(settings.hub.hub.clone(), settings.name.clone());
    (options.outbox, options.contacts) = (Some(path), Some(settings.contacts()));
    Some(match options.queued().await {
        Ok(queued) if queued.iter().any(|queued| queued.refused) => Finding::warn(
            NAME,
            format!("{}, and some were refused", messages_queued(queued.len())),
            "`chinwag outbox` says why; `chinwag outbox retry` tries again",
        ),
        Ok(queued) => Finding::ok(NAME, messages_queued(queued.len())),
        Err(error) => broken(NAME, &error, "the messages in it are lost then"),
    })
}

fn messages_queued(count: usize) -> String {
    match count {
        0 => "no messages are queued".into(),
        1 => "one message is queued".into(),
        count => format!("{count} messages are queued"),
    }
}

pub(super) async fn inbox(settings: &Settings) -> Option<Finding> {
    const NAME: &str = "inbox";
    let path = settings.home.inbox();
    if !path.exists() {
        return None;
    }
    let found = format!("queued messages of others are recorded in {}", path.display());
    let mut options = ClientOptions::new(settings.hub.hub.clone(), settings.name.clone());
    options.inbox = Some(path);
    Some(match options.check_inbox().await {
        Ok(()) => Finding::ok(NAME, found),
        Err(error) => broken(
            NAME,
            &error,
            "messages you have not seen are lost then, and repeated ones are shown again",
        ),
    })
}

pub(super) async fn kept_direct(settings: &Settings) -> Option<Finding> {
    const NAME: &str = "kept_direct";
    let path = settings.home.direct_history();
    let size = path.metadata().ok()?.len().div_ceil(1024);
    let found = format!("direct messages in {}, {size} KiB{}", path.display(), mode(&path));
    let mut options = ClientOptions::new(settings.hub.hub.clone(), settings.name.clone());
    options.history = Some(path);
    Some(match options.check_history().await {
        Err(error) => broken(NAME, &error, "the messages in it are lost then"),
        Ok(()) => Finding::ok(NAME, found),
    })
}

/// The finding for a database. Only a broken one, or one of a newer version, may be moved away.
fn broken(name: &'static str, error: &Error, lost: &str) -> Finding {
    let remedy = match error {
        Error::Store(_) => {
            format!("restore it from a backup, or move it away to start a new one: {lost}")
        }
        error if error.is_newer_file() => {
            format!("use that newer Chinwag, or move the file away to start a new one: {lost}")
        }
        _ => RESTORE.to_owned(),
    };
    Finding::fail(name, error.to_string(), remedy)
}
