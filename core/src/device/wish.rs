//! The setting `device`: what a person asks for.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Key};

/// Device asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceWish {
    /// The faster one, by measurement.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// The GPU of this number, or the best one.
    Gpu(Option<usize>),
}

impl fmt::Display for DeviceWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu(None) => f.write_str("wgpu"),
            Self::Gpu(Some(number)) => write!(f, "wgpu:{number}"),
        }
    }
}

impl FromStr for DeviceWish {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let plain = text.trim().to_lowercase();
        match plain.as_str() {
            "auto" => return Ok(Self::Auto),
            "cpu" => return Ok(Self::Cpu),
            "wgpu" => return Ok(Self::Gpu(None)),
            _ => {}
        }
        let number = (plain.strip_prefix("wgpu:")).and_then(|number| number.parse().ok());
        number.map(|number| Self::Gpu(Some(number))).ok_or_else(|| {
            let what = format!(
                "`{text}` is no device, give auto, cpu, wgpu or an id of the list of devices such as wgpu:0"
            );
            Error::setting(Key::Device, what)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_read_as_it_is_written() {
        #[track_caller]
        fn check(text: &str, want: DeviceWish) {
            let read: DeviceWish = text.parse().unwrap();
            assert_eq!(read, want);
            assert_eq!(read.to_string().parse::<DeviceWish>().unwrap(), want);
        }
        check("auto", DeviceWish::Auto);
        check("CPU", DeviceWish::Cpu);
        check("wgpu", DeviceWish::Gpu(None));
        check("wgpu:12", DeviceWish::Gpu(Some(12)));
        for strange in ["", "gpu", "cuda", "wgpu:", "wgpu:-1", "wgpu:x", "wgpu 1"] {
            let said = strange.parse::<DeviceWish>().unwrap_err().to_string();
            assert!(said.starts_with(&format!("device: `{strange}` is no device, give auto")));
        }
    }
}
