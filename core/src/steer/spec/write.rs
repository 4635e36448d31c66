//! Writes edits in the form that is read.

use std::fmt;

use super::{Attend, EditSpec, ErrorName, Vector, What};
use crate::ids::Head;
use crate::steer::LatentChange;

/// Writes the form that is read.
impl fmt::Display for EditSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Add(vector, by) => write!(f, "add {vector} strength={by}")?,
            What::Replace(vector, by) => write!(f, "replace {vector} strength={by}")?,
            What::Scale(by) => write!(f, "scale by={by}")?,
            What::Zero => f.write_str("zero")?,
            What::Mean(None) => f.write_str("mean")?,
            What::Mean(Some(vector)) => write!(f, "mean {vector}")?,
            What::ProjectOut(vector) => write!(f, "project-out {vector}")?,
            What::Orthogonal(vector, by) => write!(f, "orthogonal {vector} by={by}")?,
            What::Clamp(vector, least, most) => {
                write!(f, "clamp {vector}")?;
                if *least > f32::NEG_INFINITY {
                    write!(f, " least={least}")?;
                }
                if *most < f32::INFINITY {
                    write!(f, " most={most}")?;
                }
            }
            What::Latents(changes, error) => latents(f, changes, *error)?,
            What::PatchText(text) => write!(f, "patch from={}", quoted(text))?,
            What::PatchFile(path, key) => {
                let path = path.display().to_string();
                write!(f, "patch file={} key={}", quoted(&path), quoted(key))?;
            }
            What::Attend(attend) => {
                let name = Attend::ALL.iter().find(|(other, _)| other == attend);
                write!(f, "attend to={}", name.map_or("", |(_, name)| name))?;
            }
        }
        let list = |numbers: Vec<String>| numbers.join(",");
        if let Some(sae) = &self.sae {
            write!(f, " sae={}", quoted(sae))?;
        }
        if let Some(hook) = &self.hook {
            write!(f, " hook={hook}")?;
        }
        if let Some(heads) = &self.heads {
            write!(
                f,
                " heads={}",
                list(heads.iter().map(Head::to_string).collect())
            )?;
        }
        if let Some(positions) = &self.positions {
            let text = positions.to_string();
            let is_plain = !text.contains(|c: char| c.is_whitespace() || "\"'\\".contains(c));
            if is_plain {
                write!(f, " positions={text}")?;
            } else {
                write!(f, " positions={}", quoted(&text))?;
            }
        }
        if let Some(rows) = &self.rows {
            write!(
                f,
                " rows={}",
                list(rows.iter().map(usize::to_string).collect())
            )?;
        }
        Ok(())
    }
}

/// Writes changes as one: all of one kind and by one number.
fn latents(f: &mut fmt::Formatter<'_>, changes: &[LatentChange], error: ErrorName) -> fmt::Result {
    let Some(first) = changes.first() else {
        return write!(f, "splice part={}", error.names().1);
    };
    let (action, number) = match first {
        LatentChange::Set(..) => ("set-feature", "value"),
        LatentChange::Add(..) => ("add-feature", "value"),
        LatentChange::Scale(..) => ("scale-feature", "by"),
    };
    let features: Vec<_> = changes.iter().map(|c| c.parts().0.to_string()).collect();
    let (features, x) = (features.join(","), first.parts().1);
    write!(f, "{action} feature={features} {number}={x}")?;
    if error == ErrorName::Kept {
        return Ok(());
    }
    write!(f, " error={}", error.names().0)
}

impl fmt::Display for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Feature(feature) => write!(f, "feature={feature}"),
            Self::File { path, key } => {
                let path = path.display().to_string();
                write!(f, "file={} key={}", quoted(&path), quoted(key))
            }
        }
    }
}

/// Quotes `text` for a shell where needed.
fn quoted(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| text.replace('\0', ""), std::borrow::Cow::into_owned)
}
