//! Flags of `umbra train`, one per setting of a run, built from the table of settings.

use crate::ids::HookPoint;
use crate::train::{Range, SETTINGS, Setting, Spec};

/// Flags of all settings of a run, built from their table.
#[derive(Debug, Clone, Default)]
pub(super) struct SettingArgs(pub(super) Vec<(&'static str, String)>);

impl SettingArgs {
    fn flag(setting: &'static Setting) -> clap::Arg {
        // Some defaults depend on the hook, which is not known here.
        let given = Spec::default_for(HookPoint::Embed)
            .get(setting.key)
            .unwrap_or_default();
        let default = match (setting.auto, setting.key) {
            (Some(auto), "resample_every") => format!("{given}; auto: {auto}"),
            (Some(auto), _) => auto.to_owned(),
            (None, "features") => "1024 for hook_z, else 2048".to_owned(),
            (None, "k") => "24 for hook_z, else 32".to_owned(),
            (None, _) => given,
        };
        let unit = if setting.unit.is_empty() {
            String::new()
        } else {
            format!(" ({})", setting.unit)
        };
        let mut told = setting.help.to_owned();
        if let Range::Choice(words) = setting.range {
            told = format!("{told}: {}", words.join(", "));
        }
        let names = setting.only();
        if !names.is_empty() {
            told = format!("{told}; for {}", names.join(", "));
        }
        let value = match setting.range {
            Range::Whole { .. } => "N",
            Range::Real { .. } => "X",
            Range::Switch => "true|false",
            Range::Choice(_) | Range::Hook => "NAME",
        };
        let flag = clap::Arg::new(setting.key)
            .long(setting.flag)
            .value_name(value)
            .help(format!("{told}{unit} [default: {default}]"));
        if matches!(setting.range, Range::Switch) {
            flag.num_args(0..=1).default_missing_value("true")
        } else {
            flag
        }
    }
}

impl clap::Args for SettingArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        SETTINGS
            .iter()
            .fold(command, |command, setting| command.arg(Self::flag(setting)))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for SettingArgs {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        let given = |setting: &'static Setting| {
            let text = matches.get_one::<String>(setting.key)?;
            Some((setting.key, text.clone()))
        };
        Ok(Self(SETTINGS.iter().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
