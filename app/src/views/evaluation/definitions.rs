//! Definitions of the figures of the task, by their names.

/// Name and definition of each figure.
const DEFINITIONS: &[(&str, &str)] = &[
    (
        "sufficiency",
        "mean logit difference of the right and the wrong answer with the reconstruction in place of the activation, over that of the clean run: 1 is best",
    ),
    (
        "necessity",
        "1 − |LD_mean − LD| / |LD_mean − LD_clean|, with LD the mean logit difference after the reconstruction was taken out, mean + (a − â), and LD_mean that with the mean activation: 1 is best, 0 for the mean alone",
    ),
    (
        "edit_accuracy",
        "share of prompts whose likeliest next token is that under the ground-truth patch, the activation of the prompt with the attribute changed",
    ),
    (
        "magnitude",
        "weight of the removed features: the sum of their shares (f·u)·(â − b)/‖â − b‖² in the reconstruction, which sum to 1 over all features; mean over prompts",
    ),
    (
        "untouched",
        "share of prompts whose likeliest next token without any edit is that under the ground-truth patch; an edit has to exceed it",
    ),
    ("attribute", "property of the prompt that the edit changes"),
    (
        "io",
        "the right answer: the name that stands once in the sentence becomes another",
    ),
    (
        "s",
        "the wrong answer: the name that stands twice becomes another",
    ),
    (
        "pos",
        "the order of the first two names: they change places",
    ),
    (
        "k",
        "number of exchanged features at most. Each is the one that brings the activation nearest to that of the changed prompt; a supervised dictionary always exchanges one",
    ),
    (
        "f1",
        "harmonic mean of precision and recall of “the feature is active” for “the predicate holds”, over prompts",
    ),
    (
        "distance",
        "length of what is left between the edited activation and that of the changed prompt, over all places together",
    ),
    ("logit", "logit of the next token"),
];

/// Returns what a figure is; nothing for a name that is not there.
pub(super) fn definition(key: &str) -> &'static str {
    crate::words::defined(DEFINITIONS, key)
}
