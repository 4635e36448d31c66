//! Links to features: `umbra link write`, `umbra link check` and what `umbra open` refuses before there is a window.

use std::path::Path;

use serde_json::Value;
use umbra_tests::{at, demo_model};

use crate::{has_keys, umbra};

/// A project whose folder has a name that must be encoded, with the demo's dictionary `attn-0`.
fn project(folder: &Path) -> String {
    let project = folder.join("Umbra & Cö 100%");
    std::fs::create_dir(&project).unwrap();
    let (model, sae) = (demo_model(), at("assets/demo/saes/attn-0"));
    let toml = format!(
        "version = 1\nname = \"p\"\nmodel = \"{model}\"\n[[dictionary]]\nsae = \"{sae}\"\n"
    );
    std::fs::write(project.join("umbra.toml"), toml).unwrap();
    project.display().to_string()
}

/// The link to a feature of `attn-0` of the project.
fn written(folder: &Path, project: &str, more: &[&str]) -> Vec<String> {
    let args = ["link", "write", "--project", project, "--dictionary"];
    let args = [&args, ["attn-0", "--feature", "12"].as_slice(), more].concat();
    let out = umbra(folder, &args).done().out;
    out.lines().map(str::to_owned).collect()
}

#[cfg(unix)]
#[test]
fn a_link_holds_the_project_encoded_and_the_fingerprint_and_is_accepted() {
    let here = tempfile::tempdir().unwrap();
    let project = project(here.path());
    let lines = written(here.path(), &project, &[]);
    let [link] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    let folder = here.path().to_str().unwrap();
    let begin = format!(
        "umbra://feature?project={folder}/Umbra%20%26%20C%C3%B6%20100%25&dictionary=attn-0&fingerprint="
    );
    assert!(link.starts_with(&begin), "{link}");
    assert!(link.ends_with("&feature=12"), "{link}");
    let json = written(here.path(), &project, &["--json"]).join("\n");
    let object: Value = serde_json::from_str(&json).unwrap();
    has_keys(&object, "link project dictionary fingerprint feature");
    assert_eq!(object["link"].as_str(), Some(link.as_str()));
    // The fingerprint is the one that the project judges by.
    let sae = at("assets/demo/saes/attn-0");
    let (sae, _) = umbra_core::formats::open(Path::new(&sae)).unwrap();
    assert_eq!(object["fingerprint"].as_str(), Some(&*sae.fingerprint()));
    // A relative path is made absolute.
    let other = written(here.path(), "./Umbra & Cö 100%", &[]);
    assert!(
        other[0].contains(&format!("project={folder}/")),
        "{other:?}"
    );
    let said = umbra(here.path(), &["link", "check", link]).done();
    assert!(said.out.contains("feature 12 of attn-0"), "{said:?}");
}

#[test]
fn what_does_not_fit_is_refused_in_one_sentence() {
    let here = tempfile::tempdir().unwrap();
    let project = project(here.path());
    let link = written(here.path(), &project, &[]).remove(0);
    let print = link.split("fingerprint=").nth(1).unwrap();
    let print = print.split('&').next().unwrap();
    for (wrong, said) in [
        (link.replace(print, &"0".repeat(64)), "fingerprint"),
        (link.replace(print, "12"), "64 hexadecimal digits"),
        (link.replace("=attn-0", "=attn-9"), "no dictionary `attn-9`"),
        (
            link.replace("feature=12", "feature=999999"),
            "no feature 999999",
        ),
        (
            link.replace("feature=12", "feature=x"),
            "`x` is not a number",
        ),
        (link.replace("Umbra", "Penumbra"), "Penumbra"),
        (link.replace("&feature=12", ""), "`feature` is missing"),
        (link.replace("umbra:", "https:"), "does not begin with"),
    ] {
        for command in [["link", "check"].as_slice(), &["open"]] {
            let args = [command, &[wrong.as_str()]].concat();
            let run = umbra(here.path(), &args);
            assert_eq!(run.code, 1, "{run:?}");
            assert!(run.err.contains(said), "{said}: {run:?}");
            assert_eq!(run.err.trim_end().lines().count(), 1, "{run:?}");
        }
    }
    // A good one has no window to open here.
    let run = umbra(here.path(), &["open", &link]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.err.contains("desktop program"), "{run:?}");
    let too_far = ["--dictionary", "attn-0", "--feature", "999999"];
    let args = [
        &["link", "write", "--project", &project],
        too_far.as_slice(),
    ]
    .concat();
    assert!(umbra(here.path(), &args).err.contains("no feature 999999"));
}
