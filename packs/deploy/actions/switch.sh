#!/bin/bash
set -euo pipefail
eval "$(</dev/stdin)"
cd "$root/$host"
before=$(readlink current || true)
before=${before##*/}
if [ -z "${version:-}" ]; then
  version=$(cat previous 2>/dev/null || true)
  if [ -z "$version" ]; then
    echo "there is no release of $host to go back to" >&2
    exit 1
  fi
elif [ "$before" != "$version" ]; then
  printf '%s' "$before" > previous
fi
ln -sfn "releases/$version" current.new
mv -T current.new current
printf '{"host": "%s", "version": "%s", "before": "%s"}\n' "$host" "$version" "$before"
