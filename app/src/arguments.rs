//! `umbra [PROJECT]` or `umbra open LINK`, with `[--renderer wgpu|glow] [--theme dark|light] [--size WIDTHxHEIGHT]`: what the window is opened with. Subcommands are the core's.

use std::ffi::OsString;
use std::path::PathBuf;

use umbra_core::workbench::link::Link;

use crate::state::settings::ThemeChoice;

/// Renderer to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renderer {
    /// Vulkan, Metal or DirectX, on a graphics processor.
    Wgpu,
    /// OpenGL.
    Glow,
}

/// Parsed command-line arguments of the window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Arguments {
    /// The project's folder; none opens the demo.
    pub(crate) project: Option<PathBuf>,
    /// The feature to show, with its project.
    pub(crate) link: Option<Link>,
    /// The renderer; none tries wgpu, then glow.
    pub(crate) renderer: Option<Renderer>,
    /// The theme; none is that of last time.
    pub(crate) theme: Option<ThemeChoice>,
    /// The window's size; none is that of last time.
    pub(crate) size: Option<[f32; 2]>,
}

/// The word before a link.
const OPEN: &str = "open";

/// Usage line, shown after an error.
const USAGE: &str = "umbra [PROJECT] [--renderer wgpu|glow] [--theme dark|light] [--size WIDTHxHEIGHT], or umbra --help for the command line";

impl Arguments {
    /// Whether `args` (program name first) ask for the window on the feature of a link, and not for the help of that command.
    pub fn open_link(args: &[OsString]) -> bool {
        let asks = |arg: &OsString| ["-h", "--help", "--json"].iter().any(|flag| arg == flag);
        args.get(1).is_some_and(|first| first == OPEN) && args.len() > 2 && !args.iter().any(asks)
    }

    /// Parses the command line of a window on the feature of a link (program name first). The link is read but not checked: see [`Arguments::check`].
    pub fn parse_link(args: &[OsString]) -> Result<Self, String> {
        let mut parsed = Self::parse(args.iter().skip(2).cloned())?;
        let link = parsed.project.take().unwrap_or_default();
        let link = link.to_string_lossy().parse::<Link>();
        parsed.link = Some(link.map_err(|error| error.to_string())?);
        Ok(parsed)
    }

    /// Checks that the link, if there is one, fits its project and dictionary; an error is one sentence.
    pub fn check(&self) -> Result<(), String> {
        let link = self.link.as_ref();
        link.map_or(Ok(()), Link::check)
            .map_err(|error| error.to_string())
    }

    /// Parses the command line without the program's name; an error is one sentence.
    pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut parsed = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let Some(flag) = arg.to_str().filter(|arg| arg.starts_with("--")) else {
                if parsed.project.replace(arg.into()).is_some() {
                    return Err(format!("only one project can be opened at a time: {USAGE}"));
                }
                continue;
            };
            let (flag, value) = match flag.split_once('=') {
                Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
                None => (flag.to_owned(), None),
            };
            let value = value.or_else(|| args.next()?.into_string().ok());
            let value = value.unwrap_or_default();
            let wrong = || format!("{flag} does not accept `{value}`: {USAGE}");
            match flag.as_str() {
                "--renderer" => parsed.renderer = Some(renderer(&value).ok_or_else(wrong)?),
                "--theme" => parsed.theme = Some(theme(&value).ok_or_else(wrong)?),
                "--size" => parsed.size = Some(size(&value).ok_or_else(wrong)?),
                _ => return Err(format!("the window has no flag {flag}: {USAGE}")),
            }
        }
        Ok(parsed)
    }
}

fn renderer(value: &str) -> Option<Renderer> {
    match value {
        "wgpu" => Some(Renderer::Wgpu),
        "glow" => Some(Renderer::Glow),
        _ => None,
    }
}

fn theme(value: &str) -> Option<ThemeChoice> {
    match value {
        "dark" => Some(ThemeChoice::Dark),
        "light" => Some(ThemeChoice::Light),
        _ => None,
    }
}

fn size(value: &str) -> Option<[f32; 2]> {
    let (width, height) = value.split_once('x')?;
    let (width, height): (u16, u16) = (width.parse().ok()?, height.parse().ok()?);
    Some([f32::from(width), f32::from(height)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn flags_and_project_are_read_in_any_order() {
        let parsed = parse("--renderer glow here --theme=light --size 1440x900").unwrap();
        let want = Arguments {
            project: Some("here".into()),
            renderer: Some(Renderer::Glow),
            theme: Some(ThemeChoice::Light),
            size: Some([1440.0, 900.0]),
            link: None,
        };
        assert_eq!(parsed, want);
        assert_eq!(parse("").unwrap(), Arguments::default());
    }

    #[test]
    fn a_link_is_opened_by_its_own_word_and_help_is_not_a_link() {
        let words =
            |line: &str| -> Vec<OsString> { line.split_whitespace().map(OsString::from).collect() };
        let print = "a".repeat(64);
        let link = format!("umbra://feature?project=/p&dictionary=d&fingerprint={print}&feature=3");
        let line = words(&format!("umbra open --theme light {link}"));
        assert!(Arguments::open_link(&line));
        let parsed = Arguments::parse_link(&line).unwrap();
        let want = Arguments {
            link: Some(link.parse().unwrap()),
            theme: Some(ThemeChoice::Light),
            ..Arguments::default()
        };
        assert_eq!(parsed, want);
        assert!(parsed.check().unwrap_err().contains("/p"));
        let error = Arguments::parse_link(&words("umbra open http://x")).unwrap_err();
        assert!(error.contains("http://x"), "{error}");
        for line in [
            "umbra",
            "umbra open",
            "umbra open --help",
            "umbra openings x",
        ] {
            assert!(!Arguments::open_link(&words(line)), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_one_sentence() {
        for (line, named) in [
            ("--renderer cairo", "cairo"),
            ("--size big", "big"),
            ("--theme", "--theme"),
            ("--fast", "--fast"),
            ("one two", "only one project"),
        ] {
            let sentence = parse(line).unwrap_err();
            assert!(sentence.contains(named), "{sentence}");
            assert!(!sentence.contains('\n'));
        }
    }
}
