//! Deciding, held against the spec's table of codes and against a plain model of the world.

mod codes;
mod free;
mod limits;
mod metering;
mod model;
mod shared;
mod story;
mod together;
#[cfg(feature = "tower")]
mod tower;
