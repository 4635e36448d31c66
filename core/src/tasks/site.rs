//! Places that are edited: a hook, the heads of it that count, and a named position of the prompt.

use std::fmt;
use std::str::FromStr;

use super::Task;
use crate::error::{Error, Result};
use crate::ids::{Head, HookPoint};
use crate::models::Model;

/// Format of a written place, as a phrase.
pub const FORMAT: &str = "HOOK:HEADS@POSITION, as in blocks.2.attn.hook_z:0,3@end; without :HEADS the whole hook; POSITION is a position of the task, with +N or -N for a token after or before it";

/// Name of the setting.
const SITE: &str = "site";

/// Place as a person writes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// Hook.
    pub hook: HookPoint,
    /// Heads, sorted; none for the whole hook.
    pub heads: Option<Vec<Head>>,
    /// Name of a position of the task.
    pub position: String,
    /// Tokens after it; negative before it.
    pub offset: i32,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.hook)?;
        if let Some(heads) = &self.heads {
            let heads: Vec<String> = heads.iter().map(ToString::to_string).collect();
            write!(f, ":{}", heads.join(","))?;
        }
        write!(f, "@{}", self.position)?;
        if self.offset != 0 {
            write!(f, "{:+}", self.offset)?;
        }
        Ok(())
    }
}

impl FromStr for Site {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused = |why: &str| {
            let what = format!("`{text}` {why}; write {FORMAT}");
            Error::setting(SITE, what)
        };
        let (place, position) = text
            .rsplit_once('@')
            .ok_or_else(|| refused("names no position"))?;
        let (hook, heads) = match place.split_once(':') {
            Some((hook, heads)) => (hook, Some(heads)),
            None => (place, None),
        };
        let heads = match heads {
            None => None,
            Some(list) => {
                let each = list.split(',').map(|head| head.trim().parse::<u32>());
                let mut heads: Vec<Head> = each
                    .map(|head| head.map(Head))
                    .collect::<Result<_, _>>()
                    .map_err(|_wrong: std::num::ParseIntError| {
                        refused("has heads that are no numbers")
                    })?;
                heads.sort_unstable();
                heads.dedup();
                Some(heads)
            }
        };
        let cut = position.find(['+', '-']).unwrap_or(position.len());
        let (name, offset) = position.split_at(cut);
        let offset = match offset {
            "" => 0,
            some => some.parse().map_err(|_wrong: std::num::ParseIntError| {
                refused("has a distance that is no number")
            })?,
        };
        if name.is_empty() {
            return Err(refused("names no position"));
        }
        Ok(Self {
            hook: hook.parse()?,
            heads,
            position: name.to_owned(),
            offset,
        })
    }
}

/// Place in a model and a task: sites of one hook and one position, with the columns of the hook that are edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Site, with the heads of all sites that it joins.
    pub site: Site,
    /// Index of the position among the task's.
    pub position: usize,
    /// Number of columns of the hook, heads side by side.
    pub width: usize,
    /// Columns that are edited, rising.
    pub columns: Vec<usize>,
}

impl Place {
    /// Returns the position in a prompt whose named positions are `positions`, `tokens` long.
    pub fn at(&self, positions: &[usize], tokens: usize) -> Result<usize> {
        let named = positions[self.position];
        let at = i64::try_from(named).unwrap_or(i64::MAX) + i64::from(self.site.offset);
        let at = usize::try_from(at).ok().filter(|at| *at < tokens);
        at.ok_or_else(|| {
            let what = format!(
                "{} lies outside a prompt of {tokens} tokens whose {} is at {named}",
                self.site, self.site.position
            );
            Error::setting(SITE, what)
        })
    }

    /// Copies the edited columns of a row of the whole hook.
    pub fn part(&self, row: &[f32]) -> Vec<f32> {
        self.columns.iter().map(|column| row[*column]).collect()
    }
}

/// Returns the places of `sites` in a model, in the order of a forward pass; sites of one hook and position become one. An unknown hook, head or position is an error.
pub fn places(model: &Model, task: &Task, sites: &[Site]) -> Result<Vec<Place>> {
    if sites.is_empty() {
        let what = format!("no place is given; write {FORMAT}");
        return Err(Error::setting(SITE, what));
    }
    let mut places: Vec<Place> = Vec::new();
    let mut sorted = sites.to_vec();
    sorted.sort();
    for site in sorted {
        let place = place(model, task, site)?;
        let same = |known: &&mut Place| {
            known.site.hook == place.site.hook
                && known.position == place.position
                && known.site.offset == place.site.offset
        };
        match places.iter_mut().find(same) {
            Some(known) => join(known, place),
            None => places.push(place),
        }
    }
    Ok(places)
}

fn place(model: &Model, task: &Task, site: Site) -> Result<Place> {
    model.check_hook(site.hook)?;
    let width = model.width(site.hook)?;
    let named = task
        .positions
        .iter()
        .position(|name| *name == site.position);
    let position = named.ok_or_else(|| {
        let what = format!(
            "`{}` is no position of {}, which has {}",
            site.position,
            task.name,
            task.positions.join(", ")
        );
        Error::setting(SITE, what)
    })?;
    let columns = match &site.heads {
        None => (0..width).collect(),
        Some(heads) => {
            let all = model.heads(site.hook).ok_or_else(|| {
                Error::setting(
                    SITE,
                    format!("{} has no heads: leave out :HEADS", site.hook),
                )
            })?;
            if let Some(head) = heads.iter().find(|head| head.index() >= all) {
                let what = format!("{} has {all} heads, there is no head {head}", site.hook);
                return Err(Error::setting(SITE, what));
            }
            let e = width / all.max(1);
            heads
                .iter()
                .flat_map(|head| head.index() * e..(head.index() + 1) * e)
                .collect()
        }
    };
    Ok(Place {
        site,
        position,
        width,
        columns,
    })
}

fn join(known: &mut Place, other: Place) {
    known.columns.extend(other.columns);
    known.columns.sort_unstable();
    known.columns.dedup();
    known.site.heads = match (known.site.heads.take(), other.site.heads) {
        (Some(mut heads), Some(more)) => {
            heads.extend(more);
            heads.sort_unstable();
            heads.dedup();
            Some(heads)
        }
        _ => None,
    };
}
