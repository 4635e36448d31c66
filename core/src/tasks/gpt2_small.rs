//! Heads of GPT-2 small that name the indirect object (Wang et al. 2022, arXiv 2211.00593; lists as in the released code of Makelov et al. 2024), and the places that are edited
//! together.

use super::site::Site;
use crate::error::{Error, Result};
use crate::ids::{Head, HookPoint, Site as Hooked};
use crate::models::Model;

/// Layer and head.
type Heads = &'static [(usize, u32)];

const DUPLICATE: Heads = &[(0, 1), (3, 0), (0, 10)];
const INDUCTION: Heads = &[(5, 5), (6, 9), (5, 8), (5, 9)];
const INHIBITION: Heads = &[(7, 3), (7, 9), (8, 6), (8, 10)];
const MOVERS: Heads = &[(9, 9), (9, 6), (10, 0)];
const BACKUP: Heads = &[(9, 0), (9, 7), (10, 1), (10, 2), (10, 10), (11, 2), (11, 9)];

/// Part of a cross-section: heads, where they are edited, and at which positions.
type Part = (&'static [Heads], Hooked, &'static [&'static str]);

/// Cross-sections by name: what is edited together, and what should come of it.
const SECTIONS: [(&str, &str, &[Part]); 6] = [
    (
        "nm-out",
        "outputs of name movers and their backups at the end",
        &[(&[MOVERS, BACKUP], Hooked::Z, &["end"])],
    ),
    (
        "nm-q",
        "queries of name movers and their backups at the end",
        &[(&[MOVERS, BACKUP], Hooked::Q, &["end"])],
    ),
    (
        "nm-qk",
        "queries of name movers and their backups at the end, with their keys at both names",
        &[
            (&[MOVERS, BACKUP], Hooked::Q, &["end"]),
            (&[MOVERS, BACKUP], Hooked::K, &["io", "s1"]),
        ],
    ),
    (
        "si-out",
        "outputs of S-inhibition heads at the end",
        &[(&[INHIBITION], Hooked::Z, &["end"])],
    ),
    (
        "si-v",
        "values of S-inhibition heads at the second S",
        &[(&[INHIBITION], Hooked::V, &["s2"])],
    ),
    (
        "ind-dt-out",
        "outputs of induction and duplicate-token heads at the second S",
        &[(&[INDUCTION, DUPLICATE], Hooked::Z, &["s2"])],
    ),
];

/// Names of the cross-sections with what each holds.
pub fn cross_sections() -> impl Iterator<Item = (&'static str, &'static str)> {
    SECTIONS.iter().map(|(name, what, _)| (*name, *what))
}

/// Returns the places of a cross-section, or an error that lists the names.
pub fn sites(name: &str) -> Result<Vec<Site>> {
    let Some((_, _, parts)) = SECTIONS.iter().find(|(known, _, _)| *known == name) else {
        let names: Vec<&str> = cross_sections().map(|(name, _)| name).collect();
        let what = format!("`{name}` is none, choose among {}", names.join(", "));
        return Err(Error::setting("cross-section", what));
    };
    let mut sites: Vec<Site> = Vec::new();
    for (heads, hooked, positions) in *parts {
        for position in *positions {
            for (layer, head) in heads.iter().copied().flatten() {
                let hook = HookPoint::block(*layer, *hooked);
                let same = |site: &&mut Site| site.hook == hook && site.position == *position;
                match sites.iter_mut().find(same) {
                    Some(site) => site.heads.get_or_insert_default().push(Head(*head)),
                    None => sites.push(Site {
                        hook,
                        heads: Some(vec![Head(*head)]),
                        position: (*position).to_owned(),
                        offset: 0,
                    }),
                }
            }
        }
    }
    for site in &mut sites {
        site.heads
            .iter_mut()
            .for_each(|heads| heads.sort_unstable());
    }
    sites.sort();
    Ok(sites)
}

/// Checks that `model` has the shape of GPT-2 small, whose heads these are.
pub fn check(model: &Model) -> Result<()> {
    let config = model.config();
    if (config.layers, config.heads, config.d_model, config.vocab) == (12, 12, 768, 50_257) {
        return Ok(());
    }
    let what = format!(
        "the heads are those of GPT-2 small, {} is another model: give places, or leave both out to find its heads",
        model.name()
    );
    Err(Error::setting("cross-section", what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_sections_have_their_heads_and_other_models_are_refused() {
        let written = |name: &str| -> Vec<String> {
            sites(name)
                .unwrap()
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        assert_eq!(
            written("nm-out"),
            [
                "blocks.9.attn.hook_z:0,6,7,9@end",
                "blocks.10.attn.hook_z:0,1,2,10@end",
                "blocks.11.attn.hook_z:2,9@end",
            ]
        );
        assert_eq!(
            written("si-v"),
            [
                "blocks.7.attn.hook_v:3,9@s2",
                "blocks.8.attn.hook_v:6,10@s2"
            ]
        );
        assert_eq!(written("nm-qk").len(), 3 + 6);
        assert!(cross_sections().all(|(name, _)| !sites(name).unwrap().is_empty()));
        assert!(sites("all").unwrap_err().to_string().contains("ind-dt-out"));
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
        let refused = check(&Model::open(path).unwrap().0)
            .unwrap_err()
            .to_string();
        assert!(refused.contains("another model"), "{refused}");
    }
}
