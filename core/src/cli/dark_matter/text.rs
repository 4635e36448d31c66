//! `umbra dark-matter text`: the error of one text, split token by token.

use serde_json::json;

use super::fit::{self, Opened};
use crate::cli::{Console, Exit};
use crate::dark_matter::{ErrorNorms, Source};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::models::token_tensor;
use crate::progress::Ended;

/// Flags of `umbra dark-matter text`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Show the errors of this text token by token
    #[arg(long, value_name = "TEXT")]
    text: String,
    #[command(flatten)]
    fit: fit::Args,
}

/// Runs `umbra dark-matter text`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let opened = match fit::probe(&args.fit, console)? {
        Ended::Done(opened) => opened,
        Ended::Stopped(()) => return Ok(Exit::Stopped),
    };
    console.begun(opened.pair.model.codec(), &args.text)?;
    let tokens = by_token(&opened, &args.text)?;
    let mut value = fit::object(&opened.probe);
    value["tokens"] = tokens.iter().map(Token::object).collect();
    console.answer(&value, || {
        format!("{}\n{}", fit::table(&opened.probe), table(&tokens))
    })?;
    Ok(Exit::Done)
}

/// Token of `--text`.
struct Token {
    id: u32,
    text: String,
    norms: ErrorNorms,
}

impl Token {
    fn object(&self) -> serde_json::Value {
        json!({
            "id": self.id,
            "text": self.text,
            "activation": self.norms.activation,
            "total": self.norms.total,
            "linear": self.norms.linear,
            "nonlinear": self.norms.nonlinear,
        })
    }
}

fn by_token(opened: &Opened, text: &str) -> Result<Vec<Token>> {
    let (model, probe) = (&*opened.pair.model, &opened.probe);
    let mut tokens = model.codec().encode_with_bos(text)?;
    if tokens.is_empty() {
        return Err(Error::setting(
            "--text",
            "it has no token, give a longer text",
        ));
    }
    tokens.truncate(model.config().context);
    let sae = opened.pair.sae.autoencoder()?;
    let source = Source::new(model, sae, &probe.facts.predictor, opened.other.as_ref())?;
    let captured = model.capture(&token_tensor(&[&tokens])?, source.hooks())?;
    let at = source.hooks().iter();
    let at = at.map(|hook| Matrix::from_tensor(&captured[hook], model.width(*hook)?));
    let at: Vec<Matrix> = at.collect::<Result<_>>()?;
    let split = probe.split_batch(source.values(&at)?)?;
    Ok(tokens
        .iter()
        .zip(split.norms)
        .map(|(id, norms)| Token {
            id: id.0,
            text: model.codec().display(*id),
            norms,
        })
        .collect())
}

fn table(tokens: &[Token]) -> String {
    let mut lines = vec![format!(
        "\n{:>4} {:<16} {:>10} {:>10} {:>10} {:>10}",
        "at", "token", "activation", "error", "linear", "nonlinear"
    )];
    for (at, token) in tokens.iter().enumerate() {
        let ErrorNorms {
            activation,
            total,
            linear,
            nonlinear,
        } = token.norms;
        let text = format!("{:?}", token.text);
        lines.push(format!(
            "{at:>4} {text:<16} {activation:>10.3} {total:>10.3} {linear:>10.3} {nonlinear:>10.3}"
        ));
    }
    lines.join("\n")
}
