#!/usr/bin/env bash
# Verifies N times while the machine is kept busy: hogs on every processor, then
# the verification itself at the lowest priority, then little memory to spare.
# Not one verdict may change from the first time, whatever the load.
set -euo pipefail
moulinette=$1
n=$2
dir=$(mktemp -d)
hogs=()

clear() {
	if [ "${#hogs[@]}" -gt 0 ]; then kill "${hogs[@]}" 2>/dev/null || true; fi
	rm -rf "$dir"
}
trap clear EXIT
trap 'exit 130' INT TERM

# Nothing outlives an hour, come what may.
hog() {
	timeout 3600 "$@" &
	hogs+=($!)
}

calm() {
	if [ "${#hogs[@]}" -gt 0 ]; then
		kill "${hogs[@]}" 2>/dev/null || true
		wait "${hogs[@]}" 2>/dev/null || true
	fi
	hogs=()
}

busy() {
	for _ in $(seq "$(nproc)"); do
		hog bash -c 'while :; do :; done'
	done
}

# A quarter of what is available, touched again and again; at most 1 GiB.
greedy() {
	local mib
	mib=$(awk '/^MemAvailable/ {print int($2 / 4096)}' /proc/meminfo)
	if [ "$mib" -gt 1024 ]; then mib=1024; fi
	hog bash -c 'text=$(head -c '"$mib"'M /dev/zero | tr "\0" x); while :; do copy=$text; done'
}

# The verdicts: what was seen of every solution, without times.
verify() {
	local code=0
	"${@:2}" "$moulinette" verify --fresh --format json --timeout 20m >"$dir/$1.json" 2>"$dir/$1.err" || code=$?
	if [ "$code" -gt 1 ]; then
		echo "stress: verification $1: exit code $code" >&2
		cat "$dir/$1.err" >&2
		exit 3
	fi
	grep -E '"(id|verdict|status|kind|subject|[a-z_]+\.[a-z_]+)":|"(pass|fail|not_judged|harness_fault)"' "$dir/$1.json" >"$dir/$1.verdicts"
	if ! cmp -s "$dir/calm.verdicts" "$dir/$1.verdicts"; then
		echo "stress: other verdicts in verification $1:" >&2
		diff "$dir/calm.verdicts" "$dir/$1.verdicts" >&2 || true
		exit 1
	fi
}

cp /dev/null "$dir/calm.verdicts"
"$moulinette" verify --fresh --format json >"$dir/calm.json" || { echo "stress: it does not even verify in calm; see make verify" >&2; exit 1; }
grep -E '"(id|verdict|status|kind|subject|[a-z_]+\.[a-z_]+)":|"(pass|fail|not_judged|harness_fault)"' "$dir/calm.json" >"$dir/calm.verdicts"
for i in $(seq "$n"); do
	case $((i % 3)) in
	1) busy; verify "busy-$i" ;;
	2) busy; verify "nice-$i" nice -n 19 ;;
	0) busy; greedy; verify "memory-$i" nice -n 19 ;;
	esac
	calm
	echo "stress: $i of $n agree"
done
