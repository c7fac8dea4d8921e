# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced by the bash scripts: where the cache is, how to speak to the user, how to run something in the chroot.

nvme_rs_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
nvme_rs_cache=$(realpath -m "${NVME_RS_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/nvme_rs}")
nvme_rs_root=$nvme_rs_cache/root

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 1; }

require_root() {
	[[ $(id -u) = 0 ]] || die "run as root: the chroot and its mounts need it"
}

# The kernel which everything is built for and booted: $NVME_RS_KERNEL, or the newest one the cache holds.
current_kernel() {
	local version=${NVME_RS_KERNEL:-$(cat "$nvme_rs_cache/current" 2>/dev/null || true)}
	[[ -n $version ]] || die "no kernel in $nvme_rs_cache; run: make setup"
	[[ -e $nvme_rs_root/.nvme_rs/tree-$version ]] || die "kernel $version is not prepared in $nvme_rs_cache; run: make setup"
	printf '%s\n' "$version"
}

# Where the prepared tree of a kernel is, as seen inside the chroot. Moving it would rebuild all of its Rust crates.
tree_in_root() { printf '/usr/src/linux-%s\n' "$1"; }

# Where the debug kernel of a kernel version is: source/ and build/, the latter being what modules are built against.
debug_base_in_root() { printf '/usr/src/linux-debug-%s\n' "$1"; }

# Run a command in the chroot, the checkout at /src and the working directory, as if the host were Debian 13.
# All mounts are made in a mount namespace which ends with the command, so that nothing can be left behind.
in_root() {
	local pass=() name
	for name in $(compgen -e); do
		case $name in
		*_proxy | *_PROXY | CARGO_HTTP_* | CARGO_NET_* | PROPTEST_* | CI | TERM) pass+=("$name=${!name}") ;;
		esac
	done
	local lock
	if [[ -z ${nvme_rs_root_locked:-} ]]; then
		exec {lock}<"$nvme_rs_cache/root.lock"
		flock --shared --wait 2 "$lock" || { say "waiting: make setup is changing the chroot"; flock --shared "$lock"; }
	fi
	local status=0
	mkdir -p "$nvme_rs_cache/cargo"
	# shellcheck disable=SC2016 # expanded by the inner shell
	unshare --mount --propagation private -- bash -euc '
		root=$1 src=$2 cargo=$3
		shift 3
		for d in proc sys dev; do mount --rbind "/$d" "$root/$d"; done
		mount --bind "$src" "$root/src"
		mount --bind "$cargo" "$root/cargo"
		[[ ! -e /etc/resolv.conf ]] || mount --bind "$(realpath /etc/resolv.conf)" "$root/etc/resolv.conf"
		exec chroot "$root" /usr/bin/env -i -C /src \
			PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
			DEBIAN_FRONTEND=noninteractive CARGO_HOME=/cargo "$@"
	' in_root "$nvme_rs_root" "$nvme_rs_top" "$nvme_rs_cache/cargo" "${pass[@]}" "$@" || status=$?
	[[ -z ${lock:-} ]] || exec {lock}<&-
	return "$status"
}
