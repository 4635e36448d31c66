//! Rules of the whole command line: common behaviour of flags, detection of lines meant for it, and messages on wrong usage.

use std::any::TypeId;
use std::ffi::OsString;
use std::num::NonZeroU64;
use std::path::Path;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

use crate::count;

/// Gives all flags of `command` their common behaviour: whole numbers may be written as `20k` or `1_000`, and the last value of a repeated flag counts. Flags that
/// take lists collect their values.
pub(super) fn alike(command: Command) -> Command {
    counting(command).args_override_self(true)
}

fn counting(command: Command) -> Command {
    command.mut_args(counted).mut_subcommands(counting)
}

/// Makes an argument that is a whole number use [`count`]; leaves others unchanged.
fn counted(arg: Arg) -> Arg {
    let kind = arg.get_value_parser().type_id();
    if kind == TypeId::of::<u64>() {
        arg.value_parser(number::<u64>)
    } else if kind == TypeId::of::<usize>() {
        arg.value_parser(number::<usize>)
    } else if kind == TypeId::of::<u32>() {
        arg.value_parser(number::<u32>)
    } else if kind == TypeId::of::<NonZeroU64>() {
        arg.value_parser(positive)
    } else {
        arg
    }
}

fn number<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    count::read_as(text).map_err(|why| format!("{why}, {}", count::HOW))
}

fn positive(text: &str) -> Result<NonZeroU64, String> {
    NonZeroU64::new(number(text)?).ok_or_else(|| "0 is too little, give 1 or more".to_owned())
}

/// Whether `args` ask for one JSON object on standard output.
pub(super) fn wants_json(args: &[OsString]) -> bool {
    let flags = args.iter().skip(1).take_while(|arg| *arg != "--");
    flags.into_iter().any(|arg| arg == "--json")
}

/// Whether `args` (program name first) are for `command`: they name a command or nearly one, ask for help, or for JSON, which the window never prints.
pub(super) fn is_for(command: &Command, args: &[OsString]) -> bool {
    if wants_json(args) {
        return true;
    }
    let Some(first) = args.get(1).and_then(|first| first.to_str()) else {
        return false;
    };
    matches!(first, "help" | "-h" | "--help" | "-V" | "--version")
        || command
            .get_subcommands()
            .any(|noun| noun.get_name() == first)
        || (is_mere_word(first) && !nearest(command, first).is_empty())
}

/// Whether a line that cannot open the window was meant for `command`: a word that is not a folder comes first, or a command name later.
pub(super) fn is_meant_for(command: &Command, args: &[OsString]) -> bool {
    let mut words = args.iter().skip(1).filter_map(|arg| arg.to_str());
    let noun = |word: &str| {
        command
            .get_subcommands()
            .any(|noun| noun.get_name() == word)
    };
    words.next().is_some_and(is_mere_word) || words.any(noun)
}

/// Whether `word` is neither a flag, nor a path, nor an existing file or folder.
fn is_mere_word(word: &str) -> bool {
    !word.starts_with('-') && !word.contains(['/', '\\']) && !Path::new(word).exists()
}

/// Returns the commands most similar to `word`, as clap finds them.
fn nearest(command: &Command, word: &str) -> Vec<String> {
    let tried = command.clone().try_get_matches_from(["umbra", word]);
    let suggested = tried.err().map(|usage| {
        let suggested = usage.get(ContextKind::SuggestedSubcommand);
        match suggested {
            Some(ContextValue::Strings(names)) => names.clone(),
            Some(ContextValue::String(name)) => vec![name.clone()],
            _ => Vec::new(),
        }
    });
    suggested.unwrap_or_default()
}

/// Adds the names of all commands to `usage` where an unknown command is similar to none of them; `args` give the place.
pub(super) fn explained(
    mut usage: clap::Error,
    command: &Command,
    args: &[OsString],
) -> clap::Error {
    let near = usage.get(ContextKind::SuggestedSubcommand).is_some();
    let asked = match usage.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(name)) => name.clone(),
        _ => return usage,
    };
    if usage.kind() != ErrorKind::InvalidSubcommand || near {
        return usage;
    }
    let words = args.iter().skip(1).filter_map(|arg| arg.to_str());
    let place = words
        .take_while(|word| *word != asked)
        .filter(|word| *word != "help")
        .fold(command, |place, word| {
            place.find_subcommand(word).unwrap_or(place)
        });
    let names: Vec<_> = place.get_subcommands().map(Command::get_name).collect();
    let tip = StyledStr::from(format!("the commands are {}", names.join(", ")));
    usage.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    usage
}

