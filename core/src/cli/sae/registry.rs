//! `umbra sae registry`: searches the dictionaries in SAELens's registry.

use serde_json::{Value, json};

use super::super::{Console, Exit, registry as at_hand};
use crate::error::{Error, Result};
use crate::formats::{Entry, Matches, Registry, Release};

/// Largest number of dictionaries printed; `--json` has all.
const SHOWN: usize = 200;

/// Flags of `umbra sae registry`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Words to search in names, models and repositories; the name of a release lists its dictionaries, and `RELEASE:WORDS` some of them [default: all releases]
    #[arg(value_name = "TEXT")]
    text: Vec<String>,
}

/// Runs `umbra sae registry`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let registry = at_hand::registry()?.ok_or_else(at_hand::absent)?;
    for (name, why) in registry.left_out() {
        console.note(&format!("Skipped {name} of the registry: {why}"));
    }
    let text = args.text.join(" ");
    let found = registry.matches(&text);
    if found.releases.is_empty() && found.dictionaries.is_empty() {
        let what = format!(
            "nothing in the registry {} matches `{text}`, use fewer words",
            registry.path().display()
        );
        return Err(Error::setting("TEXT", what));
    }
    let object = json!({
        "registry": registry.path(),
        "releases": found.releases.iter().map(|release| of_release(release)).collect::<Vec<_>>(),
        "dictionaries": found.dictionaries.iter().map(|one| of_entry(*one)).collect::<Vec<_>>(),
    });
    console.answer(&object, || shown(&registry, &found))?;
    Ok(Exit::Done)
}

fn of_release(release: &Release) -> Value {
    json!({
        "name": release.name, "model": release.model, "repository": release.repo, "dictionaries": release.entries.len(),
    })
}

fn of_entry((release, entry): (&Release, &Entry)) -> Value {
    json!({
        "name": format!("{}:{}", release.name, entry.id), "model": release.model, "repository": release.repo, "path": entry.path,
        "l0": entry.l0, "variance_explained": entry.variance_explained,
    })
}

fn shown(registry: &Registry, found: &Matches<'_>) -> String {
    let mut lines = vec![registry.path().display().to_string()];
    if !found.releases.is_empty() {
        lines.push(format!("{:<48} {:>12}  model", "release", "dictionaries"));
    }
    for release in &found.releases {
        let (name, model) = (&release.name, &release.model);
        lines.push(format!("{name:<48} {:>12}  {model}", release.entries.len()));
    }
    if !found.dictionaries.is_empty() {
        lines.push(format!("{:>8}  name", "L0"));
    }
    for (release, entry) in found.dictionaries.iter().take(SHOWN) {
        let l0 = entry
            .l0
            .map_or_else(|| "—".to_owned(), |l0| format!("{l0:.1}"));
        lines.push(format!("{l0:>8}  {}:{}", release.name, entry.id));
    }
    if found.dictionaries.len() > SHOWN {
        let more = found.dictionaries.len() - SHOWN;
        lines.push(format!("and {more} more, add words to narrow the search"));
    }
    lines.join("\n")
}
