//! Benchmarks of dictionaries that need no judge, as SAEBench 0.6.0 and the papers behind it define them; each figure with a seed and an interval.
//!
//! | part | what it holds |
//! |---|---|
//! | [`absorption`] | words on which a feature of their first letter is silent, since another one stands in |
//! | [`disentangle`] | whether a few features carry one attribute of an entity and no other |
//! | [`consistency`] | how far the features of one seed are found again by another |
//! | [`core_metrics`] | loss recovered, KL, sparsity and shrinkage under SAEBench's names |
//! | [`labelled`] | labelled texts, their split, and their rows by a model and dictionaries |
//! | [`probing`] | probes of labelled texts: sparse probing, removal of a spurious correlation, targeted probe perturbation |
//! | [`schema`] | result files in SAEBench's schema |
//! | [`estimate`] | means with intervals |

pub mod absorption;
pub mod consistency;
pub mod core_metrics;
pub mod disentangle;
pub mod estimate;
pub mod labelled;
pub mod probing;
mod regression;
pub mod schema;
