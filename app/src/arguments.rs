//! `umbra [PROJECT] [--renderer wgpu|glow] [--theme dark|light] [--size WIDTHxHEIGHT]`: what the window is opened with. Subcommands are the core's.

use std::ffi::OsString;
use std::path::PathBuf;

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
    /// The renderer; none tries wgpu, then glow.
    pub(crate) renderer: Option<Renderer>,
    /// The theme; none is that of last time.
    pub(crate) theme: Option<ThemeChoice>,
    /// The window's size; none is that of last time.
    pub(crate) size: Option<[f32; 2]>,
}

/// Usage line, shown after an error.
const USAGE: &str = "umbra [PROJECT] [--renderer wgpu|glow] [--theme dark|light] [--size WIDTHxHEIGHT], or umbra --help for the command line";

impl Arguments {
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
        };
        assert_eq!(parsed, want);
        assert_eq!(parse("").unwrap(), Arguments::default());
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
