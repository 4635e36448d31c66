//! A closure as hooks, for programs that look at one place in the model.

use std::fmt;

use candle_core::Tensor;

use super::Hooks;
use crate::error::Result;
use crate::ids::HookPoint;

/// Calls a closure with the value at one hook. The closure gets the position of the first token and the value (shapes as in [`crate::ids::Site`]); `Some`
/// replaces the value, `None` leaves it as it is.
///
/// ```
/// use umbra_core::models::{HookFn, Start, token_tensor};
/// use umbra_core::{HookPoint, Model, Site};
///
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
/// let (model, _) = Model::open(path)?;
/// let tokens = token_tensor(&[&model.codec().encode_with_bos("Once upon a time")?])?;
/// let mut silence = HookFn::new(HookPoint::block(1, Site::MlpOut), |_, value| {
///     Ok(Some(value.zeros_like()?))
/// });
/// let logits = model.run(Start::Tokens(&tokens), &mut silence)?;
/// # assert!(logits.is_some());
/// # Ok::<(), umbra_core::Error>(())
/// ```
pub struct HookFn<F> {
    hook: HookPoint,
    visit: F,
}

impl<F: FnMut(usize, &Tensor) -> Result<Option<Tensor>>> HookFn<F> {
    /// Calls `visit` at `hook`.
    pub fn new(hook: HookPoint, visit: F) -> Self {
        Self { hook, visit }
    }
}

impl<F> fmt::Debug for HookFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookFn")
            .field("hook", &self.hook)
            .finish_non_exhaustive()
    }
}

impl<F: FnMut(usize, &Tensor) -> Result<Option<Tensor>>> Hooks for HookFn<F> {
    fn wants(&self, hook: HookPoint) -> bool {
        hook == self.hook
    }

    fn visit(
        &mut self,
        hook: HookPoint,
        first_position: usize,
        value: &Tensor,
    ) -> Result<Option<Tensor>> {
        let replaced = (self.visit)(first_position, value)?;
        match &replaced {
            Some(new) if new.dims() != value.dims() => Err(crate::error::Error::hook(
                hook,
                format!(
                    "the closure returns shape {:?} in place of {:?}, keep the shape",
                    new.dims(),
                    value.dims()
                ),
            )),
            _ => Ok(replaced),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ids::Site;
    use crate::models::{Model, Start, token_tensor};

    #[test]
    fn a_closure_reads_replaces_and_must_keep_the_shape() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
        let (model, _) = Model::open(Path::new(folder)).unwrap();
        let tokens = model.codec().encode_with_bos("The old king").unwrap();
        let tokens = token_tensor(&[&tokens]).unwrap();
        let logits = |hooks: &mut dyn Hooks| {
            let logits = model.run(Start::Tokens(&tokens), hooks)?;
            let logits = logits.expect("the pass goes to its end");
            Ok::<_, crate::error::Error>(logits.flatten_all()?.to_vec1::<f32>()?)
        };
        let untouched = logits(&mut crate::models::NoHooks).unwrap();
        let hook = HookPoint::block(2, Site::ResidPost);
        let mut seen = None;
        let mut read = HookFn::new(hook, |first, value| {
            seen = Some((first, value.dims().to_vec()));
            Ok(None)
        });
        assert_eq!(logits(&mut read).unwrap(), untouched);
        let width = model.width(hook).unwrap();
        assert_eq!(seen, Some((0, vec![1, tokens.dims()[1], width])));
        let mut double = HookFn::new(hook, |_, value| Ok(Some((value * 2.0)?)));
        assert_ne!(logits(&mut double).unwrap(), untouched);
        let mut wrong = HookFn::new(hook, |_, value| Ok(Some(value.flatten_all()?)));
        let said = logits(&mut wrong).unwrap_err().to_string();
        assert!(
            said.contains("hook_resid_post") && said.contains("keep the shape"),
            "{said}"
        );
    }
}
