//! A run and the command line copied from it: the same request, the same texts.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use umbra_core::formats;
use umbra_core::models::{Model, Opening, Sampling};
use umbra_core::progress::Flow;
use umbra_core::steer::{self, EditSpec, Stream};
use umbra_core::workbench::materials::{Named, Stock};
use umbra_core::workbench::pair::{self, Pair};
use umbra_core::workbench::steering::Request as Whole;

use super::*;
use crate::state::requests::steering::files::Command as Files;
use crate::state::requests::{library, prompt};
use crate::state::steering::{Ended, Request};
use crate::testing::Desk;

fn demo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../assets/demo")
        .join(path)
}

/// A project in `folder` with the demo's model, one of its dictionaries with its probe, and a text to train on.
fn desk(folder: &Path) -> Desk {
    let project = folder.join("my project");
    let texts = folder.join("the texts");
    std::fs::create_dir_all(texts.join("more")).unwrap();
    for (name, animal) in [("a.txt", "fox"), ("more/b.txt", "crow")] {
        let text = format!("The {animal} went to see the king, and the king was glad.\n\n");
        std::fs::write(texts.join(name), text.repeat(80)).unwrap();
    }
    let mut desk = Desk::new(AppState::default());
    desk.run(library::Command::NewProject(project));
    desk.run(library::Command::AddText {
        path: texts,
        held_out: true,
    });
    desk.run(library::Command::Reading {
        recursive: true,
        column: Some("body".to_owned()),
    });
    let files = vec![demo("model"), demo("saes/resid-2")];
    desk.run(library::Command::Dropped(files));
    let project = desk.state.project.open().unwrap();
    let probe = project.probe_path("resid-2");
    std::fs::create_dir_all(probe.parent().unwrap()).unwrap();
    std::fs::copy(demo("kept/resid-2.probe.safetensors"), probe).unwrap();
    desk
}

fn request(desk: &Desk) -> Request {
    let edits = [
        "add feature=7 strength=-6.5 positions=prompt",
        "mean hook=blocks.1.hook_mlp_out",
        "splice part=+linear",
        "patch from=\"The crow's \\\"cheese\\\"\" hook=blocks.0.hook_mlp_out",
    ];
    Request {
        dictionaries: desk.state.dictionary().map(|d| d.id).into_iter().collect(),
        edits: edits.map(|edit| edit.parse().unwrap()).to_vec(),
        prompt: "- \"Well,\" said the king;\nhe had $5".into(),
        sampling: Sampling {
            temperature: 0.7,
            top_p: Some(0.9),
            top_k: None,
            repetition_penalty: 1.25,
            seed: 11,
            tokens: 6,
            stop: vec!["\n\n".to_owned()],
            ignore_eos: true,
        },
        samples: 1,
        dial: Some(0),
    }
}

fn read(line: &str) -> Whole {
    let words = shlex::split(line).unwrap();
    umbra_core::cli::steer_request(words.into_iter().map(OsString::from)).unwrap()
}

/// Both texts of a request, by the library alone.
fn texts(whole: &Whole) -> [String; 2] {
    let opening = Opening {
        form: whole.form,
        processing: whole.processing.unwrap(),
        bos: whole.bos,
    };
    let model = Arc::new(Model::open_as(&whole.model, opening).unwrap().0);
    let saes: Vec<Named> = (whole.saes.iter())
        .map(|of| {
            let mut named = Named::from(Arc::new(formats::open(&of.path).unwrap().0));
            named.name = of.name.clone().unwrap_or(named.name);
            named
        })
        .collect();
    let pairs: Vec<Pair> = saes.iter().map(|of| Pair::new(&model, &of.sae)).collect();
    let model = pair::together(&pairs).map_or(Arc::clone(&model), |(model, _)| model);
    let mut stock = Stock::new(Arc::clone(&model), saes, whole.sources.clone());
    let mut on = |_| Flow::Continue(());
    let edits = stock
        .edits(&whole.edits, &mut on)
        .unwrap()
        .done()
        .unwrap()
        .edits;
    let mut on = |_| Flow::Continue(());
    let outcome = steer::run(&model, edits, &whole.prompt, &whole.sampling, &mut on);
    let outcome = outcome.unwrap().into_value();
    Stream::ALL.map(|stream| outcome.samples[0].text(stream).written.text.clone())
}

#[test]
fn the_copied_command_asks_for_all_of_the_run_and_gives_its_texts() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = desk(folder.path());
    let request = request(&desk);
    let whole = desk.state.whole(&request).unwrap();
    assert!(whole.model.is_absolute() && whole.saes[0].path.is_absolute());
    let mean = whole.sources.mean.as_ref().unwrap();
    assert!(mean.corpus.recursive && mean.corpus.column.as_deref() == Some("body"));
    assert_eq!(whole.sources.probes.len(), 1);
    let line = desk.state.steering_line(&request).unwrap();
    assert_eq!(read(&line), whole, "{line}");

    desk.run(Command::Run(request));
    let run = desk.state.steering.run.as_ref().unwrap();
    let shown = Stream::ALL.map(|stream| run.text(0, stream).joined());
    assert_eq!(texts(&read(&line)), shown, "{:?}", run.ended);
    assert_ne!(shown[0], shown[1]);
}

