//! `umbra baseline`: classical decompositions beside trained dictionaries, and canonical correlations.

mod correlate;
mod fit;

use std::path::PathBuf;

use super::{Console, CorpusArgs, DocumentsArg, Exit, PositionsArg};
use crate::error::Result;
use crate::models::Model;
use crate::sae::Sae;
use crate::workbench::text::Text;

/// Flags of `umbra baseline`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Fit PCA, ICA, NMF, k-means, sparse coding or random directions on a hook and save it as a dictionary that every command takes
    Fit(Box<fit::Args>),
    /// Measure the canonical correlations of two hooks, two models or two dictionaries, on the text fitted on and on held-out text
    Correlate(Box<correlate::Args>),
}

/// Runs `umbra baseline`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    match &args.verb {
        Verb::Fit(args) => fit::run(args, console),
        Verb::Correlate(args) => correlate::run(args, console),
    }
}

/// Text to fit on and text to measure on.
#[derive(Debug, clap::Args)]
struct TwoTexts {
    /// Text to fit on; without --held-out, its held-out part is reserved for measuring
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Text to measure on [default: the 5 % of --corpus that training holds out]
    #[arg(long, value_name = "PATH", num_args = 1..)]
    held_out: Vec<PathBuf>,
    /// Fit on at most about this many counted tokens, evenly spaced in the text
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    tokens: usize,
    /// Measure on at most about this many counted tokens of the held-out text, evenly spaced
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    held_out_tokens: usize,
    #[command(flatten)]
    positions: PositionsArg,
    #[command(flatten)]
    documents: DocumentsArg,
}

impl TwoTexts {
    /// Reads both texts and says what was decided.
    fn read(
        &self,
        (model, sae): (&Model, Option<&Sae>),
        offline: bool,
        console: &Console,
    ) -> Result<[Text; 2]> {
        let asked = (self.positions, self.documents);
        let request = self.corpus.request(asked, offline, console)?;
        let [fit, held_out] = request.read_split(&self.held_out, model, sae)?;
        let both = [
            fit.sampled(Some(self.tokens)),
            held_out.sampled(Some(self.held_out_tokens)),
        ];
        for text in &both {
            console.notes(&text.notes);
        }
        Ok(both)
    }
}

/// Writes definitions for `--help`.
fn defined(of: &[(&str, &str)]) -> String {
    let lines = of
        .iter()
        .map(|(name, definition)| format!("  {name}: {definition}"));
    format!("Figures:\n{}", lines.collect::<Vec<_>>().join("\n"))
}
