// SPDX-License-Identifier: GPL-2.0-only

//! A ring as a list of all that was ever in it.

use crate::engine::{filter::Filter, record::Record};

pub(super) struct List {
    pub(super) all: Vec<Record>,
    pub(super) entries: usize,
}

/// Where a reader stands in a list, and what it lost since the last it was
/// told of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct At {
    pub(super) next: u64,
    pub(super) lost: u64,
}

impl List {
    pub(super) fn oldest(&self) -> u64 {
        self.all.len().saturating_sub(self.entries) as u64 + 1
    }

    pub(super) fn end(&self) -> At {
        At {
            next: self.all.len() as u64 + 1,
            lost: 0,
        }
    }

    pub(super) fn post(&mut self, record: Record) {
        let dw2 = self.all.len() as u32 + 1;
        self.all.push(Record { dw2, ..record });
    }

    /// The next record shown, and where the reader stands after it.
    pub(super) fn next(&self, filter: &Filter, mut at: At) -> (Option<Record>, At) {
        if at.next < self.oldest() {
            at.lost += self.oldest() - at.next;
            at.next = self.oldest();
        }
        while let Some(record) = self.all.get(at.next as usize - 1) {
            at.next += 1;
            if filter.shows(record) {
                let dw3 = record.dw3 | at.lost as u32;
                at.lost = 0;
                return (Some(Record { dw3, ..*record }), at);
            }
        }
        (None, at)
    }
}
