//! Dark matter: `cargo bench -p umbra-core --bench dark_matter [-- small]`.
//!
//! `small` takes a smaller dictionary and fewer tokens, for a quick look.

mod pursuit;

use umbra_core::error::Result;

fn main() -> Result<()> {
    let small = std::env::args().any(|argument| argument == "small");
    pursuit::run(small, &mut std::io::stdout().lock())
}
