//! Rejects files that do not belong to a dictionary: temporal dictionaries, and figures of another dictionary of the same name.

use std::path::Path;

use serde_json::{Map, json};
use umbra_core::formats::{self, Precision};
use umbra_core::ids::FeatureId;
use umbra_core::models::Opening;
use umbra_core::workbench::passes::{Amount, Pass};

use super::Command;
use crate::state::AppState;
use crate::state::heads::attribution::Key;
use crate::state::requests::{dark_matter, heads, passes};
use crate::testing::{self, Desk};

const FEATURES: usize = 8;
const WIDTH: usize = 256;

/// SAELens's files of a temporal dictionary of zeros at the demo's `blocks.1.attn.hook_z`.
fn save_temporal(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    let cfg = json!({
        "architecture": "temporal", "d_in": WIDTH, "d_sae": FEATURES, "dtype": "float32", "device": "cpu", "n_heads": 1,
        "n_attn_layers": 1, "bottleneck_factor": 1, "sae_diff_type": "relu", "tied_weights": true, "apply_b_dec_to_input": true,
        "normalize_activations": "none", "reshape_activations": "hook_z",
        "metadata": {"sae_lens_version": "6.54.12", "hook_name": "blocks.1.attn.hook_z", "model_name": "model"},
    });
    std::fs::write(folder.join("cfg.json"), cfg.to_string()).unwrap();
    let mut shapes = vec![
        ("W_dec".to_owned(), vec![FEATURES, WIDTH]),
        ("b_dec".to_owned(), vec![WIDTH]),
    ];
    for part in ["k_ctx", "q_target", "v_ctx", "c_proj"] {
        let name = |end: &str| format!("attn_layers.0.{part}.{end}");
        shapes.push((name("weight"), vec![FEATURES, FEATURES]));
        shapes.push((name("bias"), vec![FEATURES]));
    }
    let (mut header, mut end) = (Map::new(), 0);
    for (name, shape) in shapes {
        let start = end;
        end += 4 * shape.iter().product::<usize>();
        let entry = json!({"dtype": "F32", "shape": shape, "data_offsets": [start, end]});
        header.insert(name, entry);
    }
    let header = serde_json::Value::Object(header).to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.resize(bytes.len() + end, 0);
    std::fs::write(folder.join("sae_weights.safetensors"), bytes).unwrap();
}

#[test]
fn a_dictionary_that_reads_whole_texts_is_refused_by_every_entry() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::new(AppState::default());
    desk.run(Command::NewProject(folder.path().join("mine")));
    save_temporal(&folder.path().join("temporal"));
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo/model");
    desk.run(Command::OpenModel(model, Opening::default()));
    desk.run(Command::OpenSae(folder.path().join("temporal")));
    let dictionary = desk.state.dictionary().unwrap();
    assert!(dictionary.load.ready().is_some(), "{:?}", dictionary.load);
    let id = dictionary.id;
    for refused in [
        passes::Command::Run(id, Pass::Evaluation, Amount::All),
        passes::Command::Run(id, Pass::Index, Amount::All),
    ] {
        desk.run(refused);
    }
    let notices = desk.notices();
    assert!(!notices.is_empty());
    for notice in notices {
        assert!(notice.contains("reads whole texts"), "{notice}");
    }
    desk.run(heads::features::Command::Measure(id));
    desk.run(heads::attribution::Command::Attribute(Key {
        dictionary: id,
        feature: FeatureId(0),
        input: umbra_core::prompt::Input::Text("The king".to_owned()),
        at: 1,
    }));
    desk.run(dark_matter::fit::Command::Look(id));
    desk.run(dark_matter::fit::Command::Compute(id));
    let (heads, lab) = (&desk.state.heads, &desk.state.dark_matter);
    for of in [
        format!("{:?}", heads.features.figures),
        format!("{:?}", heads.attribution.load),
    ] {
        assert!(!of.contains("Ready"), "{of}");
    }
    assert!(lab.fit.probe.ready().is_none());
    let made = folder.path().join("mine/indexes");
    assert!(!made.join("temporal.sqlite").exists());
}

#[test]
fn figures_of_another_dictionary_of_the_same_name_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (project, place) = (folder.path().join("mine"), folder.path().join("tiny"));
    let save = |bias: f32| {
        let mut sae = testing::sae_of(16, WIDTH);
        sae.b_enc[0] = bias;
        sae.provenance.hook = "blocks.1.hook_resid_post".parse().ok();
        formats::save(&sae, &place, Precision::F32).unwrap();
    };
    save(0.0);
    let mut desk = Desk::new(AppState::default());
    desk.run(Command::NewProject(project.clone()));
    let text = folder.path().join("rabbit.txt");
    let sentence = "The rabbit ran into the wood and the fox ran after it.\n";
    std::fs::write(&text, sentence.repeat(60)).unwrap();
    desk.run(Command::AddText {
        path: text,
        held_out: true,
    });
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo/model");
    desk.run(Command::Dropped(vec![model, place.clone()]));
    let id = desk.state.dictionary().unwrap().id;
    desk.run(passes::Command::Run(id, Pass::Evaluation, Amount::All));
    let evaluation = |desk: &Desk| desk.state.dictionary().unwrap().evaluation.clone();
    assert!(evaluation(&desk).ready().is_some(), "{:?}", desk.notices());

    let reopened = || {
        let mut again = Desk::new(AppState::default());
        again.run(Command::OpenProject(project.clone()));
        evaluation(&again)
    };
    assert!(reopened().ready().is_some());
    std::fs::remove_dir_all(&place).unwrap();
    save(0.5);
    let refused = reopened();
    let why = refused.failure().unwrap();
    assert!(why.contains("evaluate it again"), "{why}");
}
