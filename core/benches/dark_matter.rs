//! Dark matter: `cargo bench -p umbra-core --bench dark_matter [-- small] [-- fit|pursuit]`.
//!
//! `small` takes a smaller dictionary and fewer tokens, for a quick look; `fit` and `pursuit` run that part alone.

mod counting;
mod fit;
mod pursuit;

use umbra_core::error::Result;

use self::counting::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> Result<()> {
    let has = |word: &str| std::env::args().any(|argument| argument == word);
    let small = has("small");
    let mut out = std::io::stdout().lock();
    if !has("pursuit") {
        fit::run(small, &mut out)?;
    }
    if !has("fit") {
        pursuit::run(small, &mut out)?;
    }
    Ok(())
}
