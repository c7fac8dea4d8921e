# SPDX-License-Identifier: GPL-2.0-only
"""Which function an address of the guest's kernel belongs to, and which layer a function belongs to."""

import bisect
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from vmlib import cache

KERNEL = 1 << 63
# What the compiler adds to the names of crates.
CRATE_HASH = re.compile(r"\[[0-9a-f]{16}\]")
# The modules of types: the names of these tell enough.
TYPE_PATH = re.compile(r"\b(?:\w+::)+(?=[A-Z])")
DEMANGLE = "c++filt"
CALL = re.compile(r"^\s+([0-9a-f]+): R_X86_64_PLT32\s+(\S+)-0x4$", re.M)

# The first that matches counts. Names are matched from their beginning.
LAYERS = (
    ("idle", (
        r"do_idle|cpu_?idle|default_idle|pv_native_safe_halt|native_safe_halt|arch_cpu_idle|tick_nohz|menu_|"
        r"cpuidle|haltpoll|nohz_|get_typical|ct_idle|rcu_idle|flush_smp_call_function|hrtimer_next|"
        r"hrtimer_get_next|get_next_timer|tmigr|need_update|__get_next_timer|acpi_idle|acpi_safe_halt|mwait|"
        r"sched_idle|timer_base_try")),
    ("task work", (
        r"io_req_task_work|io_req_normal_work|__io_req_task_work|io_req_local_work|io_run_local_work|"
        r"__io_run_local_work|io_cqring_do_overflow|tctx_task_work|task_work|io_handle_tw|io_uring_cmd_work|"
        r"__io_uring_cmd_do_in_task|io_move_task_work|io_run_task_work|llist_|__io_run_local|mpscq|io_local_work|"
        r"io_tw_")),
    ("io_uring", (
        r"io_|security_uring|__io_|__do_sys_io_uring|__x64_sys_io_uring|__se_sys_io_uring|fget|fput|__fget|__fput")),
    ("DMA mapping", (
        r"dma_|__dma|iommu_|__iommu|intel_iommu|swiotlb|iova_|alloc_iova|free_iova|__iova|qi_|cache_tag|domain_|"
        r"dmar|__domain|pfn_to_dma|blk_rq_dma|blk_dma|blk_map_iter|clflush|debug_dma|is_swiotlb|pci_p2pdma|"
        r"amd_iommu|pgtable|pt_|amd_cc|cc_platform|force_dma")),
    ("pinning", (
        r"gup_|__gup|pin_user|unpin|try_grab|follow_|iov_iter|import_ubuf|__import|import_iovec|bio_iov|"
        r"__bio_release|bio_release|folio|put_page|__put_|sanity_check_pinned|internal_get_user_pages|mm_account|"
        r"get_user_pages|iter_|extract|bvec|want_init|page_|__folio|lru_|is_valid_gup|p4d|pud|pmd|"
        r"__get_user_pages|compound|bio_.*page|set_page_dirty|.*node_page_state|memcg|uncharge|__pkru|__pte_offset")),
    ("block", (
        r"blk_|__blk|bio_|__bio|sbitmap|__sbitmap|rq_|__rq|elv_|wbt_|submit_bio|block_|bdev_|mempool|disk_|part_|"
        r"account_io|should_fail|kblock")),
    ("memory", (
        r"kmalloc|__kmalloc|kfree|___slab|__slab|slab_|kmem_cache|__kmem|memset|memcpy|__memset|__memcpy|"
        r"clear_page|mod_objcg|obj_cgroup|refill_obj|___cache|sheaf|__pcs|alloc_from_pcs|free_to_pcs|rmqueue|"
        r"get_page_from|__alloc_|__free_|free_unref|alloc_|get_pfnblock|prep_new")),
    ("copying from user", (
        r"_copy_from|_copy_to|copy_from|copy_to|rep_movs|__check_object|check_heap|__get_user|__put_user|"
        r"__virt_addr")),
    ("interrupt", (
        r"asm_common_interrupt|asm_sysvec|common_interrupt|sysvec|__common_interrupt|irq_|__irq|handle_|__handle|"
        r"generic_handle|apic|native_apic|x2apic|lapic|do_softirq|__do_softirq|raise_softirq|__raise_softirq|"
        r"error_entry|error_return|sync_regs|restore_regs|note_interrupt|add_interrupt|mask_|unmask_|msi_|pci_msi|"
        r"note_|record_irq|fast_mix|ack_|__x86_vector|apic_|call_on|paranoid|asm_|invoke_|tick_|hrtimer|__hrtimer|"
        r"update_process|timer|run_timer|clockevents|ktime|rcu_|__rcu|read_tsc|lapic_|get_cpu_entry|irqentry|"
        r"idtentry|irqtime|native_eoi|vector_|kick_ilb|scheduler_tick|sched_tick|update_wall")),
    ("system call", (
        r"entry_SYS|do_syscall|syscall_|x64_sys_call|__x64_sys|exit_to_user|srso|__do_sys|blk_finish|fpregs|"
        r"arch_exit|switch_fpu|audit|__audit|ptrace|clear_bhb")),
    ("scheduler", (
        r"schedule|__schedule|try_to_wake|wake_|__wake|ttwu|pick_|__pick|dequeue|enqueue|put_prev|set_next|"
        r"update_curr|update_load|__update|update_|switch_|__switch|finish_task|prepare_|autoremove|default_wake|"
        r"cpuacct|psi_|place_|sched_|select_|check_preempt|resched|wakeup_|add_wait|remove_wait|prepare_to_wait|"
        r"reweight|avg_vruntime|entity_|dl_|cgroup_|__cgroup|task_|vruntime|yield|native_sched|finish_wait|"
        r"propagate|perf_|__perf|native_load|load_new|mm_cid|sum_exec|account_|set_load|__enqueue|__dequeue|rb_|"
        r"__rb|min_vruntime|clear_buddies|hrtick|cpu_util|prandom|newidle|sugov|raw_spin_rq")),
    ("locks", (
        r"_raw_spin|__raw|mutex|__mutex|queued_|native_queued|down_|up_|rwsem|preempt|__preempt|_raw_|percpu_ref|"
        r"lock_|__srcu|srcu_")),
)
# For tables: some layers are one.
GROUPS = {
    "io_uring": ("io_uring", "system call", "user space"),
    "task work": ("task work",),
    "driver": ("nvme_rs", "in-tree nvme", "helpers called from Rust", "kernel crate, core"),
    "block layer": ("block",),
    "pinning": ("pinning",),
    "DMA mapping": ("DMA mapping",),
    "allocation": ("memory",),
    "interrupt": ("interrupt",),
    "other": ("locks", "scheduler", "copying from user", "other"),
}
_LAYERS = tuple((layer, re.compile(pattern)) for layer, pattern in LAYERS)


