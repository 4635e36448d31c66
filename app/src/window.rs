//! Opens the system's window. It draws with the GPU that kernels run on, if there is one; else with wgpu as eframe sets it up, else with OpenGL, else the reason
//! is one sentence. Where the GPU fails while the window is open, the window opens again with the next of these, and nothing that was open or running is lost.

use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use eframe::egui_wgpu::{WgpuSetup, WgpuSetupExisting, wgpu};
use umbra_core::device::{Adapter, AdapterKind, Gpu};
use umbra_core::project::Project;
use umbra_core::workbench::devices::Devices;
use umbra_core::workbench::passes::Speeds;

use crate::app::{App, Shown};
use crate::arguments::{Arguments, Renderer};
use crate::dialogs::SystemDialogs;
use crate::persist;
use crate::state::devices::DevicesState;
use crate::state::layout::Layout;
use crate::state::passes::PassesState;
use crate::state::places::Places;
use crate::state::requests::{library, navigation};
use crate::state::{AppState, Event, log};
use crate::theme;

/// Smallest size at which nothing overlaps or is cut.
const SMALLEST: [f32; 2] = [1000.0, 700.0];

/// Size at the first start.
const FIRST: [f32; 2] = [1440.0, 900.0];

/// How the window draws.
#[derive(Debug)]
enum Drawing {
    /// With the device that kernels run on.
    Shared(Gpu),
    /// With a device of its own: of any adapter, or of a graphics processor alone.
    Own { any: bool },
    /// With OpenGL.
    OpenGl,
}

impl Drawing {
    /// The device that kernels run on too.
    fn gpu(&self) -> Option<&Gpu> {
        match self {
            Self::Shared(gpu) => Some(gpu),
            Self::Own { .. } | Self::OpenGl => None,
        }
    }
}

impl fmt::Display for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared(gpu) => f.write_str(&gpu.label()),
            Self::Own { .. } => f.write_str("wgpu"),
            Self::OpenGl => f.write_str("OpenGL"),
        }
    }
}

/// Runs the window until it is closed; an error is one sentence.
pub fn open(arguments: &Arguments) -> Result<(), String> {
    let app: RefCell<Option<App>> = RefCell::default();
    let mut reasons: Vec<String> = vec![];
    for drawing in drawings(arguments.renderer) {
        let why = reasons.last().map(String::as_str);
        let attempt = catch_unwind(AssertUnwindSafe(|| run(arguments, &drawing, &app, why)));
        let begun = app.borrow();
        let reason = match (attempt, &*begun) {
            (Ok(Ok(())), Some(app)) => match app.lost() {
                Some(lost) => lost.to_owned(),
                None => return Ok(()),
            },
            (Ok(Ok(())), None) => return Ok(()),
            (Ok(Err(error)), _) => format!("{drawing}: {error}"),
            (Err(_), None) => format!("{drawing}: a system library is missing"),
            (Err(_), Some(_)) => format!("{drawing}: the window could not be drawn"),
        };
        reasons.push(reason);
    }
    let reasons = reasons.join("; ").replace('\n', " ");
    Err(format!(
        "cannot open a window ({reasons}): start Umbra in a graphical session, or use the command line (umbra --help)"
    ))
}

/// Ways to draw, in the order in which they are tried.
fn drawings(renderer: Option<Renderer>) -> impl Iterator<Item = Drawing> {
    // An explicit choice takes what there is; by itself a processor that plays a graphics processor is slower than OpenGL.
    let any = renderer.is_some();
    let [wgpu, opengl] =
        [Renderer::Wgpu, Renderer::Glow].map(|one| renderer.is_none_or(|r| r == one));
    let shared = wgpu.then(|| shared(any)).flatten().map(Drawing::Shared);
    let own = wgpu.then_some(Drawing::Own { any });
    let opengl = opengl.then_some(Drawing::OpenGl);
    shared.into_iter().chain(own).chain(opengl)
}

/// Opens the adapter that a window draws with by itself: a graphics card before one that shares the processor's memory. None where it cannot be opened: kernels
/// will say why.
fn shared(any: bool) -> Option<Gpu> {
    let mut adapters = Adapter::all();
    adapters.retain(|adapter| any || adapter.kind() != AdapterKind::Software);
    adapters.sort_by_key(|adapter| match adapter.kind() {
        AdapterKind::Discrete => 0,
        AdapterKind::Integrated => 1,
        AdapterKind::Other => 2,
        AdapterKind::Software => 3,
    });
    adapters.first()?.open().ok()
}

