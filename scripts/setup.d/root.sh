# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Part of scripts/setup: what the host needs, and the Debian chroot with its packages.

readonly suite=trixie

# From the suite itself. The compilers must be the ones which Debian built its kernel with.
readonly packages=(
	ca-certificates
	# building the kernel tree and the module
	build-essential gcc-14 make flex bison bc libelf-dev libssl-dev pahole cpio kmod rsync xz-utils zstd python3
	rustc rust-src rustfmt rust-clippy cargo bindgen clang lld llvm git dkms
	# tests, 32-bit programs included, and the clients they use
	gcc-multilib libc6-dev-i386 liburing-dev shellcheck mypy mandoc
	nvme-cli fio smartmontools driverctl pciutils strace jq
	# the VM
	busybox-static udev procps psmisc util-linux bsdextrautils iproute2 less
)
readonly backports=(qemu-system-x86 qemu-utils)

install_host_tools() {
	local missing=() tool
	local -A package=(
		[debootstrap]=debootstrap [python3]=python3 [git]=git [make]=make [xz]=xz-utils [flock]=util-linux
		[unshare]=util-linux [dpkg-deb]=dpkg [realpath]=coreutils
	)
	for tool in "${!package[@]}"; do
		command -v "$tool" >/dev/null || missing+=("${package[$tool]}")
	done
	[[ -e /usr/share/keyrings/debian-archive-$suite-stable.gpg ]] || missing+=(debian-archive-keyring)
	((${#missing[@]})) || return 0
	say "installing on the host: ${missing[*]}"
	local apt=(apt-get -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends)
	"${apt[@]}" install "${missing[@]}" >/dev/null 2>&1 ||
		{ "${apt[@]}" update && DEBIAN_FRONTEND=noninteractive "${apt[@]}" install "${missing[@]}" >/dev/null; } ||
		die "cannot install on the host: ${missing[*]}"
}

# The archive the host's own apt installs Debian from; a mirror list stands for its first entry.
host_mirror() {
	local uri
	# shellcheck disable=SC2016 # the variables are of apt
	uri=$(apt-get indextargets --format '$(REPO_URI)|$(COMPONENT)|$(RELEASE)' 'Identifier: Packages' 2>/dev/null |
		awk -F'|' '$2 == "main" && $3 !~ /security|backports/ && $1 ~ /debian\/?$/ { print $1; exit }')
	[[ -n $uri ]] || uri=$(sed -nE 's/^URIs: *([^ ]*debian\/?)( .*)?$/\1/p; s/^deb( \[[^]]*\])? ([^ ]*debian\/?) .*/\2/p' \
		/etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -v security | head -n 1)
	case $uri in
	mirror+file:*) uri=$(sed -nE 's/^([a-z]+:[^[:space:]]+).*/\1/p' "${uri#mirror+file:}" | head -n 1) ;;
	esac
	[[ -n $uri ]] || die "no Debian archive in this host's apt sources"
	printf '%s\n' "${uri%/}"
}

base_key() { key_of make_base "$suite"; }

make_base() {
	local new=$nvme_rs_cache/root.new proxy=
	eval "$(apt-config shell proxy Acquire::http::Proxy)"
	[[ -z $proxy || $proxy = DIRECT ]] || export http_proxy=$proxy
	rm -rf --one-file-system "$new" "$nvme_rs_cache/root.old"
	unshare --mount --propagation private -- \
		debootstrap --variant=minbase --include=ca-certificates "$suite" "$new" "$(host_mirror)"
	mkdir -p "$new"/{src,cargo,share,vm,.nvme_rs}
	touch "$new/etc/resolv.conf"
	# No service of the chroot may start, and a cache needs neither fsync nor manual pages.
	printf '#!/bin/sh\nexit 101\n' > "$new/usr/sbin/policy-rc.d"
	chmod 755 "$new/usr/sbin/policy-rc.d"
	printf '%s\n' force-unsafe-io 'path-exclude=/usr/share/man/*' 'path-exclude=/usr/share/locale/*' \
		'path-exclude=/usr/share/doc/*' > "$new/etc/dpkg/dpkg.cfg.d/nvme_rs"
	exec 8>> "$nvme_rs_cache/root.lock"
	flock 8
	[[ ! -e $nvme_rs_root ]] || mv "$nvme_rs_root" "$nvme_rs_cache/root.old"
	mv "$new" "$nvme_rs_root"
	rm -rf --one-file-system "$nvme_rs_cache/root.old"
}

# Give the chroot's apt the host's archive, proxies and certificates.
configure_apt() {
	local mirror pocket
	mirror=$(host_mirror)
	for pocket in "$suite" "$suite-updates" "$suite-backports"; do
		printf 'deb %s %s main\n' "$mirror" "$pocket"
	done > "$nvme_rs_root/etc/apt/sources.list"
	apt-config dump | grep -E '^Acquire::((https?|ftp)::|Check-|Allow|Retries|ForceIPv)' |
		grep -v Proxy-Auto-Detect > "$nvme_rs_root/etc/apt/apt.conf.d/90host" || true
	if compgen -G '/usr/local/share/ca-certificates/*.crt' >/dev/null; then
		cp -L /usr/local/share/ca-certificates/*.crt "$nvme_rs_root/usr/local/share/ca-certificates/"
		in_setup_root update-ca-certificates >/dev/null 2>&1
	fi
}

# As in_root, for setup itself, which is the one to hold the lock on the chroot.
in_setup_root() { nvme_rs_root_locked=1 in_root "$@"; }

apt_root() {
	in_setup_root apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 \
		-o APT::Sandbox::User=root -o APT::Update::Error-Mode=any -o Dpkg::Options::=--force-confold "$@"
}

packages_key() { key_of "install_packages describe_toolchain" "${packages[@]}" "${backports[@]}"; }

install_packages() {
	exec 8>> "$nvme_rs_cache/root.lock"
	flock 8
	configure_apt
	apt_root update
	# A killed run may have left packages half installed.
	in_setup_root dpkg --configure -a
	apt_root --fix-broken install
	apt_root install "${packages[@]}"
	apt_root install -t "$suite-backports" "${backports[@]}"
	apt_root clean
	[[ -e $nvme_rs_root/usr/bin/busybox ]] || ln -s /bin/busybox "$nvme_rs_root/usr/bin/busybox"
	describe_toolchain
}

# One line for people, which is also what a prepared tree depends on.
describe_toolchain() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	in_setup_root bash -c 'printf "rustc %s, bindgen %s, gcc %s, clang %s, QEMU %s\n" \
		"$(rustc --version | cut -d" " -f2)" "$(bindgen --version | cut -d" " -f2)" "$(gcc-14 -dumpfullversion)" \
		"$(clang -dumpversion)" "$(qemu-system-x86_64 --version | sed -nE "1s/.*version ([^ ]+).*/\1/p")"' \
		> "$nvme_rs_root/.nvme_rs/toolchain"
}
