//! `umbra sae verify`: prints the loader's notes on a dictionary and compares the figures that its files claim with measured ones.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::super::{
    Console, DeviceArg, Exit, MeasuringArgs, ParentArg, SaeArgs, TextArgs, hub,
    open_with_transcoder, rehook, words,
};
use crate::error::{Error, Notes, Result};
use crate::eval::{self, AcrossFigures, Figures, Judged, Verdict, judge};
use crate::formats::{self, Format, WhileTrained};
use crate::progress::Ended;
use crate::sae::{CrossLayer, Sae};

/// Flags of `umbra sae verify`.
#[derive(Debug, clap::Args)]
#[command(mut_arg("corpus", |arg| arg.required(false).requires("model")))]
pub(super) struct Args {
    /// Dictionary: a folder or file of any supported library, or a name on the hub or in the registry
    #[arg(value_name = "PATH|NAME")]
    path: PathBuf,
    /// Hook of the dictionary [default: the hook that its file names]
    #[arg(long, value_name = "NAME")]
    hook: Option<String>,
    #[command(flatten)]
    parent: ParentArg,
    #[command(flatten)]
    measuring: MeasuringArgs,
    #[command(flatten)]
    text: TextArgs,
    #[command(flatten)]
    device: DeviceArg,
}

/// Runs `umbra sae verify`; a claim that differs is a failure.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let located = hub::dictionary_at(&args.path, args.measuring.offline, console)?;
    let path = &located.path;
    if let Some((layers, notes)) = formats::open_cross_layer(path)? {
        return across(args, (path, &layers), &notes, console);
    }
    let format = Format::detect(path)?;
    let named = SaeArgs {
        sae: path.clone(),
        hook: args.hook.clone(),
        parent: args.parent.clone(),
    };
    let (mut sae, notes) = located.open_among(&args.parent.places(path))?;
    if let Some(hook) = &args.hook {
        rehook(&mut sae, hook.parse()?)?;
    }
    let (mut figures, mut fit) = (None, None);
    if let Some(model) = args.measuring.model() {
        let pair = open_with_transcoder(&model, &named, console)?;
        let rows = args.text.read(&pair, args.measuring.offline, console)?.rows;
        let at_once = eval::tokens_at_once(&pair.model, &rows);
        args.device.place(&*pair.sae, (at_once, true), console)?;
        let mut bar = console.bar("Evaluating");
        let measured = eval::run(&pair.model, &pair.sae, &rows, &mut |at| bar.at(at))?;
        fit = Some(pair.fit);
        drop(bar);
        let Ended::Done(measured) = measured else {
            return Ok(Exit::Stopped);
        };
        figures = Some(measured);
    }
    let judged = judge(&formats::claims(&sae, path), figures.as_ref());
    let verdict = Verdict::from_judged(&judged);
    let decided = words::notes(&notes);
    let object = json!({
        "path": args.path, "format": format.name(), "reproduced": format.reproduced(), "decided": decided,
        "selection": sae.selection.describe(), "features": sae.features(), "width": sae.width(),
        "hook": sae.provenance.hook.map(|hook| hook.to_string()), "model": sae.provenance.model,
        "head": sae.provenance.head.map(|head| head.0),
        "claims": judged.iter().map(claim).collect::<Vec<_>>(), "verdict": verdict.name(),
        "while_trained": WhileTrained::from_sae(&sae).map(|told| told.to_string()), "measured": measured(figures.as_ref())?,
        "fingerprint": sae.fingerprint(), "fit": fit.as_ref().map(|fit| json!({ "verdict": fit.verdict.name(), "why": fit.why })),
    });
    console.answer(&object, || {
        text(&sae, format, &decided, &judged, figures.as_ref())
    })?;
    match judged
        .iter()
        .find(|judged| judged.verdict == Verdict::Differs)
    {
        None => Ok(Exit::Done),
        Some(first) => Err(Error::Numeric {
            what: format!(
                "{} is {} by {} and {} measured: check hook, model processing and BOS against the notes, or the file is mislabelled",
                first.claim.figure.name(),
                first.claim.value,
                first.claim.from,
                first.measured.unwrap_or(f64::NAN)
            ),
        }),
    }
}

/// Verifies a cross-layer transcoder, whose files claim nothing: prints the notes and the figures of each layer.
fn across(
    args: &Args,
    (path, of): (&Path, &CrossLayer),
    notes: &Notes,
    console: &Console,
) -> Result<Exit> {
    let layers = formats::look(path)?.layers;
    let format = Format::detect(&layers[0])?;
    let mut figures = None;
    if let Some(model) = args.measuring.model() {
        let (opened, differs) = formats::reader(&model.open(console)?, &of.layers()[0]);
        if let Some(note) = differs {
            console.note(&note);
        }
        console.decided(opened.codec().bos());
        let request = args.text.request(args.measuring.offline, console)?;
        let text = request.read(&opened, of.layers().first())?;
        console.notes(&text.said());
        let rows = text.rows;
        let at_once = eval::tokens_at_once(&opened, &rows);
        args.device.place(of, (at_once, true), console)?;
        let mut bar = console.bar("Evaluating");
        let measured = eval::run_across(&opened, of, &rows, &mut |at| bar.at(at))?;
        drop(bar);
        let Ended::Done(measured) = measured else {
            return Ok(Exit::Stopped);
        };
        figures = Some(measured);
    }
    let decided = words::notes(notes);
    let first = &of.layers()[0];
    let object = json!({
        "path": args.path, "format": format.name(), "reproduced": format.reproduced(), "decided": decided,
        "selection": first.selection.describe(), "layers": of.layers().len(), "features": first.features(), "width": first.width(),
        "model": first.provenance.model, "claims": [], "verdict": Verdict::from_judged(&[]).name(), "measured": measured(figures.as_ref())?,
    });
    console.answer(&object, || {
        text_across(of, format, &decided, figures.as_ref())
    })?;
    Ok(Exit::Done)
}

