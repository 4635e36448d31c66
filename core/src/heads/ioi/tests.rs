//! Holds positions, feature effects and noising against plain definitions, on the demo model.

use std::path::Path;

use super::corrupt::corrupted;
use super::features::spliced;
use super::*;
use crate::dims::Matrix;
use crate::formats;
use crate::ids::{Site, TokenId};
use crate::models::{HookFn, Start, token_tensor};
use crate::sae::Sae;

/// Logits around 10 by two orders of sums.
const TOLERANCE: f64 = 1e-3;

fn demo() -> (Model, Sae) {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo"));
    let sae = formats::open(&folder.join("saes/attn-2")).unwrap().0;
    (Model::open(&folder.join("model")).unwrap().0, sae)
}

fn on(_: Progress) -> Flow {
    Flow::Continue(())
}

const ABBA: &str = "When Mary and John went to the garden, John gave a letter to";
const BABA: &str = "Then John and Mary went to the river. John gave a ring to";

#[test]
fn positions_are_found_in_each_prompt() {
    let (model, _) = demo();
    let shown = |prompt: &Prompt, at: usize| model.codec().display(prompt.tokens[at]);
    let one = Prompt::new(&model, ABBA, "Mary", "John").unwrap();
    assert_eq!((one.order, one.s2), (Order::Abba, 10));
    assert_eq!(shown(&one, one.s2), " John");
    assert_eq!((one.and, one.stop), (Some(3), Some(9)));
    let other = Prompt::new(&model, BABA, "Mary", "John").unwrap();
    assert_eq!(
        (other.order, shown(&other, other.s2)),
        (Order::Baba, " John".to_owned())
    );
    assert_eq!(shown(&other, other.stop.unwrap()), ".");
    // In two sentences, the last ones count.
    let demo = "When Mary and John went to the garden, John gave a letter to Mary. When Mary and John went to the market, John gave a ring to";
    let two = Prompt::new(&model, demo, "Mary", "John").unwrap();
    let last = two.tokens.iter().rposition(|token| *token == two.s);
    assert_eq!((Some(two.s2), two.order), (last, Order::Abba));
    assert!(two.and.unwrap() > 15 && shown(&two, two.and.unwrap()) == " and");
    assert_eq!(shown(&two, two.s2 - 1), ",");
    for (text, io, s) in [
        ("Mary went home and gave", "Mary", "John"),
        (
            "When Mary and John went, John gave",
            "Zaphod Beeblebrox",
            "John",
        ),
    ] {
        let refused = Prompt::new(&model, text, io, s).unwrap_err().to_string();
        assert!(refused.contains(text), "{refused}");
    }
}

#[test]
fn lines_of_a_file_are_prompts_and_an_error_names_its_line() {
    let (model, _) = demo();
    let line = format!("{{\"prompt\": \"{ABBA}\", \"io\": \"Mary\", \"s\": \"John\"}}");
    let read = from_lines(&model, &format!("{line}\n\n{line}\n")).unwrap();
    assert_eq!(
        read,
        vec![Prompt::new(&model, ABBA, "Mary", "John").unwrap(); 2]
    );
    let refused = from_lines(&model, &format!("{line}\n{{\"text\": 3}}")).unwrap_err();
    assert!(refused.to_string().contains("line 2"), "{refused}");
}

#[test]
fn corruptions_change_what_they_say_and_find_s2_again() {
    let (model, _) = demo();
    for (text, io, s) in [(ABBA, "Mary", "John"), (BABA, "Mary", "John")] {
        let prompt = Prompt::new(&model, text, io, s).unwrap();
        let token = |text: &str| model.codec().token_of(text).unwrap();
        let others = [token(" Alice"), token(" Tom")];
        let names = corrupted(&model, &prompt, Corruption::Names, others)
            .unwrap()
            .unwrap();
        let read = model.codec().decode(&names.tokens);
        assert!(
            read.contains("It was a nice day. ") && read.contains(" while the weather was nice")
        );
        assert!(
            read.contains("Alice") && read.contains(" and") && !read.contains("Mary"),
            "{read}"
        );
        assert_eq!(names.tokens[names.s2], token(" Tom"));
        let and = corrupted(&model, &prompt, Corruption::And, others)
            .unwrap()
            .unwrap();
        let read = model.codec().decode(&and.tokens);
        assert!(read.contains(&text.replace(" and", " alongside")), "{read}");
        assert_eq!(and.tokens[and.s2], prompt.s);
    }
}

