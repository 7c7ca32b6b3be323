//! The list of members.

use super::{error::Result, printer::Printer};
use crate::{cli::json::JsonLine, storage::embedded::members::Member};

pub(super) fn list(members: &[Member], printer: &Printer) -> Result<()> {
    let longest = members.iter().map(|member| member.name.as_str().chars().count()).max();
    for member in members {
        let (name, since) = (member.name.as_str(), member.since);
        let owner = member.owner.as_str();
        let (kind, rest) = owner.split_once(':').unwrap_or((owner, ""));
        let fingerprint = member.owner.key().map(|key| key.to_string());
        let subject = (kind == "jwt").then_some(rest);
        let shown = fingerprint.as_deref().or(subject).unwrap_or_default();
        let width = longest.unwrap_or_default();
        let text = format!("{name:width$}  {since}  {kind}  {shown}");
        let text = text.trim_end().to_owned();
        printer.print(JsonLine::Member { name, kind, fingerprint, subject, since }, text)?;
    }
    Ok(())
}
