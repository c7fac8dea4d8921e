// SPDX-License-Identifier: GPL-2.0-only

//! What tells subsystems and namespaces apart, and how Linux has always written
//! it: programs and udev rules compare these texts.

use core::fmt::{Display, Formatter, Result, Write};

use super::{
    command::NamespaceId,
    identify::IdentifyController,
    namespace::Descriptors, //
};

/// Most bytes of an NVMe Qualified Name, the zero byte at its end included
/// (section 4.5).
const NQN_BYTES: usize = 223;

/// The NVMe Qualified Name of a discovery service.
const DISCOVERY_NQN: &[u8] = b"nqn.2014-08.org.nvmexpress.discovery";

/// A text that a device wrote: ends at the first zero byte, is padded with
/// spaces, which stay, and has a question mark for what cannot be printed.
pub(crate) struct Text<'a>(pub(crate) &'a [u8]);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let text = self.0.split(|&byte| byte == 0).next().unwrap_or_default();
        for chunk in text.utf8_chunks() {
            for character in chunk.valid().chars() {
                f.write_char(if character.is_control() {
                    '?'
                } else {
                    character
                })?;
            }
            if !chunk.invalid().is_empty() {
                f.write_char('?')?;
            }
        }
        Ok(())
    }
}

/// Bytes as hexadecimal digits.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl Display for Hex<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Bytes as pairs of hexadecimal digits with spaces between them.
pub(crate) struct SpacedHex<'a>(pub(crate) &'a [u8]);

impl Display for SpacedHex<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for (place, byte) in self.0.iter().enumerate() {
            let space = if place == 0 { "" } else { " " };
            write!(f, "{space}{byte:02x}")?;
        }
        Ok(())
    }
}

/// 16 bytes in the form of a UUID.
pub(crate) struct Uuid(pub(crate) [u8; 16]);

impl Display for Uuid {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for (place, byte) in self.0.iter().enumerate() {
            let hyphen = if matches!(place, 4 | 6 | 8 | 10) {
                "-"
            } else {
                ""
            };
            write!(f, "{hyphen}{byte:02x}")?;
        }
        Ok(())
    }
}

/// The NVMe Qualified Name of a subsystem.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct SubsystemNqn([u8; NQN_BYTES]);

impl SubsystemNqn {
    /// The name of the subsystem that a controller belongs to. A controller
    /// without one, as those of before revision 1.2.1, is taken to be all of
    /// its subsystem, and gets a name of what else tells it apart.
    pub(crate) fn of(identify: &IdentifyController) -> Self {
        let mut name = [0; NQN_BYTES];
        let length = identify.subnqn.iter().take_while(|&&byte| byte != 0);
        match length.count() {
            length @ 1..NQN_BYTES => fill(&mut name, identify.subnqn.iter().take(length)),
            _ => fill(
                &mut name,
                b"nqn.2014.08.org.nvmexpress:"
                    .iter()
                    .chain(&digits(identify.vid.get()))
                    .chain(&digits(identify.ssvid.get()))
                    .chain(&identify.serial_number)
                    .chain(&identify.model_number),
            ),
        }
        Self(name)
    }

    /// Whether it is the name that discovery services share.
    pub(crate) fn is_discovery(&self) -> bool {
        let mut discovery = [0; NQN_BYTES];
        fill(&mut discovery, DISCOVERY_NQN.iter());
        self.0 == discovery
    }
}

impl Display for SubsystemNqn {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        Text(&self.0).fmt(f)
    }
}

/// Sets the first bytes of `name`.
fn fill<'a>(name: &mut [u8], bytes: impl Iterator<Item = &'a u8>) {
    for (to, &from) in name.iter_mut().zip(bytes) {
        *to = from;
    }
}

/// Four hexadecimal digits.
fn digits(number: u16) -> [u8; 4] {
    let digit = |shift: u32| match (number >> shift) as u8 & 0xf {
        value @ 0..10 => b'0' + value,
        value => b'a' + (value - 10),
    };
    [digit(12), digit(8), digit(4), digit(0)]
}

/// The one identifier of a namespace that is the same on every host: the best
/// of those it has.
pub(crate) struct Wwid<'a> {
    pub(crate) descriptors: Descriptors,
    /// Where the namespace has no identifier, this and `nsid` make one.
    pub(crate) identify: &'a IdentifyController,
    pub(crate) nsid: NamespaceId,
}

impl Display for Wwid<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.descriptors {
            Descriptors {
                uuid: Some(uuid), ..
            } => write!(f, "uuid.{}", Uuid(uuid)),
            Descriptors {
                nguid: Some(nguid), ..
            } => write!(f, "eui.{}", Hex(&nguid)),
            Descriptors {
                eui64: Some(eui64), ..
            } => write!(f, "eui.{}", Hex(&eui64)),
            _ => write!(
                f,
                "nvme.{:04x}-{}-{}-{:08x}",
                self.identify.vid.get(),
                Hex(without_padding(&self.identify.serial_number)),
                Hex(without_padding(&self.identify.model_number)),
                self.nsid.0
            ),
        }
    }
}

fn without_padding(field: &[u8]) -> &[u8] {
    let end = field
        .iter()
        .rposition(|&byte| byte != b' ' && byte != 0)
        .map_or(0, |last| last + 1);
    field.get(..end).unwrap_or_default()
}