#[test]
fn live_runs_stay_out_of_the_strip_and_others_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = desk(folder.path());
    let shown = |desk: &Desk| desk.state.jobs.list.len();
    let before = shown(&desk);
    let request = request(&desk);
    // Whatever this machine's pace.
    desk.run(Command::Live(true));
    for command in [Command::Run(request.clone()), Command::Try(request.clone())] {
        desk.run(command);
        assert_eq!(shown(&desk), before);
    }
    let run = desk.state.steering.run.as_ref().unwrap();
    assert!(
        matches!(run.ended, Some(Ended::Done { .. })),
        "{:?}",
        run.ended
    );
    desk.run(Command::Live(false));
    desk.run(Command::Run(request));
    assert_eq!(shown(&desk), before + 1);
}

#[test]
fn a_command_names_no_material_that_its_edits_do_not_need() {
    let folder = tempfile::tempdir().unwrap();
    let desk = desk(folder.path());
    let mut request = request(&desk);
    request.edits = vec!["zero hook=blocks.1.attn.hook_z heads=3".parse().unwrap()];
    request.dictionaries.clear();
    let line = desk.state.steering_line(&request).unwrap();
    for flag in ["--sae", "--probe", "--mean-of"] {
        assert!(!line.contains(flag), "{line}");
    }
    assert_eq!(read(&line), desk.state.whole(&request).unwrap());
    let closed = Desk::new(AppState::default());
    assert!(closed.state.steering_line(&request).is_err());
}

#[test]
fn a_further_run_reuses_the_materials_of_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = desk(folder.path());
    let mut request = request(&desk);
    let mean: EditSpec = "mean hook=blocks.1.hook_mlp_out".parse().unwrap();
    request.edits = vec![mean];
    let sources = desk.state.materials(&request.dictionaries);
    desk.run(Command::Run(request.clone()));
    let is_kept = |desk: &Desk| {
        let pair = desk.state.pair(request.dictionaries[0]).unwrap();
        let saes = [Named::from(Arc::clone(&pair.sae))];
        let kept = desk.state.steering.kept[Place::Lab as usize]
            .lock()
            .unwrap();
        let same = |stock: &Stock| stock.is_of(&pair.model, &saes, &sources);
        kept.stock.as_ref().is_some_and(same)
    };
    assert!(is_kept(&desk));
    desk.run(Command::Run(request.clone()));
    assert!(is_kept(&desk));
    desk.run(library::Command::OpenModel(
        demo("model"),
        Opening::default(),
    ));
    let kept = desk.state.steering.kept[Place::Lab as usize]
        .lock()
        .unwrap();
    assert!(
        kept.stock.is_none() && kept.session.is_none(),
        "the model of the stock was closed"
    );
}

#[test]
fn features_of_two_dictionaries_run_together_as_the_copied_command_does() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = desk(folder.path());
    desk.run(library::Command::Dropped(vec![demo("saes/attn-1")]));
    let ids: Vec<DictionaryId> = ["resid-2", "attn-1"]
        .map(|name| desk.state.catalogue.named(name).unwrap().id)
        .into();
    for id in &ids {
        desk.run(Command::Steer(*id, vec![FeatureId(7)]));
    }
    desk.run(prompt::Command::Text("The old king".to_owned()));
    let mut request = desk.state.steering.draft.request(&desk.state).unwrap();
    request.sampling.tokens = 6;
    assert_eq!(request.dictionaries, ids);
    let line = desk.state.steering_line(&request).unwrap();
    assert!(
        line.contains("--sae 'resid-2=") || line.contains("--sae resid-2="),
        "{line}"
    );
    assert_eq!(read(&line), desk.state.whole(&request).unwrap(), "{line}");
    desk.run(Command::Run(request));
    let run = desk.state.steering.run.as_ref().unwrap();
    let shown = Stream::ALL.map(|stream| run.text(0, stream).joined());
    assert_eq!(texts(&read(&line)), shown, "{:?}", run.ended);
}

/// Edits of the stack in their written form, with whether they are in force.
fn stack(desk: &Desk) -> Vec<(String, bool)> {
    let edits = desk.state.steering.draft.switched(&desk.state);
    edits
        .into_iter()
        .map(|(edit, on)| (edit.to_string(), on))
        .collect()
}

fn put_in(desk: &mut Desk, edits: &[(&str, bool)]) {
    let edits: Vec<_> = (edits.iter())
        .map(|(text, on)| (text.parse::<EditSpec>().unwrap(), *on))
        .collect();
    desk.run(Command::Draft(Box::new(Draft::from_switched(&edits))));
}

