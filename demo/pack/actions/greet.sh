#!/bin/bash
eval "$(</dev/stdin)"
printf 'Hello, %s!\n' "$name"
