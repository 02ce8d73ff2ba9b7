#!/bin/bash
# The parameters arrive as quoted assignments. Only declared names get this far, so evaluating them is safe,
# and it is the one way that brings quotes, newlines and NUL-free bytes through unchanged.
eval "$(</dev/stdin)"
printf '%s\n' "$message"
