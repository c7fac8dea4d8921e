# SPDX-License-Identifier: GPL-2.0-only
"""Puts the figures into README.md and Documentation."""

import re
from pathlib import Path
from statistics import median

from vmlib import cache

from . import plot
from .events import Events
from .report import TOLERANCE, Figure, LIMIT
from .rows import Row
from .symbols import GROUPS

README = cache.TOP / "README.md"
DETAILS = cache.TOP / "Documentation/bench.rst"
PLOT = cache.TOP / "Documentation/bench.svg"
README_BLOCK = re.compile(r"(?<=<!-- figures of make bench -->\n).*?(?=<!-- end of figures -->)", re.S)
DETAILS_BLOCK = re.compile(r"(?<=\.\. figures of make bench\n).*?(?=\.\. end of figures\n)", re.S)
BUFFERS = ("plain", "registered", "mapped", "vectored")

# Instructions per command: row, driver, group of layers.
Layers = dict[str, dict[str, dict[str, float]]]


def _versions(meta: dict[str, str], quote: str) -> str:
    return (f"{meta['date']}, commit {meta['commit']}, Debian kernel {meta['kernel']}, {meta['toolchain']}; "
            f"{quote}{meta['command']}{quote}, {meta['took']}.")


def _verdict(figures: list[Figure]) -> str:
    reached = sum(this.reached for this in figures)
    over = sum(this.is_over for this in figures)
    worst = max(this.differs for this in figures)
    twice = f" Taken in two boots, rows differ by {worst:.1%} at most." if figures[0].again else ""
    return (f"{reached} of {len(figures)} rows reach their goal; {over} are above {LIMIT}, dearer than the in-tree "
            f"driver.{twice}")


def _where(row: Row) -> str:
    pages = {"small": ", small pages", "huge": ", huge page"}[row.memory] if row.bytes > 4096 else ""
    return f"{row.size}{pages}, {row.shape}"


def _cell(this: Figure | None) -> str:
    if this is None:
        return "-"
    ratio = f"{this.ratio:.2f}" if this.reached else f"**{this.ratio:.2f}**"
    return f"{this.ours:,.0f} / {this.in_tree:,.0f} = {ratio}"


def _delivery(events: list[Events]) -> list[str]:
    """What a program waits for, and what a driver does while none does."""
    each = {(this.driver, this.listener): this for this in events}
    ours, in_tree = each[("ours", "records")], each[("in-tree", "uevents")]
    posts = [f"{median(costs):,.0f}" for costs in ours.interrupt.values()]
    listeners = [f"{number:,}" for number in ours.interrupt]
    return [
        "From the interrupt of an event to the return of the `read()` that waited for it: "
        f"{median(ours.delivery):,.0f} instructions, by a uevent of the in-tree driver {median(in_tree.delivery):,.0f} "
        f"({median(ours.delivery) / median(in_tree.delivery):.2f}). Posting one with {', '.join(listeners[:-1])} and "
        f"{listeners[-1]} idle openers: {', '.join(posts[:-1])} and {posts[-1]}.",
    ]


