//! `umbra dark-matter`: everything that a dictionary does not explain, taken apart.

mod depth;
mod fit;
mod ladder;
mod places;
mod predict;
mod pursue;
mod self_test;
mod several;
mod splice;
mod text;

use std::path::PathBuf;

use super::{
    Console, CorpusArgs, DeviceArg, DocumentsArg, Exit, MismatchArgs, ModelArgs, PositionsArg,
    SaeArgs, open_both,
};
use crate::error::Result;
use crate::models::Model;
use crate::sae::Sae;
use crate::workbench::pair::Pair;
use crate::workbench::text::{Text, TextRequest};

/// Flags of `umbra dark-matter`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Fit the linear part of a dictionary's error, and measure on held-out text how much of the error is linear
    Fit(Box<fit::Args>),
    /// Measure several dictionaries of one hook on the same tokens: error by width, its power law, and how far the error of one predicts that of another
    Ladder(Box<ladder::Args>),
    /// Search for the best code of each token in place of the encoder's: what a better encoder would win, what this one misses and invents
    Pursue(Box<pursue::Args>),
    /// Predict the error and its parts from the reconstructions of other dictionaries of the model
    Predict(Box<predict::Args>),
    /// Test the split on planted errors, in a world where this dictionary's reconstructions are the truth
    SelfTest(Box<self_test::Args>),
    /// Measure what each part of the error costs: cross-entropy with it put back, removed or swapped between tokens
    Splice(Box<splice::Args>),
    /// Measure the error of all dictionaries of a model along its depth, from one pass of the model
    Depth(Box<depth::Args>),
    /// Split the error of one text token by token
    Text(Box<text::Args>),
    /// Find where the error is: by class of token, position, token and context, and what predicts its size
    Where(Box<places::Args>),
}

/// Runs `umbra dark-matter`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    match &args.verb {
        Verb::Fit(args) => fit::run(args, console),
        Verb::Ladder(args) => ladder::run(args, console),
        Verb::Pursue(args) => pursue::run(args, console),
        Verb::Predict(args) => predict::run(args, console),
        Verb::SelfTest(args) => self_test::run(args, console),
        Verb::Splice(args) => splice::run(args, console),
        Verb::Depth(args) => depth::run(args, console),
        Verb::Text(args) => text::run(args, console),
        Verb::Where(args) => places::run(args, console),
    }
}

/// Text to fit on and text to measure on, and the positions of both that count.
#[derive(Debug, Clone, clap::Args)]
struct TwoTexts {
    /// Text to fit the probes on; without --held-out, its held-out part is reserved for measuring
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Text to measure on [default: the 5 % of --corpus that training holds out]
    #[arg(long, value_name = "PATH", num_args = 1..)]
    held_out: Vec<PathBuf>,
    #[command(flatten)]
    positions: PositionsArg,
    #[command(flatten)]
    documents: DocumentsArg,
    /// Leave out the first N positions of each row, or of each document where documents are kept apart (the paper leaves out 200)
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: usize,
}

impl TwoTexts {
    /// Asks for the text to fit on.
    fn request(&self, offline: bool, console: &Console) -> Result<TextRequest> {
        let asked = (self.positions, self.documents);
        self.corpus.request(asked, offline, console)
    }

    /// Reads the text to fit on and the text to measure on, and says what was decided.
    fn read(
        &self,
        (model, sae): (&Model, &Sae),
        offline: bool,
        console: &Console,
    ) -> Result<[Text; 2]> {
        let request = self.request(offline, console)?;
        let both = request.read_split(&self.held_out, model, Some(sae))?;
        let both = both.map(|text| text.skipping(self.skip));
        for text in &both {
            console.notes(&text.notes);
        }
        Ok(both)
    }
}

/// Flags of the commands that study one dictionary by a fit on one text and figures on another.
#[derive(Debug, Clone, clap::Args)]
struct Common {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sae: SaeArgs,
    #[command(flatten)]
    texts: TwoTexts,
    #[command(flatten)]
    mismatch: MismatchArgs,
    #[command(flatten)]
    device: DeviceArg,
}

impl Common {
    /// Opens model and dictionary; an error if they do not fit.
    fn open(&self, console: &Console) -> Result<Pair> {
        open_both(&self.model, &self.sae, console)
    }

    /// Reads the text to fit on and the text to measure on, and says what was decided.
    fn texts(&self, pair: &Pair, console: &Console) -> Result<[Text; 2]> {
        self.texts
            .read((&pair.model, &pair.sae), self.model.offline, console)
    }
}
