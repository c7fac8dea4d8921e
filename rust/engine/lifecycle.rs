// SPDX-License-Identifier: GPL-2.0-only

//! The states of a controller and the steps between them.

/// What a controller is up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Found, never started.
    New,
    /// Takes commands and reports events.
    Live,
    /// Being stopped and started again.
    Resetting,
    /// Did not start, or does not answer. A reset may revive it.
    Dead,
    /// The driver lets go of it. Final.
    Deleting,
}

/// What happens to a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Somebody wants it reset.
    Reset,
    /// It was started.
    Started,
    /// It could not be started.
    Failed,
    /// It does not answer any more.
    Lost,
    /// The driver lets go of it.
    Delete,
}

/// The step is not possible in this state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Impossible;

impl State {
    /// The state whose number, `self as u32`, it is.
    pub(crate) const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::New,
            1 => Self::Live,
            2 => Self::Resetting,
            3 => Self::Dead,
            _ => Self::Deleting,
        }
    }

    /// The state after `step`.
    ///
    /// # Errors
    ///
    /// [`Impossible`]; the state stays as it is.
    pub(crate) const fn after(self, step: Step) -> Result<Self, Impossible> {
        match (self, step) {
            (Self::Live | Self::Dead, Step::Reset) => Ok(Self::Resetting),
            (Self::New | Self::Resetting, Step::Started) => Ok(Self::Live),
            (Self::New | Self::Resetting, Step::Failed) | (Self::Live, Step::Lost) => {
                Ok(Self::Dead)
            }
            (Self::Deleting, _) => Err(Impossible),
            (_, Step::Delete) => Ok(Self::Deleting),
            _ => Err(Impossible),
        }
    }

    /// The word for it in sysfs; the in-tree driver's words.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Live => "live",
            Self::Resetting => "resetting",
            Self::Dead => "dead",
            Self::Deleting => "deleting",
        }
    }
}
