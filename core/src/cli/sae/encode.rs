//! `umbra sae encode`: encodes activations from a file by a dictionary.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::{Console, DeviceArg, Exit, SaeArgs, hub};
use crate::device::check_room;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::formats;
use crate::latents::Latents;
use crate::models::read_tensors;
use crate::progress::Progress;
use crate::sae::{CrossLayer, Role, Sae};
use crate::tensor_file::Float;
use crate::tensor_file::safe::{self, Tensor};
use crate::whole_file;

/// Number of activations encoded at a time.
const CHUNK: usize = 1_024;

/// Flags of `umbra sae encode`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sae: SaeArgs,
    /// Safetensors file with activations
    #[arg(long, value_name = "FILE")]
    acts: PathBuf,
    /// Tensor of --acts: [..,d], or [..,h,e] with heads concatenated; [l,..,d] for a cross-layer transcoder's folder
    #[arg(long, value_name = "KEY", default_value = "x")]
    key: String,
    /// File to write: codes [n,f], recon [n,d]; with a leading layer dimension for a cross-layer transcoder
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    device: DeviceArg,
}

/// Runs `umbra sae encode`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    whole_file::check(&args.out)?;
    let located = hub::dictionary_at(&args.sae.sae, false, console)?;
    if let Some((layers, notes)) = formats::open_cross_layer(&located.path)? {
        console.notes(&notes);
        return across(args, &layers, console);
    }
    let sae = args.sae.read_at(&located, console)?;
    let (x, text) = activations(args, &sae)?;
    // A temporal dictionary reads whole texts.
    let chunk = if matches!(sae.role, Role::Temporal(_)) {
        text
    } else {
        CHUNK
    };
    let (n, f, d) = (x.rows(), sae.features(), sae.w_dec.columns());
    let mut dense = Dense::new(n, (f, d))?;
    let at_once = n.min(chunk);
    args.device.place(&sae, (at_once, true), console)?;
    let mut bar = console.bar("Encoding");
    for start in (0..n).step_by(chunk.max(1)) {
        let some: Vec<u32> = (start as u32..(start + chunk).min(n) as u32).collect();
        let x = x.rows_of(&some);
        let latents = sae.encode_text(&x)?;
        dense.put(start, &latents, &sae.decode_text(&latents, &x)?);
        let at = Progress::new(start + some.len(), n, "activations");
        if bar.at(at).is_break() {
            return Ok(Exit::Stopped);
        }
    }
    drop(bar);
    dense.write(&args.out, &[n])?;
    let l0 = dense.l0();
    let object = json!({
        "out": args.out, "codes": [n, f], "recon": [n, d], "l0": l0,
        "selection": sae.selection.describe(),
    });
    console.answer_beside(&args.out, &object, || {
        format!(
            "{}\ncodes [{n}, {f}], recon [{n}, {d}]\n{l0:.3} active features per activation ({})",
            args.out.display(),
            sae.selection.describe()
        )
    })?;
    Ok(Exit::Done)
}

/// Dense codes `[n, f]` and reconstructions `[n, d]`.
struct Dense {
    codes: Matrix,
    recon: Matrix,
    active: usize,
}

impl Dense {
    /// Allocates zeros, if there is room for them: as numbers, as bytes and in the file.
    fn new(n: usize, (f, d): (usize, usize)) -> Result<Self> {
        check_room(12 * n as u64 * (f + d) as u64, || {
            format!("writing dense codes of {n} activations and {f} features")
        })?;
        Ok(Self {
            codes: Matrix::zeros(n, f),
            recon: Matrix::zeros(n, d),
            active: 0,
        })
    }

    /// Inserts rows from `start` on.
    fn put(&mut self, start: usize, latents: &Latents, out: &Matrix) {
        for i in 0..out.rows() {
            for (feature, act) in latents.row(i) {
                self.codes.row_mut(start + i)[feature.index()] = act;
            }
            self.recon.row_mut(start + i).copy_from_slice(out.row(i));
        }
        self.active += latents.acts.len();
    }

    /// Writes the file, with `rows` as the first dimensions.
    fn write(&self, path: &Path, rows: &[usize]) -> Result<()> {
        let tensor =
            |name, of| Tensor::new(name, &[rows, &[Matrix::columns(of)]].concat(), of.values());
        let tensors = [tensor("codes", &self.codes), tensor("recon", &self.recon)];
        whole_file::write_bytes(path, &safe::bytes(&tensors, Float::F32)?)
    }

    /// Returns the mean number of active features per row.
    fn l0(&self) -> f64 {
        self.active as f64 / self.codes.rows().max(1) as f64
    }
}

