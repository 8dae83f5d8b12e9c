#!/usr/bin/env bash
# Run the tests beside a load: six busy loops on every core, and a process that writes and syncs files.
#   tests/architecture/busy.sh          three runs of `make test`, whatever comes of the first ones
#   tests/architecture/busy.sh 1 ARGS="tests/unit/loop"   one run, of some tests
# At the end stands a line for each run: what passed and failed, and the seconds. The exit code is 1 if one failed.
set -euo pipefail
cd "$(dirname "$0")/../.."
runs=${1:-3}
shift || true
folder=$(mktemp -d)
load=()
summary=()
failed=0

stop() {
  kill "${load[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$folder"
}
trap stop EXIT

# What is installed once is no part of a run.
make .venv/.ready clients

for _ in $(seq $(($(nproc) * 6))); do
  (while :; do :; done) &
  load+=($!)
done
(while :; do dd if=/dev/zero of="$folder/file" bs=1M count=32 conv=fsync status=none; done) &
load+=($!)

for run in $(seq "$runs"); do
  echo "run $run of $runs beside a load of $(cut -d' ' -f1 /proc/loadavg)"
  began=$SECONDS
  verdict=passed
  make test "$@" 2>&1 | tee "$folder/output" || verdict=FAILED
  [ "$verdict" = passed ] || failed=1
  counts=$(grep -E '^=* ?[0-9]+ (passed|failed|error)' "$folder/output" | tail -1 || true)
  summary+=("run $run of $runs: $verdict in $((SECONDS - began)) s: ${counts:-no line of pytest}")
  grep -E '^(FAILED|ERROR) ' "$folder/output" > "$folder/names" || true
  while read -r line; do summary+=("    $line"); done < "$folder/names"
done

printf '%s\n' "" "${summary[@]}"
exit "$failed"
