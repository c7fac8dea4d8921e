# SPDX-License-Identifier: GPL-2.0-only
"""The rows of the table: which loads there are, and the goal of each."""

from dataclasses import dataclass
from itertools import product

# Commands of a run. What a run costs differs by a thousandth from the next, so more would tell no more.
COMMANDS = 512


@dataclass(frozen=True)
class Row:
    """A load, as bench-load takes it."""

    depth: int
    batch: int
    bytes: int
    memory: str  # small, huge
    buffers: str  # plain, registered, mapped, vectored
    wait: str = "interrupt"  # or poll
    form: str = "large"  # of the command; inline and indirect are compared with that
    commands: int = COMMANDS

    @property
    def shape(self) -> str:
        """How many at a time, in words."""
        return "QD1" if self.depth == 1 else f"QD{self.depth} batch {self.batch}"

    @property
    def size(self) -> str:
        return f"{self.bytes} B" if self.bytes < 1024 else f"{self.bytes // 1024} KiB"

    @property
    def name(self) -> str:
        """What --only looks into."""
        polled = " polled" if self.wait == "poll" else ""
        form = "" if self.form == "large" else f" {self.form}"
        return f"{self.shape} {self.size} {self.memory} {self.buffers}{polled}{form}"

    @property
    def options(self) -> str:
        """The arguments of bench-load."""
        return (f"depth={self.depth} batch={self.batch} bytes={self.bytes} memory={self.memory} buffers={self.buffers} "
                f"wait={self.wait} form={self.form} commands={self.commands}")

    @property
    def goal(self) -> float:
        """The net ratio to the in-tree driver, or to our usual form, which we want."""
        if self.form != "large":
            return {"inline": 0.95, "indirect": 1.15}[self.form]
        registered = self.buffers in ("registered", "mapped")
        if self.batch == 1:
            return 0.60
        if self.wait == "poll":
            return 0.35 if registered else 0.40
        if self.bytes == 65536:
            return 0.30 if registered else 0.40 if self.memory == "huge" else 0.50
        return 0.35 if registered else 0.40


SHAPES = ((1, 1), (32, 1), (32, 16))
# Where a page holds all of a command's data, it does not matter which size the page has.
MEMORY = ((512, "small"), (4096, "small"), (65536, "small"), (65536, "huge"))
BUFFERS = ("plain", "registered", "mapped", "vectored")
WAITS = ("interrupt", "poll")

# The whole of what can be combined: for --all.
ALL = [
    Row(depth, batch, size, memory, buffers, wait)
    for wait, (depth, batch), (size, memory), buffers in product(WAITS, SHAPES, MEMORY, BUFFERS)
]


def _is_in_table(row: Row) -> bool:
    """Every row a goal was set for, and vectored ones beside them."""
    full = row.batch == 16
    if row.wait == "poll":
        return full and row.bytes in (512, 65536) and row.memory == "small"
    return full or row.bytes == 512 or (row.bytes == 65536 and row.memory == "small")


# Other forms of a command, beside our own usual one.
FORMS = [
    Row(depth, batch, 512, "small", buffers, form=form)
    for form, (depth, batch), buffers in product(("inline", "indirect"), ((1, 1), (32, 16)), ("plain", "registered"))
]
ROWS = [row for row in ALL if _is_in_table(row)] + FORMS
QUICK = [Row(32, 16, 512, "small", "plain")]
PROFILED = [
    Row(1, 1, 512, "small", "plain"),
    Row(32, 16, 512, "small", "plain"),
    Row(32, 16, 512, "small", "registered"),
    Row(32, 16, 65536, "small", "plain"),
]


def chosen(rows: list[Row], word: str) -> list[Row]:
    """Those whose name has all words of `word`, QD1 not meaning QD16."""
    return [row for row in rows if set(word.lower().split()) <= set(row.name.lower().split())]
