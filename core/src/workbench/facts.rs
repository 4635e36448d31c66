//! Facts about the features of a dictionary, measured and kept in its index: for the command line and the window.

use std::path::Path;

use super::pair::Pair;
use super::text::Text;
use crate::error::Result;
use crate::features::Index;
use crate::features::facts::{self, Asked, Facts};
use crate::progress::{Ended, Flow, Progress};

/// Measures facts about all features on `text` and writes `out`, a copy of the index with them (it may be the index itself). Stopped, it writes nothing.
pub fn keep(
    (pair, text): (&Pair, &Text),
    (index, out): (&Index, &Path),
    allow_mismatch: bool,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Facts>> {
    let asked = Asked {
        text: text.phrase.clone(),
        fingerprint: text.fingerprint.clone(),
        allow_mismatch,
    };
    let subject = (&*pair.model, pair.sae.by_token()?);
    let ended = facts::measure(subject, (index, &text.rows), &asked, observe)?;
    if let Ended::Done(found) = &ended {
        facts::write(index, found, out)?;
    }
    Ok(ended)
}
