#!/usr/bin/env bash
# Runs one suite of tests against an installed copy: tests/run.sh SUITE [self|nobody] [TIER|cold]
# With a TIER the suite's user has a policy script that leaves no other, with "cold" one by which
# no process is made ahead.
# The copy lies where every user may read it (the checkout may not), and outside /tmp, which
# workspace-write lets a command write. From the environment: SBX_BUILD (the build tree) and
# SBX_REPORTS (a directory that gets the figures).
set -euo pipefail
suite=$1
user=${2:-self}
variant=${3:-}
tier=$variant
[ "$variant" != cold ] || tier=
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${SBX_BUILD:-$source/build}

stage=$(mktemp -d /var/tmp/sbxlua-test.XXXXXX)
trap 'chmod -R u+rwX "$stage" && rm -rf "$stage"' EXIT
mkdir "$stage/source" "$stage/home" "$stage/tmp"
cmake --install "$build" --prefix "$stage/prefix" >/dev/null
# The sanitizers' build has a lua5.4 of its own.
mkdir "$stage/bin"
[ ! -x "$build/tests/lua5.4" ] || cp "$build/tests/lua5.4" "$stage/bin/"
cp -r "$source"/{tests,lua,policies,README.md,.busted} "$stage/source/"
chmod -R a+rX "$stage"

if [ -n "$variant" ]; then
  mkdir -p "$stage/home/.config/sbxlua"
  script=$source/tests/tier.lua
  [ "$variant" != cold ] || script=$source/tests/cold.lua
  sed "s/TIER/$tier/" "$script" >"$stage/home/.config/sbxlua/policy.lua"
  chmod -R a+rX "$stage/home"
fi
drop=()
if [ "$user" = nobody ]; then
  chown 65534:65534 "$stage/home" "$stage/tmp"
  export SBX_SECOND_USER=1
  drop=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi
report=$stage/tmp/report

# A clean environment: what a developer has set must not decide a test.
environment=(PATH="$stage/bin":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
  HOME="$stage/home" TMPDIR="$stage/tmp" SBX_PREFIX="$stage/prefix" SBX_SOURCE="$stage/source"
  SBX_REPORT="$report" SBX_TIER="$tier" SBX_VARIANT="$variant")
for name in SBX_SECOND_USER SBX_SANITIZED SBX_DENIAL SBX_DENIAL_TABLE ASAN_OPTIONS UBSAN_OPTIONS GCOV_ERROR_FILE \
  SBX_SEED SBX_SECONDS SBX_SEED_FILE SBX_FAULTS SBX_FAULTS_CELL SBX_FAULTS_JOBS SBX_FAULTS_SCENE; do
  [ -z "${!name:-}" ] || environment+=("$name=${!name}")
done
status=0
cd "$stage/source"
"${drop[@]}" env -i "${environment[@]}" \
  lua5.4 /usr/bin/busted --output="$PWD/tests/report.lua" "tests/$suite" </dev/null || status=$?

if [ ! -s "$report" ]; then
  echo "tests/run.sh: $suite ended with status $status before its last test"
  echo "0 1 0" >"$report"
  status=1
fi
[ -z "${SBX_REPORTS:-}" ] || sed "s|^skipped: |skipped: $suite ($user${variant:+, $variant}): |" "$report" \
  >"$SBX_REPORTS/${suite//\//-}-$user${variant:+-$variant}"
exit "$status"
