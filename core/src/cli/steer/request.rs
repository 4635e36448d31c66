//! Steering requests as command lines: read from one, and written as one that gives the same texts.

use std::ffi::OsString;

use clap::builder::PossibleValue;
use clap::{FromArgMatches as _, ValueEnum as _};

use super::super::written::Written;
use super::super::{Line, Noun, SplitArg, command, line};
use super::{Args, specs};
use crate::error::{Error, Result};
use crate::models::{Form, Processing, Sampling};
use crate::prompt::Input;
use crate::text::chat::{SYSTEM, USER};
use crate::workbench::materials::Sources;
use crate::workbench::steering::Request;

impl Args {
    /// Returns what the flags ask for.
    fn request(&self) -> Result<Request> {
        let opening = self.model.opening(Processing::default());
        Ok(Request {
            model: self.model.model.clone(),
            form: opening.form,
            processing: self.model.process,
            bos: opening.bos,
            saes: self.edits.dictionaries(),
            hook: self.hook.as_deref().map(str::parse).transpose()?,
            edits: specs(self)?,
            sources: self.edits.sources(),
            device: self.edits.device.device,
            prompt: self.chat.input(self.prompt.as_deref())?,
            sampling: self.sampling.sampling(),
            samples: self.samples,
        })
    }
}

/// Reads a command line `umbra steer …` (program name first). Opens no file except that of `--edits`.
pub fn steer_request(args: impl IntoIterator<Item = OsString>) -> Result<Request> {
    let parsed = command()
        .try_get_matches_from(args)
        .and_then(|matches| Line::from_arg_matches(&matches))
        .map_err(|usage| Error::setting("steer", line::sentence(&usage)))?;
    match parsed.noun {
        Noun::Steer(args) => args.request(),
        _ => Err(Error::setting("steer", "this is another command")),
    }
}

/// Writes the command line `umbra steer …` that does what `request` asks for, quoted for a shell.
pub fn steer_line(request: &Request) -> Result<String> {
    let mut line = Written::new("steer")?;
    line.path("model", &request.model)?;
    line.switch("keep_quantised", request.form == Form::Stored)?;
    line.optional("process", request.processing)?;
    line.switch("no_bos", request.bos.left_out)?;
    line.switch("keep_double_bos", request.bos.doubled)?;
    for sae in &request.saes {
        line.path("sae", &sae.written())?;
    }
    line.optional("hook", request.hook)?;
    for edit in &request.edits {
        line.value("edit", edit)?;
    }
    sources(&mut line, &request.sources)?;
    line.value("device", request.device)?;
    prompt(&mut line, &request.prompt)?;
    sampling(&mut line, &request.sampling)?;
    line.value("samples", request.samples)?;
    line.line()
}

fn prompt(line: &mut Written, prompt: &Input) -> Result<()> {
    match prompt {
        Input::Text(text) => line.value("prompt", text),
        Input::Chat(messages) => match &messages[..] {
            [user] if user.role == USER => line.value("user", &user.content),
            [system, user] if system.role == SYSTEM && user.role == USER => {
                line.value("system", &system.content)?;
                line.value("user", &user.content)
            }
            messages => line.value("chat", serde_json::json!(messages)),
        },
        Input::Tokens { .. } => {
            let what = "tokens are no text that a command line could give: steer a text";
            Err(Error::setting("prompt", what))
        }
    }
}

fn sources(line: &mut Written, sources: &Sources) -> Result<()> {
    for probe in &sources.probes {
        line.path("probe", probe)?;
    }
    line.switch("allow_mismatch", sources.allow_mismatch)?;
    let Some(mean) = &sources.mean else {
        return Ok(());
    };
    for path in &mean.corpus.paths {
        line.path("mean_of", path)?;
    }
    let split = SplitArg::from(mean.part).to_possible_value();
    line.optional("mean_split", split.as_ref().map(PossibleValue::get_name))?;
    line.value("mean_split_seed", mean.seed)?;
    line.switch("mean_recursive", mean.corpus.recursive)?;
    line.optional("mean_text_column", mean.corpus.column.as_ref())?;
    line.switch("mean_unwrap", mean.corpus.unwrap)?;
    line.optional("positions", mean.reading.positions)
}

fn sampling(line: &mut Written, sampling: &Sampling) -> Result<()> {
    line.value("tokens", sampling.tokens)?;
    line.value("temperature", sampling.temperature)?;
    line.value("top_k", sampling.top_k.unwrap_or(0))?;
    line.optional("top_p", sampling.top_p)?;
    line.value("repetition_penalty", sampling.repetition_penalty)?;
    line.value("seed", sampling.seed)?;
    for stop in &sampling.stop {
        line.value("stop", stop)?;
    }
    line.switch("ignore_eos", sampling.ignore_eos)
}
