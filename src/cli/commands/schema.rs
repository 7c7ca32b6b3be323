//! `chinwag schema`: the JSON Schema of what `--json` prints.

use std::io::{self, Write};

use crate::cli::{failure::Result, json::JsonLine};

pub(crate) fn run() -> Result<()> {
    let schema = serde_json::to_string_pretty(&JsonLine::schema()).map_err(io::Error::from)?;
    Ok(writeln!(io::stdout().lock(), "{schema}")?)
}
