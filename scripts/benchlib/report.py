# SPDX-License-Identifier: GPL-2.0-only
"""What was measured: as figures, on the terminal, and as JSON."""

import json
import os
import subprocess
import time
from dataclasses import asdict, dataclass
from typing import Any

from vmlib import cache

from .events import Events
from .guest import Result
from .rows import Row

# No row may cost more than this, in-tree being 1.
LIMIT = 1.02
# By how much the same row may differ between two boots.
TOLERANCE = 0.02

# What figures can depend on.
DRIVER = ("rust", "include", "Kbuild")

Pair = tuple[float, float]


@dataclass(frozen=True)
class Figure:
    """A row of the table; instructions are per command."""

    row: Row
    ours: float
    in_tree: float
    nop: float
    spread: float  # of the runs of either driver, as a part of the whole
    sleeps: int
    doorbells_sq: Pair  # per command: ours, in-tree
    doorbells_cq: Pair
    interrupts: Pair
    again: Pair | None = None  # ours and in-tree in a second boot

    @property
    def ratio(self) -> float:
        """Net: without what io_uring costs by itself."""
        return (self.ours - self.nop) / (self.in_tree - self.nop)

    @property
    def reached(self) -> bool:
        return round(self.ratio, 2) <= self.row.goal

    @property
    def is_over(self) -> bool:
        """Dearer than the in-tree driver, which has no other form of entry."""
        return self.row.form == "large" and round(self.ratio, 2) > LIMIT

    @property
    def differs(self) -> float:
        """By how much the second boot is off, as a part of the whole."""
        pairs = zip((self.ours, self.in_tree), self.again or (self.ours, self.in_tree))
        return max(abs(second / first - 1) for first, second in pairs)


def figure(row: Row, result: Result, again: Result | None) -> Figure:
    """One row from its counts."""
    ours, in_tree = result["ours"], result["in-tree"]

    def traced(event: str) -> Pair:
        return ours.per_command(event), in_tree.per_command(event)

    spread = max(ours.spread, in_tree.spread)
    return Figure(
        row, ours.each, in_tree.each, result["nop"].each, spread, ours.sleeps + in_tree.sleeps,
        traced("pci_nvme_mmio_doorbell_sq"), traced("pci_nvme_mmio_doorbell_cq"), traced("pci_nvme_irq_msix"),
        (again["ours"].each, again["in-tree"].each) if again else None,
    )


def _git(*arguments: str) -> str:
    return subprocess.run(["git", "-c", "safe.directory=*", *arguments], cwd=cache.TOP, check=True, capture_output=True,
                          text=True).stdout.strip()


def about(command_line: str, seconds: float) -> dict[str, str]:
    """When, on what, and how the figures were made. The commit is that which touched the driver last."""
    commit = _git("log", "-1", "--format=%h", "--", *DRIVER)
    if _git("status", "--porcelain", "--", *DRIVER):
        commit += " and changes"
    toolchain = (cache.root_dir() / ".nvme_rs/toolchain").read_text().strip()
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()), "commit": commit, "kernel": cache.current_kernel(),
        "toolchain": toolchain, "command": command_line,
        "took": f"{seconds / 60:.0f} min on {os.cpu_count()} processors",
    }


def _pair(values: Pair) -> str:
    return f"{values[0]:5.2f}:{values[1]:5.2f}"


HEADER = (f"{'instructions per command':44} {'ours':>7} {'in-tree':>7} {'NOP':>6} {'net':>6} {'goal':>5} {'spread':>6} "
          f"{'again':>6}  {'SQ doorbells':>11} {'CQ doorbells':>11} {'interrupts':>11}")


def line(this: Figure) -> str:
    """A row on the terminal."""
    verdict = "" if this.reached else "  ABOVE IN-TREE" if this.is_over else "  above goal"
    again = f"{this.differs:6.1%}" if this.again else "     -"
    return (f"{this.row.name:44} {this.ours:7.0f} {this.in_tree:7.0f} {this.nop:6.0f} {this.ratio:6.2f} "
            f"{this.row.goal:5.2f} {this.spread:6.1%} {again}  {_pair(this.doorbells_sq)} {_pair(this.doorbells_cq)} "
            f"{_pair(this.interrupts)}{verdict}")


def as_json(meta: dict[str, str], figures: list[Figure], events: list[Events], more: dict[str, Any]) -> str:
    """Everything."""
    rows = [
        {"name": this.row.name, "goal": this.row.goal, "net_ratio": round(this.ratio, 4), **asdict(this)}
        for this in figures
    ]
    everything = {"about": meta, "rows": rows, "events": [each.summary() for each in events], **more}
    return json.dumps(everything, indent=1) + "\n"
