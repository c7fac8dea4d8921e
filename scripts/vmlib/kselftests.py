# SPDX-License-Identifier: GPL-2.0-only
"""Run the programs of tests/kselftest in VMs, one boot for each machine.

The table tests/kselftest/configs has a line for each run:

    MACHINE: [@MARK]... [@timeout=SECONDS] [PARAMETER=VALUE]... PROGRAM [ARGUMENT]...

PROGRAM is a path below tests/kselftest, PARAMETERs are the module's. The module is loaded before and unloaded after
each run, unless @noload says that the program does so itself. What takes long and finds little that other lines do not
find is left to `make soak`: @soak. The debug kernel, where all takes several times as long, runs in `make check-debug`
what is marked @check-debug, and the rest in the soak. What the stock kernel has no means for, failures on demand, is
for the debug kernel alone, @debug; what that one has none for, virtual functions, for the stock kernel alone, @stock.
A program which does more for a higher SCALE by itself is @scaled; on the debug kernel, where that would take days, it
does so only if it is marked @check-debug, too.
"""

import os
import re
import secrets
import shlex
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterator

from . import tap
from .cache import TOP
from .console import splats
from .hardware import CONFIGS

DIRECTORY = TOP / "tests/kselftest"
TABLE = DIRECTORY / "configs"
# Not in the table, since it is for the debug kernel only.
KUNIT = "../kunit/report"
TEST_SECONDS = 60
BOOT_SECONDS = 120
UNLOAD_SECONDS = 30
DEBUG_SLOWER = 5
# As SLOWEST in tests/kselftest/lib/util.h. The times of the table are those of our machine.
SLOWEST = 3
# Programs which repeat something by themselves do so SCALE times, but not more often than this.
SCALE_MOST = 10
# What tests can read in /share/trace.log.
TRACE = ("pci_nvme_aer*", "pci_nvme_admin_cmd", "pci_nvme_mmio_doorbell_*", "pci_nvme_irq_*")


@dataclass
class Test:
    """A line of the table, and what came of it."""

    machine: str
    program: str
    arguments: list[str]
    parameters: list[str]
    seconds: int = TEST_SECONDS
    load: bool = True
    soak: bool = False  # left to `make soak`
    check_debug: bool = False  # not left to it on the debug kernel
    debug_only: bool = False  # the stock kernel has no means for it
    stock_only: bool = False  # the debug kernel has none
    scaled: bool = False  # repeats by itself what it does, as SCALE says
    scan: bool = False  # on the debug kernel: look for lost memory afterwards
    output: list[str] = field(default_factory=list)
    dmesg: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    status: int | None = None
    took: float = 0  # seconds, what is around it included
    report: tap.Report = field(default_factory=tap.Report)

    @property
    def name(self) -> str:
        """As the summary has it."""
        return f"{self.machine}: " + shlex.join([*self.parameters, self.program, *self.arguments])

    def judge(self) -> None:
        """Count; the kernel log and the runner's complaints are failures like those of the program."""
        if self.status is None:
            self.report.failed.append("did not run to its end")
        elif self.errors and not self.output:
            pass
        else:
            self.report = tap.read(self.output, self.status)
        self.report.failed += self.errors + [f"kernel log: {line}" for line in splats("\n".join(self.dmesg))[:1]]


def parse_line(line: str) -> Test:
    """One line of the table; ValueError says what is wrong with it."""
    machine, colon, rest = line.partition(":")
    if not colon or machine not in CONFIGS:
        raise ValueError(f"'{machine}' is no machine; there are {', '.join(CONFIGS)}")
    test = Test(machine, "", [], [])
    words = shlex.split(rest)
    while words:
        word = words.pop(0)
        if word == "@noload":
            test.load = False
        elif word == "@soak":
            test.soak = True
        elif word == "@check-debug":
            test.check_debug = True
        elif word == "@debug":
            test.debug_only = True
        elif word == "@stock":
            test.stock_only = True
        elif word == "@scaled":
            test.scaled = True
        elif match := re.fullmatch(r"@timeout=(\d+)", word):
            test.seconds = int(match.group(1))
        elif re.fullmatch(r"\w+=\S*", word):
            test.parameters.append(word)
        else:
            test.program, test.arguments = word, words
            break
    if not test.program or test.program.startswith("@"):
        raise ValueError(f"no program in '{line}'")
    return test


