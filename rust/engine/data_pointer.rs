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
        let by_prp = prp::count_pages(segments.clone());
        match by_prp {
            Ok(pages) if prp::list_pages(pages) == 0 || sgl == SglSupport::None => {
                return Ok(Self::Prp { pages })
            }
            Err(unfit) if sgl == SglSupport::None => return Err(unfit),
            Ok(_) | Err(_) => {}
        }
        let mut count = 0;
        let mut takes_all = true;
        for segment in segments {
            count += 1;
            takes_all &= count <= sgl::SEGMENTS_MAX && sgl.takes(segment);
        }
        match by_prp {
            _ if takes_all && count == 1 => Ok(Self::Sgl { segments: count }),
            // The list is half as long.
            Ok(pages) => Ok(Self::Prp { pages }),
            Err(_) if takes_all => Ok(Self::Sgl { segments: count }),
            Err(unfit) => Err(unfit),
        }
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
        segments: impl IntoIterator<Item = Segment> + Clone,
        list: &mut impl ListMemory,
    ) -> Result<DataPointer, Unfit> {
        match self {
            Self::Prp { .. } => prp::describe(segments, list),
            Self::Sgl { segments: count } => sgl::describe(segments, count, list),
        }
    }
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
