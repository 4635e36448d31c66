//! Training requests as command lines: read from one, and written as one that trains the same dictionaries.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::FromArgMatches as _;

use super::super::written::Written;
use super::super::{Line, Noun, command, line};
use super::{Args, Based, other};
use crate::corpus::{CorpusSpec, Part};
use crate::error::{Error, Result};
use crate::formats;
use crate::models::{Form, Opening};
use crate::sae::Sae;
use crate::train::{SETTINGS, SHARED, Spec};
use crate::workbench::text::TextRequest;
use crate::workbench::training::{Reads, Request};

impl Args {
    /// Returns what the flags ask for, with the dictionaries of --from and --of.
    fn request(&self, based: &Based) -> Result<Request> {
        let reads = match (&self.store, &self.model) {
            (Some(store), _) => Reads::Store(store.clone()),
            (None, Some(model)) => Reads::Text {
                model: model.model.clone(),
                opening: model.opening(model.process.unwrap_or_default()),
                text: self.text(),
            },
            (None, None) => return Err(Error::setting("--model", "name it, or a --store")),
        };
        let missing = || Error::setting("--hook", "name the hook to train on");
        let hook = super::hook(self, based)?.ok_or_else(missing)?;
        let first = super::settings(self, hook, based)?;
        let mut dictionaries = vec![(first, self.out.clone())];
        for also in &self.also {
            dictionaries.push(other(&dictionaries[0].0, also)?);
        }
        Ok(Request {
            reads,
            from: self.from.clone(),
            on: based.on.clone(),
            dictionaries,
            checkpoint: super::keeping(self, &self.out).interval,
            device: self.device.device,
        })
    }

    /// Returns the text of --corpus.
    fn text(&self) -> TextRequest {
        let corpus = &self.corpus;
        let mut text = TextRequest::from(CorpusSpec {
            paths: corpus.corpus.clone(),
            recursive: corpus.recursive,
            unwrap: corpus.unwrap,
            column: corpus.text_column.clone(),
        });
        text.part = if self.no_split {
            Part::All
        } else {
            Part::Train
        };
        text.seed = corpus.split_seed;
        text.reading.context = corpus.context;
        text
    }
}

/// Reads a command line `umbra train …` (program name first). Opens no file except the dictionaries of --from and --of.
pub fn train_request(args: impl IntoIterator<Item = OsString>) -> Result<Request> {
    let parsed = command()
        .try_get_matches_from(args)
        .and_then(|matches| Line::from_arg_matches(&matches))
        .map_err(|usage| Error::setting("train", line::sentence(&usage)))?;
    let Noun::Train(args) = parsed.noun else {
        return Err(Error::setting("train", "this is another command"));
    };
    let open = |path: &PathBuf| -> Result<Sae> {
        Ok(formats::open_among(path, None, &args.parent.places(path))?.0)
    };
    let on = args
        .of
        .as_ref()
        .map(|path| -> Result<_> { Ok(super::on_error(&args, open(path)?, path.clone())) });
    args.request(&Based {
        start: args.from.as_ref().map(open).transpose()?,
        on: on.transpose()?,
    })
}

/// Writes the command line `umbra train …` that trains what `request` asks for, quoted for a shell. Settings with their default value are left out.
pub fn train_line(request: &Request) -> Result<String> {
    let Some(((first, out), also)) = request.dictionaries.split_first() else {
        return Err(Error::setting("train", "there is no dictionary to train"));
    };
    let mut line = Written::new("train")?;
    match &request.reads {
        Reads::Text {
            model,
            opening,
            text,
        } => {
            line.path("model", model)?;
            model_flags(&mut line, *opening)?;
            text_flags(&mut line, text)?;
        }
        Reads::Store(store) => line.path("store", store)?,
    }
    if let Some(on) = &request.on {
        line.value("on", on.part)?;
        line.path("of", &on.path)?;
        if let Some(probe) = &on.probe {
            line.path("probe", probe)?;
        }
    }
    line.value("hook", first.hook)?;
    if let Some(from) = &request.from {
        line.path("from", from)?;
    }
    let mut base = Spec::default_for(first.hook);
    if let Some(start) = &first.start {
        base.go_on_from(start.clone());
    }
    if let Some(on) = &request.on {
        base.read_as(&on.parent);
    }
    for setting in SETTINGS {
        let value = first.get(setting.key)?;
        if value != base.get(setting.key)? {
            line.value(setting.key, value)?;
        }
    }
    line.path("out", out)?;
    for (spec, out) in also {
        line.value("also", beside(first, spec, out)?)?;
    }
    let minutes = request.checkpoint.map(|time| time.as_secs() / 60);
    line.optional("checkpoint_minutes", minutes)?;
    line.value("device", request.device)?;
    line.line()
}

fn model_flags(line: &mut Written, opening: Opening) -> Result<()> {
    line.switch("keep_quantised", opening.form == Form::Stored)?;
    line.value("process", opening.processing)?;
    line.switch("no_bos", opening.bos.left_out)?;
    line.switch("keep_double_bos", opening.bos.doubled)
}

