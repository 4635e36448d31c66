//! Continues a prompt twice from one seed, untouched and with two edits in force: `cargo run --release -p umbra-core --example steer`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::Path;
use std::sync::Arc;

use umbra_core::ids::{FeatureId, Head};
use umbra_core::models::Sampling;
use umbra_core::steer::{
    self, Action, DictionaryEdit, Edit, Edits, ErrorTerm, Event, LatentChange,
};
use umbra_core::{Flow, HookPoint, Pair, Site};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let demo = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo"));
    let (pair, _) = Pair::open(&demo.join("model"), &demo.join("saes/resid-2"))?;
    let (model, sae) = (&pair.model, &pair.sae);

    // On every token, sets a feature of the residual stream that promotes names. What the dictionary leaves unexplained is kept.
    let feature = FeatureId(1663);
    let changes = vec![LatentChange::Set(feature, 8.0)];
    let on = DictionaryEdit::new(Arc::clone(sae), changes, ErrorTerm::Kept)?;
    let on = Edit::new(sae.hook()?, Action::Dictionary(on));
    // Silences two heads of the last layer.
    let silent = Edit {
        heads: Some(vec![Head(0), Head(2)]),
        ..Edit::new(HookPoint::block(3, Site::Z), Action::Zero)
    };
    let edits = Edits::new(model, vec![on, silent])?;

    let sampling = Sampling {
        tokens: 40,
        seed: 1,
        ..Sampling::default()
    };
    let mut observe = |event: Event| {
        if let Event::Shift(changes, _) = event {
            println!("The next token changes most for:");
            for change in changes.iter().take(5) {
                println!(
                    "  {:>10}  {:.3} -> {:.3}",
                    change.text, change.before, change.after
                );
            }
        }
        Flow::Continue(())
    };
    let prompt = "The old king";
    let outcome = steer::run(model, edits, &prompt.into(), &sampling, &mut observe)?.into_value();
    let sample = &outcome.samples[0];
    println!("KL at the prompt's end: {:.3} nats", outcome.kl);
    println!("\nbaseline: {prompt}{}", sample.baseline.written.text);
    println!("\nsteered:  {prompt}{}", sample.steered.written.text);
    Ok(())
}

#[test]
fn the_example_runs() {
    main().unwrap();
}
