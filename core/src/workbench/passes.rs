//! Passes over held-out text: how much text an evaluation or an index reads, how long that is expected to take, and how fast the last passes were.
//!
//! Times come from passes that were run on this machine; they are kept in a file of the user's data folder. Where none is like the one that is asked about,
//! the time is unknown.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::devices::Choice;
use super::pair::Pair;
use super::text::{Most, TextRequest};
use super::user_file::{Layout, UserData};
use crate::corpus::{Part, Rows};
use crate::device::{DeviceWish, processor};
use crate::error::Result;
use crate::models::Model;
use crate::progress::{Ended, span};
use crate::project::Project;

/// Name of the file of speeds in the user's data folder.
pub const FILE: &str = "passes.json";

const LAYOUT: Layout = ("umbra-passes", 1);

/// Passes kept at most, the latest.
const KEPT: usize = 64;

/// Largest factor between the features of two dictionaries whose passes count as alike.
const ALIKE: usize = 4;

/// Kind of pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pass {
    /// Figures of a dictionary.
    Evaluation,
    /// Feature index of a dictionary.
    Index,
}

impl Pass {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Evaluation, Self::Index];

    /// Noun for sentences.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Evaluation => "evaluation",
            Self::Index => "index",
        }
    }

    /// Tokens that a pass reads unless a person asks for another amount.
    pub const fn default_tokens(self) -> u64 {
        match self {
            Self::Evaluation => 200_000,
            Self::Index => 1_000_000,
        }
    }

    /// Says why that many tokens are the default.
    pub const fn default_reason(self) -> &'static str {
        match self {
            Self::Evaluation => {
                "On 200 000 tokens, a feature that is active on 1 in 10 000 tokens is active about 20 times, so it is not counted as dead"
            }
            Self::Index => {
                "On 1 000 000 tokens, a feature that is active on 1 in 100 000 tokens, the bound below which it is rare, has about 10 examples"
            }
        }
    }
}

/// Amount of text to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// About this many counted tokens, in whole rows.
    Tokens(u64),
    /// All of the text.
    All,
}

impl Amount {
    /// Returns the default amount of a pass.
    pub const fn default_for(pass: Pass) -> Self {
        Self::Tokens(pass.default_tokens())
    }

    /// Returns the tokens that are read of a text of `available` tokens.
    pub fn within(self, available: u64) -> u64 {
        match self {
            Self::Tokens(tokens) => tokens.min(available),
            Self::All => available,
        }
    }
}

/// Asks for so much of the text that no dictionary of `project` was trained on; an error if the project names no text.
pub fn held_out(project: &Project, amount: Amount) -> Result<TextRequest> {
    let request = TextRequest::held_out_of(project)?;
    Ok(match amount {
        Amount::Tokens(tokens) => request.at_most(Most::Tokens(tokens)),
        Amount::All => request,
    })
}

/// Says which text of the project `request` reads, in words for people.
pub fn source(request: &TextRequest) -> String {
    match request.part {
        Part::HeldOut => format!(
            "the held-out 5 % of the documents in the training text ({}), since the project names no held-out text",
            request.name()
        ),
        Part::All | Part::Train => format!("the project's held-out text ({})", request.name()),
    }
}

/// A pass that was run to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ran {
    /// Kind.
    pub pass: Pass,
    /// Fingerprint of the model.
    pub model: String,
    /// Name of the dictionary.
    pub sae: String,
    /// Hook that the dictionary reads.
    pub hook: String,
    /// Features of the dictionary.
    pub features: usize,
    /// Id of the device that ran the dictionary.
    pub device: String,
    /// Name of that device.
    pub device_name: String,
    /// Processor and number of threads, which run the model.
    pub machine: String,
    /// Tokens read.
    pub tokens: u64,
    /// Time taken.
    pub seconds: f64,
}

impl Ran {
    /// Tokens per second.
    pub fn per_second(&self) -> f64 {
        self.tokens as f64 / self.seconds.max(1e-3)
    }

    /// Returns the time that `tokens` take at this speed, in seconds.
    pub fn seconds_for(&self, tokens: u64) -> f64 {
        tokens as f64 / self.per_second()
    }

    /// Says how long `tokens` take at this speed, and where the speed is from.
    pub fn said(&self, tokens: u64) -> String {
        let seconds = self.seconds_for(tokens);
        let time = if seconds < 1.0 {
            "less than 1 s".to_owned()
        } else {
            format!("about {}", span(seconds))
        };
        format!(
            "{time}, at {:.0} tokens/s as in the last {} of {} ({})",
            self.per_second(),
            self.pass.name(),
            self.sae,
            self.device_name
        )
    }

