//! Rotary positions as `config.json` describes them, in both ages: `rope_parameters` (transformers 5), or `rope_theta` beside `rope_scaling`
//! (transformers 4). Read and checked first, made into tables once the weights have shown that the sizes are true.

use std::f64::consts::TAU;

use serde_json::{Map, Value};

use super::blocks::Rotary;
use super::settings::Settings;
use crate::error::{Error, Result};

/// Keys of one kind of rotation.
#[derive(Debug, Clone)]
pub(super) struct Keys<'a> {
    values: Map<String, Value>,
    settings: &'a Settings,
}

/// Rotation, read and checked.
#[derive(Debug, Clone)]
pub(super) struct Rope {
    base: f64,
    /// Number of dimensions of a head that rotate.
    dims: usize,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Plain,
    /// Linear scaling: slows all rotations.
    Linear {
        factor: f64,
    },
    /// Llama 3.1: slows slow rotations further, keeps fast ones, blends those between.
    Llama3 {
        factor: f64,
        low: f64,
        high: f64,
        context: f64,
    },
    /// YaRN: blends rotations by how often they turn within the original context.
    Yarn {
        factor: f64,
        ramp: (f64, f64),
        attention: f64,
    },
    /// LongRoPE: a factor for each rotation, with other factors beyond the original context.
    Long {
        short: Vec<f64>,
        long: Vec<f64>,
        context: usize,
        attention: f64,
    },
}

impl<'a> Keys<'a> {
    /// Reads `rope_scaling` if it holds anything, else `rope_parameters`; missing keys are looked up beside them, θ under `theta`.
    pub(super) fn read(settings: &'a Settings, theta: &str) -> Result<Self> {
        let scaling = object(settings, "rope_scaling")?.filter(|values| !values.is_empty());
        let values = match scaling {
            Some(values) => values,
            None => object(settings, "rope_parameters")?.unwrap_or_default(),
        };
        if let Some((key, _)) = values.iter().find(|(_, value)| value.is_object()) {
            return Err(settings.unsupported(&format!("`rope_parameters.{key}`")));
        }
        let mut keys = Self { values, settings };
        keys.fill("rope_theta", theta);
        Ok(keys)
    }

    /// Reads the keys of one kind of layer from `rope_parameters`; θ else comes from `theta`.
    pub(super) fn of_layers(settings: &'a Settings, kind: &str, theta: &str) -> Result<Self> {
        let all = object(settings, "rope_parameters")?.unwrap_or_default();
        let values = match all.get(kind).filter(|value| !value.is_null()) {
            Some(Value::Object(values)) => values.clone(),
            Some(other) => return Err(settings.wrong(kind, "an object", other)),
            None => Map::new(),
        };
        let mut keys = Self { values, settings };
        keys.fill("rope_theta", theta);
        Ok(keys)
    }

    /// Overrides keys by those of the object `key`.
    pub(super) fn overridden(mut self, key: &str) -> Result<Self> {
        self.values
            .extend(object(self.settings, key)?.unwrap_or_default());
        Ok(self)
    }

    /// Sets a missing `key` to the outer value of `outside`.
    pub(super) fn fill(&mut self, key: &str, outside: &str) {
        if self.values.get(key).is_none_or(Value::is_null)
            && let Some(value) = self.settings.get(outside)
        {
            self.values.insert(key.to_owned(), value.clone());
        }
    }

    /// Renames the kind of scaling.
    pub(super) fn rename(&mut self, kind: &str) {
        self.values.insert("rope_type".to_owned(), kind.into());
    }

    /// Returns the kind of scaling.
    pub(super) fn kind(&self) -> Result<&str> {
        let kind = self
            .values
            .get("rope_type")
            .or_else(|| self.values.get("type"));
        match kind {
            None | Some(Value::Null) => Ok("default"),
            Some(Value::String(kind)) => Ok(kind),
            Some(other) => Err(self.settings.wrong("rope_type", "a text", other)),
        }
    }

    /// Rejects partial rotation, for families that have none.
    pub(super) fn whole(mut self) -> Result<Self> {
        self.fill("partial_rotary_factor", "partial_rotary_factor");
        match self.number("partial_rotary_factor")? {
            Some(share) if share != 1.0 => {
                Err(self.settings.unsupported("`partial_rotary_factor`"))
            }
            _ => Ok(self),
        }
    }

