# SPDX-License-Identifier: GPL-2.0-only
"""The cache which scripts/setup fills, as seen from Python."""

import fcntl
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

TOP = Path(__file__).resolve().parents[2]


def cache_dir() -> Path:
    """Same rule as in scripts/lib.sh."""
    default = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "nvme_rs")
    return Path(os.environ.get("NVME_RS_CACHE") or default).absolute()


def root_dir() -> Path:
    """The chroot."""
    return cache_dir() / "root"


def setup(debug: bool = False) -> None:
    """Fill the cache if needed; leave when that fails, setup has said why."""
    if subprocess.run([TOP / "scripts/setup", "--quiet", *(["--debug-kernel"] if debug else [])]).returncode:
        sys.exit(125)


def current_kernel() -> str:
    """The version of the kernel everything is built for."""
    return os.environ.get("NVME_RS_KERNEL") or (cache_dir() / "current").read_text().strip()


def debug_kernel() -> str:
    """The version of the debug kernel which belongs to it."""
    release = root_dir() / f"usr/src/linux-debug-{current_kernel()}/build/include/config/kernel.release"
    return release.read_text().strip()


@contextmanager
def using_root() -> Iterator[Path]:
    """Keep scripts/setup from changing the chroot meanwhile."""
    with open(cache_dir() / "root.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield root_dir()
