"""`attune init`: a project with one pack that works at once."""

import re
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from attune_cli.context import Context, Noun
from attune_cli.errors import ConflictError, Detail, UnavailableError

app = Noun("Start a project here.")

_TEMPLATES = Path(__file__).parent / "templates"


@app.command("init", examples=["attune init", "attune init greenhouse --template demo"])
def init(
    context: Context,
    directory: Annotated[Path, Argument(metavar="DIR", help="Where; it is made if need be.")] = Path(),
    template: Annotated[
        Literal["minimal", "demo"], Option("--template", help="demo has actions of several kinds.")
    ] = "minimal",
) -> None:
    """Write attune.toml, a pack with a working action, and .gitignore."""
    root = (context.directory or Path()) / directory
    pack = _pack_ref(root.resolve().name)
    files = _files(root, template, pack)
    present = [path for path in files if path.name != ".gitignore" and (path.exists() or path.is_symlink())]
    if present:
        raise ConflictError(
            f"{root} has a project already",
            code="exists",
            details=[Detail(path=str(path), message="exists") for path in present],
            hint="attune init ANOTHER_FOLDER",
        )
    if not context.dry_run:
        _write(files)
    paths = [str(path) for path in files]
    context.out.outcome(
        {"kind": "project", "path": str(root.resolve()), "pack_ref": pack, "files": paths}, paths
    )
    context.out.note(f"project {'would be ' if context.dry_run else ''}made, with pack {pack}")
    from shlex import quote

    there = "" if root.resolve() == Path.cwd() else f"-C {quote(str(root))} "
    context.out.hint(f"attune {there}apply")
    context.out.hint(f"attune {there}run action {pack}.hello name=you")


def _pack_ref(folder: str) -> str:
    """Return a ref like the folder's name; `core` belongs to the pack that ships with attune."""
    word = re.sub(r"[^a-z0-9_-]+", "_", folder.lower()).strip("_-0123456789")
    return word if len(word) > 1 and word != "core" else "local"


def _files(root: Path, template: str, pack: str) -> dict[Path, str]:
    """Return every file of a template with its text."""
    source = _TEMPLATES / template
    files: dict[Path, str] = {}
    for file in sorted(source.rglob("*.template")):
        name = str(file.relative_to(source)).removesuffix(".template").replace("dot_", ".")
        files[root / name.replace("@PACK@", pack)] = file.read_text(encoding="utf-8").replace("@PACK@", pack)
    return files


def _write(files: dict[Path, str]) -> None:
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            old = path.read_text(encoding="utf-8") if path.exists() else ""  # only a .gitignore may be there
            path.write_text(old if text in old else _joined(old, text), encoding="utf-8")
        except OSError as error:
            raise UnavailableError(f"{path} cannot be written: {error.strerror}") from error


def _joined(old: str, text: str) -> str:
    return f"{old.rstrip()}\n{text}" if old.strip() else text
