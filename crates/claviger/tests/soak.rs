//! Load, changes and faults all at once, on what operators run: a control node on a PostgreSQL of its own, two data
//! nodes, and an upstream. Every call has an answer, every answered call is counted, and nothing is allowed later
//! than a second after the answer to the act that ended it.
//!
//! The test command soaks for a minute; `cargo xtask soak` for as long as it is told.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "soak/act.rs"]
mod act;
#[path = "soak/adding_up.rs"]
mod adding_up;
#[path = "soak/changes.rs"]
mod changes;
#[path = "soak/connection.rs"]
mod connection;
#[path = "soak/enforcement.rs"]
mod enforcement;
#[path = "soak/faults.rs"]
mod faults;
#[path = "soak/load.rs"]
mod load;
#[path = "soak/outage.rs"]
mod outage;
#[path = "soak/population.rs"]
mod population;
#[path = "soak/presented.rs"]
mod presented;
#[path = "soak/random.rs"]
mod random;
#[path = "soak/stage.rs"]
mod stage;
#[path = "soak/tally.rs"]
mod tally;
#[path = "soak/timeline.rs"]
mod timeline;
#[path = "soak/world.rs"]
mod world;
