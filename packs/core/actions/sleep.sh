#!/bin/bash
# See echo.sh for why the parameters are evaluated.
eval "$(</dev/stdin)"
sleep "$seconds"
[ -z "$message" ] || printf '%s\n' "$message"
