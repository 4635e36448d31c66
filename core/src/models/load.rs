//! From a path to a model: which files, which family, which tokenizer. The only file of `models` that opens files besides `weights`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde_json::Value;

use super::decoder::Decoder;
use super::ends::{self, Ends};
use super::families::Family;
use super::fingerprint;
use super::footprint::{Footprint, Form};
use super::gguf::Gguf;
use super::settings::Settings;
use super::weights::{self, Fetch, Weights};
use super::{BosWish, Config, Opening, Processing};
use crate::device;
use crate::error::{Error, Notes, Result};
use crate::hub;
use crate::text::TextCodec;

/// Parts of a model read from disk.
pub(super) struct Loaded {
    /// Shape of the model.
    pub(super) config: Config,
    /// Weights.
    pub(super) decoder: Decoder,
    /// Tokenizer.
    pub(super) codec: TextCodec,
    /// Tokens that end a text.
    pub(super) ends: Ends,
    /// Size on disk and in memory.
    pub(super) footprint: Footprint,
    /// Processing of its weights.
    pub(super) processing: Processing,
    /// Fingerprint; empty where the model is only described.
    pub(super) fingerprint: String,
}

impl Loaded {
    /// Particulars, in sentences for its card.
    pub(super) fn facts(&self) -> Vec<String> {
        let mut facts = self.decoder.facts();
        facts.extend(self.processing.fact());
        facts
    }
}

/// Model whose headers are read and whose weights are not.
pub(super) struct Source {
    path: PathBuf,
    settings: Settings,
    place: Place,
    processing: Processing,
    bos: BosWish,
}

/// Whether `folder` holds a model: settings with weights or a tokenizer beside them, or a GGUF file.
pub(crate) fn is_in(folder: &Path) -> bool {
    let text = std::fs::read(folder.join("config.json")).unwrap_or_default();
    let settings: Value = serde_json::from_slice(&text).unwrap_or_default();
    let of_model = ["model_type", "architectures"]
        .iter()
        .any(|key| settings.get(key).is_some());
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let beside = |name: &String| {
        let starts = ["model", "pytorch_model", "tokenizer"];
        let gguf = Path::new(name)
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("gguf"));
        gguf || (of_model && starts.iter().any(|start| name.starts_with(start)))
    };
    names.into_iter().any(|name| beside(&name))
}

enum Place {
    Folder(Box<dyn Weights>),
    File(Box<Gguf>),
}

impl Source {
    /// Identifies the model at `path`, to be held and processed as `opening` says.
    pub(super) fn find(path: &Path, opening: Opening) -> Result<Self> {
        let Opening {
            processing, bos, ..
        } = opening;
        if !path.exists() {
            return Err(Error::input(
                "does not exist: give a model folder, a .gguf file, or a name on the hub such as openai-community/gpt2",
                path,
            ));
        }
        if path.is_file() {
            let file = Gguf::open(path, opening.form)?;
            let settings = file.settings()?;
            return Ok(Self {
                path: path.to_path_buf(),
                settings: Family::from_settings(&settings)?.complete(settings),
                place: Place::File(Box::new(file)),
                processing,
                bos,
            });
        }
        let settings_path = path.join("config.json");
        if !settings_path.exists() {
            return Err(Error::input(
                "is not a model folder: config.json is missing",
                path,
            ));
        }
        let settings = Settings::open(&settings_path)?;
        if settings.get("quantization_config").is_some() {
            return Err(settings.unsupported("`quantization_config`"));
        }
        let settings = Family::from_settings(&settings)?.complete(settings);
        Ok(Self {
            path: path.to_path_buf(),
            settings,
            place: Place::Folder(weights::of_folder(path)?),
            processing,
            bos,
        })
    }

    /// Size on disk and in memory.
    pub(super) fn footprint(&self) -> Result<Footprint> {
        let form = match &self.place {
            Place::Folder(_) => Form::F32,
            Place::File(file) => file.form(),
        };
        let footprint = Footprint::new(&self.settings, self.weights(), form)?;
        if self.processing.is_none() {
            return Ok(footprint);
        }
        let (config, decoder) = Family::from_settings(&self.settings)?
            .build(&self.settings, &Fetch::hollow(self.weights()))?;
        let allowed =
            self.processing
                .allowed((&config, &decoder), footprint.form, &mut Notes::default())?;
        if allowed.unties() {
            return footprint.untied(&self.settings, &config);
        }
        Ok(footprint)
    }

    /// Describes the model: names and shapes of weights are checked, values are not read.
    pub(super) fn describe(self, notes: &mut Notes) -> Result<Loaded> {
        let footprint = self.footprint()?;
        self.put_together(&Fetch::hollow(self.weights()), footprint, notes)
    }

    /// Reads the weights and the tokenizer; decisions go into `notes`.
    pub(super) fn load(self, notes: &mut Notes) -> Result<Loaded> {
        let footprint = self.footprint()?;
        if let Some(free) = device::free_memory() {
            footprint.fits(free)?;
        }
        let mut loaded = self.put_together(&Fetch::new(self.weights()), footprint, notes)?;
        loaded
            .processing
            .apply(&loaded.config, &mut loaded.decoder)?;
        loaded.fingerprint = self.fingerprint()?;
        Ok(loaded)
    }

