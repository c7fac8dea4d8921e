# SPDX-License-Identifier: GPL-2.0-only
"""The first user space of a VM: gets to the chroot over 9p, then leaves. Made here, so that the host needs no cpio."""

import fcntl
import hashlib
import lzma
import subprocess
from pathlib import Path

MODULES = ("9pnet_virtio", "9p", "overlay")

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
fail() { echo "vm: cannot $1" > /dev/console; poweroff -f; }
mount -t proc p /proc
mount -t sysfs s /sys
mount -t devtmpfs d /dev
for m in $(cat /modules/order); do insmod /modules/$m || fail "insert $m"; done
nine() { mount -t 9p -o "trans=virtio,version=9p2000.L,msize=512000,$3" "$1" "$2" || fail "mount $1"; }
mount -t tmpfs t /rw
mkdir -p /rw/upper /rw/work
nine root /lower ro,cache=loose
mount -t overlay -o lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work o /new || fail "mount the overlay"
nine share /new/share cache=none
nine src /new/src ro,cache=none
for d in proc sys dev; do mount --move /$d /new/$d; done
mkdir -p /new/dev/pts /new/dev/shm
mount -t devpts dp /new/dev/pts
mount -t tmpfs ds /new/dev/shm
mount -t debugfs dbg /new/sys/kernel/debug
mount -t tracefs trc /new/sys/kernel/tracing
mount -t tmpfs tt /new/tmp
mount -t tmpfs rr /new/run
cp -r /vm /new/run/vm
cp /bin/busybox /new/run/vm/busybox
ip link set lo up
exec switch_root /new /bin/bash /run/vm/start
"""

DIRECTORIES = ("bin", "dev", "proc", "sys", "lower", "rw", "new", "modules")


class Archive:
    """A cpio archive in the kernel's "newc" form."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.inode = 0

    def _entry(self, name: str, mode: int, content: bytes = b"", device: tuple[int, int] = (0, 0)) -> None:
        self.inode += 1
        path = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(path), 0)
        self.data += b"070701" + b"".join(b"%08x" % value for value in fields) + path
        self._align()
        self.data += content
        self._align()

    def _align(self) -> None:
        self.data += bytes(-len(self.data) % 4)

    def directory(self, name: str) -> None:
        self._entry(name, 0o040755)

    def file(self, name: str, content: bytes, mode: int = 0o644) -> None:
        self._entry(name, 0o100000 | mode, content)

    def character_device(self, name: str, major: int, minor: int) -> None:
        self._entry(name, 0o020600, device=(major, minor))

    def finish(self) -> bytes:
        self._entry("TRAILER!!!", 0)
        return bytes(self.data) + bytes(-len(self.data) % 512)


def _module_files(root: Path, version: str) -> list[Path]:
    """The modules the VM boots with, each after what it needs."""
    files: list[Path] = []
    for module in MODULES:
        output = subprocess.run(
            ["chroot", root, "/usr/sbin/modprobe", "-S", version, "--show-depends", module],
            check=True, capture_output=True, text=True,
        ).stdout
        for line in output.splitlines():
            action, *rest = line.split()
            if action == "insmod":
                path = (root / rest[0].lstrip("/")).resolve()
                if path not in files:
                    files.append(path)
    return files


def _base(busybox: Path, modules: list[Path]) -> bytes:
    archive = Archive()
    for name in DIRECTORIES:
        archive.directory(name)
    archive.character_device("dev/console", 5, 1)
    archive.file("bin/busybox", busybox.read_bytes(), 0o755)
    archive.file("init", INIT.encode(), 0o755)
    names = []
    for path in modules:
        content = path.read_bytes()
        if path.suffix == ".xz":
            content, path = lzma.decompress(content), path.with_suffix("")
        names.append(path.name)
        archive.file(f"modules/{path.name}", content)
    archive.file("modules/order", "\n".join(names).encode())
    return archive.finish()


def base(cache: Path, root: Path, version: str | None) -> bytes:
    """The part which depends on the kernel alone, from the cache. Without a version: for a kernel with 9p built in."""
    busybox = root / "usr/bin/busybox"
    stamp = root / f".nvme_rs/unpacked-{version}"
    if not stamp.exists():
        stamp = root / ".nvme_rs/packages"
    key = hashlib.sha256(Path(__file__).read_bytes() + stamp.read_bytes()).hexdigest()[:16]
    made = cache / "initramfs" / f"{version or 'builtin'}-{key}"
    made.parent.mkdir(exist_ok=True)
    # VMs which start together would each make it, and take it away from the others.
    with open(made.parent / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            for old in made.parent.glob(f"{version or 'builtin'}-*"):
                old.unlink(missing_ok=True)
            new = made.with_suffix(".new")
            new.write_bytes(_base(busybox.resolve(), _module_files(root, version) if version else []))
            new.rename(made)
        return made.read_bytes()


def with_files(base_archive: bytes, files: dict[str, str]) -> bytes:
    """The initramfs of one run: the kernel unpacks archives one after the other."""
    archive = Archive()
    archive.directory("vm")
    for name, content in files.items():
        archive.file(f"vm/{name}", content.encode())
    return base_archive + archive.finish()