/// Runs a window until it is closed. `why` is the reason that the attempt before this one ended.
fn run(
    arguments: &Arguments,
    drawing: &Drawing,
    app: &RefCell<Option<App>>,
    why: Option<&str>,
) -> eframe::Result {
    let mut viewport = egui::ViewportBuilder::default()
        .with_title("Umbra")
        .with_app_id("umbra")
        .with_icon(theme::window_icon())
        .with_min_inner_size(SMALLEST)
        .with_inner_size(arguments.size.unwrap_or(FIRST));
    viewport = viewport.with_drag_and_drop(true);
    let mut options = eframe::NativeOptions {
        viewport,
        renderer: match drawing {
            Drawing::Shared(_) | Drawing::Own { .. } => eframe::Renderer::Wgpu,
            Drawing::OpenGl => eframe::Renderer::Glow,
        },
        persist_window: arguments.size.is_none(),
        // Scripts that our own fonts lack (Hebrew, Arabic, Chinese, Japanese, Korean) are drawn with the system's.
        system_font_fallback: true,
        ..eframe::NativeOptions::default()
    };
    let setup = &mut options.wgpu_options.wgpu_setup;
    match (drawing, &mut *setup) {
        (Drawing::Shared(gpu), _) => *setup = WgpuSetup::Existing(existing(gpu)),
        (Drawing::Own { any: false }, WgpuSetup::CreateNew(new)) => {
            new.native_adapter_selector = Some(Arc::new(hardware));
        }
        _ => {}
    }
    eframe::run_native(
        "umbra",
        options,
        Box::new(move |creation| {
            // From here on the window draws with it.
            if let Some(gpu) = drawing.gpu() {
                gpu.share_with_window();
            }
            let mut kept = app.borrow_mut();
            match &mut *kept {
                Some(app) => {
                    let why = why.unwrap_or_default();
                    app.open_again(&creation.egui_ctx, why, &drawing.to_string());
                }
                None => *kept = Some(begin(arguments, creation, drawing)),
            }
            Ok(Box::new(Shown(app)))
        }),
    )
}

/// Parts of `gpu`, for eframe.
fn existing(gpu: &Gpu) -> WgpuSetupExisting {
    let (instance, adapter, device, queue) = gpu.parts();
    WgpuSetupExisting {
        instance: instance.clone(),
        adapter: adapter.clone(),
        device: device.clone(),
        queue: queue.clone(),
    }
}

/// The window at the start of the program.
fn begin(arguments: &Arguments, creation: &eframe::CreationContext<'_>, drawing: &Drawing) -> App {
    let gpu = drawing.gpu().cloned();
    let places = Places::of_system();
    let (mut settings, said) = persist::settings(places.data.as_deref());
    settings.theme = arguments.theme.unwrap_or(settings.theme);
    let last = settings
        .last
        .clone()
        .filter(|folder| Project::is_in(folder));
    let mut devices = Devices::new(places.data.as_deref());
    let speeds = Speeds::new(places.data.as_deref());
    if let Some(gpu) = &gpu {
        devices = devices.with(gpu.clone());
    }
    let mut state = AppState {
        settings,
        places,
        devices: DevicesState {
            devices,
            ..DevicesState::default()
        },
        passes: PassesState {
            speeds,
            ..PassesState::default()
        },
        ..AppState::default()
    };
    if let Some(said) = said {
        let notice = log::Notice::info(said);
        state.apply(Event::Log(log::Event::Show(notice)));
    }
    let first = match (&arguments.link, &arguments.project) {
        (Some(link), _) => navigation::Command::FollowLink(link.clone()).into(),
        (None, Some(folder)) => library::Command::OpenProject(folder.clone()).into(),
        (None, None) => match last {
            Some(folder) => library::Command::OpenProject(folder).into(),
            None => library::Command::OpenDemo.into(),
        },
    };
    let dialogs = Arc::new(SystemDialogs);
    let app = App::new(&creation.egui_ctx, state, Layout::default(), dialogs, first);
    app.drawn_with(drawing.to_string(), gpu)
}

/// The first adapter that is no processor in disguise and can draw to the window.
fn hardware(
    adapters: &[wgpu::Adapter],
    surface: Option<&wgpu::Surface<'_>>,
) -> Result<wgpu::Adapter, String> {
    let suits = |adapter: &&wgpu::Adapter| {
        adapter.get_info().device_type != wgpu::DeviceType::Cpu
            && surface.is_none_or(|surface| adapter.is_surface_supported(surface))
    };
    let found = adapters.iter().find(suits);
    found
        .cloned()
        .ok_or_else(|| "no graphics processor".to_owned())
}
