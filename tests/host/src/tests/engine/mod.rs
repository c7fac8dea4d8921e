// SPDX-License-Identifier: GPL-2.0-only

mod aborts;
mod aer_keeper;
mod buffer_list;
mod capture;
mod claim;
mod command_table;
mod data_pointer;
mod doorbell;
mod envelope;
mod event_log;
mod filter;
mod hostile_controller;
mod lane;
mod lifecycle;
mod page_run;
mod pause;
mod plain_entry;
mod policy;
mod prp;
mod record;
mod ring;
mod snapshot;
mod storm;
