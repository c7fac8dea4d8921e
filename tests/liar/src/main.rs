// SPDX-License-Identifier: GPL-2.0-only

//! An NVMe controller outside of QEMU, as a vfio-user server, for tests of the
//! driver. It obeys the specification until it is told which lie to tell: on
//! its command line, or by the guest, through a capability in the PCI
//! configuration space, which answers in every state of the controller.

mod admin;
mod command;
mod controller;
mod data;
mod function;
mod io;
mod lie;
mod memory;
mod queue;
mod registers;

use std::{
    error::Error,
    io::stdin,
    os::fd::AsFd,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use clap::Parser;
use vfio_user::Server;

use controller::Controller;
use function::Function;
use lie::Told;

/// How often the controller looks whether time has brought something about.
const TICK: Duration = Duration::from_millis(5);

/// An NVMe controller which lies when it is told to. Its standard input is a
/// UNIX socket that listens; it serves the first client, QEMU's vfio-user-pci,
/// and ends with it.
#[derive(Parser)]
struct Arguments {
    /// A lie to begin with, and its argument.
    #[arg(long = "lie", value_name = "LIE[=NUMBER]")]
    lies: Vec<Told>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let mut controller = Controller::new();
    for told in arguments.lies {
        controller.lie(told);
    }
    let controller = Arc::new(Mutex::new(controller));
    let ticking = controller.clone();
    thread::spawn(move || loop {
        thread::sleep(TICK);
        function::lock(&ticking).tick();
    });
    let server = Server::from_owned_fd(
        stdin().as_fd().try_clone_to_owned()?,
        true,
        function::interrupts(),
        function::regions(),
    );
    Ok(server.run(&mut Function::new(controller))?)
}
