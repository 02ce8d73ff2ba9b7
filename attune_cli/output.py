"""The only renderer: data on stdout in the form asked for, notes and errors on stderr (cli.md 3.3, 3.5).

A command gets a `Printer` as `context.out` and calls one of

    context.out.records(rows, COLUMNS)             a list: table, TSV in a pipe, JSON array …
    context.out.record(row, COLUMNS, sections)     one record: key and value, JSON object …
    context.out.outcome({"deleted": refs}, refs)   what changed: names one a line, else the record
    context.out.value(anything)                    a bare value: `-r`, `execution result`
    context.out.event(record, text)                one record of a stream: a JSON line, or `text`
    context.out.note("pack demo installed")        says on stderr what changed; -q silences it
    context.out.hint("attune pack show demo")      the next useful command, to terminals only
    context.out.warning("pack.yaml:3: unknown key") on stderr, unless -qq

Records are dicts as the API names things (`kind`, `id` and/or `ref`, times as RFC 3339 text). The form, `-q`,
`--fields` and `--field` are obeyed here; a command never looks at them.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Literal, TextIO, get_args

from attune_cli.documents import (
    MISSING,
    Json,
    Record,
    compact_json,
    csv_text,
    nearest_path,
    pluck,
    tab_separated,
    yaml_text,
)
from attune_cli.errors import NotFoundError, UnavailableError, UsageError, did_you_mean
from attune_cli.runtime.clock import Clock, SystemClock
from attune_cli.table import Column, cell, display_width, paint, status_style, table, visible
from attune_cli.values import immutable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from attune_cli.errors import AttuneError, Detail

__all__ = [
    "COLORS",
    "FORMATS",
    "Color",
    "Column",
    "Format",
    "Printer",
    "Record",
    "Section",
    "is_terminal",
    "visible",
]

Format = Literal["text", "json", "jsonl", "yaml", "csv", "name", "none"]
FORMATS: tuple[Format, ...] = get_args(Format)
Color = Literal["auto", "always", "never"]
COLORS: tuple[Color, ...] = get_args(Color)

_CLOCK = SystemClock()
_NAMES = ("ref", "id", "name", "path")


@immutable
class Section:
    """A part of a record shown under a title on a terminal: lines of text, nested data, or (columns given) a table."""

    title: str
    path: str
    columns: Sequence[Column] = ()


@immutable
class Printer:
    """How this command was asked to print. It reads nothing but the two streams and the clock."""

    format: Format = "text"
    quiet: int = 0
    fields: tuple[str, ...] = ()
    field: str | None = None
    header: bool = False
    color: Color = "auto"
    clock: Clock = _CLOCK

    # --- data, on stdout

    def records(self, records: Iterable[Record], columns: Sequence[Column]) -> None:
        """Print a list of records; `columns` are those of the text forms."""
        if self._is_silent:
            return
        rows = list(records)
        if self.field is not None:
            for row in rows:
                self._write(self._raw(self._at(row, self.field)) + "\n")
        elif self._names_only:
            self._names(rows)
        else:
            self._check_fields(rows, columns)
            self._list([self._kept(row) for row in rows], self._chosen(columns))

    def record(
        self, record: Record, columns: Sequence[Column] = (), sections: Sequence[Section] = ()
    ) -> None:
        """Print one record; without `columns` all its keys."""
        if self._is_silent:
            return
        if self.field is not None:
            self._write(self._raw(self._at(record, self.field)) + "\n")
        elif self._names_only:
            self._names([record])
        else:
            self._check_fields([record], columns)
            self._one(self._kept(record), self._chosen(columns), () if self.fields else sections)

    def show(
        self,
        records: Sequence[Record],
        columns: Sequence[Column],
        shown: Sequence[Column],
        sections: Sequence[Section] = (),
    ) -> None:
        """Print what was asked for by name: one record whole, several as a list of `columns`."""
        if len(records) == 1:
            self.record(records[0], shown, sections)
        else:
            self.records(records, columns)

    def outcome(self, record: Record, names: Iterable[object]) -> None:
        """Print what a command changed: people and -q get the names, one a line, the other forms the record."""
        if self.format in ("text", "name") and self.field is None and not self.fields:
            if not self._is_silent:
                self._lines(visible(str(name)) if self.is_terminal else str(name) for name in names)
        else:
            self.record(record)

    def value(self, value: Json) -> None:
        """Print a bare value: as text a string is unquoted and the rest is JSON."""
        if self._is_silent:
            return
        if self.field is not None:
            value = self._at(value, self.field)
        if self.format == "yaml":
            self._write(yaml_text(value))
        else:
            self._write((self._json(value) if self.format in ("json", "jsonl") else self._raw(value)) + "\n")

    def event(self, record: Record, text: str | None) -> None:
        """Print one record of a stream and flush: a JSON line, or `text` (None: nothing to show people)."""
        if self._is_silent:
            return
        if self.format in ("json", "jsonl"):
            self._write(compact_json(self._kept(record)) + "\n")
        elif self.format == "yaml":
            self._write("---\n" + yaml_text(self._kept(record)))
        elif text is not None and not self._names_only:
            self.text(text + "\n")
        sys.stdout.flush()

    def text(self, text: str) -> None:
        """Write text as it is; to a terminal with control characters made visible."""
        if self.quiet < 2 and self.format != "none":  # noqa: PLR2004 - -qq: nothing at all
            self._write(visible(text) if self.is_terminal else text)

    def lines(self, lines: Iterable[str]) -> None:
        """Write lines that are safe for a terminal, and may have colours."""
        if not self._is_silent:
            self._lines(lines)

    # --- messages, on stderr

    def note(self, text: str) -> None:
        """Say what was done. Silenced by -q."""
        if self.quiet == 0:
            self._say(text)

    def hint(self, command: str) -> None:
        """Tell the next useful command, to people only."""
        if self.quiet == 0 and is_terminal(sys.stderr):
            self._say(f"{self._styled('hint:', 'dim')} {command}", painted=True)

    def warning(self, text: str) -> None:
        """Say what may be wrong. Silenced by -qq only."""
        if self.quiet < 2:  # noqa: PLR2004 - -qq: nothing at all
            self._say(f"{self._styled('warning:', 'yellow')} {self._safe(text)}", painted=True)

    def error(self, error: AttuneError) -> None:
        """Print an error as text, or for json and jsonl as the one-line object that ends stderr (cli.md 3.3, 7)."""
        if self.quiet >= 2:  # noqa: PLR2004 - -qq: nothing at all
            return
        if self.format in ("json", "jsonl"):
            _write_to(sys.stderr, compact_json({"error": _error_record(error)}) + "\n")
            return
        self._say(f"{self._styled('error:', 'red')} {self._safe(error.message)}", painted=True)
        width = max((display_width(detail.path) for detail in error.details), default=0)
        for detail in error.details:
            self._say(f"  {detail.path:<{width}}  {_detail_text(detail)}".rstrip())
        if error.hint:
            self._say(f"{self._styled('hint:', 'dim')} {self._safe(error.hint)}", painted=True)

    # --- which form

    @property
    def is_terminal(self) -> bool:
        return is_terminal(sys.stdout)

    @property
    def is_text(self) -> bool:
        """Whether people's text goes to stdout, so that a live view or an action's output may join it."""
        return self.format == "text" and self.quiet == 0 and self.field is None

    def wants_color(self, stream: TextIO) -> bool:
        """Decide for one stream: flag or setting, NO_COLOR, FORCE_COLOR, CLICOLOR, TERM, terminal."""
        if self.color != "auto":
            return self.color == "always"
        environment = os.environ
        if environment.get("NO_COLOR"):
            return False
        if environment.get("FORCE_COLOR") or environment.get("CLICOLOR_FORCE", "0") != "0":
            return True
        dull = environment.get("CLICOLOR") == "0" or environment.get("TERM") == "dumb"
        return is_terminal(stream) and not dull

    @property
    def _is_silent(self) -> bool:
        return self.quiet >= 2 or self.format == "none"  # noqa: PLR2004 - -qq: nothing at all

    @property
    def _names_only(self) -> bool:
        return self.format == "name" or (self.format == "text" and self.quiet == 1)

    # --- fields

    def _check_fields(self, rows: Sequence[Record], columns: Sequence[Column]) -> None:
        known = dict.fromkeys(key for row in rows for key in row) or {column.path: None for column in columns}
        unknown = [name for name in self.fields if name.split(".")[0] not in known and name not in known]
        if unknown and known:
            raise UsageError(
                f"no field {', '.join(map(repr, unknown))}; fields are {', '.join(known)}",
                code="unknown_field",
                hint=did_you_mean(unknown[0], known),
            )
        for path in self.fields:
            self._warn_of_misspelling(rows, path)

    def _warn_of_misspelling(self, rows: Sequence[Record], path: str) -> None:
        """Inside a field, what stands there differs from row to row: absent is null, and only a near miss is told."""
        if "." not in path or any(pluck(row, path) is not MISSING for row in rows):
            return
        meant = next(filter(None, (nearest_path(row, path) for row in rows)), None)
        if meant is not None:
            self.warning(f"no {path!r} in any of these: did you mean {meant}?")

    def _kept(self, record: Record) -> Record:
        """Return the record with only the fields asked for, nested as they were; what is absent is null."""
        if not self.fields:
            return record
        kept: Record = {}
        for path in self.fields:
            *parents, last = path.split(".")
            place = kept
            for parent in parents:
                place = place.setdefault(parent, {})
            value = pluck(record, path)
            place[last] = None if value is MISSING else value
        return kept

    def _chosen(self, columns: Sequence[Column]) -> Sequence[Column]:
        declared = {column.path: column for column in columns}
        return [declared.get(path, Column(path.upper(), path, "text")) for path in self.fields] or columns

    @staticmethod
    def _at(record: Json, path: str) -> Json:
        value = pluck(record, path)
        if value is MISSING:
            meant = nearest_path(record, path)
            raise NotFoundError(
                f"no field {path!r}", code="field_missing", hint=f"did you mean {meant}?" if meant else None
            )
        return value

    # --- forms

    def _list(self, rows: list[Record], columns: Sequence[Column]) -> None:
        match self.format:
            case "json":
                self._write(self._json(rows) + "\n")
            case "jsonl":
                self._write("".join(compact_json(row) + "\n" for row in rows))
            case "yaml":
                self._write(yaml_text(rows))
            case "csv":
                self._write(csv_text(rows, [column.path for column in columns]))
            case _:
                self._table(rows, columns)

    def _table(self, rows: list[Record], columns: Sequence[Column]) -> None:
        if not self.is_terminal:
            header = [tab_separated(column.title for column in columns)] if self.header else []
            self._lines(
                [*header, *(tab_separated(pluck(row, column.path) for column in columns) for row in rows)]
            )
        elif rows:
            self._lines(
                table(rows, columns, width=_terminal_width(), now=self.clock.now(), color=self._color)
            )
        elif is_terminal(sys.stderr):
            self.note("nothing to list")

    def _one(self, record: Record, columns: Sequence[Column], sections: Sequence[Section]) -> None:
        columns = columns or [Column(key, key) for key in record]
        match self.format:
            case "json":
                self._write(self._json(record) + "\n")
            case "jsonl":
                self._write(compact_json(record) + "\n")
            case "yaml":
                self._write(yaml_text(record))
            case "csv":
                self._write(csv_text([record], [column.path for column in columns]))
            case _ if self.is_terminal:
                self._page(record, columns, sections)
            case _:
                pairs = [(column.path, pluck(record, column.path)) for column in columns]
                pairs += [(section.path, pluck(record, section.path)) for section in sections]
                self._lines(tab_separated(pair) for pair in pairs)

    def _page(self, record: Record, columns: Sequence[Column], sections: Sequence[Section]) -> None:
        now, color = self.clock.now(), self._color
        width = max(display_width(column.title) for column in columns)
        for column in columns:
            value = pluck(record, column.path)
            style = status_style(value) if column.kind == "status" else None
            title = paint(f"{column.title:<{width}}", "bold", on=color)
            self._lines([f"{title}  {paint(cell(value, column.kind, now), style, on=color)}"])
        for section in sections:
            value = pluck(record, section.path)
            if value not in (None, MISSING, "", [], {}):
                self._lines(["", paint(section.title, "bold", on=color)])
                self._lines(f"  {line}" for line in self._section_lines(section, value))

    def _section_lines(self, section: Section, value: Json) -> list[str]:
        if section.columns:
            return table(
                value, section.columns, width=_terminal_width() - 2, now=self.clock.now(), color=self._color
            )
        return visible(value if isinstance(value, str) else compact_json(value, indent=2)).splitlines()

    def _names(self, rows: Iterable[Record]) -> None:
        for row in rows:
            name = next((row[key] for key in _NAMES if row.get(key) is not None), None)
            if name is not None:
                self._write(f"{name}\n")

    # --- characters

    @property
    def _color(self) -> bool:
        return self.wants_color(sys.stdout)

    def _json(self, value: Json) -> str:
        return compact_json(value, indent=2 if self.is_terminal and self.format == "json" else None)

    def _raw(self, value: Json) -> str:
        if isinstance(value, str):
            return visible(value) if self.is_terminal else value
        return self._json(value)

    def _write(self, text: str) -> None:
        _write_to(sys.stdout, text)

    def _lines(self, lines: Iterable[str]) -> None:
        self._write("".join(f"{line}\n" for line in lines))

    def _say(self, text: str, *, painted: bool = False) -> None:
        _write_to(sys.stderr, (text if painted else self._safe(text)) + "\n")

    def _safe(self, text: str) -> str:
        return visible(text) if is_terminal(sys.stderr) else text

    def _styled(self, text: str, style: str) -> str:
        return paint(text, style, on=self.wants_color(sys.stderr))


def is_terminal(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal; a closed one is not."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def _write_to(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:  # a file name that is not UTF-8, or a stream that is not
        encoding = stream.encoding or "utf-8"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    except BrokenPipeError:
        raise
    except OSError as error:  # a full disk behind `>`
        raise UnavailableError(f"the output cannot be written: {error.strerror}") from error


def _terminal_width() -> int:
    import shutil

    return shutil.get_terminal_size().columns


def _detail_text(detail: Detail) -> str:
    """Return the fault with the value seen, and what was meant behind that."""
    said, mark, meant = detail.message.partition("; did you mean ")
    got = "" if detail.value is None else f", got {detail.value!r}"
    return f"{said}{got}{mark}{meant}"


def _error_record(error: AttuneError) -> Record:
    details = [
        {key: value for key, value in vars(detail).items() if value is not None or key in ("path", "message")}
        for detail in error.details
    ]
    return {
        "code": error.code,
        "message": error.message,
        "exit_code": error.exit_code,
        "retryable": error.retryable,
        "details": details,
        "hint": error.hint,
    }
