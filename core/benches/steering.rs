//! Speed of steering: `cargo bench -p umbra-core --bench steering [PART]`, all parts unless one is named.
//!
//! - `generation`: tokens written with one edit in force over tokens written without edits, from the same seed, by the same cache. Edits: `add`; `set-feature` of a
//!   dictionary with the error kept, by a threshold rule (one pre-activation decides) and by TopK (a feature whose own pre-activation is not positive needs no other;
//!   else all are encoded). The share of a whole code of one token in an unsteered step is printed beside.
//! - `restart`: time from a new strength to the first steered token of a session that has run before, and its pace with all figures measured.
//! - `causes`: exact ablation of every active feature of a sentence of 64 tokens of the demo (32 features a token), for a token's logit and for the loss, against the
//!   definition: one pass over the whole sentence for each of them. A sample of those passes is timed and scaled to all of them; their targets must agree.
//!
//! All are timed in turn and medians are compared, so that other work on the machine weighs on all. Read are the demo, and SmolLM2 with a random dictionary of 8 · d
//! features if `UMBRA_SMOLLM2_GGUF` names its file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use umbra_core::causes::features::{Features, features};
use umbra_core::causes::{FeatureCause, Target};
use umbra_core::dims::Matrix;
use umbra_core::error::{Error, Result};
use umbra_core::ids::{FeatureId, HookPoint, Site, TokenId};
use umbra_core::models::{HookFn, Model, NoHooks, Sampling, Start, token_tensor};
use umbra_core::sae::{JumpRelu, Sae, TopK};
use umbra_core::steer::{
    Action, Dial, DictionaryEdit, Edit, Edits, ErrorTerm, Event, LatentChange, Session, Stream,
    Wanted, generate,
};
use umbra_core::{Flow, Pair};

/// Tokens of each text.
const TOKENS: usize = 60;
const ROUNDS: usize = 15;

