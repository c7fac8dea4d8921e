# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Part of scripts/setup: sources of Debian packages, for tests which their authors wrote and no binary package has.

readonly sources=(liburing)

sources_key() { key_of fetch_sources "$suite" "${sources[@]}"; }

# A mirror without them keeps nobody from building: what is made of them fails, the rest works. It is asked again after
# an hour.
try_sources() {
	local stamp=$nvme_rs_root/.nvme_rs/sources tried=$nvme_rs_cache/sources-tried key title log
	stage_number=$((stage_number + 1))
	key=$(sources_key)
	! stamp_is "$stamp" "$key" || return 0
	[[ -n $refresh || -z $(find "$tried" -mmin -60 2>/dev/null) ]] || return 0
	worked=1
	title="[$stage_number/$stages] sources of tests" log=$nvme_rs_cache/logs/$stage_number-fetch_sources.log
	if watch_job "$title" "$log" fetch_sources; then
		printf '%s\n' "$key" > "$stamp"
	else
		touch "$tried"
		say "the mirror does not give the sources of ${sources[*]} (see $log); tests made of them will fail"
	fi
}

# Each into /usr/src/tests/<package>/ of the chroot, with Debian's patches. apt gets a list, an index and a cache of its
# own: nobody else wants the index of all sources, which is large.
fetch_sources() {
	local package new=$nvme_rs_root/usr/src/tests.new apt
	rm -rf "$new"
	mkdir -p "$new/lists/partial" "$new/archives/partial"
	printf 'deb-src %s %s main\n' "$(host_mirror)" "$suite" > "$new/sources.list"
	apt=(
		apt-get -q -o Acquire::Retries=3 -o APT::Sandbox::User=root -o APT::Update::Error-Mode=any
		-o Dir::Etc::sourcelist=/usr/src/tests.new/sources.list -o Dir::Etc::sourceparts=/dev/null
		-o Dir::State::lists=/usr/src/tests.new/lists -o Dir::Cache=/usr/src/tests.new
	)
	in_setup_root "${apt[@]}" update
	in_setup_root env -C /usr/src/tests.new "${apt[@]}" --download-only source "${sources[@]}"
	for package in "${sources[@]}"; do
		# shellcheck disable=SC2016 # expanded by the inner shell
		in_setup_root env -C /usr/src/tests.new bash -c 'dpkg-source --no-check -x "$1"_*.dsc "$1"' - "$package"
	done
	rm -rf "$nvme_rs_root/usr/src/tests"
	mkdir "$nvme_rs_root/usr/src/tests"
	for package in "${sources[@]}"; do
		mv "$new/$package" "$nvme_rs_root/usr/src/tests/$package"
	done
	rm -rf "$new"
}
