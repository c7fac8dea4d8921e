# SPDX-License-Identifier: GPL-2.0-only
"""The machines tests run on: which NVMe controllers they have, and what else differs from the plain one.

Names seen by tests: controllers nvme0, nvme1, ... from 00:10.0 on, each in a subsystem of its own; namespaces ns1, ns2,
... (of controllers after the first: nvme1-ns1, ...), which QMP can device_del and device_add again; backend disk-<name>
for each namespace, and spare0 and spare1, which nothing uses at boot.
"""

from dataclasses import dataclass, field, replace

FIRST_SLOT = 0x10
DISK_BYTES = 64 << 20
SPARES = ("spare0", "spare1")


@dataclass(frozen=True)
class Controller:
    """One `-device nvme` with its namespaces."""

    options: str = ""
    namespaces: tuple[str, ...] = ("",)
    hotplug: bool = False  # behind a root port, which makes device_del and device_add of it possible


@dataclass(frozen=True)
class Hardware:
    """A whole machine."""

    about: str
    controllers: tuple[Controller, ...]
    smp: int = 2
    disk_bytes: int = DISK_BYTES  # of each namespace
    append: str = ""
    qemu: tuple[str, ...] = ()
    extra_namespaces: tuple[str, ...] = field(default=())
    sleeps: bool = False  # can sleep: the devices that carry the root file system and the ports keep their state
    liar: bool = False  # a controller from tests/liar, at 00:10.0: controllers may have no place there


TWO_NAMESPACES = ("", "")

FORMATS = (
    "logical_block_size=4096,physical_block_size=4096",
    "ms=8",
    "ms=8,mset=1",
    "ms=8,pi=1",
    "ms=8,mset=1,pi=1",
    "logical_block_size=4096,physical_block_size=4096,ms=64,mset=1",
    "ms=16,pi=1",
)
ZONED = "zoned=on,zoned.zone_size=4M,zoned.zone_capacity=3M"
NO_ACPI_HOTPLUG = ("-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",)
UUID, NGUID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "0c4f9a3e-7b61-4d52-8f10-2233445566aa"
EUI64 = "0x0025388b01c20aff"
IDENTIFIED = (
    f"uuid={UUID},nguid={NGUID},eui64={EUI64}",
    f"nguid={NGUID},logical_block_size=4096,physical_block_size=4096,ms=8",
    f"eui64={EUI64}",
)

CONFIGS: dict[str, Hardware] = {
    "default": Hardware("one controller, two namespaces", (Controller(namespaces=TWO_NAMESPACES),)),
    "single": Hardware("one controller, one namespace", (Controller(),)),
    "aerl": Hardware(
        "three controllers which take 1, 4 and 8 event requests",
        tuple(Controller(options=f"aerl={aerl}") for aerl in (0, 3, 7)),
    ),
    "onevec": Hardware("a single MSI-X vector", (Controller("msix_qsize=1", TWO_NAMESPACES),)),
    "nomsi": Hardware("INTx only", (Controller(namespaces=TWO_NAMESPACES),), append="pci=nomsi"),
    "hotplug": Hardware(
        "a controller which can be unplugged, by the kernel's own driver of the port and not by ACPI",
        (Controller(hotplug=True),),
        qemu=NO_ACPI_HOTPLUG,
    ),
    # QEMU frees a controller's queues when its slot loses power. It dies if another processor is about to ring one of
    # their doorbells then, which it cannot be here.
    "hotplug1": Hardware(
        "as hotplug, with one processor, for unplugging under load", (Controller(hotplug=True),), smp=1, qemu=NO_ACPI_HOTPLUG
    ),
    "virtual": Hardware(
        "a controller which can have two virtual functions, and has queues and vectors to give away",
        (Controller("sriov_max_vfs=2,sriov_vq_flexible=4,sriov_vi_flexible=2,max_ioqpairs=8,msix_qsize=9", hotplug=True),),
        qemu=NO_ACPI_HOTPLUG,
    ),
    "doorbells": Hardware("a controller whose registers programs can reach", (Controller(),), append="iomem=relaxed"),
    "smp1": Hardware("one processor", (Controller(namespaces=TWO_NAMESPACES),), smp=1),
    "smp4": Hardware("four processors", (Controller(namespaces=TWO_NAMESPACES),), smp=4),
    "plainbells": Hardware(
        "a controller which takes no doorbell buffers", (Controller("dbcs=off", TWO_NAMESPACES),)
    ),
    "onequeue": Hardware("a single pair of I/O queues", (Controller("max_ioqpairs=1", TWO_NAMESPACES),)),
    "mdts1": Hardware("transfers of 8 KiB at most", (Controller("mdts=1", TWO_NAMESPACES),)),
    "mdts9": Hardware("transfers of 2 MiB, the most QEMU takes", (Controller("mdts=9", TWO_NAMESPACES),)),
    "iommu": Hardware(
        "an IOMMU which forgets what is unmapped at once",
        (Controller(namespaces=TWO_NAMESPACES),),
        append="intel_iommu=on iommu.strict=1",
        qemu=("-device intel-iommu,intremap=off",),
    ),
    "bounce": Hardware(
        "memory which controllers get copies of only", (Controller(namespaces=TWO_NAMESPACES),), append="swiotlb=force"
    ),
    "formats": Hardware("namespaces of all kinds of formats", (Controller(namespaces=FORMATS),)),
    "zoned": Hardware("a zoned namespace", (Controller(namespaces=(ZONED,)),)),
    "throttled": Hardware(
        "a second namespace whose disk can be slowed down by QMP: object throttle-group slow",
        (Controller(namespaces=("", "drive=slow-disk")),),
        qemu=(
            "-object throttle-group,id=slow",
            "-blockdev driver=throttle,node-name=slow-disk,throttle-group=slow,file=spare0,discard=unmap",
        ),
    ),
    "large": Hardware("a namespace of 320 MiB", (Controller(),), disk_bytes=320 << 20),
    "subsystem": Hardware(
        "two controllers of one subsystem, namespaces with and without identifiers",
        (Controller(namespaces=IDENTIFIED), Controller("subsys=subsys0,serial=NVMERS0", ())),
    ),
    "sleep": Hardware("a machine which can be suspended", (Controller(),), sleeps=True),
    "liar": Hardware("a controller outside of QEMU, tests/liar, which lies when it is told to", (), liar=True),
    "bench": Hardware("two equal controllers whose registers programs can reach, for scripts/bench", (Controller(), Controller()),
                      append="iomem=relaxed"),
    "none": Hardware("no controller", ()),
}


