//! Hooks that a dictionary writes: one, or for a layer of a cross-layer transcoder one in each layer from its own on.
//!
//! | dictionary | reads | writes |
//! |---|---|---|
//! | autoencoder | its hook | the hook that it reads |
//! | transcoder | its hook | `hook_out` |
//! | layer `s` of a cross-layer transcoder | its hook in layer `s` | `hook_out` in layer `s` and in each later one |
//!
//! [`Sae::outputs`] lists them with the columns of `w_dec` that go to each; everything that follows a feature to what it does asks it.

use std::ops::Range;

use super::{Role, Sae};
use crate::error::{Error, Result};
use crate::ids::{FeatureId, HookPoint, Layer};

/// Hook that a dictionary writes, and the columns of `w_dec` and `b_dec` that go there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Hook.
    pub hook: HookPoint,
    /// Columns of `w_dec` and `b_dec`, as many as the hook is wide (for a dictionary of one head, as its head is wide).
    pub columns: Range<usize>,
}

impl Output {
    /// Width of what is written.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Returns the part of a row of `w_dec` that goes there.
    pub fn part<'r>(&self, row: &'r [f32]) -> &'r [f32] {
        &row[self.columns.clone()]
    }
}

impl Sae {
    /// Returns the hooks that it writes, in the order of the pass: one for an autoencoder or a transcoder, and for a layer of a cross-layer transcoder its own
    /// layer's and each later one's. An error if the file does not name them.
    pub fn outputs(&self) -> Result<Vec<Output>> {
        let width = self.w_dec.columns();
        let Role::CrossLayer { transcoder, later } = &self.role else {
            let hook = self.writes()?;
            return Ok(vec![Output {
                hook,
                columns: 0..width,
            }]);
        };
        let (layers, unnamed) = (1 + later, self.unnamed_output());
        let Some(HookPoint::Block(Layer(own), site)) = transcoder.hook_out else {
            return Err(unnamed);
        };
        if !width.is_multiple_of(layers) {
            return Err(Error::Shape {
                op: "outputs",
                what: format!(
                    "the decoder of {} has {width} columns, which are not those of {layers} layers: download it again",
                    self.name
                ),
            });
        }
        let d = width / layers;
        let output = |at: usize| Output {
            hook: HookPoint::Block(Layer(own + at as u32), site),
            columns: at * d..(at + 1) * d,
        };
        Ok((0..layers).map(output).collect())
    }

    /// Returns the first hook that it writes, where an edit of its features begins to act.
    pub fn first_output(&self) -> Result<Output> {
        Ok(self.outputs()?.swap_remove(0))
    }

    /// Whether it writes more than one hook.
    pub fn is_cross_layer(&self) -> bool {
        matches!(self.role, Role::CrossLayer { .. })
    }

    /// Returns what `feature` writes to `output`, which is one of [`Sae::outputs`].
    pub fn written(&self, feature: FeatureId, output: &Output) -> Result<&[f32]> {
        Ok(output.part(self.direction(feature)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dims::Matrix;
    use crate::ids::Site;
    use crate::sae::{Relu, Transcoder};

    fn sae(role: Role) -> Sae {
        Sae::new(
            "tiny",
            (Matrix::zeros(1, 2), vec![0.0]),
            (
                Matrix::new(1, 6, (0..6).map(|x| x as f32).collect()).unwrap(),
                vec![0.0; 6],
            ),
            Relu,
        )
        .reading(HookPoint::block(1, Site::MlpIn))
        .with_role(role)
    }

    fn cross(later: usize, out: Option<HookPoint>) -> Sae {
        sae(Role::CrossLayer {
            transcoder: Transcoder {
                hook_out: out,
                w_skip: None,
            },
            later,
        })
    }

    #[test]
    fn a_cross_layer_feature_writes_a_part_of_its_row_to_each_layer() {
        let sae = cross(2, Some(HookPoint::block(1, Site::MlpOut)));
        let outputs = sae.outputs().unwrap();
        let found: Vec<_> = outputs
            .iter()
            .map(|output| {
                let part = sae.written(FeatureId(0), output).unwrap().to_vec();
                (output.hook.layer().unwrap().index(), part)
            })
            .collect();
        assert_eq!(
            found,
            [
                (1, vec![0.0, 1.0]),
                (2, vec![2.0, 3.0]),
                (3, vec![4.0, 5.0])
            ]
        );
        assert!(
            outputs
                .iter()
                .all(|to| to.hook.site() == Some(Site::MlpOut))
        );
        assert_eq!(sae.first_output().unwrap(), outputs[0]);
        // A decoder that does not divide, and a file that names no output.
        let said = cross(3, Some(HookPoint::block(1, Site::MlpOut))).outputs();
        assert!(said.unwrap_err().to_string().contains("6 columns"));
        let said = cross(2, None).outputs().unwrap_err().to_string();
        assert!(
            said.contains("tiny") && said.contains("hook_name_out"),
            "{said}"
        );
    }

    #[test]
    fn other_dictionaries_write_one_hook() {
        let own = sae(Role::Autoencoder).outputs().unwrap();
        assert_eq!(own.len(), 1);
        assert_eq!(own[0].hook, HookPoint::block(1, Site::MlpIn));
        assert_eq!((own[0].width(), own[0].columns.clone()), (6, 0..6));
        let out = HookPoint::block(1, Site::MlpOut);
        let transcoder = sae(Role::Transcoder(Transcoder {
            hook_out: Some(out),
            w_skip: None,
        }));
        assert_eq!(transcoder.first_output().unwrap().hook, out);
        assert!(!transcoder.is_cross_layer() && cross(0, None).is_cross_layer());
    }
}
