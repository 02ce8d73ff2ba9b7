"""Asks a host whether it is well; the reason stands in stderr when it is not."""

import json
import sys
import urllib.request


def fetched(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode().strip()


def main():
    asked = json.load(sys.stdin)
    base = f"{asked['url'].rstrip('/')}/{asked['host']}/current"
    try:
        version, health = fetched(f"{base}/version"), fetched(f"{base}/health")
    except OSError as error:
        sys.exit(f"{asked['host']} does not answer: {error}")
    if asked.get("version") not in (None, version):
        sys.exit(f"{asked['host']} serves {version}, not {asked['version']}")
    if health != "ok":
        sys.exit(f"{asked['host']} serves {version} and says: {health}")
    print(json.dumps({"host": asked["host"], "version": version, "healthy": True}))


main()
