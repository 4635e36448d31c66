//! Drives the panels of several features, dictionaries and texts by the names of their controls, on the bundled demo.

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use umbra_core::ids::FeatureId;

use super::model;
use crate::state::catalogue::DictionaryId;
use crate::state::prompt::Side;
use crate::state::requests::{Command, navigation, prompt, texts};
use crate::state::settings::Ranking;
use crate::state::texts::SetsForm;
use crate::state::view::ViewId;
use crate::testing::{self, Desk, Stage};

/// The demo with a sentence read by one of its dictionaries.
fn desk(folder: &std::path::Path, side: Side) -> Desk {
    let mut desk = testing::demo(folder);
    let resid = id(&desk, "resid-2");
    desk.run(navigation::Command::SelectDictionary(resid));
    desk.run(prompt::Command::Text("The king said to the fox".to_owned()));
    desk.run(prompt::Command::Show(side));
    desk
}

fn id(desk: &Desk, name: &str) -> DictionaryId {
    desk.state.catalogue.named(name).unwrap().id
}

fn shown(desk: Desk) -> Harness<'static, Stage> {
    let mut harness = testing::harness(ViewId::Prompt, desk.state);
    harness.run();
    harness
}

fn taken(harness: &mut Harness<'_, Stage>) -> Vec<Command> {
    harness.state_mut().commands.take()
}

#[test]
fn every_dictionary_has_a_row_and_a_feature_of_another_one_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = desk(folder.path(), Side::Layers);
    desk.run(texts::Command::ReadLayers);
    let rows = desk.state.texts.layers.load.ready().unwrap().clone();
    assert_eq!(rows.len(), desk.state.readers().len());
    assert!(rows.len() > 2 && rows.is_sorted_by_key(|row| row.hook));
    // By every dictionary as by it alone.
    let resid = rows.iter().find(|row| row.name == "resid-2").unwrap();
    let alone = desk.state.prompt.reading.ready().unwrap();
    assert_eq!(resid.reading.latents, alone.latents);
    let other = rows.iter().find(|row| row.name == "attn-0").unwrap();
    let last = other.reading.tokens.len() - 1;
    let (feature, act) = other.reading.strongest(last, 1)[0];
    let act = crate::widgets::number::number(f64::from(act));
    let (attn, first) = (other.dictionary, feature);
    let mut harness = shown(desk);
    assert_eq!(taken(&mut harness), [], "everything is there");
    let name = format!("Feature {first} of attn-0, {act}");
    harness.get_by_label(&name).click_accesskit();
    harness.run();
    let sent = taken(&mut harness);
    assert!(sent.contains(&navigation::Command::FollowDictionary(attn).into()));
    assert!(sent.contains(&navigation::Command::SelectFeature(Some(first)).into()));
}

#[test]
fn a_second_text_stands_beside_the_sentence_with_what_changes() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = desk(folder.path(), Side::Beside);
    desk.run(texts::Command::Second(
        "The old king said to the cat".to_owned(),
    ));
    desk.run(texts::Command::Align);
    let beside = desk.state.texts.beside.load.ready().unwrap().clone();
    let mut harness = shown(desk);
    assert_eq!(taken(&mut harness), [], "everything is there");
    harness.get_by_label("Step 2: nothing beside old");
    harness.get_by_label_contains("fox beside cat");
    let first = beside.aligned.features[0];
    let change = crate::widgets::number::signed(f64::from(first.change));
    let name = format!("Colour both texts by feature {}, {change}", first.feature);
    harness.get_by_label(&name).click_accesskit();
    harness.run();
    let select = navigation::Command::SelectFeature(Some(first.feature));
    assert!(taken(&mut harness).contains(&select.into()));
    // Another second text is read anew.
    let event = crate::state::texts::Event::Second("A cat".to_owned());
    harness
        .state_mut()
        .state
        .apply(crate::state::Event::Texts(event));
    harness.run();
    assert!(taken(&mut harness).contains(&texts::Command::Align.into()));
}