/// Returns the problem with a line, in one line.
pub(super) fn sentence(usage: &clap::Error) -> String {
    if usage.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "the command is missing, --help lists what there is".to_owned();
    }
    let text = usage.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let end = ["\n\nUsage:", "\n\nFor more information"]
        .iter()
        .filter_map(|end| text.find(end))
        .min();
    let text = &text[..end.unwrap_or(text.len())];
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::super::command;
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    /// The values of `flag` as the command line reads them from `line`.
    fn read(line: &str, flag: &str) -> Vec<String> {
        let matches = command().try_get_matches_from(words(line)).unwrap();
        let mut matches = &matches;
        while let Some((_, inner)) = matches.subcommand() {
            matches = inner;
        }
        let raw = matches.get_raw(flag).into_iter().flatten();
        raw.map(|value| value.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn the_last_of_two_values_counts_and_lists_gather() {
        let eval = "umbra eval --model a --sae s --corpus c";
        let twice =
            format!("{eval} --model b --context 8 --context=16 --no-bos --no-bos --corpus d e");
        assert_eq!(read(&twice, "model"), ["b"]);
        assert_eq!(read(&twice, "context"), ["16"]);
        assert_eq!(read(&twice, "corpus"), ["c", "d", "e"]);
        let steer = "umbra steer --model m --prompt t --edit x --edit y --sae a --sae b";
        assert_eq!(read(steer, "edit"), ["x", "y"]);
        assert_eq!(read(steer, "sae"), ["a", "b"]);
        let train =
            "umbra train --store s --out o --out p --also x --also y --k 3 --k 4 --hook a --hook b";
        assert_eq!(read(train, "also"), ["x", "y"]);
        assert_eq!(read(train, "out"), ["p"]);
        assert_eq!(read(train, "k"), ["4"]);
        assert_eq!(read(train, "hook"), ["b"]);
        let capture = "umbra capture --model m --corpus c --out o --hook a b --hook c";
        assert_eq!(read(capture, "hook"), ["a", "b", "c"]);
    }

    /// Whether `arg` takes whole numbers; fails the test where it takes them as nobody writes them.
    fn takes_counts(path: &str, arg: &Arg) -> bool {
        let kind = arg.get_value_parser().type_id();
        let small = [TypeId::of::<u8>(), TypeId::of::<u16>(), TypeId::of::<i32>()];
        assert!(small.iter().all(|one| kind != *one), "{path}: {arg}");
        [
            TypeId::of::<u64>(),
            TypeId::of::<usize>(),
            TypeId::of::<u32>(),
            TypeId::of::<NonZeroU64>(),
        ]
        .iter()
        .any(|one| kind == *one)
    }

    /// Fails the test unless every whole number of `command` is read as people write them; counts those.
    fn check_counts(command: &Command, path: &str) -> usize {
        let mut seen = 0;
        for arg in command
            .get_arguments()
            .filter(|arg| takes_counts(path, arg))
        {
            seen += 1;
            let value = |text: &str| {
                let alone = Arg::new("n").long("n");
                let alone = alone.value_parser(arg.get_value_parser().clone());
                let alone = Command::new("x").arg(alone);
                let read = alone.try_get_matches_from(["x", &format!("--n={text}")]);
                read.map(drop).map_err(|usage| sentence(&usage))
            };
            for text in ["1e3", "2_048", "20k", "1.5k"] {
                assert_eq!(value(text), Ok(()), "{path}: {arg}");
            }
            for text in ["1.5", "1e-1", "many", "-1"] {
                let said = value(text).unwrap_err();
                assert!(said.contains(&format!("`{text}`")), "{path}: {arg}: {said}");
            }
        }
        let inner = command.get_subcommands();
        seen + inner
            .map(|inner| check_counts(inner, inner.get_name()))
            .sum::<usize>()
    }

    #[test]
    fn every_whole_number_is_read_as_people_write_it() {
        let seen = check_counts(&command(), "umbra");
        assert!(seen > 30, "{seen}");
        let eval = "umbra eval --model a --sae s --corpus c --tokens 1e6";
        let matches = command().try_get_matches_from(words(eval)).unwrap();
        let (_, matches) = matches.subcommand().unwrap();
        assert_eq!(matches.get_one::<u64>("tokens"), Some(&1_000_000));
        let zero = "umbra train --store s --out o --checkpoint-every 0";
        let usage = command().try_get_matches_from(words(zero)).unwrap_err();
        assert!(sentence(&usage).contains("0 is too little"), "{usage}");
    }

    #[test]
    fn a_noun_that_is_none_is_named_with_the_nearest() {
        let said = |line: &str| {
            let mut command = command();
            let usage = command.try_get_matches_from_mut(words(line)).unwrap_err();
            sentence(&explained(usage, &command, &words(line)))
        };
        let near = said("umbra evl --model m");
        assert!(near.contains("'evl'") && near.contains("'eval'"), "{near}");
        let far = said("umbra zzzz --model m");
        assert!(
            far.contains("'zzzz'") && far.contains("train, ladder, baseline, bench, devices, runs"),
            "{far}"
        );
        let verb = said("umbra sae verfy");
        assert!(
            verb.contains("'verfy'") && verb.contains("'verify'"),
            "{verb}"
        );
        let far = said("umbra --json sae zzzz");
        assert!(far.contains("verify") && !far.contains("train"), "{far}");
        let far = said("umbra help zzzz");
        assert!(
            far.contains("train, ladder, baseline, bench, devices, runs"),
            "{far}"
        );
        assert_eq!(near.lines().count(), 1);
    }
}
