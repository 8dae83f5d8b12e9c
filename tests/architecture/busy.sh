#!/usr/bin/env bash
# Run the tests beside a load: six busy loops on every core, and a process that writes and syncs files.
#   tests/architecture/busy.sh          three runs of `make test`; each must be green
#   tests/architecture/busy.sh 1 ARGS="tests/unit/loop"   one run, of some tests
set -euo pipefail
cd "$(dirname "$0")/../.."
runs=${1:-3}
shift || true
folder=$(mktemp -d)
load=()

stop() {
  kill "${load[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$folder"
}
trap stop EXIT

for _ in $(seq $(($(nproc) * 6))); do
  (while :; do :; done) &
  load+=($!)
done
(while :; do dd if=/dev/zero of="$folder/file" bs=1M count=32 conv=fsync status=none; done) &
load+=($!)

for run in $(seq "$runs"); do
  echo "run $run of $runs beside a load of $(cut -d' ' -f1 /proc/loadavg)"
  make test "$@"
done
