//! A registry of the shape of SAELens's with what is odd in it, names that are near, and files that are none.

use std::fmt::Write as _;
use std::path::Path;

use super::*;

const SMALL: &str = "\
plain-res:
  conversion_func: null
  links: {model: https://example.org}
  model: gpt2-small
  repo_id: own/plain
  config_overrides:
    model_from_pretrained_kwargs:
      center_writing_weights: true
  saes:
  - id: blocks.0.hook_resid_pre
    path: layer_0
    l0: 15.0
    variance_explained: 0.999
    norm_scaling_factor: 2.5
    neuronpedia: gpt2-small/0-res
  - id: blocks.1.hook_resid_pre
    path: run_1:v1
    l0: 16
  - conversion_func: null
    id: blocks.10.hook_resid_pre
    model: gpt2-small
    path: layer_10/
    repo_id: own/plain
    saes:
    - id: blocks.0.hook_resid_pre
      path: layer_0
wide-res-canonical:
  model: gpt2-small
  repo_id: own/plain
  saes:
  - id: layer_0/canonical
    path: layer_0
    l0: 99
  - id: layer_1/canonical
    path: run_1:v1
    neuronpedia: gpt2-small/1-wide
cross-layer:
  conversion_func: mntss_clt_layer_transcoder
  model: gemma-2-2b
  repo_id: other/clt-426k
  saes:
  - id: layer_0
    path: 0
  - id: layer_1
    path: 1
half:
  model: gpt2-small
  repo_id: own/half
  saes:
  - id: good
    path: a
  - id: placeless
  - id: backwards
    path: b
    norm_scaling_factor: -1
  - 7
no-place:
  model: gpt2-small
  saes: []
no-list:
  repo_id: own/nolist
  saes: {id: a, path: b}
no-map: 12
outside:
  repo_id: own/pack
  saes:
  - id: up
    path: ../../etc
";

fn registry(text: &str) -> Result<Registry> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pretrained_saes.yaml");
    std::fs::write(&path, text).unwrap();
    Registry::open(&path)
}

#[test]
fn names_of_the_registry_are_told_from_names_on_the_hub() {
    let registry = registry(SMALL).unwrap();
    for (text, want) in [
        ("plain-res:blocks.0.hook_resid_pre", "own/plain:layer_0"),
        ("plain-res:blocks.1.hook_resid_pre", "own/plain:run_1:v1"),
        ("plain-res:blocks.10.hook_resid_pre", "own/plain:layer_10"),
        ("wide-res-canonical:layer_0/canonical", "own/plain:layer_0"),
        ("cross-layer:layer_1", "other/clt-426k:1"),
        ("half:good", "own/half:a"),
    ] {
        let named = named(text, Some(&registry)).unwrap().unwrap();
        assert_eq!(named.name.to_string(), want);
        assert_eq!(named.known.unwrap().name(), text);
    }
    for text in ["own/plain:layer_0", "hf://own/plain:run:v2", "own/plain"] {
        let named = named(text, Some(&registry)).unwrap().unwrap();
        assert_eq!(
            named.name.to_string(),
            text.strip_prefix("hf://").unwrap_or(text)
        );
        assert_eq!(named.known, None);
    }
    for text in ["nowhere", "a/b/c", "C\\dictionary"] {
        assert_eq!(named(text, Some(&registry)).unwrap(), None);
    }
    assert!(!is_registered("C:\\sae") && !is_registered("C:/sae") && !is_registered("hf://a/b:c"));
}

#[test]
fn what_is_not_there_names_what_is_like_it() {
    let registry = registry(SMALL).unwrap();
    for (text, words) in [
        (
            "plain-re:blocks.0.hook_resid_pre",
            &["no release `plain-re`", "are plain-res, "][..],
        ),
        (
            "plain-res:blocks.11.hook_resid_pre",
            &[
                "has 3 dictionaries and none called `blocks.11.hook_resid_pre`",
                "plain-res:blocks.1.hook_resid_pre",
            ],
        ),
        ("plain-res", &["has 3 dictionaries, name one as plain-res:"]),
        ("plain-res:", &["has 3 dictionaries, name one as"]),
        ("half:placeless", &["it has no `path`", "owner/name:path"]),
        ("half:backwards", &["not a positive number"]),
        ("no-place:x", &["it has no `repo_id`"]),
        ("no-list:x", &["no list of `saes`"]),
        ("no-map:x", &["cannot be used"]),
        ("outside:up", &["neither a local dictionary"]),
    ] {
        let said = named(text, Some(&registry)).unwrap_err().to_string();
        assert_eq!(said.lines().count(), 1, "{said}");
        for word in words {
            assert!(said.contains(word), "{said} lacks {word}");
        }
    }
    let said = named("plain-res:x", None).unwrap_err().to_string();
    assert!(said.contains("UMBRA_SAE_REGISTRY"), "{said}");
    let left_out: Vec<&str> = registry.left_out().map(|(name, _)| name).collect();
    assert_eq!(
        left_out,
        [
            "half:backwards",
            "half:entry 3",
            "half:placeless",
            "no-list",
            "no-map",
            "no-place"
        ]
    );
}