/// Encodes by a cross-layer transcoder: activations `[l, n, d]` to codes `[l, n, f]` and reconstructions `[l, n, d]`.
fn across(args: &Args, of: &CrossLayer, console: &Console) -> Result<Exit> {
    let (l, f, d) = (of.layers().len(), of.layers()[0].features(), of.width_out());
    let (x, _) = activations(args, &of.layers()[0])?;
    if !x.rows().is_multiple_of(l) {
        let what = format!(
            "tensor `{}` holds {} activations, which {l} layers do not divide: the first dimension must be the layer",
            args.key,
            x.rows()
        );
        return Err(Error::input(what, &args.acts));
    }
    let n = x.rows() / l;
    let mut dense = Dense::new(l * n, (f, d))?;
    args.device.place(of, (n.min(CHUNK), true), console)?;
    let mut bar = console.bar("Encoding");
    for start in (0..n).step_by(CHUNK) {
        let some = start..(start + CHUNK).min(n);
        let chunk: Vec<Matrix> = (0..l)
            .map(|layer| {
                let rows: Vec<u32> = some.clone().map(|row| (layer * n + row) as u32).collect();
                x.rows_of(&rows)
            })
            .collect();
        let latents = of.encode(&chunk)?;
        let written = of.decode(&latents, &chunk)?;
        for (layer, (latents, written)) in latents.iter().zip(&written).enumerate() {
            dense.put(layer * n + start, latents, written);
        }
        let at = Progress::new(some.end, n, "activations of each layer");
        if bar.at(at).is_break() {
            return Ok(Exit::Stopped);
        }
    }
    drop(bar);
    dense.write(&args.out, &[l, n])?;
    let l0 = dense.l0();
    let object = json!({ "out": args.out, "codes": [l, n, f], "recon": [l, n, d], "l0": l0 });
    console.answer_beside(&args.out, &object, || {
        format!(
            "{}\ncodes [{l}, {n}, {f}], recon [{l}, {n}, {d}]\n{l0:.3} active features per activation and layer",
            args.out.display()
        )
    })?;
    Ok(Exit::Done)
}

/// Returns the activations, one per row, and how many of them belong to one text: the dimension before the last, or before heads.
fn activations(args: &Args, sae: &Sae) -> Result<(Matrix, usize)> {
    let width = sae.width();
    let mut tensors = read_tensors(&args.acts)?;
    let names: Vec<String> = tensors.keys().take(8).cloned().collect();
    let tensor = tensors.remove(&args.key).ok_or_else(|| {
        let remedy = format!("name another by --key, there are {}", names.join(", "));
        Error::missing(&args.key, &args.acts, remedy)
    })?;
    let shape = tensor.dims().to_vec();
    let last = |count: usize| -> usize { shape.iter().rev().take(count).product() };
    // A dictionary of one head reads its slice of [b, t, h, e] and of [n, h·e]; rows of its own width are slices already.
    let all_heads = match shape.as_slice() {
        _ if sae.provenance.head.is_none() => None,
        [_, _, heads, e] if *e == width => Some((heads * e, 2)),
        [.., wide] if *wide > width && wide.is_multiple_of(width.max(1)) => Some((*wide, 1)),
        _ => None,
    };
    if let Some((wide, parts)) = all_heads {
        let x = sae
            .own_part(&Matrix::from_tensor(&tensor, wide)?)?
            .into_owned();
        let text = shape.iter().rev().nth(parts).copied().unwrap_or(1);
        check_finite(&x, args)?;
        return Ok((x, text));
    }
    if shape.is_empty() || (last(1) != width && last(2) != width) {
        let what = format!(
            "tensor `{}` has shape {shape:?}, the dictionary reads rows of {width}: capture the hook that it was trained on",
            args.key
        );
        return Err(Error::input(what, &args.acts));
    }
    let x = Matrix::from_tensor(&tensor, width)?;
    let parts = if last(1) == width { 1 } else { 2 };
    let text = shape.iter().rev().nth(parts).copied().unwrap_or(1);
    check_finite(&x, args)?;
    Ok((x, text))
}

/// Checks that activations are finite.
fn check_finite(x: &Matrix, args: &Args) -> Result<()> {
    let Some(at) = x.values().iter().position(|value| !value.is_finite()) else {
        return Ok(());
    };
    let what = format!(
        "tensor `{}` holds {} at entry {at}: capture it again",
        args.key,
        x.values()[at]
    );
    Err(Error::input(what, &args.acts))
}
