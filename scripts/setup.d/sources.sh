# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Part of scripts/setup: sources of Debian packages, for tests which their authors wrote and no binary package has. Each
# goes into /usr/src/tests/<package>/ of the chroot.

readonly sources=(liburing fio)

# A mirror without one keeps nobody from building: what is made of it fails, the rest works. It is asked again after an
# hour.
try_sources() {
	local package
	stage_number=$((stage_number + 1))
	for package in "${sources[@]}"; do
		try_source "$package"
	done
}

try_source() {
	local package=$1 stamp=$nvme_rs_root/.nvme_rs/source-$1 tried=$nvme_rs_cache/source-$1-tried key title log
	key=$(key_of "fetch_$package ask_mirror unpack_packaged unpack_part take_source" "$suite")
	! stamp_is "$stamp" "$key" || return 0
	[[ -n $refresh || -z $(find "$tried" -mmin -60 2>/dev/null) ]] || return 0
	worked=1
	title="[$stage_number/$stages] source of $package" log=$nvme_rs_cache/logs/$stage_number-fetch_$package.log
	if watch_job "$title" "$log" "fetch_$package"; then
		printf '%s\n' "$key" > "$stamp"
	else
		touch "$tried"
		say "the mirror does not give the source of $package (see $log); tests made of it will fail"
	fi
}

fetch_liburing() {
	ask_mirror "$suite" liburing
	unpack_packaged liburing
	take_source liburing
}

# Its scripts in t/, without the rest, which is large. Where the mirror lacks those of this suite, sid's will do.
fetch_fio() {
	(ask_mirror "$suite" fio --tar-only) || ask_mirror sid fio --tar-only
	unpack_part fio t
	take_source fio
}

# ask_mirror SUITE PACKAGE [OPTION]...: downloads it. apt gets a list, an index and a cache of its own: nobody else wants
# the index of all sources, which is large.
ask_mirror() {
	local from=$1 package=$2 new=$nvme_rs_root/usr/src/tests.new apt
	shift 2
	rm -rf "$new"
	mkdir -p "$new/lists/partial" "$new/archives/partial"
	printf 'deb-src %s %s main\n' "$(host_mirror)" "$from" > "$new/sources.list"
	apt=(
		apt-get -q -o Acquire::Retries=3 -o APT::Sandbox::User=root -o APT::Update::Error-Mode=any
		-o Dir::Etc::sourcelist=/usr/src/tests.new/sources.list -o Dir::Etc::sourceparts=/dev/null
		-o Dir::State::lists=/usr/src/tests.new/lists -o Dir::Cache=/usr/src/tests.new
	)
	in_setup_root "${apt[@]}" update &&
		in_setup_root env -C /usr/src/tests.new "${apt[@]}" --download-only "$@" source "$package"
}

# With Debian's patches.
unpack_packaged() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	in_setup_root env -C /usr/src/tests.new bash -c 'dpkg-source --no-check -x "$1"_*.dsc "$1"' - "$1"
}

# unpack_part PACKAGE DIRECTORY: one directory, as its authors have it.
unpack_part() {
	mkdir "$nvme_rs_root/usr/src/tests.new/$1"
	# shellcheck disable=SC2016 # expanded by the inner shell
	in_setup_root env -C /usr/src/tests.new bash -c \
		'tar -xf "$1"_*.orig.tar.* --no-same-owner --strip-components=1 --wildcards -C "$1" "*/$2"' - "$1" "$2"
}

take_source() {
	mkdir -p "$nvme_rs_root/usr/src/tests"
	rm -rf "$nvme_rs_root/usr/src/tests/$1"
	mv "$nvme_rs_root/usr/src/tests.new/$1" "$nvme_rs_root/usr/src/tests/$1"
	rm -rf "$nvme_rs_root/usr/src/tests.new"
}
