//! Draws the results as bars, in SVG without external resources.

use std::fmt::Write as _;

use crate::{
    contender::Contender,
    figure::{Metric, number},
    report::Report,
    work::Work,
};

/// The panels.
const PANELS: [(Work, Metric, &str); 6] = [
    (Work::Burst, Metric::Deliveries, "Burst to 1,000 subscribers: deliveries/s"),
    (Work::Burst, Metric::CpuPerDelivery, "Burst: µs of server CPU per delivery (less is better)"),
    (Work::Rooms, Metric::Deliveries, "200 rooms, everybody speaks: deliveries/s"),
    (Work::Waiting, Metric::Posts, "64 publishers, synced to disk: acked posts/s"),
    (Work::CatchUp, Metric::StoredReads, "Late subscriber: stored messages/s"),
    (
        Work::Idle,
        Metric::MemoryPerSubscriber,
        "Idle subscriber: KiB of server memory (less is better)",
    ),
];

const PANELS_A_ROW: usize = 2;
const PANEL_WIDTH: usize = 440;
const BAR_HEIGHT: usize = 18;
const BAR_STEP: usize = 24;
const TITLE_HEIGHT: usize = 34;
/// The height of a panel: four bars and space.
const PANEL_HEIGHT: usize = TITLE_HEIGHT + 4 * BAR_STEP + 20;
const MARGIN: usize = 20;
const LABEL_WIDTH: usize = 90;
/// The width of a bar, without its label and its number.
const LONGEST_BAR: f64 = 230.0;

const OURS: &str = "#0f766e";
const OTHERS: &str = "#94a3b8";
const INK: &str = "#1e293b";

/// Draws the chart. Panels without results are omitted.
pub(crate) fn draw(report: &Report) -> String {
    let panels: Vec<_> = PANELS
        .into_iter()
        .map(|(work, metric, title)| (title, bars(report, work, metric)))
        .filter(|(_, bars)| !bars.is_empty())
        .collect();
    let width = PANELS_A_ROW * PANEL_WIDTH + MARGIN;
    let height = panels.len().div_ceil(PANELS_A_ROW) * PANEL_HEIGHT + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"{INK}\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#ffffff\"/>\n"
    );
    for (index, (title, bars)) in panels.iter().enumerate() {
        let x = MARGIN + index % PANELS_A_ROW * PANEL_WIDTH;
        let y = MARGIN + index / PANELS_A_ROW * PANEL_HEIGHT;
        panel(&mut svg, (x, y), title, bars);
    }
    svg.push_str("</svg>\n");
    svg
}

fn bars(report: &Report, work: Work, metric: Metric) -> Vec<(Contender, f64)> {
    let bar = |&contender| Some((contender, report.median(work, contender, metric)?));
    work.contenders().iter().filter_map(bar).collect()
}

fn panel(svg: &mut String, (x, y): (usize, usize), title: &str, bars: &[(Contender, f64)]) {
    let longest = bars.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    // Writing to a string cannot fail.
    let _ = writeln!(svg, "<text x=\"{x}\" y=\"{}\" font-weight=\"600\">{title}</text>", y + 14);
    for (index, (contender, value)) in bars.iter().enumerate() {
        let top = y + TITLE_HEIGHT + index * BAR_STEP;
        let base = top + BAR_HEIGHT - 5;
        let from = x + LABEL_WIDTH;
        let length = (value / longest * LONGEST_BAR).max(1.0);
        let color = if *contender == Contender::Chinwag { OURS } else { OTHERS };
        let end = from as f64 + length + 6.0;
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{base}\">{contender}</text>\
             <rect x=\"{from}\" y=\"{top}\" width=\"{length:.1}\" height=\"{BAR_HEIGHT}\" rx=\"2\" \
             fill=\"{color}\"/><text x=\"{end:.1}\" y=\"{base}\">{}</text>",
            number(*value)
        );
    }
}
