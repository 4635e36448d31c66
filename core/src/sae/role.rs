//! Roles of dictionaries: which hook each one reads and writes. Uses that a role does not allow are rejected here.
//!
//! | role | output | a token's code depends on |
//! |---|---|---|
//! | autoencoder | the activations it reads | the token |
//! | transcoder | activations of another hook | the token |
//! | layer of a cross-layer transcoder | part of the activations of another hook, in several layers | the token |
//! | temporal dictionary | the activations it reads | the token and the text before it |
//!
//! Functions that need an autoencoder take an [`Autoencoder`], which [`Sae::autoencoder`] returns or else explains why it cannot. Functions that ask only for a code of
//! each token take a [`ByToken`], which is every dictionary but a temporal one; [`Sae::outputs`] says where its features write.

use std::ops::Deref;
use std::sync::Arc;

use super::{Predictor, Sae, Transcoder};
use crate::error::{Error, Result};
use crate::ids::HookPoint;

/// Role of a dictionary.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Role {
    /// Reconstructs its input, each token independently.
    #[default]
    Autoencoder,
    /// Writes another hook than it reads.
    Transcoder(Transcoder),
    /// One layer of a [`super::CrossLayer`], a transcoder that writes later layers too.
    CrossLayer {
        /// Hook of its own layer, and its skip connection.
        transcoder: Transcoder,
        /// Number of layers after that of `hook_out` that it also adds to. `w_dec` has a block of `d_out` columns for each layer, its own first; `b_dec` is 0 in
        /// the later blocks.
        later: usize,
    },
    /// Reconstructs its input and encodes the part of a token that earlier tokens do not predict; rows are the tokens of one text.
    Temporal(Arc<Predictor>),
}

impl Role {
    /// Returns the transcoder's own parts if it writes another hook than it reads.
    pub fn transcoder(&self) -> Option<&Transcoder> {
        match self {
            Self::Transcoder(transcoder) | Self::CrossLayer { transcoder, .. } => Some(transcoder),
            Self::Autoencoder | Self::Temporal(_) => None,
        }
    }

    /// Whether it writes another hook than it reads.
    pub fn transcodes(&self) -> bool {
        self.transcoder().is_some()
    }

    /// Turns a transcoder into an autoencoder and returns the transcoder's own parts.
    pub(crate) fn take_transcoder(&mut self) -> Option<Transcoder> {
        match std::mem::take(self) {
            Self::Transcoder(transcoder) => Some(transcoder),
            other => {
                *self = other;
                None
            }
        }
    }

    /// Returns the predictor of a temporal dictionary.
    pub(super) fn predictor(&self) -> Option<&Predictor> {
        match self {
            Self::Temporal(predictor) => Some(predictor),
            Self::Autoencoder | Self::Transcoder(_) | Self::CrossLayer { .. } => None,
        }
    }

    /// Number of layers it writes.
    pub(crate) fn writes_layers(&self) -> usize {
        match self {
            Self::CrossLayer { later, .. } => 1 + later,
            Self::Autoencoder | Self::Transcoder(_) | Self::Temporal(_) => 1,
        }
    }
}

/// Dictionary that reconstructs its input and encodes each token independently; studies of heads and of the error require one.
#[derive(Debug, Clone, Copy)]
pub struct Autoencoder<'a>(&'a Sae);

/// Dictionary that encodes each token independently, whatever it writes: an autoencoder, a transcoder or a layer of a cross-layer transcoder. Readings, edits and the
/// feature index require one.
#[derive(Debug, Clone, Copy)]
pub struct ByToken<'a>(&'a Sae);

impl Deref for Autoencoder<'_> {
    type Target = Sae;

    fn deref(&self) -> &Sae {
        self.0
    }
}

impl Deref for ByToken<'_> {
    type Target = Sae;

    fn deref(&self) -> &Sae {
        self.0
    }
}

impl<'a> From<Autoencoder<'a>> for ByToken<'a> {
    fn from(sae: Autoencoder<'a>) -> Self {
        Self(sae.0)
    }
}

impl<'a> ByToken<'a> {
    /// Returns the dictionary for as long as it is borrowed.
    pub fn sae(self) -> &'a Sae {
        self.0
    }
}

