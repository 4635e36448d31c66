//! `umbra dark-matter text`: the error of one text, split token by token.

use serde_json::json;

use super::fit;
use crate::cli::{Console, Exit};
use crate::dark_matter::{ErrorNorms, Probe};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::models::{Model, token_tensor};
use crate::progress::Ended;
use crate::sae::Sae;

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
    let (pair, probe) = match fit::probe(&args.fit, console)? {
        Ended::Done(both) => both,
        Ended::Stopped(()) => return Ok(Exit::Stopped),
    };
    let (model, sae) = (&*pair.model, &*pair.sae);
    console.begun(model.codec(), &args.text)?;
    let tokens = by_token(model, sae, &probe, &args.text)?;
    let mut value = fit::object(&probe);
    value["tokens"] = tokens.iter().map(Token::object).collect();
    console.answer(&value, || {
        format!("{}\n{}", fit::table(&probe), table(&tokens))
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

fn by_token(model: &Model, sae: &Sae, probe: &Probe, text: &str) -> Result<Vec<Token>> {
    let mut tokens = model.codec().encode_with_bos(text)?;
    if tokens.is_empty() {
        return Err(Error::setting(
            "--text",
            "it has no token, give a longer text",
        ));
    }
    tokens.truncate(model.config().context);
    let hook = sae.hook()?;
    let captured = model.capture(&token_tensor(&[&tokens])?, &[hook])?;
    let whole = Matrix::from_tensor(&captured[&hook], model.width(hook)?)?;
    let x = sae.own_part(&whole)?;
    let split = probe.split(sae.autoencoder()?, &x)?;
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
