# SPDX-License-Identifier: GPL-2.0-only
"""Where the instructions of a load go: by layer, by function, and by source line of our module."""

import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import guest
from .guest import How
from .rows import Row
from .symbols import GROUPS, Frame, Symbols, calls, demangled, source_frames

ORDER = "nop in-tree ours"
FUNCTIONS = 60
LINES = 80
MODULE = "/src/nvme_rs.ko"
OURS = "/rust/"

Window = Counter[int]


def _windows(path: Path) -> list[Window]:
    """For each run how often each address was executed."""
    windows: list[Window] = []
    with path.open() as lines:
        for line in lines:
            if line == "window\n":
                windows.append(Counter())
            else:
                address, count = line.split()
                windows[-1][int(address, 16)] += int(count)
    return windows


def _table(title: str, counts: Counter[str], commands: int, most: int) -> str:
    lines = [f"{count / commands:9.1f}  {name}" for name, count in counts.most_common(most) if count / commands >= 0.5]
    return "\n".join([f"-- {title}", *lines, ""])


@dataclass
class Source:
    """What our module executes, by its source. Code of others that was inlined counts for ours which calls it."""

    functions: Counter[str] = field(default_factory=Counter)  # as written, even if they were inlined
    lines: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)  # to functions elsewhere, and from which line


def _innermost(frames: list[Frame]) -> Frame:
    """The innermost in our own source."""
    own = [frame for frame in frames if OURS in frame.place and "/usr/" not in frame.place]
    if not own:
        return frames[0]
    return Frame(own[0].function, own[0].place[own[0].place.rindex(OURS) + 1 :])


def _source(window: Window, symbols: Symbols, base: int) -> Source:
    addresses = [address for address in window if symbols.at(address).module == "nvme_rs"]
    called = calls(MODULE)
    source = Source()
    for address, frames in zip(addresses, source_frames(MODULE, [address - base for address in addresses])):
        frame = _innermost(frames)
        source.functions[f"{frame.function} {frame.place.split(':')[0]}"] += window[address]
        source.lines[frame.place] += window[address]
        if name := called.get(address - base):
            source.calls[f"{name} by {frame.place}"] += window[address]
    return source


@dataclass
class Profile:
    """What one target executed."""

    target: str
    commands: int
    counted: float  # instructions per command by the clock of the thread
    layers: Counter[str]
    functions: Counter[str]
    source: Source

    def by_layer(self) -> dict[str, float]:
        """Instructions per command, without those of the idle loop."""
        return {name: count / self.commands for name, count in self.layers.most_common() if name != "idle"}

    def by_group(self) -> dict[str, float]:
        """The same for fewer layers."""
        return {group: sum(self.layers[layer] for layer in layers) / self.commands for group, layers in GROUPS.items()}

    def text(self) -> str:
        """For people."""
        total = sum(self.by_layer().values())
        shown = Counter({name: count for name, count in self.layers.items() if name != "idle"})
        parts = [
            f"==== {self.target}: {total:.0f} instructions per command, interrupts and other tasks included "
            f"(and {self.layers['idle'] / self.commands:.0f} idle); {self.counted:.0f} by the clock of the thread\n",
            _table("by layer", shown, self.commands, len(shown)),
            _table("by function", self.functions, self.commands, FUNCTIONS),
        ]
        if self.source.lines:
            parts.append(_table("by function of nvme_rs, inlined or not", self.source.functions, self.commands, LINES))
            parts.append(_table("by line of nvme_rs", self.source.lines, self.commands, LINES))
            parts.append(_table("calls out of nvme_rs", self.source.calls, self.commands, LINES))
        return "\n".join(parts)


def _profile(target: str, window: Window, row: Row, counted: float, symbols: Symbols, base: int) -> Profile:
    functions: Counter[str] = Counter()
    layers: Counter[str] = Counter()
    for address, count in window.items():
        symbol = symbols.at(address)
        layers[symbol.layer] += count
        if symbol.layer != "idle":
            functions[symbol.name + (f" [{symbol.module}]" if symbol.module else "")] += count
    plain = demangled([function.split(" [")[0] for function in functions])
    readable: Counter[str] = Counter()
    for function, count in functions.items():
        mangled, *module = function.split(" [")
        readable[" [".join([plain[mangled], *module])] += count
    source = _source(window, symbols, base) if target == "ours" else Source()
    return Profile(target, row.commands, counted, layers, readable, source)


def take(rows: list[Row], how: How) -> list[list[Profile]]:
    """For each row a profile of io_uring alone, the in-tree driver, ours."""
    targets = ORDER.split()
    how = replace(how, order=ORDER, profile=True, trace=False, twice=False, events=False)
    with tempfile.TemporaryDirectory(prefix="nvme_rs-bench-") as name:
        share = Path(name)
        results = guest.run(rows, how, share).results
        windows = _windows(share / "profile")
        symbols = Symbols(share / "kallsyms")
        base = int((share / "text-base").read_text(), 16)
    if len(windows) != len(rows) * len(targets):
        sys.exit(f"bench: {len(rows) * len(targets)} runs, but {len(windows)} windows")
    return [
        [_profile(target, windows[index * len(targets) + number], row, result[target].each, symbols, base)
         for number, target in enumerate(targets)]
        for index, (row, result) in enumerate(zip(rows, results))
    ]


def text(row: Row, profiles: list[Profile]) -> str:
    """All of a row, for people."""
    return "\n".join([f"{row.name} ({row.options})\n", *(profile.text() for profile in profiles)])
