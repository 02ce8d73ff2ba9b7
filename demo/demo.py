"""`make demo`: the main job of Attune, for real, in a new home. Fails when anything is not as announced."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

PACK = Path(__file__).parent / "pack"
PATIENCE_SECONDS = 30.0


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="attune-demo-") as folder:
        demo = Demo(Path(folder))
        try:
            for part in (
                run_and_look,
                install_a_pack,
                end_in_every_way,
                read_the_records,
                retry,
                kill,
                react,
                take_webhooks,
                kill_the_daemon,
                release,
            ):
                part(demo)
        finally:
            demo.leave()
    print("\nEverything went as announced.")


# --- the parts


def run_and_look(demo: Demo) -> None:
    demo.say("A new home, and nothing else: the core pack comes with the command")
    demo.show("attune run action core.echo message=hi")
    demo.look("the run left a record; its exit code was the command's")
    demo.show("attune execution list")
    demo.check(demo.record("@last")["result"]["stdout"] == "hi\n", "the record holds the output")


def install_a_pack(demo: Demo) -> None:
    demo.say("Packs bring actions; this one lies in demo/pack")
    demo.show("attune pack validate --strict pack")
    demo.show("attune pack install pack")
    demo.show("attune action list --pack demo")
    demo.show("attune run demo.greet name=Ada")
    demo.look(
        "size.py imports a library from the pack's requirements.txt; its environment is built on first use"
    )
    demo.show("attune run demo.size bytes=52428800")
    used = demo.record("@last")["result"]["data"]["python"]
    demo.check(used.startswith(str(demo.home / "envs")), "it ran in an environment of its own")


def end_in_every_way(demo: Demo) -> None:
    demo.say("The exit code tells how a run ended (attune help exit-codes)")
    demo.show("attune run demo.fail", exit_code=1)
    demo.look("this one may take a second, and wants a minute")
    demo.show("attune run demo.sleep", exit_code=124)
    demo.look("bad input starts nothing, and every fault is told at once")
    demo.show("attune run demo.size bytes=many colour=red", exit_code=2)
    demo.look("a secret comes from a file, and is masked when an action prints it")
    (demo.folder / "password").write_text("correct horse battery staple")
    demo.show("attune run demo.login password=@password")
    files = [path.read_bytes() for path in demo.home.rglob("*") if path.is_file()]
    demo.check(not any(b"correct horse" in file for file in files), "no file of the home holds the secret")
    demo.look("this one writes 50 MB, of which it may keep 1 MiB")
    demo.show("attune run demo.flood --no-logs")


def read_the_records(demo: Demo) -> None:
    demo.say("Everything left a record")
    demo.show("attune execution list")
    demo.show("attune execution show @last:demo.fail")
    demo.look("the log of the flood ends with a mark, and the record counts what was dropped")
    demo.show("attune execution logs @last:demo.flood | tail -n 3")
    demo.show("attune execution show @last:demo.flood --field stdout")
    stdout = demo.record("@last:demo.flood")["stdout"]
    demo.check(stdout["bytes"] + stdout["dropped_bytes"] == 50_000_000, "every byte is accounted for")
    demo.check(stdout["bytes"] <= 1024 * 1024, "no more than 1 MiB is kept")
    demo.look("scripts ask for one value, or for JSON")
    demo.show("attune run demo.size bytes=1000 --no-logs --field result.data.text")
    demo.show("attune execution list -s bad -j --fields id,action_ref,exit_code,timed_out")


def retry(demo: Demo) -> None:
    demo.say("An action may be tried again: flaky.yaml allows three more attempts, and the third succeeds")
    demo.show("attune run demo.flaky counter=$PWD/counter")
    demo.look("each attempt is a record of its own")
    demo.show("attune execution list --action demo.flaky")
    attempts = demo.record("@last:demo.flaky")["attempts"]
    demo.check(len(attempts) == 3, "there were three attempts")


def kill(demo: Demo) -> None:
    demo.say("kill -9 of a running attune: the next command settles what it left")
    print("\n$ attune run demo.watch &")
    log = demo.folder / "watch.log"
    with log.open("wb") as output:
        victim = subprocess.Popen(["attune", "run", "demo.watch"], env=demo.environment, stdout=output)
    try:
        demo.check(demo.comes_true(lambda: log.read_text().endswith("\n")), "the action runs")
    finally:
        victim.kill()
        victim.wait()
    print(log.read_text() + f"$ kill -9 {victim.pid}")
    demo.show("attune execution show @last:demo.watch")
    demo.check(demo.record("@last:demo.watch")["status"] == "abandoned", "the record says so")
    child = int(log.read_text().split()[-1])
    demo.check(demo.comes_true(lambda: not Path(f"/proc/{child}").exists()), "the action's child is gone")


def react(demo: Demo) -> None:
    demo.say("A daemon turns the file into a platform: timers, webhooks, sensors and rules")
    demo.show("attune up -d --port 0")
    demo.look("a timer is one command; it is a rule")
    demo.show("attune timer create beat --every 1s --action core.echo message=tick")
    demo.check(
        demo.comes_true(lambda: len(demo.list("execution list --rule local.beat -s completed")) > 1),
        "the timer fires",
    )
    demo.show("attune execution list --rule local.beat")
    demo.show("attune rule disable local.beat")


def take_webhooks(demo: Demo) -> None:
    demo.say("A webhook, signed as GitHub signs, and a rule that wants pushes to main")
    demo.show("attune trigger create app.push --label Push")
    demo.show("attune webhook enable app.push --style github --secret @password")
    demo.show(
        "attune rule create local.deploy --trigger app.push --where ref=refs/heads/main"
        " --action demo.greet --param name='{{ event.payload.pusher.name }}'"
    )
    demo.show('attune webhook send app.push ref=refs/heads/main pusher:=\'{"name": "Ada"}\' --sign --real')
    demo.check(demo.comes_true(lambda: len(demo.list("rule history local.deploy")) == 1), "the rule decides")
    demo.look("nobody else gets in: this one is not signed")
    demo.show("attune webhook send app.push ref=refs/heads/main --real", exit_code=4)
    demo.look("a push to another branch, and why the rule did not fire")
    demo.show('attune webhook send app.push ref=refs/heads/try pusher:=\'{"name": "Bob"}\' --sign --real')
    demo.check(demo.comes_true(lambda: len(demo.list("rule history local.deploy")) == 2), "both are judged")
    demo.show("attune rule history local.deploy")
    demo.show("attune rule history local.deploy --outcome no_match --explain")
    demo.show("attune webhook calls app.push")
    fired = demo.list("execution list --rule local.deploy")
    demo.check(len(fired) == 1, "one push was greeted, and only one")


def kill_the_daemon(demo: Demo) -> None:
    demo.say("kill -9 of the daemon in the middle of a run: nothing is lost")
    demo.show("attune run demo.count --detach -q")
    count = demo.list("execution list --action demo.count")[0]["id"]
    log = demo.home / "runs" / str(count) / "stdout"
    demo.check(demo.comes_true(lambda: log.exists() and log.read_text() != ""), "the run is under way")
    demo.show("kill -9 $(attune status --field pid); attune execution logs @last")
    demo.show("attune status -qq", exit_code=6)
    demo.look("what runs goes on without it; the next daemon takes over")
    demo.show("attune up -d --port 0 -qq")
    demo.show("attune execution wait @last && attune execution logs @last")
    demo.check(log.read_text() == "1\n2\n3\n4\n5\n", "every line is there, once")


def release(demo: Demo) -> None:
    demo.say(
        "A workflow: a release that two people approve, checked on every host, rolled back when one is not well"
    )
    demo.show("attune pack install deploy")
    demo.show("attune workflow graph deploy.release")
    demo.look("the hosts are folders, which a web server on this machine serves")
    for folder in ("site", "web"):
        (demo.folder / folder).mkdir()
    with serving(demo.folder / "web") as url:
        _release(demo, "1.0", "ok", url)
        demo.look(
            "kill -9 of the daemon while it waits for people; they answer, though nobody is there but the file"
        )
        demo.show("kill -9 $(attune status --field pid); attune inquiry list")
        demo.show("attune inquiry respond @last --approve --as ada")
        demo.show("attune inquiry respond @last --approve --as grace --comment 'good luck'")
        demo.show("attune up -d --port 0 -qq")
        demo.show(
            "attune execution wait @last:deploy.release && attune execution show @last:deploy.release --tree"
        )
        demo.look("the next version says that it is out of memory")
        _release(demo, "2.0", "out of memory", url)
        demo.show(
            "attune inquiry respond @last --approve --as ada && attune inquiry respond @last --approve --as grace"
        )
        demo.show("attune execution wait @last:deploy.release", exit_code=1)
        demo.show("attune execution show @last:deploy.release --tree")
    demo.show("cat news; readlink web/*/current")
    currents = [link.readlink().name for link in (demo.folder / "web").glob("*/current")]
    demo.check(currents == ["1.0", "1.0"], "every host serves the version before")
    demo.show("attune down")


def _release(demo: Demo, version: str, health: str, url: str) -> None:
    """Begin a release in the daemon, and wait until it asks."""
    (demo.folder / "site" / "health").write_text(health)
    demo.show(
        f"attune run workflow deploy.release version={version} source=$PWD/site root=$PWD/web"
        f' hosts:=\'["web1", "web2"]\' approvers:=\'["ada", "grace"]\' url={url}'
        " announce_to=$PWD/news --detach -q"
    )
    demo.check(demo.comes_true(lambda: len(demo.list("inquiry list --pending")) == 1), "it asks")
    demo.check(demo.comes_true(lambda: len(_copies(demo, version)) == 2), "both hosts have a copy meanwhile")


def _copies(demo: Demo, version: str) -> list[Path]:
    return list((demo.folder / "web").glob(f"*/releases/{version}"))


@contextmanager
def serving(folder: Path) -> Generator[str]:
    """Serve a folder over HTTP; gives the URL."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that it has there
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


