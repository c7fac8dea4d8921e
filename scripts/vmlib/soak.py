# SPDX-License-Identifier: GPL-2.0-only
"""What a soak has found, and its figures in Documentation/testing.rst.

A soak takes hours, and may be interrupted: which lines of the table have passed is kept in the cache, and they are not
run again by the next `make soak` while module and tests are the same. The figures are written line by line.
"""

import fcntl
import json
import re
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Iterable

from .cache import TOP, cache_dir
from .kselftests import Test, scale

# Whoever changes these starts anew.
SOURCES = ("rust", "include", "tests")
TESTING = TOP / "Documentation/testing.rst"
FIGURES = re.compile(r"(?<=\.\. figures of make soak\n).*?(?=\.\. end of figures\n)", re.S)


@dataclass
class Line:
    """A line of the table that was run on a kernel."""

    kernel: str
    name: str
    scaled: bool
    passed: int
    failed: int
    seconds: float
    date: str
    commit: str


def _git(*arguments: str) -> str:
    return subprocess.run(["git", "-c", "safe.directory=*", *arguments], cwd=TOP, check=True, capture_output=True,
                          text=True).stdout.strip()


class Soak:
    """The books of a soak, and one kernel with so many lines due."""

    def __init__(self, debug: bool, due: int) -> None:
        if _git("status", "--porcelain", "--untracked-files=no", "--", *SOURCES):
            sys.exit("soak: figures name a commit, and there are changes in " + ", ".join(SOURCES))
        self.kernel = "debug" if debug else "stock"
        self.state = f"SCALE={scale()} " + " ".join(_git("rev-parse", f"HEAD:{source}") for source in SOURCES)
        self.commit = _git("rev-parse", "--short", "HEAD")
        self.file = cache_dir() / "soak.json"
        self.lines: list[Line] = []
        self.due = {self.kernel: due}
        self._read()

    def _read(self) -> None:
        """What was found until now; a soak of the other kernel may run beside this one."""
        if self.file.exists():
            kept = json.loads(self.file.read_text())
            if kept["state"] == self.state:
                self.lines = [Line(**line) for line in kept["lines"]]
                self.due = kept["due"] | {self.kernel: self.due[self.kernel]}

    def passed_before(self, tests: Iterable[Test]) -> list[Line]:
        """Which of the tests need not run again."""
        names = {test.name for test in tests}
        return [line for line in self.lines if line.kernel == self.kernel and line.name in names and not line.failed]

    def add(self, test: Test) -> None:
        """One that was run."""
        line = Line(self.kernel, test.name, test.scaled, len(test.report.passed), len(test.report.failed),
                    test.took, time.strftime("%Y-%m-%d", time.gmtime()), self.commit)
        with open(cache_dir() / "soak.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._read()
            self._keep(line)

    def _keep(self, line: Line) -> None:
        self.lines = [other for other in self.lines if (other.kernel, other.name) != (line.kernel, line.name)] + [line]
        kept = {"state": self.state, "due": self.due, "lines": [asdict(line) for line in self.lines]}
        self.file.write_text(json.dumps(kept, indent=1))
        TESTING.write_text(FIGURES.sub(lambda _: self._figures(), TESTING.read_text()))

    def _figures(self) -> str:
        """A row for all lines of each kernel, and one for each line which does more for a higher SCALE."""
        dates, commits = (sorted(set(values)) for values in
                          ([line.date for line in self.lines], [line.commit for line in self.lines]))
        rows = []
        for kernel in self.due:
            its = [line for line in self.lines if line.kernel == kernel]
            if its:
                rows.append((kernel, f"{len(its)} of {self.due[kernel]}", its))
            rows += [(kernel, line.name, [line]) for line in its if line.scaled]
        return "\n".join([
            "", f"{' to '.join(dict.fromkeys([dates[0], dates[-1]]))}, commit {', '.join(commits)}, SCALE={scale()}:", "",
            ".. csv-table::", '   :header: "kernel", "lines of the table", "passed", "failed", "seconds"',
            "   :widths: 10, 54, 12, 12, 12", "",
            *(f'   "{kernel}", "{name}", {sum(line.passed for line in lines)}, {sum(line.failed for line in lines)}, '
              f"{sum(line.seconds for line in lines):.0f}" for kernel, name, lines in rows),
            "", "",
        ])
