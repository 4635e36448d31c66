//! Reads edits from text: an action, then `key=value`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::{ACTIONS, Attend, EditSpec, ErrorName, Vector, What};
use crate::error::{Error, Result};
use crate::ids::{FeatureId, Head};
use crate::steer::LatentChange;

impl EditSpec {
    /// Builds an edit from the keys of a TOML table, `action` among them.
    pub fn from_keys(mut keys: BTreeMap<String, String>) -> Result<Self> {
        let action = keys.remove("action").ok_or_else(|| {
            Error::setting(
                "edit",
                format!("names no action, start with one of {}", names()),
            )
        })?;
        let mut keys = Keys {
            action: action.clone(),
            keys,
        };
        let what = what(&action, &mut keys)?;
        let spec = Self {
            what,
            sae: keys.keys.remove("sae"),
            hook: keys.parsed("hook")?,
            positions: keys.parsed("positions")?,
            rows: keys.list("rows")?,
            heads: keys
                .list("heads")?
                .map(|heads: Vec<u32>| heads.into_iter().map(Head).collect()),
        };
        keys.finish()?;
        Ok(spec)
    }
}

fn names() -> String {
    let names: Vec<_> = ACTIONS.iter().map(|action| action.name).collect();
    names.join(", ")
}

fn what(action: &str, keys: &mut Keys) -> Result<What> {
    let changes = |keys: &mut Keys,
                   number: &str,
                   change: fn(FeatureId, f32) -> LatentChange|
     -> Result<What> {
        let features: Vec<u32> = keys
            .list("feature")?
            .ok_or_else(|| keys.missing("feature"))?;
        let x = keys.required(number)?;
        let error = keys.named(
            "error",
            ErrorName::ALL.map(|(name, alone, _)| (name, alone)),
        )?;
        let changes = features
            .into_iter()
            .map(|f| change(FeatureId(f), x))
            .collect();
        Ok(What::Latents(changes, error.unwrap_or(ErrorName::Kept)))
    };
    Ok(match action {
        "add" => What::Add(keys.vector()?, keys.parsed("strength")?.unwrap_or(1.0)),
        "replace" => What::Replace(keys.vector()?, keys.parsed("strength")?.unwrap_or(1.0)),
        "scale" => What::Scale(keys.required("by")?),
        "zero" => What::Zero,
        "mean" if keys.keys.contains_key("file") => What::Mean(Some(keys.vector()?)),
        "mean" => What::Mean(None),
        "project-out" => What::ProjectOut(keys.vector()?),
        "orthogonal" => What::Orthogonal(keys.vector()?, keys.required("by")?),
        "cap" => What::Clamp(keys.vector()?, f32::NEG_INFINITY, keys.required("most")?),
        "clamp" => What::Clamp(
            keys.vector()?,
            keys.parsed("least")?.unwrap_or(f32::NEG_INFINITY),
            keys.parsed("most")?.unwrap_or(f32::INFINITY),
        ),
        "set-feature" => changes(keys, "value", LatentChange::Set)?,
        "add-feature" => changes(keys, "value", LatentChange::Add)?,
        "scale-feature" => changes(keys, "by", LatentChange::Scale)?,
        "splice" => splice(keys)?,
        "patch" => {
            if let Some(text) = keys.keys.remove("from") {
                What::PatchText(text)
            } else {
                let Vector::File { path, key } = keys.vector()? else {
                    return Err(keys.missing("from"));
                };
                What::PatchFile(path, key)
            }
        }
        "attend" => {
            let to = keys.named("to", Attend::ALL)?;
            What::Attend(to.ok_or_else(|| keys.missing("to"))?)
        }
        _ => {
            let what = format!("`{action}` is not an action, choose one of {}", names());
            return Err(Error::setting("edit", what));
        }
    })
}

fn splice(keys: &mut Keys) -> Result<What> {
    let part = keys
        .keys
        .remove("part")
        .ok_or_else(|| keys.missing("part"))?;
    Ok(match part.as_str() {
        "zero" => What::Zero,
        "mean" => What::Mean(None),
        part => {
            let parts = ErrorName::ALL.map(|(name, _, part)| (name, part));
            What::Latents(Vec::new(), named("part", part, parts)?)
        }
    })
}

