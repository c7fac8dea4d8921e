// SPDX-License-Identifier: GPL-2.0-only

//! NVMe on the wire: layouts, codes and register fields, and nothing else.
//!
//! Charter: every item states what the specification says, with its section;
//! no state, no policy, no unsafe code, nothing of the kernel. The folder is
//! compiled into the module and, unchanged, into the host tests.
//!
//! Sections are those of the NVM Express Base Specification, Revision 2.0.
//!
//! Glossary: AER, Asynchronous Event Request; CAP, Controller Capabilities;
//! CC, Controller Configuration; CQE and SQE, completion and submission queue
//! entry; CSTS, Controller Status; OAES, Optional Asynchronous Events
//! Supported; PRP, Physical Region Page; RAE, Retain Asynchronous Event.

pub(crate) mod command;
pub(crate) mod completion;
pub(crate) mod effects;
pub(crate) mod event;
pub(crate) mod feature;
pub(crate) mod identifier;
pub(crate) mod identify;
pub(crate) mod log_page;
pub(crate) mod namespace;
pub(crate) mod opcode;
pub(crate) mod register;
