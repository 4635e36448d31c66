//! `umbra bench`: measures how fast this machine trains.

use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Console, DeviceArg, Exit, devices};
use crate::bench::{self, DeviceFigures, Figures, Settings};
use crate::device::DeviceWish;
use crate::error::{Error, Result};
use crate::kernels::encode::Product;
use crate::progress::Ended;
use crate::sae::Variant;
use crate::train::Adam;
use crate::workbench::devices::Job;

/// Flags of `umbra bench`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Time whole training steps on synthetic activations, alternating with the encoder's product by the faster of two libraries
    Train(TrainArgs),
}

#[derive(Debug, clap::Args)]
#[command(mut_arg("device", |arg| arg.default_value("cpu").hide_default_value(false).help(
    "Device that computes the steps: cpu, wgpu (the best GPU), an id of `umbra devices` such as wgpu:0, or auto"
)))]
struct TrainArgs {
    /// Width of the activations
    #[arg(long, value_name = "N", default_value_t = Settings::default().d)]
    d: usize,
    /// Features of the dictionary
    #[arg(long, value_name = "N", default_value_t = Settings::default().features)]
    features: usize,
    /// Active features per token
    #[arg(long, value_name = "N", default_value_t = Settings::default().k)]
    k: usize,
    /// Activations per step
    #[arg(long, value_name = "N", default_value_t = Settings::default().batch)]
    batch: usize,
    /// Number of threads [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Variant, as in `umbra train`
    #[arg(long, value_name = "VARIANT", default_value = "topk")]
    variant: String,
    /// Find candidates of the selection by a product of 16-bit integers
    #[arg(long)]
    screened: bool,
    /// Share of dead features, on which AuxK works
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    dead: f64,
    /// Timed steps
    #[arg(long, value_name = "N", default_value_t = Settings::default().rounds)]
    rounds: usize,
    #[command(flatten)]
    device: DeviceArg,
    /// Also time half the tokens, half the features and half the width
    #[arg(long)]
    scaling: bool,
}

/// Reads the variant to time; a transcoder's step is timed by its first rule.
fn variant(text: &str, console: &Console) -> Result<Variant> {
    if text != "transcoder" {
        return text.parse();
    }
    console.note("A transcoder is timed by its rule relu; give batch-topk to time its other one");
    Ok(Variant::Relu)
}

/// Runs `umbra bench`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let Verb::Train(args) = &args.verb;
    let threads = args.threads.unwrap_or(0);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| {
        Error::setting(
            "threads",
            format!("cannot start {threads} threads: {error}"),
        )
    })?;
    let settings = Settings {
        d: args.d,
        features: args.features,
        k: args.k,
        batch: args.batch,
        variant: variant(&args.variant, console)?,
        product: if args.screened {
            Product::Screened
        } else {
            Product::Exact
        },
        dead: args.dead,
        rounds: args.rounds,
        ..Settings::default()
    };
    let job = Job::new(settings.batch, settings.d, settings.features);
    let wish = args.device.device;
    let choice = devices().choose(wish, &job)?;
    if wish != DeviceWish::Cpu {
        console.note(&choice.note());
    }
    let timed = |what: &str, settings: &Settings| -> Result<Ended<Figures>> {
        let mut bar = console.bar(what);
        pool.install(|| bench::train(settings, &choice.compute, &mut |at| bar.at(at)))
    };
    let Ended::Done(exact) = timed("Timing", &settings)? else {
        return Ok(Exit::Stopped);
    };
    let lazily = Settings {
        adam: Adam::Lazy,
        ..settings.clone()
    };
    let Ended::Done(lazy) = timed("Timing lazy Adam", &lazily)? else {
        return Ok(Exit::Stopped);
    };
    let mut scaling = vec![];
    for (what, settings) in if args.scaling {
        halves(&settings)
    } else {
        vec![]
    } {
        let Ended::Done(figures) = timed(&format!("Timing {what}"), &settings)? else {
            return Ok(Exit::Stopped);
        };
        scaling.push((what, figures));
    }
    let object = object(&settings, (&exact, &lazy), &scaling);
    console.answer(&object, || text((&exact, &lazy), &scaling))?;
    Ok(Exit::Done)
}

