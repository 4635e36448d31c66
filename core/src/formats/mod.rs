//! Reads and writes SAEs in the formats of other libraries. Only this module knows other libraries' names and orientation. Each library has one file, whose
//! header says what is read.

mod circuit_tracer;
mod claims;
mod cross_layer;
mod detect;
mod dictionary_learning;
mod gemma_scope;
mod gemma_scope_2;
mod hook_z;
mod linear_pair;
mod llama_scope;
mod llamascopium;
mod look;
mod on_hub;
mod openai;
mod parent;
mod parts;
mod place;
mod qwen_scope;
mod reading;
mod registry;
mod sae_lens;
mod sparsify;
mod temporal;
#[cfg(test)]
mod tests;
mod weights;
mod write;

use std::path::{Path, PathBuf};

use self::detect::Found;
use self::weights::WeightFile;
use crate::error::{Error, Notes, Result};
use crate::ids::HookPoint;
use crate::models::{Model, Processing};
use crate::sae::{CrossLayer, Provenance, Role, Sae, Whitening};
use crate::tensor_file::Float;

pub(crate) use self::detect::{files_in, may_be_settings, may_be_weights};

pub use self::claims::{Claim, Claimed, WhileTrained, claims};
pub use self::look::{Look, Tensor, dictionaries_at, look};
pub use self::on_hub::fetch;
pub use self::parent::{Parent, parent};
pub(crate) use self::reading::is_of_positions;
pub use self::reading::{Reading, kept_apart, name_documents, name_positions, rows, rule};
pub(crate) use self::registry::closest;
pub use self::registry::{
    Entry, Known, Located, Matches, Named, Registry, Release, is_registered, named,
};
pub use self::write::{Target, write};

/// Library or publisher of a dictionary's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// SAELens, and everything that Umbra saves.
    SaeLens,
    /// EleutherAI's sparsify.
    Sparsify,
    /// dictionary_learning.
    DictionaryLearning,
    /// OpenAI's dictionaries of GPT-2 small.
    OpenAi,
    /// Gemma Scope, of Gemma 2.
    GemmaScope,
    /// Gemma Scope 2, of Gemma 3.
    GemmaScope2,
    /// Llama Scope.
    LlamaScope,
    /// Llama Scope's successor, of DeepSeek-R1-Distill.
    LlamaScopeR1,
    /// Qwen Scope.
    QwenScope,
    /// Goodfire's dictionaries of Llama.
    Goodfire,
    /// The dictionaries of DeepSeek-R1-Distill-Llama-8B in two linear layers.
    DeepSeekR1,
    /// The attention dictionaries of GPT-2 small.
    HookZ,
    /// Per-layer transcoders of circuit-tracer.
    CircuitTracer,
    /// Llamascopium.
    Llamascopium,
    /// Temporal dictionaries in their authors' files.
    Temporal,
}

impl Format {
    /// All formats, in the order of lists.
    pub const ALL: &'static [Self] = &[
        Self::SaeLens,
        Self::Sparsify,
        Self::DictionaryLearning,
        Self::OpenAi,
        Self::GemmaScope,
        Self::GemmaScope2,
        Self::LlamaScope,
        Self::LlamaScopeR1,
        Self::QwenScope,
        Self::Goodfire,
        Self::DeepSeekR1,
        Self::HookZ,
        Self::CircuitTracer,
        Self::Llamascopium,
        Self::Temporal,
    ];

    /// Returns the format's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SaeLens => "SAELens",
            Self::Sparsify => "sparsify",
            Self::DictionaryLearning => "dictionary_learning",
            Self::OpenAi => "OpenAI sparse_autoencoder",
            Self::GemmaScope => "Gemma Scope",
            Self::GemmaScope2 => "Gemma Scope 2",
            Self::LlamaScope => "Llama Scope",
            Self::LlamaScopeR1 => "Llama Scope R1-Distill",
            Self::QwenScope => "Qwen Scope",
            Self::Goodfire => "Goodfire",
            Self::DeepSeekR1 => "DeepSeek-R1 SAE",
            Self::HookZ => "attn-saes",
            Self::CircuitTracer => "circuit-tracer",
            Self::Llamascopium => "Llamascopium",
            Self::Temporal => "temporalSAEs",
        }
    }

    /// Returns, as a phrase, how closely the library's outputs are reproduced and from which version, as `tests/golden` compares them.
    pub const fn reproduced(self) -> &'static str {
        match self {
            Self::SaeLens => {
                "reproduced within 1e-5 of the largest entry, from sae-lens 6.54.12 (standard, topk, abstopk, jumprelu, gated, transcoders, temporal)"
            }
            Self::Sparsify => {
                "reproduced within 1e-5 of the largest entry, from sparsify 1.3.3 (topk)"
            }
            Self::DictionaryLearning => {
                "reproduced within 1e-5 of the largest entry, from dictionary_learning 0.1.0 (AutoEncoder, AutoEncoderTopK)"
            }
            Self::CircuitTracer => {
                "reproduced within 1e-5 of the largest entry, from circuit-tracer 0.5.0 (ReLU, JumpReLU, skip connections, per layer and across layers)"
            }
            Self::GemmaScope2 => {
                "reproduced within 1e-5 of the largest entry, from circuit-tracer 0.5.0's loader (transcoders per layer and across layers, affine)"
            }
            Self::Temporal => {
                "reproduced within 1e-5 of the largest entry, from sae-lens 6.54.12 with the same tensors under its names"
            }
            Self::OpenAi | Self::GemmaScope => {
                "reproduced within 1e-5 of the largest entry, from the published formulas"
            }
            _ => "not compared; the format is read according to the library's source code",
        }
    }

    /// Detects the format of the files at `path`, a folder or a file; an error says what there is instead.
    pub fn detect(path: &Path) -> Result<Self> {
        there(path)?;
        Ok(detect::detect(path)?.format)
    }
}

