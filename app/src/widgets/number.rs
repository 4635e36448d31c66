//! How numbers are written everywhere: three significant digits, thin-space thousands, a true minus, densities in percent.

use std::time::Duration;

use egui::DragValue;
use umbra_core::models::Form;

/// Narrow no-break space between groups of three digits and before `%`.
const THIN: char = '\u{202F}';

/// Three significant digits; whole numbers from 1000 up; powers of ten below 0.001.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    let digits = match size {
        _ if !value.is_finite() => "–".to_owned(),
        _ if size == 0.0 => "0".to_owned(),
        _ if size < 0.000_999_5 => power_of_ten(size),
        _ if size >= 999.5 => grouped(size.round() as u64),
        _ => plain(size),
    };
    if value < 0.0 && digits != "0" && value.is_finite() {
        format!("−{digits}")
    } else {
        digits
    }
}

/// Formats as [`number`] does, with a plus sign for positive values.
pub(crate) fn signed(value: f64) -> String {
    let digits = number(value);
    if value > 0.0 {
        format!("+{digits}")
    } else {
        digits
    }
}

/// Formats as a further term of a sum: `+ 0.5` or `− 0.5`.
pub(crate) fn term(value: f64) -> String {
    let digits = number(value);
    match digits.strip_prefix('−') {
        Some(digits) => format!("− {digits}"),
        None => format!("+ {digits}"),
    }
}

/// `drag` that takes whole numbers as people write them, `20k` and `1e6` too, and shows them with thousands separators.
pub(crate) fn counting(drag: DragValue<'_>) -> DragValue<'_> {
    let drag = drag.custom_formatter(|value, _| count(value.max(0.0).round() as u64));
    drag.custom_parser(|text| umbra_core::count::read(text).ok().map(|count| count as f64))
}

/// A whole number with thin spaces between thousands.
pub(crate) fn count(value: u64) -> String {
    grouped(value)
}

/// A whole number of things, `1 token` or `2 tokens`; `one` names one of them.
pub(crate) fn counted(value: u64, one: &str) -> String {
    match (value, one.strip_suffix('y')) {
        (1, _) => format!("1 {one}"),
        (_, Some(stem)) => format!("{} {stem}ies", grouped(value)),
        (_, None) => format!("{} {one}s", grouped(value)),
    }
}

/// A share as percent: `0.012 %`.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent.abs() >= 0.000_005 && percent.abs() < 0.000_999_5 {
        return format!("{percent:.5}{THIN}%");
    }
    format!("{}{THIN}%", number(percent))
}

/// A span of time: `45 s`, `3 min 20 s`, `2 h 05 min`.
pub(crate) fn span(seconds: f64) -> String {
    umbra_core::progress::span(seconds)
}

/// Formats progress, speed and remaining time: `1200 / 20 000 rows · 340 rows/s · 55 s left`.
pub(crate) fn standing(
    (done, total): (u64, u64),
    unit: &str,
    per_second: Option<f64>,
    left: Option<Duration>,
) -> String {
    let mut words = format!("{} / {} {unit}", count(done), count(total));
    if let Some(speed) = per_second {
        words = format!("{words} · {} {unit}/s", number(speed));
    }
    if let Some(left) = left {
        words = format!("{words} · {} left", span(left.as_secs_f64()));
    }
    words
}

/// Bytes in the unit that reads best.
pub(crate) fn bytes(size: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut value = size as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{}{THIN}{}", number(value), units[unit])
}

/// Three significant digits of a value in [0.0009995, 999.5), without trailing noise.
fn plain(size: f64) -> String {
    let magnitude = size.log10().floor() as i32;
    let decimals = |magnitude: i32| (2 - magnitude).clamp(0, 6) as usize;
    let text = format!("{size:.0$}", decimals(magnitude));
    let rounded: f64 = text.parse().unwrap_or(size);
    if rounded > 0.0 && rounded.log10().floor() as i32 > magnitude {
        format!("{size:.0$}", decimals(magnitude + 1))
    } else {
        text
    }
}

fn power_of_ten(size: f64) -> String {
    let text = format!("{size:.2e}");
    match text.split_once('e') {
        Some((digits, power)) => format!("{digits}e{}", power.replace('-', "−")),
        None => text,
    }
}

fn grouped(value: u64) -> String {
    let digits = value.to_string();
    if digits.len() <= 4 {
        return digits;
    }
    let mut out = String::with_capacity(digits.len() * 2);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(THIN);
        }
        out.push(digit);
    }
    out
}

/// Returns the type of the weights in memory, in words.
pub(crate) fn held(form: Form) -> &'static str {
    match form {
        Form::F32 => "as f32",
        Form::Stored => "as stored",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: f64, want: &str) {
        assert_eq!(number(value).replace(THIN, " "), want);
    }

    #[test]
    fn numbers_have_three_significant_digits() {
        check(0.0, "0");
        check(1.0, "1.00");
        check(12.345, "12.3");
        check(123.45, "123");
        check(0.012_345, "0.0123");
        check(9.996, "10.0");
        check(0.9996, "1.00");
        check(999.4, "999");
        check(999.6, "1000");
        check(1_234_567.0, "1 234 567");
        check(-2.5, "−2.50");
        check(0.000_012_34, "1.23e−5");
        check(f64::NAN, "–");
    }

    #[test]
    fn one_thing_is_not_several() {
        let said = [0, 1, 2, 12_000].map(|n| counted(n, "labelled feature"));
        let said = said.map(|said| said.replace(THIN, " "));
        assert_eq!(
            said,
            [
                "0 labelled features",
                "1 labelled feature",
                "2 labelled features",
                "12 000 labelled features"
            ]
        );
        assert_eq!(counted(2, "dictionary"), "2 dictionaries");
        assert_eq!(counted(1, "dictionary"), "1 dictionary");
    }

    #[test]
    fn work_says_how_far_how_fast_how_long() {
        assert_eq!(
            [span(5.4), span(200.2), span(7_500.0)],
            ["5 s", "3 min 20 s", "2 h 05 min"]
        );
        let left = Some(Duration::from_mins(1));
        let words = standing((400_000, 1_000_000), "rows", Some(10_000.0), left);
        assert_eq!(
            words.replace(THIN, " "),
            "400 000 / 1 000 000 rows · 10 000 rows/s · 1 min 00 s left"
        );
        assert_eq!(standing((3, 9), "rows", None, None), "3 / 9 rows");
    }

    #[test]
    fn shares_are_percent_and_signs_are_said() {
        assert_eq!(percent(0.000_123).replace(THIN, " "), "0.0123 %");
        assert_eq!(percent(0.5).replace(THIN, " "), "50.0 %");
        assert_eq!(percent(0.0).replace(THIN, " "), "0 %");
        assert_eq!(percent(1e-7).replace(THIN, " "), "0.00001 %");
        assert_eq!(percent(2e-9).replace(THIN, " "), "2.00e−7 %");
        assert_eq!(signed(0.5), "+0.500");
        assert_eq!(signed(-0.5), "−0.500");
        assert_eq!([term(0.5), term(-0.5)], ["+ 0.500", "− 0.500"]);
        assert_eq!(bytes(45_300_000).replace(THIN, " "), "45.3 MB");
        assert_eq!(count(100_000).replace(THIN, " "), "100 000");
    }
}
