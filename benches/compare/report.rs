//! The results of all runs, and their table of medians.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

use crate::{
    contender::Contender,
    figure::{Figures, Goal, Metric, median, number},
    process::Machine,
    work::{Scale, Work},
};

/// A run of one workload with one contender.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) work: Work,
    pub(crate) contender: Contender,
    pub(crate) round: usize,
    pub(crate) figures: Figures,
    /// The reason if there are no figures.
    pub(crate) failure: Option<String>,
}

/// The results of all runs.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The time at which the first run began.
    pub(crate) began_at: String,
    pub(crate) command: String,
    pub(crate) scale: Scale,
    pub(crate) rounds: usize,
    pub(crate) machine: Machine,
    pub(crate) runs: Vec<Run>,
}

/// The cell of a missing value.
const NOTHING: &str = "–";

impl Report {
    /// Returns the table of medians.
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
        // Writing to a string cannot fail.
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

    /// Returns the value for a goal, and whether the goal is met.
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

    /// Returns the median of a metric over all rounds.
    pub(crate) fn median(&self, work: Work, contender: Contender, metric: Metric) -> Option<f64> {
        let runs = self.runs.iter().filter(|run| run.work == work && run.contender == contender);
        let values: Vec<_> = runs.filter_map(|run| run.figures.get(&metric).copied()).collect();
        (!values.is_empty()).then(|| median(values))
    }

    /// Returns the metrics of each workload.
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
}

fn mark(kept: bool, what: String) -> String {
    format!("{what} {}", if kept { "✓" } else { "✗" })
}
