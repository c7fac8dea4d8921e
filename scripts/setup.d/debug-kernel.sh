# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Part of scripts/setup, when asked for: a kernel which finds what the distribution's forgives, built from the same
# source with scripts/debug-kernel.config, and with clang, since KASAN and Rust together need that.

readonly debug_fragment=$nvme_rs_top/scripts/debug-kernel.config

debug_source_key() { key_of "unpack_debug_source forgive_the_kernel" "$(unpack_key "$1")"; }

# A tree of its own: the one modules are built in is configured in place, and could not be built from elsewhere.
unpack_debug_source() {
	local version=$1 base new
	base=$nvme_rs_root$(debug_base_in_root "$1") new=$nvme_rs_root/usr/src/linux-debug.new
	rm -rf "$new" "$nvme_rs_root"/usr/src/linux-debug-*
	mkdir -p "$new/source"
	dpkg-deb --fsys-tarfile "$nvme_rs_cache/kernels/$version"/linux-source-*.deb |
		tar -xO --wildcards '*/linux-source-*.tar.xz' | tar -xJ --strip-components=1 -C "$new/source"
	forgive_the_kernel "$new/source"
	mv "$new" "$base"
}

# pciehp takes its reset_lock and the lock over removal of PCI devices in both orders when a device is unplugged, whichever
# driver has it. Lockdep says so, once, and is off from then on; that one lock is exempt from its proof of orders.
forgive_the_kernel() {
	local file=$1/drivers/pci/hotplug/pciehp_hpc.c init='	init_rwsem(&ctrl->reset_lock);'
	[[ $(grep -cxF "$init" "$file") = 1 ]] || { echo "$file: not as expected"; return 1; }
	sed -i "s/^$init\$/&\n\tlockdep_set_novalidate_class(\&ctrl->reset_lock);/" "$file"
	grep -qxF '	lockdep_set_novalidate_class(&ctrl->reset_lock);' "$file"
}

debug_kernel_key() {
	key_of "build_debug_kernel check_debug_config debug_make" "$(debug_source_key "$1")" \
		"$(<"$nvme_rs_root/.nvme_rs/toolchain")" "$(grep -v '^# [^C]' "$debug_fragment")"
}

# debug_make VERSION [ARGUMENTS]: make in the source, its output beside it.
debug_make() {
	local base
	base=$(debug_base_in_root "$1")
	in_root make -C "$base/source" O="$base/build" LLVM=1 -j"$(nproc)" "${@:2}"
}

# Whatever was built before is taken up again: kbuild knows what is left to do, even after a change of the fragment.
build_debug_kernel() {
	local version=$1 base build release
	base=$(debug_base_in_root "$version") build=$nvme_rs_root$(debug_base_in_root "$version")/build
	mkdir -p "$build"
	cp "$debug_fragment" "$build/fragment"
	debug_make "$version" KCONFIG_ALLCONFIG="$base/build/fragment" allnoconfig
	check_debug_config "$build"
	debug_make "$version" bzImage modules
	debug_make "$version" headers
	release=$(<"$build/include/config/kernel.release")
	rm -rf "$nvme_rs_root"/usr/lib/modules/*-nvme_rs-debug
	debug_make "$version" INSTALL_MOD_PATH=/usr modules_install
	cp "$build/arch/x86/boot/bzImage" "$nvme_rs_root/usr/lib/modules/$release/vmlinuz.unsigned"
}

# Kconfig drops in silence what it does not know or what lacks a dependency.
# shellcheck disable=SC2178,SC2128 # an array of that name belongs to another file
check_debug_config() {
	local line missing=0
	while read -r line; do
		# shellcheck disable=SC2076 # not a pattern
		if [[ $line = '# CONFIG_'*' is not set' ]]; then
			! grep -q "^${line:2:-11}=" "$1/.config" || { echo "not taken by Kconfig: $line"; missing=1; }
		elif ! grep -qxF -- "$line" "$1/.config"; then
			echo "not taken by Kconfig: $line"
			missing=1
		fi
	done < <(grep -E '^(# )?CONFIG_' "$debug_fragment")
	return "$missing"
}
