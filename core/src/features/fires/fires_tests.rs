//! Search by text against plain definitions in f64, on the demo.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::*;
use crate::features::{Index, Summary};
use crate::ids::{HookPoint, Site};
use crate::prompt::read_input;
use crate::sae::{AbsTopK, Role, Selection, Transcoder};

const TEXT: &str =
    "The old king looked at the fox, and the king said that he had never seen so sly a fox.";

fn demo(part: &str) -> PathBuf {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo");
    demo.join(part)
}

fn model() -> Model {
    Model::open(&demo("model")).unwrap().0
}

fn dictionary(name: &str) -> Sae {
    Sae::open(&demo("saes").join(name)).unwrap().0
}

fn run(model: &Model, text: &str, searched: &[Searched<'_>]) -> Fires {
    let ended = fires(model, &text.into(), searched, &mut || {
        ControlFlow::Continue(())
    });
    ended.unwrap().done().unwrap()
}

/// Figures of a dictionary by the definitions: dense activations `[t, f]` and one loop per feature. `summaries` are those of its index.
fn brute(dense: &[Vec<f64>], sae: &Sae, summaries: Option<&[Summary]>) -> Vec<Fired> {
    let (n, features) = (dense.len(), sae.features());
    let written = |t: usize| -> Vec<f64> {
        (0..sae.w_dec.columns())
            .map(|i| {
                let column = (0..features).map(|f| dense[t][f] * f64::from(sae.w_dec.row(f)[i]));
                column.sum()
            })
            .collect()
    };
    let reconstructed: Vec<Vec<f64>> = (1..n).map(written).collect();
    let whole: f64 = reconstructed.iter().flatten().map(|x| x * x).sum();
    let mut found = Vec::new();
    for f in 0..features {
        let column: Vec<f64> = dense.iter().map(|row| row[f]).collect();
        if column[1..].iter().all(|act| *act == 0.0) {
            continue;
        }
        let at = (1..n).fold(1, |best, t| {
            if column[t].abs() > column[best].abs() {
                t
            } else {
                best
            }
        });
        let by = |t: usize| -> f64 {
            let row = sae.w_dec.row(f).iter().zip(&reconstructed[t - 1]);
            column[t] * row.map(|(weight, x)| f64::from(*weight) * x).sum::<f64>()
        };
        let size = column[1..].iter().map(|act| act.abs()).sum::<f64>() / (n - 1) as f64;
        let bits = |known: &[Summary]| {
            let (most, density) = (known[f].max.max(-known[f].min), known[f].density);
            (density > 0.0).then(|| size / most * (1.0 / density).log2())
        };
        found.push(Fired {
            dictionary: 0,
            feature: FeatureId::from(f),
            max: column[at] as f32,
            at,
            mean: column[1..].iter().sum::<f64>() / (n - 1) as f64,
            active: (1..n)
                .filter(|t| column[*t] != 0.0)
                .map(|t| (t, column[t] as f32))
                .collect(),
            share: (1..n).map(by).sum::<f64>() / whole,
            tf_idf: summaries.and_then(bits),
        });
    }
    found
}

/// Whether two lists agree: features, maxima and positions exactly, since both come from the same activations; sums to 1e-9, the error of some hundred additions
/// in f64; shares to 1e-6, since those of a token are kept in f32.
fn agree(got: &[&Fired], want: &[Fired]) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs().max(1.0);
    let alike = |(got, want): (&&Fired, &Fired)| {
        (got.feature, got.max, got.at, &got.active)
            == (want.feature, want.max, want.at, &want.active)
            && near(got.mean, want.mean)
            && (got.share - want.share).abs() <= 1e-6
            && got.tf_idf.is_some() == want.tf_idf.is_some()
            && near(got.tf_idf.unwrap_or(0.0), want.tf_idf.unwrap_or(0.0))
    };
    got.len() == want.len() && got.iter().zip(want).all(alike)
}

fn of(fires: &Fires, dictionary: usize) -> Vec<&Fired> {
    let own = fires.found.iter();
    let mut own: Vec<&Fired> = own.filter(|fired| fired.dictionary == dictionary).collect();
    own.sort_by_key(|fired| fired.feature);
    own
}

/// Dense activations of a dictionary, read by itself.
fn dense(model: &Model, sae: &Sae, text: &str) -> Vec<Vec<f64>> {
    let reading = read_input(model, sae.autoencoder().unwrap(), &text.into(), 0).unwrap();
    let row = |t: usize| {
        let mut row = vec![0.0; sae.features()];
        for (feature, act) in reading.latents.row(t) {
            row[feature.index()] = f64::from(act);
        }
        row
    };
    (0..reading.tokens.len()).map(row).collect()
}

