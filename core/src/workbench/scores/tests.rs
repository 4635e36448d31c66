//! Numbers by their keys, and the front against a definition by brute force.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::corpus::Positions;
use crate::eval::Nearness;
use crate::workbench::overview::Known;

fn figures(l0: f64, fvu: f64) -> Figures {
    Figures {
        l0,
        fvu,
        dead_fraction: 0.25,
        rare_fraction: 0.5,
        ce_clean: 3.0,
        ce_sae: 3.125,
        ce_zero: 9.0,
        ce_mean: 8.0,
        ce_recovered_zero: 0.98,
        ce_recovered_mean: 0.97,
        tokens: 1_000,
        positions: Positions::Text,
        left_out: Some(0),
        nearness: None,
        pair: None,
    }
}

fn row(name: &str, figures: Option<&Figures>) -> Row {
    Row::new(&Known {
        name,
        figures,
        ..Known::default()
    })
}

#[test]
fn every_number_is_defined_and_read_from_figures() {
    let mut all = figures(8.0, 0.25);
    all.nearness = Some(Nearness {
        kl_sae: 0.1,
        cosine: 0.9,
        l2_ratio: 0.95,
        explained_variance: 0.75,
        explained_variance_legacy: 0.7,
    });
    let mut full = row("a", Some(&all));
    full.shape = Some([64, 16]);
    let older = row("b", Some(&figures(8.0, 0.25)));
    for number in NUMBERS {
        assert!(!number.definition().is_empty(), "{}", number.key);
        assert_eq!(Number::from_key(number.key), Some(number));
        let is_pair = number.key.ends_with("_pair");
        assert_eq!(number.of(&full).is_some(), !is_pair, "{}", number.key);
    }
    let value = |key, row: &Row| Number::from_key(key).and_then(|number| number.of(row));
    assert_eq!(value("ce_increase", &full), Some(0.125));
    assert_eq!(value("features", &full), Some(64.0));
    assert_eq!(value("kl_sae", &older), None);
    let nan = row("c", Some(&figures(8.0, f64::NAN)));
    assert_eq!(value("fvu", &nan), None, "not a number is no value");
    let lacking = [full, older, row("d", None)].map(|row| lacks(row.figures.as_ref()));
    assert_eq!(lacking, [false, true, true]);
}

#[test]
fn the_front_is_what_no_other_point_beats() {
    let less = [Better::Less, Better::Less];
    let points = [[1.0, 3.0], [2.0, 2.0], [3.0, 1.0], [3.0, 3.0], [2.0, 2.0]];
    assert_eq!(front(&points, less), [0, 1, 4, 2]);
    assert_eq!(front(&points, [Better::More, Better::Less]), [2]);
    assert!(front(&points, [Better::Less, Better::Neither]).is_empty());
    let nearest = [[0.7, 1.0], [1.2, 1.0], [0.9, 2.0]];
    assert_eq!(front(&nearest, [Better::NearOne, Better::Less]), [2, 1]);
    let odd = [[f64::NAN, 0.0], [1.0, 1.0]];
    assert_eq!(front(&odd, less), [1]);
}

#[test]
fn the_front_of_many_points_agrees_with_its_definition() {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    for _ in 0..20 {
        let points: Vec<[f64; 2]> = (0..40)
            .map(|_| [0, 1].map(|_| f64::from(rng.random_range(0..12_u32))))
            .collect();
        let found = front(&points, [Better::More, Better::Less]);
        for (i, own) in points.iter().enumerate() {
            let is_beaten = points.iter().any(|other| {
                let is_as_good = other[0] >= own[0] && other[1] <= own[1];
                is_as_good && (other[0] > own[0] || other[1] < own[1])
            });
            assert_eq!(found.contains(&i), !is_beaten, "{own:?}");
        }
        assert!(
            found
                .windows(2)
                .all(|two| points[two[0]][0] <= points[two[1]][0])
        );
    }
}

#[test]
fn a_section_names_the_front_and_lists_every_measured_number() {
    let (small, large) = (figures(4.0, 0.5), figures(32.0, 0.1));
    let worse = figures(40.0, 0.6);
    let rows = [
        row("small", Some(&small)),
        row("large", Some(&large)),
        row("worse", Some(&worse)),
        row("new", None),
    ];
    let texts: Vec<(&Row, &str)> = rows.iter().map(|row| (row, "held-out")).collect();
    let axes = ["l0", "fvu"].map(|key| Number::from_key(key).unwrap());
    let section = section(&texts, axes);
    assert_eq!(
        section.sentences[0],
        "small and large are beaten by none of 3 dictionaries in both L0 and FVU"
    );
    let json = serde_json::to_string(&section).unwrap();
    assert!(
        json.contains("CE added") && !json.contains("\"KL\""),
        "{json}"
    );
}

#[test]
fn a_dictionary_that_names_its_method_is_a_baseline() {
    let weights = crate::dims::Matrix::new(2, 2, vec![1.0; 4]).unwrap();
    let (encoder, decoder) = ((weights.clone(), vec![0.0; 2]), (weights, vec![0.0; 2]));
    let mut sae = Sae::new("pca", encoder, decoder, crate::sae::TopK { k: 1 });
    assert_eq!(Kind::new(&sae), Kind::Autoencoder);
    sae.provenance
        .other
        .insert(METADATA.to_owned(), "pca".into());
    assert_eq!(Kind::new(&sae), Kind::Baseline);
}