@dataclass(frozen=True)
class Symbol:
    """A function of the kernel or of a module."""

    name: str
    module: str

    @property
    def layer(self) -> str:
        if self.module == "nvme_rs":
            return "nvme_rs"
        if self.module in ("nvme", "nvme_core"):
            return "in-tree nvme"
        if self.name.startswith("rust_helper_"):
            return "helpers called from Rust"
        if self.name.startswith("_R"):
            return "kernel crate, core"
        for layer, pattern in _LAYERS:
            if pattern.match(self.name):
                return layer
        return "user space" if self.name == "user space" else "other"


class Symbols:
    """What /proc/kallsyms says."""

    def __init__(self, kallsyms: Path) -> None:
        found: dict[int, Symbol] = {}
        for line in kallsyms.read_text().splitlines():
            address, kind, name, *module = line.split()
            if kind in "tTwW" and int(address, 16) >= KERNEL:
                found.setdefault(int(address, 16), Symbol(name, module[0].strip("[]") if module else ""))
        self._addresses = sorted(found)
        self._symbols = [found[address] for address in self._addresses]

    def at(self, address: int) -> Symbol:
        """Whose instruction is at this address."""
        index = bisect.bisect(self._addresses, address) - 1
        return Symbol("user space", "") if address < KERNEL or index < 0 else self._symbols[index]


def _short(name: str) -> str:
    return TYPE_PATH.sub("", CRATE_HASH.sub("", name))


def demangled(names: list[str]) -> dict[str, str]:
    """What the compiler has made of them, undone."""
    output = subprocess.run([cache.TOP / "scripts/in-root", DEMANGLE], input="\n".join(names) + "\n", check=True,
                            capture_output=True, text=True).stdout.splitlines()
    return dict(zip(names, (_short(name) for name in output)))


@dataclass(frozen=True)
class Frame:
    """A function, inlined or not, and where in it an instruction comes from: file:line."""

    function: str
    place: str


def source_frames(module: str, offsets: list[int]) -> list[list[Frame]]:
    """For each offset into the module's text what it stands for, the innermost function first."""
    output = subprocess.run(
        [cache.TOP / "scripts/in-root", "addr2line", "--inlines", "--addresses", "--functions", "--demangle",
         "--section=.text", f"--exe={module}"],
        input="\n".join(f"{offset:#x}" for offset in offsets) + "\n", check=True, capture_output=True, text=True,
    ).stdout.splitlines()
    frames: list[list[Frame]] = []
    lines = iter(output)
    for line in lines:
        if line.startswith("0x"):
            frames.append([])
        else:
            frames[-1].append(Frame(_short(line), next(lines).split(" (discriminator")[0]))
    return frames


def calls(module: str) -> dict[int, str]:
    """Where in the module's text a function outside of it, or of another section, is called: offset to its name."""
    output = subprocess.run(
        [cache.TOP / "scripts/in-root", "objdump", "-dr", "--section=.text", "--no-show-raw-insn", module],
        check=True, capture_output=True, text=True).stdout
    # The opcode of a call or jump is one byte; its operand is what is relocated.
    return {int(place, 16) - 1: name for place, name in CALL.findall(output)}
