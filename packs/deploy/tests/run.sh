#!/bin/bash
# Each action by itself, in a folder of its own.
set -u
cd "$(dirname "$0")/.." || exit 1
there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
mkdir "$there/site" && echo ok > "$there/site/health"
passed=0 failed=0
expect() { # NAME EXPECTED ACTUAL
  if [ "$2" = "$3" ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "$1: expected $2, got $3" >&2; fi
}
copy() { printf "host='web1'\nroot='%s'\nversion='%s'\nsource='%s'\n" "$there" "$1" "$there/site" | actions/copy.sh; }
switch() { printf "host='web1'\nroot='%s'\nversion='%s'\n" "$there" "$1" | actions/switch.sh; }
copy 1.0 > /dev/null && switch 1.0 > /dev/null
expect "the first version is current" releases/1.0 "$(readlink "$there/web1/current")"
copy 2.0 > /dev/null && switch 2.0 > /dev/null
expect "so is the next" releases/2.0 "$(readlink "$there/web1/current")"
switch "" > /dev/null
expect "without a version the one before is current" releases/1.0 "$(readlink "$there/web1/current")"
echo "Total Tests: $((passed + failed))"
echo "Passed: $passed"
echo "Failed: $failed"
exit $((failed > 0))
