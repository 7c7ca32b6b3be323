//! Writes the results of a run: the record, the table and the chart.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{chart, report::Report, work::Scale};

/// The markers around the table in `docs/speed.md`.
const BEGIN: &str = "<!-- measured -->\n";
const END: &str = "<!-- end of what was measured -->";

/// Writes the record, the table and the chart, and returns the path of the record. A complete run
/// at full size also updates `docs/speed.md`; any other writes below `target` only.
pub(crate) fn write(report: &Report, complete: bool) -> Result<PathBuf> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_published = complete && report.scale == Scale::Full;
    let results = project.join(if is_published { "benches/results" } else { "target/bench" });
    fs::create_dir_all(&results)?;
    let (day, _) = report.began_at.split_once('T').unwrap_or((&report.began_at, ""));
    let record = results.join(day).with_extension("json");
    fs::write(&record, serde_json::to_string_pretty(report)? + "\n")?;
    let machine = report.machine.describe();
    let page = format!("{machine}\n\n`{}`\n\n{}", report.command, report.table());
    if is_published {
        let document = project.join("docs/speed.md");
        let with_page = insert(&fs::read_to_string(&document)?, &page)?;
        fs::write(document, with_page)?;
    }
    fs::write(record.with_extension("md"), page)?;
    fs::write(results.join("chart.svg"), chart::draw(report))?;
    Ok(record)
}

/// Returns the document with this page between its markers. A test compares it with the record.
fn insert(document: &str, page: &str) -> Result<String> {
    let (before, rest) =
        document.split_once(BEGIN).context("docs/speed.md has no marker before the table")?;
    let (_, after) = rest.split_once(END).context("docs/speed.md has no marker after the table")?;
    Ok(format!("{before}{BEGIN}\n{page}{END}{after}"))
}
