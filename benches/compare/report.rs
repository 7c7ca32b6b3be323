//! The results: printed, recorded, and written into `docs/speed.md`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::{
    chart,
    contender::Contender,
    figure::{Figures, Goal, Metric, median, number},
    process::Machine,
    work::{Scale, Work},
};

/// One run of one workload with one contender.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) work: Work,
    pub(crate) contender: Contender,
    pub(crate) round: usize,
    pub(crate) figures: Figures,
    /// Why there are no figures.
    pub(crate) failure: Option<String>,
}

/// All that is known afterwards.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// When the first run began.
    pub(crate) began_at: String,
    pub(crate) command: String,
    pub(crate) scale: Scale,
    pub(crate) rounds: usize,
    pub(crate) machine: Machine,
    pub(crate) runs: Vec<Run>,
}

/// What stands where there is nothing.
const NOTHING: &str = "–";

/// The markers around the table in `docs/speed.md`.
const BEGIN: &str = "<!-- measured -->\n";
const END: &str = "<!-- end of what was measured -->";

impl Report {
    /// The medians as a table.
    pub(crate) fn table(&self) -> String {
        let contenders = Contender::ALL.map(|contender| format!(" {contender} |")).concat();
        let mut table = format!("| work | measured |{contenders} goal | reached |\n");
        table.push_str("|---|---|");
        table.push_str(&"---:|".repeat(Contender::ALL.len()));
        table.push_str("---|---|\n");
        for (work, metrics) in self.rows() {
            for metric in metrics {
                self.row(&mut table, work, metric);
            }
        }
        table
    }

    fn row(&self, table: &mut String, work: Work, metric: Metric) {
        let values = Contender::ALL.map(|contender| {
            let value = self.median(work, contender, metric);
            format!(" {} |", value.map_or_else(|| NOTHING.to_owned(), number))
        });
        let goals: Vec<_> = work.goals().into_iter().filter(|goal| goal.metric == metric).collect();
        let wanted: Vec<_> = goals.iter().map(|goal| goal.bound.to_string()).collect();
        let reached: Vec<_> = goals.iter().map(|goal| self.reached(work, goal)).collect();
        // Writing to a string does not fail.
        let _ = writeln!(
            table,
            "| {} | {} |{} {} | {} |",
            work.name(),
            metric.label(),
            values.concat(),
            wanted.join("; "),
            reached.join("; ")
        );
    }

    /// What was reached of a goal, and whether that is enough.
    fn reached(&self, work: Work, goal: &Goal) -> String {
        let ours = self.median(work, Contender::Chinwag, goal.metric);
        let other = goal.bound.other();
        let others = other.map(|other| self.median(work, other, goal.metric));
        match (ours, others) {
            (Some(ours), None) => mark(goal.bound.keeps(ours), number(ours)),
            (Some(ours), Some(Some(other))) => {
                let ratio = ours / other;
                mark(goal.bound.keeps(ratio), format!("{}×", number(ratio)))
            }
            _ => NOTHING.to_owned(),
        }
    }

    /// The median of a figure over the rounds.
    pub(crate) fn median(&self, work: Work, contender: Contender, metric: Metric) -> Option<f64> {
        let runs = self.runs.iter().filter(|run| run.work == work && run.contender == contender);
        let values: Vec<_> = runs.filter_map(|run| run.figures.get(&metric).copied()).collect();
        (!values.is_empty()).then(|| median(values))
    }

    /// What was measured in which workload.
    fn rows(&self) -> BTreeMap<Work, Vec<Metric>> {
        let mut rows = BTreeMap::<_, Vec<_>>::new();
        for run in &self.runs {
            let metrics = rows.entry(run.work).or_default();
            metrics.extend(run.figures.keys().copied());
            metrics.sort();
            metrics.dedup();
        }
        rows
    }

    /// Writes the record, and beside it the charts. A complete run of full size belongs to the
    /// project, and its table into `docs/speed.md`; any other stays below `target`.
    pub(crate) fn write(&self, complete: bool) -> Result<PathBuf> {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let is_the_projects = complete && self.scale == Scale::Full;
        let results =
            if is_the_projects { project.join("benches/results") } else { crate::target() };
        fs::create_dir_all(&results)?;
        let (day, _) = self.began_at.split_once('T').unwrap_or((&self.began_at, ""));
        let record = results.join(day).with_extension("json");
        fs::write(&record, serde_json::to_string_pretty(self)? + "\n")?;
        let machine = self.machine.describe();
        let page = format!("{machine}\n\n`{}`\n\n{}", self.command, self.table());
        if is_the_projects {
            let document = project.join("docs/speed.md");
            let with_page = insert(&fs::read_to_string(&document)?, &page)?;
            fs::write(document, with_page)?;
        }
        fs::write(record.with_extension("md"), page)?;
        fs::write(results.join("chart.svg"), chart::draw(self))?;
        Ok(record)
    }
}

/// Returns the document with this page between its markers. A test compares it with the record.
fn insert(document: &str, page: &str) -> Result<String> {
    let (before, rest) =
        document.split_once(BEGIN).context("docs/speed.md has no marker before the table")?;
    let (_, after) = rest.split_once(END).context("docs/speed.md has no marker after the table")?;
    Ok(format!("{before}{BEGIN}\n{page}{END}{after}"))
}

fn mark(kept: bool, what: String) -> String {
    format!("{what} {}", if kept { "✓" } else { "✗" })
}
