"""A pack for the tests of running: one small action for each thing that can happen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.pack_files import write_files

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

FILES = {
    "pack.yaml": "ref: demo\nversion: 1.0.0\n",
    "actions/add.yaml": """\
ref: demo.add
runner_type: python
entry_point: |
  import json, sys
  given = json.load(sys.stdin)
  print(json.dumps({"sum": given["a"] + given["b"]}))
output_format: json
parameters:
  a: {type: integer, required: true}
  b: {type: integer, default: 1}
""",
    "actions/show.yaml": """\
ref: demo.show
entry_point: cat.sh
output_format: json
parameters:
  text: {type: string}
  n: {type: integer, minimum: 1}
  ratio: {type: number}
  flag: {type: boolean}
  tags: {type: array, items: {type: string}}
  object: {type: object, properties: {inner: {type: integer}}}
  color: {type: string, enum: [red, green]}
""",
    "actions/free.yaml": "ref: demo.free\nentry_point: cat.sh\noutput_format: json\n",
    "actions/cat.sh": "#!/bin/sh\ncat\n",
    "actions/secret.yaml": """\
ref: demo.secret
entry_point: secret.sh
output_format: text
parameters:
  user: {type: string}
  password: {type: string, secret: true}
""",
    "actions/secret.sh": '#!/bin/sh\ncat; echo "env: $TOKEN"; echo "err: $TOKEN" >&2; [ "$FAIL" != yes ]\n',
    "actions/flaky.yaml": """\
ref: demo.flaky
retry: {count: 2, delay: 0}
entry_point: |
  echo "attempt of $ATTUNE_EXEC_ID"
  count=$(cat "$file" 2>/dev/null || echo 0)
  echo $((count + 1)) >"$file"
  [ "$count" -ge "$failures" ]
parameters:
  file: {type: string, required: true}
  failures: {type: integer, default: 2}
""",
    "actions/lost.yaml": """\
ref: demo.lost
retry: {count: 1, delay: 0}
entry_point: |
  echo "begun $ATTUNE_EXEC_ID"
  [ -e "$file" ] || { touch "$file"; exec sleep "$sleep"; }
parameters:
  file: {type: string, required: true}
  sleep: {type: string, required: true}
""",
    "actions/limited.yaml": "ref: demo.limited\nconcurrency: 1\nentry_point: sleep 0.05; echo done\n",
    "actions/slow.yaml": "ref: demo.slow\ntimeout: 0.3\nentry_point: echo begun; exec sleep 60\n",
    "actions/yaml.yaml": """\
ref: demo.yaml
output_format: yaml
entry_point: 'echo "text: $(head -c "$size" /dev/zero | tr "\\0" x)"'
parameters:
  size: {type: integer, required: true}
""",
    "actions/missing.yaml": "ref: demo.missing\nentry_point: cat.sh\n",
    "actions/needs.yaml": "ref: demo.needs\nrunner_type: demo.nowhere\nentry_point: cat.sh\n",
    "runtimes/nowhere.yaml": """\
ref: demo.nowhere
name: Nowhere
execution_config:
  interpreter: {binary: no-such-interpreter, args: []}
  environment: {env_type: none}
""",
}


def install_demo(folder: Path, run: Run) -> Path:
    """Install the demo pack; returns its source folder."""
    source = write_files(folder / "demo", FILES)
    result = run("pack", "install", str(source))
    assert result.exit_code == 0, result.stderr
    return source
