#!/usr/bin/env bash
# Gradescope runs this once, as root, while it makes the container.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends gcc libc6-dev iproute2 uidmap qemu-system-x86
apt-get clean

# What the container offers is in the log of this; a first grading fills caches.
"$here/bin/moulinette" doctor || true
results="$(mktemp -d)"
bash "$here/run_autograder" --submission "$here/example" --results "$results/results.json"
cat "$results/results.json"
rm -r "$results"