/// Sizes that are timed to see how the cost grows.
fn halves(whole: &Settings) -> Vec<(&'static str, Settings)> {
    let half = |of: fn(&mut Settings)| {
        let mut settings = whole.clone();
        of(&mut settings);
        settings
    };
    vec![
        ("half the tokens", half(|s| s.batch = (s.batch / 2).max(1))),
        (
            "half the features",
            half(|s| s.features = (s.features / 2).max(s.k)),
        ),
        ("half the width", half(|s| s.d = (s.d / 2).max(1))),
    ]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn phases(figures: &Figures) -> [(&'static str, f64); 7] {
    let phases = &figures.phases;
    let summed = |time: Duration| ms(time) / figures.threads.max(1) as f64;
    [
        ("gather and centre", ms(phases.gather)),
        ("encode and select", ms(phases.encode)),
        ("decode", ms(phases.decode)),
        ("AuxK, sort by feature", ms(phases.aux)),
        ("gradients", summed(phases.gradients)),
        ("Adam", summed(phases.adam)),
        ("unit norm", summed(phases.unit_norm)),
    ]
}

fn object(
    settings: &Settings,
    (exact, lazy): (&Figures, &Figures),
    scaling: &[(&str, Figures)],
) -> Value {
    let scaling: Vec<Value> = scaling
        .iter()
        .map(|(what, figures)| {
            json!({
                "what": what, "step_ms": ms(figures.step), "share": ms(figures.step) / ms(exact.step),
                "encoder_ms": ms(figures.encoder), "ratio": figures.ratio(),
            })
        })
        .collect();
    let products: serde_json::Map<String, Value> = (exact.products.iter())
        .map(|(name, time)| ((*name).to_owned(), json!(ms(*time))))
        .collect();
    let phases: serde_json::Map<String, Value> = (phases(exact).into_iter())
        .map(|(name, ms)| (name.to_owned(), json!(ms)))
        .collect();
    let mut object = json!({
        "step_ms": ms(exact.step), "encoder_ms": ms(exact.encoder), "ratio": exact.ratio(), "peak_bytes": exact.peak_bytes,
        "variant": settings.variant.name(), "gemm": exact.gemm, "screened": settings.product == Product::Screened,
        "lazy_step_ms": ms(lazy.step), "lazy_ratio": lazy.ratio(), "parameter_bytes": exact.parameter_bytes,
        "tokens_per_second": settings.batch as f64 / exact.step.as_secs_f64(), "products_ms": products, "phases_ms": phases,
        "l0": exact.l0, "aux_l0": exact.aux_l0, "threads": exact.threads, "d": settings.d, "features": settings.features, "k": settings.k,
        "batch": settings.batch, "rounds": settings.rounds, "scaling": scaling,
    });
    if let (Some(figures), Value::Object(keys)) = (&exact.device, &mut object) {
        keys.extend(device_keys(figures));
    }
    object
}

/// Keys of a GPU that computed the steps.
fn device_keys(figures: &DeviceFigures) -> serde_json::Map<String, Value> {
    let value = json!({
        "device": figures.id, "device_name": figures.label, "product_gflops": figures.product_gflops, "encode_gflops": figures.encode_gflops,
        "copy_gbps": figures.copy_gbps, "decode_gbps": figures.decode_gbps, "kernels_ms": figures.kernels_ms,
    });
    match value {
        Value::Object(keys) => keys,
        _ => serde_json::Map::new(),
    }
}

fn text((exact, lazy): (&Figures, &Figures), scaling: &[(&str, Figures)]) -> String {
    let mut lines = vec![format!(
        "{} threads, medians in milliseconds",
        exact.threads
    )];
    for (name, time) in &exact.products {
        lines.push(format!("product by {name:<16} {:10.1}", ms(*time)));
    }
    let line = |name: &str, figures: &Figures| {
        format!(
            "{name:<27} {:10.1}  {:.2} × the product by {} ({:.1})",
            ms(figures.step),
            figures.ratio(),
            figures.gemm,
            ms(figures.encoder),
        )
    };
    lines.push(line("step, exact Adam", exact));
    for (name, time) in phases(exact) {
        let share = 100.0 * time / ms(exact.step);
        lines.push(format!("  {name:<25} {time:10.1}  {share:5.1} %"));
    }
    lines.push(line("step, lazy Adam", lazy));
    for (what, figures) in scaling {
        let share = ms(figures.step) / ms(exact.step);
        lines.push(format!(
            "{what:<27} {:10.1}  {share:.2} of the whole",
            ms(figures.step)
        ));
    }
    lines.extend(exact.device.iter().flat_map(device_lines));
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    lines.push(match exact.peak_bytes {
        Some(bytes) => format!(
            "memory at most {:.0} MB beyond parameters and moments, which are {:.0} MB",
            megabytes(bytes),
            megabytes(exact.parameter_bytes)
        ),
        None => "memory is not known on this system".to_owned(),
    });
    lines.push(format!(
        "{:.1} active features per token, AuxK used {:.1}",
        exact.l0, exact.aux_l0
    ));
    lines.join("\n")
}

/// Lines on a GPU that computed the steps.
fn device_lines(figures: &DeviceFigures) -> Vec<String> {
    let mut lines = vec![
        format!("steps by {}", figures.label),
        format!(
            "  product {:.1} GFLOP/s, encode and select {:.1}; copy {:.1} GB/s, decode {:.1}",
            figures.product_gflops, figures.encode_gflops, figures.copy_gbps, figures.decode_gbps
        ),
    ];
    let kernels = figures.kernels_ms.iter().flatten();
    lines.extend(kernels.map(|(name, ms)| format!("  {name:<25} {ms:10.3}")));
    lines
}
