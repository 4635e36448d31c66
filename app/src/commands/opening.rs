//! The dialog that opens a model or a dictionary: looks at what is named, fetches from the hub, hands the rest to Library.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use umbra_core::device;
use umbra_core::error::{Error, Notes, Result};
use umbra_core::formats::{self, Located, Registry};
use umbra_core::hub::{self, Hub, Name};
use umbra_core::models::Card;
use umbra_core::progress::Ended;
use umbra_core::sae::Sae;

use super::context::Context;
use crate::dialogs::Ask;
use crate::state::opening::{self, Found, FoundDictionary, Kind, Looked, Request};
use crate::state::requests::opening::Command;
use crate::state::requests::{Command as AnyCommand, Commands, library};
use crate::state::{AppState, Event, Load, log};

/// Ends of files that may hold a dictionary's weights.
const WEIGHTS: &[&str] = &["safetensors", "pt", "pth", "npz"];

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        let event = Event::Opening;
        match self {
            Self::Show(kind) => show(context, kind),
            Self::Close => context.apply(event(opening::Event::Shown(None))),
            Self::Typed(source) => {
                let typed = true;
                context.apply(event(opening::Event::Source { source, typed }));
            }
            Self::Source(kind, path) => {
                show(context, kind);
                let source = path.display().to_string();
                let typed = false;
                context.apply(event(opening::Event::Source { source, typed }));
            }
            Self::Pick { file } => {
                let ask = match (context.state.opening.kind, file) {
                    (Kind::Model, true) => Ask::File("Open a GGUF model", &["gguf"]),
                    (Kind::Model, false) => Ask::Folder("Open a model folder"),
                    (Kind::Dictionary, true) => Ask::File("Open a dictionary's weights", WEIGHTS),
                    (Kind::Dictionary, false) => Ask::Folder("Open a dictionary folder"),
                };
                let kind = context.state.opening.kind;
                context.ask(ask, move |path| {
                    AnyCommand::Opening(Self::Source(kind, path))
                });
            }
            Self::How(how) => context.apply(event(opening::Event::How(how))),
            Self::Layer(layer) => context.apply(event(opening::Event::Layer(layer))),
            Self::Offline(offline) => context.apply(event(opening::Event::Offline(offline))),
            Self::Look(request) => look(context, request),
            Self::Fetch(name) => fetch(context, &name),
            Self::Open => open(context),
        }
    }
}

/// The source is looked at once nobody types.
pub(super) fn follow(state: &AppState, commands: &mut Commands) {
    if let Some(request) = state.opening.wanted() {
        commands.send(Command::Look(request));
    }
}

fn show(context: &mut Context<'_>, kind: Kind) {
    let kept = context.state.opening.hub.clone();
    let hub = kept.unwrap_or_else(|| umbra_core::cli::hub(false));
    context.apply(Event::Opening(opening::Event::Shown(Some((kind, hub)))));
    if kind == Kind::Dictionary && context.state.opening.registry.is_none() {
        let line = |why| {
            Event::Log(log::Event::Line(format!(
                "The registry is not available: {why}"
            )))
        };
        context.jobs.start_quiet(line, |worker| {
            if let Some(registry) = umbra_core::cli::registry()? {
                worker.send(Event::Opening(opening::Event::Registry(registry)));
            }
            Ok(())
        });
    }
}

/// Folders in which the parent of a dictionary of an error is looked for: those of the project's dictionaries.
pub(super) fn parents(state: &AppState) -> Vec<PathBuf> {
    let dictionaries = state.catalogue.dictionaries.iter();
    dictionaries.map(|there| there.folder.clone()).collect()
}

/// Reads a dictionary, with what SAELens's registry knows about it if it lies in the hub's cache. The parent of a dictionary of an error is looked for in `parents`
/// too.
pub(super) fn read_dictionary(
    path: PathBuf,
    registry: Option<&Registry>,
    parents: &[PathBuf],
) -> Result<(Sae, Notes)> {
    let (known, mut notes) = match registry {
        Some(registry) => (registry.known_at(&path), Notes::default()),
        None => umbra_core::cli::known_at(&path),
    };
    let (sae, decided) = Located { path, known }.open_among(parents)?;
    notes.extend(decided);
    Ok((sae, notes))
}

