#!/usr/bin/env bash
# Verifies while the machine is kept busy: hogs on every processor, then the
# verification itself at the lowest priority, then little memory to spare, too; and
# then N times in a row. Not one verdict may change from the first time.
set -euo pipefail
moulinette=$1
n=$2
dir=$(mktemp -d)
hogs=()
job=

clear() {
	if [ -n "$job" ]; then kill "$job" 2>/dev/null || true; fi
	if [ "${#hogs[@]}" -gt 0 ]; then kill "${hogs[@]}" 2>/dev/null || true; fi
	rm -rf "$dir"
}
trap clear EXIT
trap 'exit 130' INT TERM

# Nothing outlives two hours, come what may.
hog() {
	timeout 7200 "$@" &
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
		hog "$@" bash -c 'while :; do :; done'
	done
}

# A quarter of what is available, touched again and again; at most 1 GiB.
greedy() {
	local mib
	mib=$(awk '/^MemAvailable/ {print int($2 / 4096)}' /proc/meminfo)
	if [ "$mib" -gt 1024 ]; then mib=1024; fi
	hog "$@" bash -c 'text=$(head -c '"$mib"'M /dev/zero | tr "\0" x); while :; do copy=$text; done'
}

# One verification; its verdicts go to NAME.verdicts: what became of every solution,
# row by row, and all errors, which are for `make verify` otherwise: here they have to
# stay the same. Cells do not count. Which of them are run depends on which came
# first, and in one that no mutant names, a mutant that races may be lucky.
verify() {
	local name=$1 code=0
	shift
	"$@" "$moulinette" verify --fresh --matrix rows --format json --report github="$dir/$name.errors" --timeout 2h >"$dir/$name.json" 2>"$dir/$name.err" &
	job=$! # waited for in the background, so that a signal is heard at once
	wait "$job" || code=$?
	job=
	if [ "$code" -gt 1 ]; then
		echo "stress: verification $name: exit code $code" >&2
		cat "$dir/$name.err" >&2
		exit 3
	fi
	sed '/^   "cells": {/,/^   }/d' "$dir/$name.json" |
		grep -E '"(id|status|kind)":|"(pass|fail|not_judged|harness_fault)",?$' >"$dir/$name.verdicts"
	cat "$dir/$name.errors" >>"$dir/$name.verdicts"
}

same() {
	if ! cmp -s "$dir/calm.verdicts" "$dir/$1.verdicts"; then
		echo "stress: other verdicts in verification $1:" >&2
		head -20 "$dir/$1.errors" >&2
		diff -U2 "$dir/calm.verdicts" "$dir/$1.verdicts" | head -60 >&2 || true
		exit 1
	fi
}

verify calm env
for load in busy nice memory; do
	case $load in
	busy) busy; verify "$load" env ;;
	nice) busy nice -n 10; verify "$load" nice -n 19 ;; # those of normal priority would leave it next to nothing
	memory) busy nice -n 10; greedy nice -n 10; verify "$load" nice -n 19 ;;
	esac
	calm
	same "$load"
	echo "stress: under load ($load): the same"
done
for i in $(seq "$n"); do
	verify "$i" env
	same "$i"
	echo "stress: $i of $n in a row: the same"
done