fn text_across(
    of: &CrossLayer,
    format: Format,
    decided: &[String],
    figures: Option<&AcrossFigures>,
) -> String {
    let first = &of.layers()[0];
    let mut lines = vec![
        format!("A cross-layer transcoder ({})", format.name()),
        format!(
            "{} layers of {} features, {} wide, {}",
            of.layers().len(),
            first.features(),
            first.width(),
            first.selection.describe()
        ),
        format!("Its library's outputs: {}", format.reproduced()),
        "\nDecided on reading".to_owned(),
    ];
    lines.extend(decided.iter().map(|note| format!("  {note}")));
    if let Some(figures) = figures {
        lines.push(format!(
            "\n{:<28} {:>8} {:>8} {:>8}",
            "layer's output", "L0", "FVU", "dead"
        ));
        lines.extend(figures.layers.iter().map(|layer| {
            let dead = 100.0 * layer.dead_fraction;
            format!(
                "{:<28} {:>8.3} {:>8.4} {dead:>6.2} %",
                layer.writes, layer.l0, layer.fvu
            )
        }));
        lines.push(format!(
            "\nMeasured on {} activations of each layer ({}): L0 {:.3} over all layers, CE clean {:.4}, every output replaced {:.4}, zeros in place {:.4}, recovered {:.4}",
            figures.tokens, figures.positions.said(Some(figures.left_out)), figures.l0, figures.ce_clean, figures.ce_replaced, figures.ce_zero, figures.ce_recovered_zero
        ));
    }
    lines.push(format!(
        "\nits files claim no figure\n\n{}",
        Verdict::from_judged(&[]).name()
    ));
    lines.join("\n")
}

fn measured(figures: Option<&impl Serialize>) -> Result<Value> {
    serde_json::to_value(figures).map_err(|cause| Error::Numeric {
        what: format!("the figures cannot be written as JSON: {cause}"),
    })
}

fn claim(judged: &Judged) -> Value {
    json!({
        "figure": judged.claim.figure.name(), "claimed": judged.claim.value, "from": judged.claim.from,
        "measured": judged.measured, "verdict": judged.verdict.name(), "reason": judged.reason,
    })
}

fn text(
    sae: &Sae,
    format: Format,
    decided: &[String],
    judged: &[Judged],
    figures: Option<&Figures>,
) -> String {
    let head = (sae.provenance.head).map_or_else(String::new, |head| format!(", head {head}"));
    let hook = sae.provenance.hook.map(|hook| format!("{hook}{head}"));
    let mut lines = vec![
        format!("{} ({})", sae.name, format.name()),
        format!(
            "{} features of {}, {} wide, {}",
            sae.features(),
            hook.unwrap_or_else(|| "an unnamed hook".to_owned()),
            sae.width(),
            sae.selection.describe()
        ),
        format!("Its library's outputs: {}", format.reproduced()),
    ];
    if !decided.is_empty() {
        lines.push("\nDecided on reading".to_owned());
        lines.extend(decided.iter().map(|note| format!("  {note}")));
    }
    lines.push(format!(
        "\n{:<12} {:>10} {:>10}  {:<12} from",
        "figure", "claimed", "measured", ""
    ));
    for one in judged {
        let measured = one
            .measured
            .map_or_else(|| "—".to_owned(), |m| format!("{m:.4}"));
        lines.push(format!(
            "{:<12} {:>10.4} {measured:>10}  {:<12} {}{}",
            one.claim.figure.name(),
            one.claim.value,
            one.verdict.name(),
            one.claim.from,
            if one.reason.is_empty() {
                String::new()
            } else {
                format!(" ({})", one.reason)
            }
        ));
    }
    if judged.is_empty() {
        lines.push("its files claim no figure".to_owned());
    }
    lines.extend(WhileTrained::from_sae(sae).map(|told| format!("{told} (no claim)")));
    if let Some(figures) = figures {
        lines.push(format!(
            "\nMeasured on {} activations ({}): L0 {:.3}, FVU {:.4}, dead {:.2} %, CE clean {:.4}, spliced {:.4}, recovered {:.4} of zero and {:.4} of mean ablation{}",
            figures.tokens,
            figures.positions.said(figures.left_out),
            figures.l0,
            figures.fvu,
            100.0 * figures.dead_fraction,
            figures.ce_clean,
            figures.ce_sae,
            figures.ce_recovered_zero,
            figures.ce_recovered_mean,
            figures.nearness.map_or_else(String::new, |near| {
                format!(
                    ", KL {:.4}, cosine {:.4}, L2 ratio {:.4}, explained variance {:.4}",
                    near.kl_sae, near.cosine, near.l2_ratio, near.explained_variance
                )
            })
        ));
    }
    lines.push(format!("\n{}", Verdict::from_judged(judged).name()));
    lines.join("\n")
}