#[test]
fn a_place_in_the_cache_tells_the_entry() {
    let registry = registry(SMALL).unwrap();
    let known = |inside: &str| {
        let path = format!("cache/models--own--plain/snapshots/0123/{inside}");
        registry.known_at(Path::new(&path))
    };
    let first = known("layer_0/sae_weights.safetensors").unwrap();
    assert_eq!(first.name(), "plain-res:blocks.0.hook_resid_pre");
    assert_eq!(first.factor(), Some(2.5));
    assert_eq!(known("layer_0"), Some(first.clone()));
    assert_eq!(known("layer_0/checkpoints/final.safetensors"), Some(first));
    let second = known("run_1:v1/sae_weights.safetensors").unwrap();
    assert_eq!(second.name(), "plain-res:blocks.1.hook_resid_pre");
    let page = &Known::new(
        registry.release("wide-res-canonical").unwrap(),
        &registry.releases[1].entries[1],
    );
    assert_eq!(second, second.clone().or(page.clone()), "the page is there");
    assert_ne!(
        second,
        Known::new(&registry.releases[0], &registry.releases[0].entries[1])
    );
    let layer = "models--other--clt-426k/snapshots/0123/W_enc_1.safetensors";
    let layer = registry.known_at(Path::new(layer)).unwrap();
    assert_eq!(layer.name(), "cross-layer:layer_1");
    assert_eq!(known("layer_2/sae_weights.safetensors"), None);
    assert_eq!(known("layer_0/deeper/other/ae.pt"), None);
    assert_eq!(registry.known_at(Path::new("layer_0/ae.pt")), None);
}

#[test]
fn words_match_releases_first() {
    let registry = registry(SMALL).unwrap();
    let found = |text: &str| {
        let found = registry.matches(text);
        let releases = found.releases.iter().map(|release| release.name.clone());
        let entries = found.dictionaries.iter();
        let entries = entries.map(|(release, entry)| format!("{}:{}", release.name, entry.id));
        releases.chain(entries).collect::<Vec<_>>()
    };
    assert_eq!(found("").len(), 5);
    assert_eq!(found("GPT2 canon"), ["wide-res-canonical"]);
    assert_eq!(found("426k"), ["cross-layer"]);
    assert_eq!(found("layer_1/").len(), 1);
    assert_eq!(found("plain-res").len(), 3);
    assert_eq!(
        found("plain-res:s.1"),
        [
            "plain-res:blocks.1.hook_resid_pre",
            "plain-res:blocks.10.hook_resid_pre"
        ]
    );
    assert_eq!(found("cross-layer: layer_0"), ["cross-layer:layer_0"]);
    assert!(found("nothing like it").is_empty());
}

#[test]
fn a_file_that_is_no_registry_is_one_sentence() {
    let bomb = |rows: usize| {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..rows {
            let nine = vec![format!("*a{}", i - 1); 9].join(", ");
            writeln!(text, "a{i}: &a{i} [{nine}]").unwrap();
        }
        text
    };
    for text in [
        "",
        "- a\n- b\n",
        "a: [1, 2\n",
        "a: *nowhere\n",
        "a: 1\n\tb: 2\n",
        "just words",
        "key: value\n",
        &"[".repeat(100_000),
        &"{a: ".repeat(10_000),
        &bomb(40),
    ] {
        let begun = std::time::Instant::now();
        let said = registry(text).unwrap_err().to_string();
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("pretrained_saes.yaml"), "{said}");
        assert!(begun.elapsed().as_secs() < 5, "{said}");
    }
    let said = registry(&bomb(40)).unwrap_err().to_string();
    assert!(said.contains("not valid YAML"), "{said}");
    // A few aliases are no bomb, and of a key that stands twice the last counts.
    let fair = "a: {repo_id: own/a, saes: &all [{id: x, path: y}]}\nb: {repo_id: own/c, repo_id: own/b, saes: *all}\n";
    let registry = registry(fair).unwrap();
    assert_eq!(
        registry.releases()[1].entries,
        registry.releases()[0].entries
    );
    assert_eq!(registry.releases()[1].repo, "own/b");
}
