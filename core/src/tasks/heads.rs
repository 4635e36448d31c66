//! Heads that write what the answer needs: the fall of the logit difference when a head's z at the last position is set to its mean.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Task;
use super::activations::Activations;
use super::passes::{Edit, run};
use super::site::{Site, places};
use crate::error::Result;
use crate::ids::{Head, HookPoint, Layer, Site as Hooked};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};

/// Prompts between two calls of the observer.
const WAVE: usize = 8;

/// Heads are chosen down to this share of the untouched logit difference.
pub const SHARE: f64 = 0.01;

/// Most heads that are chosen.
pub const MOST: usize = 12;

/// Effect of one head.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Layer.
    pub layer: u32,
    /// Head.
    pub head: u32,
    /// Mean logit difference untouched less that with the head's z at the position set to its mean over the prompts that build.
    pub effect: f64,
    /// Effect as a share of the untouched logit difference.
    pub share: f64,
}

/// Measures every head of `model` on the prompts of `task` that build, at the named position. The largest effect comes first. `observe` hears of prompts and may stop.
pub fn effects(
    model: &Model,
    task: &Task,
    position: &str,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Vec<Effect>>> {
    let layers = model.config().layers;
    let sites: Vec<Site> = (0..layers)
        .map(|layer| Site {
            hook: HookPoint::Block(Layer::from(layer), Hooked::Z),
            heads: None,
            position: position.to_owned(),
            offset: 0,
        })
        .collect();
    let builds = Task {
        prompts: task.builds().to_vec(),
        attributes: Vec::new(),
        ..task.clone()
    };
    let places = places(model, &builds, &sites)?;
    let Ended::Done(read) = Activations::read(model, &builds, &places, observe)? else {
        return Ok(Ended::STOPPED);
    };
    let means = read.means(builds.prompts.len());
    let heads: Vec<(usize, usize)> = (places.iter().enumerate())
        .flat_map(|(layer, place)| {
            let all = model.heads(place.site.hook).unwrap_or(1);
            (0..all).map(move |head| (layer, head))
        })
        .collect();
    let edits = |prompt: usize| -> Vec<Edit> {
        let edit = |(layer, head): &(usize, usize)| {
            let width = places[*layer].width / model.heads(places[*layer].site.hook).unwrap_or(1);
            let own = head * width..(head + 1) * width;
            let mut values = read.clean[*layer].row(prompt).to_vec();
            values[own.clone()].copy_from_slice(&means[*layer][own]);
            let mut edit: Edit = vec![None; places.len()];
            edit[*layer] = Some(values);
            edit
        };
        heads.iter().map(edit).collect()
    };
    let mut falls = vec![0.0; heads.len()];
    let mut whole = 0.0;
    let numbers: Vec<usize> = (0..builds.prompts.len()).collect();
    for wave in numbers.chunks(WAVE) {
        let outcomes: Vec<_> = wave
            .par_iter()
            .map(|prompt| run(model, &builds.prompts[*prompt], &places, &edits(*prompt)))
            .collect::<Result<_>>()?;
        for (untouched, outcomes) in outcomes {
            whole += untouched.difference;
            for (fall, outcome) in falls.iter_mut().zip(outcomes) {
                *fall += untouched.difference - outcome.difference;
            }
        }
        let done = wave.last().map_or(0, |last| last + 1);
        if observe(Progress::new(done, numbers.len(), "prompts")).is_break() {
            return Ok(Ended::STOPPED);
        }
    }
    let count = numbers.len().max(1) as f64;
    let mut effects: Vec<Effect> = heads
        .iter()
        .zip(falls)
        .map(|((layer, head), fall)| Effect {
            layer: *layer as u32,
            head: *head as u32,
            effect: fall / count,
            share: if whole == 0.0 { 0.0 } else { fall / whole },
        })
        .collect();
    effects.sort_by(|a, b| b.effect.total_cmp(&a.effect));
    Ok(Ended::Done(effects))
}

/// Returns places for the heads with a share of at least [`SHARE`], at most [`MOST`], at the named position; the strongest head if none reaches it.
pub fn chosen(effects: &[Effect], position: &str) -> Vec<Site> {
    let enough = effects.iter().take_while(|one| one.share >= SHARE).count();
    let mut sites: Vec<Site> = Vec::new();
    for one in effects.iter().take(enough.clamp(1, MOST)) {
        let hook = HookPoint::Block(Layer(one.layer), Hooked::Z);
        let head = Head(one.head);
        match sites.iter_mut().find(|site| site.hook == hook) {
            Some(site) => site.heads.get_or_insert_default().push(head),
            None => sites.push(Site {
                hook,
                heads: Some(vec![head]),
                position: position.to_owned(),
                offset: 0,
            }),
        }
    }
    for site in &mut sites {
        if let Some(heads) = &mut site.heads {
            heads.sort_unstable();
        }
    }
    sites.sort();
    sites
}
