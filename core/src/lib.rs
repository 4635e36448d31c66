//! Umbra's core trains sparse autoencoders (SAEs) on the activations of language models, measures them, indexes and studies their features, and steers models
//! with them.
//!
//! ```
//! use umbra_core::workbench::text::{Most, TextRequest};
//! use umbra_core::{HookPoint, Model, Site, Spec, build_index, evaluate, train_dictionary};
//!
//! # let demo = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo"));
//! # let folder = tempfile::tempdir()?;
//! # let out = folder.path();
//! // A HuggingFace folder or a GGUF file. The second value holds notes on what was decided.
//! let (model, _) = Model::open(&demo.join("model"))?;
//! let text = TextRequest::new([demo.join("text/train")]).read(&model, None)?;
//!
//! // Every setting has a default.
//! let mut spec = Spec::default_for(HookPoint::block(1, Site::Z));
//! spec.features = 256;
//! spec.tokens = 20_000;
//! let sae = train_dictionary(&spec, &model, &text)?;
//! sae.save(&out.join("my-sae"))?; // a SAELens folder
//!
//! let held_out = TextRequest::new([demo.join("text/held-out")]).at_most(Most::Tokens(4_000));
//! let held_out = held_out.read(&model, Some(&sae))?;
//! let figures = evaluate(&model, &sae, &held_out)?;
//! println!("L0 {:.1}, FVU {:.3}, CE recovered {:.3}", figures.l0, figures.fvu, figures.ce_recovered_zero);
//!
//! let index = build_index(&model, &sae, &held_out, &out.join("my-sae.sqlite"))?;
//! for hit in index.search("king")?.into_iter().take(3) {
//!     let detail = index.detail(hit.feature)?;
//!     let examples: Vec<String> = detail.top.iter().map(|example| example.tokens.concat()).collect();
//!     println!("{}, {}: density {:.4}, {examples:?}", hit.feature, hit.why(), detail.summary.density);
//! }
//! # assert!(figures.ce_clean > 0.0 && figures.fvu < 1.0 && index.about().features == 256);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The types that most programs need are at the root; [`candle_core`] is re-exported. `core/examples` shows training, features, steering, hooks and selection
//! rules of your own. `core/ARCHITECTURE.md` explains how the parts work together.
//!
//! The library opens no window, prints nothing and starts no threads beyond rayon's pool. Long work reports to an observer, which may stop it.
//!
//! # Features
//! All are off by default; a call that needs one that is off returns an error that names it.
//!
//! - `gpu`: dictionaries on GPUs through wgpu (Vulkan, Metal, DirectX 12).
//! - `hub`: downloads from the HuggingFace hub. Cached models, dictionaries and data sets open without it.
//! - `parquet`: corpora in `.parquet` files.
//! - `zstd`: corpora in `.zst` files.
//! - `reproduce`: the module `reproduce`, which measures what papers claim.
//! - `cli`: the module `cli` and the program `umbra-cli`, with all of the above.
//!
//! # Letters
//! `b` sequences, `t` positions, `n` = b·t tokens, `d` width of the activation, `f` features, `k` active per token, `h` heads, `e` head width,
//! `m` MLP width, `v` vocabulary, `l` layers. Weights are feature-major (`w_enc [f, d]`, `w_dec [f, d]`): a feature is a row; only `formats` transposes.
//!
//! # Code map (a module uses only modules above it)
//! | module | what it holds |
//! |---|---|
//! | [`error`] | the crate's `Error`, `Notes` |
//! | [`count`] | whole numbers as people write them |
//! | [`section`] | a result as a section of a report: sentences, tables and plots as plain data |
//! | [`progress`] | long work: how far it is, how fast, how it ended |
//! | [`ids`] | `Layer`, `Head`, `FeatureId`, `TokenId`, `HookPoint` |
//! | [`dims`] | `Matrix`, named-dimension checks |
//! | [`device`] | what computes: the CPU, or a GPU with its buffers and queue; memory that is free |
//! | [`whole_file`] | files that appear whole or not at all |
//! | `tensor_file` | safetensors headers checked, files mapped, stored numbers to f32 and back |
//! | [`latents`] | sparse activations in compressed rows |
//! | [`kernels`] | one folder per operation: definition, CPU form, shader, cases |
//! | [`text`] | tokenization, display of tokens, BOS policy |
//! | [`corpus`] | text in: documents, held-out split, fixed-length token rows |
//! | [`hub`] | models, dictionaries and data sets by their name on the HuggingFace hub, in its cache |
//! | [`models`] | hooked transformers, loading, generation |
//! | [`store`] | activations on disk: sharded, checked, resumed |
//! | [`capture`] | model × rows × hooks → activations, in memory or into a store |
//! | [`sae`] | dictionaries: encode, decode, variants |
//! | [`formats`] | SAEs in and out of other libraries' files |
//! | [`fit`] | whether model, dictionary, index and probe belong together, by fingerprint |
//! | [`train`] | settings, the training run, its events |
//! | `bench` | a training step timed over the product alone |
//! | [`runs`] | records of training runs: written, found, compared |
//! | [`eval`] | L0, FVU, dead, CE clean, spliced and ablated |
//! | [`prompt`] | one text read through a model and dictionaries: shares, clusters, two texts aligned |
//! | [`separate`] | features that tell two sets of texts apart: differences of means, sparse probes |
//! | [`lens`] | the logit lens: every layer's residual stream as next tokens |
//! | [`attention`] | attention patterns: all heads at a glance, one layer whole |
//! | [`compare`] | two dictionaries: matched directions, shared and unique features, activity on one text |
//! | [`project`] | `umbra.toml` and `labels.sqlite` |
//! | [`features`] | the feature index: build, read, search; predicates of tokens and families of features |
//! | [`folders`] | what a folder holds already, and whether it may be written |
//! | [`dark_matter`] | the error of an SAE, split into linear and nonlinear part |
//! | [`baselines`] | PCA, ICA, NMF, k-means, sparse coding and random directions as dictionaries; canonical correlations |
//! | [`heads`] | what every head does: survey, features, roles, attribution, circuits, induction, sentences with two names |
//! | [`steer`] | baseline and steered generation side by side |
//! | [`causes`] | causes of a prediction: a target, and how much features, parts, places and paths give to it |
//! | [`tasks`] | tasks whose answer is known: prompts with attributes, supervised dictionaries, tests of approximation, control and interpretation |
//! | [`recovery`] | toys and activations whose attributes are known: which of them dictionaries find, and into how many features they split them |
//! | [`benchmarks`] | benchmarks that need no judge: core metrics, probes of labelled texts, absorption, disentangling, consistency across seeds |
//! | [`report`] | features and results as a page, Markdown, JSON, CSV, figures, or a gallery |
//! | `reproduce` | feature `reproduce`: what papers claim, measured here and judged |
//! | [`guide`] | the manual, compiled in |
//! | [`workbench`] | what a person does, once, for the window and the command line |
//! | `cli` | feature `cli`: one file per noun |

