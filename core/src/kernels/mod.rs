//! The list of operations; each folder holds its definition (`reference.rs`), its CPU form (`cpu.rs`) and its cases (`cases.rs`).
