//! Choosing by a click, points without a place on a logarithmic axis, and the copied values.

use egui_kittest::kittest::Queryable as _;

use super::*;
use crate::widgets::staged;

fn points() -> Vec<NamedPoint> {
    let point = |name: &str, at, kind| NamedPoint {
        name: name.to_owned(),
        at,
        kind,
        chosen: name == "c",
    };
    vec![
        point("a", [1.0, 0.0], 0),
        point("b", [10.0, 0.5], 1),
        point("c", [100.0, 1.0], 0),
        point("none", [0.0, 0.5], 0),
    ]
}

fn plot<'a>(points: &'a [NamedPoint], kinds: &'a [PointKind<'a>]) -> NamedPlot<'a> {
    let axis = |title, log| Axis {
        title,
        log,
        ends: None,
    };
    NamedPlot {
        name: "Dictionaries",
        axes: [axis("L0", true), axis("FVU", false)],
        kinds,
        points,
        lines: &[],
        height: 240.0,
        definition: "Dictionaries by two numbers",
    }
}

#[test]
fn a_click_on_a_point_of_a_logarithmic_axis_chooses_it() {
    let draw = |ui: &mut Ui, chosen: &mut Option<usize>| {
        let theme = Theme::from_ui(ui);
        let kind = |name, i: usize| PointKind {
            name,
            colour: theme.series(i),
            shape: [Shape::Circle, Shape::Square][i],
        };
        let (points, kinds) = (points(), [kind("autoencoder", 0), kind("baseline", 1)]);
        *chosen = plot(&points, &kinds).show(ui).or(*chosen);
    };
    let mut harness = staged(draw, None);
    harness.run();
    harness.get_by_label("baseline");
    // Ten lies in the middle between one and a hundred.
    harness
        .get_by_label("Dictionaries: 4 points, c at 100, 1.00")
        .click();
    harness.run();
    assert_eq!(*harness.state(), Some(1));
}

#[test]
fn every_point_is_copied_and_one_without_a_logarithm_has_no_place() {
    let points = points();
    let plot = plot(&points, &[]);
    assert_eq!(plot.place([10.0, 0.5]), Some([1.0, 0.5]));
    assert_eq!(plot.place([0.0, 0.5]), None);
    let csv = plot.csv();
    assert!(csv.starts_with("name,kind,L0,FVU\r\na,,1,0\r\n"), "{csv}");
    assert_eq!(csv.lines().count(), 5);
}
