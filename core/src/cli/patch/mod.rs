//! `umbra patch`: where a prediction depends on the difference of two texts, along which paths between heads, and by how few edits of features one becomes the other.

mod least;
mod path;
mod site;

use clap::ValueEnum;

use super::chat::AsUserArgs;
use super::report::SectionArg;
use super::{Console, Exit, ModelArgs};
use crate::causes::patch::PatchSite;
use crate::causes::{Target, check_texts};
use crate::error::{Error, Result};
use crate::models::Model;
use crate::workbench::patching::Texts;

/// End of the help.
const HELP: &str = "\
Examples:
  umbra patch --model M --clean \"When Mary and John went out, John gave a book to\" --corrupt \"When Mary and John went out, Mary gave a book to\" --target \"logit:  Mary -  John\" --site z
  umbra patch --model M --clean T1 --corrupt T2 --target loss --to L5.H1.q --to logits
  umbra patch --model M --sae S --clean T1 --corrupt T2 --least 4
  umbra patch --model M --sae S --text T --least 6 --wins \" Paris\"
  umbra patch --model M --sae S --text T --least 6 --target \"logit:  Mary -  John\" --reach=0

Without --to and --least the table is layer by position of what --site names, layer by head for z. With --to each head's z is sent from the first text to that \
end alone (path patching, Wang et al. 2022): z of all other heads is frozen as in the second text, and the MLPs between are recomputed or frozen (--mlps). With \
--least edits of a dictionary's features are searched greedily: between two texts those that bring the second text's activations nearest to the first's \
(Makelov et al. 2024), on a single text the removals that move the target most.";

/// Flags of `umbra patch`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Text whose activations are taken; both texts need the same number of tokens
    #[arg(long, value_name = "TEXT", required_unless_present = "least")]
    clean: Option<String>,
    /// Text that reads them and is measured; with --least alone the text that is edited
    #[arg(long, visible_alias = "text", value_name = "TEXT")]
    corrupt: String,
    #[command(flatten)]
    user: AsUserArgs,
    /// Number that is read at the end of the text: `logit: A`, `logit: A - B` or `loss`; A and B are one token each and keep their leading spaces. The loss is the mean
    /// cross-entropy in nats from position 1 on
    #[arg(long, value_name = "TARGET", required_unless_present = "least")]
    target: Option<String>,
    /// Kind of place that is taken from the first text
    #[arg(long, value_enum, default_value_t, conflicts_with_all = ["to", "least"])]
    site: SiteArg,
    #[command(flatten)]
    path: path::PathArgs,
    #[command(flatten)]
    least: least::LeastArgs,
    #[command(flatten)]
    section: SectionArg,
}

/// Kind of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
#[value(rename_all = "snake_case")]
enum SiteArg {
    /// Residual stream that enters a block
    #[default]
    ResidPre,
    /// Output of attention as it is added to the residual stream
    AttnOut,
    /// Output of the MLP as it is added to the residual stream
    MlpOut,
    /// Mixed values of each head, at all positions
    Z,
}

impl From<SiteArg> for PatchSite {
    fn from(site: SiteArg) -> Self {
        match site {
            SiteArg::ResidPre => Self::ResidPre,
            SiteArg::AttnOut => Self::AttnOut,
            SiteArg::MlpOut => Self::MlpOut,
            SiteArg::Z => Self::Z,
        }
    }
}

/// Runs `umbra patch`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    if args.least.is_asked() {
        return least::run(args, console);
    }
    let model = args.model.open(console)?;
    let (texts, target) = args.pair(&model, console)?;
    if args.path.is_asked() {
        path::run(args, (&model, &texts, target), console)
    } else {
        site::run(args, (&model, &texts, target), console)
    }
}

impl Args {
    /// Reads both texts and the target; texts of unequal length are wrong usage.
    fn pair(&self, model: &Model, console: &Console) -> Result<(Texts, Target)> {
        let missing = |flag: &str| Error::setting(flag, "is missing, give it");
        let target = self.target(model, console)?;
        let target = target.ok_or_else(|| missing("--target"))?;
        let clean = self.clean.as_deref().ok_or_else(|| missing("--clean"))?;
        let texts = self.texts(model, (clean, Some(target)), console)?;
        Ok((texts, target))
    }

    fn texts(
        &self,
        model: &Model,
        (clean, target): (&str, Option<Target>),
        console: &Console,
    ) -> Result<Texts> {
        let (texts, notes) = Texts::read(
            model,
            &self.user.input(clean),
            &self.user.input(&self.corrupt),
        )?;
        console.notes(&notes);
        let pair = (texts.clean.as_slice(), texts.corrupt.as_slice());
        console.usage(check_texts(model, pair, target))?;
        Ok(texts)
    }

    /// Reads the target, if there is one; a token that is several is wrong usage.
    fn target(&self, model: &Model, console: &Console) -> Result<Option<Target>> {
        let target = self.target.as_deref();
        let read = |text| console.usage(Target::parse(text, model.codec()));
        target.map(read).transpose()
    }
}
