//! Finds planted break points, and refuses rules that mean nothing.

use super::search::{Found, search};
use super::*;

/// Searches for the planted place `at`; returns what was found and how many numbers were tried.
fn planted(at: f64, precision: f64) -> (Found, usize) {
    let mut tried = 0;
    let found = search(precision, &mut |numbers| {
        tried += numbers.len();
        assert!(numbers.is_sorted(), "{numbers:?}");
        Ok(Some(numbers.iter().map(|number| *number <= at).collect()))
    });
    (found.unwrap().unwrap(), tried)
}

#[test]
fn a_planted_break_point_is_bracketed_as_narrowly_as_asked() {
    for at in [0.013, 0.37, 0.99, 1.0, 1.7, 9.3, 100.0, 4_321.0, 32_767.0] {
        let (found, tried) = planted(at, 0.02);
        let breaks = found.breaks.unwrap();
        assert!(found.holds <= at && at < breaks, "{at}: {found:?}");
        assert!(breaks - found.holds <= 0.02 * breaks, "{at}: {found:?}");
        assert!(tried <= 4 * search::ROUNDS, "{at}: {tried}");
    }
}

#[test]
fn where_nothing_breaks_or_nothing_holds_the_search_says_so() {
    let nothing_breaks = Found {
        holds: 32_768.0,
        breaks: None,
    };
    assert_eq!(planted(f64::INFINITY, 0.05).0, nothing_breaks);
    let (nothing_holds, _) = planted(0.0, 0.05);
    assert_eq!(nothing_holds.holds, 0.0);
    assert!(nothing_holds.breaks.unwrap() < 1e-4, "{nothing_holds:?}");
}

#[test]
fn a_search_that_is_stopped_finds_nothing() {
    let mut rounds = 0;
    let found = search(0.05, &mut |numbers| {
        rounds += 1;
        Ok((rounds < 3).then(|| vec![true; numbers.len()]))
    });
    assert_eq!(found.unwrap(), None);
}

#[test]
fn a_text_holds_by_both_figures() {
    let rule = Rule {
        perplexity: 3.0,
        repetition: 0.1,
        ..Rule::default()
    };
    let of = |perplexity: f64, repetition: f64| Figures {
        perplexity,
        repetition,
    };
    let untouched = of(2.0, 0.3);
    for (figures, holds) in [
        (of(6.0, 0.4), true),
        (of(6.001, 0.0), false),
        (of(1.0, 0.41), false),
        (of(1.0, 0.0), true),
    ] {
        assert_eq!(rule.holds(&figures, &untouched), holds, "{figures:?}");
    }
    for (rule, named) in [
        (
            Rule {
                perplexity: 0.5,
                ..rule
            },
            "perplexity",
        ),
        (
            Rule {
                repetition: -0.1,
                ..rule
            },
            "repetition",
        ),
        (
            Rule {
                continuation: 2,
                ..rule
            },
            "continuation",
        ),
        (
            Rule {
                precision: 0.0,
                ..rule
            },
            "precision",
        ),
    ] {
        let refused = rule.check().unwrap_err().to_string();
        assert!(refused.starts_with(named), "{refused}");
    }
}