    fn number(&self, key: &str) -> Result<Option<f64>> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_f64().filter(|n| n.is_finite() && *n > 0.0) {
                Some(number) => Ok(Some(number)),
                None => Err(self.settings.wrong(key, "a number above 0", value)),
            },
        }
    }

    fn needed(&self, key: &str) -> Result<f64> {
        self.number(key)?.ok_or_else(|| {
            let what = format!("its rope settings lack a positive `{key}`");
            Error::input(what, self.settings.path())
        })
    }

    fn numbers(&self, key: &str, count: usize) -> Result<Vec<f64>> {
        let found = self.values.get(key).unwrap_or(&Value::Null);
        let wanted = format!("a list of {count} numbers above 0");
        let wrong = || self.settings.wrong(key, &wanted, found);
        let list = found.as_array().ok_or_else(wrong)?;
        let numbers: Option<Vec<f64>> = list
            .iter()
            .map(|value| value.as_f64().filter(|n| n.is_finite() && *n > 0.0))
            .collect();
        numbers
            .filter(|numbers| numbers.len() == count)
            .ok_or_else(wrong)
    }

    /// Context on which a stretched model was trained before.
    fn original(&self, context: usize) -> Result<f64> {
        let key = "original_max_position_embeddings";
        match self.settings.count_if_any(key)? {
            Some(outside) => Ok(outside as f64),
            None => Ok(self.number(key)?.unwrap_or(context as f64)),
        }
    }

    /// Returns the rotation of heads of width `d_head` in a model that reads `context` positions.
    pub(super) fn rope(&self, d_head: usize, context: usize) -> Result<Rope> {
        if self.values.contains_key("mrope_section") {
            return Err(self.settings.unsupported("`mrope_section`"));
        }
        let share = self.number("partial_rotary_factor")?.unwrap_or(1.0);
        let dims = (d_head as f64 * share) as usize;
        if share > 1.0 || dims == 0 || !dims.is_multiple_of(2) {
            let what = format!("{dims} of {d_head} dimensions of a head cannot turn in pairs");
            return Err(Error::input(what, self.settings.path()));
        }
        let base = self.needed("rope_theta")?;
        let kind = match self.kind()? {
            // Within the model's context, which no pass exceeds, the dynamic base is the plain one.
            "default" | "dynamic" => Kind::Plain,
            "linear" => Kind::Linear {
                factor: self.needed("factor")?,
            },
            "llama3" => Kind::Llama3 {
                factor: self.needed("factor")?,
                low: self.needed("low_freq_factor")?,
                high: self.needed("high_freq_factor")?,
                context: self.original(context)?,
            },
            "yarn" => self.yarn(base, dims, context)?,
            "longrope" => self.long(dims, context)?,
            other => {
                return Err(self
                    .settings
                    .unsupported(&format!("the rope type `{other}`")));
            }
        };
        Ok(Rope { base, dims, kind })
    }

    fn yarn(&self, base: f64, dims: usize, context: usize) -> Result<Kind> {
        let original = self.original(context)?;
        let factor = self.number("factor")?.unwrap_or(context as f64 / original);
        let grown = |by: f64| {
            if factor <= 1.0 {
                1.0
            } else {
                0.1 * by * factor.ln() + 1.0
            }
        };
        let attention = match self.number("attention_factor")? {
            Some(given) => given,
            None => match (self.number("mscale")?, self.number("mscale_all_dim")?) {
                (Some(one), Some(all)) => grown(one) / grown(all),
                _ => grown(1.0),
            },
        };
        // The dimension that turns so often within the original context.
        let turning =
            |turns: f64| dims as f64 * (original / (turns * TAU)).ln() / (2.0 * base.ln());
        let mut low = turning(self.number("beta_fast")?.unwrap_or(32.0));
        let mut high = turning(self.number("beta_slow")?.unwrap_or(1.0));
        if self.values.get("truncate") != Some(&Value::Bool(false)) {
            (low, high) = (low.floor(), high.ceil());
        }
        let (low, mut high) = (low.max(0.0), high.min(dims as f64 - 1.0));
        if low == high {
            high += 0.001;
        }
        Ok(Kind::Yarn {
            factor,
            ramp: (low, high),
            attention,
        })
    }

    fn long(&self, dims: usize, context: usize) -> Result<Kind> {
        let original = self.original(context)?;
        let factor = self.number("factor")?.unwrap_or(context as f64 / original);
        let attention = match self.number("attention_factor")? {
            Some(given) => given,
            None if factor <= 1.0 => 1.0,
            None => (1.0 + factor.ln() / original.ln()).sqrt(),
        };
        Ok(Kind::Long {
            short: self.numbers("short_factor", dims / 2)?,
            long: self.numbers("long_factor", dims / 2)?,
            context: original as usize,
            attention,
        })
    }
}

fn object(settings: &Settings, key: &str) -> Result<Option<Map<String, Value>>> {
    match settings.get(key) {
        None => Ok(None),
        Some(Value::Object(values)) => Ok(Some(values.clone())),
        Some(other) => Err(settings.wrong(key, "an object", other)),
    }
}

impl Rope {
    /// Computes frequencies and factors; NaN and infinities are errors.
    pub(super) fn table(&self) -> Result<Rotary> {
        let rotary = self.angles();
        let beyond = rotary.beyond.iter().flat_map(|(_, others)| others);
        let all = rotary.frequencies.iter().chain(beyond);
        if all.chain([&rotary.factor]).all(|number| number.is_finite()) {
            return Ok(rotary);
        }
        Err(Error::Unsupported {
            what: format!(
                "a rotation whose angles are no finite numbers ({:?})",
                self.kind
            ),
            remedy: "check `rope_theta` and the rope scaling in config.json".to_owned(),
        })
    }

