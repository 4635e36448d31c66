//! Median, band and mean of figures over prompts.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Shares of the values below the lower end of the band and below its upper end.
const BAND: [f64; 2] = [0.1, 0.9];

/// Middle and spread of a figure over prompts. Quantiles lie between the two nearest values in proportion.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Spread {
    /// 10 % of the values are below.
    pub low: f64,
    /// Median.
    pub median: f64,
    /// 10 % of the values are above.
    pub high: f64,
    /// Mean.
    pub mean: f64,
}

impl Spread {
    /// Summarises `values`; none without values.
    pub fn new(mut values: Vec<f64>) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.sort_by(f64::total_cmp);
        let quantile = |share: f64| {
            let at = share * (values.len() - 1) as f64;
            let (below, above) = (values[at.floor() as usize], values[at.ceil() as usize]);
            below + (above - below) * (at - at.floor())
        };
        Some(Self {
            low: quantile(BAND[0]),
            median: quantile(0.5),
            high: quantile(BAND[1]),
            mean: mean.min(f64::MAX),
        })
    }

    /// Returns the figures as an object.
    pub fn json(self) -> Value {
        json!({"low": self.low, "median": self.median, "high": self.high, "mean": self.mean})
    }
}
