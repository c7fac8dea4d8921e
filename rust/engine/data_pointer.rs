// SPDX-License-Identifier: GPL-2.0-only

//! Which way a command says where its data is: PRP entries, which every
//! controller takes, or an SGL.

use super::{
    prp::{self, DataPointer, ListMemory, Segment, Unfit},
    sgl::{self, SglSupport},
};

/// How many pages of a list it may take to describe the segments.
pub(crate) fn list_pages(
    segments: impl IntoIterator<Item = Segment> + Clone,
    sgl: SglSupport,
) -> usize {
    if of_few(segments.clone(), sgl).is_some() {
        return 0;
    }
    let pages = prp::count_pages(segments.clone());
    let blocks = segments.into_iter().take(2).count();
    prp::list_pages(pages).max(sgl::list_pages(blocks))
}

/// Describes the segments, of which there is at least one, in the shortest way.
///
/// # Errors
///
/// Why PRP entries cannot, if an SGL cannot either; [`Unfit::TooLong`] if `list`
/// has fewer pages than [`list_pages`] says.
pub(crate) fn describe(
    segments: impl IntoIterator<Item = Segment> + Clone,
    sgl: SglSupport,
    list: &mut impl ListMemory,
) -> Result<DataPointer, Unfit> {
    if let Some(pointer) = of_few(segments.clone(), sgl) {
        return Ok(pointer);
    }
    let pages = prp::count_pages(segments.clone());
    prp::describe(segments.clone(), pages, list).or_else(|unfit| {
        let mut count = 0;
        for segment in segments.clone() {
            count += 1;
            if count > sgl::SEGMENTS_MAX || !sgl.takes(segment) {
                return Err(unfit);
            }
        }
        sgl::describe(segments, count, list)
    })
}

/// As [`in_command`].
fn of_few(segments: impl IntoIterator<Item = Segment>, sgl: SglSupport) -> Option<DataPointer> {
    let mut segments = segments.into_iter();
    match (segments.next()?, segments.next(), segments.next()) {
        (first, second, None) => in_command(first, second, || sgl),
        _ => None,
    }
}

/// Describes memory in the command itself; `None` if that takes a list, or
/// cannot be done at all. `sgl` is asked only if PRP entries cannot.
#[inline]
pub(crate) fn in_command(
    first: Segment,
    second: Option<Segment>,
    sgl: impl FnOnce() -> SglSupport,
) -> Option<DataPointer> {
    if let Some(pointer) = prp::in_command(first, second) {
        return Some(pointer);
    }
    if second.is_some() || !sgl().takes(first) {
        return None;
    }
    sgl::one_block(first).ok()
}