def _forms(figures: list[Figure]) -> list[str]:
    """Other forms of commands, beside the usual one of ours."""
    forms = ("inline", "indirect")
    found = {(_where(this.row), this.row.buffers, this.row.form): this for this in figures}
    lines = ["In plain entries, ours / ours in large ones:", "", "| | " + " | ".join(forms) + " |", "|---|---|---|"]
    for where, buffers in dict.fromkeys((where, buffers) for where, buffers, form in found if form in forms):
        cells = [_cell(found.get((where, buffers, form))) for form in forms]
        lines.append(f"| {where}, {buffers} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def readme(meta: dict[str, str], figures: list[Figure], events: list[Events]) -> str:
    """The block of README.md."""
    usual = [this for this in figures if this.row.form == "large"]
    found = {(this.row.wait, _where(this.row), this.row.buffers): this for this in usual}
    lines = ["", _versions(meta, "`"), ""]
    for wait, title in (("interrupt", "by interrupt"), ("poll", "polled")):
        lines += [f"| {title} | NOP | " + " | ".join(BUFFERS) + " |", "|---|" + "---|" * (1 + len(BUFFERS))]
        for where in dict.fromkeys(_where(this.row) for this in usual if this.row.wait == wait):
            cells = [found.get((wait, where, buffers)) for buffers in BUFFERS]
            nop = next(this.nop for this in cells if this)
            lines.append(f"| {where} | {nop:,.0f} | " + " | ".join(map(_cell, cells)) + " |")
        lines.append("")
    return "\n".join([*lines, *_forms(figures), _verdict(usual), "", *_delivery(events), "", ""])


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    def joined(cells: list[str]) -> str:
        return ", ".join(f'"{cell}"' for cell in cells)

    return [".. csv-table::", f"   :header: {joined(header)}", "", *(f"   {joined(cells)}" for cells in rows), ""]


def _rows(figures: list[Figure]) -> list[str]:
    def cells(this: Figure) -> list[str]:
        pairs = [f"{pair[0]:.2f} / {pair[1]:.2f}" for pair in (this.doorbells_sq, this.doorbells_cq, this.interrupts)]
        again = f"{this.differs:.1%}" if this.again else "-"
        mark = "" if this.reached else " (!)" if this.is_over else " (+)"
        return [this.row.name, f"{this.ours:.0f}", f"{this.in_tree:.0f}", f"{this.nop:.0f}", f"{this.ratio:.2f}{mark}",
                f"{this.row.goal:.2f}", f"{this.spread:.1%}", again, *pairs]

    header = ["load", "ours", "in-tree", "NOP", "net ratio", "goal", "spread", "again", "SQ doorbells", "CQ doorbells",
              "interrupts"]
    return _table(header, [cells(this) for this in figures])


def _layers(figures: list[Figure], layers: Layers) -> list[str]:
    if not layers:
        return ["Every row reaches its goal.", ""]
    rows = []
    for this in figures:
        if drivers := layers.get(this.row.name):
            rest = (this.ours - drivers["ours"]["driver"] - this.nop) / (this.in_tree - this.nop)
            rows.append([this.row.name, f"{this.ratio:.2f}", f"{this.row.goal:.2f}", f"{rest:.2f}", *(
                f"{drivers['ours'][group]:.0f} / {drivers['in-tree'][group]:.0f}" for group in GROUPS)])
    return ["Rows above their goal, and where their instructions go, ours / in-tree:", "",
            *_table(["load", "net ratio", "goal", "without us", *GROUPS], rows)]


def _events(events: list[Events]) -> list[str]:
    def cells(this: Events) -> list[str]:
        posting = (f"{median(this.interrupt[number]):,.0f} / {median(this.all_told[number]):,.0f}"
                   for number in this.interrupt)
        return [this.name, f"{median(this.delivery):,.0f}", *posting]

    header = ["event", "to the return of read()", *(f"posting, {number:,} idle" for number in events[0].interrupt)]
    return _table(header, [cells(this) for this in events])


def details(meta: dict[str, str], figures: list[Figure], events: list[Events], layers: Layers) -> str:
    """The block of Documentation/bench.rst."""
    usual = [this for this in figures if this.row.form == "large"]
    return "\n".join(["", _versions(meta, "``"), "", _verdict(usual), "", *_rows(figures), *_layers(figures, layers),
                      *_events(events), ""])


def _replace(path: Path, block: re.Pattern[str], text: str) -> None:
    old = path.read_text()
    if not block.search(old):
        raise SystemExit(f"bench: {path.name} has no place for figures")
    path.write_text(block.sub(lambda _: text, old))


def write(meta: dict[str, str], figures: list[Figure], events: list[Events], layers: Layers) -> None:
    """Put the figures where people look for them."""
    _replace(README, README_BLOCK, readme(meta, figures, events))
    _replace(DETAILS, DETAILS_BLOCK, details(meta, figures, events, layers))
    usual = [this for this in figures if this.row.form == "large"]
    PLOT.write_text(plot.svg(f"What a command costs, {meta['date']}, commit {meta['commit']}", usual))


def is_steady(figures: list[Figure]) -> bool:
    """Whether both boots agree."""
    return all(this.differs <= TOLERANCE for this in figures)