#[test]
fn two_sets_are_typed_told_apart_and_a_feature_is_selected() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = desk(folder.path(), Side::Sets);
    let line = |who: &str| {
        let places = ["wood", "castle", "river", "garden"];
        places
            .map(|place| format!("{who} went to the {place}"))
            .join("\n")
    };
    let form = SetsForm {
        sets: [line("The king"), line("A rabbit")],
        ..SetsForm::default()
    };
    desk.run(texts::Command::Form(form.clone()));
    desk.run(texts::Command::Separate);
    let apart = desk.state.texts.sets.load.ready().unwrap().clone();
    assert_eq!((apart.found.texts, apart.found.folds), ([4, 4], 4));
    assert!(apart.found.probes.last().unwrap().held_out.accuracy > 0.8);
    let mut harness = shown(desk);
    harness.get_by_label_contains("4 folds; always answering the larger set is right on 50");
    let first = &apart.found.features[0];
    let difference = crate::widgets::number::signed(first.difference());
    let name = format!("Select feature {}, {difference}", first.feature);
    harness.get_by_label(&name).click_accesskit();
    harness.run();
    let select = navigation::Command::SelectFeature(Some(first.feature));
    assert!(taken(&mut harness).contains(&select.into()));
    // A set with one text cannot be told apart.
    let one = SetsForm {
        sets: [form.sets[0].clone(), "A rabbit".to_owned()],
        ..form
    };
    let event = crate::state::texts::Event::Form(one);
    harness
        .state_mut()
        .state
        .apply(crate::state::Event::Texts(event));
    harness.run();
    harness.get_by_label_contains("The sets have changed since");
    harness.get_by_label_contains("Give at least two texts in each set");
}

#[test]
fn a_file_of_texts_fills_a_set() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = desk(folder.path(), Side::Sets);
    let path = folder.path().join("b.jsonl");
    std::fs::write(&path, "\"one\\nline\"\n{\"text\": \"two\"}\n").unwrap();
    desk.run(texts::Command::TakeSet(1, path.clone()));
    assert_eq!(desk.state.texts.sets.form.sets[1], "one line\ntwo");
    std::fs::write(&path, "[]\n").unwrap();
    desk.run(texts::Command::TakeSet(0, path));
    assert!(
        desk.notices()
            .iter()
            .any(|notice| notice.contains("line 1")),
        "{:?}",
        desk.notices()
    );
    assert!(desk.state.texts.sets.form.sets[0].is_empty());
}

#[test]
fn rows_stand_in_clusters_and_tokens_have_bands_of_several_features() {
    let folder = tempfile::tempdir().unwrap();
    let desk = desk(folder.path(), Side::Features);
    let mut harness = shown(desk);
    assert!(
        harness
            .query_all_by_label_contains(", cluster ")
            .next()
            .is_none()
    );
    harness.get_by_label("Clusters").click_accesskit();
    harness.run();
    assert!(
        harness
            .query_all_by_label_contains(", cluster 1")
            .next()
            .is_some()
    );
    harness.get_by_label("Several").click_accesskit();
    harness.run();
    harness.get_by_label("Bands: the chosen features");
    harness.get_by_label("Change…").click_accesskit();
    harness.run();
    let remove = harness.query_all_by_label_contains("Remove #").count();
    assert_eq!(remove, 5);
    harness
        .query_all_by_label_contains("Remove #")
        .next()
        .unwrap()
        .click_accesskit();
    harness.run();
    harness.get_by_label("Change…").click_accesskit();
    harness.run();
    assert_eq!(harness.query_all_by_label_contains("Remove #").count(), 4);
}

#[test]
fn bands_are_shares_of_each_features_largest_and_fill_the_tallest_token() {
    let reading = super::tests::reading();
    // Feature 3 has 1 and 2 on the tokens that count, feature 8 has 4 on the last.
    let chosen = [FeatureId(3), FeatureId(8), FeatureId(9)];
    let bands = model::bands(&reading, &chosen, |feature| {
        (feature == FeatureId(3)).then_some(4.0)
    });
    let want = [
        vec![],
        vec![(0, 0.25 / 1.5)],
        vec![(0, 0.5 / 1.5), (1, 1.0 / 1.5)],
    ];
    assert_eq!(bands.len(), want.len());
    for (got, want) in bands.iter().zip(&want) {
        assert_eq!(got.len(), want.len());
        for ((number, part), (same, other)) in got.iter().zip(want) {
            assert!(number == same && (part - other).abs() < 1e-6, "{bands:?}");
        }
    }
    assert_eq!(model::heights(&bands).values, [0.0, 0.25 / 1.5, 1.0]);
}

#[test]
fn features_are_ordered_by_their_share_of_the_reconstruction() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = desk(folder.path(), Side::Features);
    desk.run(prompt::Command::Rank(Ranking::Share));
    let reading = desk.state.prompt.reading.ready().unwrap().clone();
    let at = reading.tokens.len() - 1;
    let ranked = desk.state.ranked(&reading, at).listed;
    let shares: Vec<f64> = ranked
        .iter()
        .map(|f| reading.share(at, f.feature).abs())
        .collect();
    assert!(shares.is_sorted_by(|a, b| a >= b) && shares[0] > shares[1]);
    let first = desk.state.survey().unwrap().features.listed[0].feature;
    assert_eq!(first, reading.parts()[0].feature);
    let mut harness = shown(desk);
    harness.get_by_label("Order by share");
    harness
        .get_by_label("Order by activation")
        .click_accesskit();
    harness.run();
    let activation = prompt::Command::Rank(Ranking::Activation);
    assert!(taken(&mut harness).contains(&activation.into()));
}
