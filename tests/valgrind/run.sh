#!/usr/bin/env bash
# The border between Lua and C under valgrind's memcheck: errors, and memory that is lost.
# tests/valgrind/run.sh [BUILD]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=$(realpath "${1:-build}")
export LUA_PATH="$build/share/lua/5.4/?.lua;$build/share/lua/5.4/?/init.lua;;"
export LUA_CPATH="$build/lib/lua/5.4/?.so;;"
report=$(mktemp)
trap 'rm -f "$report"' EXIT
status=0
valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,indirect \
  --child-silent-after-fork=yes --log-file="$report" lua5.4 tests/valgrind/border.lua || status=$?
grep -vE 'unhandled amd64-linux syscall|write your own handler|README_MISSING|consider this a bug|bug_reports' \
  "$report" || true
exit "$status"
