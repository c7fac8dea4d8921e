// SPDX-License-Identifier: GPL-2.0-only

//! The pure layers of the kernel module, compiled a second time for the host.
//!
//! `rust/spec` and `rust/engine` are taken as they are, at the root of the
//! crate as in the module, so that `crate::spec::..` names the same thing in
//! both. Everything else here is tests.
//!
//! `PROPTEST_CASES=10000 cargo test` looks harder than the default.

// Only the tests use the layers. In a test build the lint stays on: there it
// finds what no test touches.
#![cfg_attr(
    not(test),
    expect(
        dead_code,
        unused_imports,
        reason = "the kernel module and the tests are the users"
    )
)]

#[forbid(unsafe_code)]
#[path = "../../../rust/engine/mod.rs"]
mod engine;
#[forbid(unsafe_code)]
#[path = "../../../rust/spec/mod.rs"]
mod spec;

#[cfg(test)]
mod tests;
