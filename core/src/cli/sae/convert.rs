//! `umbra sae convert`: writes a dictionary in another library's files, with operations folded into its weights or out of them.

use std::path::PathBuf;
use std::str::FromStr;

use serde_json::json;

use super::super::{Console, Exit, hub, words};
use crate::error::{Error, Result};
use crate::folders;
use crate::formats::{self, Precision, Target};
use crate::sae::Sae;

/// Flags of `umbra sae convert`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Dictionary: a folder or file of any supported library, or a name on the hub or in the registry (for circuit-tracer one per layer, or the folder of a
    /// cross-layer transcoder); then the folder to write
    #[arg(value_name = "IN OUT", num_args = 2.., required = true)]
    paths: Vec<PathBuf>,
    /// Library whose files to write
    #[arg(
        long,
        value_name = "sae-lens|sparsify|dictionary-learning|circuit-tracer"
    )]
    to: Target,
    /// Fold into the weights; may be repeated, in order: decoder-norm (rows of length 1), scale=S (the dictionary reads activations times S), whitening=FILE (it
    /// reads whitened activations; safetensors with mean, matrix, inverse_matrix), b-dec (subtracted from inputs)
    #[arg(long, value_name = "WHAT")]
    fold: Vec<Fold>,
    /// Undo in the weights, after all folds: scale=S, whitening=FILE, b-dec (no longer subtracted from inputs)
    #[arg(long, value_name = "WHAT")]
    unfold: Vec<Fold>,
    /// Never use the network: a dictionary given by name must be in the hub's cache
    #[arg(long)]
    offline: bool,
    /// Number type of the weights
    #[arg(long, value_enum, default_value_t = Stored::F32)]
    dtype: Stored,
    /// Overwrite a dictionary, run, export or store in the folder; without this flag such a folder is an error. Other files stay
    #[arg(long)]
    overwrite: bool,
}

/// `--dtype`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Stored {
    F32,
    F16,
}

/// Operation of `--fold` or `--unfold`.
#[derive(Debug, Clone, PartialEq)]
enum Fold {
    DecoderNorm,
    Scale(f32),
    Whitening(PathBuf),
    BDec,
}

impl FromStr for Fold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None if text == "decoder-norm" => Ok(Self::DecoderNorm),
            None if text == "b-dec" => Ok(Self::BDec),
            Some(("scale", number)) => {
                let scale = number
                    .parse()
                    .map_err(|cause| format!("`{number}` is not a number: {cause}"))?;
                Ok(Self::Scale(scale))
            }
            Some(("whitening", path)) => Ok(Self::Whitening(PathBuf::from(path))),
            _ => Err("give decoder-norm, scale=S, whitening=FILE or b-dec".to_owned()),
        }
    }
}

/// Runs `umbra sae convert`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let Some((out, inputs)) = args.paths.split_last() else {
        return Err(Error::setting(
            "IN OUT",
            "name a dictionary and a folder to write",
        ));
    };
    let claim = folders::claim(out, args.overwrite)?;
    let mut saes = Vec::with_capacity(inputs.len());
    for input in inputs {
        let located = hub::dictionary_at(input, args.offline, console)?;
        // The folder of a cross-layer transcoder holds all its layers.
        let opened = if let Some((layers, notes)) = formats::open_cross_layer(&located.path)? {
            console.notes(&notes);
            layers.into_layers()
        } else {
            let (sae, notes) = located.open()?;
            console.notes(&notes);
            vec![sae]
        };
        for mut sae in opened {
            for fold in &args.fold {
                folded(&mut sae, fold)?;
            }
            for fold in &args.unfold {
                unfolded(&mut sae, fold)?;
            }
            saes.push(sae);
        }
    }
    let precision = match args.dtype {
        Stored::F32 => Precision::F32,
        Stored::F16 => Precision::F16,
    };
    let notes = formats::write(&saes, out, args.to, precision)?;
    let dictionaries = saes.len();
    drop(saes); // weights may still be read from files that go now
    claim.release()?;
    console.notes(&notes);
    let object = json!({
        "out": out, "format": args.to.name(), "dictionaries": dictionaries,
        "notes": words::notes(&notes),
    });
    console.answer(&object, || {
        format!("{} ({})", out.display(), args.to.name())
    })?;
    Ok(Exit::Done)
}

fn folded(sae: &mut Sae, fold: &Fold) -> Result<()> {
    match fold {
        Fold::DecoderNorm => sae.fold_decoder_norm().map(drop),
        Fold::Scale(scale) => sae.fold_scale(*scale),
        Fold::Whitening(path) => sae.fold_whitening(&formats::whitening(path)?),
        Fold::BDec => {
            sae.subtract_b_dec(true);
            Ok(())
        }
    }
}

fn unfolded(sae: &mut Sae, fold: &Fold) -> Result<()> {
    match fold {
        Fold::DecoderNorm => Err(Error::setting(
            "--unfold",
            "a dictionary does not record the former lengths of its decoder rows, so decoder-norm cannot be undone: open the original file",
        )),
        Fold::Scale(scale) => sae.fold_scale(1.0 / scale),
        Fold::Whitening(path) => sae.fold_whitening(&formats::whitening(path)?.inverted()),
        Fold::BDec => {
            sae.subtract_b_dec(false);
            Ok(())
        }
    }
}
