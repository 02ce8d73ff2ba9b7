"""`attune pack`: install, write, check and test packs (cli.md 3.9)."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from attune_cli.context import Context, Noun
from attune_cli.options import Rows
from attune_cli.output import Column, Section

app = Noun(
    "Install, write, check and test packs.",
    examples=["attune pack install ./greenhouse --link", "attune pack list"],
)

COLUMNS = (
    Column("REF", "ref"),
    Column("VERSION", "version"),
    Column("STATE", "state"),
    Column("ACTIONS", "counts.action", kind="number"),
    Column("SOURCE", "source", kind="text"),
)
SHOWN = (
    Column("Pack", "ref"),
    Column("Label", "label"),
    Column("Version", "version"),
    Column("State", "state"),
    Column("Source", "source"),
    Column("Digest", "digest"),
    Column("Updated", "updated", kind="time"),
    Column("Description", "description", kind="text"),
)
SECTIONS = (
    Section("Contents", "contents"),
    Section("Configuration", "config"),
    Section("Needs packs", "dependencies"),
    Section("Needs runtimes", "runtime_deps"),
)

Ref = Annotated[str, Argument(metavar="REF", help="The pack.")]
Refs = Annotated[list[str], Argument(metavar="REF...", help="Packs.")]
Sort = Annotated[str | None, Option("--sort", metavar="FIELD", help="Sort by this field.")]
GitRef = Annotated[
    str | None, Option("--ref", "--ref-spec", metavar="R", help="Branch, tag or commit of a git source.")
]
NoDependencies = Annotated[
    bool, Option("--no-deps", "--skip-deps", help="Do not look for the packs and runtimes it needs.")
]
NoTests = Annotated[bool, Option("--no-test", "--skip-tests", help="Do not run the pack's tests.")]
Lenient = Annotated[bool, Option("--lenient", help="Leave out the files that cannot be read, and say so.")]
Strict = Annotated[bool, Option("--strict", help="Warnings are errors.")]


@app.command("list", examples=["attune pack list", "attune pack list -j | jq -r '.[].ref'"])
def list_packs(
    context: Context,
    rows: Rows,
) -> None:
    """List installed packs."""
    from attune_cli.listing.rows import show_rows
    from attune_cli.runtime.clock import SystemClock
    from attune_cli.runtime.host import open_store_for_reading
    from attune_cli.runtime.services import packs

    store = open_store_for_reading(context.home, context.settings)
    with store.read(SystemClock().now()) as tx:
        records = packs.list_packs(tx, after=rows.after)
    show_rows(context, records, COLUMNS, rows, "pack")


@app.command("show", examples=["attune pack show core", "attune pack show core --field contents.action"])
def show(context: Context, refs: Refs) -> None:
    """Show packs: origin, contents, configuration."""
    from attune_cli.running.linked import definitions_read
    from attune_cli.runtime.services import packs

    with definitions_read(context) as tx:
        records = [packs.show_pack(tx, ref) for ref in refs]
    context.out.show(records, COLUMNS, SHOWN, SECTIONS)


@app.command(
    "install",
    examples=[
        "attune pack install ./greenhouse --link",
        "attune pack install https://example.com/packs/greenhouse.git --ref v1.2.0",
        "attune pack install greenhouse-1.2.0.tar.gz --upgrade",
        "attune pack install https://example.com/packs/greenhouse-1.2.0.tar.gz",
    ],
)
def install(
    context: Context,
    sources: Annotated[list[str], Argument(metavar="SOURCE...", help="Folder, archive or git URL.")],
    ref: GitRef = None,
    upgrade: Annotated[bool, Option("--upgrade", "--force", help="Replace what is installed.")] = False,
    no_deps: NoDependencies = False,
    no_test: NoTests = False,
    link: Annotated[bool, Option("--link", help="Use the folder in place, to develop it.")] = False,
    lenient: Lenient = False,
    strict: Strict = False,
) -> None:
    """Install packs, each whole or not at all."""
    from attune_cli.installing.install import InstallOptions, install_packs

    options = InstallOptions(
        ref=ref, upgrade=upgrade, dependencies=not no_deps, tests=not no_test, link=link,
        lenient=lenient, strict=strict,
    )  # fmt: skip
    install_packs(context, sources, options)


@app.command("upgrade", examples=["attune pack upgrade greenhouse", "attune pack upgrade --all"])
def upgrade(
    context: Context,
    refs: Annotated[list[str] | None, Argument(metavar="[REF]...", help="Packs.")] = None,
    all_: Annotated[bool, Option("--all", help="Every pack but core.")] = False,
    ref: GitRef = None,
    no_deps: NoDependencies = False,
    no_test: NoTests = False,
) -> None:
    """Install packs again from where they came from."""
    from attune_cli.installing.install import InstallOptions, upgrade_packs

    options = InstallOptions(ref=ref, dependencies=not no_deps, tests=not no_test)
    upgrade_packs(context, refs or [], everything=all_, options=options)


@app.command(
    "uninstall", examples=["attune pack uninstall greenhouse", "attune pack uninstall greenhouse -y"]
)
def uninstall(
    context: Context,
    refs: Refs,
    keep_data: Annotated[bool, Option("--keep-data", help="Keep its keys and environments.")] = False,
    name: Annotated[
        str | None, Option("--confirm", metavar="REF", help="Answer the question with the name.")
    ] = None,
) -> None:
    """Remove packs, with all they define, their keys and environments."""
    from attune_cli.installing.install import uninstall_packs

    uninstall_packs(context, refs, keep_data=keep_data, name=name)


@app.command(
    "new", examples=["attune pack new greenhouse", "attune pack new greenhouse --lang python --dir packs"]
)
def new(
    context: Context,
    ref: Ref,
    directory: Annotated[Path, Option("--dir", metavar="DIR", help="Folder to make it in.")] = Path(),
    language: Annotated[
        str, Option("--lang", metavar="shell|python|node", help="Of its first action.")
    ] = "shell",
) -> None:
    """Write a new pack with one tested action."""
    from attune_cli.runtime.packs.scaffold import language_of, new_pack

    files = [str(path) for path in new_pack(ref, directory, language_of(language), dry_run=context.dry_run)]
    context.out.outcome({"kind": "files", "ref": ref, "files": files}, files)
    context.out.hint(f"attune pack install {directory / ref} --link")


@app.command(
    "validate", examples=["attune pack validate greenhouse", "attune pack validate packs/* --strict -j"]
)
def validate(
    context: Context,
    paths: Annotated[list[Path], Argument(metavar="PATH...", help="Pack folders, or files of packs.")],
    strict: Strict = False,
) -> int:
    """Check packs; needs no database. Exit 1 when there is an error."""
    from attune_cli.installing.checking import validate

    return validate(context, paths, strict=strict)


@app.command(
    "test", examples=["attune pack test ./greenhouse", "attune pack test greenhouse -k units --junit out.xml"]
)
def try_out(
    context: Context,
    words: Annotated[list[str], Argument(metavar="REF|PATH...", help="Packs, or pack folders.")],
    only: Annotated[str, Option("-k", metavar="TEXT", help="Only suites whose names hold this.")] = "",
    junit: Annotated[Path | None, Option("--junit", metavar="FILE", help="Write JUnit XML as well.")] = None,
) -> int:
    """Run the tests of packs. Exit 1 when one fails."""
    from attune_cli.installing.trying import try_packs

    return try_packs(context, words, only=only, junit=junit)


@app.command(
    "config",
    examples=[
        "attune pack config greenhouse",
        "attune pack config greenhouse set base_url=https://example.com api_token=@token.txt",
        "attune pack config greenhouse edit",
    ],
)
def config(
    context: Context,
    ref: Ref,
    verb: Annotated[str, Argument(metavar="[show|set|edit]", help="What to do.")] = "show",
    items: Annotated[
        list[str] | None, Argument(metavar="[KEY=VALUE]...", help="Values; KEY:=null removes one.")
    ] = None,
) -> None:
    """Show or change a pack's values, checked against its schema."""
    from attune_cli.installing.configuring import configure

    configure(context, ref, verb, items or [])


@app.command(
    "env",
    examples=[
        "attune pack env greenhouse",
        "attune pack env greenhouse build",
        "attune pack env build --all",
    ],
)
def env(
    context: Context,
    words: Annotated[
        list[str] | None, Argument(metavar="[REF] [show|build|delete]", help="A pack, and what to do.")
    ] = None,
    all_: Annotated[bool, Option("--all", help="Every pack.")] = False,
) -> int:
    """Show, build or delete the environments of a pack's interpreters."""
    from attune_cli.installing.configuring import ENVIRONMENT_VERBS, look_after_environments

    given = words or []
    verb = given[-1] if given and given[-1] in ENVIRONMENT_VERBS else "show"
    refs = [word for word in given if word not in ENVIRONMENT_VERBS]
    return look_after_environments(context, refs, verb, everything=all_)