    /// Whether a dictionary on `device` may be expected to take as long: the same machine, the same model, and about as many features.
    fn is_like(&self, asked: &Asked<'_>) -> bool {
        let few = self.features.min(asked.features).max(1);
        let many = self.features.max(asked.features);
        let device = match asked.wish {
            DeviceWish::Auto => true,
            DeviceWish::Cpu => self.device == "cpu",
            DeviceWish::Gpu(None) => self.device != "cpu",
            wish @ DeviceWish::Gpu(Some(_)) => self.device == wish.to_string(),
        };
        self.pass == asked.pass
            && self.model == asked.model
            && self.machine == asked.machine
            && device
            && many <= ALIKE * few
    }
}

/// A pass that is asked about.
struct Asked<'a> {
    pass: Pass,
    model: &'a str,
    sae: &'a str,
    features: usize,
    machine: String,
    wish: DeviceWish,
}

/// Content of the file: passes, the latest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Passes {
    passes: Vec<Ran>,
}

impl Passes {
    fn add(&mut self, ran: Ran) {
        let same = |one: &Ran| {
            (one.pass, &one.model, &one.sae, &one.device)
                == (ran.pass, &ran.model, &ran.sae, &ran.device)
        };
        self.passes.retain(|one| !same(one));
        self.passes.insert(0, ran);
        self.passes.truncate(KEPT);
    }
}

/// Speeds of the last passes, in memory and in their file if there is one; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Speeds(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    path: Option<PathBuf>,
    file: Mutex<Option<UserData<Passes>>>,
}

impl Speeds {
    /// Remembers speeds in `data`, the user's data folder, if there is one.
    pub fn new(data: Option<&Path>) -> Self {
        Self(Arc::new(Shared {
            path: data.map(|folder| folder.join(FILE)),
            file: Mutex::default(),
        }))
    }

    fn file(&self) -> MutexGuard<'_, Option<UserData<Passes>>> {
        self.0.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> UserData<Passes> {
        let path = self.0.path.as_deref();
        path.map_or_else(
            || UserData::new(LAYOUT),
            |path| UserData::read(path, LAYOUT),
        )
    }

    /// Returns the last pass that tells how fast `pass` is expected to be for `pair`: of the same dictionary, else of another one on the same model that has
    /// about as many features. None if no such pass was run on this machine, or not on the device that `wish` names.
    pub fn expected(&self, pass: Pass, pair: &Pair, wish: DeviceWish) -> Option<Ran> {
        let asked = Asked {
            pass,
            model: pair.model.fingerprint(),
            sae: &pair.sae.name,
            features: pair.sae.features(),
            machine: machine(),
            wish,
        };
        let mut file = self.file();
        let passes = &file.get_or_insert_with(|| self.read()).content.passes;
        let mut alike = passes.iter().filter(|ran| ran.is_like(&asked));
        let own = alike.clone().find(|ran| ran.sae == asked.sae);
        own.or_else(|| alike.next()).cloned()
    }

    /// Returns the last pass that tells how fast `model` reads text on this machine with any dictionary: an index, which reads each row once, else an evaluation.
    pub fn of_model(&self, model: &Model) -> Option<Ran> {
        let machine = machine();
        let mut file = self.file();
        let passes = &file.get_or_insert_with(|| self.read()).content.passes;
        let of = |pass: Pass| {
            passes.iter().find(|ran| {
                (ran.pass, ran.model.as_str()) == (pass, model.fingerprint())
                    && ran.machine == machine
            })
        };
        of(Pass::Index).or_else(|| of(Pass::Evaluation)).cloned()
    }

    /// Runs `work`, a pass of `pair` over `rows` on the device of `choice`, and remembers how long it took if it came to its end.
    pub fn timed<T>(
        &self,
        pass: Pass,
        (pair, rows): (&Pair, &Rows),
        choice: &Choice,
        work: impl FnOnce() -> Result<Ended<T>>,
    ) -> Result<Ended<T>> {
        let begun = Instant::now();
        let ended = work()?;
        if !ended.is_stopped() {
            let hook = pair.sae.provenance.hook;
            self.add(Ran {
                pass,
                model: pair.model.fingerprint().to_owned(),
                sae: pair.sae.name.clone(),
                hook: hook.map_or_else(String::new, |hook| hook.to_string()),
                features: pair.sae.features(),
                device: choice.compute.id().to_owned(),
                device_name: choice.compute.label(),
                machine: machine(),
                tokens: rows.counted() as u64,
                seconds: begun.elapsed().as_secs_f64(),
            });
        }
        Ok(ended)
    }

    /// Keeps a pass. Where the file cannot be written, its speed is known until the program ends.
    fn add(&self, ran: Ran) {
        let mut known = self.file();
        // Another program may have run a pass meanwhile.
        let mut file = match (&self.0.path, known.take()) {
            (None, Some(before)) => before,
            _ => self.read(),
        };
        file.content.add(ran);
        if let Some(path) = &self.0.path {
            file.write(path).ok();
        }
        *known = Some(file);
    }
}

/// Name of the machine on which a pass takes as long as before.
fn machine() -> String {
    static PROCESSOR: LazyLock<String> = LazyLock::new(processor);
    format!("{} · {} threads", *PROCESSOR, rayon::current_num_threads())
}