#[test]
fn a_stack_is_saved_and_opened_again_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = desk(folder.path());
    put_in(
        &mut desk,
        &[
            ("add feature=7 strength=2.5 sae=resid-2", true),
            ("zero hook=blocks.0.attn.hook_z heads=1,3", false),
            (
                "set-feature feature=1,2 value=0 sae=resid-2 positions=2..",
                true,
            ),
        ],
    );
    let before = stack(&desk);
    assert_eq!(before.len(), 3);
    let [path, again] = ["my edits.toml", "again.toml"].map(|name| folder.path().join(name));
    desk.run(Files::Save(path.clone()));
    put_in(&mut desk, &[("scale by=2 hook=hook_embed", true)]);
    desk.run(Files::Open(path.clone()));
    assert_eq!(stack(&desk), before);
    desk.run(Files::Save(again.clone()));
    assert_eq!(
        std::fs::read(&path).unwrap(),
        std::fs::read(&again).unwrap()
    );
    desk.run(shell::Command::Undo);
    assert_eq!(
        stack(&desk),
        [("scale by=2 hook=hook_embed".to_owned(), true)]
    );
    // What is no file of edits changes nothing.
    std::fs::write(&path, "name = 3").unwrap();
    desk.run(Files::Open(path));
    assert_eq!(stack(&desk).len(), 1);
    let said = desk.notices().join("\n");
    assert!(said.contains("no tables [[edit]]"), "{said}");
}

#[test]
fn undoing_an_edit_leaves_labels_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = desk(folder.path());
    put_in(&mut desk, &[("add feature=7 strength=2 sae=resid-2", true)]);
    let id = desk.state.catalogue.named("resid-2").unwrap().id;
    desk.run(crate::state::requests::features::Command::SetLabel {
        feature: FeatureId(7),
        text: "the pronoun".to_owned(),
    });
    put_in(&mut desk, &[("add feature=7 strength=9 sae=resid-2", true)]);
    desk.run(shell::Command::Undo);
    let label = |desk: &Desk| {
        desk.state
            .name_of(id, FeatureId(7))
            .label
            .map(str::to_owned)
    };
    assert_eq!(stack(&desk)[0].0, "add feature=7 strength=2 sae=resid-2");
    assert_eq!(label(&desk).as_deref(), Some("the pronoun"));
    desk.run(shell::Command::Redo);
    assert_eq!(stack(&desk)[0].0, "add feature=7 strength=9 sae=resid-2");
    assert_eq!(label(&desk).as_deref(), Some("the pronoun"));
}

#[test]
fn vectors_of_a_stack_are_saved_and_added_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = desk(folder.path());
    let path = folder.path().join("v.safetensors");
    put_in(
        &mut desk,
        &[
            ("add feature=7 strength=2 sae=resid-2", true),
            ("add feature=9 strength=-1 sae=resid-2", true),
            ("zero hook=blocks.0.attn.hook_z heads=1", false),
        ],
    );
    desk.run(prompt::Command::Text("The old king".to_owned()));
    desk.run(Files::SaveVectors(path.clone()));
    assert!(path.is_file(), "{:?}", desk.notices());
    desk.run(Files::AddVectors(path.clone()));
    let edits = &desk.state.steering.draft.edits;
    assert_eq!(edits.len(), 4);
    let spec = edits[3].spec(None).unwrap();
    let hook = spec.hook.unwrap().to_string();
    assert_eq!(hook, "blocks.2.hook_resid_post");
    assert!(!edits[3].uses_dictionary());
    desk.run(Command::Run(
        desk.state.steering.draft.request(&desk.state).unwrap(),
    ));
    let run = desk.state.steering.run.as_ref().unwrap();
    assert!(
        matches!(run.ended, Some(Ended::Done { .. })),
        "{:?}",
        run.ended
    );
    // A stack that does more than add is no vector.
    put_in(
        &mut desk,
        &[("zero hook=blocks.0.attn.hook_z heads=1", true)],
    );
    let other = folder.path().join("other.safetensors");
    desk.run(Files::SaveVectors(other.clone()));
    assert!(!other.exists());
}

#[test]
fn another_strength_writes_only_the_steered_text_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = desk(folder.path());
    let mut request = request(&desk);
    request.prompt = "The old king".into();
    request.sampling.tokens = 12;
    let mut texts = Vec::new();
    for strength in [4.0, 20.0, 4.0] {
        let edit = format!("add feature=7 strength={strength}");
        request.edits = vec![edit.parse().unwrap()];
        desk.run(Command::Run(request.clone()));
        let run = desk.state.steering.run.as_ref().unwrap();
        assert!(matches!(
            run.ended,
            Some(Ended::Done { stopped: false, .. })
        ));
        assert!(run.proof.as_ref().is_some_and(|proof| proof.acted()));
        texts.push(run.samples.clone());
    }
    assert_eq!(texts[0], texts[2]);
    assert_eq!(texts[0][0][0], texts[1][0][0], "the baseline");
    assert_ne!(texts[0][0][1], texts[1][0][1], "the steered text");
    let [_, steered] = &texts[0][0];
    assert_eq!(steered.tokens.len(), steered.measures.len());
    assert_eq!(steered.tokens.len(), steered.activations.len());
    assert!(desk.state.jobs.running().next().is_none());
    assert!(desk.state.steering.pace.is_some());
}
