# SPDX-License-Identifier: GPL-2.0-only
"""Boots the machine with both drivers, has it run loads, and reads what came of them."""

import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from vmlib import cache
from vmlib.hardware import CONFIGS
from vmlib.machine import Machine, Options

from .events import Events
from .rows import Row

TRACE = ("pci_nvme_mmio_doorbell_sq", "pci_nvme_mmio_doorbell_cq", "pci_nvme_irq_msix")
PLUGIN = "/src/build/bench/plugin.so"
# After a doorbell, until QEMU has done what it asks for. Much more than that takes: it is for a host that is busy.
SETTLE_MS = 200
# The A B B A of the drivers, and around it what io_uring takes alone.
ORDER = "nop in-tree ours ours in-tree nop"
ROW_SECONDS = 60
BOOT_SECONDS = 360
IOMMU_PARAMETERS = "intel_iommu=on iommu.strict=1"
# The clocks of the guest are to count instructions: of how many they are asked, and what they may be off.
CALIBRATION = 1_000_000
CLOCK_TOLERANCE = 0.01
IOMMU_DEVICE = "-device intel-iommu,intremap=off"


@dataclass
class Counts:
    """What one target did in all runs of a row."""

    sleeps: int = 0
    runs: list[float] = field(default_factory=list)  # instructions per command
    traced_commands: int = 0
    traced: dict[str, int] = field(default_factory=dict)  # how often each trace event came

    @property
    def each(self) -> float:
        """Instructions per command, of the cheapest run: what disturbs one can only add to it."""
        return min(self.runs)

    def per_command(self, event: str) -> float:
        return self.traced.get(event, 0) / self.traced_commands if self.traced_commands else 0.0

    @property
    def spread(self) -> float:
        """By how much the runs differ, as a part of the cheapest."""
        return max(self.runs) / min(self.runs) - 1


Result = dict[str, Counts]


@dataclass
class How:
    """In which way the loads are run."""

    order: str = ORDER
    trace: bool = True
    profile: bool = False
    twice: bool = False  # the in-tree driver has both controllers
    iommu: bool = False
    settle: bool = True
    events: bool = False  # measure what an event costs as well
    console: Path | None = None


def build() -> None:
    """The load program and the plugin."""
    subprocess.run([cache.TOP / "scripts/in-root", "make", "-s", "-C", "tests/bench"], check=True)


def _plugin(how: How) -> list[str]:
    arguments = [f"settle={SETTLE_MS}"] if how.settle else []
    if how.profile:
        arguments.append("profile=/share/profile")
    return ["-plugin " + ",".join([PLUGIN, *arguments])] if arguments else []


def boot(command: str, share: Path, how: How, seconds: float) -> None:
    """One machine from start to end; leaves if it fails."""
    options = Options(
        command=command, config="bench", timeout=seconds, share=share, icount=True, console=how.console,
        trace=list(TRACE) if how.trace else [], qemu=_plugin(how) + ([IOMMU_DEVICE] if how.iommu else []),
        append=IOMMU_PARAMETERS if how.iommu else "",
    )
    status = Machine(CONFIGS["bench"], options).run()
    if status:
        sys.exit(f"bench: the machine ended with status {status}")


@dataclass
class Outcome:
    """What a machine left."""

    results: list[Result] = field(default_factory=list)  # of the rows asked for, in their order
    events: list[Events] = field(default_factory=list)
    clocks: tuple[int, int] = (0, 0)  # of a thread, of the processor: what they made of 1,000,000 instructions


def run(rows: list[Row], how: How, share: Path) -> Outcome:
    """All rows in one boot; what they left is in `share`."""
    (share / "jobs").write_text("".join(f"{row.options}\n" for row in rows))
    words = [word for word, wanted in (("trace", how.trace), ("twice", how.twice), ("events", how.events)) if wanted]
    boot(shlex.join(["/src/tests/bench/run", how.order, *words]), share, how, BOOT_SECONDS + ROW_SECONDS * len(rows))
    outcome = _outcome(share)
    if len(outcome.results) != len(rows):
        sys.exit(f"bench: {len(rows)} rows were asked for, {len(outcome.results)} came")
    if any(abs(clock / CALIBRATION - 1) > CLOCK_TOLERANCE for clock in outcome.clocks):
        sys.exit(f"bench: the clocks do not count instructions: {CALIBRATION} are {outcome.clocks}")
    return outcome


def measure(rows: list[Row], how: How) -> Outcome:
    """All rows in one boot."""
    with tempfile.TemporaryDirectory(prefix="nvme_rs-bench-") as share:
        return run(rows, how, Path(share))


def _outcome(share: Path) -> Outcome:
    outcome = Outcome()
    with open(share / "trace.log" if (share / "trace.log").exists() else "/dev/null", "rb") as log:
        for line in (share / "results").read_text().splitlines():
            word, *rest = line.split()
            if word == "clocks":
                outcome.clocks = (int(rest[0]), int(rest[1]))
            elif word == "event":
                _event(outcome.events, rest)
            elif word == "row":
                outcome.results.append({})
            elif word == "run":
                _run(outcome.results[-1].setdefault(rest[0], Counts()), *map(int, rest[1:]))
            elif word == "trace":
                counts = outcome.results[-1][rest[0]]
                counts.traced_commands, start, end = map(int, rest[1:])
                log.seek(start)
                counts.traced = _traced(log.read(end - start).decode(errors="replace"))
            else:
                sys.exit(f"bench: unexpected: {line}")
    return outcome


def _run(counts: Counts, commands: int, instructions: int, sleeps: int) -> None:
    counts.sleeps += sleeps
    counts.runs.append(instructions / commands)


def _event(events: list[Events], words: list[str]) -> None:
    driver, listener, what, *numbers = words
    if what == "delivery":
        events.append(Events(driver, listener, list(map(int, numbers))))
    else:
        listeners, *numbers = numbers
        end = numbers.index("-")
        events[-1].interrupt[int(listeners)] = list(map(int, numbers[:end]))
        events[-1].all_told[int(listeners)] = list(map(int, numbers[end + 1 :]))


def _traced(log: str) -> dict[str, int]:
    lines = log.splitlines()
    return {event: sum(event in line for line in lines) for event in TRACE}
