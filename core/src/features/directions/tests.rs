//! Maps of planted groups and of the demo.

use std::ops::ControlFlow;

use rand::Rng as _;

use super::*;

/// Rows around a few directions at right angles.
fn grouped(groups: usize, each: usize) -> Vec<Vec<f32>> {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let row = |i: usize| {
        let mut row: Vec<f32> = (0..24)
            .map(|_| 0.3 * (random.random::<f32>() - 0.5))
            .collect();
        row[i % groups] += 1.0;
        let norm = row.iter().map(|w| w * w).sum::<f32>().sqrt();
        row.iter().map(|w| w / norm).collect()
    };
    (0..groups * each).map(row).collect()
}

fn placed(rows: &[Vec<f32>], seed: u64) -> Vec<[f32; 2]> {
    let mut go = |_| ControlFlow::Continue(());
    let near = near::neighbours(rows, 30.min(rows.len() - 1), &mut go).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    embed::embed(&near, &mut random, &mut go).unwrap().unwrap()
}

/// Share of points whose nearest point on the map is of their group.
fn kept_together(points: &[[f32; 2]], groups: usize) -> f64 {
    let away = |a: &[f32; 2], b: &[f32; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
    let together = points.iter().enumerate().filter(|(i, point)| {
        let others = points.iter().enumerate().filter(|(j, _)| j != i);
        let nearest = others.min_by(|a, b| away(point, a.1).total_cmp(&away(point, b.1)));
        nearest.is_some_and(|(j, _)| j % groups == i % groups)
    });
    together.count() as f64 / points.len() as f64
}

#[test]
fn neighbours_are_those_of_a_plain_search_in_f64() {
    let rows = grouped(3, 20);
    let mut go = |_| ControlFlow::Continue(());
    let near = near::neighbours(&rows, 5, &mut go).unwrap();
    for (i, near) in near.iter().enumerate() {
        let mut want: Vec<(f64, usize)> = (0..rows.len())
            .filter(|j| *j != i)
            .map(|j| {
                let products = rows[i].iter().zip(&rows[j]);
                let cosine: f64 = products.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                ((2.0 - 2.0 * cosine).max(0.0).sqrt(), j)
            })
            .collect();
        want.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert_eq!(near.len(), 5);
        for ((_, distance), (want, _)) in near.iter().zip(&want) {
            // Cosines in f32 have an error of about 1e-7, and so has the square of the distance.
            let off = f64::from(*distance).powi(2) - want.powi(2);
            assert!(off.abs() < 1e-5, "{distance} {want}");
        }
    }
}

#[test]
fn groups_of_directions_stay_together_and_a_seed_repeats_the_map() {
    let rows = grouped(5, 24);
    let points = placed(&rows, 3);
    let share = kept_together(&points, 5);
    assert!(share > 0.97, "{share}");
    // The measure can fail.
    let mut shuffled = points.clone();
    shuffled.rotate_left(7);
    let by_chance = kept_together(&shuffled[..shuffled.len() - 1], 4);
    assert!(by_chance < 0.7, "{by_chance}");
    assert_eq!(points, placed(&rows, 3));
    assert_ne!(points, placed(&rows, 4));
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(3)
        .build()
        .unwrap();
    assert_eq!(points, pool.install(|| placed(&rows, 3)));
}

#[test]
fn a_sample_of_the_demo_is_mapped_kept_and_read_again() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo/saes/attn-1");
    let (sae, _) = crate::formats::open(&demo).unwrap();
    let asked = Asked { most: 64, seed: 5 };
    let mut calls = 0;
    let mut count = |_: Progress| {
        calls += 1;
        ControlFlow::Continue(())
    };
    let live = |feature: FeatureId| feature.0.is_multiple_of(2);
    let map = map_directions(&sae, &live, asked, &mut count)
        .unwrap()
        .done()
        .unwrap();
    assert!(calls > STEPS / 125);
    assert_eq!(map.features.len(), 64);
    assert!(map.is_sample() && map.of <= sae.features().div_ceil(2));
    assert!(map.features.iter().all(|feature| live(*feature)));
    assert!(map.said().contains("sample of 64 of"), "{}", map.said());
    let json = map.json().unwrap();
    assert_eq!(DirectionMap::from_json(&json, &demo).unwrap(), map);
    let damaged = &json[..json.len() - 9];
    let refused = DirectionMap::from_json(damaged, &demo).unwrap_err();
    assert!(
        refused.to_string().contains("compute it again"),
        "{refused}"
    );
    let mut stop = |_: Progress| ControlFlow::Break(());
    let stopped = map_directions(&sae, &live, asked, &mut stop).unwrap();
    assert!(stopped.is_stopped());
    let none = map_directions(&sae, &|_| false, asked, &mut |_| ControlFlow::Continue(()));
    let none = none.unwrap_err().to_string();
    assert!(none.contains("at least 8 live features"), "{none}");
}