def with_ad_hoc(hardware: Hardware, controllers: list[str], namespaces: list[str]) -> Hardware:
    """Add what --nvme and --ns name."""
    added = tuple(Controller(options, namespaces=()) for options in controllers)
    return replace(
        hardware,
        controllers=hardware.controllers + added,
        extra_namespaces=hardware.extra_namespaces + tuple(namespaces),
    )


def _has(options: str, key: str) -> bool:
    return any(option.split("=")[0] == key for option in options.split(","))


def _join(*parts: str) -> str:
    return ",".join(part for part in parts if part)


@dataclass
class Devices:
    """QEMU arguments, and the disk images they expect in `directory`."""

    directory: str
    arguments: list[str] = field(default_factory=list)
    disks: list[str] = field(default_factory=list)

    def device(self, *options: str) -> None:
        self.arguments += ["-device", _join(*options)]

    def disk(self, name: str) -> str:
        """A block backend which outlives the device using it."""
        self.disks.append(f"{name}.img")
        self.arguments += [
            "-blockdev",
            f"driver=raw,node-name={name},cache.no-flush=on,discard=unmap,"
            f"file.driver=file,file.filename={self.directory}/{name}.img",
        ]
        return name

    def namespace(self, name: str, options: str) -> None:
        drive = "" if _has(options, "drive") else f"drive={self.disk('disk-' + name)}"
        self.device("nvme-ns", "" if _has(options, "id") else f"id={name}", drive, options)

    def controller(self, index: int, controller: Controller) -> None:
        name, slot, port = f"nvme{index}", f"{FIRST_SLOT + index:x}.0", ""
        options = controller.options
        if controller.hotplug:
            port = f"rp{index}"
            self.device("pcie-root-port", f"id={port}", f"chassis={index + 1}", f"slot={index + 1}", f"addr={slot}")
        if not _has(options, "subsys"):
            self.device("nvme-subsys", f"id=subsys{index}", f"nqn=subsys{index}")
            options = _join(f"subsys=subsys{index}", options)
        self.device(
            "nvme",
            "" if _has(options, "id") else f"id={name}",
            "" if _has(options, "serial") else f"serial=NVMERS{index}",
            f"bus={port}" if port else f"addr={slot}",
            options,
        )
        for nsid, extra in enumerate(controller.namespaces, start=1):
            prefix = f"{name}-" if index else ""
            self.namespace(f"{prefix}ns{nsid}", _join(f"bus={name}", f"nsid={nsid}", extra))


def devices(hardware: Hardware, directory: str) -> Devices:
    """The arguments for a machine's NVMe hardware; its disks are files in `directory`."""
    made = Devices(directory)
    for index, controller in enumerate(hardware.controllers):
        made.controller(index, controller)
    for index, options in enumerate(hardware.extra_namespaces):
        made.namespace(f"extra{index}", options)
    for name in SPARES:
        made.disk(name)
    return made
