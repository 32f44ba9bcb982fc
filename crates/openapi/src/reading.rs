//! What both readers count while they build the tree: how deep it is, how many values it has, and where they are.

use std::cell::RefCell;

use crate::fault::{Fault, Step, pointer};

/// How deep containers may nest (product.md B3).
pub const MAX_DEPTH: usize = 64;
/// How many values a document may have: a value takes ten times the room of the bytes that it is written with.
pub(crate) const MAX_VALUES: usize = 500_000;

/// Where the reading stands, and what it has taken so far.
#[derive(Debug, Default)]
pub(crate) struct Reading(RefCell<State>);

#[derive(Debug, Default)]
struct State {
    steps: Vec<Step>,
    values: usize,
}

impl Reading {
    /// Goes down into a member or an item.
    pub(crate) fn enter(&self, step: Step) {
        self.0.borrow_mut().steps.push(step);
    }

    /// Comes back up.
    pub(crate) fn leave(&self) {
        self.0.borrow_mut().steps.pop();
    }

    /// A value begins; a container, one level further down.
    pub(crate) fn begin(&self, container: bool) -> Result<(), String> {
        let mut state = self.0.borrow_mut();
        state.values += 1;
        if state.values > MAX_VALUES {
            return Err(format!("has more than {MAX_VALUES} values"));
        }
        if container && state.steps.len() == MAX_DEPTH {
            return Err(format!("is nested deeper than {MAX_DEPTH} levels"));
        }
        Ok(())
    }

    /// The fault at the place where the reading stands.
    pub(crate) fn fault(&self, detail: impl Into<String>) -> Fault {
        Fault::new(pointer(&self.0.borrow().steps), detail)
    }
}