/// Precision of stored weights. `cfg.json` says `float32` either way, since readers compute in the type that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 4 bytes per entry.
    #[default]
    F32,
    /// 2 bytes per entry.
    F16,
}

impl Precision {
    pub(crate) const fn float(self) -> Float {
        match self {
            Self::F32 => Float::F32,
            Self::F16 => Float::F16,
        }
    }
}

/// Opens the dictionary at `path`, a folder or a file of any [`Format`]; the notes say what was decided. Weights in 16 bits are widened to f32. A matrix of 256
/// MB or more that needs no rewriting stays in its file until it is used ([`crate::dims::Matrix`]). Memory: the weights once, and at most 64 times a deflated
/// file.
pub fn open(path: &Path) -> Result<(Sae, Notes)> {
    open_known(path, None)
}

/// Opens the dictionary at `path` with the facts that only SAELens's registry has.
pub fn open_known(path: &Path, known: Option<&Known>) -> Result<(Sae, Notes)> {
    open_among(path, known, &[])
}

/// Opens the dictionary at `path` as [`open_known`] does. A dictionary of an error is opened with its parent, which is looked for at the recorded path and then in
/// `parents`; a parent that is missing or has another fingerprint is an error.
pub fn open_among(path: &Path, known: Option<&Known>, parents: &[PathBuf]) -> Result<(Sae, Notes)> {
    open_at(path, known, (parents, 0))
}

/// Opens a dictionary at the end of `depth` children.
fn open_at(
    path: &Path,
    known: Option<&Known>,
    (parents, depth): (&[PathBuf], usize),
) -> Result<(Sae, Notes)> {
    there(path)?;
    let found = detect::detect(path)?;
    let (mut sae, mut notes) = read(&found, known)?;
    if found.format == Format::SaeLens {
        parent::attach(&mut sae, &found.folder, (parents, depth), &mut notes)?;
    }
    if sae.w_enc.is_of_file() || sae.w_dec.is_of_file() {
        notes.add("Its large weights stay in the file and are read when used: do not change the file while it is open");
    }
    if let Some(known) = known {
        known.apply(&mut sae, found.format, &mut notes)?;
    }
    Ok((sae, notes))
}

/// Opens the cross-layer transcoder whose layers' files lie in the folder at `path`; none if the folder holds something else. [`open`] opens one layer's file
/// as a dictionary.
pub fn open_cross_layer(path: &Path) -> Result<Option<(CrossLayer, Notes)>> {
    there(path)?;
    cross_layer::read(path)
}

fn read(found: &Found, known: Option<&Known>) -> Result<(Sae, Notes)> {
    match found.format {
        Format::SaeLens => sae_lens::read(&found.folder, known),
        Format::Sparsify => sparsify::read(found),
        Format::DictionaryLearning => dictionary_learning::read(found),
        Format::OpenAi => openai::read(found),
        Format::GemmaScope => gemma_scope::read(found),
        Format::GemmaScope2 => gemma_scope_2::read(found),
        Format::LlamaScope => llama_scope::read(found),
        Format::LlamaScopeR1 => llama_scope::read_r1(found, known),
        Format::QwenScope => qwen_scope::read(found),
        Format::Goodfire => linear_pair::read_goodfire(found),
        Format::DeepSeekR1 => linear_pair::read_deepseek(found),
        Format::HookZ => hook_z::read(found),
        Format::CircuitTracer if cross_layer::circuit_tracer_layer(&found.file()).is_some() => {
            cross_layer::read_circuit_tracer(found)
        }
        Format::CircuitTracer => circuit_tracer::read(found),
        Format::Llamascopium => llamascopium::read(found),
        Format::Temporal => temporal::read(found, known),
    }
}

fn there(path: &Path) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    Err(Error::input("no such dictionary folder", path))
}