def read_table(table: Path) -> list[Test]:
    """All runs, in order."""
    tests = []
    for number, line in enumerate(table.read_text().splitlines(), start=1):
        line = line.split("#")[0].strip()
        if line:
            try:
                tests.append(parse_line(line))
            except ValueError as error:
                raise SystemExit(f"{table}:{number}: {error}") from None
    return tests


def never_run(tests: list[Test]) -> list[str]:
    """Programs which were built, but which no line of the table runs."""
    listed = {test.program for test in tests}
    built = (
        path for path in DIRECTORY.rglob("*")
        if path.is_file() and os.access(path, os.X_OK) and path.open("rb").read(4) == b"\x7fELF" and path.suffix != ".o"
    )
    return sorted(name for name in (str(path.relative_to(DIRECTORY)) for path in built) if name not in listed)


def scale() -> int:
    """What SCALE says, a number since scripts/check has read it."""
    return int(os.environ.get("SCALE") or 1)


def _command(tests: list[Test], mark: str) -> str:
    return "\n".join(
        f"SCALE={scale() if test.scaled else 1} NVME_RS_LEAKS={'after' if test.scan else ''} " + shlex.join([
            "run-test", mark, str(number), str(test.seconds), "load" if test.load else "noload", " ".join(test.parameters),
            test.program, *test.arguments,
        ])
        for number, test in enumerate(tests)
    )


def _follow(lines: Iterator[str], mark: str, tests: list[Test], done: Callable[[Test], None]) -> None:
    """Sort what the guest prints into the tests; `done` hears of each as it ends."""
    sink: list[str] = []
    start = time.monotonic()
    for line in lines:
        if not line.startswith(mark):
            sink.append(line.rstrip("\r\n"))
            continue
        _, number, event, *rest = line.rstrip("\r\n").split(" ", 3)
        test, text = tests[int(number)], " ".join(rest)
        if event == "output":
            sink = test.output
        elif event == "dmesg":
            sink = test.dmesg
        elif event == "error":
            test.errors.append(text)
        elif event == "end":
            test.status, sink = int(text), []
            test.took, start = time.monotonic() - start, time.monotonic()
            done(test)


_running: set[subprocess.Popen[str]] = set()


def end_machines() -> None:
    """For who has been told to leave while threads of its are in run_machine()."""
    for vm in list(_running):
        vm.terminate()


def run_machine(machine: str, tests: list[Test], done: Callable[[Test], None], debug: bool = False,
                options: tuple[str, ...] = ()) -> str | None:
    """Boot the machine once and run its tests. Gives what was wrong with the VM as such, if anything."""
    slower = SLOWEST * (DEBUG_SLOWER if debug else 1)
    runnable = []
    for test in tests:
        if os.access(DIRECTORY / test.program, os.X_OK):
            runnable.append(test)
        else:
            test.errors.append(f"tests/kselftest/{test.program} is missing or cannot be executed")
            test.status = 1
            done(test)
    mark = f"@@{secrets.token_hex(8)}"
    for test in runnable:
        test.seconds *= slower * (min(scale(), SCALE_MOST) if test.scaled else 1)
    for test in runnable[-1:]:
        test.scan = True
    seconds = slower * BOOT_SECONDS + sum(test.seconds + slower * UNLOAD_SECONDS for test in runnable)
    command = [
        str(TOP / "scripts/vm"), "--config", machine, "--timeout", str(seconds),
        *(word for pattern in TRACE for word in ("--trace", pattern)), *(["--debug"] if debug else []), *options,
        "--", _command(runnable, mark),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as vm:
        _running.add(vm)
        try:
            assert vm.stdout
            _follow(iter(vm.stdout), mark, runnable, done)
            vm.wait()
        except BaseException:
            vm.terminate()
            raise
        finally:
            _running.remove(vm)
    for test in runnable:
        if test.status is None:
            done(test)
    return f"the VM ended with status {vm.returncode}" if vm.returncode else None