#[test]
fn every_figure_is_that_of_the_definitions_in_several_dictionaries_at_once() {
    let model = model();
    let names = ["resid-2", "attn-0", "attn-3", "ladder-256"];
    let saes: Vec<Sae> = names.iter().map(|name| dictionary(name)).collect();
    let summaries = |name: &str| {
        let path = demo("indexes").join(format!("{name}.sqlite"));
        path.is_file()
            .then(|| Index::open(&path).unwrap().summaries().unwrap())
    };
    let known: Vec<Option<Vec<Summary>>> = names.iter().map(|name| summaries(name)).collect();
    let rarities: Vec<Option<Rarity>> = known
        .iter()
        .map(|known| known.as_deref().map(Rarity::new))
        .collect();
    let searched: Vec<Searched<'_>> = (saes.iter().zip(&rarities))
        .map(|(sae, rarity)| Searched {
            sae,
            rarity: rarity.as_ref(),
        })
        .collect();
    let fires = run(&model, TEXT, &searched);
    assert!(known[0].is_some() && known[3].is_none());
    for (at, sae) in saes.iter().enumerate() {
        let mut want = brute(&dense(&model, sae, TEXT), sae, known[at].as_deref());
        for fired in &mut want {
            fired.dictionary = at;
        }
        let got = of(&fires, at);
        assert!(got.len() > 20 && agree(&got, &want), "{}", sae.name);
        let shares: f64 = got.iter().map(|fired| fired.share).sum();
        assert!((shares - 1.0).abs() < 1e-5, "{shares}");
        assert!(
            got.iter()
                .all(|fired| fired.active.iter().all(|(t, _)| *t > 0))
        );
        // The comparison can fail, on each figure.
        let nudges: [fn(&mut Fired); 5] = [
            |fired| fired.max *= 1.000_01,
            |fired| fired.mean += 1e-7,
            |fired| fired.share += 3e-6,
            |fired| fired.active[0].0 -= 1,
            |fired| fired.tf_idf = fired.tf_idf.map_or(Some(0.0), |bits| Some(bits + 1e-7)),
        ];
        for nudge in nudges {
            let mut other = want.clone();
            nudge(&mut other[7]);
            assert!(!agree(&got, &other));
        }
    }
    ranks(&fires);
}

/// Every order is that of its figure, with what is not known last.
fn ranks(fires: &Fires) {
    assert_eq!(
        fires.found,
        fires
            .ranked(Rank::Max)
            .into_iter()
            .cloned()
            .collect::<Vec<_>>()
    );
    for rank in Rank::ALL {
        let ranked = fires.ranked(rank);
        let figures = ranked.iter().map(|fired| rank.figure(fired));
        let figures: Vec<f64> = figures.map(|figure| figure.unwrap_or(-9e9)).collect();
        assert_eq!(ranked.len(), fires.found.len());
        assert!(figures.is_sorted_by(|a, b| a >= b), "{}", rank.key());
    }
    let last = fires.ranked(Rank::TfIdf);
    assert!(last[0].tf_idf.is_some() && last[last.len() - 1].tf_idf.is_none());
}

#[test]
fn signed_activations_rank_by_size_and_keep_their_sign() {
    let model = model();
    let mut sae = dictionary("attn-0");
    sae.selection = Selection::AbsTopK(AbsTopK { k: 16 });
    let searched = [Searched {
        sae: &sae,
        rarity: None,
    }];
    let fires = run(&model, TEXT, &searched);
    let want = brute(&dense(&model, &sae, TEXT), &sae, None);
    assert!(agree(&of(&fires, 0), &want));
    let sizes = fires.found.iter().map(|fired| fired.max.abs());
    assert!(sizes.is_sorted_by(|a, b| a >= b));
    assert!(fires.found.iter().any(|fired| fired.max < 0.0));
}

#[test]
fn a_transcoder_is_searched_where_it_reads() {
    let model = model();
    let mut same = dictionary("resid-2");
    same.apply_b_dec_to_input = false;
    let sae = same.clone().with_role(Role::Transcoder(Transcoder {
        hook_out: Some(HookPoint::block(3, Site::ResidPost)),
        w_skip: None,
    }));
    let both = [&sae, &same].map(|sae| Searched { sae, rarity: None });
    let fires = run(&model, TEXT, &both);
    let (got, want) = (of(&fires, 0), of(&fires, 1));
    assert!(!got.is_empty() && got.len() == want.len());
    for (got, want) in got.iter().zip(want) {
        assert_eq!((got.feature, &got.active), (want.feature, &want.active));
    }
}

#[test]
fn a_search_that_has_no_answer_says_why() {
    let (model, sae) = (model(), dictionary("attn-0"));
    let own = [Searched {
        sae: &sae,
        rarity: None,
    }];
    let refused = |text: &str, searched: &[Searched<'_>]| {
        let ended = fires(&model, &text.into(), searched, &mut || {
            ControlFlow::Continue(())
        });
        ended.unwrap_err().to_string()
    };
    assert!(
        refused("The king", &[]).starts_with("sae"),
        "{}",
        refused("The king", &[])
    );
    assert!(refused("", &own).contains("text"), "{}", refused("", &own));
    let mut foreign = sae.clone();
    foreign.provenance.hook = "blocks.99.hook_resid_post".parse().ok();
    let foreign = [Searched {
        sae: &foreign,
        rarity: None,
    }];
    assert!(refused("The king", &foreign).contains("blocks.99"));
    // A chat of one token is as short as a text of one.
    let one = Input::Tokens {
        ids: [TokenId(5)].into(),
        apart: false,
    };
    let short = fires(&model, &one, &own, &mut || ControlFlow::Continue(()));
    assert!(short.unwrap_err().to_string().contains("one token"));
}

#[test]
fn a_search_stops_before_a_block_and_between_dictionaries() {
    let (model, sae) = (model(), dictionary("attn-0"));
    let twice = [Searched {
        sae: &sae,
        rarity: None,
    }; 2];
    let mut asked = 0;
    let mut after = |most: usize| {
        asked = 0;
        let ended = fires(&model, &TEXT.into(), &twice, &mut || {
            asked += 1;
            if asked > most {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        (ended.unwrap(), asked)
    };
    assert!(after(0).0.is_stopped() && after(1).0.is_stopped());
    let (whole, asked) = after(usize::MAX);
    let whole = whole.done().unwrap();
    assert!(asked >= 3);
    let (first, second) = (of(&whole, 0), of(&whole, 1));
    assert_eq!(first.len(), second.len());
    assert!(first.iter().zip(second).all(|(a, b)| a.active == b.active));
}
