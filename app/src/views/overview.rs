//! The row of a dictionary with all that is known of it, which Library and Evaluation show.

use umbra_core::workbench::overview::{Indexed, Known, Row};

use crate::state::Load;
use crate::state::catalogue::Dictionary;

/// Returns the row of a dictionary.
pub(crate) fn row(dictionary: &Dictionary) -> Row {
    let index = match &dictionary.index {
        Load::Ready(index) => Indexed::new(&index.about, dictionary.index_fit.ready()),
        Load::Loading => Indexed::Pending,
        Load::Failed(_) => Indexed::Failed,
        Load::Absent if dictionary.index_path.is_some() => Indexed::Pending,
        Load::Absent => Indexed::Absent,
    };
    let loaded = dictionary.load.ready();
    Row::new(&Known {
        name: &dictionary.name,
        folder: Some(&dictionary.folder),
        sae: loaded.map(|loaded| &*loaded.sae),
        failure: dictionary.load.failure(),
        pair: dictionary.pair.as_ref(),
        figures: dictionary.evaluation.ready().map(|kept| &kept.figures),
        unmeasured: dictionary.evaluation.failure(),
        is_measured_now: dictionary.evaluation.is_loading(),
        index,
    })
}
