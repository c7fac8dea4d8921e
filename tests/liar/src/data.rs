// SPDX-License-Identifier: GPL-2.0-only

//! What the controller says of itself: Identify data and log pages.

use crate::{
    command::Status,
    lie::{Lie, Lies},
};

/// Bytes of namespace 1.
pub const DISK_BYTES: usize = 4 << 20;
/// How long its logical blocks can be: powers of two.
pub const FORMATS: [u8; 2] = [9, 12];

/// How many Asynchronous Event Requests the controller holds.
pub const EVENT_REQUESTS: usize = 4;

/// MTFA: how long firmware activation may take, in units of 100 ms.
const FIRMWARE_ACTIVATION_100MS: u16 = 20;

const IDENTIFY_BYTES: usize = 4096;
const LIST_ENTRIES: u32 = 1024;
const TELEMETRY_BLOCK_BYTES: usize = 512;

/// Writes little-endian fields into a data structure.
struct Structure(Vec<u8>);

impl Structure {
    fn new() -> Self {
        Self(vec![0; IDENTIFY_BYTES])
    }

    fn put(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.0[offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Padded with spaces.
    fn put_text(self, offset: usize, bytes: usize, text: &str) -> Self {
        self.put(offset, format!("{text:bytes$}").as_bytes())
    }
}

/// What Identify returns, or what is wrong with the question.
pub fn identify(
    cns: u8,
    nsid: u32,
    set: u8,
    format: usize,
    lies: &Lies,
) -> Result<Vec<u8>, Status> {
    for (lie, byte) in [(Lie::IdentifyZeros, 0), (Lie::IdentifyOnes, 0xff)] {
        if matches!(lies.get(lie), Some(of) if of == u32::from(cns) || of == 0x100) {
            return Ok(vec![byte; IDENTIFY_BYTES]);
        }
    }
    let command_set = lies.get(Lie::CommandSet);
    let set_of = |nsid| match (nsid, command_set) {
        _ if lies.has(Lie::Administrative) => None,
        (1, _) => Some(0),
        (2, Some(set)) => Some(set as u8),
        _ => None,
    };
    match cns {
        0x01 => Ok(controller(lies)),
        0x02 => Ok(list(nsid, lies)),
        0x06 if set == 0 => Ok(Structure::new().0),
        0x00 | 0x05 if set_of(nsid) == Some(0) && set == 0 => Ok(match cns {
            0x00 => namespace(format),
            _ => Structure::new().0,
        }),
        0x03 if set_of(nsid).is_some() => {
            let eui64 = [0xfe, 0xed, 0, 0, 0, 0, 0, nsid as u8];
            let set = set_of(nsid).unwrap_or_default();
            Ok(Structure::new()
                .put(0, &[1, 8, 0, 0])
                .put(4, &eui64)
                .put(12, &[4, 1, 0, 0, set])
                .0)
        }
        0x08 if set_of(nsid).is_some() => Ok(Structure::new().put(14, &[1]).0),
        0x00 | 0x03 | 0x05 | 0x08 => Err(Status::INVALID_NAMESPACE),
        _ => Err(Status::INVALID_FIELD),
    }
}

fn controller(lies: &Lies) -> Vec<u8> {
    let administrative = lies.has(Lie::Administrative);
    let transfer_size = lies.get(Lie::TransferSize).unwrap_or(5) as u8;
    let activation_100ms = lies.get(Lie::ActivationTime).map(|time| time as u16);
    let activation_100ms = activation_100ms.unwrap_or(FIRMWARE_ACTIVATION_100MS);
    Structure::new()
        .put(0, &[0x34, 0x12, 0x34, 0x12])
        .put_text(4, 20, "LIAR0")
        .put_text(24, 40, "Liar")
        .put_text(64, 8, "1.0")
        .put(77, &[transfer_size])
        .put(80, &0x0002_0000_u32.to_le_bytes())
        .put(92, &0x300_u32.to_le_bytes()) // namespace and firmware notices
        .put(111, &[if administrative { 3 } else { 1 }])
        .put(258, &[3, EVENT_REQUESTS as u8 - 1])
        .put(261, &[0b1110]) // effects, extended data, telemetry
        .put(270, &activation_100ms.to_le_bytes())
        .put(512, &[0x66, 0x44])
        .put(516, &[if administrative { 0 } else { 2 }])
        .put(536, &lies.get(Lie::Sgls).unwrap_or(0).to_le_bytes())
        .put(768, b"nqn.2026-11.example.nvme-rs:liar")
        .0
}

fn namespace(format: usize) -> Vec<u8> {
    let blocks = (DISK_BYTES >> FORMATS[format]) as u64;
    let mut namespace = Structure::new()
        .put(0, &blocks.to_le_bytes())
        .put(8, &blocks.to_le_bytes())
        .put(16, &blocks.to_le_bytes())
        .put(25, &[FORMATS.len() as u8 - 1, format as u8]);
    for (number, shift) in FORMATS.iter().enumerate() {
        namespace = namespace.put(128 + number * 4 + 2, &[*shift]);
    }
    namespace.0
}

/// The active namespaces above `after`.
fn list(after: u32, lies: &Lies) -> Vec<u8> {
    let mut all: Vec<u32> = match lies.get(Lie::CommandSet) {
        _ if lies.has(Lie::Administrative) => Vec::new(),
        Some(_) => vec![1, 2],
        None => vec![1],
    };
    all.retain(|&nsid| nsid > after);
    if lies.has(Lie::EndlessList) {
        let last = after.saturating_add(LIST_ENTRIES);
        all = (after.saturating_add(1)..=last).collect();
    }
    if lies.has(Lie::DescendingList) {
        all = vec![9, 5, 5, 1];
    }
    let entries = all.into_iter().flat_map(u32::to_le_bytes);
    let mut bytes: Vec<u8> = entries.collect();
    bytes.resize(IDENTIFY_BYTES, 0);
    bytes
}

/// A log page from `offset` on, at least `bytes` of it; what is after its end
/// is zero.
pub fn log_page(page: u8, offset: u64, bytes: usize, lies: &Lies) -> Result<Vec<u8>, Status> {
    if lies.get(Lie::LogFails) == Some(page.into()) {
        return Err(Status::INVALID_LOG_PAGE);
    }
    let whole = match page {
        0x01 => Vec::new(),
        0x02 => vec![0, 0x2c, 0x01, 100, 10],
        0x03 => Structure::new().put(0, &[1]).put_text(8, 8, "1.0").0,
        0x04 => vec![1, 0, 0, 0],
        0x05 => effects(),
        0x07 | 0x08 => telemetry(page, lies),
        _ => return Err(Status::INVALID_LOG_PAGE),
    };
    let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
    let mut data: Vec<u8> = whole.into_iter().skip(skipped).take(bytes).collect();
    data.resize(bytes, 0);
    Ok(data)
}

/// Commands Supported and Effects: what [`crate::admin`] and
/// [`crate::controller`] take.
fn effects() -> Vec<u8> {
    let mut page = Structure::new();
    for opcode in [
        0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x08, 0x09, 0x0a, 0x0c, 0x80,
    ] {
        page = page.put(opcode * 4, &[1]);
    }
    for (opcode, effect) in [(0, 1), (1, 3), (2, 1)] {
        page = page.put(1024 + opcode * 4, &[effect]);
    }
    page.0
}

/// Data areas 1 to 3 end with blocks 1, 2 and 4. Each byte of a block but the
/// header is the block's number.
fn telemetry(page: u8, lies: &Lies) -> Vec<u8> {
    let last = lies.get(Lie::TelemetryBlocks).unwrap_or(4) as u16;
    let mut header = [0; TELEMETRY_BLOCK_BYTES];
    header[0] = page;
    for (area, last) in [1, 2, last].into_iter().enumerate() {
        header[8 + area * 2..][..2].copy_from_slice(&u16::to_le_bytes(last));
    }
    let mut whole = header.to_vec();
    for block in 1..=last {
        whole.extend([block as u8; TELEMETRY_BLOCK_BYTES]);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lie::Told;

    fn lying(lie: Lie, argument: u32) -> Lies {
        let mut lies = Lies::default();
        lies.begin(Told { lie, argument });
        lies
    }

    #[test]
    fn lists_begin_above_what_was_asked() {
        let first = |after, lies: &Lies| identify(2, after, 0, 0, lies).map(|list| list[0]);
        assert_eq!(first(0, &Lies::default()), Ok(1));
        assert_eq!(first(1, &Lies::default()), Ok(0));
        assert_eq!(first(1, &lying(Lie::CommandSet, 9)), Ok(2));
        assert_eq!(first(0, &lying(Lie::Administrative, 0)), Ok(0));
        let endless = identify(2, 1024, 0, 0, &lying(Lie::EndlessList, 0)).expect("a list");
        assert_eq!(endless[..4], 1025_u32.to_le_bytes());
        assert_eq!(endless[4092..], 2048_u32.to_le_bytes());
    }

    #[test]
    fn lies_are_about_what_they_name() {
        let lies = lying(Lie::IdentifyOnes, 1);
        assert_eq!(identify(1, 0, 0, 0, &lies), Ok(vec![0xff; 4096]));
        assert_ne!(identify(0, 1, 0, 0, &lies), Ok(vec![0xff; 4096]));
        let lies = lying(Lie::IdentifyZeros, 0x100);
        assert_eq!(identify(0x77, 0, 0, 0, &lies), Ok(vec![0; 4096]));
    }

    #[test]
    fn formats_have_blocks_of_their_length() {
        let namespace = |format| identify(0, 1, 0, format, &Lies::default()).expect("namespace 1");
        assert_eq!(namespace(0)[..4], 8192_u32.to_le_bytes());
        assert_eq!(namespace(1)[..4], 1024_u32.to_le_bytes());
        assert_eq!(namespace(1)[25..27], [1, 1]);
        assert_eq!((namespace(1)[130], namespace(1)[134]), (9, 12));
    }

    #[test]
    fn log_pages_are_read_in_pieces() {
        let honest = Lies::default();
        assert_eq!(log_page(0x03, 8, 4, &honest), Ok(b"1.0 ".to_vec()));
        assert_eq!(
            log_page(0x08, 1020, 8, &honest),
            Ok(vec![1, 1, 1, 1, 2, 2, 2, 2])
        );
        assert_eq!(log_page(0x08, 12, 2, &honest), Ok(vec![4, 0]));
        assert_eq!(log_page(0x08, 2560, 4, &honest), Ok(vec![0; 4]));
        assert_eq!(log_page(0x55, 0, 4, &honest), Err(Status::INVALID_LOG_PAGE));
    }
}
