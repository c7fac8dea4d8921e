// SPDX-License-Identifier: GPL-2.0-only

mod command;
mod completion;
mod event;
mod feature;
mod identify;
mod log_page;
mod register;