/// Keys of one edit, removed one by one so that none is ignored.
struct Keys {
    action: String,
    keys: BTreeMap<String, String>,
}

impl Keys {
    fn missing(&self, key: &str) -> Error {
        let takes = ACTIONS.iter().find(|action| action.name == self.action);
        let takes = takes.map_or("", |action| action.keys);
        let what = format!("`{}` needs `{key}`, it takes {takes}", self.action);
        Error::setting("edit", what)
    }

    fn parsed<T: FromStr>(&mut self, key: &str) -> Result<Option<T>>
    where
        T::Err: fmt::Display,
    {
        let Some(text) = self.keys.remove(key) else {
            return Ok(None);
        };
        let read = text.parse().map_err(|reason| {
            let what = format!("`{text}` in `{}` cannot be read ({reason})", self.action);
            Error::setting(key, what)
        });
        read.map(Some)
    }

    fn required<T: FromStr>(&mut self, key: &str) -> Result<T>
    where
        T::Err: fmt::Display,
    {
        self.parsed(key)?.ok_or_else(|| self.missing(key))
    }

    fn list<T: FromStr>(&mut self, key: &str) -> Result<Option<Vec<T>>>
    where
        T::Err: fmt::Display,
    {
        let Some(text) = self.keys.remove(key) else {
            return Ok(None);
        };
        let read = |part: &str| {
            part.trim().parse().map_err(|reason| {
                Error::setting(key, format!("`{text}` is not a list of numbers ({reason})"))
            })
        };
        text.split(',').map(read).collect::<Result<_>>().map(Some)
    }

    fn named<T: Copy, const N: usize>(
        &mut self,
        key: &str,
        all: [(T, &'static str); N],
    ) -> Result<Option<T>> {
        let text = self.keys.remove(key);
        text.map(|text| named(key, &text, all)).transpose()
    }

    fn vector(&mut self) -> Result<Vector> {
        if let Some(feature) = self.parsed("feature")? {
            return Ok(Vector::Feature(FeatureId(feature)));
        }
        let path = self
            .keys
            .remove("file")
            .ok_or_else(|| self.missing("feature"))?;
        Ok(Vector::File {
            path: path.into(),
            key: self.keys.remove("key").ok_or_else(|| self.missing("key"))?,
        })
    }

    /// Rejects keys that are left over.
    fn finish(self) -> Result<()> {
        let Some(key) = self.keys.keys().next() else {
            return Ok(());
        };
        let takes = ACTIONS.iter().find(|action| action.name == self.action);
        let takes = takes
            .map(|action| action.keys)
            .filter(|keys| !keys.is_empty());
        let what = format!(
            "`{}` has no key `{key}`, it takes {}sae, hook, positions, rows, heads",
            self.action,
            takes.map_or(String::new(), |keys| format!("{keys}; "))
        );
        Err(Error::setting("edit", what))
    }
}

fn named<T: Copy, const N: usize>(key: &str, text: &str, all: [(T, &'static str); N]) -> Result<T> {
    let found = all.iter().find(|(_, name)| *name == text);
    found.map(|(value, _)| *value).ok_or_else(|| {
        let names = all.map(|(_, name)| name).join(", ");
        Error::setting(key, format!("`{text}` is not one of {names}"))
    })
}

impl FromStr for EditSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let words = shlex::split(text).ok_or_else(|| {
            Error::setting(
                "edit",
                format!("`{text}` has an open quotation mark, close it"),
            )
        })?;
        let mut words = words.into_iter();
        let mut keys = BTreeMap::new();
        if let Some(action) = words.next() {
            keys.insert("action".to_owned(), action);
        }
        for word in words {
            let Some((key, value)) = word.split_once('=') else {
                let what = format!("`{word}` is not `key=value`");
                return Err(Error::setting("edit", what));
            };
            if keys.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(Error::setting("edit", format!("`{key}` is given twice")));
            }
        }
        Self::from_keys(keys)
    }
}
