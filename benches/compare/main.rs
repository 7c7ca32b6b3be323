//! `make bench`: compares chinwag with the servers that people would use instead.
//!
//! Each workload runs with each contender, in turn, for several rounds. Every run starts its own
//! server. `docs/speed.md` describes how to read the results.

mod audience;
mod chart;
mod contender;
mod figure;
mod line;
mod over;
mod plain;
mod process;
mod record;
mod report;
mod server;
mod speaker;
mod wire;
mod work;

use std::io::{self, Write};

use anyhow::{Result, bail};
use chinwag::shutdown;
use clap::{Parser, ValueEnum};

use crate::{
    contender::Contender,
    figure::{Figures, number},
    process::Machine,
    report::{Report, Run},
    work::{Scale, Stock, Work},
};

/// Compare chinwag with nats-server, redis-server and a plain tonic server
#[derive(Debug, Parser)]
struct Options {
    /// Workloads, separated by commas [default: all]
    #[arg(long, value_delimiter = ',')]
    only: Vec<Work>,

    /// Contenders, separated by commas [default: all]
    #[arg(long, value_delimiter = ',')]
    with: Vec<Contender>,

    /// Runs of each workload with each contender
    #[arg(long, default_value_t = 3)]
    rounds: usize,

    /// Amount of work
    #[arg(long, value_enum, default_value_t = Scale::Full)]
    scale: Scale,

    /// Run as the plain tonic server.
    #[arg(long, hide = true)]
    serve_plain: bool,

    /// Passed by cargo to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if options.serve_plain {
            return plain::serve().await;
        }
        let stop = shutdown::on_signal()?;
        // Dropping the future kills the servers.
        tokio::select! {
            result = compare(options) => result,
            () = stop.cancelled() => bail!("interrupted"),
        }
    })
}

async fn compare(options: Options) -> Result<()> {
    let works = if options.only.is_empty() { Work::value_variants() } else { &options.only };
    let mut out = io::stdout();
    for contender in Contender::ALL.into_iter().filter(|contender| contender.program().is_none()) {
        writeln!(out, "without {contender}: {}", contender.how_to_get())?;
    }
    let takes_part = |contender: &Contender| {
        contender.program().is_some()
            && (options.with.is_empty() || options.with.contains(contender))
    };
    let versions = Contender::ALL.into_iter().filter_map(Contender::version).collect();
    let mut report = Report {
        began_at: jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        command: command(&options),
        scale: options.scale,
        rounds: options.rounds,
        machine: Machine::look(versions)?,
        runs: Vec::new(),
    };
    writeln!(out, "{}", report.machine.describe())?;
    for &work in works {
        writeln!(out, "\n{}: {}", work.name(), work.describe())?;
        let mut stock = Stock::default();
        for round in 0..options.rounds {
            for contender in turns(work, round).filter(takes_part) {
                let run = run(work, contender, round, options.scale, &mut stock).await;
                writeln!(out, "  {}", describe(&run))?;
                report.runs.push(run);
            }
        }
    }
    writeln!(out, "\n{}", report.table())?;
    let complete = works.len() == Work::value_variants().len() && options.with.is_empty();
    writeln!(out, "written to {}", record::write(&report, complete)?.display())?;
    Ok(())
}

/// Returns the contenders of a round; each round begins with the next one.
fn turns(work: Work, round: usize) -> impl Iterator<Item = Contender> {
    let contenders = work.contenders();
    contenders.iter().copied().cycle().skip(round % contenders.len()).take(contenders.len())
}

async fn run(
    work: Work,
    contender: Contender,
    round: usize,
    scale: Scale,
    stock: &mut Stock,
) -> Run {
    let (figures, failure) = match work.run(contender, scale, stock).await {
        Ok(figures) => (figures, None),
        Err(error) => (Figures::new(), Some(format!("{error:#}"))),
    };
    Run { work, contender, round, figures, failure }
}

fn describe(run: &Run) -> String {
    let figures: Vec<_> = run
        .figures
        .iter()
        .map(|(metric, value)| format!("{} {}", number(*value), metric.label()))
        .collect();
    let said = run.failure.as_ref().map_or_else(|| figures.join(", "), |f| format!("failed: {f}"));
    format!("{:<12} {said}", run.contender)
}

/// Returns the command that repeats this run.
fn command(options: &Options) -> String {
    let only: Vec<_> = options.only.iter().map(|work| work.name()).collect();
    let only = if only.is_empty() { String::new() } else { format!(" ONLY={}", only.join(",")) };
    let with: Vec<_> = options.with.iter().map(|contender| contender.key()).collect();
    let with = if with.is_empty() { String::new() } else { format!(" WITH={}", with.join(",")) };
    let scale = if options.scale == Scale::Small { " SCALE=small" } else { "" };
    format!("make bench{only}{with} ROUNDS={}{scale}", options.rounds)
}