fn look(context: &mut Context<'_>, request: Request) {
    let Some(hub) = context.state.opening.hub.clone() else {
        return;
    };
    let event = |request, load| Event::Opening(opening::Event::Looked(request, load));
    context.apply(event(request.clone(), Load::Loading));
    let failed = request.clone();
    let registry = context.state.opening.registry.clone();
    context.jobs.start_quiet(
        move |why| event(failed, Load::Failed(why)),
        move |worker| {
            let looked = looked(&request, hub, registry.as_deref())?;
            worker.send(event(request, Load::Ready(looked)));
            Ok(())
        },
    );
}

/// Looks at the source without asking the hub.
fn looked(request: &Request, hub: Hub, registry: Option<&Registry>) -> Result<Looked> {
    let source = Path::new(&request.source);
    if request.kind == Kind::Dictionary {
        return looked_for_dictionary(&request.source, hub, registry);
    }
    let path = if source.exists() {
        source.to_path_buf()
    } else {
        let Ok(name) = request.source.parse::<Name>() else {
            let what = "no such folder or file, and not a name on the hub; hub names look like openai-community/gpt2 or owner/name/file.gguf";
            return Err(Error::input(what, source));
        };
        let cache = Hub {
            offline: true,
            ..hub
        };
        match cache.fetch(&name, &mut |_| std::ops::ControlFlow::Continue(())) {
            Ok(Ended::Done(path)) => path,
            Ok(Ended::Stopped(())) | Err(_) => return Ok(Looked::OnHub(name)), // said as "not in the cache"
        }
    };
    let (card, notes) = Card::from_path(&path, request.how)?;
    Ok(Looked::Here(Box::new(Found {
        path,
        card,
        notes,
        free: device::free_memory(),
    })))
}

fn looked_for_dictionary(source: &str, hub: Hub, registry: Option<&Registry>) -> Result<Looked> {
    let path = if Path::new(source).exists() {
        PathBuf::from(source)
    } else {
        let name = match formats::named(source, registry)? {
            Some(named) => named.name,
            None => Name::of_dictionary(source)?, // an error that says so
        };
        let cache = Hub {
            offline: true,
            ..hub
        };
        let go_on = &mut |_: hub::Event<'_>| std::ops::ControlFlow::Continue(());
        match formats::fetch(&cache, &name, go_on) {
            Ok(Ended::Done(path)) => path,
            Ok(Ended::Stopped(())) | Err(_) => return Ok(Looked::OnHub(name)), // said as "not in the cache"
        }
    };
    let look = formats::look(&path)?;
    Ok(Looked::Dictionary(Box::new(FoundDictionary {
        path,
        look,
        layer: 0,
        free: device::free_memory(),
    })))
}

fn fetch(context: &mut Context<'_>, name: &Name) {
    let (Some(from), None) = (
        context.state.opening.hub.clone(),
        context.state.opening.fetching,
    ) else {
        return;
    };
    let event = |failure| Event::Opening(opening::Event::Fetched(failure));
    let of = name.clone();
    let job = context.jobs.start_or(
        format!("Download {name}"),
        move |why| event(Some(why)),
        move |worker| {
            let mut observe =
                |fetched: hub::Event<'_>| worker.progress(fetched.progress.in_megabytes());
            // Stopped, it is looked at again too: what is missing is fetched the next time.
            match of.kind {
                hub::Kind::Dictionary => formats::fetch(&from, &of, &mut observe).map(drop)?,
                hub::Kind::Model | hub::Kind::Dataset => {
                    from.fetch(&of, &mut observe).map(drop)?;
                }
            }
            worker.send(event(None));
            Ok(())
        },
    );
    context.apply(Event::Opening(opening::Event::Fetching(job)));
}

fn open(context: &mut Context<'_>) {
    let opening = &context.state.opening;
    let open = match (&opening.looked, &opening.looked_at) {
        (Load::Ready(Looked::Here(found)), Some(request)) => {
            library::Command::OpenModel(found.path.clone(), request.how)
        }
        (Load::Ready(Looked::Dictionary(found)), _) => {
            library::Command::OpenSae(found.opens().to_path_buf())
        }
        _ => return,
    };
    context.commands.send(open);
    context.apply(Event::Opening(opening::Event::Shown(None)));
}