# --- how they are shown


class Demo:
    """A temporary folder with a home in it, and the ways to show and to check what attune does there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        ours = {name: value for name, value in os.environ.items() if not name.startswith("ATTUNE_")}
        # The settings and the home of whoever runs this stay out of it.
        self.environment = ours | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{ours['PATH']}",
            "ATTUNE_HOME": str(self.home),
            "XDG_CONFIG_HOME": str(folder),
        }
        shutil.copytree(PACK, folder / "pack")
        shutil.copytree(PACK.parents[1] / "packs" / "deploy", folder / "deploy")

    def say(self, text: str) -> None:
        print(f"\n=== {text}", flush=True)

    def look(self, text: str) -> None:
        print(f"\n--- {text}", flush=True)

    def show(self, line: str, *, exit_code: int = 0) -> None:
        """Run a line of shell for all to see; it has to end with `exit_code`."""
        print(f"\n$ {line}", flush=True)
        ended = subprocess.run(
            line,
            shell=True,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE_SECONDS * 2,
            check=False,
        )
        if ended.returncode:
            print(f"[exit {ended.returncode}]", flush=True)
        self.check(ended.returncode == exit_code, f"exit code {exit_code}, not {ended.returncode}: {line}")

    def record(self, execution: str) -> dict[str, Any]:
        """Return the record of an execution, as a script would read it."""
        line = ["attune", "execution", "show", execution, "-j"]
        return json.loads(subprocess.check_output(line, cwd=self.folder, env=self.environment))

    def list(self, command: str) -> list[dict[str, Any]]:
        """Return the records that `attune COMMAND` lists."""
        line = ["attune", *command.split(), "-j"]
        return json.loads(subprocess.check_output(line, cwd=self.folder, env=self.environment))

    def leave(self) -> None:
        """End the daemon, if one runs, and all that it runs."""
        for line in (["attune", "down", "--cancel-running"], ["attune", "down", "--force"]):
            subprocess.run(line, env=self.environment, capture_output=True, check=False)

    def check(self, is_true: bool, announced: str) -> None:
        if not is_true:
            sys.exit(f"\nnot as announced: {announced}")

    def comes_true(self, is_true: Callable[[], bool]) -> bool:
        """Wait, at most PATIENCE_SECONDS, until something is so; tells whether it came to be."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while not is_true():
            if time.monotonic() > give_up:
                return False
            time.sleep(0.05)
        return True


if __name__ == "__main__":
    main()
