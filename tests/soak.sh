#!/usr/bin/env bash
# Grades the reference N times in a row and 8 times side by side: every verdict
# must be the same, whatever the seed and the load.
set -euo pipefail
moulinette=$1
n=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# Verdicts are compared without what may differ: seeds, times, values seen.
verdicts() {
	grep -E '"(passed|score|earned|verdict|id|ok)":' "$1" >"$1.verdicts"
}

one() {
	local code=0
	"$moulinette" grade ./reference --format json --seed "$1" >"$dir/$1.json" 2>"$dir/$1.err" || code=$?
	if [ "$code" -ne 0 ]; then
		echo "soak: grading $1: exit code $code" >&2
		cat "$dir/$1.err" "$dir/$1.json" >&2
		return 1
	fi
	verdicts "$dir/$1.json"
}

for i in $(seq "$n"); do
	one "$i"
done
pids=()
for i in $(seq 1001 1008); do
	one "$i" &
	pids+=($!)
done
for pid in "${pids[@]}"; do
	wait "$pid"
done
for file in "$dir"/*.verdicts; do
	cmp "$dir/1.json.verdicts" "$file" || { echo "soak: other verdicts in $file" >&2; exit 1; }
done
echo "soak: $n in a row and 8 side by side agree"
