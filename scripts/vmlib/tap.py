# SPDX-License-Identifier: GPL-2.0-only
"""TAP as kselftests print it, read without mercy: what is not a plain success is a failure.

Run as a program it tests itself.
"""

import re
import sys
from dataclasses import dataclass, field

POINT = re.compile(r"(not )?ok\b *(\d+)? *-? *(.*?)(?: *# *(SKIP|TODO|XFAIL|XPASS)\b.*)?", re.I)
PLAN = re.compile(r"1\.\.(\d+)(.*)")


@dataclass
class Report:
    """What a program's output comes to."""

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def read(output: list[str], status: int) -> Report:
    """Judge a program by its output and its exit status."""
    report = Report()
    planned: int | None = None
    for line in (line.rstrip() for line in output):
        if plan := PLAN.fullmatch(line):
            planned = int(plan.group(1)) + (planned or 0)
        elif line.startswith("Bail out!"):
            report.failed.append(line)
        elif point := POINT.fullmatch(line):
            _judge(report, point)
    count = len(report.passed) + len(report.failed)
    if planned is None:
        report.failed.append("no plan (1..N) in its output")
    elif planned != count:
        report.failed.append(f"{planned} tests planned, {count} reported")
    elif not count:
        report.failed.append("no tests in it")
    if status and not report.failed:
        report.failed.append(f"exit status {status}, though nothing failed")
    return report


def _judge(report: Report, point: re.Match[str]) -> None:
    bad, _, name, directive = point.groups()
    if directive:
        report.failed.append(f"{name}: {directive.upper()}: a test must run and pass")
    elif bad:
        report.failed.append(name or "unnamed")
    else:
        report.passed.append(name or "unnamed")


# Output, exit status, passed, failed.
SELF_TEST = [
    ("TAP version 13\n1..2\n# RUN\nok 1 a.b\nok 2 - c", 0, 2, 0),
    ("1..1\nnot ok 1 a", 1, 0, 1),
    ("1..2\nok 1 a\nok 2 b # SKIP no disk", 0, 1, 1),
    ("1..0 # SKIP nothing to do", 4, 0, 1),
    ("1..1\nok 1 a # XFAIL", 0, 0, 1),
    ("1..3\nok 1 a\nok 2 b", 0, 2, 1),
    ("1..1\nok 1 a\nok 2 b", 0, 2, 1),
    ("ok 1 a", 0, 1, 1),
    ("1..1\nok 1 a", 3, 1, 1),
    ("1..1\nok 1 a\nBail out! lost", 0, 1, 2),
    ("", 0, 0, 1),
    ("1..1\nokay\nok 1 a", 0, 1, 0),
]


def self_test() -> list[str]:
    """The cases of the table which come out otherwise."""
    wrong = []
    for output, status, passed, failed in SELF_TEST:
        report = read(output.splitlines(), status)
        if (len(report.passed), len(report.failed)) != (passed, failed):
            wrong.append(f"{output!r}: {report}")
    return wrong


if __name__ == "__main__":
    found = self_test()
    print("\n".join(found) or f"tap: all {len(SELF_TEST)} cases of the self-test are right")
    sys.exit(1 if found else 0)
