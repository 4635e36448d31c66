//! Opens the system's window: wgpu if there is a graphics processor for it, else glow, else one sentence.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use eframe::egui_wgpu::{WgpuSetup, wgpu};

use crate::app::App;
use crate::arguments::{Arguments, Renderer};
use crate::dialogs::SystemDialogs;
use crate::persist;
use crate::state::AppState;
use crate::state::places::Places;
use crate::state::requests::{Command, library};
use crate::theme;

/// Smallest size at which nothing overlaps or is cut.
const SMALLEST: [f32; 2] = [1000.0, 700.0];

/// Size at the first start.
const FIRST: [f32; 2] = [1440.0, 900.0];

/// Runs the window until it is closed; an error is one sentence.
pub fn open(arguments: &Arguments) -> Result<(), String> {
    let order = match arguments.renderer {
        Some(Renderer::Wgpu) => vec![eframe::Renderer::Wgpu],
        Some(Renderer::Glow) => vec![eframe::Renderer::Glow],
        None => vec![eframe::Renderer::Wgpu, eframe::Renderer::Glow],
    };
    // An explicit choice takes what there is; by itself a processor that plays a graphics processor is slower than OpenGL.
    let any_adapter = arguments.renderer.is_some();
    let mut reasons = vec![];
    for renderer in order {
        let attempt = catch_unwind(AssertUnwindSafe(|| run(arguments, renderer, any_adapter)));
        match attempt {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => reasons.push(format!("{renderer}: {error}")),
            Err(_) => reasons.push(format!("{renderer}: a system library is missing")),
        }
    }
    let reasons = reasons.join("; ").replace('\n', " ");
    Err(format!(
        "cannot open a window ({reasons}): start Umbra in a graphical session, or use the command line (umbra --help)"
    ))
}

fn run(arguments: &Arguments, renderer: eframe::Renderer, any_adapter: bool) -> eframe::Result {
    let mut viewport = egui::ViewportBuilder::default()
        .with_title("Umbra")
        .with_app_id("umbra")
        .with_icon(theme::window_icon())
        .with_min_inner_size(SMALLEST)
        .with_inner_size(arguments.size.unwrap_or(FIRST));
    viewport = viewport.with_drag_and_drop(true);
    let mut options = eframe::NativeOptions {
        viewport,
        renderer,
        persist_window: arguments.size.is_none(),
        // Scripts that our own fonts lack (Hebrew, Arabic, Chinese, Japanese, Korean) are drawn with the system's.
        system_font_fallback: true,
        ..eframe::NativeOptions::default()
    };
    if let WgpuSetup::CreateNew(setup) = &mut options.wgpu_options.wgpu_setup
        && !any_adapter
    {
        setup.native_adapter_selector = Some(Arc::new(hardware));
    }
    let arguments = arguments.clone();
    eframe::run_native(
        "umbra",
        options,
        Box::new(move |creation| {
            let (mut settings, layout) = persist::load(creation.storage);
            settings.theme = arguments.theme.unwrap_or(settings.theme);
            let state = AppState {
                settings,
                places: Places::of_system(),
                ..AppState::default()
            };
            let first = match arguments.project {
                Some(folder) => library::Command::OpenProject(folder),
                None => library::Command::OpenDemo,
            };
            let first = Command::Library(first);
            let dialogs = Arc::new(SystemDialogs);
            let app = App::new(&creation.egui_ctx, state, layout, dialogs, first);
            Ok(Box::new(app))
        }),
    )
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
