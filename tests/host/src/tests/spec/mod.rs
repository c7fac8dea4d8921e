// SPDX-License-Identifier: GPL-2.0-only

mod command;
mod completion;
mod effects;
mod event;
mod feature;
mod identifier;
mod identify;
mod log_page;
mod namespace;
mod opcode;
mod register;