impl Sae {
    /// Returns the dictionary as one that encodes each token independently, or an error for a temporal dictionary.
    pub fn by_token(&self) -> Result<ByToken<'_>> {
        match &self.role {
            Role::Temporal(_) => Err(self.refused_by_token()),
            Role::Autoencoder | Role::Transcoder(_) | Role::CrossLayer { .. } => Ok(ByToken(self)),
        }
    }

    /// Returns the dictionary as an [`Autoencoder`], or an error that names its role.
    pub fn autoencoder(&self) -> Result<Autoencoder<'_>> {
        match &self.role {
            Role::Autoencoder => Ok(Autoencoder(self)),
            Role::Transcoder(transcoder) => Err(Error::Unsupported {
                what: format!(
                    "the transcoder {}, which reads {} and writes {}",
                    self.name,
                    named(self.provenance.hook),
                    named(transcoder.hook_out)
                ),
                remedy: "this needs an autoencoder; a transcoder can be indexed, read in Prompt, steered and measured"
                    .to_owned(),
            }),
            Role::CrossLayer { transcoder, later } => Err(self.refused_alone(transcoder, *later)),
            Role::Temporal(_) => Err(self.refused_by_token()),
        }
    }

    /// Returns the hook that an autoencoder reads and reconstructs, or an error if the file names none or the dictionary is no [`Autoencoder`].
    pub fn hook(&self) -> Result<HookPoint> {
        self.autoencoder()?.reads()
    }

    /// Returns the hook that it reads, or an error if the file names none.
    pub fn reads(&self) -> Result<HookPoint> {
        self.provenance.hook.ok_or_else(|| {
            Error::setting(
                "hook",
                format!(
                    "the dictionary {} does not name the hook it reads, add `hook_name` to the metadata of its cfg.json",
                    self.name
                ),
            )
        })
    }

    /// Returns the hook that it writes: a transcoder's output hook, otherwise the hook that it reads.
    pub fn writes(&self) -> Result<HookPoint> {
        match &self.role {
            Role::Autoencoder | Role::Temporal(_) => self.reads(),
            Role::CrossLayer { transcoder, later } => Err(self.refused_alone(transcoder, *later)),
            Role::Transcoder(transcoder) => {
                transcoder.hook_out.ok_or_else(|| self.unnamed_output())
            }
        }
    }

    /// Error for a transcoder whose file names no hook that it writes.
    pub(super) fn unnamed_output(&self) -> Error {
        let what = format!(
            "the transcoder {} does not name the hook it writes, add `hook_name_out` to the metadata of its cfg.json",
            self.name
        );
        Error::setting("hook", what)
    }

    /// Checks that it encodes each token independently, which a temporal dictionary does not.
    pub(crate) fn check_by_token(&self) -> Result<()> {
        self.by_token().map(drop)
    }

    /// Checks that it is no layer of a cross-layer transcoder, whose outputs are sums over layers.
    pub(crate) fn check_alone(&self) -> Result<()> {
        match &self.role {
            Role::CrossLayer { transcoder, later } => Err(self.refused_alone(transcoder, *later)),
            Role::Autoencoder | Role::Transcoder(_) | Role::Temporal(_) => Ok(()),
        }
    }

    fn refused_by_token(&self) -> Error {
        Error::Unsupported {
            what: format!(
                "the temporal dictionary {}, which reads whole texts, here",
                self.name
            ),
            remedy:
                "`umbra sae encode` accepts it, and `umbra sae compare` compares its directions"
                    .to_owned(),
        }
    }

    /// Error for a layer of a cross-layer transcoder where a single dictionary must write a hook.
    fn refused_alone(&self, transcoder: &Transcoder, later: usize) -> Error {
        Error::Unsupported {
            what: format!(
                "{}, one layer of a cross-layer transcoder, which adds to {}, {},",
                self.name,
                named(transcoder.hook_out),
                match later {
                    0 => "as the layers before it do".to_owned(),
                    1 => "and the same of one later layer".to_owned(),
                    later => format!("and the same of {later} later layers"),
                }
            ),
            remedy: "one layer can be indexed, read in Prompt, steered, encoded and compared; `umbra sae verify` measures the folder of all layers".to_owned(),
        }
    }
}

fn named(hook: Option<HookPoint>) -> String {
    hook.map_or_else(|| "an unnamed hook".to_owned(), |hook| hook.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dims::Matrix;
    use crate::ids::Site;
    use crate::sae::Relu;

    fn with(role: Role) -> Sae {
        let rows = Matrix::new(2, 2, vec![1.0, 0.0, 0.0, 1.0]).unwrap();
        Sae::new(
            "tiny",
            (rows.clone(), vec![0.0; 2]),
            (rows, vec![0.0; 2]),
            Relu,
        )
        .reading(HookPoint::block(0, Site::Z))
        .with_role(role)
    }

    #[test]
    fn only_an_autoencoder_is_taken_for_one() {
        assert!(with(Role::Autoencoder).autoencoder().is_ok());
        let transcoder = Transcoder {
            hook_out: Some(HookPoint::block(0, Site::MlpOut)),
            w_skip: None,
        };
        let predictor = Predictor {
            heads: 1,
            layers: Vec::new(),
        };
        let others = [
            (Role::Transcoder(transcoder.clone()), "the transcoder tiny"),
            (
                Role::CrossLayer {
                    transcoder,
                    later: 2,
                },
                "2 later layers",
            ),
            (
                Role::Temporal(Arc::new(predictor)),
                "the temporal dictionary tiny, which reads whole texts",
            ),
        ];
        for (role, why) in others {
            let sae = with(role);
            let refusals = [sae.autoencoder().map(drop), sae.hook().map(drop)];
            for refused in refusals {
                let said = refused.unwrap_err().to_string();
                assert!(said.contains(why), "{said}");
            }
        }
    }

    #[test]
    fn a_temporal_dictionary_takes_texts_and_no_loose_tokens() {
        let predictor = Predictor {
            heads: 1,
            layers: Vec::new(),
        };
        let sae = with(Role::Temporal(Arc::new(predictor)));
        let x = Matrix::new(1, 2, vec![3.0, -1.0]).unwrap();
        let code = sae.encode_text(&x).unwrap();
        assert_eq!((code.features.as_slice(), code.acts[0]), (&[0][..], 3.0));
        assert_eq!(sae.decode_text(&code, &x).unwrap().values(), [3.0, 0.0]);
        let said = sae.encode(&x).unwrap_err().to_string();
        assert!(said.contains("temporal dictionary tiny"), "{said}");
        assert!(sae.decode(&code, &x).is_err());
    }
}
