// SPDX-License-Identifier: GPL-2.0-only

mod aer_keeper;
mod capture;
mod command_table;
mod event_log;
mod hostile_controller;
mod lifecycle;
mod record;
mod ring;
mod snapshot;
mod storm;
