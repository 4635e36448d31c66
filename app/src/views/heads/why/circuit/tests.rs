//! The graph shows the traced nodes, follows the slider, and leads to feature pages; its places do not overlap.

use std::sync::Arc;

use egui_kittest::kittest::Queryable as _;
use umbra_core::Flow;
use umbra_core::heads::circuit::{Circuit, Settings};
use umbra_core::ids::{FeatureId, Layer};
use umbra_core::prompt::Input;
use umbra_core::workbench::circuit::Tracer;

use super::layout::Layout;
use crate::state::catalogue::DictionaryId;
use crate::state::heads::step::{Step, Tab};
use crate::state::requests::{heads, navigation};
use crate::state::view::ViewId;
use crate::testing;

/// Traces the strongest feature of the demo's last attention layer at one token, with some contributions discarded.
pub(super) fn circuit() -> Circuit {
    let folder = tempfile::tempdir().unwrap();
    let desk = testing::demo(folder.path());
    let dictionary = desk.state.z_dictionary(Layer(3)).unwrap().id;
    let pair = desk.state.pair(dictionary).unwrap();
    let others = desk.state.fitting();
    let others: Vec<_> = others
        .filter_map(|dictionary| Some(Arc::clone(&dictionary.load.ready()?.sae)))
        .collect();
    let (tracer, _) = Tracer::from_fitting(pair, &others).unwrap();
    let text = "The rabbit looked at the old clock, and the rabbit ran home.";
    let reading = umbra_core::prompt::read(&pair.model, pair.sae.autoencoder().unwrap(), text, 0);
    let at = 8;
    let (feature, _) = reading.unwrap().strongest(at, 1)[0];
    let input = Input::Text(text.to_owned());
    let mut on = |_| Flow::Continue(());
    let settings = Settings::default();
    let traced = tracer.trace(&input, (feature, at), &settings, &mut on);
    traced.unwrap().done().unwrap()
}

#[test]
fn boxes_lie_in_their_columns_and_do_not_overlap() {
    let circuit = circuit();
    for room in [320.0, 600.0, 1400.0] {
        let layout = Layout::new(&circuit, room);
        assert_eq!(layout.boxes.len(), circuit.nodes.len());
        for (i, rect) in layout.boxes.iter().enumerate() {
            let at = circuit.nodes[i].at;
            let mut columns = layout.columns.iter();
            let column = columns.find(|column| column.at == at).unwrap();
            assert!(column.lanes > 0 && rect.left() >= column.left);
            assert!(rect.right() <= column.left + column.width && rect.bottom() < layout.foot);
            for other in &layout.boxes[i + 1..] {
                assert!(!rect.intersects(*other), "{rect:?} {other:?}");
            }
        }
        for (parent, child) in circuit.links() {
            let points = layout.line(child.node, parent);
            let mut pairs = points.windows(2);
            assert!(pairs.all(|pair| pair[0].y >= pair[1].y), "a line goes up");
            for rect in &layout.boxes {
                let inside = rect.shrink(0.5);
                let is_in = |t: f32| {
                    let mut pairs = points.windows(2);
                    pairs.any(|pair| inside.contains(pair[0].lerp(pair[1], t)))
                };
                assert!(
                    ![0.0, 0.3, 0.7].into_iter().any(is_in),
                    "{rect:?} {points:?}"
                );
            }
        }
        let top = layout.boxes[0].top();
        assert!(layout.boxes.iter().all(|rect| rect.top() >= top));
    }
    // Skipped tokens are one thin column, and room makes the graph less high.
    let counted: usize = Layout::new(&circuit, 600.0)
        .columns
        .iter()
        .map(|c| c.count)
        .sum();
    assert_eq!(counted, circuit.root().at + 1);
    let (wide, narrow) = (Layout::new(&circuit, 2400.0), Layout::new(&circuit, 320.0));
    assert!(wide.foot < narrow.foot, "{} {}", wide.foot, narrow.foot);
    assert!(narrow.size.x > 320.0 && Layout::new(&circuit, 1400.0).size.x <= 1400.0);
}

/// Opens the demo on the circuit of a feature of attention layer 3.
fn opened(folder: &std::path::Path) -> egui_kittest::Harness<'static, testing::Window> {
    let mut desk = testing::demo(folder);
    let dictionary = desk.state.z_dictionary(Layer(3)).unwrap().id;
    desk.run(navigation::Command::SelectDictionary(dictionary));
    let reading = Arc::clone(desk.state.prompt.reading.ready().unwrap());
    let (feature, _) = reading.strongest(6, 1)[0];
    desk.run(navigation::Command::SelectFeature(Some(feature)));
    desk.run(navigation::Command::SelectToken(Some(6)));
    let builder = egui_kittest::Harness::builder().with_size((1440.0, 900.0));
    let mut harness = testing::Window::build(builder, desk);
    harness.state_mut().go(ViewId::Heads);
    testing::Window::settle(&mut harness);
    let desk = &mut harness.state_mut().desk;
    desk.run(heads::Command::Step(Step::Why));
    desk.run(heads::Command::Tab(Tab::Circuit));
    testing::Window::settle(&mut harness);
    harness
}

