//! `chinwag doctor`: whether all is well, and what to do where it is not.
//!
//! 1. `files`: the settings, one's key, the contact book, the outbox, the inbox. These need no hub.
//! 2. `hub`: whether the hub is there and the right one, whose the name is, and the clocks.
//! 3. `reach`: where others are told to find one's PeerChat server, and whether the hub comes there.
//!
//! As after every command, there is a key afterwards, and the name is one's own at the hub. Nothing else
//! changes: the contact book is only read, and no message is taken.

mod files;
mod hub;
mod reach;

use std::io;

use tokio_util::sync::CancellationToken;

use crate::{
    cli::{failure::Failure, json::Line, options::Settings, output::Output},
    client::{ClientOptions, HubTrust},
    identity::Identity,
    model::{Fingerprint, PeerStatus},
    text,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

/// How something was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// As it should be.
    Ok,
    /// It works, though not as well as it could.
    Warn,
    /// It does not work.
    Fail,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    name: &'static str,
    verdict: Verdict,
    found: String,
    /// What to do about it.
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

    fn plain(&self) -> String {
        let (name, found) = (self.name.replace('_', " "), text::one_line(&self.found));
        let head = format!("{:4}  {name:12}  {found}", self.result());
        match &self.remedy {
            Some(remedy) => format!("{head}\n{:20}→ {}", "", text::one_line(remedy)),
            None => head,
        }
    }
}

impl<'a> From<&'a Finding> for Line<'a> {
    fn from(finding: &'a Finding) -> Self {
        Self::Check {
            name: finding.name,
            result: finding.result(),
            found: &finding.found,
            remedy: finding.remedy.as_deref(),
        }
    }
}

/// Tells each finding as it comes.
struct Report<'a> {
    out: &'a Output,
    failed: usize,
}

impl Report<'_> {
    async fn tell(&mut self, finding: Finding) -> io::Result<()> {
        self.failed += usize::from(finding.verdict == Verdict::Fail);
        self.out.print(&finding, |_| finding.plain()).await
    }

    async fn tell_all(&mut self, findings: impl IntoIterator<Item = Finding>) -> io::Result<()> {
        for finding in findings {
            self.tell(finding).await?;
        }
        Ok(())
    }
}

pub(crate) async fn run(
    args: Args,
    settings: &Settings,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let out = Output::new(args.json);
    let examined = stop.run_until_cancelled(examine(settings, &out)).await;
    let written = out.close(stop).await;
    match examined.unwrap_or(Err(Failure::Interrupted)) {
        done @ (Ok(()) | Err(Failure::Output(_))) => written.and(done),
        failed => failed,
    }
}

async fn examine(settings: &Settings, out: &Output) -> Result<(), Failure> {
    let mut report = Report { out, failed: 0 };
    report.tell(files::settings(settings)).await?;
    let (key, identity) = files::key(settings);
    report.tell(key).await?;
    let (book, findings) = files::contact_book(settings);
    report.tell_all(findings).await?;
    report.tell_all(files::outbox(settings).await).await?;
    report.tell_all(files::inbox(settings).await).await?;

    let known = book.hub(&settings.hub.hub).and_then(|hub| hub.key);
    let me = Me { settings, identity, known_hub: known };
    let visited = hub::visit(&me).await;
    report.tell_all(visited.findings).await?;
    match visited.listed {
        Ok(listed) => report.tell_all(reach::check(&me, listed).await).await?,
        Err(Some(unreachable)) => return Err(unreachable.into()),
        Err(None) => {}
    }
    match report.failed {
        0 => Ok(()),
        1 => Err(Failure::Other("one check failed".into())),
        failed => Err(Failure::Other(format!("{failed} checks failed"))),
    }
}

/// Who is examined.
struct Me<'a> {
    settings: &'a Settings,
    /// `None`: there is no encryption, or the key cannot be used.
    identity: Option<Identity>,
    /// The key that the contact book has for the hub.
    known_hub: Option<Fingerprint>,
}

impl Me<'_> {
    /// Whether one has a key that cannot be used.
    fn lacks_key(&self) -> bool {
        self.identity.is_none() && !self.settings.plaintext
    }

    /// A client that nobody sees, that takes no message, and that notes nothing.
    fn client(&self) -> ClientOptions {
        let hub = &self.settings.hub;
        let mut options = ClientOptions::new(hub.hub.clone(), self.settings.name.clone());
        options.status = PeerStatus::Invisible;
        options.invite = hub.invite.clone();
        options.inbox_limit = Some(0);
        if !self.settings.plaintext {
            options.identity = self.identity.clone();
            let key = hub.fingerprint.or(self.known_hub);
            options.trust = key.map_or(HubTrust::FirstUse, HubTrust::Pinned);
        }
        options
    }
}