    fn put_together(
        &self,
        fetch: &Fetch<'_>,
        footprint: Footprint,
        notes: &mut Notes,
    ) -> Result<Loaded> {
        let family = Family::from_settings(&self.settings)?;
        let (config, decoder) = family.build(&self.settings, fetch)?;
        let processing = self
            .processing
            .allowed((&config, &decoder), footprint.form, notes)?;
        let mut codec = self.codec(&config, notes)?;
        if self.bos.left_out {
            codec = codec.without_bos();
        }
        if self.bos.doubled {
            codec = codec.with_double_bos();
        }
        codec.check_vocabulary(config.vocab, notes)?;
        notes.add(match codec.bos().id {
            Some(_) => format!("BOS precedes every text: {}", codec.bos().why),
            None => format!("No BOS: {}", codec.bos().why),
        });
        let ends = self.ends(&codec)?;
        Ok(Loaded {
            config,
            decoder,
            codec,
            ends,
            footprint,
            processing,
            fingerprint: String::new(),
        })
    }

    /// Fingerprint, computed once as long as the files stay the same.
    pub(super) fn fingerprint(&self) -> Result<String> {
        let settings = self.settings.values();
        match &self.place {
            Place::Folder(files) => {
                let (tokenizer, read) = fingerprint::tokenizer_of(&self.path)?;
                let own = [self.settings.path().to_path_buf()];
                let all: Vec<PathBuf> = own.into_iter().chain(read).chain(files.files()).collect();
                fingerprint::once(&all, || {
                    fingerprint::compute(settings, &tokenizer, files.as_ref())
                })
            }
            Place::File(file) => fingerprint::once(std::slice::from_ref(&self.path), || {
                fingerprint::compute(settings, &file.tokenizer_bytes(), file.as_ref())
            }),
        }
    }

    fn weights(&self) -> &dyn Weights {
        match &self.place {
            Place::Folder(files) => files.as_ref(),
            Place::File(file) => file.as_ref(),
        }
    }

    /// Tokens that end a text.
    fn ends(&self, codec: &TextCodec) -> Result<Ends> {
        match &self.place {
            Place::File(file) => file.ends(),
            Place::Folder(_) => ends::of_folder(&self.path, &settings_file, codec),
        }
    }

    fn codec(&self, config: &Config, notes: &mut Notes) -> Result<TextCodec> {
        match &self.place {
            Place::File(file) => {
                notes.add(match file.form() {
                    Form::F32 => "GGUF: weights are dequantised to f32",
                    Form::Stored => {
                        "GGUF: matrices stay as stored and are dequantised where they are used"
                    }
                });
                file.codec()
            }
            Place::Folder(_) => {
                let Some(files) = TextCodec::files(&self.path) else {
                    notes.add("Neither tokenizer.json nor vocab.json with merges.txt: tokens are numbers, text cannot be read");
                    return TextCodec::numbers(&self.path, config.vocab);
                };
                if files.len() > 1 {
                    notes.add(format!(
                        "No tokenizer.json: the tokenizer is read from {}",
                        files.join(" and ")
                    ));
                }
                TextCodec::open(&self.path)
            }
        }
    }
}

/// Reads a JSON file of a model folder; none if it does not exist.
fn settings_file(path: &Path) -> Result<Option<Value>> {
    if !path.exists() {
        return Ok(None);
    }
    let text =
        std::fs::read_to_string(path).map_err(|e| Error::io("reading the settings", path, e))?;
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|e| Error::input(format!("is not valid JSON ({e})"), path))
}

/// Names a model: as on the hub if it lies in its cache, else by its folder or file, even where the path ends in `.`.
pub(super) fn name_of(path: &Path) -> String {
    if let Some(name) = hub::name_in(path) {
        return name;
    }
    let whole = path.canonicalize();
    let whole = whole.as_deref().unwrap_or(path);
    // A link has its own name and not that of what it leads to.
    let named = if path.file_name().is_some() {
        path
    } else {
        whole
    };
    named.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// Reads the metadata of a safetensors file; empty where there are none.
pub fn read_metadata(path: &Path) -> Result<BTreeMap<String, String>> {
    let file = crate::tensor_file::map(path, "safetensors")?;
    let (_, header) = safetensors::SafeTensors::read_metadata(&file)
        .map_err(|e| Error::input(format!("is not a readable safetensors file ({e})"), path))?;
    let metadata = header.metadata().clone().unwrap_or_default();
    Ok(metadata.into_iter().collect())
}

/// Reads the tensors of a safetensors file by name: captured values, reference values (`tokens` `[b, t]` and tensors under the names of quantities).
pub fn read_tensors(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let tensors = candle_core::safetensors::load(path, &Device::Cpu).map_err(|e| {
        let text = e.to_string();
        let reason = text.lines().next().unwrap_or_default();
        Error::input(
            format!("is not a readable safetensors file ({reason})"),
            path,
        )
    })?;
    Ok(tensors.into_iter().collect())
}
