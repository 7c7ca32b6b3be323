//! `chinwag doctor`: checks the setup and suggests fixes.
//!
//! 1. `files`: the settings, the key, the contact book, the outbox, the inbox, the kept messages. No
//!    hub is needed.
//! 2. `hub`: whether the hub answers and has the expected key, whose the name is, and the clocks.
//! 3. `reach`: the published addresses of the user's PeerChat server, and whether the hub reaches them.
//!
//! Like every command, it creates a key if there is none and registers the name at the hub. It changes
//! nothing else: it only reads the contact book, and accepts no message.

mod files;
mod hub;
mod reach;

use std::io;

use tokio_util::sync::CancellationToken;

use crate::{
    cli::{
        failure::{Failure, Result},
        json::{JsonLine, Verdict},
        options::Settings,
        output::Output,
        terminal,
        wrap::wrap_hanging,
    },
    client::{ClientOptions, HubTrust},
    identity::Identity,
    model::{Fingerprint, PeerStatus},
    text,
};

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    name: &'static str,
    verdict: Verdict,
    found: String,
    /// What to do.
    remedy: Option<String>,
}

impl Finding {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, found: found.into(), remedy: None }
    }

    fn warn(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, remedy: Some(remedy.into()), ..Self::ok(name, found) }
    }

    fn fail(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, remedy: Some(remedy.into()), ..Self::ok(name, found) }
    }

    fn result(&self) -> &'static str {
        match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        }
    }

    /// Formats the finding in columns, on a terminal of this width.
    fn plain(&self, columns: Option<usize>) -> String {
        let head = format!("{:4}  {:12}  ", self.result(), self.name.replace('_', " "));
        let found = wrap_hanging(&head, &text::one_line(&self.found), columns);
        let Some(remedy) = &self.remedy else { return found };
        let arrow = format!("{:width$}→ ", "", width = head.len());
        found + "\n" + &wrap_hanging(&arrow, &text::one_line(remedy), columns)
    }
}

impl<'a> From<&'a Finding> for JsonLine<'a> {
    fn from(finding: &'a Finding) -> Self {
        Self::Check {
            name: finding.name,
            result: finding.verdict,
            found: &finding.found,
            remedy: finding.remedy.as_deref(),
        }
    }
}

/// Prints findings as they come.
struct FindingPrinter<'a> {
    out: &'a Output,
    failed: usize,
}

impl FindingPrinter<'_> {
    async fn print(&mut self, finding: Finding) -> io::Result<()> {
        self.failed += usize::from(finding.verdict == Verdict::Fail);
        let line = finding.plain(terminal::columns());
        let (word, verdict) = (finding.result(), finding.verdict);
        self.out.print(&finding, |_| self.out.paint.verdict(line, word, verdict)).await
    }

    async fn print_all(&mut self, findings: impl IntoIterator<Item = Finding>) -> io::Result<()> {
        for finding in findings {
            self.print(finding).await?;
        }
        Ok(())
    }
}

pub(crate) async fn run(settings: &Settings, stop: &CancellationToken) -> Result<()> {
    let out = settings.output();
    let result = stop.run_until_cancelled(examine(settings, &out)).await;
    let written = out.close(stop).await;
    match result.unwrap_or(Err(Failure::Interrupted)) {
        done @ (Ok(()) | Err(Failure::Output(_))) => written.and(done),
        failed => failed,
    }
}

async fn examine(settings: &Settings, out: &Output) -> Result<()> {
    let mut report = FindingPrinter { out, failed: 0 };
    report.print(files::settings(settings)).await?;
    report.print(files::permissions(settings)).await?;
    let (key, identity) = files::key(settings);
    report.print(key).await?;
    let (book, findings) = files::contact_book(settings);
    report.print_all(findings).await?;
    report.print_all(files::outbox(settings).await).await?;
    report.print_all(files::inbox(settings).await).await?;
    report.print_all(files::kept_direct(settings).await).await?;

    let known = book.hub(&settings.hub.hub).and_then(|hub| hub.key);
    let context = DoctorContext { settings, identity, known_hub: known };
    let visited = hub::visit(&context).await;
    report.print_all(visited.findings).await?;
    match visited.listed {
        Ok(listed) => report.print_all(reach::check(&context, listed).await).await?,
        Err(Some(unreachable)) => return Err(unreachable.into()),
        Err(None) => {}
    }
    match report.failed {
        0 => Ok(()),
        1 => Err(Failure::Other("one check failed".into())),
        failed => Err(Failure::Other(format!("{failed} checks failed"))),
    }
}

/// What the checks need.
struct DoctorContext<'a> {
    settings: &'a Settings,
    /// The user's key; `None` without encryption, or if the key cannot be used.
    identity: Option<Identity>,
    /// The key of the hub in the contact book.
    known_hub: Option<Fingerprint>,
}

impl DoctorContext<'_> {
    /// Returns true if the user has a key that cannot be used.
    fn lacks_key(&self) -> bool {
        self.identity.is_none() && !self.settings.plaintext
    }

    /// Returns an invisible client that accepts no message and writes no file.
    fn client(&self) -> ClientOptions {
        let hub = &self.settings.hub;
        let mut options = ClientOptions::new(hub.hub.clone(), self.settings.name.clone());
        options.status = PeerStatus::Invisible;
        options.invite = hub.invite.clone();
        options.inbox_limit = Some(0);
        if !self.settings.plaintext {
            options.identity = self.identity.clone();
            let key = self.known_hub.or(hub.fingerprint);
            options.trust = key.map_or(HubTrust::FirstUse, HubTrust::Pinned);
        }
        options
    }
}
