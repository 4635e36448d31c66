//! Pursuit: features chosen one by one against those that the encoder chose.

use std::sync::Arc;

use umbra_core::dark_matter::pursuit::{Comparison, STUDY, Settings, by_token};
use umbra_core::dims::Matrix;
use umbra_core::error::{Error, Result};
use umbra_core::ids::TokenId;
use umbra_core::models::{Model, token_tensor};
use umbra_core::progress::Ended;
use umbra_core::sae::Sae;
use umbra_core::workbench::pursuit;
use umbra_core::workbench::text::TextRequest;

use super::study::{self, Work};
use crate::commands::context::Context;
use crate::jobs::Wanted;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::Event as Lab;
use crate::state::dark_matter::pursuit::{Codes, Compared, Event as Panel, Key, job};
use crate::state::dark_matter::study::Change;
use crate::state::requests::dark_matter::pursuit::Command;
use crate::state::{Event, Load};

/// Tokens of the held-out text that are compared.
const TOKENS: usize = 10_000;

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Look(id) => study::look(context, id, event, |work| {
                let kept = work.kept::<Comparison>(STUDY)?;
                Ok(kept.map(Compared::new))
            }),
            Self::Compute(id) => compute(context, id),
            Self::Use(method) => context.apply(panel(Panel::Method(method))),
            Self::Codes(key) => codes(context, key),
        }
    }
}

fn panel(event: Panel) -> Event {
    Event::DarkMatter(Lab::Pursuit(event))
}

fn event(change: Change<Compared>) -> Event {
    panel(Panel::Study(change))
}

fn compute(context: &mut Context<'_>, id: DictionaryId) {
    let settings = Settings {
        method: context.state.dark_matter.pursuit.method,
        ..Settings::default()
    };
    let name = context.state.catalogue.get(id).map(|d| job(&d.name));
    let wanted = Wanted::new(context.state, name.unwrap_or_default());
    study::compute(context, (id, job), event, move |worker, work| {
        let mut text = work.pair.read(&TextRequest::held_out_of(&work.project)?)?;
        worker.notes(&text.said());
        text.rows = text.rows.sample(TOKENS);
        let sae = &*work.pair.sae;
        let _computing = worker.place(&wanted, sae, (8 * text.rows.context(), true))?;
        let of = (&work.pair, &text);
        let ended = pursuit::compare(of, settings, None, Some(&work.project), &mut |at| {
            worker.progress(at)
        })?;
        Ok(match ended {
            Ended::Done(comparison) => Some(Compared::new(comparison)),
            Ended::Stopped(()) => None,
        })
    });
}

fn codes(context: &mut Context<'_>, key: Key) {
    let Some(work) = Work::new(context.state, key.dictionary) else {
        return;
    };
    let event = |key, load| panel(Panel::Codes(key, load));
    context.apply(event(key.clone(), Load::Loading));
    let failed = key.clone();
    let wanted = Wanted::quiet(context.state, "Pursue the sentence");
    context.jobs.start_quiet(
        move |why| event(failed, Load::Failed(why)),
        move |worker| {
            let (own, sae) = (&*work.pair.model, &*work.pair.sae);
            let model = key.input.reader(own)?;
            let tokens = key.input.tokens(own)?.0;
            let _computing = worker.place(&wanted, sae, (tokens.len(), true))?;
            let settings = Settings {
                method: key.method,
                ..Settings::default()
            };
            let codes = of_sentence((&model, sae), &tokens, settings)?;
            worker.send(event(key, Load::Ready(Arc::new(codes))));
            Ok(())
        },
    );
}

fn of_sentence(
    (model, sae): (&Model, &Sae),
    tokens: &[TokenId],
    settings: Settings,
) -> Result<Codes> {
    let codec = model.codec();
    let texts = tokens.iter().map(|token| codec.display(*token)).collect();
    if tokens.is_empty() {
        let tokens = Vec::new();
        return Ok(Codes { texts, tokens });
    }
    let hook = sae.hook()?;
    let mut captured = model.capture(&token_tensor(&[tokens])?, &[hook])?;
    let value = captured.remove(&hook).ok_or_else(|| {
        Error::hook(
            hook,
            "the model has no such hook: open the model that the dictionary was trained on",
        )
    })?;
    let whole = Matrix::from_tensor(&value, model.width(hook)?)?;
    let x = sae.own_part(&whole)?;
    let tokens = by_token(sae, &x, settings)?;
    Ok(Codes { texts, tokens })
}
