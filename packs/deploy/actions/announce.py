"""Tells the team what happened."""

import json
import sys
import urllib.request

asked = json.load(sys.stdin)
to = asked.get("to")
if to and to.startswith(("http://", "https://")):
    body = json.dumps({"text": asked["message"]}).encode()
    request = urllib.request.Request(to, body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()
elif to:
    with open(to, "a", encoding="utf-8") as file:
        file.write(asked["message"] + "\n")
print(asked["message"])
