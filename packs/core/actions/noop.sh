#!/bin/bash
# See echo.sh for why the parameters are evaluated.
eval "$(</dev/stdin)"
[ -z "$message" ] || printf '%s\n' "$message"
exit "$exit_code"
