# SPDX-License-Identifier: GPL-2.0-only
"""One run of a VM: QEMU around a stock kernel, with the cache's chroot as its root."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import cache, initramfs
from .console import splats
from .hardware import Hardware, devices, FIRST_SLOT
from .qmp import Qmp, serve_guest

TIMED_OUT = 124
VM_FAILED = 125
SPLAT = 126
POWER_OFF_SECONDS = 30
POWERED_OFF = "reboot: Power down"
LIAR_SECONDS = 5
# Once in a few hundred boots an emulated machine stops before the kernel's first word. Nothing of ours has run then.
BOOT_SECONDS = 60
BOOT_ATTEMPTS = 3
DEBUG_SLOWER = 5
# The controller which lies, from `make liar`, and its socket in the work directory.
LIAR = "build/liar/debug/liar"
LIAR_SOCKET = "liar.sock"
# Everything to the console; the tasks which wait for good; what each processor does.
SYSRQ_KEYS = ("9", "w", "l")

# QEMU runs in the chroot: its libraries are there. The guest's root is the chroot again, bound to /mnt without the
# mounts inside it. Everything is mounted in a namespace which ends with QEMU. So do controllers outside of it.
ENTER = r"""
root=$1 work=$2 share=$3 src=$4
shift 4
mount --bind "$root" "$root/mnt"
for d in proc sys dev; do mount --rbind "/$d" "$root/$d"; done
mount --bind "$work" "$root/vm"
mount --bind "$share" "$root/share"
mount --bind "$src" "$root/src"
exec chroot "$root" "$@"
"""


@dataclass
class Options:
    """What can be said about a run, beyond the hardware."""

    command: str
    config: str = "default"
    smp: int = 2
    memory: str = "2G"
    append: str = ""
    qemu: list[str] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    timeout: float | None = 300
    share: Path | None = None
    console: Path | None = None
    kernel: Path | None = None
    version: str | None = None
    module: str | None = None
    debug: bool = False
    icount: bool = False
    shell: bool = False
    check_splats: bool = True


class Machine:
    """A VM from start to end; `run` does it all."""

    def __init__(self, hardware: Hardware, options: Options) -> None:
        self.hardware = hardware
        self.options = options
        self.status: int | None = None
        self.first_word = threading.Event()
        self.last_word = threading.Event()
        self.process: subprocess.Popen[bytes] | None = None
        self.liar: subprocess.Popen[bytes] | None = None
        self.qmp: Qmp | None = None

    def run(self) -> int:
        """Boot, run the command, turn off; the command's exit status, or one of ours."""
        work = Path(tempfile.mkdtemp(prefix="nvme_rs-vm-"))
        terminal = termios.tcgetattr(0) if self.options.shell and os.isatty(0) else None
        old_handlers = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            with cache.using_root() as root:
                return self._run(work, root)
        finally:
            if not self._has_ended():
                self._kill()
            if terminal:
                termios.tcsetattr(0, termios.TCSADRAIN, terminal)
            for number, handler in old_handlers.items():
                signal.signal(number, handler)
            shutil.rmtree(work, ignore_errors=True)

    @staticmethod
    def _stop(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    def _run(self, work: Path, root: Path) -> int:
        share = self.options.share or work / "share"
        share.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, BOOT_ATTEMPTS + 1):
            output = self._boot(work, root, share)
            if self.first_word.wait(self._boot_seconds()) or attempt == BOOT_ATTEMPTS:
                break
            self._ask_where_it_is()
            self._kill()
            print(f"vm: no sign of life in {self._boot_seconds():.0f} s, booting again", file=sys.stderr)
        timed_out = self._wait()
        self._end_liar()
        output.join(timeout=10)
        return self._verdict(work, timed_out)

    def _boot_seconds(self) -> float:
        return BOOT_SECONDS * (DEBUG_SLOWER if self.options.debug or self.options.icount else 1)

    def _has_ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def _kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()
        self._end_liar()

    def _end_liar(self) -> None:
        """It ends with its client; what does not is helped."""
        if self.liar:
            try:
                self.liar.wait(LIAR_SECONDS)
            except subprocess.TimeoutExpired:
                self.liar.kill()
                self.liar.wait()
            self.liar = None

    def _boot(self, work: Path, root: Path, share: Path) -> threading.Thread:
        """Start QEMU; gives the thread which passes on what the command prints."""
        hosts, guests = zip(*(socket.socketpair() for _ in range(4)))
        arguments = self._arguments(work, root, [end.fileno() for end in guests])
        enter: list[str | Path] = [
            "setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private",
            "bash", "-euc", ENTER, "vm", root, work, share, cache.TOP,
        ]
        log = open(work / "qemu.log", "wb")
        if self.hardware.liar:
            self.liar = _start_liar(enter, work)
        self.process = subprocess.Popen(
            [*enter, "qemu-system-x86_64", *arguments],
            stdin=None if self.options.shell else subprocess.DEVNULL,
            stdout=None if self.options.shell else log,
            stderr=log,
            pass_fds=[end.fileno() for end in guests],
            start_new_session=not self.options.shell,
        )
        for end in guests:
            end.close()
        return self._serve(hosts, share)

    def _serve(self, ends: tuple[socket.socket, ...], share: Path) -> threading.Thread:
        """Start what answers QEMU and the guest; gives the thread which passes on the command's output."""
        monitor, port, exit_port, out = ends
        self.qmp = Qmp(monitor, share / "qmp-events.log")
        threading.Thread(target=self.qmp.negotiate, daemon=True).start()
        threading.Thread(target=serve_guest, args=(self.qmp, port), daemon=True).start()
        self.first_word, self.last_word = threading.Event(), threading.Event()
        threading.Thread(target=self._listen, args=(exit_port, self.first_word, self.last_word), daemon=True).start()
        output = threading.Thread(target=_copy_output, args=(out,), daemon=True)
        output.start()
        return output

    def _listen(self, exit_port: socket.socket, first_word: threading.Event, last_word: threading.Event) -> None:
        """The guest says that it is up, then the command's status; the end of QEMU counts as both."""
        with exit_port.makefile("r") as lines:
            for line in lines:
                if line.strip() != "up":
                    self.status = int(line)
                    break
                first_word.set()
        first_word.set()
        last_word.set()

    def _wait(self) -> bool:
        """Wait for the end of QEMU. True: it had to be ended, because the time was up."""
        assert self.process
        try:
            known = self.last_word.wait(self.options.timeout)
            if not known:
                self._ask_where_it_is()
            self.process.wait(POWER_OFF_SECONDS if known else 0)
            return False
        except subprocess.TimeoutExpired:
            self._kill()
            return True

    def _ask_where_it_is(self) -> None:
        """Have a machine which makes no progress say, on the console, which tasks wait, and where its processors are."""
        assert self.qmp
        for key in SYSRQ_KEYS:
            keys = [{"type": "qcode", "data": name} for name in ("alt", "sysrq", key)]
            if "error" in self.qmp.execute({"execute": "send-key", "arguments": {"keys": keys}}):
                break
            time.sleep(1)
        registers = self.qmp.execute(
            {"execute": "human-monitor-command", "arguments": {"command-line": "info registers -a"}})
        print("--- processors ---", *re.findall(r"^(?:CPU#\d+|RIP=\S+)", str(registers.get("return")), re.MULTILINE),
              file=sys.stderr)

    def _verdict(self, work: Path, timed_out: bool) -> int:
        log = (work / "console").read_text(errors="replace") if (work / "console").exists() else ""
        if self.options.console:
            self.options.console.write_text(log)
        if self.hardware.sleeps and POWERED_OFF in log:
            # Seen once, after sleep: Linux had turned the machine off, and QEMU stayed.
            timed_out = False
        found = splats(log) if self.options.check_splats else []
        if self.status is None or timed_out or found:
            sys.stderr.write("--- console ---\n" + log[-8000:] + (work / "qemu.log").read_text(errors="replace")[-2000:])
        if self.status is None:
            why = f"no end after {self.options.timeout} s" if timed_out else f"{self._end_of_qemu()} before the command did"
        elif timed_out:
            why = f"the command ended with {self.status}, but the machine did not turn off in {POWER_OFF_SECONDS} s"
        elif found:
            why = f"the command ended with {self.status}, but the kernel said: {found[0].strip()}"
        else:
            return self.status
        print(f"vm: {why}", file=sys.stderr)
        if self.status is None:
            return TIMED_OUT if timed_out else VM_FAILED
        return self.status or (VM_FAILED if timed_out else SPLAT)

    def _end_of_qemu(self) -> str:
        """QEMU ends when the guest does; a signal is a defect of its own."""
        code = self.process.returncode if self.process else 0
        return f"QEMU was ended by {signal.Signals(-code).name}" if code < 0 else "the VM ended"

    def _arguments(self, work: Path, root: Path, fds: list[int]) -> list[str]:
        """Write the files of the run into `work` and give QEMU's command line for them."""
        options = self.options
        version = options.version or (None if options.kernel else cache.current_kernel())
        kernel = options.kernel or root / f"usr/lib/modules/{version}/vmlinuz.unsigned"
        if not kernel.exists():
            sys.exit(f"vm: no kernel {kernel}")
        shutil.copy(kernel, work / "kernel")
        archive = initramfs.base(cache.cache_dir(), root, version)
        (work / "initrd").write_bytes(initramfs.with_files(archive, self._guest_files()))
        nvme = devices(self.hardware, "/vm")
        for disk in nvme.disks:
            with open(work / disk, "wb") as image:
                image.truncate(self.hardware.disk_bytes)
        append = f"console=ttyS0 panic=-1 oops=panic quiet loglevel=5 sysrq_always_enabled mitigations=off {self.hardware.append} {options.append}"
        arguments = [
            "-M", "q35" + self._shared_memory(), "-accel", "tcg" + (",thread=single" if options.icount else ""), "-cpu", "max",
            "-smp", str(1 if options.icount else options.smp), "-m", options.memory,
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-kernel", "/vm/kernel", "-initrd", "/vm/initrd", "-append", append.strip(),
            "-serial", "file:/vm/console",
            *self._virtio(options.shell, fds), *nvme.arguments, *self._liar_arguments(),
        ]
        for pattern in options.trace:
            arguments += ["-trace", pattern, "-D", "/share/trace.log"]
        if options.icount:
            arguments += ["-icount", "shift=0,sleep=off"]
        for extra in (*self.hardware.qemu, *options.qemu):
            arguments += shlex.split(extra)
        return arguments

    def _virtio(self, shell: bool, fds: list[int]) -> list[str]:
        """What connects the guest with the host. Linux resets these devices when it wakes up, and 9p does not survive
        that, unless they say that they keep their state asleep, which takes a PCIe port above them."""
        arguments = [
            "-device", "virtio-rng-pci",
            *_nine_p("root", "/mnt", ",readonly=on"), *_nine_p("share", "/share"), *_nine_p("src", "/src", ",readonly=on"),
            *_ports(fds, shell),
        ]
        if not self.hardware.sleeps:
            return arguments
        ported: list[str] = ["-global", "virtio-pci.x-pcie-pm-no-soft-reset=on"]
        for number, argument in enumerate(arguments):
            if re.match(r"virtio-[a-z0-9]+-pci", argument):
                port = f"vp{number}"
                ported[-1:] = ["-device", f"pcie-root-port,id={port},chassis={64 + number}", "-device"]
                argument += f",bus={port}"
            ported.append(argument)
        return ported

    def _shared_memory(self) -> str:
        """What is not in QEMU reaches the guest's memory through a file."""
        return ",memory-backend=ram" if self.hardware.liar else ""

    def _liar_arguments(self) -> list[str]:
        if not self.hardware.liar:
            return []
        socket_path = {"type": "unix", "path": f"/vm/{LIAR_SOCKET}"}
        device = {"driver": "vfio-user-pci", "id": "liar0", "addr": f"{FIRST_SLOT:x}.0", "socket": socket_path}
        return ["-object", f"memory-backend-memfd,id=ram,share=on,size={self.options.memory}",
                "-device", json.dumps(device)]

    def _guest_files(self) -> dict[str, str]:
        options = self.options
        size = os.get_terminal_size() if options.shell and os.isatty(1) else os.terminal_size((120, 40))
        term = os.environ.get("TERM", "linux") if options.shell else "dumb"
        return {
            "start": (cache.TOP / "scripts/guest/start").read_text(),
            "command": options.command,
            "mode": "shell" if options.shell else "batch",
            "terminal": f"{size.lines} {size.columns}\n",
            "environment": "".join(f"export {name}={shlex.quote(value)}\n" for name, value in {
                "TERM": term, "NVME_RS_CONFIG": options.config, "NVME_RS_DEBUG": "1" if options.debug else "",
                "NVME_RS_MODULE": options.module or "", "SCALE": os.environ.get("SCALE", ""),
            }.items()),
        }


