"""`attune apply`, `diff` and `export`: what files declare is there, all of it or nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from attune_cli.config import Home
    from tests.cli.conftest import Run

TRIGGER = "kind: trigger\nref: local.dry\noutput:\n  bed: {type: string}\n"
RULE = """kind: rule
ref: local.water
trigger_ref: local.dry
action_ref: core.echo
action_params:
  message: "{{ event.payload.bed }}"
"""


def write(path: str, text: str) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
    return path


def refs(run: Run, kind: str) -> list[str]:
    documents = json.loads(run("export", kind, "-j").stdout)
    return [one["ref"] for one in documents]


def test_files_are_applied_once_and_then_nothing_changes(run: Run) -> None:
    # The rule comes first: order does not matter.
    write("all.yaml", f"{RULE}---\n{TRIGGER}")
    planned = run("apply", "all.yaml", "-n")
    assert planned.stdout == "would create trigger local.dry\nwould create rule local.water\n"
    assert refs(run, "rule") == []
    first = run("apply", "all.yaml", "-j")
    assert first.exit_code == 0, first.stderr
    told = json.loads(first.stdout)
    assert (told["changed"], [one["change"] for one in told["items"]]) == (2, ["created", "created"])
    assert run("apply", "all.yaml", "-q").stdout == ""
    assert run("apply", "all.yaml").stdout == "unchanged trigger local.dry\nunchanged rule local.water\n"
    write("all.yaml", f"{RULE}enabled: false\n---\n{TRIGGER}")
    assert run("apply", "-f", "all.yaml", "-q").stdout == "local.water\n"


def test_all_faults_of_all_files_are_told_at_their_places_and_nothing_changes(run: Run, home: Home) -> None:
    write("a.yaml", TRIGGER)
    write("b.yaml", RULE.replace("local.dry", "local.dri").replace("core.echo", "core.ecko"))
    write("c.yaml", "kind: rulle\nref: local.x\n---\nref: local.y\n")
    write("d.yaml", "kind: rule\nref: [\n")
    write("e.yaml", RULE.replace("local.water", "local.e") + "modde: single\n")
    write("f.yaml", f"{TRIGGER}")
    refused = run("apply", "a.yaml", "b.yaml", "c.yaml", "d.yaml", "e.yaml", "f.yaml")
    assert (refused.exit_code, refused.stdout) == (2, "")
    for told in (
        "b.yaml:3:14  'trigger_ref': no trigger 'local.dri' (did you mean local.dry?)",
        "b.yaml:4:13  'action_ref': no action 'core.ecko' (did you mean core.echo?)",
        "c.yaml:1:7   there is no kind 'rulle' (did you mean rule?)",
        "c.yaml:4:1   missing key 'kind'",
        "d.yaml:3:1",
        "e.yaml:7:1   unknown key 'modde' (did you mean mode?)",
        "f.yaml:2:6   trigger 'local.dry' is already in a.yaml:1",
        "7 faults in 5 files; nothing was changed",
    ):
        assert told in refused.stderr
    assert refs(run, "trigger") == []
    assert run("apply", "nowhere.yaml").exit_code == 3
    assert run("apply").exit_code == 3
    assert not (home.path / "secret.key").exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"kind: rule\nref: \xff\n", "bad.yaml:2:6"),
        (b"kind: rule\nref: a.b\nconditions: " + b"[" * 500, "nested deeper than 100 levels"),
        (b"kind: rule\n" + b"#" * 1024 * 1024, "larger than 1024 KiB"),
        (b"- a\n", "expected a mapping of keys"),
        (b"kind: sensor\nref: core.timer_sensr\nenabled: false\n", "did you mean core.timer_sensor?"),
        (b"kind: key\nref: A B\nvalue: 1\n", "no key's ref"),
        (b"kind: trigger\nref: local.x\noutput: {a: {type: strng}}\n", "bad.yaml:3:20"),
        (b"kind: channel\nurl: key://x\n", "missing key 'name'"),
    ],
)
def test_what_is_no_document_is_refused(run: Run, content: bytes, told: str) -> None:
    Path("bad.yaml").write_bytes(content)
    refused = run("apply", "bad.yaml")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert told in refused.stderr


def test_a_file_without_an_end_is_not_read_to_its_end(process: Run) -> None:
    assert "larger than 1024 KiB" in process("apply", "/dev/zero").stderr


def test_a_folder_without_documents_declares_nothing(run: Run) -> None:
    write("there/compose.yaml", "services: {}\n")
    applied = run("apply", "there")
    assert (applied.exit_code, applied.stdout, applied.stderr) == (0, "", "nothing is declared there\n")


def test_what_looks_like_a_document_and_is_not_read_is_warned_of(run: Run) -> None:
    write("attune.toml", "")
    write("compose.yaml", "services: {}\n")
    write("charts/values.yaml", "ref: main\n")
    write("rule/water.yaml", RULE)
    write("stray.yaml", "ref: local.stray\n")
    write("rules/empty.yaml", "# later\n")
    applied = run("apply")
    assert applied.exit_code == 0
    assert applied.stderr.splitlines() == [
        "warning: rule is no folder that is read; did you mean rules?",
        "warning: stray.yaml is not read: no `kind` says what it declares",
        "warning: rules/empty.yaml:1:1: holds no document",
        "nothing is declared there",
    ]


def test_a_sensor_is_switched(run: Run) -> None:
    document = "kind: sensor\nref: core.timer_sensor\nenabled: false\n"
    assert run("apply", "-", input=document).stdout == "updated sensor core.timer_sensor\n"
    assert run("export", "sensor").stdout == f"---\n{document}"
    assert run("diff", "-", input=document).exit_code == 0


def test_a_difference_is_shown_and_told_by_the_exit_code(run: Run) -> None:
    write("all.yaml", f"{TRIGGER}---\n{RULE}")
    assert run("diff", "all.yaml", "-qq").exit_code == 1
    run("apply", "all.yaml")
    same = run("diff", "all.yaml")
    assert (same.exit_code, same.stdout) == (0, "")
    write("all.yaml", f"{TRIGGER}---\n{RULE}mode: single\n")
    other = run("diff", "all.yaml")
    assert other.exit_code == 1
    assert other.stdout.startswith("--- kept/rule/local.water\n+++ all.yaml\n")
    assert "+mode: single\n" in other.stdout
    assert run("diff", "all.yaml", "-q").stdout == "local.water\n"
    assert json.loads(run("diff", "all.yaml", "-j").stdout)["items"][0]["change"] == "updated"
    assert refs(run, "rule") == ["local.water"]


def test_what_no_file_declares_is_pruned_only_when_that_is_asked_for(run: Run) -> None:
    write("all.yaml", f"{TRIGGER}---\n{RULE}")
    run("apply", "all.yaml")
    write("all.yaml", TRIGGER)
    assert run("apply", "all.yaml", "-q").stdout == ""
    assert run("diff", "all.yaml", "--prune", "-q").stdout == "local.water\n"
    assert run("apply", "all.yaml", "--prune").exit_code == 2
    assert run("apply", "all.yaml", "--prune", "--scope", "pack:core", "--yes", "-q").stdout == ""
    assert run("apply", "all.yaml", "--prune", "--scope", "local").exit_code == 2
    assert run("apply", "all.yaml", "--scope", "pack:local").exit_code == 2
    assert refs(run, "rule") == ["local.water"]
    assert "pruned rule local.water\n" in run("apply", "all.yaml", "--prune", "--yes").stdout
    assert (refs(run, "rule"), refs(run, "trigger")) == ([], ["local.dry"])


def test_an_export_makes_the_same_in_another_home(run: Run, tmp_path: Path) -> None:
    write("all.yaml", f"{TRIGGER}---\n{RULE}")
    run("apply", "all.yaml")
    run("key", "set", "area", "-", "--plain", input="4")
    exported = run("export").stdout
    other = str(tmp_path / "other")
    assert run("apply", "-", "--home", other, input=exported).exit_code == 0
    assert run("export", "--home", other).stdout == exported
    assert run("diff", "-", "--home", other, "--prune", input=exported).exit_code == 0
    written = run("export", "--to", "out")
    assert written.stdout.split() == [
        "out/keys/area.yaml", "out/triggers/local.dry.yaml", "out/rules/local.water.yaml",
    ]  # fmt: skip
    assert run("apply", "out", "-q").stdout == ""
    write("out/rules/local.water.yaml", "kind: rule\n")
    assert run("export", "--to", "out").exit_code == 5
    assert run("export", "--to", "out", "--yes").exit_code == 0
    assert run("export", "rule/local.watr").exit_code == 3
    assert run("export", "nonsense").exit_code == 2


def test_secrets_are_neither_exported_nor_taken_from_files(run: Run) -> None:
    run("key", "set", "chat.url", "-", input="json://127.0.0.1:9/s3cr3t")
    write("ops.yaml", "kind: channel\nname: ops\nurl: key://chat.url\non: [rule.fired]\nrate: 5/10m\n")
    assert run("apply", "ops.yaml").stdout == "created channel ops\n"
    exported = run("export").stdout
    assert "s3cr3t" not in exported
    assert run("diff", "-", input=exported).exit_code == 0
    refused = run("apply", "-", "--home", "other", input=exported)
    assert refused.exit_code == 2
    assert "key 'chat.url' has no value yet (attune key set chat.url)" in refused.stderr
    write("ops.yaml", "kind: channel\nname: ops\nurl: json://h/token\non: [rule.fire]\n")
    refused = run("apply", "ops.yaml")
    assert "does not belong in a file" in refused.stderr
    assert "did you mean rule.fired?" in refused.stderr


def test_looking_makes_neither_a_home_nor_a_key(run: Run, home: Home) -> None:
    both = (
        'kind: key\nref: chat.url\nvalue: "json://127.0.0.1:9/t"\n'
        "---\nkind: channel\nname: ops\nurl: key://chat.url\non: [rule.fired]\n"
    )
    assert run("diff", "-", "-q", input=both).stdout == "chat.url\nops\n"
    assert run("apply", "-", "-n", input=both).exit_code == 0
    assert not home.path.exists()


def test_a_webhook_is_a_document_without_its_address_and_its_secret(run: Run) -> None:
    run("key", "set", "app.hook", "-", input="s3cr3t-of-the-hook")
    webhook = (
        "kind: webhook\nref: local.dry\nstyle: github\nsecret: key://app.hook\n"
        "allow: [192.0.2.0/24]\nrate: 60/1m\n"
    )
    assert run("apply", "-", input=f"{TRIGGER}---\n{webhook}").exit_code == 0
    address = run("webhook", "url", "local.dry").stdout
    exported = run("export", "webhook").stdout
    assert exported == f"---\n{webhook}".replace("60/1m", "60/1m00s")
    assert run("diff", "-", input=exported).exit_code == 0
    looser = webhook.replace("rate: 60/1m\n", "")
    assert run("diff", "-", input=looser).exit_code == 1
    assert run("apply", "-", input=looser).stdout == "updated webhook local.dry\n"
    assert run("webhook", "url", "local.dry").stdout == address
    off = run("apply", "-", input=f"{looser}enabled: false\n")
    assert (off.exit_code, run("webhook", "list", "--field", "enabled").stdout) == (0, "false\n")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("secret: hunter2hunter2", "does not belong in a file"),
        ("style: githb", "did you mean github?"),
        ("rate: many", "expected calls in a span such as 60/1m"),
        ("allow: [everywhere]", "expected addresses or networks"),
        ("style: slack", "need a secret to check them with"),
        ("secret: key://nowhere\nstyle: slack", "nowhere"),
    ],
)
def test_what_a_webhook_cannot_be_is_refused_at_its_place(run: Run, line: str, told: str) -> None:
    refused = run("apply", "-", input=f"{TRIGGER}---\nkind: webhook\nref: local.dry\n{line}\n")
    assert refused.exit_code == 2
    assert told in refused.stderr
    assert run("trigger", "show", "local.dry").exit_code == 3


def test_a_channel_keeps_the_url_it_has(run: Run) -> None:
    document = "kind: channel\nname: ops\non: [event.created]\n"
    missing = run("apply", "-", input=document)
    assert "attune notify add ops URL" in missing.stderr
    assert run("notify", "add", "ops", "-", "--on", "rule.fired", input="json://127.0.0.1:9/t").exit_code == 0
    assert run("apply", "-", input=document).stdout == "updated channel ops\n"
    assert run("notify", "show", "ops", "--field", "url").stdout == "json://********\n"


def test_rules_and_channels_may_name_each_other(run: Run) -> None:
    run("key", "set", "chat.url", "-", input="json://127.0.0.1:9/t")
    channel = "kind: channel\nname: ops\nurl: key://chat.url\non: [execution.failed]\nrules: [local.water]\n"
    both = f"{TRIGGER}---\n{RULE}notify: [ops]\n---\n{channel}"
    assert run("apply", "-", input=both).exit_code == 0
    assert run("diff", "-", input=both).exit_code == 0
    refused = run("apply", "-", input=both.replace("rules: [local.water]", "rules: [local.watr]"))
    assert (refused.exit_code, "did you mean local.water?" in refused.stderr) == (2, True)


@pytest.fixture
def project(run: Run) -> str:
    assert run("init", "garden", "-qq").exit_code == 0
    write("garden/triggers/dry.yaml", TRIGGER.replace("kind: trigger\n", ""))
    write("garden/rules/water.yaml", RULE.replace("kind: rule\n", "").replace("core.echo", "garden.hello"))
    write("garden/compose.yaml", "services: {}\n")
    return "garden"


def test_a_project_is_applied_with_its_packs(run: Run, project: str) -> None:
    path = f"{project}/rules/water.yaml"
    write(path, Path(path).read_text().replace("message:", "name:"))
    applied = run("-C", project, "apply")
    assert applied.exit_code == 0, applied.stderr
    assert applied.stdout.splitlines() == [
        "created pack garden", "created trigger local.dry", "created rule local.water",
    ]  # fmt: skip
    assert run("-C", project, "apply", "-q").stdout == ""
    action = Path(project, "packs/garden/actions/hello.yaml")
    action.write_text(action.read_text() + "\ntags: [friendly]\n")
    assert run("-C", project, "diff", "-q").stdout == "garden\n"


def test_a_faulty_rule_keeps_the_packs_of_its_project_out_as_well(run: Run, project: str) -> None:
    refused = run("-C", project, "apply")
    assert (refused.exit_code, "no such parameter" in refused.stderr or "message" in refused.stderr) == (
        2,
        True,
    )
    assert "garden" not in run("pack", "list", "-q").stdout.split()


def test_a_rule_of_a_pack_is_changed_in_its_file_only(run: Run, project: str) -> None:
    Path(project, "rules/water.yaml").unlink()
    write(
        f"{project}/packs/garden/rules/night.yaml",
        "ref: garden.night\ntrigger_ref: core.alert\naction_ref: core.noop\n",
    )
    assert run("-C", project, "apply").exit_code == 0
    exported = run("export", "rule/garden.night").stdout
    assert run("apply", "-", input=exported).stdout == "unchanged rule garden.night\n"
    assert run("export", "rule").stdout == ""
    refused = run("apply", "-", input=exported + "mode: single\n")
    assert refused.exit_code == 2
    assert "belongs to a file of pack 'garden'" in refused.stderr


# --- keys that are not set yet


SECRETS = """kind: key
ref: hub.secret
---
kind: trigger
ref: local.push
---
kind: webhook
ref: local.push
style: github
secret: key://hub.secret
---
kind: channel
name: ops
url: key://chat.url
on: [rule.fired]
---
kind: channel
name: night
url: key://chat.url
on: [rule.fired]
"""


def test_a_key_without_a_value_is_told_once_however_many_name_it(run: Run, home: Home) -> None:
    write("all.yaml", SECRETS)
    refused = run("apply", "all.yaml")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.splitlines() == [
        "error: 2 faults in 1 file; nothing was changed",
        "  all.yaml:2:6   key 'hub.secret' has no value yet (attune key set hub.secret)",
        "  all.yaml:14:6  key 'chat.url' has no value yet (attune key set chat.url)",
        "hint: attune key set hub.secret",
    ]
    assert json.loads(run("key", "list", "-j").stdout) == []
    assert run("export").stdout == ""
    assert not (home.path / "secret.key").exists()


def test_looking_wants_no_key_to_be_set_but_says_what_applying_will_want(run: Run, home: Home) -> None:
    write("all.yaml", SECRETS)
    looked = run("apply", "all.yaml", "-n")
    assert looked.exit_code == 0, looked.stderr
    assert looked.stdout.splitlines() == [
        "would create key hub.secret",
        "would create trigger local.push",
        "would create webhook local.push",
        "would create channel ops",
        "would create channel night",
    ]
    assert looked.stderr.count("has no value yet") == 2
    told = json.loads(run("apply", "all.yaml", "-n", "-j").stdout)
    assert (told["dry_run"], told["items"][0]["change"]) == (True, "created")
    assert not home.path.exists()
    run("key", "set", "hub.secret", "-", input="0123456789abcdef")
    run("key", "set", "chat.url", "-", input="json://127.0.0.1:9/t")
    assert "has no value" not in run("apply", "all.yaml", "-n").stderr
    applied = run("apply", "all.yaml", "-j")
    assert (applied.exit_code, json.loads(applied.stdout)["dry_run"]) == (0, False)


def test_a_mistyped_key_is_suggested(run: Run) -> None:
    run("key", "set", "chat.url", "-", input="json://127.0.0.1:9/t")
    refused = run("apply", "-", input="kind: channel\nname: ops\nurl: key://chat.ulr\non: [rule.fired]\n")
    assert "key 'chat.ulr' has no value yet (did you mean chat.url?)" in refused.stderr


def test_a_fault_of_a_pack_leads_to_what_checks_packs(run: Run) -> None:
    write("attune.toml", "")
    write("packs/greenhouse/pack.yaml", "ref: greenhouse\nversion: 1.0.0\nlabel: Greenhouse\n")
    write("packs/greenhouse/actions/a.yaml", "ref: greenhouse.a\nrunner_type: shel\n")
    refused = run("apply")
    assert refused.exit_code == 2
    assert "packs/greenhouse/actions/a.yaml" in refused.stderr
    assert refused.stderr.splitlines()[-1] == "hint: attune validate"
    assert run("validate").exit_code == 1


# --- checking without a database


def test_a_project_is_checked_whole_without_a_database_and_without_keys(run: Run, home: Home) -> None:
    write("attune.toml", "")
    write("packs/greenhouse/pack.yaml", "ref: greenhouse\nversion: 1.0.0\nlabel: Greenhouse\n")
    write("packs/greenhouse/triggers/t.yaml", "ref: greenhouse.t\nlabel: T\noutput: {a: {type: strng}}\n")
    write("rules/water.yaml", RULE.replace("core.echo", "core.ecko").removeprefix("kind: rule\n"))
    write("rules/post.yaml", RULE.replace("core.echo", "chat.post").replace("local.water", "local.post"))
    write("all.yaml", SECRETS.replace("github", "githb"))
    write("triggers/dry.yaml", TRIGGER)
    write("sensors/off.yaml", "ref: core.timer_sensr\nenabled: false\n")
    checked = run("validate")
    assert checked.exit_code == 1
    for told, line in zip(
        (
            "packs/greenhouse/triggers/t.yaml:3:20: 'output.a.type': expected one of string, ",
            "all.yaml:9:8: 'style': ",
            "rules/post.yaml:2:6: warning: not checked against what is not in this project: 'chat'",
            "rules/water.yaml:3:13: 'action_ref': no action 'core.ecko' (did you mean core.echo?)",
            "sensors/off.yaml:1:6: no sensor 'core.timer_sensr' (did you mean core.timer_sensor?)",
        ),
        checked.stdout.splitlines(),
        strict=True,
    ):
        assert line.startswith(told)
    assert checked.stderr == "1 pack, 9 documents, 4 errors, 1 warning\n"
    assert not home.path.exists()
    one = run("validate", "rules/water.yaml", "-j")
    assert [found["path"] for found in json.loads(one.stdout)] == ["rules/water.yaml"]
    assert run("validate", "triggers").exit_code == 0
    assert run("validate", "rules/post.yaml", "--strict").exit_code == 1


def test_a_project_without_faults_is_valid_though_no_key_is_set(run: Run, home: Home) -> None:
    write("attune.toml", "")
    write("all.yaml", f"{SECRETS}---\n{TRIGGER}---\n{RULE}notify: [ops]\n")
    checked = run("validate", "--strict")
    assert (checked.exit_code, checked.stdout) == (0, "")
    assert checked.stderr == "0 packs, 7 documents, 0 errors, 0 warnings\n"
    assert not home.path.exists()


def test_a_document_outside_a_project_is_checked_as_far_as_it_tells(run: Run) -> None:
    write("rule.yaml", RULE + "modde: single\n")
    checked = run("validate", "rule.yaml")
    assert (checked.exit_code, checked.stdout.splitlines()) == (
        1,
        [
            "rule.yaml:2:6: warning: not checked against what is not in this project: 'local'",
            "rule.yaml:7:1: unknown key 'modde' (did you mean mode?)",
        ],
    )


def test_what_is_wrong_leads_to_the_fields_of_the_document_that_it_is_in(run: Run) -> None:
    write("all.yaml", f"{TRIGGER}wehbook: true\n---\n{RULE}")
    refused = run("apply", "-f", "all.yaml")
    assert (refused.exit_code, "hint: attune schema trigger\n" in refused.stderr) == (2, True)
