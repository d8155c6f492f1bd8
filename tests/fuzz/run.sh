#!/usr/bin/env bash
# Fuzzing: tests/fuzz/run.sh SECONDS FUZZ BUILD [NAME…]
# Each target of FUZZ (a build with SBX_FUZZ) and each spec of this directory, on BUILD, goes on for
# so many seconds; two at a time, so that a machine of two cores is full and no more. NAME picks
# some. The last line is "N passed, N failed".
# With SBX_SEED all of them begin with that one, else each with its own.
# New inputs are kept in FUZZ/corpus and crashes in FUZZ/crashes.
set -euo pipefail
seconds=$1
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
fuzz=$(realpath --relative-to=. "$2")
build=$(realpath "$3")
shift 3

base=/dev/shm # the journal's target makes and removes directories all the time
[ -w "$base" ] || base=${TMPDIR:-/tmp}
work=$(mktemp -d "$base/sbxlua-fuzz.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/tmp" "$work/seeds"
chmod 711 "$work"
chmod 1777 "$work/seeds" # a spec may run as another user
mkdir -p "$fuzz/crashes"

# A target: what it found stands in a file, and the command that repeats it is printed.
target() {
  local name=$1 corpus=$fuzz/corpus/$1 seeds=$source/tests/fuzz/corpus/$1 crash
  [ "$name" != sandbox ] || seeds=$source/tests/fuzz/corpus/plan
  mkdir -p "$corpus"
  touch "$work/began-$name"
  if TMPDIR=$work/tmp timeout $((seconds + 300)) "$fuzz/fuzz/$name" -max_total_time="$seconds" \
    -seed="${SBX_SEED:-0}" -timeout=100 -rss_limit_mb=2048 -malloc_limit_mb=512 -print_final_stats=1 \
    -artifact_prefix="$fuzz/crashes/$name-" "$corpus" "$seeds" 2>&1; then
    return 0
  fi
  for crash in $(find "$fuzz/crashes" -name "$name-*" -newer "$work/began-$name"); do
    printf 'found:  %s\nrepeat: %s %s\n' "$crash" "$fuzz/fuzz/$name" "$crash"
  done
  return 1
}

# A spec: the time is for all of its tests.
spec() {
  local name=$1 user=$2 tests
  tests=$(grep -c 'random\.cases(' "$source/tests/fuzz/${name}_spec.lua")
  if [ -x "$build/tests/lua5.4" ]; then
    export SBX_SANITIZED=1 ASAN_OPTIONS=detect_leaks=1:handle_segv=0
  fi
  if SBX_BUILD=$build SBX_SEED_FILE=$work/seeds/$name-$user SBX_SECONDS=$((seconds / tests)) \
    timeout $((seconds * 2 + 300)) "$source/tests/run.sh" "fuzz/${name}_spec.lua" "$user" 2>&1; then
    return 0
  fi
  if [ -s "$work/seeds/$name-$user" ]; then
    echo "it ended in a case of: $(cat "$work/seeds/$name-$user")"
  fi
  echo "repeat: SBX_SEED=… tests/run.sh fuzz/${name}_spec.lua $user"
  return 1
}

# run NAME COMMAND…: its output in a file, which is shown when it fails.
run() {
  local name=$1 began=$SECONDS
  shift
  if "$@" >"$work/$name.log" 2>&1; then
    echo passed >"$work/$name.status"
    printf 'ok      fuzz: %s (%d s; %s)\n' "$name" $((SECONDS - began)) "$(figures "$work/$name.log")"
  else
    echo failed >"$work/$name.status"
    tail -n 60 "$work/$name.log"
    printf 'FAILED  fuzz: %s\n' "$name"
  fi
}
figures() {
  sed -n -e 's/^stat::number_of_executed_units: *//p' -e 's/.*, \([0-9]*\) cases$/\1/p' "$1" |
    awk '{ sum += $1 } END { print sum + 0 " inputs" }'
}

wanted() {
  local name
  [ "${#names[@]}" -gt 0 ] || return 0
  for name in "${names[@]}"; do [ "$name" != "$1" ] || return 0; done
  return 1
}
names=("$@")

# start NAME COMMAND…: when fewer than two run.
start() {
  while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n || true; done
  run "$@" &
}

for file in "$source"/tests/fuzz/*_spec.lua; do
  name=$(basename "$file" _spec.lua)
  wanted "$name" || continue
  start "$name-lua" spec "$name" self
  # what depends on who one is
  [ "$name" != jobs ] || [ "$(id -u)" -ne 0 ] || start "$name-lua-nobody" spec "$name" nobody
done
for file in "$source"/tests/fuzz/*.c; do
  name=$(basename "$file" .c)
  grep -q LLVMFuzzerTestOneInput "$file" && wanted "$name" || continue
  start "$name" target "$name"
done
while [ "$(jobs -rp | wc -l)" -gt 0 ]; do wait -n || true; done
wait

count() { cat "$work"/*.status 2>/dev/null | grep -cx "$1" || true; }
passed=$(count passed) failed=$(count failed)
[ $((passed + failed)) -gt 0 ] || failed=1
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
