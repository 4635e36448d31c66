//! Checks how written edits are read, written again, resolved and rejected.

use std::path::PathBuf;

use candle_core::Device;

use super::*;
use crate::ids::Site;
use crate::sae::TopK;

#[track_caller]
fn check(text: &str) {
    let spec: EditSpec = text.parse().unwrap();
    assert_eq!(spec.to_string(), text);
    assert_eq!(spec.to_string().parse::<EditSpec>().unwrap(), spec);
}

#[test]
fn every_action_is_written_as_it_is_read() {
    let texts = [
        "add feature=12 strength=8.5",
        "add file=a.safetensors key=v strength=1 hook=blocks.2.hook_resid_post",
        "replace feature=3 strength=-1 positions=last",
        "scale by=0.5 hook=hook_embed",
        "zero hook=blocks.1.attn.hook_z heads=3,5 positions=1.. rows=0,2",
        "mean hook=blocks.1.hook_mlp_out",
        "mean file=m.safetensors key=mean hook=blocks.1.hook_mlp_out",
        "project-out feature=7",
        "orthogonal feature=7 by=-2.5 positions='after: king'",
        "clamp feature=7 least=0 most=2",
        "clamp feature=7 most=2",
        "clamp feature=7 most=2 sae=attn-1",
        "scale-feature feature=1 by=0 sae='my sae' positions=2..",
        "set-feature feature=1,2 value=0",
        "add-feature feature=1 value=2 error=frozen",
        "scale-feature feature=1 by=3 error=linear",
        "splice part=reconstruction",
        "splice part=+nonlinear",
        "splice part=+error",
        "patch from=\"The king's fox\" hook=blocks.1.hook_resid_mid",
        "patch file='my run.safetensors' key=blocks.1.attn.hook_z hook=blocks.1.attn.hook_z",
        "attend to=previous hook=blocks.0.attn.hook_pattern heads=2 positions=prompt",
    ];
    // All actions are among them; `cap` is a clamp.
    for action in ACTIONS.iter().filter(|action| action.name != "cap") {
        assert!(
            texts.iter().any(|text| text.starts_with(action.name)),
            "{}",
            action.name
        );
    }
    texts.into_iter().for_each(check);
    let cap: EditSpec = "cap feature=7 most=2".parse().unwrap();
    assert_eq!(cap.to_string(), "clamp feature=7 most=2");
    let zero: EditSpec = "splice part=zero".parse().unwrap();
    assert_eq!(zero.what, What::Zero);
}

#[track_caller]
fn refused(text: &str, phrase: &str) {
    let what = text.parse::<EditSpec>().unwrap_err().to_string();
    assert!(what.contains(phrase), "{what}");
}

#[test]
fn what_cannot_be_read_is_refused_with_what_could() {
    refused("", "names no action");
    refused("explode", "set-feature");
    refused(
        "add feature=12 strenght=8",
        "no key `strenght`, it takes feature=I",
    );
    refused("zero positions=first", "1..prompt");
    refused("scale", "needs `by`");
    refused("scale by=much", "`much`");
    refused("add", "needs `feature`");
    refused("add file=x", "needs `key`");
    refused("add feature=1 feature=2", "twice");
    refused("zero heads=a", "not a list of numbers");
    refused("zero blocks.1", "not `key=value`");
    refused("splice part=half", "reconstruction");
    refused("attend to=me", "uniform");
    refused("patch from='open", "quotation mark");
    refused("zero hook=blocks.1.nowhere", "no such hook");
}

struct Stock(Arc<Sae>);

impl Materials for Stock {
    fn dictionary(&mut self, _: Option<&str>) -> Result<Arc<Sae>> {
        Ok(Arc::clone(&self.0))
    }

    fn probe(&mut self, _: Option<&str>) -> Result<Arc<Probe>> {
        Err(Error::setting("probe", "there is none"))
    }

    fn mean(&mut self, _: HookPoint, _: Option<&str>) -> Result<Vec<f32>> {
        Ok(vec![0.5; 256])
    }
}

#[test]
fn what_is_left_out_is_filled_in() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../assets/demo/model");
    let model = Model::open(&folder).unwrap().0;
    let hook = HookPoint::block(2, Site::ResidPost);
    let rows = crate::dims::Matrix::new(2, 256, vec![0.25; 512]).unwrap();
    let mut stock = Stock(Arc::new(
        Sae::new(
            "two",
            (rows.clone(), vec![0.0; 2]),
            (rows, vec![0.0; 256]),
            TopK { k: 1 },
        )
        .reading(hook),
    ));
    let mut resolved = |text: &str| {
        let spec: EditSpec = text.parse().unwrap();
        spec.resolve(&model, &mut stock)
    };
    let add = resolved("add feature=1 strength=4").unwrap();
    assert_eq!((add.hook, add.positions), (hook, Positions::from(1)));
    assert!(matches!(add.action, Action::Add(v) if v == vec![1.0; 256]));
    let at = "hook=blocks.0.hook_resid_pre";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a vector.safetensors");
    let ones = Tensor::ones(256, DType::F16, &Device::Cpu).unwrap();
    let named = std::collections::HashMap::from([("v", ones)]);
    candle_core::safetensors::save(&named, &path).unwrap();
    let path = path.display();
    let absent = resolved(&format!("add file='{path}' key=w {at}")).unwrap_err();
    assert!(absent.to_string().contains("name one of v"), "{absent}");
    let file = resolved(&format!("add file='{path}' key=v strength=3 {at}")).unwrap();
    assert_eq!(file.positions, Positions::all());
    assert!(matches!(file.action, Action::Add(v) if v == vec![3.0; 256]));
    let mean = resolved(&format!("mean {at}")).unwrap();
    assert!(matches!(mean.action, Action::Replace(v) if v == vec![0.5; 256]));
    let Action::Patch(value) = resolved(&format!("patch from='One day' {at}"))
        .unwrap()
        .action
    else {
        panic!("no patch");
    };
    assert_eq!(value.dims().len(), 3);
    let beyond = resolved("add feature=2").unwrap_err().to_string();
    assert!(beyond.contains("features 0 to 1"), "{beyond}");
    assert!(resolved("splice part=+linear").is_err());
}

#[test]
fn a_strength_is_told_as_it_is_given_and_with_the_rows_length() {
    let rows = |x: f32| crate::dims::Matrix::new(2, 4, vec![x; 8]).unwrap();
    let sae = |x: f32| {
        let (encoder, decoder) = ((rows(0.5), vec![0.0; 2]), (rows(x), vec![0.0; 4]));
        Sae::new("two", encoder, decoder, TopK { k: 1 })
    };
    let spec = |text: &str| -> EditSpec { text.parse().unwrap() };
    let add = spec("add feature=1 strength=-3");
    let strength = add.strength(&sae(0.75)).unwrap();
    assert_eq!((strength.raw, strength.row), (-3.0, 1.5));
    assert_eq!((strength.folded(), strength.stored), (-4.5, -3.0));
    assert!(strength.is_as_stored());
    assert_eq!(strength.of_norm(9.0), Some(0.5));
    assert_eq!(strength.of_norm(0.0), None);
    assert!(!strength.is_unit());
    let said = add.units(&sae(0.75)).unwrap();
    assert!(
        said.contains("-3 rows are -4.5000 × the unit row"),
        "{said}"
    );
    assert_eq!(add.units(&sae(0.5)), None, "rows of length 1");
    assert_eq!(spec("project-out feature=1").strength(&sae(0.75)), None);
    let more = spec("add-feature feature=0 value=2");
    assert_eq!(more.strength(&sae(0.75)).unwrap().folded(), 3.0);
}
