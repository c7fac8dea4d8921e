# SPDX-License-Identifier: GPL-2.0-only
"""What in a kernel log means that something went wrong, whatever the tests say. Read by the guest too."""

import re
import sys

SPLAT = re.compile(
    r"BUG:|\bBUG at |WARNING:|Oops|general protection fault|Kernel panic|kernel panic|Call Trace:|rust_kernel: panicked"
    r"|KASAN:|KCSAN:|KMSAN:|UBSAN:|kmemleak:.*suspected|DMA-API:.*(error|device driver|cacheline)"
    r"|rcu:? .*(detected|self-detected).* stall|INFO: task .* blocked for more than|soft lockup|hard LOCKUP"
    r"|INFO: possible (circular|recursive|irq)|inconsistent lock state|suspicious RCU usage|refcount_t:|list_(add|del) corruption"
    r"|Unknown symbol|sleeping function called"
    r"|nvme_rs.*\bbug\b|nvme_rs: unknown parameter"
)


def splats(log: str) -> list[str]:
    """The lines which tell of a defect."""
    return [line for line in log.splitlines() if SPLAT.search(line)]


if __name__ == "__main__":
    found = splats(sys.stdin.read())
    print("\n".join(found))
    sys.exit(1 if found else 0)
