//! Trains a dictionary on one hook of the demo model, records the run, saves the dictionary, opens it again and measures it on text that it has not seen:
//! `cargo run --release -p umbra-core --example train`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::Path;

use umbra_core::train::{Event, Keeping};
use umbra_core::workbench::text::{Most, TextRequest};
use umbra_core::workbench::training::{Report, Runs, Source};
use umbra_core::{Flow, HookPoint, Model, Sae, Site, Spec, Variant, evaluate};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let demo = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo"));
    let (model, _) = Model::open(&demo.join("model"))?;
    let text = TextRequest::new([demo.join("text/train")]).read(&model, None)?;
    let (rows, context) = (text.rows.len(), text.rows.context());
    println!("{}: {rows} rows of {context} tokens", text.phrase);

    // Every setting has a default. These make the run a short one.
    let mut spec = Spec::default_for(HookPoint::block(1, Site::Z));
    spec.variant = Variant::BatchTopK;
    (spec.features, spec.k) = (512, 16);
    (spec.batch, spec.tokens) = (512, 30_000);

    // The folder gets the dictionary as SAELens reads it, `run.json` and `events.jsonl`, and meanwhile checkpoints.
    let folder = tempfile::tempdir()?;
    let keeping = Keeping {
        folder: Some(folder.path().join("my-sae")),
        ..Keeping::default()
    };
    let runs = Runs::new(Source::Text(&model, &text), vec![(spec, keeping)]);

    // The observer hears of every step, and `Flow::Break(())` would end the run here with the dictionary as it stands.
    let finished = runs.train(&mut |report| {
        if let Report::Run(_, Event::Progress(at)) = report
            && at.step > 0
            && at.step % 10 == 0
        {
            let (step, steps) = (at.step, at.steps);
            println!(
                "step {step:>2} of {steps}  FVU {:.3}  L0 {:.1}",
                at.fvu, at.l0
            );
        }
        Flow::Continue(())
    })?;
    for run in finished.runs {
        println!("Trained: {}", run.into_saved()?.sae.selection.describe());
    }

    let (sae, _) = Sae::open(&folder.path().join("my-sae"))?;
    let held_out = TextRequest::new([demo.join("text/held-out")]).at_most(Most::Tokens(4_000));
    let held_out = held_out.read(&model, Some(&sae))?;
    let figures = evaluate(&model, &sae, &held_out)?;
    println!("On {} held-out tokens:", figures.tokens);
    println!("  L0           {:.1} active features per token", figures.l0);
    println!("  FVU          {:.3} of the variance", figures.fvu);
    println!("  CE clean     {:.3} nats per token", figures.ce_clean);
    println!("  CE spliced   {:.3}", figures.ce_sae);
    println!("  CE zero      {:.3}", figures.ce_zero);
    println!("  CE recovered {:.3}", figures.ce_recovered_zero);
    Ok(())
}

#[test]
fn the_example_runs() {
    main().unwrap();
}
