//! Command line: `umbra <noun> <verb>`, one file per noun. Only this module prints.
//!
//! A noun is one file that exports its clap `Args` and `run(&Args, &Console) -> Result<Exit>`, one `mod` line and one line in the list below.
//! Under `--json` standard output holds one JSON object and nothing else: the answer, or `{"error": {"kind", "message", "path"?}}` (also for wrong usage and
//! Ctrl-C; a second Ctrl-C ends the program at once without output). Notes, progress and errors for people go to standard error.
//! Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C.

mod args;
mod attribute;
mod baseline;
mod bench;
mod capture;
mod chat;
mod config;
mod console;
mod dark_matter;
mod device;
mod devices;
mod edits;
mod eval;
mod evaluate;
mod guide;
mod heads;
mod hub;
mod index;
mod label;
mod ladder;
mod line;
mod link;
mod model;
mod open;
mod patch;
mod project;
mod prompt;
mod registry;
mod report;
mod reproduce;
mod runs;
mod sae;
mod sampling;
mod search;
mod separate;
mod steer;
mod store;
mod sweep;
mod train;
mod words;
mod written;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;

use clap::{Command, CommandFactory as _, FromArgMatches as _, Parser};

pub use args::{
    BosArgs, CorpusArgs, DocumentsArg, MeasuringArgs, MismatchArgs, ModelArgs, ParentArg,
    PositionsArg, SaeArgs, SaesArgs, SplitArg, TextArgs, open_both, open_by_token, open_for,
    open_with_transcoder, rehook, say_fit,
};
pub use console::{Bar, Console};
pub use device::{DeviceArg, devices};
pub use hub::hub;
pub use registry::{known_at, registry};
pub use steer::{steer_line, steer_request};
pub use train::{train_line, train_request};

use crate::error::Result;
use crate::progress::Ended;

/// End of a command that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Exit code 0.
    Done,
    /// Done, but a check did not hold: exit code 1.
    Failed,
    /// Stopped by Ctrl-C, partial results saved: exit code 130.
    Stopped,
}

impl<T, P> From<&Ended<T, P>> for Exit {
    fn from(ended: &Ended<T, P>) -> Self {
        if ended.is_stopped() {
            Self::Stopped
        } else {
            Self::Done
        }
    }
}

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;
const STOPPED: u8 = 130;