/// Saves a SAELens folder (`cfg.json`, `sae_weights.safetensors`), whole or not at all.
pub fn save(sae: &Sae, folder: &Path, precision: Precision) -> Result<()> {
    sae_lens::write(sae, folder, precision)
}

impl Sae {
    /// Opens the dictionary at `path`, a folder or a file of any [`Format`]; see [`open`].
    pub fn open<P: AsRef<Path> + ?Sized>(path: &P) -> Result<(Self, Notes)> {
        open(path.as_ref())
    }

    /// Saves the dictionary as a SAELens folder with 32-bit weights; see [`save`].
    pub fn save<P: AsRef<Path> + ?Sized>(&self, folder: &P) -> Result<()> {
        save(self, folder.as_ref(), Precision::F32)
    }
}

/// Metadata key for the training step at which a checkpoint's dictionary was saved.
pub const AT_STEP: &str = "checkpoint_step";

/// Returns how the model was processed that `sae` was trained on, if its file says so.
pub fn processing(sae: &Sae) -> Option<Processing> {
    sae_lens::kwargs::processing(&sae.provenance).map(|named| named.processing)
}

/// Returns `model` as it reads for `sae`: where the dictionary's file says whether BOS precedes every text, that overrides the model's rule, and a sentence
/// says so. The weights are shared.
pub fn reader(model: &Model, sae: &Sae) -> (Model, Option<String>) {
    let Some(with_bos) = sae.provenance.prepend_bos else {
        return (model.clone(), None);
    };
    let (codec, note) = model.codec().as_trained(with_bos);
    (model.clone().with_codec(codec), note)
}

/// Records in `provenance` how the model is processed, where SAELens looks for it.
pub fn name_processing(provenance: &mut Provenance, processing: Processing) {
    sae_lens::kwargs::write(provenance, processing);
}

/// Checks that `sae` encodes each token by itself and that `model` has its hooks (one for an autoencoder, else two) in its widths.
pub fn check_hooks(sae: &Sae, model: &Model) -> Result<()> {
    sae.check_by_token()?;
    sae.check_alone()?;
    check_ends(sae, model)
}

/// Checks that `model` has the hooks that `sae` reads and writes, in its widths.
pub(crate) fn check_ends(sae: &Sae, model: &Model) -> Result<()> {
    check_width(sae, model, (sae.reads()?, sae.width(), "reads"))?;
    let blocks = sae.role.writes_layers();
    let writes = match &sae.role {
        Role::CrossLayer { transcoder, .. } => transcoder.hook_out,
        Role::Autoencoder | Role::Transcoder(_) | Role::Temporal(_) => Some(sae.writes()?),
    };
    writes.map_or(Ok(()), |hook| {
        check_width(sae, model, (hook, sae.w_dec.columns() / blocks, "writes"))
    })
}

/// Checks that `hook` in `model` is as wide as `sae` reads or writes it.
pub(crate) fn check_width(
    sae: &Sae,
    model: &Model,
    (hook, wanted, does): (HookPoint, usize, &str),
) -> Result<()> {
    let width = width_for(sae, model, hook)?;
    if width == wanted {
        return Ok(());
    }
    let what = format!(
        "width {width} in {}, but {} {does} {wanted}: choose the model it was trained on",
        model.name(),
        sae.name
    );
    Err(Error::hook(hook, what))
}

/// Returns the width of `hook` for `sae`: of all heads together, or of one where it reads one.
pub(crate) fn width_for(sae: &Sae, model: &Model, hook: HookPoint) -> Result<usize> {
    let width = model.width(hook)?;
    let Some(head) = sae.provenance.head else {
        return Ok(width);
    };
    match model.heads(hook) {
        Some(heads) if head.index() < heads => Ok(width / heads),
        heads => {
            let there = heads.map_or_else(
                || "has no dimension of heads".to_owned(),
                |heads| format!("has {heads} heads in {}", model.name()),
            );
            let what = format!(
                "{there}, the dictionary {} reads head {head}: choose the model it was trained on",
                sae.name
            );
            Err(Error::hook(hook, what))
        }
    }
}

/// Returns the folder's name, even where the path ends in `.`.
fn folder_name(folder: &Path) -> String {
    let whole = folder.canonicalize();
    let folder = whole.as_deref().unwrap_or(folder);
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    name.to_string_lossy().into_owned()
}

/// Opens a whitening as SAELens stores it beside a training checkpoint (`activation_whitening.safetensors`): `mean [d]`, `matrix [d, d]`, `inverse_matrix [d,
/// d]`.
pub fn whitening(path: &Path) -> Result<Whitening> {
    let file = WeightFile::open(path)?;
    let tensors = file.tensors()?;
    let [d, _] = tensors.sizes("matrix")?;
    Ok(Whitening {
        mean: tensors.vector("mean", d)?,
        matrix: tensors.matrix("matrix", [d, d])?,
        inverse: tensors.matrix("inverse_matrix", [d, d])?,
    })
}
