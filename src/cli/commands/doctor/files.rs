//! What stands in one's own files.

use super::Finding;
use crate::{
    cli::options::Settings,
    client::{ClientOptions, Error},
    identity::{Book, CERTIFICATE_FILE, Identity, KEY_FILE, KnownHub},
    model::Name,
};

/// What to do about a file that is there and cannot be read.
const RESTORE: &str = "mend it, or restore it from a copy; it is not overwritten";

pub(super) fn settings(settings: &Settings) -> Finding {
    let file = settings.home.config_file();
    let from = match file.exists() {
        true => format!("from {}", file.display()),
        false => format!("no {}, so the usual ones", file.display()),
    };
    let data = settings.home.data().display();
    let found = format!(
        "{from}; files in {data}; you are {} at the hub {}",
        settings.name, settings.hub.hub
    );
    Finding::ok("settings", found)
}

/// One's own key, if it can be used.
pub(super) fn key(settings: &Settings) -> (Finding, Option<Identity>) {
    const NAME: &str = "key";
    if settings.plaintext {
        let found = "none is shown, and nothing is encrypted: --plaintext";
        return (
            Finding::warn(NAME, found, "leave out --plaintext, so that the name is yours"),
            None,
        );
    }
    let path = settings.home.data().join(KEY_FILE);
    let is_new = !path.exists();
    let shown = path.display();
    match Identity::load_or_create(settings.home.data()) {
        Ok(identity) => {
            let made = if is_new { ", made just now" } else { "" };
            let (mode, key) = (mode(&path), identity.fingerprint());
            (Finding::ok(NAME, format!("{key} in {shown}{mode}{made}")), Some(identity))
        }
        Err(error) => {
            let remedy = match is_shared(&path) {
                true => format!("`chmod 600 {shown}`, and think of whether somebody has read it"),
                false if is_new && !settings.home.data().join(CERTIFICATE_FILE).exists() => {
                    format!(
                        "{} must be a directory that you can write to; or choose another with --home",
                        settings.home.data().display()
                    )
                }
                false => format!("{RESTORE}; with another --home you are somebody new"),
            };
            (Finding::fail(NAME, error.to_string(), remedy), None)
        }
    }
}

/// Who has which rights to a file, as `ls` and `chmod` number them.
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

/// The contact book, and the keys in it that somebody showed and nobody has accepted.
pub(super) fn contact_book(settings: &Settings) -> (Book, Vec<Finding>) {
    const NAME: &str = "contact_book";
    let path = settings.home.contact_book();
    let book = match settings.contacts().read() {
        Ok(book) => book,
        Err(error) => {
            return (Book::default(), vec![Finding::fail(NAME, error.to_string(), RESTORE)]);
        }
    };
    let hub = book.hub(&settings.hub.hub);
    let count = hub.map_or(0, |hub| hub.contacts.len());
    let whom = match (path.exists(), count) {
        (false, _) => "nobody was met yet".to_owned(),
        (true, 1) => format!("one person met at this hub, in {}", path.display()),
        (true, count) => format!("{count} people met at this hub, in {}", path.display()),
    };
    let mut findings = vec![Finding::ok(NAME, whom)];
    findings.extend(hub.and_then(refused));
    (book, findings)
}

fn refused(hub: &KnownHub) -> Option<Finding> {
    let who = hub.contacts.iter().filter(|(_, contact)| contact.refused_key.is_some());
    let names: Vec<_> = who.map(|(name, _)| Name::as_str(name)).collect();
    let first = names.first()?;
    Some(Finding::warn(
        "refused_keys",
        format!("another key than you know was shown, and refused, of {}", names.join(", ")),
        format!("ask them, in another way than here; if it is theirs: `chinwag accept {first}`"),
    ))
}

/// The outbox, if there is one.
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
            format!("{} messages wait, and some were refused", queued.len()),
            "`chinwag outbox` says why; `chinwag outbox retry` tries again",
        ),
        Ok(queued) => Finding::ok(NAME, format!("{} messages wait", queued.len())),
        Err(error) => broken(NAME, &error, "what waits in it is not delivered then"),
    })
}

/// The inbox, if there is one.
pub(super) async fn inbox(settings: &Settings) -> Option<Finding> {
    const NAME: &str = "inbox";
    let path = settings.home.inbox();
    if !path.exists() {
        return None;
    }
    let found = format!("what others kept for you is noted in {}", path.display());
    let mut options = ClientOptions::new(settings.hub.hub.clone(), settings.name.clone());
    options.inbox = Some(path);
    Some(match options.check_inbox().await {
        Ok(()) => Finding::ok(NAME, found),
        Err(error) => broken(
            NAME,
            &error,
            "what you were sent and had not seen is lost then, and what is sent again is shown again",
        ),
    })
}

/// What to do about a database: only one that is broken is to be given up.
fn broken(name: &'static str, error: &Error, lost: &str) -> Finding {
    let remedy = match error {
        Error::Store(_) => {
            format!("restore it from a copy, or move it away, and a new one is made: {lost}")
        }
        _ => RESTORE.to_owned(),
    };
    Finding::fail(name, error.to_string(), remedy)
}