/// Name of a part and what it measures.
type Part = (&'static str, fn(&mut dyn std::io::Write) -> Result<()>);

const PARTS: [Part; 3] = [
    ("generation", generation),
    ("restart", restart),
    ("causes", causes),
];

/// Tokens of the sentence whose causes are sought, and how many of its features are ablated one by one.
const SENTENCE: usize = 64;
const SAMPLE: usize = 40;

/// Text of the sentence, a little longer than it.
const TEXT: &str = "Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing to do: once or twice she had peeped into the book her sister was reading, but it had no pictures or conversations in it, and what is the use of a book, thought Alice, without pictures or conversations? So she was considering in her own mind whether the pleasure of making a daisy-chain would be worth the trouble of getting up and picking the daisies.";

/// A model with a dictionary, and what is read and edited.
struct Subject {
    name: String,
    model: Arc<Model>,
    sae: Arc<Sae>,
    prompt: Vec<TokenId>,
}

fn demo() -> Result<Subject> {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo");
    let (pair, _) = Pair::open(&demo.join("model"), &demo.join("saes/resid-2"))?;
    Ok(Subject {
        name: "demo".to_owned(),
        prompt: pair.model.codec().encode_with_bos("The old king")?,
        model: pair.model,
        sae: pair.sae,
    })
}

fn smollm2(path: &Path) -> Result<Subject> {
    let model = Arc::new(Model::open(path)?.0);
    let d = model.config().d_model;
    let features = 8 * d;
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let numbers = (0..features * d).map(|_| rng.random_range(-0.05..0.05));
    let rows = Matrix::new(features, d, numbers.collect())?;
    let zeros = (vec![0.0; features], vec![0.0; d]);
    let sae = Sae::new(
        "random",
        (rows.clone(), zeros.0),
        (rows, zeros.1),
        TopK { k: 32 },
    );
    let middle = HookPoint::block(model.config().layers / 2, Site::ResidPost);
    Ok(Subject {
        name: format!("SmolLM2 with {features} random features"),
        prompt: model.codec().encode_with_bos("The old king")?,
        model,
        sae: Arc::new(sae.reading(middle)),
    })
}

fn subjects() -> Result<Vec<Subject>> {
    let mut all = vec![demo()?];
    if let Some(path) = std::env::var_os("UMBRA_SMOLLM2_GGUF") {
        all.push(smollm2(&PathBuf::from(path))?);
    }
    Ok(all)
}

fn sampling() -> Sampling {
    Sampling {
        tokens: TOKENS,
        ignore_eos: true,
        ..Sampling::default()
    }
}

/// Adds the row of feature 7, scaled so that texts stay texts.
fn add(subject: &Subject, strength: f32) -> Result<Edits> {
    let row = subject.sae.direction(FeatureId(7))?;
    let row = row.iter().map(|x| strength * x).collect();
    let mut edit = Edit::new(subject.sae.hook()?, Action::Add(row));
    edit.positions = "1..".parse()?;
    Edits::new(&subject.model, vec![edit])
}

/// Sets a feature's activation, the error kept.
fn set(subject: &Subject, sae: &Arc<Sae>, feature: FeatureId) -> Result<Edits> {
    let changes = vec![LatentChange::Set(feature, 4.0)];
    let edit = DictionaryEdit::new(Arc::clone(sae), changes, ErrorTerm::Kept)?;
    let edit = Edit::new(sae.hook()?, Action::Dictionary(edit));
    Edits::new(&subject.model, vec![edit])
}

/// Times work once.
fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let begin = Instant::now();
    work()?;
    Ok(begin.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Name of an edit, and what it does.
type Case = (&'static str, Edits);

fn cases(subject: &Subject) -> Result<Vec<Case>> {
    let of = |change: &dyn Fn(&mut Sae)| {
        let mut sae = (*subject.sae).clone();
        change(&mut sae);
        set(subject, &Arc::new(sae), FeatureId(7))
    };
    let jump = of(&|sae| {
        let thresholds = vec![0.5; sae.features()];
        sae.selection = JumpRelu { thresholds }.into();
    })?;
    Ok(vec![
        ("add", add(subject, 4.0)?),
        ("set-feature, threshold rule", jump),
        (
            "set-feature, TopK, silent feature",
            of(&|sae| sae.b_enc[7] = -1e6)?,
        ),
        (
            "set-feature, TopK, feature that may fire",
            of(&|sae| sae.b_enc[7] = 1e6)?,
        ),
    ])
}

/// Times, in turn: no edit, each case, and whole codes of as many single tokens.
fn turns(subject: &Subject, cases: &[Case]) -> Result<Vec<Duration>> {
    let (sampling, sae) = (sampling(), &subject.sae);
    let x = Matrix::zeros(1, sae.width());
    let mut times = vec![timed(|| {
        let mut on = |_| Flow::Continue(());
        let model = &subject.model;
        let text = model.generate(&subject.prompt, &sampling, &mut NoHooks, &mut on);
        text.map(drop)
    })?];
    for (_, edits) in cases {
        times.push(timed(|| {
            let mut on = |_, _: &str| Flow::Continue(());
            let edits = edits.clone();
            let text = generate(&subject.model, &subject.prompt, edits, &sampling, &mut on);
            text.map(drop)
        })?);
    }
    times.push(timed(|| {
        (0..TOKENS).try_for_each(|_| sae.encode(&x).map(drop))
    })?);
    Ok(times)
}

fn generation(out: &mut dyn std::io::Write) -> Result<()> {
    for subject in subjects()? {
        let cases = cases(&subject)?;
        let mut times = vec![Vec::new(); cases.len() + 2];
        turns(&subject, &cases)?;
        for _ in 0..ROUNDS {
            let turn = turns(&subject, &cases)?;
            times
                .iter_mut()
                .zip(turn)
                .for_each(|(all, one)| all.push(one));
        }
        let medians: Vec<Duration> = times.into_iter().map(median).collect();
        let pace = |time: Duration| TOKENS as f64 / time.as_secs_f64();
        let share = |time: Duration| 100.0 * time.as_secs_f64() / medians[0].as_secs_f64();
        let mut lines = vec![format!(
            "{}: {:.0} tokens/s without edits",
            subject.name,
            pace(medians[0])
        )];
        for ((name, _), time) in cases.iter().zip(&medians[1..]) {
            let ratio = 100.0 * medians[0].as_secs_f64() / time.as_secs_f64();
            let pace = pace(*time);
            lines.push(format!(
                "  {name}: {pace:.0} tokens/s, {ratio:.1} % of that"
            ));
        }
        let encode = share(medians[cases.len() + 1]);
        lines.push(format!(
            "  a whole code of one token costs {encode:.1} % of a step"
        ));
        writeln!(out, "{}", lines.join("\n")).map_err(printing)?;
    }
    Ok(())
}

fn restart(out: &mut dyn std::io::Write) -> Result<()> {
    for subject in subjects()? {
        let mut session = Session::new(&subject.model, &subject.prompt, &sampling());
        let (mut first, mut token) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let wanted = Wanted {
                edits: add(&subject, round as f32)?,
                dial: Some(Dial::new(Arc::clone(&subject.sae), FeatureId(7))?),
                samples: 1,
            };
            let begin = Instant::now();
            let mut begun = None;
            let ran = session.run(&wanted, &mut |event| {
                if let Event::Tokens {
                    stream: Stream::Steered,
                    ..
                } = event
                {
                    begun.get_or_insert_with(|| begin.elapsed());
                }
                Flow::Continue(())
            })?;
            if let (Some(begun), true) = (begun, round > 0 && !ran.is_stopped()) {
                first.push(begun);
                token.push(begin.elapsed().saturating_sub(begun) / TOKENS as u32);
            }
        }
        writeln!(
            out,
            "{}: {:.1} ms to the first steered token, then {:.2} ms per token with its figures",
            subject.name,
            1e3 * median(first).as_secs_f64(),
            1e3 * median(token).as_secs_f64()
        )
        .map_err(printing)?;
    }
    Ok(())
}

fn causes(out: &mut dyn std::io::Write) -> Result<()> {
    let subject = demo()?;
    let mut tokens = subject.model.codec().encode_with_bos(TEXT)?;
    tokens.truncate(SENTENCE);
    let targets = [
        ("a logit", "logit:  the".to_owned()),
        ("the loss", "loss".to_owned()),
    ];
    for (name, written) in targets {
        let target = Target::parse(&written, subject.model.codec())?;
        let begin = Instant::now();
        let sae = subject.sae.autoencoder()?;
        let found = features(
            &subject.model,
            sae.into(),
            (&tokens, target),
            None,
            &mut |_| Flow::Continue(()),
        )?;
        let took = begin.elapsed().as_secs_f64();
        let Some(found) = found.done() else {
            continue;
        };
        let count = found.features.len();
        let (pass, off) = one_by_one(&subject, (&tokens, target), &found)?;
        let naive = pass.as_secs_f64() * count as f64;
        writeln!(
            out,
            "causes of {name} on {} tokens: {count} features ablated in {took:.2} s; {SAMPLE} whole passes timed and scaled to {count}: {naive:.1} s, {:.1} times as long; targets differ by at most {off:.0e}",
            tokens.len(),
            naive / took
        )
        .map_err(printing)?;
    }
    Ok(())
}

/// Ablates a sample of features by one whole pass each; returns the median time of a pass, and the largest difference from `found`.
fn one_by_one(
    subject: &Subject,
    (tokens, target): (&[TokenId], Target),
    found: &Features,
) -> Result<(Duration, f64)> {
    let input = token_tensor(&[tokens])?;
    let value = |ablated: Option<&FeatureCause>| -> Result<f64> {
        let width = subject.sae.width();
        let mut change = Matrix::zeros(tokens.len(), width);
        if let Some(one) = ablated {
            let row = subject.sae.direction(one.feature)?;
            for (change, w) in change.row_mut(one.position).iter_mut().zip(row) {
                *change = -one.activation * w;
            }
        }
        let change = change.to_tensor()?.unsqueeze(0)?; // [1, t, d]
        let mut ablate = HookFn::new(found.hook, |_, value| Ok(Some((value + &change)?)));
        let logits = subject.model.run(Start::Tokens(&input), &mut ablate)?;
        let missing = || Error::setting("hook", "ends the pass before the logits");
        let logits = logits.ok_or_else(missing)?;
        let targets = target.of_logits(&logits, tokens, 0)?;
        Ok(targets.first().copied().unwrap_or_default())
    };
    let untouched = value(None)?;
    let (mut times, mut off) = (Vec::new(), 0.0_f64);
    let step = (found.features.len() / SAMPLE).max(1);
    for one in found.features.iter().step_by(step).take(SAMPLE) {
        let begin = Instant::now();
        let changed = value(Some(one))?;
        times.push(begin.elapsed());
        off = off.max((changed - untouched - one.ablation).abs());
    }
    Ok((median(times), off))
}

fn printing(error: std::io::Error) -> Error {
    Error::io("cannot print", "stdout", error)
}

fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let mut out = std::io::stdout().lock();
    for (name, part) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            part(&mut out)?;
        }
    }
    Ok(())
}
