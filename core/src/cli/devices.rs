//! `umbra devices`: what can compute here, how fast, and what `--device auto` takes.

use super::device::devices;
use super::{Console, Exit, words};
use crate::bench::Settings;
use crate::device::{AdapterFeatures, AdapterLimits};
use crate::error::{Error, Result};
use crate::workbench::devices::{Job, List, Listed, Measuring};

/// Flags of `umbra devices`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Measure every device again, instead of only those that were not measured before
    #[arg(long, conflicts_with = "no_measure")]
    measure: bool,
    /// Measure nothing, list what is remembered
    #[arg(long)]
    no_measure: bool,
    /// Tokens of the step for which a device would be chosen
    #[arg(long, value_name = "N", default_value_t = Settings::default().batch)]
    batch: usize,
    /// Width of its activations
    #[arg(long, value_name = "N", default_value_t = Settings::default().d)]
    d: usize,
    /// Features of its dictionary
    #[arg(long, value_name = "N", default_value_t = Settings::default().features)]
    features: usize,
}

/// Runs `umbra devices`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let sizes = [
        ("batch", args.batch),
        ("d", args.d),
        ("features", args.features),
    ];
    if let Some((flag, _)) = sizes.iter().find(|(_, size)| *size == 0) {
        return Err(Error::setting(*flag, "0 cannot be used, give 1 or more"));
    }
    let measuring = match (args.measure, args.no_measure) {
        (true, _) => Measuring::Again,
        (_, true) => Measuring::Never,
        _ => Measuring::Missing,
    };
    let job = Job::new(args.batch, args.d, args.features);
    let list = devices().list(&job, measuring)?;
    let why = words::said(&list.why);
    console.answer(&list.json(&why), || text(&list, &job, &why))?;
    Ok(Exit::Done)
}

fn text(list: &List, job: &Job, why: &str) -> String {
    let name = |device: &Listed| device.name.chars().count();
    let longest = list.devices.iter().map(name).max().unwrap_or_default();
    let mut lines = vec![format!(
        "  {:<7}  {:<longest$}  {:<8}  {:<10}  {:>10}  {:>15}  {:>11}",
        "id", "name", "backend", "kind", "memory", "product", "copy"
    )];
    for device in &list.devices {
        lines.push(format!(
            "{} {:<7}  {:<longest$}  {:<8}  {:<10}  {:>10}  {:>15}  {:>11}",
            if device.chosen { '*' } else { ' ' },
            device.id,
            device.name,
            device.backend,
            device.kind,
            figure(device.memory_bytes.map(|bytes| bytes as f64 / 1e9), "GB"),
            figure(device.speed.product_gflops, "GFLOP/s"),
            figure(device.speed.copy_gbps, "GB/s"),
        ));
        if let Some((limits, features)) = &device.abilities {
            let about = abilities(limits, *features);
            lines.push(format!("           {}; {about}", device.driver));
        }
        if let Some(problem) = &device.problem {
            lines.push(format!("           cannot be used: it {problem}"));
        }
    }
    lines.push(format!(
        "auto takes {} for steps of {} tokens, width {} and {} features: {why}",
        list.chosen, job.rows, job.width, job.features
    ));
    lines.join("\n")
}

/// A measured figure, or a dash.
fn figure(value: Option<f64>, unit: &str) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.1} {unit}"))
}

fn abilities(limits: &AdapterLimits, features: AdapterFeatures) -> String {
    let named = features.names();
    format!(
        "binds {} MB at once, shares {} KB in a workgroup of {}; has {}",
        limits.binding_bytes >> 20,
        limits.workgroup_bytes >> 10,
        limits.workgroup_threads,
        if named.is_empty() {
            "no feature that kernels use".to_owned()
        } else {
            named.join(", ")
        }
    )
}
