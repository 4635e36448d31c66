//! Roles of heads by their attention, named only where the score is clear.

use serde::{Deserialize, Serialize};

use super::row::HeadRow;

/// Behaviour of a head's attention, as the literature names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Attends to the token after an earlier copy of the current one.
    Induction,
    /// Attends to earlier copies of the current token.
    DuplicateToken,
    /// Attends to the token before.
    PreviousToken,
    /// Attends to the current token.
    SameToken,
    /// Attends to the first token, which mostly means that it does nothing.
    FirstToken,
}

/// Smallest weight on the induction source of repeated random tokens at which a head is an induction head.
const INDUCTION: f64 = 0.4;
/// Smallest weight beyond that of uniform attention on earlier copies.
const DUPLICATE: f64 = 0.25;
/// Smallest mean weight on the token before, or on the token itself.
const PLACE: f64 = 0.4;
/// Smallest mean weight on the first token, where most heads of a large model rest on most queries.
const FIRST: f64 = 0.7;

/// Rule by which [`role`] names a head, for people.
pub const RULE: &str = "A head is named by the first of these that holds: induction, if induction_random is 0.4 or more and induction_excess is positive; \
duplicate token, if duplicate_excess is 0.25 or more; previous token or same token, if the mean weight there is 0.4 or more; first token, if that is 0.7 or more. Other heads have no name";

impl Role {
    /// All roles, in the order in which they are tried.
    pub const ALL: [Self; 5] = [
        Self::Induction,
        Self::DuplicateToken,
        Self::PreviousToken,
        Self::SameToken,
        Self::FirstToken,
    ];

    /// Key in JSON.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Induction => "induction",
            Self::DuplicateToken => "duplicate_token",
            Self::PreviousToken => "previous_token",
            Self::SameToken => "same_token",
            Self::FirstToken => "first_token",
        }
    }

    /// Name of a head with this role.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Induction => "Induction head",
            Self::DuplicateToken => "Duplicate-token head",
            Self::PreviousToken => "Previous-token head",
            Self::SameToken => "Same-token head",
            Self::FirstToken => "First-token head",
        }
    }

    /// Says what the head attends to, in one sentence.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Induction => {
                "Attends to the token that followed an earlier copy of the current token"
            }
            Self::DuplicateToken => "Attends to earlier copies of the current token",
            Self::PreviousToken => "Attends to the token before",
            Self::SameToken => "Attends to the current token itself",
            Self::FirstToken => {
                "Attends to the first token, where heads rest when they have nothing to do"
            }
        }
    }

    /// Key of the figure that decides.
    pub const fn figure(self) -> &'static str {
        match self {
            Self::Induction => "induction_random",
            Self::DuplicateToken => "duplicate_excess",
            Self::PreviousToken => "previous",
            Self::SameToken => "same",
            Self::FirstToken => "first",
        }
    }

    /// Smallest value of that figure with which a head has the role.
    pub const fn least(self) -> f64 {
        match self {
            Self::Induction => INDUCTION,
            Self::DuplicateToken => DUPLICATE,
            Self::PreviousToken | Self::SameToken => PLACE,
            Self::FirstToken => FIRST,
        }
    }

    fn holds(self, row: &HeadRow) -> bool {
        let clear = |figure: Option<f64>| figure.is_some_and(|value| value >= self.least());
        match self {
            // Text without a repeated token says nothing against it.
            Self::Induction => {
                clear(row.induction_random)
                    && row.induction_excess.is_none_or(|excess| excess > 0.0)
            }
            Self::DuplicateToken => clear(row.duplicate_excess),
            Self::PreviousToken => clear(Some(row.previous)),
            Self::SameToken => clear(Some(row.same)),
            Self::FirstToken => clear(Some(row.first)),
        }
    }
}

/// Returns the role of a head by [`RULE`]; none where no score is clear.
pub fn role(row: &HeadRow) -> Option<Role> {
    Role::ALL.into_iter().find(|role| role.holds(row))
}
