//! The list of members.

use std::io::Write;

use serde::Serialize;

use super::error::{Error, Result};
use crate::storage::embedded::members::Member;

/// A member as a JSON object; fields that do not apply are null.
#[derive(Serialize)]
struct MemberLine<'a> {
    r#type: &'static str,
    name: &'a str,
    /// `key`, `bot` or `jwt`.
    kind: &'a str,
    fingerprint: Option<String>,
    /// The issuer and the subject of a JWT.
    subject: Option<&'a str>,
    since: String,
}

pub(super) fn list(members: &[Member], json: bool, out: &mut impl Write) -> Result<()> {
    let longest = members.iter().map(|member| member.name.as_str().chars().count()).max();
    for member in members {
        let line = line(member);
        let written = if json {
            let object = serde_json::to_string(&line);
            object.map_err(Into::into).and_then(|object| writeln!(out, "{object}"))
        } else {
            let width = longest.unwrap_or_default();
            let owner = line.fingerprint.as_deref().or(line.subject).unwrap_or_default();
            let MemberLine { name, kind, since, .. } = &line;
            let text = format!("{name:width$}  {since}  {kind}  {owner}");
            writeln!(out, "{}", text.trim_end())
        };
        written.map_err(Error::output)?;
    }
    Ok(())
}

fn line(member: &Member) -> MemberLine<'_> {
    let owner = member.owner.as_str();
    let (kind, rest) = owner.split_once(':').unwrap_or((owner, ""));
    MemberLine {
        r#type: "member",
        name: member.name.as_str(),
        kind,
        fingerprint: member.owner.key().map(|key| key.to_string()),
        subject: (kind == "jwt").then_some(rest),
        since: member.since.to_string(),
    }
}