#[test]
fn a_feature_is_traced_and_its_nodes_lead_to_pages() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path());
    harness.get_by_label_contains("sums are exact");
    let desk = &harness.state().desk;
    let panel = &desk.state.heads.circuit;
    let shown = Arc::clone(panel.shown.as_ref().unwrap());
    let traced = Arc::clone(panel.load.ready().unwrap());
    assert!(shown.nodes.len() < traced.circuit.nodes.len());
    assert_eq!(
        traced.dictionaries.len(),
        5,
        "all of the demo's dictionaries take part"
    );
    // The root is selected; a click on a child selects that.
    let child = &shown.nodes[shown.root().children[0].node];
    let words = format!("{} at token {}, ", shown.name(child), child.at);
    harness.get_by_label_contains(&words).click();
    testing::Window::settle(&mut harness);
    let selected = &harness.state().desk.state.heads.circuit.selected;
    assert_eq!(selected.as_deref(), Some(child.id.as_str()));
    // A higher threshold hides nodes, and every sum still holds.
    let more = heads::circuit::Command::Threshold(0.1);
    harness.state_mut().desk.run(more);
    testing::Window::settle(&mut harness);
    let fewer = harness
        .state()
        .desk
        .state
        .heads
        .circuit
        .shown
        .clone()
        .unwrap();
    assert!(fewer.nodes.len() < shown.nodes.len() && fewer.sums_up());
    harness.get_by_label_contains("sums are exact");
}

#[test]
fn the_menu_of_a_node_opens_its_page() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path());
    let shown = harness
        .state()
        .desk
        .state
        .heads
        .circuit
        .shown
        .clone()
        .unwrap();
    let root = shown.root();
    let words = format!("{} at token {}, ", shown.name(root), root.at);
    harness.get_by_label_contains(&words).click_secondary();
    harness.run();
    harness.get_by_label("Copy value");
    harness.get_by_label("Open the feature's page").click();
    testing::Window::settle(&mut harness);
    let state = &harness.state().desk.state;
    let umbra_core::heads::circuit::Kind::Feature(_, feature) = root.kind else {
        panic!("{root:?}");
    };
    assert_eq!(state.selection.feature, Some(feature));
}

#[test]
fn without_a_sentence_or_a_dictionary_the_panel_says_what_to_do() {
    let mut state = testing::with_model();
    let tab = Tab::Circuit;
    let shown = crate::state::heads::step::Shown {
        step: Step::Why,
        tab,
    };
    let event = crate::state::selection::Event::Shown(shown);
    state.apply(crate::state::Event::Selection(event));
    state.selection.feature = Some(FeatureId(1));
    state.prompt.text.clear();
    assert_eq!(state.selection.dictionary, Some(DictionaryId(0)));
    let harness = testing::harness(ViewId::Heads, state);
    harness.get_by_label_contains("Prompt has no sentence yet");
    harness.get_by_label("Type a sentence");
}

/// With a dictionary of the stream in use, the circuit still traces what the attribution explains, and the selected feature where that is asked for.
#[test]
fn the_circuit_follows_the_attribution_unless_asked_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = testing::demo(folder.path());
    let stream = desk
        .state
        .fitting()
        .find(|d| d.hook().is_some_and(|hook| !hook.is_z()));
    let stream = stream.unwrap().id;
    desk.run(navigation::Command::SelectDictionary(stream));
    let reading = Arc::clone(desk.state.prompt.reading.ready().unwrap());
    let (feature, _) = reading.strongest(6, 1)[0];
    desk.run(navigation::Command::SelectFeature(Some(feature)));
    desk.run(navigation::Command::SelectToken(Some(6)));
    let builder = egui_kittest::Harness::builder().with_size((1440.0, 900.0));
    let mut harness = testing::Window::build(builder, desk);
    harness.state_mut().go(ViewId::Heads);
    testing::Window::settle(&mut harness);
    harness
        .state_mut()
        .desk
        .run(heads::Command::Step(Step::Why));
    testing::Window::settle(&mut harness);
    let explained = harness.state().desk.state.heads.attribution.of.clone();
    harness
        .state_mut()
        .desk
        .run(heads::Command::Tab(Tab::Circuit));
    testing::Window::settle(&mut harness);
    let traced = |harness: &egui_kittest::Harness<'_, testing::Window>| {
        let of = harness.state().desk.state.heads.circuit.of.as_ref();
        of.map(|of| of.target.clone())
    };
    assert!(
        explained.is_some() && explained != traced(&harness).filter(|of| of.dictionary == stream)
    );
    assert_eq!(traced(&harness), explained);
    harness.get_by_label("Trace another").click();
    testing::Window::settle(&mut harness);
    harness.get_by_label_contains("which is selected").click();
    testing::Window::settle(&mut harness);
    let own = traced(&harness).unwrap();
    assert_eq!((own.dictionary, own.feature, own.at), (stream, feature, 6));
}
