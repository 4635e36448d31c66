//! `y = x · σ(a·x + b·x³)`: SiLU with a = 1, b = 0; quick GELU with a = 1.702, b = 0; GELU by its tanh approximation with a = 2√(2/π), b = 0.044715·a.
//!
//! | tensor | shape |
//! |---|---|
//! | `x`, result | any, the same |
//!
//! [`GatedUnit`] multiplies the result with a second input. Differentiable in all inputs. Tolerance against the definition: 1e-6 relative to |x| (the exponential is a polynomial good to 2 units in the last place).

#[cfg(test)]
mod cases;
pub(crate) mod cpu;
#[cfg(test)]
mod reference;
mod unit;

pub(crate) use unit::GatedUnit;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{contiguous, each_chunk};

/// Values of a chunk: one thread's unit of work.
const CHUNK: usize = 16_384;

/// Coefficients of the gate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SigmoidGate {
    linear: f32,
    cubic: f32,
}

impl SigmoidGate {
    /// x · σ(x).
    pub(crate) const SILU: Self = Self {
        linear: 1.0,
        cubic: 0.0,
    };

    /// x · σ(1.702·x).
    pub(crate) const QUICK_GELU: Self = Self {
        linear: 1.702,
        cubic: 0.0,
    };

    /// x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³))).
    pub(crate) const GELU_TANH: Self = Self {
        linear: 1.595_769,
        cubic: 0.071_354_81,
    };
}

impl SigmoidGate {
    /// y and dy/dx by tensor operations, for the way back.
    fn value_and_slope(self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let (a, b) = (f64::from(self.linear), f64::from(self.cubic));
        let square = x.sqr()?;
        let inner = (x * square.affine(b, a)?)?;
        let gate = (inner.neg()?.exp()? + 1.0)?.recip()?;
        let inner_slope = square.affine(3.0 * b, a)?;
        let gate_slope = (&gate * gate.affine(-1.0, 1.0)?)?;
        let value = (x * &gate)?;
        let slope = (gate + ((x * gate_slope)? * inner_slope)?)?;
        Ok((value, slope))
    }
}

impl CustomOp1 for SigmoidGate {
    fn name(&self) -> &'static str {
        "sigmoid_gate"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = contiguous(self.name(), x, layout)?;
        let mut y = vec![0.0; x.len()];
        each_chunk(&mut y, CHUNK, |chunk, y| {
            let from = chunk * CHUNK;
            cpu::gate(y, &x[from..from + y.len()], self.linear, self.cubic);
        });
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some((grad * self.value_and_slope(x)?.1)?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;
    use crate::kernels::check_gradient;

    fn off(got: &[f32], x: &[f32], gate: SigmoidGate) -> f64 {
        let want = reference::gate(x, gate.linear, gate.cubic);
        got.iter()
            .zip(&want)
            .zip(x)
            .map(|((got, want), x)| (f64::from(*got) - want).abs() / (f64::from(*x).abs() + 1e-30))
            .fold(0.0, f64::max)
    }

    #[test]
    fn the_gate_is_its_definition() {
        for gate in [
            SigmoidGate::SILU,
            SigmoidGate::QUICK_GELU,
            SigmoidGate::GELU_TANH,
        ] {
            for x in cases::all() {
                let tensor = Tensor::from_slice(&x, x.len(), &Device::Cpu).unwrap();
                let mut got = tensor
                    .apply_op1_no_bwd(&gate)
                    .unwrap()
                    .to_vec1::<f32>()
                    .unwrap();
                assert!(off(&got, &x, gate) < 1e-6);
                let nudged = got.len() / 2;
                got[nudged] += 1e-4 * (1.0 + x[nudged].abs());
                assert!(off(&got, &x, gate) > 1e-6);
            }
        }
    }

    #[test]
    fn gelu_is_that_of_candle() {
        let x = Tensor::arange(-6_f32, 6.0, &Device::Cpu).unwrap();
        let got = x.apply_op1_no_bwd(&SigmoidGate::GELU_TANH).unwrap();
        let off = (got - x.gelu().unwrap()).unwrap().abs().unwrap();
        assert!(off.max(0).unwrap().to_scalar::<f32>().unwrap() < 1e-6);
    }

    #[test]
    fn its_gradient_is_that_of_finite_differences() {
        let x = Var::new(&[-2.0_f32, -0.7, 0.0, 0.3, 1.9], &Device::Cpu).unwrap();
        for gate in [
            SigmoidGate::SILU,
            SigmoidGate::QUICK_GELU,
            SigmoidGate::GELU_TANH,
        ] {
            check_gradient(&x, &|x| x.apply_op1(gate));
        }
    }

    #[test]
    fn the_unit_is_the_gate_times_its_second_input() {
        for x in cases::all() {
            let up: Vec<f32> = x.iter().rev().map(|v| v * 0.5 - 1.0).collect();
            let [x, up] = [x, up].map(|v| Tensor::new(v, &Device::Cpu).unwrap());
            let unit = GatedUnit(SigmoidGate::SILU);
            let got = x.apply_op2_no_bwd(&up, &unit).unwrap().to_vec1::<f32>();
            let want = (x.apply_op1_no_bwd(&SigmoidGate::SILU).unwrap() * &up).unwrap();
            assert_eq!(got.unwrap(), want.to_vec1::<f32>().unwrap());
            assert!(
                x.apply_op2_no_bwd(&up.unsqueeze(0).unwrap(), &unit)
                    .is_err()
            );
        }
    }

    #[test]
    fn gradients_of_the_unit_are_those_of_finite_differences() {
        let x = Var::new(&[-2.0_f32, -0.7, 0.0, 0.3, 1.9], &Device::Cpu).unwrap();
        let up = Var::new(&[0.4_f32, -1.0, 2.0, 0.9, -0.3], &Device::Cpu).unwrap();
        for gate in [SigmoidGate::SILU, SigmoidGate::GELU_TANH] {
            check_gradient(&x, &|x| x.apply_op2(up.as_tensor(), GatedUnit(gate)));
            check_gradient(&up, &|up| x.as_tensor().apply_op2(up, GatedUnit(gate)));
        }
    }
}
