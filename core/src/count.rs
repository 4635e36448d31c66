//! Parses whole numbers as people write them: `2048`, `2_048`, `20k`, `1.5M`, `1e6`. One parser for flags, settings files and fields of the window.
//!
//! `k` is a thousand, `M` a million, `G` and `B` a billion, in either case; none is a power of two. Digits may be grouped by `_`, or by the thin spaces that
//! Umbra prints. The result must be whole: `1.5k` is 1,500, `1.5` is an error.

/// Ways to write a number, for sentences.
pub const HOW: &str = "write one as 2048, 2_048, 20k, 1.5M or 1e6";

/// Thousands separators that Umbra prints: a thin space, and its non-breaking form.
const THIN: [char; 2] = ['\u{2009}', '\u{202f}'];

/// Parses `text` exactly; an error is one phrase that names the text.
pub fn read(text: &str) -> Result<u64, String> {
    let text = text.trim();
    if text.starts_with('-') {
        return Err(format!("`{text}` is negative"));
    }
    let (digits, places) = parts(text).ok_or_else(|| format!("`{text}` is not a whole number"))?;
    scaled(&digits, places).map_err(|why| match why {
        Misfit::Fraction => format!("`{text}` is not a whole number"),
        Misfit::TooLarge => format!("`{text}` is more than {}", u64::MAX),
    })
}

/// Parses `text` as another type of whole number.
pub fn read_as<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let number = read(text)?;
    T::try_from(number).map_err(|_beyond| format!("`{}` is too large here", text.trim()))
}

/// Reason why shifted digits are not a whole number in range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Misfit {
    Fraction,
    TooLarge,
}

/// Returns all digits of `text` in a row, and the power of ten that scales them; none if it is not a number.
fn parts(text: &str) -> Option<(String, i64)> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text
        .find(|at: char| at.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (plain(whole)?, plain(fraction)?),
        None => (plain(number)?, String::new()),
    };
    let behind = match suffix {
        "" => 0,
        "k" | "K" => 3,
        "m" | "M" => 6,
        "g" | "G" | "b" | "B" => 9,
        _ => exponent(suffix)?,
    };
    let places = behind - i64::try_from(fraction.len()).ok()?;
    Some((whole + &fraction, places))
}

/// Returns `digits` without separators; none if it holds anything else, or a separator that separates nothing.
fn plain(digits: &str) -> Option<String> {
    let parts: Vec<&str> = digits.split(|at| at == '_' || THIN.contains(&at)).collect();
    let whole = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.iter().all(whole).then(|| parts.concat())
}

/// Parses an exponent: `e6`, `E+6`, `e-1`.
fn exponent(suffix: &str) -> Option<i64> {
    let power = suffix.strip_prefix(['e', 'E'])?;
    let digits = power.strip_prefix(['+', '-']).unwrap_or(power);
    let size: i64 = plain(digits)?.parse().ok()?;
    Some(if power.starts_with('-') { -size } else { size })
}

/// Returns `digits` · 10^`places`.
fn scaled(digits: &str, places: i64) -> Result<u64, Misfit> {
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Ok(0);
    }
    let kept = digits.trim_end_matches('0');
    let places = places.saturating_add((digits.len() - kept.len()) as i64);
    let places = u32::try_from(places).map_err(|_beyond| {
        if places < 0 {
            Misfit::Fraction
        } else {
            Misfit::TooLarge
        }
    })?;
    let number: Option<u64> = kept.parse().ok();
    let scaled = 10_u64
        .checked_pow(places)
        .and_then(|scale| number?.checked_mul(scale));
    scaled.ok_or(Misfit::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_read_as_it_is_written() {
        #[track_caller]
        fn check(text: &str, want: u64) {
            assert_eq!(read(text), Ok(want), "{text}");
        }
        check("0", 0);
        check("2048", 2_048);
        check(" +7 ", 7);
        check("2_048", 2_048);
        check("2\u{2009}048", 2_048);
        check("20k", 20_000);
        check("20K", 20_000);
        check("1.5k", 1_500);
        check("0.5M", 500_000);
        check("2m", 2_000_000);
        check("1B", 1_000_000_000);
        check("1.25g", 1_250_000_000);
        check("1e6", 1_000_000);
        check("1E+6", 1_000_000);
        check("2.5e3", 2_500);
        check("1000e-1", 100);
        check("4.0", 4);
        check("0e99999999", 0);
        check("18446744073709551615", u64::MAX);
        check("18446744073709551.615k", u64::MAX);
    }

    #[test]
    fn what_is_no_count_is_named() {
        #[track_caller]
        fn check(text: &str, want: &str) {
            let said = read(text).unwrap_err();
            assert!(
                said.contains(&format!("`{text}`")) && said.contains(want),
                "{said}"
            );
        }
        for text in [
            "1.5", "1e-1", "1.2345k", "1.", ".5k", "", "k", "e6", "many", "1e", "1e1.5", "2,048",
            "_2", "2_", "2__0", "20kk", "20k3", "1e3k", "20 k", "0x10", "inf", "NaN", "٣",
        ] {
            check(text, "is not a whole number");
        }
        check("-1", "is negative");
        check("-1e3", "is negative");
        check("18446744073709551616", "is more than 18446744073709551615");
        check("1e20", "is more than");
        check("1e99999999999", "is more than");
        check("99999999999G", "is more than");
    }

    #[test]
    fn a_smaller_type_keeps_its_bound() {
        assert_eq!(read_as::<u32>("4k"), Ok(4_000));
        assert!(read_as::<u32>("5G").unwrap_err().contains("too large"));
    }
}
