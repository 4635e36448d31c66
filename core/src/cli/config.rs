//! `umbra train --config FILE`: reads flags from a TOML file. Each key is the name of a flag, so that no setting is described twice; flags on the command line win.

use std::ffi::OsString;
use std::path::Path;

use clap::{ArgAction, Command};
use toml::Value;

use crate::error::{Error, Result};

/// Flag that names the file.
const FLAG: &str = "--config";
/// Largest size of the file, in bytes.
const LONGEST: u64 = 1 << 20;

/// Appends the flags of the file that `--config` names to `args` (program name first), except those that `args` already has.
pub(super) fn expanded(mut args: Vec<OsString>, line: &Command) -> Result<Vec<OsString>> {
    let noun = args.iter().skip(1).find(|arg| *arg != "--json");
    let noun = noun.and_then(|noun| line.find_subcommand(noun));
    // A verb that takes settings, as of `umbra ladder train`.
    let verb = args.iter().skip(1).filter(|arg| *arg != "--json").nth(1);
    let verb = noun
        .zip(verb)
        .and_then(|(noun, verb)| noun.find_subcommand(verb));
    let noun = verb.or(noun);
    let takes = |noun: &&Command| noun.get_arguments().any(|arg| arg.get_id() == "config");
    let (Some(noun), Some(path)) = (noun.filter(takes), named(&args)) else {
        return Ok(args);
    };
    let path = Path::new(&path);
    let length = std::fs::metadata(path)
        .map_err(|e| Error::io("cannot open the settings", path, e))?
        .len();
    if length > LONGEST {
        let what = format!("is {length} bytes long, too long for a file of settings");
        return Err(Error::input(what, path));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|e| Error::io("cannot read the settings", path, e))?;
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| {
        let what = e
            .to_string()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        Error::input(format!("is not TOML ({what})"), path)
    })?;
    for (key, value) in &table {
        let flag = key.replace('_', "-");
        let known = noun
            .get_arguments()
            .find(|arg| arg.get_long() == Some(&flag) && arg.get_id() != "config");
        let Some(known) = known else {
            let what = format!(
                "has the key `{key}`, umbra {} has no flag --{flag}",
                noun.get_name()
            );
            return Err(Error::input(what, path));
        };
        if given(&args, &flag) {
            continue;
        }
        let takes = Takes::new(known.get_action());
        let words = words(value, takes).ok_or_else(|| {
            let what = format!("`{key}` cannot be {value}, give {}", takes.wanted());
            Error::input(what, path)
        })?;
        if takes != Takes::Nothing {
            // Written as one word, because a value may begin with a dash.
            args.extend(words.iter().map(|word| format!("--{flag}={word}").into()));
        } else if words == ["true"] {
            args.push(format!("--{flag}").into());
        }
    }
    Ok(args)
}

/// Returns the file that `--config` names, the last one if it is repeated.
fn named(args: &[OsString]) -> Option<OsString> {
    let place = args.iter().rposition(|arg| starts(arg, FLAG))?;
    let text = args[place].to_string_lossy();
    match text.split_once('=') {
        Some((_, path)) => Some(path.into()),
        None => args.get(place + 1).cloned(),
    }
}

/// Whether the command line has `--flag` or `--flag=…`.
fn given(args: &[OsString], flag: &str) -> bool {
    let flag = format!("--{flag}");
    args.iter().any(|arg| starts(arg, &flag))
}

fn starts(arg: &OsString, flag: &str) -> bool {
    let text = arg.to_string_lossy();
    text.strip_prefix(flag)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}

/// Values that a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    One,
    Several,
}

impl Takes {
    fn new(action: &ArgAction) -> Self {
        match action {
            ArgAction::Append => Self::Several,
            action if action.takes_values() => Self::One,
            _ => Self::Nothing,
        }
    }

    /// Returns words for a sentence.
    const fn wanted(self) -> &'static str {
        match self {
            Self::Nothing => "true or false",
            Self::One => "a text, a number, true or false",
            Self::Several => "a text or a list of texts",
        }
    }
}

/// Writes a value as words of a flag; none if such a flag cannot take it.
fn words(value: &Value, takes: Takes) -> Option<Vec<String>> {
    let word = match value {
        Value::Boolean(truth) => truth.to_string(),
        _ if takes == Takes::Nothing => return None,
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Array(values) if takes == Takes::Several => {
            let each = values.iter().map(|value| words(value, Takes::One));
            return Some(each.collect::<Option<Vec<_>>>()?.concat());
        }
        _ => return None,
    };
    Some(vec![word])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Command {
        let flag = |name: &'static str| clap::Arg::new(name).long(name);
        let switch = |name| flag(name).action(ArgAction::SetTrue);
        let train = Command::new("train")
            .args([
                flag("config"),
                flag("k"),
                flag("learning-rate"),
                flag("out"),
            ])
            .arg(flag("corpus").num_args(1..).action(ArgAction::Append))
            .args([switch("unwrap"), switch("no-split")]);
        Command::new("umbra")
            .subcommand(train)
            .subcommand(Command::new("eval"))
    }

    fn run(toml: &str, args: &str) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.toml");
        std::fs::write(&path, toml).unwrap();
        let args = args.replace("FILE", path.to_str().unwrap());
        let words = args.split(' ').map(OsString::from).collect();
        let words = expanded(words, &line()).map_err(|e| e.to_string())?;
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        Ok(words.join(" ").replace(path.to_str().unwrap(), "FILE"))
    }

    #[test]
    fn keys_become_flags_and_flags_win() {
        let toml = "k = 8\nlearning_rate = 0.001\ncorpus = ['a', 'b c']\nunwrap = true\nno_split = false\nout = '-x'";
        let got = run(toml, "umbra --json train --config FILE").unwrap();
        assert_eq!(
            got,
            "umbra --json train --config FILE --corpus=a --corpus=b c --k=8 --learning-rate=0.001 --out=-x --unwrap"
        );
        let got = run(
            toml,
            "umbra train --config=FILE --k 9 --corpus=z --learning-rate 1",
        )
        .unwrap();
        assert_eq!(
            got,
            "umbra train --config=FILE --k 9 --corpus=z --learning-rate 1 --out=-x --unwrap"
        );
        assert_eq!(
            run("k = 8", "umbra train --k 3").unwrap(),
            "umbra train --k 3"
        );
        assert_eq!(
            run("k = 8", "umbra eval --config FILE").unwrap(),
            "umbra eval --config FILE"
        );
    }

    #[test]
    fn what_is_no_setting_is_named() {
        #[track_caller]
        fn check(toml: &str, words: &[&str]) {
            let said = run(toml, "umbra train --config FILE").unwrap_err();
            assert_eq!(said.lines().count(), 1, "{said}");
            for word in words {
                assert!(said.contains(word), "{said}");
            }
        }
        check("sparsity = 3", &["`sparsity`", "--sparsity", "run.toml"]);
        check("config = 'b.toml'", &["`config`"]);
        check("unwrap = 'yes'", &["`unwrap`", "true or false"]);
        check("k = [1, 2]", &["`k`", "[1, 2]"]);
        check("[train]\nk = 3", &["`train`"]);
        check("k = ", &["not TOML", "run.toml"]);
    }
}
