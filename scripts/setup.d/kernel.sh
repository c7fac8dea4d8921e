# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Part of scripts/setup: the distribution's kernel, its packages kept in the cache, and its source tree prepared for
# building modules which the distribution's binary accepts.

readonly series=7.3
readonly kernel_pattern="7\.3\.[0-9]+\+deb13(\.[0-9]+)?-amd64"

newest_kernel() {
	find "$nvme_rs_cache/kernels" -mindepth 2 -maxdepth 2 -name version -printf '%h\n' |
		sed -n '/\.new$/d; s,.*/,,p' | sort -V | tail -n 1
}

# Once a day (or when asked to) look for a newer kernel. Whatever goes wrong, a kernel in the cache will do.
fetch_kernel() {
	local stamp=$nvme_rs_cache/kernels/checked have
	stage_number=$((stage_number + 1))
	mkdir -p "$nvme_rs_cache/kernels"
	have=$(newest_kernel)
	if [[ -n $have && -z $refresh && -n $(find "$stamp" -mmin -1440 2>/dev/null) ]]; then
		return 0
	fi
	check_space
	worked=1
	local title="[$stage_number/$stages] kernel packages of the $series series" log=$nvme_rs_cache/logs/$stage_number-fetch_kernel.log
	watch_job "$title" "$log" download_kernel || {
		[[ -n $have ]] || job_failed "$title" "$log"
		say "the mirror does not give a $series kernel now (see $log); going on with $have from the cache"
	}
	touch "$stamp"
}

# The newest kernel on offer into kernels/<version>/, complete or not at all.
download_kernel() {
	local version package_version dir new package
	configure_apt
	apt_root update
	version=$(in_setup_root apt-cache pkgnames "linux-modules-$series." |
		sed -nE "s/^linux-modules-($kernel_pattern)\$/\1/p" | sort -V | tail -n 1)
	[[ -n $version ]] || { echo "no linux-modules-$series.* in $suite-backports"; return 1; }
	package_version=$(in_setup_root apt-cache show "linux-modules-$version" | sed -nE 's/^Version: //p' | sort -V | tail -n 1)
	dir=$nvme_rs_cache/kernels/$version new=$nvme_rs_cache/kernels/$version.new
	! stamp_is "$dir/version" "$package_version" || { echo "$version is the newest, and here"; return 0; }
	rm -rf "$new" "$nvme_rs_root/var/tmp/kernel"
	mkdir -p "$new" "$nvme_rs_root/var/tmp/kernel"
	for package in linux-{base,modules,binary-unsigned,headers}-"$version" "linux-headers-${version%-amd64}-common" \
		"linux-kbuild-${version%-amd64}" "linux-source-$series"; do
		echo "downloading $package=$package_version"
		in_setup_root env -C /var/tmp/kernel apt-get -q -o APT::Sandbox::User=root -o Acquire::Retries=3 \
			download "$package=$package_version"
	done
	mv "$nvme_rs_root"/var/tmp/kernel/*.deb "$new/"
	printf '%s\n' "$package_version" > "$new/version"
	rm -rf "$dir" "$nvme_rs_root/var/tmp/kernel"
	mv "$new" "$dir"
}

unpack_key() { key_of unpack_kernel "$1" "$(<"$nvme_rs_cache/kernels/$1/version")"; }

# Extracted, not installed: no boot loader, initramfs or signed image is wanted.
unpack_kernel() {
	local version=$1 deb modules=$nvme_rs_root/usr/lib/modules/$1
	for deb in "$nvme_rs_cache/kernels/$version"/*.deb; do
		case ${deb##*/} in linux-source-*) continue ;; esac
		echo "unpacking ${deb##*/}"
		dpkg-deb --fsys-tarfile "$deb" |
			tar -x --keep-directory-symlink --exclude './usr/share/doc*' -C "$nvme_rs_root"
	done
	in_setup_root depmod "$version"
	[[ -s $modules/vmlinuz.unsigned ]] || { echo "the packages hold no $modules/vmlinuz.unsigned"; return 1; }
}

tree_key() {
	key_of prepare_tree "$(unpack_key "$1")" "$(<"$nvme_rs_root/.nvme_rs/toolchain")"
}

# Debian's headers package lacks the Rust metadata, so its source is prepared with its configuration, its list of
# exports, and its BTF. .kernelvariables makes every later make in this tree, or with M=, use Debian's compiler and
# release string: without that, vermagic would be "7.3.4" and the distribution's kernel would refuse the module.
prepare_tree() {
	local version=$1 tree new file headers=$nvme_rs_root/usr/src/linux-headers-$1
	tree=$nvme_rs_root$(tree_in_root "$version") new=$nvme_rs_root/usr/src/linux.new
	if [[ ! -e $tree ]] || ! stamp_is "$tree/.nvme_rs-source" "$(unpack_key "$version")"; then
		rm -rf "$new" "$tree"
		mkdir "$new"
		echo "unpacking the source"
		dpkg-deb --fsys-tarfile "$nvme_rs_cache/kernels/$version"/linux-source-*.deb |
			tar -xO --wildcards '*/linux-source-*.tar.xz' | tar -xJ --strip-components=1 -C "$new"
		for file in .config .kernelvariables Module.symvers vmlinux; do
			cp "$headers/$file" "$new/$file"
		done
		unpack_key "$version" > "$new/.nvme_rs-source"
		mv "$new" "$tree"
	fi
	in_setup_root make -C "$(tree_in_root "$version")" -j"$(nproc)" modules_prepare headers
	for file in rust/libkernel.rmeta scripts/module.lds usr/include/linux/nvme_ioctl.h; do
		[[ -s $tree/$file ]] || { echo "modules_prepare did not make $file"; return 1; }
	done
	[[ $(<"$tree/include/generated/utsrelease.h") = *"\"$version\""* ]] || { echo "the tree is not for $version"; return 1; }
}
