# SPDX-License-Identifier: GPL-2.0-only
"""What an event costs, from the controller to the programs."""

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

# Listeners of each kind, for people: how an event reaches a program.
PATHS = {"records": "read() of /dev/nvmeN", "uevents": "uevent, by a netlink socket"}


@dataclass
class Events:
    """What a driver takes for events; instructions, one number for each event."""

    driver: str  # ours, in-tree
    listener: str  # records, uevents
    delivery: list[int]  # from the controller's interrupt until a read() that waits for it has returned
    # By the number of those who could listen and do not:
    interrupt: dict[int, list[int]] = field(default_factory=dict)  # until what was interrupted goes on
    all_told: dict[int, list[int]] = field(default_factory=dict)  # with what the driver does thereafter

    @property
    def name(self) -> str:
        return f"{self.driver}, {PATHS[self.listener]}"

    def summary(self) -> dict[str, Any]:
        """For a file: everything, and the medians."""
        return {
            **asdict(self), "median_delivery": median(self.delivery),
            "median_interrupt": {listeners: median(costs) for listeners, costs in self.interrupt.items()},
            "median_all_told": {listeners: median(costs) for listeners, costs in self.all_told.items()},
        }

    def text(self) -> list[str]:
        """For the terminal."""
        lines = [f"{self.name}: {median(self.delivery):.0f} instructions to the return of read()"]
        for listeners, interrupt in self.interrupt.items():
            lines.append(f"    {listeners:5} idle listeners: {median(interrupt):.0f} in the interrupt, "
                         f"{median(self.all_told[listeners]):.0f} all told")
        return lines