macro_rules! nouns {
    ($($(#[$doc:meta])* $noun:ident => $module:ident,)*) => {
        #[derive(Debug, clap::Subcommand)]
        enum Noun {
            $($(#[$doc])* $noun($module::Args),)*
        }

        impl Noun {
            fn run(&self, console: &Console) -> Result<Exit> {
                match self {
                    $(Self::$noun(args) => $module::run(args, console),)*
                }
            }
        }
    };
}

// The nouns, in the order of `--help`: one line each.
nouns! {
    /// Train a dictionary on one hook of a model and save it as a SAELens folder
    Train => train,
    /// Train dictionaries of several widths in one pass of the model, to see whether more width helps
    Ladder => ladder,
    /// Fit classical baselines (PCA, ICA, NMF, k-means, sparse coding, random directions) as dictionaries, and measure canonical correlations
    Baseline => baseline,
    /// Time a training step on this machine against the product of its encoder alone
    Bench => bench,
/// List CPU and GPUs with their speed, and say which one `--device auto` takes
    Devices => devices,
/// List, show and compare training runs
    Runs => runs,
/// Show a model, write its logits, continue a prompt, inspect layers and heads
    Model => model,
    /// Write activations of chosen hooks as safetensors, or into an activation store
    Capture => capture,
/// Inspect, verify, convert and compare dictionaries of any library, or encode with them
    Sae => sae,
/// Check an activation store for damage, or show its content
    Store => store,
/// Show a project: its model in plain words, and its dictionaries in one table with figures and verdicts
Project => project,
    /// Measure a dictionary on text: L0, FVU, dead share, cross-entropy clean, spliced and ablated
    Eval => eval,
    /// Test dictionaries on tasks with known answers, on labelled text, on first letters, across seeds, and on toys
    Evaluate => evaluate,
/// Build, show, search or export the feature index of a dictionary; measure families of features, and test predicates
    Index => index,
    /// Set, list, import and export labels of features, and ask a language model for one
    Label => label,
/// Show the strongest features of each token of a text, by one dictionary or several, or what changes between two texts
    Prompt => prompt,
    /// Find the features that tell two sets of texts apart: differences of means, and sparse probes with held-out accuracy
    Separate => separate,
    /// Find the features that fire on a text, across dictionaries, best first
    Search => search,
/// Take apart what a dictionary does not explain: fit its linear part, and split the error of a text
    DarkMatter => dark_matter,
/// List features by attention head, and attribute a feature by head and source token
    Heads => heads,
/// Continue a prompt twice from one seed, with and without edits
    Steer => steer,
    /// Measure what a feature does at one strength after another, or search for the largest strength before the text breaks
    Sweep => sweep,
    /// Name the causes of a prediction: features by ablation and gradient, and direct contributions of heads, MLPs and embeddings
    Attribute => attribute,
    /// Patch activations between two texts: where a prediction depends on their difference, along which paths, and by how few edits
    Patch => patch,
    /// Write chosen features of an index as one HTML page or JSON
    Report => report,
/// Check the claims of papers one by one: attention dictionaries, and variants trained side by side
    Reproduce => reproduce,
    /// Write the link to a feature, or check one
    Link => link,
    /// Open the window on the feature of a link
    Open => open,
    /// Print a page of the manual, or the list of its pages
    Guide => guide,
}

/// Umbra trains sparse autoencoders on the activations of language models and studies what they find and what they miss.
///
/// Without a subcommand, `umbra [PROJECT] [--renderer wgpu|glow] [--theme dark|light] [--size WIDTHxHEIGHT]` opens the window, and `umbra open LINK` opens it on
/// a feature. Whole numbers may be written 2048, 2_048, 20k, 1.5M or 1e6. If a flag with one value is repeated,
/// the last value counts.
#[derive(Debug, Parser)]
#[command(
    name = "umbra",
    version,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Line {
    /// Print one JSON object on standard output and nothing else there
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    noun: Noun,
}

/// Whether `args` (program name first) are for the command line, including mistyped commands; otherwise `umbra [PROJECT]` opens the window.
pub fn is_subcommand(args: &[OsString]) -> bool {
    line::is_for(&command(), args)
}

/// Whether `args`, which cannot open the window, look like a command line.
pub fn is_like_subcommand(args: &[OsString]) -> bool {
    line::is_meant_for(&command(), args)
}

fn command() -> Command {
    line::alike(Line::command())
}

/// Runs the command line in `args` (program name first).
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    ExitCode::from(code(&args))
}

fn code(args: &[OsString]) -> u8 {
    let console = Console::new(line::wants_json(args));
    let mut command = command();
    let expanded = match config::expanded(args.to_vec(), &command) {
        Ok(expanded) => expanded,
        Err(error) => {
            console.error(&error);
            return FAILED;
        }
    };
    let parsed = command
        .try_get_matches_from_mut(expanded)
        .and_then(|matches| {
            Line::from_arg_matches(&matches).map_err(|usage| usage.format(&mut command))
        });
    match parsed {
        Ok(line) => finished(&line.noun, &Console::new(line.json)),
        Err(usage) if usage.use_stderr() => {
            let usage = line::explained(usage, &command, args);
            // A closed pipe (`umbra --help | head`) is not a failure.
            drop(usage.print());
            console.object_of("usage", &line::sentence(&usage), None);
            WRONG_USAGE
        }
        Err(help) => {
            drop(help.print());
            0
        }
    }
}

/// Runs a command and returns its exit code.
fn finished(noun: &Noun, console: &Console) -> u8 {
    console.watch_interrupt();
    match guarded(|| noun.run(console)) {
        _ if console.pipe_closed() => 0,
        Ok(Ok(Exit::Done)) => 0,
        Ok(Ok(Exit::Failed)) => FAILED,
        Ok(Ok(Exit::Stopped)) => {
            console.object_of(
                "stopped",
                "stopped by Ctrl-C before there was an answer",
                None,
            );
            STOPPED
        }
        Ok(Err(error)) => {
            console.error(&error);
            // Stopped, for example, while fetching a model.
            match () {
                () if console.stopped() => STOPPED,
                () if console.was_wrong_usage() => WRONG_USAGE,
                () => FAILED,
            }
        }
        Err(panic) => {
            console.bug(&panic);
            FAILED
        }
    }
}

/// Runs `work`; a panic becomes one sentence instead of a backtrace.
fn guarded<T>(work: impl FnOnce() -> T) -> std::result::Result<T, String> {
    static FIRST: Mutex<Option<String>> = Mutex::new(None);
    let former = std::panic::take_hook();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        let said = panic.payload_as_str().unwrap_or("no message");
        if let Ok(mut first) = FIRST.lock() {
            first.get_or_insert_with(|| {
                format!("a bug in Umbra stopped this command{place}: {said}")
            });
        }
    }));
    let outcome = catch_unwind(AssertUnwindSafe(work));
    std::panic::set_hook(former);
    outcome.map_err(|_payload| {
        let first = FIRST.lock().ok().and_then(|mut first| first.take());
        first.unwrap_or_else(|| "a bug in Umbra stopped this command".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn the_description_of_every_flag_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn a_noun_is_told_from_a_project() {
        for line in [
            "umbra eval --model m",
            "umbra --json eval",
            "umbra --help",
            "umbra help",
            "umbra evl --model m",
            "umbra darkmatter",
            "umbra --json",
            "umbra projects/mine --json",
        ] {
            assert!(is_subcommand(&words(line)), "{line}");
        }
        for line in [
            "umbra",
            "umbra projects/mine",
            "umbra ./eval",
            "umbra ./evl",
            "umbra zzzz",
            "umbra --renderer glow",
        ] {
            assert!(!is_subcommand(&words(line)), "{line}");
        }
        // What opens no window was meant for the command line.
        assert!(is_like_subcommand(&words("umbra zzzz --model m")));
        assert!(is_like_subcommand(&words("umbra --model m eval")));
        assert!(!is_like_subcommand(&words("umbra --theme pink")));
        assert!(!is_like_subcommand(&words("umbra ./mine --theme pink")));
    }

    #[test]
    fn wrong_usage_is_2_and_help_is_0() {
        assert_eq!(code(&words("umbra nonsense")), WRONG_USAGE);
        assert_eq!(code(&words("umbra eval --model m")), WRONG_USAGE);
        assert_eq!(code(&words("umbra eval --help")), 0);
    }

    #[test]
    fn what_a_command_cannot_use_is_1() {
        let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/sae-lens-topk");
        for line in [
            format!("umbra prompt --text x --model nowhere --sae {golden}"),
            format!("umbra prompt --text x --model {demo} --sae nowhere"),
            format!(
                "umbra prompt --text x --model {demo} --sae {golden} --hook blocks.1.hook_nothing"
            ),
            format!(
                "umbra prompt --text x --model {demo} --sae {golden} --hook blocks.9.hook_resid_post"
            ),
            // Known hook, other width.
            format!("umbra prompt --text x --model {demo} --sae {golden}"),
        ] {
            assert_eq!(code(&words(&line)), FAILED, "{line}");
        }
    }

    #[test]
    fn a_target_of_two_tokens_is_wrong_usage() {
        let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
        let line = format!("umbra attribute --json --text x --model {demo} --target");
        for (target, wanted) in [
            ("logit:  went away", WRONG_USAGE),
            ("loss of it", WRONG_USAGE),
        ] {
            let mut line = words(&line);
            line.push(target.into());
            assert_eq!(code(&line), wanted, "{target}");
        }
    }

    #[test]
    fn a_panic_becomes_one_sentence() {
        let said = guarded(|| panic!("lost the thread")).unwrap_err();
        assert!(
            said.contains("lost the thread") && said.contains("mod.rs"),
            "{said}"
        );
        assert_eq!(guarded(|| 3).unwrap(), 3);
    }
}