    fn angles(&self) -> Rotary {
        let plain: Vec<f64> = (0..self.dims / 2)
            .map(|i| self.base.powf(-2.0 * i as f64 / self.dims as f64))
            .collect();
        let scaled = |by: &dyn Fn(usize, f64) -> f64| -> Vec<f32> {
            let each = plain.iter().enumerate();
            each.map(|(i, frequency)| by(i, *frequency) as f32)
                .collect()
        };
        let mut rotary = Rotary {
            frequencies: scaled(&|_, frequency| frequency),
            beyond: None,
            factor: 1.0,
        };
        match &self.kind {
            Kind::Plain => {}
            Kind::Linear { factor } => {
                rotary.frequencies = scaled(&|_, frequency| frequency / factor);
            }
            Kind::Llama3 {
                factor,
                low,
                high,
                context,
            } => {
                rotary.frequencies = scaled(&|_, frequency| {
                    let turns = context * frequency / TAU;
                    let keep = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                    (1.0 - keep) * frequency / factor + keep * frequency
                });
            }
            Kind::Yarn {
                factor,
                ramp: (low, high),
                attention,
            } => {
                rotary.frequencies = scaled(&|i, frequency| {
                    let slowed = ((i as f64 - low) / (high - low)).clamp(0.0, 1.0);
                    frequency / factor * slowed + frequency * (1.0 - slowed)
                });
                rotary.factor = *attention as f32;
            }
            Kind::Long {
                short,
                long,
                context,
                attention,
            } => {
                rotary.frequencies = scaled(&|i, frequency| frequency / short[i]);
                rotary.beyond = Some((*context, scaled(&|i, frequency| frequency / long[i])));
                rotary.factor = *attention as f32;
            }
        }
        rotary
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    fn table(values: &Value) -> Result<Rotary> {
        let settings = Settings::new(values.clone(), Path::new("config.json"))
            .with_defaults(json!({"rope_theta": 10000.0}));
        Keys::read(&settings, "rope_theta")?
            .whole()?
            .rope(8, 64)?
            .table()
    }

    #[test]
    fn both_ages_of_rope_settings_give_the_same_frequencies() {
        let linear = json!({"rope_type": "linear", "factor": 4.0, "rope_theta": 500.0});
        let new = table(&json!({ "rope_parameters": linear })).unwrap();
        let old = json!({"rope_theta": 500.0, "rope_scaling": {"type": "linear", "factor": 4.0}});
        assert_eq!(new.frequencies, table(&old).unwrap().frequencies);
        assert_eq!(new.frequencies[0], 0.25);
        assert_eq!(table(&json!({})).unwrap().frequencies[1], 0.1);
    }

    #[test]
    fn llama3_keeps_fast_rotations_and_slows_slow_ones() {
        let stretched = table(&json!({"rope_theta": 10000.0, "rope_scaling": {
            "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 128
        }}))
        .unwrap()
        .frequencies;
        assert_eq!(stretched[0], 1.0);
        let second = stretched[1];
        assert!((second - 0.042_751_2).abs() < 1e-7, "{second}");
        assert_eq!(stretched[2], 0.01 / 8.0);
        assert_eq!(stretched[3], 0.001 / 8.0);
    }

    #[test]
    fn unsupported_settings_are_rejected_by_name() {
        for (values, name) in [
            (json!({"rope_scaling": {"rope_type": "axial"}}), "`axial`"),
            (
                json!({"partial_rotary_factor": 0.5}),
                "`partial_rotary_factor`",
            ),
            (json!({"rope_scaling": {"rope_type": "linear"}}), "`factor`"),
            (json!({"rope_scaling": 8}), "`rope_scaling`"),
            (json!({"rope_scaling": {"type": 8}}), "`rope_type`"),
            (
                json!({"rope_parameters": {"full_attention": {}}}),
                "`rope_parameters.full_attention`",
            ),
            (
                json!({"rope_parameters": {"rope_type": "longrope", "short_factor": [1.0], "long_factor": [1.0]}}),
                "`short_factor`",
            ),
            (
                json!({"rope_parameters": {"mrope_section": [1, 2]}}),
                "`mrope_section`",
            ),
            (json!({"rope_theta": -1.0}), "`rope_theta`"),
            (
                json!({"rope_scaling": {
                    "rope_type": "longrope", "factor": 2.0, "original_max_position_embeddings": 1,
                    "short_factor": [1.0, 1.0, 1.0, 1.0], "long_factor": [1.0, 1.0, 1.0, 1.0]
                }}),
                "no finite numbers",
            ),
        ] {
            let refused = table(&values).unwrap_err().to_string();
            assert!(refused.contains(name), "{refused}");
        }
    }
}