pub mod attention;
pub mod baselines;
pub mod bench;
pub mod benchmarks;
pub mod capture;
pub mod causes;
#[cfg(feature = "cli")]
pub mod cli;
pub mod compare;
pub mod corpus;
pub mod count;
pub mod dark_matter;
pub mod device;
pub mod dims;
pub mod error;
pub mod eval;
pub mod features;
pub mod fit;
pub mod folders;
pub mod formats;
pub mod guide;
pub mod heads;
pub mod hub;
pub mod ids;
pub mod kernels;
pub mod latents;
pub mod lens;
pub mod models;
pub mod progress;
pub mod project;
pub mod prompt;
pub mod recovery;
pub mod report;
#[cfg(feature = "reproduce")]
pub mod reproduce;
pub mod runs;
pub mod sae;
pub mod section;
pub mod separate;
pub mod steer;
pub mod store;
pub mod tasks;
mod tensor_file;
pub mod text;
pub mod train;
pub mod whole_file;
pub mod workbench;

pub use candle_core;

pub use corpus::{Corpus, Rows};
pub use error::{Error, Notes, Result};
pub use eval::Figures as Evaluation;
pub use features::Index as FeatureIndex;
pub use ids::{FeatureId, Head, HookPoint, Layer, Site, TokenId};
pub use latents::Latents;
pub use models::Model;
pub use progress::{Ended, Flow, Progress};
pub use sae::{Sae, Variant};
pub use train::Spec;
pub use workbench::direct::{build_index, evaluate, train_dictionary};
pub use workbench::pair::Pair;
pub use workbench::text::TextRequest;

/// The version written into every file and report.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
