//! Features with similar decoder rows.

use rayon::prelude::*;

use super::Sae;
use crate::ids::FeatureId;

impl Sae {
    /// Returns up to `most` other features whose decoder rows have the largest cosine with that of `feature`, largest first. Products in f64.
    pub fn nearest(&self, feature: FeatureId, most: usize) -> Vec<(FeatureId, f32)> {
        let own = self.w_dec.row(feature.index());
        let own_norm = dot(own, own).sqrt();
        let mut cosines: Vec<(FeatureId, f32)> = (0..self.features())
            .into_par_iter()
            .filter(|other| *other != feature.index())
            .map(|other| {
                let row = self.w_dec.row(other);
                let norms = own_norm * dot(row, row).sqrt();
                let cosine = if norms > 0.0 {
                    dot(own, row) / norms
                } else {
                    0.0
                };
                (FeatureId::from(other), cosine as f32)
            })
            .collect();
        cosines.sort_by(|(f, a), (g, b)| b.total_cmp(a).then(f.cmp(g)));
        cosines.truncate(most);
        cosines
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(x, y)| f64::from(*x) * f64::from(*y))
        .sum()
}

#[cfg(test)]
mod tests {
    use crate::dims::Matrix;
    use crate::ids::FeatureId;
    use crate::sae::{Sae, TopK};

    #[test]
    fn the_nearest_rows_come_first_whatever_their_length() {
        let rows = vec![1.0, 0.0, 0.0, 2.0, 5.0, 5.0, -1.0, 0.0, 0.0, 0.0];
        let matrix = Matrix::new(5, 2, rows).unwrap();
        let sae = Sae::new(
            "s",
            (matrix.clone(), vec![0.0; 5]),
            (matrix, vec![0.0; 2]),
            TopK { k: 1 },
        );
        let nearest = sae.nearest(FeatureId(0), 3);
        let ids: Vec<u32> = nearest.iter().map(|(f, _)| f.0).collect();
        assert_eq!(ids, [2, 1, 4]);
        assert!((nearest[0].1 - 0.5_f32.sqrt()).abs() < 1e-6);
        assert_eq!(sae.nearest(FeatureId(0), 10).last().unwrap().1, -1.0);
    }
}
