//! Trains a dictionary on one hook of the demo model, saves it, opens it again and measures it on text that it has not seen:
//! `cargo run --release -p umbra-core --example train`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::Path;

use umbra_core::train::{self, Event, Keeping};
use umbra_core::workbench::text::{Most, TextRequest};
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
    spec.features = 512;
    spec.k = 16;
    spec.batch = 512;
    spec.tokens = 30_000;
    // The text and the model go into the dictionary's metadata.
    spec.facts = text.run_facts(&model);

    // The observer hears of every step, and `Flow::Break(())` would end the run here with the dictionary as it stands.
    let mut observe = |event: Event| {
        if let Event::Progress(at) = event
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
    };
    // `Keeping` names a folder for checkpoints. This run is too short to need one.
    let outcome =
        train::run(&spec, &model, &text.rows, &Keeping::default(), &mut observe)?.into_value();
    println!("Trained: {}", outcome.sae.selection.describe());

    // A saved dictionary is a SAELens folder: `cfg.json` and `sae_weights.safetensors`.
    let folder = tempfile::tempdir()?;
    outcome.sae.save(folder.path())?;
    let (sae, _) = Sae::open(folder.path())?;

    let held_out = TextRequest::new([demo.join("text/held-out")]).at_most(Most::Tokens(4_000));
    let held_out = held_out.read(&model, Some(&sae))?;
    let figures = evaluate(&model, &sae, &held_out)?;
    println!("On {} held-out tokens:", figures.tokens);
    println!("  L0           {:.1} active features per token", figures.l0);
    println!(
        "  FVU          {:.3} of the variance is unexplained",
        figures.fvu
    );
    println!(
        "  CE           {:.3} nats per token, untouched",
        figures.ce_clean
    );
    println!(
        "               {:.3} with the reconstruction",
        figures.ce_sae
    );
    println!("               {:.3} with zeros", figures.ce_zero);
    println!("  CE recovered {:.3}", figures.ce_recovered_zero);
    Ok(())
}

#[test]
fn the_example_runs() {
    main().unwrap();
}
