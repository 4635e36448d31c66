//! Prompts whose attributes are known, with the activations of a model at one place: rows for the studies of occlusion and over-splitting.

use std::path::Path;

use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::HookPoint;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::recovery::{Attribute, Labelled};
use crate::tasks::activations::Activations;
use crate::tasks::site::{Site, places};
use crate::tasks::{self, Task, ioi};
use crate::workbench::sweep;

/// Prompts from templates, where no other number is asked for.
pub const PROMPTS: usize = 2_000;

/// Where prompts come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct From<'a> {
    /// File of prompts; none for templates with two names.
    pub file: Option<&'a Path>,
    /// Number of prompts from templates.
    pub count: usize,
    /// Seed of the prompts from templates.
    pub seed: u64,
}

/// Reads prompts with their attributes. A file whose first line has the key `io` holds sentences with two names, any other one prompts of a task of a person's own.
pub fn task(model: &Model, from: &From<'_>) -> Result<Task> {
    let Some(path) = from.file else {
        let templates = ioi::Templates::default();
        return ioi::from_templates(model, &templates, (from.count, from.seed));
    };
    let text = sweep::read(path)?;
    let first = text.lines().find(|line| !line.trim().is_empty());
    let first: Option<serde_json::Value> = first.and_then(|line| serde_json::from_str(line).ok());
    if first.is_some_and(|line| line.get("io").is_some()) {
        return ioi::from_text(model, &text);
    }
    let name = path
        .file_stem()
        .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    tasks::lines::from_text(model, &name, &text)
}

/// Returns the task with attributes that nothing edits, so that no counterfactual is read.
fn bare(task: &Task) -> Task {
    let mut bare = task.clone();
    bare.derived = task.names().map(str::to_owned).collect();
    bare.attributes = Vec::new();
    for prompt in &mut bare.prompts {
        prompt.counterfactuals = Vec::new();
    }
    bare
}

/// Reads the activations of the prompts at `sites`, side by side where there are several, with every attribute of the task.
pub fn read(
    model: &Model,
    task: &Task,
    sites: &[Site],
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Labelled>> {
    task.check(model)?;
    let bare = bare(task);
    let places = places(model, &bare, sites)?;
    let Ended::Done(read) = Activations::read(model, &bare, &places, observe)? else {
        return Ok(Ended::STOPPED);
    };
    let mut values = Vec::new();
    for prompt in 0..bare.prompts.len() {
        let parts = places.iter().zip(&read.clean);
        values.extend(parts.flat_map(|(place, clean)| place.part(clean.row(prompt))));
    }
    let width = places.iter().map(|place| place.columns.len()).sum();
    let activations = Matrix::new(bare.prompts.len(), width, values)?;
    let attributes = bare.names().enumerate().map(|(at, name)| {
        Attribute::from_names(
            name,
            bare.prompts.iter().map(|prompt| prompt.values[at].as_str()),
        )
    });
    let attributes = attributes.collect();
    Labelled::new(activations, attributes).map(Ended::Done)
}

/// Returns the whole hook at a position, the place that a dictionary of the hook reads.
pub fn whole(hook: HookPoint, position: &str) -> Site {
    Site {
        hook,
        heads: None,
        position: position.to_owned(),
        offset: 0,
    }
}

/// Checks that one site is the whole of `hook`, which a dictionary can read.
pub fn check_whole(sites: &[Site], hook: HookPoint) -> Result<()> {
    match sites {
        [site] if site.hook == hook && site.heads.is_none() => Ok(()),
        _ => {
            let what = format!(
                "the dictionary reads the whole of {hook}: give this hook at one position, without heads"
            );
            Err(Error::setting("site", what))
        }
    }
}

/// Writes sites as one phrase.
pub fn said(sites: &[Site]) -> String {
    let sites: Vec<String> = sites.iter().map(ToString::to_string).collect();
    sites.join(" + ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::token_tensor;

    fn demo() -> Model {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
        Model::open(folder).unwrap().0
    }

    #[test]
    fn rows_are_the_activations_of_single_passes_with_the_values_of_their_prompts() {
        let model = demo();
        let from = From {
            file: None,
            count: 8,
            seed: 3,
        };
        let task = task(&model, &from).unwrap();
        let sites = [
            "blocks.1.attn.hook_z:1,3@s2",
            "blocks.2.hook_resid_post@end",
        ];
        let sites: Vec<Site> = sites.iter().map(|site| site.parse().unwrap()).collect();
        let ended = read(&model, &task, &sites, &mut |_| Flow::Continue(())).unwrap();
        let rows = ended.done().unwrap();
        let hooks = sites.iter().map(|site| site.hook).collect::<Vec<_>>();
        let heads = model.heads(hooks[0]).unwrap();
        for (i, prompt) in task.prompts.iter().enumerate() {
            let tokens = token_tensor(&[&prompt.tokens]).unwrap();
            let all = model.capture(&tokens, &hooks).unwrap();
            let [z, resid] = [0, 1].map(|at| {
                let value = &all[&hooks[at]];
                Matrix::from_tensor(value, model.width(hooks[at]).unwrap()).unwrap()
            });
            let (s2, e) = (prompt.positions[2], z.columns() / heads);
            let two = [&z.row(s2)[e..2 * e], &z.row(s2)[3 * e..4 * e]].concat();
            let want = [two.as_slice(), resid.row(prompt.tokens.len() - 1)].concat();
            for (got, want) in rows.activations.row(i).iter().zip(&want) {
                assert!((got - want).abs() < 1e-4, "{got} {want}");
            }
            for (attribute, value) in rows.attributes.iter().zip(&prompt.values) {
                assert_eq!(&attribute.values[attribute.rows[i]], value);
            }
        }
        assert_eq!(rows.activations.columns(), 2 * 256 / heads + 256);
        let stopped = read(&model, &task, &sites, &mut |_| Flow::Break(())).unwrap();
        assert!(stopped.is_stopped());
        assert_eq!(
            said(&sites),
            "blocks.1.attn.hook_z:1,3@s2 + blocks.2.hook_resid_post@end"
        );
    }

    #[test]
    fn a_dictionary_reads_its_own_hook_whole() {
        let site: Site = "blocks.2.hook_resid_post@end".parse().unwrap();
        let hook = site.hook;
        assert_eq!(whole(hook, "end"), site);
        check_whole(std::slice::from_ref(&site), hook).unwrap();
        let heads: Site = "blocks.1.attn.hook_z:1@end".parse().unwrap();
        let refused = check_whole(std::slice::from_ref(&heads), heads.hook).unwrap_err();
        assert!(refused.to_string().starts_with("site"), "{refused}");
        assert!(check_whole(&[site.clone(), site], hook).is_err());
    }
}