#[test]
fn the_demo_knows_who_gets_the_present() {
    let (model, sae) = demo();
    let prompts = from_templates(&model, 24, 1).unwrap();
    assert_eq!(prompts, from_templates(&model, 24, 1).unwrap());
    assert!(
        prompts
            .iter()
            .all(|one| one.and.is_some() && one.stop.is_some())
    );
    let found = run(&model, sae.autoencoder().unwrap(), (&prompts, &[]), &mut on);
    let found = found.unwrap().done().unwrap();
    assert_eq!(found.prompts, [12, 12]);
    assert!(
        found.ld > 3.0 && found.positive > 0.6,
        "{} {}",
        found.ld,
        found.positive
    );
    assert!(found.features.is_sorted_by(|a, b| a.change <= b.change));
    assert!(found.features[0].change < 0.0);
    for effect in &found.features {
        assert!(effect.alive[0] <= 12 && effect.alive.iter().sum::<usize>() > 0);
        let [abba, baba] = effect.by_order.map(Option::unwrap);
        let mean = f64::midpoint(abba, baba);
        assert!((mean - effect.change).abs() < 1e-9);
    }
    let mut stop = |_: Progress| Flow::Break(());
    let stopped = run(
        &model,
        sae.autoencoder().unwrap(),
        (&prompts, &[]),
        &mut stop,
    );
    assert!(stopped.unwrap().is_stopped());
}

/// Other numbers for those at a position, if they change.
type Turn<'a> = &'a dyn Fn(usize, &[f32]) -> Option<Vec<f32>>;

/// LD with `value` of position `at` at a hook turned into another.
fn ld(model: &Model, prompt: &Prompt, hook: HookPoint, turn: Turn<'_>) -> f64 {
    let width = model.width(hook).unwrap();
    let mut hooks = HookFn::new(hook, |_, value| {
        let mut x = Matrix::from_tensor(value, width)?;
        for at in 0..x.rows() {
            if let Some(other) = turn(at, x.row(at)) {
                x.row_mut(at).copy_from_slice(&other);
            }
        }
        Ok(Some(x.to_tensor()?.reshape(value.dims())?))
    });
    let tokens = token_tensor(&[&prompt.tokens]).unwrap();
    let logits = model
        .run(Start::Tokens(&tokens), &mut hooks)
        .unwrap()
        .unwrap();
    let last = logits.get(0).unwrap().get(prompt.tokens.len() - 1).unwrap();
    let last = last.to_vec1::<f32>().unwrap();
    f64::from(last[prompt.io.index()]) - f64::from(last[prompt.s.index()])
}

#[test]
fn a_feature_at_zero_changes_ld_as_by_its_definition() {
    let (model, sae) = demo();
    let hook = sae.hook().unwrap();
    let prompts = [
        Prompt::new(&model, ABBA, "Mary", "John").unwrap(),
        Prompt::new(&model, BABA, "Mary", "John").unwrap(),
    ];
    let found = run(&model, sae.autoencoder().unwrap(), (&prompts, &[]), &mut on);
    let found = found.unwrap().done().unwrap();
    let clean = prompts
        .each_ref()
        .map(|one| ld(&model, one, hook, &|_, _| None));
    assert!((found.ld - f64::midpoint(clean[0], clean[1])).abs() < TOLERANCE);
    let mut largest: f64 = 0.0;
    for effect in &found.features {
        for (i, prompt) in prompts.iter().enumerate() {
            // x without a · d, where the feature is active at S2.
            let without = |at: usize, x: &[f32]| {
                let x = Matrix::new(1, x.len(), x.to_vec()).unwrap();
                let codes = sae.encode(&x).unwrap();
                let act = codes.row(0).find(|(feature, _)| *feature == effect.feature);
                let (_, act) = act.filter(|_| at == prompt.s2)?;
                let d = sae.w_dec.row(effect.feature.index());
                Some(x.row(0).iter().zip(d).map(|(x, d)| x - act * d).collect())
            };
            let change = ld(&model, prompt, hook, &without) - clean[i];
            let got = effect.by_order[i].unwrap();
            assert!((got - change).abs() < TOLERANCE, "{got} {change}");
            largest = largest.max(change.abs());
        }
    }
    // The comparison can fail: changes are far above the tolerance.
    assert!(largest > 20.0 * TOLERANCE, "{largest}");
}

