//! Our pages, opened in a real browser: what a person sees of them, and what they call.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "pages/reference.rs"]
mod reference;
#[path = "pages/window.rs"]
mod window;