def _start_liar(enter: list[str | Path], work: Path) -> subprocess.Popen[bytes]:
    """Start the controller which lies; it gets the socket that QEMU will connect to."""
    if not (cache.TOP / LIAR).exists():
        sys.exit(f"vm: no {LIAR}; run: make liar")
    path = work / LIAR_SOCKET
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener, open(work / "liar.log", "wb") as log:
        listener.bind(str(path))
        listener.listen()
        return subprocess.Popen([*enter, f"/src/{LIAR}"], stdin=listener.fileno(), stdout=log, stderr=log)


def _nine_p(tag: str, path: str, more: str = "") -> list[str]:
    return ["-fsdev", f"local,id={tag},path={path},security_model=none,multidevs=remap{more}",
            "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]


def _ports(fds: list[int], shell: bool) -> list[str]:
    """QMP, the guest's way to it, the exit status, and the command's output: a port, or hvc0 for a shell."""
    monitor, port, exit_port, out = fds
    return [
        "-chardev", f"socket,id=monitor,fd={monitor}", "-object", "monitor-qmp,id=qmp,chardev=monitor",
        "-device", "virtio-serial-pci",
        *(["-chardev", "stdio,id=out,signal=off", "-device", "virtconsole,chardev=out"] if shell else
          ["-chardev", f"socket,id=out,fd={out}", "-device", "virtserialport,chardev=out,name=nvme_rs.out"]),
        "-chardev", f"socket,id=qmp,fd={port}", "-device", "virtserialport,chardev=qmp,name=nvme_rs.qmp",
        "-chardev", f"socket,id=exit,fd={exit_port}", "-device", "virtserialport,chardev=exit,name=nvme_rs.exit",
    ]


def _copy_output(out: socket.socket) -> None:
    """What the command prints, as it prints it."""
    try:
        while data := out.recv(65536):
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
    except OSError:
        pass
