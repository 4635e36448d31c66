//! A run and the command line copied from it: the same request, the same texts.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use umbra_core::formats;
use umbra_core::models::{Model, Opening, Sampling};
use umbra_core::steer::EditSpec;
use umbra_core::workbench::pair::Pair;
use umbra_core::workbench::steering::Request as Whole;

use super::*;
use crate::state::requests::library;
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
        dictionary: desk.state.dictionary().map(|d| d.id),
        edits: edits.map(|edit| edit.parse().unwrap()).to_vec(),
        prompt: "- \"Well,\" said the king;\nhe had $5".to_owned(),
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
    let pair = whole.sae.as_ref().map(|path| {
        let sae = formats::open(path).unwrap().0;
        Pair::new(&model, &Arc::new(sae))
    });
    let model = pair.as_ref().map_or(&model, |pair| &pair.model);
    let sae = pair.as_ref().map(|pair| Arc::clone(&pair.sae));
    let mut stock = Stock::new(Arc::clone(model), sae, whole.sources.clone());
    let mut on = |_| progress::Flow::Continue(());
    let edits = stock
        .edits(&whole.edits, &mut on)
        .unwrap()
        .done()
        .unwrap()
        .edits;
    let outcome = steer::run(model, edits, &whole.prompt, &whole.sampling, &mut |_| {
        progress::Flow::Continue(())
    });
    let outcome = outcome.unwrap().into_value();
    [outcome.baseline.text, outcome.steered.text]
}

#[test]
fn the_copied_command_asks_for_all_of_the_run_and_gives_its_texts() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = desk(folder.path());
    let request = request(&desk);
    let whole = desk.state.whole(&request).unwrap();
    assert!(whole.model.is_absolute() && whole.sae.as_ref().unwrap().is_absolute());
    let mean = whole.sources.mean.as_ref().unwrap();
    assert!(mean.corpus.recursive && mean.corpus.column.as_deref() == Some("body"));
    assert!(whole.sources.probe.is_some());
    let line = desk.state.steering_line(&request).unwrap();
    assert_eq!(read(&line), whole, "{line}");

    desk.run(Command::Run(request));
    let run = desk.state.steering.run.as_ref().unwrap();
    let Some(Ended::Done { texts: shown, .. }) = &run.ended else {
        panic!("{:?}", run.ended);
    };
    assert_eq!(texts(&read(&line)), *shown);
    assert_ne!(shown[0], shown[1]);
}

#[test]
fn a_command_names_no_material_that_its_edits_do_not_need() {
    let folder = tempfile::tempdir().unwrap();
    let desk = desk(folder.path());
    let mut request = request(&desk);
    request.edits = vec!["zero hook=blocks.1.attn.hook_z heads=3".parse().unwrap()];
    request.dictionary = None;
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
    let sources = desk.state.materials(request.dictionary);
    desk.run(Command::Run(request.clone()));
    let is_kept = |desk: &Desk| {
        let pair = desk.state.pair(request.dictionary.unwrap()).unwrap();
        let stock = desk.state.steering.stock.lock().unwrap();
        let same = |stock: &Stock| stock.is_of(&pair.model, Some(&pair.sae), &sources);
        stock.as_ref().is_some_and(same)
    };
    assert!(is_kept(&desk));
    desk.run(Command::Run(request.clone()));
    assert!(is_kept(&desk));
    desk.run(library::Command::OpenModel(
        demo("model"),
        Opening::default(),
    ));
    let kept = desk.state.steering.stock.lock().unwrap().is_some();
    assert!(!kept, "the model of the stock was closed");
}
