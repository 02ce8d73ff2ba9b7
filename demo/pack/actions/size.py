"""Parameters arrive as one JSON document on stdin; what is printed is the result."""

import json
import sys

import humanize

parameters = json.load(sys.stdin)
print(json.dumps({"text": humanize.naturalsize(parameters["bytes"], binary=True), "python": sys.prefix}))
