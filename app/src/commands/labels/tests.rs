//! Facts and labels through the window's commands, on the demo's model in a temporary folder.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use umbra_core::ids::FeatureId;
use umbra_core::project::{Maker, Project};
use umbra_core::workbench::ask::KeptEndpoint;
use umbra_core::workbench::passes::{Amount, Pass};

use super::Command;
use crate::state::catalogue::DictionaryId;
use crate::state::labels::Typed;
use crate::state::requests::{library, passes, shell};
use crate::state::{AppState, Event, catalogue};
use crate::testing::Desk;

fn demo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../assets/demo")
        .join(path)
}

/// A project with a dictionary that is named and not loaded.
fn desk(folder: &Path) -> (Desk, DictionaryId) {
    let mut desk = Desk::new(AppState::default());
    desk.run(library::Command::NewProject(folder.to_path_buf()));
    let added = catalogue::Event::Added(folder.join("z0"), None);
    desk.state.apply(Event::Catalogue(added));
    let id = desk.state.dictionary().unwrap().id;
    (desk, id)
}

#[test]
fn labels_of_a_file_are_taken_undone_as_one_and_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, id) = desk(&folder.path().join("mine"));
    let file = folder.path().join("theirs.csv");
    std::fs::write(&file, "feature,label\n3,kings\n9,rabbits\n").unwrap();
    desk.run(Command::Import(id, file.clone()));
    let label = |desk: &Desk, feature: u32| desk.state.label(FeatureId(feature)).map(str::to_owned);
    assert_eq!(label(&desk, 3).as_deref(), Some("kings"));
    let given = desk.state.project.given("z0", FeatureId(9)).unwrap();
    assert_eq!(
        (given.origin.maker, given.origin.by.as_str()),
        (Maker::Import, "theirs.csv")
    );
    desk.run(shell::Command::Undo);
    assert_eq!((label(&desk, 3), label(&desk, 9)), (None, None));
    desk.run(shell::Command::Redo);
    assert_eq!(label(&desk, 9).as_deref(), Some("rabbits"));
    // The origin came back too, and is what is written.
    let out = folder.path().join("mine.csv");
    desk.run(Command::Export(id, out.clone()));
    let written = std::fs::read_to_string(&out).unwrap();
    assert!(
        written.contains("z0,9,rabbits,import,theirs.csv,"),
        "{written}"
    );
    // What has a label keeps it.
    std::fs::write(&file, "feature,label\n3,queens\n").unwrap();
    desk.run(Command::Import(id, file));
    assert_eq!(label(&desk, 3).as_deref(), Some("kings"));
    desk.run(Command::Import(id, folder.path().join("none.csv")));
    let said = desk.notices().join("\n");
    assert!(said.contains("none.csv"), "{said}");
}

/// An endpoint that answers every question with a label or, asked where it fits, with the first text.
fn endpoint() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let serve = move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
                    break;
                }
                let line = line.to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let asked = String::from_utf8(body).unwrap();
            let said = if asked.contains("Description: ") {
                "[1]"
            } else {
                "words about the wood"
            };
            let answer = format!(r#"{{"choices": [{{"message": {{"content": "{said}"}}}}]}}"#);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", answer.len());
            drop(write!(stream, "{head}Connection: close\r\n\r\n{answer}"));
        }
    };
    let thread = std::thread::Builder::new().name("endpoint".to_owned());
    thread.spawn(serve).unwrap();
    url
}

#[test]
fn facts_are_measured_and_taken_and_a_model_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::new(AppState::default());
    let data = folder.path().join("data");
    desk.state.places.data = Some(data.clone());
    desk.run(library::Command::NewProject(folder.path().join("mine")));
    desk.run(library::Command::AddText {
        path: demo("text/held-out/alice.txt"),
        held_out: true,
    });
    desk.run(library::Command::Dropped(vec![
        demo("model"),
        demo("saes/attn-2"),
    ]));
    let id = desk.state.dictionary().unwrap().id;
    desk.run(Command::MeasureFacts(id));
    assert!(desk.notices().join("\n").contains("build one first"));
    desk.run(passes::Command::Run(id, Pass::Index, Amount::Tokens(6_000)));
    desk.run(Command::MeasureFacts(id));
    assert!(desk.state.labels.measuring.is_empty());
    desk.run(Command::TakeFacts(id));
    let labels: Vec<(FeatureId, String)> = desk
        .state
        .project
        .labels("attn-2")
        .map(|(feature, text)| (feature, text.to_owned()))
        .collect();
    assert!(labels.len() > 10, "{} {:?}", labels.len(), desk.notices());
    assert!(labels.iter().all(|(_, text)| text.starts_with("fires")));
    let (feature, _) = labels[0].clone();
    // The question: nothing is sent before its texts are read and the endpoint is right.
    desk.run(Command::Question(id, feature));
    let question = desk.state.labels.question.as_ref().unwrap();
    assert!(
        question.material.ready().is_some(),
        "{:?}",
        question.material
    );
    desk.run(Command::Send);
    let question = desk.state.labels.question.as_ref().unwrap();
    assert!(question.answer.failure().is_some());
    let typed = Typed {
        url: endpoint(),
        model: "tiny".to_owned(),
        key: "secret".to_owned(),
        keeps_key: false,
    };
    desk.run(Command::Type(typed));
    desk.run(Command::Send);
    let question = desk.state.labels.question.as_ref().unwrap();
    let answer = question
        .answer
        .ready()
        .unwrap_or_else(|| panic!("{:?}", question.answer));
    assert_eq!(answer.label.text, "words about the wood");
    let given = answer.label.clone();
    desk.run(Command::Accept {
        feature,
        given: given.clone(),
    });
    desk.run(Command::Close);
    assert!(desk.state.labels.question.is_none());
    let (project, _) = Project::open(desk.state.project.folder().unwrap()).unwrap();
    let kept = project.labels().unwrap().all("attn-2").unwrap();
    let kept = kept.iter().find(|label| label.feature == feature).unwrap();
    assert_eq!(kept.given(), given);
    assert_eq!(kept.origin.maker, Maker::Model);
    // Address and model are kept for the next time, the key is not.
    let endpoint = KeptEndpoint::read(&data).unwrap().unwrap().endpoint;
    assert_eq!((endpoint.model.as_str(), endpoint.key), ("tiny", None));
    desk.run(shell::Command::Undo);
    let label = desk.state.project.given("attn-2", feature).unwrap();
    assert_eq!(label.origin.maker, Maker::Fact);
}
