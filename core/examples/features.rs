//! Builds the feature index of a dictionary over a text, then asks it: `cargo run --release -p umbra-core --example features`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::Path;

use umbra_core::features::Example;
use umbra_core::workbench::text::{Most, TextRequest};
use umbra_core::{Pair, build_index, prompt};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let demo = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo"));
    // Opens both and checks that they belong together. The notes say what was decided on the way.
    let (pair, _) = Pair::open(&demo.join("model"), &demo.join("saes/resid-2"))?;
    let (model, sae) = (&pair.model, &pair.sae);

    // The dictionary's file decides how the text is read: row length, BOS, which positions count.
    let text = TextRequest::new([demo.join("text/held-out/alice.txt")]);
    let text = pair.read(&text.at_most(Most::Tokens(20_000)))?;
    let folder = tempfile::tempdir()?;
    let index = build_index(model, sae, &text, &folder.path().join("resid-2.sqlite"))?;
    let summaries = index.summaries()?;
    let active = summaries.iter().filter(|one| one.density > 0.0).count();
    println!(
        "{}: {active} of {} features are active",
        text.phrase,
        summaries.len()
    );

    // The search finds features by the words of their examples and the tokens that they promote, and says why.
    for hit in index.search("queen")?.into_iter().take(3) {
        let (feature, why) = (hit.feature, hit.why());
        let detail = index.detail(feature)?;
        let percent = 100.0 * detail.summary.density;
        println!("\nFeature {feature} ({why}) is active on {percent:.2} % of tokens");
        for example in detail.top.iter().take(3) {
            println!("  {:>5.1}  {}", example.act(), marked(example));
        }
        let promoted = detail.promoted.iter().take(6);
        let promoted: Vec<&str> = promoted.map(|token| token.text.as_str()).collect();
        println!("  promotes {}", promoted.join(" "));
    }

    // Which features read a sentence? Those that are active on every tenth token say little.
    let sentence = "The Queen of Hearts was angry";
    let reading = prompt::read(model, sae.by_token()?, sentence, 0)?;
    println!();
    for (t, token) in reading.texts.iter().enumerate().skip(1) {
        let mut strongest = reading.strongest(t, sae.features());
        strongest.retain(|(feature, _)| summaries[feature.index()].density < 0.1);
        let strongest = strongest.iter().take(3);
        let strongest: Vec<String> = strongest
            .map(|(f, act)| format!("{f} ({act:.1})"))
            .collect();
        println!("{token:>10}  {}", strongest.join(", "));
    }
    Ok(())
}

/// Returns an example's text with brackets around the token at which the feature peaks.
fn marked(example: &Example) -> String {
    let (before, rest) = example.tokens.split_at(example.at);
    let peak = rest.first().map_or("", String::as_str);
    let after = rest.get(1..).unwrap_or_default();
    let text = format!("{}[{peak}]{}", before.concat(), after.concat());
    text.replace('\n', " ")
}

#[test]
fn the_example_runs() {
    main().unwrap();
}
