from __future__ import annotations

import os
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attune_cli.errors import UnavailableError
from attune_cli.runtime.store import keys
from attune_cli.runtime.store.database import Store, connect, create_schema
from attune_cli.runtime.store.sealing import Sealer

REPOSITORY = Path(__file__).parents[2]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@pytest.fixture(scope="module")
def sealer(tmp_path_factory: pytest.TempPathFactory) -> Sealer:
    return Sealer(tmp_path_factory.mktemp("home") / "secret.key")


@given(value=json_values)
def test_what_is_sealed_comes_back(sealer: Sealer, value: Any) -> None:
    assert sealer.unseal(sealer.seal(value)) == value


def test_the_sealed_form_shows_nothing_and_differs_each_time(sealer: Sealer) -> None:
    sealed = [sealer.seal("correct horse battery staple") for _ in range(3)]
    assert len(set(sealed)) == 3
    assert all(b"horse" not in one for one in sealed)


@pytest.mark.parametrize("place", [0, 11, 12, -17, -1])
def test_a_sealed_value_that_was_changed_is_refused(sealer: Sealer, place: int) -> None:
    sealed = bytearray(sealer.seal("secret"))
    sealed[place] ^= 1
    with pytest.raises(UnavailableError) as refused:
        sealer.unseal(bytes(sealed))
    assert refused.value.code == "wrong_key"


@pytest.mark.parametrize("length", [0, 5, 12, 20])
def test_a_sealed_value_that_was_cut_is_refused(sealer: Sealer, length: int) -> None:
    with pytest.raises(UnavailableError):
        sealer.unseal(sealer.seal("secret")[:length])


def test_the_key_is_made_at_the_first_seal_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        sealer = Sealer(tmp_path / "secret.key")
        assert not (tmp_path / "secret.key").exists()
        sealer.seal("x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600
    assert (tmp_path / "secret.key").stat().st_size == 32
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_without_the_key_or_with_another_nothing_is_read_and_none_is_made(tmp_path: Path) -> None:
    sealed = Sealer(tmp_path / "secret.key").seal("x")
    (tmp_path / "secret.key").rename(tmp_path / "kept")
    with pytest.raises(UnavailableError) as missing:
        Sealer(tmp_path / "secret.key").unseal(sealed)
    assert missing.value.code == "no_key"
    assert not (tmp_path / "secret.key").exists()
    Sealer(tmp_path / "secret.key").seal("y")
    with pytest.raises(UnavailableError) as another:
        Sealer(tmp_path / "secret.key").unseal(sealed)
    assert another.value.code == "wrong_key"
    assert "secret.key" in str(another.value.hint)


@pytest.mark.parametrize("content", [b"", b"k" * 16, b"k" * 31, b"k" * 33])
def test_a_key_file_that_holds_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret.key").write_bytes(content)
    for use in (
        lambda: Sealer(tmp_path / "secret.key").seal("x"),
        lambda: Sealer(tmp_path / "secret.key").unseal(b"x"),
    ):
        with pytest.raises(UnavailableError) as refused:
            use()
        assert refused.value.code == "no_key"


def test_where_no_key_can_be_made_nothing_is_sealed(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError) as refused:
        Sealer(tmp_path / "nowhere" / "secret.key").seal("x")
    assert refused.value.code == "no_key"


def test_processes_that_make_the_key_at_once_agree_on_one(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from attune_cli.runtime.store.sealing import Sealer;"
        "sys.stdin.read(1); sys.stdout.buffer.write(Sealer(Path(sys.argv[1])).seal('same'))"
    )
    path = tmp_path / "secret.key"
    makers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
        )
        for _ in range(4)
    ]
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.close()
    sealed: list[bytes] = []
    for maker in makers:
        assert maker.stdout is not None
        with maker.stdout as stdout:
            sealed.append(stdout.read())
        assert maker.wait(30) == 0
    assert [Sealer(path).unseal(one) for one in sealed] == ["same"] * 4


def test_a_sealed_key_stands_in_the_clear_nowhere_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "attune.db"
    connection = connect(path)
    create_schema(connection)
    sealer = Sealer(tmp_path / "secret.key")
    with closing(Store(connection, path=path)) as store:
        for number, encrypted in ((1, True), (2, False)):
            value = f'"open-sesame-{number}"'
            with store.write(1) as tx:
                keys.upsert(
                    tx, ref=f"k{number}", owner_type="system", owner="", name=f"k{number}", encrypted=encrypted,
                    value=sealer.seal(f"open-sesame-{number}") if encrypted else value.encode(),
                )  # fmt: skip
        with store.read(1) as tx:
            found = [keys.get(tx, ref) for ref in ("k1", "k2")]
            values = [keys.read_value(key, sealer) for key in found if key is not None]
        on_disk = path.read_bytes() + (tmp_path / "attune.db-wal").read_bytes()
    assert values == ["open-sesame-1", "open-sesame-2"]
    assert (b"open-sesame-1" in on_disk, b"open-sesame-2" in on_disk) == (False, True)