fn text_flags(line: &mut Written, text: &TextRequest) -> Result<()> {
    for path in &text.corpus.paths {
        line.path("corpus", path)?;
    }
    line.switch("recursive", text.corpus.recursive)?;
    line.optional("text_column", text.corpus.column.as_ref())?;
    line.switch("unwrap", text.corpus.unwrap)?;
    line.optional("context", text.reading.context)?;
    match text.part {
        Part::All => line.switch("no_split", true)?,
        Part::Train => {}
        Part::HeldOut => {
            let what = "training never reads the held-out part, choose another part";
            return Err(Error::setting("split", what));
        }
    }
    line.value("split_seed", text.seed)
}

/// Writes what a further dictionary has otherwise than `first`, as --also takes it.
fn beside(first: &Spec, spec: &Spec, out: &PathBuf) -> Result<String> {
    let what = "the path is not Unicode and cannot be copied as text, rename it";
    let folder = out.to_str().ok_or_else(|| Error::input(what, out))?;
    let mut pieces = vec![format!("out={folder}")];
    if spec.hook != first.hook {
        pieces.push(format!("hook={}", spec.hook));
    }
    for setting in SETTINGS {
        let value = spec.get(setting.key)?;
        if !SHARED.contains(&setting.key) && value != first.get(setting.key)? {
            pieces.push(format!("{}={value}", setting.key));
        }
    }
    let words = pieces.iter().map(String::as_str);
    shlex::try_join(words).map_err(|_nul| Error::input("the path holds the character NUL", out))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::device::DeviceWish;
    use crate::models::BosWish;

    /// Checks that `request` is written as a line that asks for the same; returns the line.
    #[track_caller]
    fn check(request: &Request) -> String {
        let line = train_line(request).unwrap();
        let words = shlex::split(&line).unwrap();
        let read = train_request(words.into_iter().map(OsString::from)).unwrap();
        assert_eq!(read, *request, "{line}");
        line
    }

    fn spec(hook: &str, settings: &[(&str, &str)]) -> Spec {
        let mut spec = Spec::default_for(hook.parse().unwrap());
        for (key, value) in settings {
            spec.set(key, value).unwrap();
        }
        spec
    }

    fn least() -> Request {
        let mut text = TextRequest::new(["a.txt"]);
        text.part = Part::Train;
        Request {
            reads: Reads::Text {
                model: "model".into(),
                opening: Opening::default(),
                text,
            },
            from: None,
            on: None,
            dictionaries: vec![(spec("blocks.0.hook_resid_post", &[]), "out".into())],
            checkpoint: None,
            device: DeviceWish::Auto,
        }
    }

    #[test]
    fn every_field_of_a_request_is_on_its_line() {
        let plain = check(&least());
        let mut text = TextRequest::from(CorpusSpec {
            paths: vec!["girls.txt".into(), "-old books/alice's.txt".into()],
            recursive: true,
            unwrap: true,
            column: Some("my text".to_owned()),
        });
        text.reading.context = Some(64);
        text.seed = 9;
        let first = spec(
            "blocks.1.attn.hook_z",
            &[
                ("variant", "jump-relu"),
                ("features", "96"),
                ("tokens", "5000"),
                ("learning_rate", "0.0003"),
                ("positions", "first"),
                ("separate_documents", "true"),
            ],
        );
        let mut second = first.clone();
        second.hook = "blocks.2.hook_resid_post".parse().unwrap();
        second.set("variant", "topk").unwrap();
        second.set("k", "8").unwrap();
        let full = Request {
            reads: Reads::Text {
                model: "a model/$HOME.gguf".into(),
                opening: Opening {
                    form: Form::Stored,
                    processing: "fold-ln".parse().unwrap(),
                    bos: BosWish {
                        left_out: true,
                        doubled: true,
                    },
                },
                text,
            },
            from: None,
            on: None,
            dictionaries: vec![(first, "saes/one".into()), (second, "saes/it's two".into())],
            checkpoint: Some(Duration::from_mins(10)),
            device: DeviceWish::Gpu(Some(1)),
        };
        let line = check(&full);
        assert!(line.contains("--no-split") && !plain.contains("--no-split"));
        assert!(line.contains("--device wgpu:1") && plain.contains("--device auto"));
        let store = Request {
            reads: Reads::Store("my store".into()),
            ..least()
        };
        check(&store);
    }

    #[test]
    fn the_dictionary_to_start_from_decides_what_is_left_out() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/saes/resid-2");
        let (sae, _) = formats::open(folder.as_ref()).unwrap();
        let mut first = Spec::default_for(sae.hook().unwrap());
        let features = sae.features();
        first.go_on_from(sae);
        first.set("tokens", "4096").unwrap();
        let mut request = least();
        request.from = Some(folder.into());
        request.dictionaries[0].0 = first;
        let line = check(&request);
        assert!(!line.contains(&features.to_string()), "{line}");
    }

    #[test]
    fn what_cannot_be_trained_is_refused() {
        let mut request = least();
        let Reads::Text { text, .. } = &mut request.reads else {
            panic!("no text");
        };
        text.part = Part::HeldOut;
        assert!(train_line(&request).is_err());
        request.dictionaries.clear();
        assert!(train_line(&request).is_err());
        let words = [
            "umbra", "eval", "--model", "m", "--sae", "s", "--corpus", "c",
        ];
        assert!(train_request(words.map(OsString::from)).is_err());
    }
}
