#!/bin/bash
set -euo pipefail
eval "$(</dev/stdin)"
release="$root/$host/releases/$version"
if [ ! -d "$release" ]; then
  mkdir -p "$root/$host/releases"
  # Copied under another name: a release that is there is whole.
  rm -rf "$release.part"
  cp -r "$source" "$release.part"
  printf '%s' "$version" > "$release.part/version"
  mv "$release.part" "$release"
fi
printf '{"host": "%s", "version": "%s", "files": %d}\n' "$host" "$version" "$(find "$release" -type f | wc -l)"
