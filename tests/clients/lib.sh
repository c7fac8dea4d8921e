# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Sourced by the scripts here, which run packaged clients as they are, in a VM, and look at what they print. Results are
# TAP, as of the programs in ../kselftest. Any driver will do that has the machine's first controller.
set -u -o pipefail

points=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# say_so NAME STATUS: one result.
say_so() {
	points=$((points + 1))
	(($2)) && printf 'not '
	printf 'ok %d %s\n' "$points" "$1"
}

# end: the plan, without which the results count for nothing.
end() { printf '1..%d\n' "$points"; }

# complain: what is on standard input, for people.
complain() { sed 's/^/# /'; }

# expect NAME PATTERN COMMAND [ARGUMENT]...: it succeeds, and a line of its output matches; an empty pattern does.
expect() {
	local name=$1 pattern=$2 output status=0
	shift 2
	output=$("$@" 2>&1 | tr -d '\0') || status=$?
	if ((status)) || ! grep -Eq -- "$pattern" <<< "$output"; then
		printf '# %s: status %d, expected: %s\n' "$*" "$status" "$pattern"
		head -n 40 <<< "$output" | complain
		status=1
	fi
	say_so "$name" "$status"
}

# refuse NAME PATTERN COMMAND [ARGUMENT]...: it fails, and says why.
refuse() {
	local name=$1 pattern=$2 output status=0
	shift 2
	output=$("$@" 2>&1 | tr -d '\0') && status=1
	if ((status)) || ! grep -Eq -- "$pattern" <<< "$output"; then
		printf '# %s: it succeeds, or does not say: %s\n' "$*" "$pattern"
		head -n 40 <<< "$output" | complain
		status=1
	fi
	say_so "$name" "$status"
}

# holds NAME COMMAND [ARGUMENT]...: a condition.
holds() {
	local name=$1 status=0
	shift
	"$@" > "$work/holds" 2>&1 || { status=1; complain < "$work/holds"; }
	say_so "$name" "$status"
}

# within SECONDS COMMAND [ARGUMENT]...: until it succeeds.
within() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done
}

pci=/sys/bus/pci/devices/0000:00:10.0

# controller: the name of the first controller's node.
controller() {
	local node
	for node in "$pci"/nvme*/nvme*; do
		[[ ! -d $node ]] || { echo "${node##*/}"; return; }
	done
	return 1
}

# namespace NSID: the path of a namespace's node. Its number may be another.
namespace() {
	local node ctrl
	ctrl=$(controller) || return
	for node in /dev/ng"${ctrl#nvme}"n*; do
		if [[ -c $node && $(nvme get-ns-id "$node" 2>/dev/null) = *"namespace-id:$1" ]]; then
			echo "$node"
			return
		fi
	done
	return 1
}

# wait_for_nodes NSID...: sets ctrl, and ns to the node of the first.
wait_for_nodes() {
	local nsid
	for nsid; do
		within 30 namespace "$nsid" > /dev/null || { echo "Bail out! no node of namespace $nsid"; exit 1; }
	done
	# shellcheck disable=SC2034 # for those who source this
	ctrl=/dev/$(controller) ns=$(namespace "$1")
}
