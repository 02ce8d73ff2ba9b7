"""Parameters as they are typed: `key=value`, `key:=JSON`, `key=@FILE`, `a.b=1`, `--params` (cli.md 3.2)."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from attune_cli.errors import Detail
from attune_cli.runtime.model.parameters import coerce, example_of, is_secret, leaf_at, types_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attune_cli.runtime.model.actions import Schema

_TOO_DEEP = "is nested too deeply"


@dataclass
class ParameterReader:
    """Reads all items of one command line; every fault is kept, and told together with the schema's."""

    schema: Schema
    templates: bool = False
    """Whether text with `{{` in it is left as it is, because what it becomes is known later."""
    keys: bool = True
    """Whether `key://REF` stands for a key's value."""
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    faults: list[Detail] = field(default_factory=list[Detail])
    warnings: list[str] = field(default_factory=list[str])
    _stdin_used: bool = False
    _seen: set[str] = field(default_factory=set[str])

    def read_document(self, text: str) -> None:
        """Take in `--params`: JSON text, `@FILE` (JSON or YAML) or `-` for stdin."""
        try:
            document = self._document(text)
        except ValueError as error:
            self.faults.append(Detail("--params", str(error)))
            return
        if isinstance(document, dict):
            self.values.update(cast("dict[str, Any]", document))
        else:
            self.faults.append(Detail("--params", "expected an object"))

    def whole(self, text: str, option: str = "--params") -> object:
        """Return a document of any kind, given as for `--params`; raises ValueError."""
        return self._document(text, option)

    def read_items(self, items: Sequence[str]) -> None:
        """Take in positional items; a later one overrides `--params`."""
        for number, item in enumerate(items, start=1):
            name, equals, text = item.partition("=")
            if not equals or not name.strip(":"):
                self._fault(item, f"expected key=value or key:=JSON{self._way_to_give(item)}", number)
                continue
            try:
                self._item(name, text, number)
            except ValueError as error:
                self._fault(name.removesuffix(":"), str(error), number)

    def _item(self, name: str, text: str, number: int) -> None:
        if name.endswith(":"):
            name = name.removesuffix(":")
            self._warn_of_secret(name, text)
            self._put(name, self._structured(text), number)
            return
        self._warn_of_secret(name, text)
        if text.startswith("@@"):
            text = text[1:]
        elif text.startswith("@"):
            text = self._file(text[1:])
        value = text if self.templates and "{{" in text else coerce(self.schema, name, text)
        if isinstance(value, Detail):
            told = f"{value.message}{self._way_to_write(name)}"
            self.faults.append(replace(value, message=told, source=f"argument {number}"))
        else:
            self._put(name, value, number)

    def _way_to_give(self, word: str) -> str:
        """Say how a word alone is given, where only one parameter has to be, or where there is only one."""
        required = [name for name, leaf in self.schema.items() if leaf.get("required") is True]
        meant = required or [*self.schema]
        if len(meant) != 1 or "=" in word or is_secret(self.schema, (meant[0],)):
            return ""
        return f"; did you mean {shlex.quote(f'{meant[0]}={word}')}?"

    def _way_to_write(self, name: str) -> str:
        """Say how an array or an object is written, for a shell."""
        leaf = leaf_at(self.schema, self._path(name)) or {}
        if not {"array", "object"} & {*types_of(leaf)} or is_secret(self.schema, self._path(name)):
            return ""
        return f" (written {name}={shlex.quote(json.dumps(example_of(leaf), ensure_ascii=False))})"

    def _warn_of_secret(self, name: str, text: str) -> None:
        if is_secret(self.schema, self._path(name)) and not _is_elsewhere(text):
            ways = f"{name}=@FILE or {name}=key://REF" if self.keys else f"{name}=@FILE"
            self.warnings.append(f"{name} is secret, and a command line can be read by others: {ways}")

    def _path(self, name: str) -> tuple[str, ...]:
        """Return the members a name leads to: dots go into objects, unless a parameter is called so."""
        return (name,) if name in self.schema else tuple(name.split("."))

    def _put(self, name: str, value: object, number: int) -> None:
        path = self._path(name)
        place = self.values
        for part in path[:-1]:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):
                self._fault(name, f"{part} is no object", number)
                return
            place = cast("dict[str, Any]", inner)
        if name in self._seen:
            self._again(place, path, value, number)
        else:
            place[path[-1]] = value
        self._seen.add(name)

    def _again(self, place: dict[str, Any], path: tuple[str, ...], value: object, number: int) -> None:
        """A repeated key makes an array where one is declared."""
        earlier = place[path[-1]]
        if "array" in types_of(leaf_at(self.schema, path) or {}) and isinstance(earlier, list):
            more = cast("list[Any]", value) if isinstance(value, list) else [value]
            place[path[-1]] = [*cast("list[Any]", earlier), *more]
        else:
            self._fault(".".join(path), "given twice", number)

    def _structured(self, text: str) -> object:
        if text.startswith("@"):
            return _parse_document(self._file(text[1:]), text)
        try:
            return cast("object", json.loads(text))
        except ValueError as error:
            raise ValueError(f"is not JSON: {error}; a text is given with = instead of :=") from error
        except RecursionError as error:
            raise ValueError(_TOO_DEEP) from error

    def _document(self, text: str, option: str = "--params") -> object:
        if text == "-" or text.startswith("@"):
            return _parse_document(self._file(text.removeprefix("@")), text)
        return _parse_document(text, option)

    def _file(self, name: str) -> str:
        if name != "-":
            try:
                return Path(name).read_text("utf-8", "surrogateescape")
            except OSError as error:
                raise ValueError(f"cannot read {name}: {error.strerror}") from error
        if self._stdin_used:
            raise ValueError("stdin can be read only once")
        self._stdin_used = True
        return sys.stdin.read()

    def _fault(self, name: str, message: str, number: int) -> None:
        self.faults.append(Detail(name, message, source=f"argument {number}"))


def _is_elsewhere(text: str) -> bool:
    """Tell whether a word only says where the value is."""
    return text.startswith("key://") or (text.startswith("@") and not text.startswith("@@"))


def _parse_document(text: str, name: str) -> object:
    """Read JSON, or YAML where it is no JSON; what only YAML has (dates, keys that are no text) becomes text."""
    try:
        return cast("object", json.loads(text))
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    except ValueError:
        from attune_cli.runtime.runners.yaml_values import read_yaml

        try:
            return read_yaml(text)
        except ValueError as error:
            raise ValueError(f"{name} is neither JSON nor YAML: {' '.join(str(error).split())}") from error
        except RecursionError as error:
            raise ValueError(_TOO_DEEP) from error
