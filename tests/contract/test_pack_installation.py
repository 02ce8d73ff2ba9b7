from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from attune_cli.config import Home
from attune_cli.errors import AttuneError, ConflictError, NotFoundError, UsageError
from attune_cli.runtime.model.automations import DEFINITIONS
from attune_cli.runtime.model.definitions import PackManifest
from attune_cli.runtime.model.entities import REDACTED
from attune_cli.runtime.model.states import Status
from attune_cli.runtime.packs.interpreters import Interpreters
from attune_cli.runtime.packs.source import read_pack
from attune_cli.runtime.packs.staging import staged
from attune_cli.runtime.services import actions, installation, pack_config, packs
from attune_cli.runtime.services.environments import refuse_missing_runtimes
from attune_cli.runtime.store import definitions
from attune_cli.runtime.store import packs as stored_packs
from attune_cli.runtime.store.database import Store, connect, create_schema
from attune_cli.runtime.store.sealing import Sealer
from tests.contract.rows import add_execution
from tests.pack_files import ACTION, GREENHOUSE, MANIFEST, write_files, write_pack

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from attune_cli.runtime.services.installation import Installation
    from attune_cli.runtime.store.database import Transaction


class World:
    """A home with a database that holds the core pack."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder / "home")
        self.home.packs.mkdir(parents=True)
        self.store = self.open()
        create_schema(self.store.connection)
        self.sealer = Sealer(self.home.secret_key)
        self.now = 1
        with self.write() as tx:
            installation.install_core_pack(tx, home=self.home)

    def open(self) -> Store:
        return Store(connect(self.home.database), path=self.home.database)

    @contextmanager
    def write(self) -> Generator[Transaction]:
        self.now += 1
        with self.store.write(self.now) as tx:
            yield tx

    def install(self, folder: Path, store: Store | None = None, **options: Any) -> Installation:
        store = store or self.store
        with staged(str(folder), self.home, link=options.pop("link", False)) as pack:
            with store.read(self.now) as tx:
                source = read_pack(pack.folder, installed=installation.installed(tx))
            self.now += 1
            with store.write(self.now) as tx:
                return installation.install(tx, pack, source, home=self.home, sealer=self.sealer, **options)

    def rows(self, kind: definitions.Kind, pack: str = "demo") -> dict[str, definitions.Row]:
        with self.store.read(self.now) as tx:
            return {row.ref: row for row in definitions.all_of(tx, kind, pack_ref=pack)}

    def pack(self, ref: str = "demo") -> stored_packs.Pack:
        with self.store.read(self.now) as tx:
            return packs.find(tx, ref)


@pytest.fixture
def world(memory_path: Path) -> Iterator[World]:
    world = World(memory_path)
    yield world
    world.store.close()


def test_kinds_of_tables_and_of_definitions_are_the_same() -> None:
    assert set(definitions.KINDS) == set(DEFINITIONS)
    assert len(definitions.KINDS) == len(DEFINITIONS)


def test_every_kind_of_definition_reaches_its_table(world: World, tmp_path: Path) -> None:
    done = world.install(write_files(tmp_path / "greenhouse", GREENHOUSE))
    assert (done.ref, done.version, done.before) == ("greenhouse", "0.3.0", None)
    with world.store.read(world.now) as tx:
        contents = packs.show_pack(tx, "greenhouse")["contents"]
    assert {kind: len(refs) for kind, refs in contents.items()} == {
        **dict.fromkeys(("permission_set", "runtime", "trigger", "queue", "rule", "sensor", "policy"), 1),
        "action": 3,
        "workflow": 2,
    }


def test_the_core_pack_is_there_and_keeps_its_id_when_it_is_put_in_again(world: World) -> None:
    with world.write() as tx:
        before = packs.find(tx, "core")
        assert before.source == installation.core_source()
        installation.install_core_pack(tx, home=world.home)
        assert packs.find(tx, "core").id == before.id
    assert (world.home.packs / "core" / before.digest / "actions/echo.sh").is_file()


def test_an_upgrade_keeps_ids_and_takes_away_what_is_gone(world: World, tmp_path: Path) -> None:
    folder = write_pack(
        tmp_path, {"actions/old.yaml": "ref: old\nentry_point: date\n", "triggers/t.yaml": "ref: t\n"}
    )
    world.install(folder)
    before, pack = world.rows("action"), world.pack()
    with world.write() as tx:
        tx.execute(
            "INSERT INTO rule (ref, pack, label, is_adhoc, definition, created, updated)"
            " VALUES ('demo.mine', ?, '', 1, '{}', 1, 1)",
            (pack.id,),
        )
    (folder / "actions/old.yaml").unlink()
    write_files(
        folder,
        {"pack.yaml": MANIFEST.replace("1.0.0", "2.0.0"), "actions/hello.yaml": ACTION + "label: Hi\n"},
    )
    done = world.install(folder, upgrade=True)
    after = world.rows("action")
    assert (done.before, done.version) == ("1.0.0", "2.0.0")
    assert set(after) == {"demo.hello"}
    assert after["demo.hello"].id == before["demo.hello"].id
    assert (after["demo.hello"].label, after["demo.hello"].created) == ("Hi", before["demo.hello"].created)
    assert world.pack().id == pack.id
    assert set(world.rows("rule")) == {"demo.mine"}


def test_what_a_person_disabled_stays_disabled_until_the_pack_says_otherwise(
    world: World, tmp_path: Path
) -> None:
    folder = write_pack(tmp_path)
    world.install(folder)
    with world.write() as tx:
        assert actions.set_enabled(tx, ["demo.hello"], enabled=False)["changed"] == ["demo.hello"]
    world.install(folder, upgrade=True)
    assert not world.rows("action")["demo.hello"].enabled
    for written, enabled in (("false", False), ("true", True)):
        write_files(folder, {"actions/hello.yaml": f"{ACTION}enabled: {written}\n"})
        world.install(folder, upgrade=True)
        assert world.rows("action")["demo.hello"].enabled is enabled


def test_a_pack_is_installed_once_unless_it_is_to_be_replaced(world: World, tmp_path: Path) -> None:
    folder = write_pack(tmp_path)
    world.install(folder)
    with pytest.raises(ConflictError, match=r"'demo' 1\.0\.0 is installed already"):
        world.install(folder)
    world.install(folder, upgrade=True)


def test_a_linked_pack_may_be_linked_again_and_stays_where_it_is(world: World, tmp_path: Path) -> None:
    folder = write_pack(tmp_path)
    world.install(folder, link=True)
    write_files(folder, {"actions/two.yaml": "ref: two\nentry_point: date\n"})
    world.install(folder, link=True)
    assert set(world.rows("action")) == {"demo.hello", "demo.two"}
    assert world.pack().link == str(folder)
    assert not (world.home.packs / "demo").exists()
    with pytest.raises(ConflictError):
        world.install(write_pack(tmp_path / "elsewhere"), link=True)


def test_a_faulty_pack_changes_nothing_and_names_every_fault(world: World, tmp_path: Path) -> None:
    files = {
        "rules/r.yaml": "ref: r\ntrigger_ref: core.corntimer\naction_ref: gone.hello\n",
        "triggers/t.yaml": "ref: [",
    }
    with pytest.raises(UsageError) as caught:
        world.install(write_pack(tmp_path, files))
    assert [(detail.path, detail.message) for detail in caught.value.details] == [
        ("rules/r.yaml:2:14", "unknown trigger 'core.corntimer' (did you mean core.crontimer?)"),
        ("rules/r.yaml:3:13", "unknown action 'gone.hello': there is no pack 'gone'"),
        ("triggers/t.yaml:2:1", "did not find expected node content"),
    ]
    with world.store.read(world.now) as tx:
        assert [record["ref"] for record in packs.list_packs(tx)] == ["core"]
    assert not (world.home.packs / "demo").exists()


def test_nothing_is_left_of_an_installation_that_is_interrupted(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_pack(tmp_path, {"triggers/t.yaml": "ref: t\n"})
    upsert, calls = definitions.upsert, []

    def fails_at_the_second(*arguments: Any, **options: Any) -> None:
        calls.append(arguments)
        if len(calls) == 2:
            raise OSError("disk full")
        upsert(*arguments, **options)

    monkeypatch.setattr(definitions, "upsert", fails_at_the_second)
    with pytest.raises(OSError, match="disk full"):
        world.install(folder)
    monkeypatch.undo()
    with pytest.raises(NotFoundError):
        world.pack()
    assert world.rows("trigger") == {}
    world.install(folder)
    assert set(world.rows("trigger")) == {"demo.t"}


def test_of_two_installs_at_once_one_is_in_and_the_other_is_told(world: World, tmp_path: Path) -> None:
    folder = write_pack(tmp_path)
    outcomes: list[str] = []
    barrier = threading.Barrier(4)

    def install() -> None:
        store = world.open()
        barrier.wait()
        try:
            outcomes.append(world.install(folder, store).version)
        except AttuneError as error:
            outcomes.append(error.code)
        finally:
            store.close()

    threads = [threading.Thread(target=install) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["1.0.0", "pack_installed", "pack_installed", "pack_installed"]
    content = world.home.packs / "demo" / world.pack().digest
    assert (content / "actions/hello.sh").is_file()


# --- dependencies


def test_packs_that_are_needed_have_to_be_there_in_a_version_that_fits(world: World, tmp_path: Path) -> None:
    folder = write_pack(tmp_path, {"pack.yaml": MANIFEST + "dependencies: ['base>=2', gone, core]\n"})
    with pytest.raises(NotFoundError) as missing:
        world.install(folder)
    assert [detail.path for detail in missing.value.details] == ["base >=2", "gone"]
    write_files(folder, {"pack.yaml": MANIFEST + "dependencies: ['base>=2']\n"})
    base = write_pack(tmp_path, ref="base")
    world.install(base)
    with pytest.raises(ConflictError) as unfit:
        world.install(folder)
    assert [(one.path, one.message) for one in unfit.value.details] == [("base >=2", "1.0.0 is installed")]
    world.install(folder, dependencies=False)


def test_a_pack_that_others_need_neither_goes_nor_changes_to_what_does_not_fit(
    world: World, tmp_path: Path
) -> None:
    base = write_pack(tmp_path, ref="base")
    world.install(base)
    world.install(write_pack(tmp_path, {"pack.yaml": MANIFEST + "dependencies: ['base<2']\n"}))
    write_files(base, {"pack.yaml": "ref: base\nversion: 2.0.0\n"})
    with pytest.raises(ConflictError) as unfit:
        world.install(base, upgrade=True)
    assert [(one.path, one.message) for one in unfit.value.details] == [("demo", "needs base <2")]
    with world.write() as tx, pytest.raises(ConflictError, match="needed by demo"):
        installation.uninstall(tx, "base")
    with world.write() as tx:
        installation.uninstall(tx, "base", together_with=frozenset({"demo"}))


def test_runtimes_that_are_needed_are_looked_for(world: World) -> None:
    interpreters = Interpreters(world.home.environments / "interpreters.json")
    with world.store.read(world.now) as tx:
        there = PackManifest(ref="demo", runtime_deps=("shell", "python3>=3.9", "python"))
        refuse_missing_runtimes(tx, there, interpreters)
        gone = PackManifest(ref="demo", runtime_deps=("python3>=99", "cobol"))
        with pytest.raises(NotFoundError) as caught:
            refuse_missing_runtimes(tx, gone, interpreters)
    assert [detail.path for detail in caught.value.details] == ["python3>=99", "cobol"]


# --- uninstall


def test_an_uninstalled_pack_leaves_nothing_but_its_history(world: World, tmp_path: Path) -> None:
    world.install(write_pack(tmp_path))
    with world.write() as tx:
        for owner_type, owner in (
            ("pack", "demo"),
            ("action", "demo.hello"),
            ("pack", "demo2"),
            ("system", ""),
        ):
            tx.execute(
                "INSERT INTO key (ref, owner_type, owner, name, encrypted, value, created, updated)"
                " VALUES (?, ?, ?, 'k', 0, x'31', 1, 1)",
                (f"{owner_type}.{owner}.k", owner_type, owner),
            )
        installation.uninstall(tx, "demo")
    with world.write() as tx:
        installation.sweep(tx, "demo", home=world.home)
        assert [ref for (ref,) in tx.execute("SELECT ref FROM key ORDER BY ref")] == [
            "pack.demo2.k",
            "system..k",
        ]
    assert world.rows("action") == {}
    assert not (world.home.packs / "demo").exists()


def test_a_pack_in_use_is_not_uninstalled(world: World, tmp_path: Path) -> None:
    world.install(write_pack(tmp_path))
    execution = add_execution(world.store.connection, Status.RUNNING)
    world.store.connection.execute(
        "UPDATE execution SET action_ref = 'demo.hello' WHERE id = ?", (execution,)
    )
    with world.write() as tx, pytest.raises(ConflictError, match="in use by 1 execution") as caught:
        installation.uninstall(tx, "demo")
    assert caught.value.hint == f"attune execution cancel {execution}"


def test_the_core_pack_stays(world: World) -> None:
    with world.write() as tx, pytest.raises(ConflictError):
        installation.uninstall(tx, "core")


def test_content_goes_when_neither_the_pack_nor_a_run_needs_it(world: World, tmp_path: Path) -> None:
    folder = write_pack(tmp_path)
    world.install(folder)
    first = world.pack().digest
    execution = add_execution(world.store.connection, Status.RUNNING)
    job = f'{{"pack_digest": "{first}", "action": {{"pack_ref": "demo"}}}}'
    world.store.connection.execute("UPDATE job SET definition = ?", (job,))
    write_files(folder, {"actions/hello.sh": "#!/bin/sh\necho new\n"})
    world.install(folder, upgrade=True)
    second = world.pack().digest

    def contents() -> set[str]:
        with world.write() as tx:
            installation.sweep(tx, "demo", home=world.home)
        return {path.name for path in (world.home.packs / "demo").iterdir()}

    assert contents() == {first, second}
    world.store.connection.execute(
        "UPDATE execution SET status = 'completed', finished = 2 WHERE id = ?", (execution,)
    )
    assert contents() == {second}


# --- configuration

CONFIGURED = MANIFEST + (
    "conf_schema:\n  url: {type: string, required: true}\n  token: {type: string, secret: true}\n"
    "  retries: {type: integer, default: 3}\nconfig: {token: from-the-pack}\n"
)


def test_configuration_is_checked_sealed_and_never_shown(world: World, tmp_path: Path) -> None:
    world.install(write_pack(tmp_path, {"pack.yaml": CONFIGURED}))
    assert pack_config.config_record(world.pack())["missing"] == ["url"]
    with world.write() as tx:
        pack_config.set_values(
            tx, packs.find(tx, "demo"), {"url": "https://x", "token": "s3cret"}, world.sealer
        )
    pack = world.pack()
    record = pack_config.config_record(pack)
    assert record["config"] == {"token": REDACTED, "url": "https://x", "retries": 3}
    assert record["missing"] == []
    assert pack_config.values(pack, world.sealer) == {"token": "s3cret", "url": "https://x", "retries": 3}
    stored = "\n".join(world.store.connection.iterdump())
    assert "s3cret" not in stored
    assert "from-the-pack" not in stored


def test_values_that_do_not_fit_are_all_told_and_none_is_set(world: World, tmp_path: Path) -> None:
    world.install(write_pack(tmp_path, {"pack.yaml": CONFIGURED}))
    with world.write() as tx, pytest.raises(UsageError) as caught:
        pack_config.set_values(
            tx, packs.find(tx, "demo"), {"retries": "x", "tokn": "y", "url": "u"}, world.sealer
        )
    assert [fault.path for fault in caught.value.details] == ["retries", "tokn"]
    assert "url" not in world.pack().config


def test_null_takes_a_value_away(world: World, tmp_path: Path) -> None:
    world.install(write_pack(tmp_path, {"pack.yaml": CONFIGURED}))
    with world.write() as tx:
        pack_config.set_values(tx, packs.find(tx, "demo"), {"token": None, "retries": 5}, world.sealer)
    assert (world.pack().config, world.pack().sealed) == ({"retries": 5}, None)


def test_an_upgrade_keeps_values_and_seals_what_has_become_secret(world: World, tmp_path: Path) -> None:
    folder = write_pack(tmp_path, {"pack.yaml": CONFIGURED.replace(", secret: true", "")})
    world.install(folder)
    with world.write() as tx:
        pack_config.set_values(tx, packs.find(tx, "demo"), {"token": "s3cret"}, world.sealer)
    write_files(folder, {"pack.yaml": CONFIGURED})
    world.install(folder, upgrade=True)
    assert world.pack().config == {"token": REDACTED}
    assert pack_config.own_values(world.pack(), world.sealer) == {"token": "s3cret"}
