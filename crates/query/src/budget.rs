//! How much work one decision may do, counted and not timed.

/// Steps (visited nodes, copied bytes ÷ 64) that are left to an evaluation.
#[derive(Debug, Clone)]
pub struct Budget {
    steps_left: u64,
}

/// The budget ran out: the evaluation ends with an error, the same on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the expression took too many steps")]
pub struct Exhausted;

impl Budget {
    /// A budget of `steps`.
    pub fn of_steps(steps: u64) -> Self {
        Self { steps_left: steps }
    }

    /// Takes `steps` away.
    ///
    /// # Errors
    /// [`Exhausted`] when fewer are left; then none are left at all.
    pub fn spend(&mut self, steps: u64) -> Result<(), Exhausted> {
        match self.steps_left.checked_sub(steps) {
            Some(left) => {
                self.steps_left = left;
                Ok(())
            }
            None => {
                self.steps_left = 0;
                Err(Exhausted)
            }
        }
    }

    /// What is left.
    pub fn steps_left(&self) -> u64 {
        self.steps_left
    }
}
