//! Any text as a model's name on the hub and as a list of processing steps: what is taken is printed back, and a name leads nowhere else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use umbra_core::{hub::Name, models::Processing};

fuzz_target!(|text: &str| {
    if let Ok(name) = text.parse::<Name>() {
        let printed = name.to_string();
        assert_eq!(printed.parse::<Name>().expect("its own name"), name);
        let leads_elsewhere = printed.contains("..") || printed.starts_with('/') || printed.contains(['\\', '?', '#', '%', ':']);
        assert!(!leads_elsewhere, "{printed}");
    }
    if let Ok(steps) = text.parse::<Processing>() {
        let printed = steps.to_string();
        assert_eq!(printed.parse::<Processing>().expect("its own steps").keys(), steps.keys());
    }
});
