// SPDX-License-Identifier: GPL-2.0-only

//! Which way a command says where its data is: PRP entries, which every
//! controller takes, or an SGL.

use super::{
    prp::{self, DataPointer, ListMemory, Segment, Unfit},
    sgl::{self, SglSupport},
};

/// How to describe some memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    Prp {
        /// How many memory pages it is in.
        pages: usize,
    },
    Sgl {
        /// How many data blocks it is in.
        segments: usize,
    },
}

impl Plan {
    /// The shortest way to describe `segments`, of which there is at least one.
    ///
    /// # Errors
    ///
    /// Why PRP entries cannot, if an SGL cannot either.
    pub(crate) fn new(
        segments: impl IntoIterator<Item = Segment> + Clone,
        sgl: SglSupport,
    ) -> Result<Self, Unfit> {
        let unfit = match prp::count_pages(segments.clone()) {
            // A longer list than one of PRP entries, unless it is none.
            Ok(pages) if prp::list_pages(pages) == 0 || !is_one_block(segments.clone(), sgl) => {
                return Ok(Self::Prp { pages })
            }
            Ok(_) => return Ok(Self::Sgl { segments: 1 }),
            Err(unfit) => unfit,
        };
        let mut count = 0;
        for segment in segments {
            count += 1;
            if count > sgl::SEGMENTS_MAX || !sgl.takes(segment) {
                return Err(unfit);
            }
        }
        Ok(Self::Sgl { segments: count })
    }

    /// How many pages of a list it takes.
    pub(crate) const fn list_pages(self) -> usize {
        match self {
            Self::Prp { pages } => prp::list_pages(pages),
            Self::Sgl { segments } => sgl::list_pages(segments),
        }
    }

    /// Describes the segments that the plan was made for.
    ///
    /// # Errors
    ///
    /// [`Unfit::TooLong`] if `list` has too few pages, or a segment too many
    /// bytes.
    pub(crate) fn describe(
        self,
        segments: impl IntoIterator<Item = Segment>,
        list: &mut impl ListMemory,
    ) -> Result<DataPointer, Unfit> {
        match self {
            Self::Prp { pages } => prp::describe(segments, pages, list),
            Self::Sgl { segments: count } => sgl::describe(segments, count, list),
        }
    }
}

/// Whether an SGL needs no list for the segments.
fn is_one_block(segments: impl IntoIterator<Item = Segment>, sgl: SglSupport) -> bool {
    let mut segments = segments.into_iter();
    segments.next().is_some_and(|segment| sgl.takes(segment)) && segments.next().is_none()
}

/// Describes memory in the command itself; `None` if that takes a list, or
/// cannot be done at all.
pub(crate) fn in_command(segments: &[Segment], sgl: SglSupport) -> Option<DataPointer> {
    if let Some(pointer) = prp::in_command(segments) {
        return Some(pointer);
    }
    let [segment] = *segments else {
        return None;
    };
    if !sgl.takes(segment) {
        return None;
    }
    sgl::one_block(segment).ok()
}