#[test]
fn nothing_at_s2_of_the_last_layer_reaches_the_end() {
    let (model, _) = demo();
    let prompts = [Prompt::new(&model, ABBA, "Mary", "John").unwrap()];
    for (name, reaches) in [("attn-2", true), ("attn-3", false)] {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/saes"));
        let sae = formats::open(&path.join(name)).unwrap().0;
        let found = run(&model, sae.autoencoder().unwrap(), (&prompts, &[]), &mut on);
        let found = found.unwrap().done().unwrap();
        assert_eq!(found.reaches_end, reaches, "{name}");
        let moves = found.features.iter().any(|effect| effect.change != 0.0);
        assert_eq!(moves, reaches, "{name}");
    }
    let last = |site| reaches_end(HookPoint::block(3, site), 4);
    assert!(last(Site::ResidPre) && !last(Site::Z) && !last(Site::ResidPost));
}

#[test]
fn a_splice_that_edits_nothing_gives_the_same_bits() {
    let (model, sae) = demo();
    let prompt = Prompt::new(&model, ABBA, "Mary", "John").unwrap();
    let hook = sae.hook().unwrap();
    let tokens = token_tensor(&[&prompt.tokens]).unwrap();
    let captured = model.capture(&tokens, &[hook]).unwrap();
    let x = Matrix::from_tensor(&captured[&hook], sae.width()).unwrap();
    let x = Matrix::new(1, x.columns(), x.row(prompt.s2).to_vec()).unwrap();
    let codes = sae.encode(&x).unwrap();
    let sae = sae.autoencoder().unwrap();
    let same = spliced(sae, &x, &codes, |_| true).unwrap();
    let bits = |x: &Matrix| x.values().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&same), bits(&x));
    let first = codes.row(0).next().unwrap().0;
    let other = spliced(sae, &x, &codes, |feature| feature != first).unwrap();
    assert_ne!(bits(&other), bits(&x));
    // The other order of the sum, x̂ + (x − x̂), rounds.
    let recon = sae.decode(&codes, &x).unwrap();
    let rounded = x
        .values()
        .iter()
        .zip(recon.values())
        .map(|(x, r)| (r + (x - r)).to_bits());
    assert_ne!(rounded.collect::<Vec<_>>(), bits(&x));
}

#[test]
fn noising_puts_in_the_output_of_the_corrupted_sentence_and_both_baselines() {
    let (model, sae) = demo();
    let layer = Layer(2);
    let prompt = Prompt::new(&model, ABBA, "Mary", "John").unwrap();
    let prompts = [prompt.clone()];
    let found = run(
        &model,
        sae.autoencoder().unwrap(),
        (&prompts, &[layer]),
        &mut on,
    );
    let noising = found.unwrap().done().unwrap().noising.unwrap();
    let hook = HookPoint::Block(layer, Site::AttnOut);
    let zeros = vec![0.0; model.config().d_model];
    let at_s2 = |at: usize, _: &[f32]| (at == prompt.s2).then(|| zeros.clone());
    let and = {
        let text = prompt.text.replace(" and", " alongside");
        let tokens = model.codec().encode_with_bos(&text).unwrap();
        let s2 = tokens
            .iter()
            .rposition(|token: &TokenId| *token == prompt.s)
            .unwrap();
        let captured = model
            .capture(&token_tensor(&[&tokens]).unwrap(), &[hook])
            .unwrap();
        let value = Matrix::from_tensor(&captured[&hook], zeros.len()).unwrap();
        value.row(s2).to_vec()
    };
    let put = |at: usize, _: &[f32]| (at == prompt.s2).then(|| and.clone());
    for (got, want) in [
        (noising.clean, ld(&model, &prompt, hook, &|_, _| None)),
        (noising.zero_at_s2, ld(&model, &prompt, hook, &at_s2)),
        (
            noising.zero_everywhere,
            ld(&model, &prompt, hook, &|_, _| Some(zeros.clone())),
        ),
        (noising.and, ld(&model, &prompt, hook, &put)),
    ] {
        assert!((got - want).abs() < TOLERANCE, "{got} {want}");
    }
    // The baselines differ, so a mix-up would be seen.
    assert!((noising.zero_at_s2 - noising.zero_everywhere).abs() > 0.1);
    let noised = noising.of(Corruption::And);
    let whole = noising.clean - noising.zero_at_s2;
    assert!(
        (noised.recovered_at_s2.unwrap() - (noising.and - noising.zero_at_s2) / whole).abs() < 1e-9
    );
    assert_ne!(noised.recovered_at_s2, noised.recovered_everywhere);
}
