"""A workflow in the DOT language of Graphviz: `attune workflow graph REF --format dot | dot -Tsvg`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.drawing.arrows import arrows_of, color_of, tasks_at, texts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attune_cli.drawing.arrows import Arrow
    from attune_cli.drawing.text import Drawing
    from attune_cli.runtime.model.workflows.graph import Graph


def dot(graph: Graph, drawing: Drawing) -> str:
    """Return the text of a directed graph; a parallel task is a box around those that it runs."""
    lines = [
        f"digraph {_quoted(graph.ref)} {{",
        "  compound=true; rankdir=TB;",
        '  node [shape=box, style=rounded, fontname="sans-serif"];',
        '  edge [fontname="sans-serif", fontsize=10];',
        *_nodes(graph, drawing, None, "  "),
        *(f"  {_arrow(graph, arrow)}" for arrow in arrows_of(graph)),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _nodes(graph: Graph, drawing: Drawing, within: str | None, indent: str) -> Iterator[str]:
    for task in tasks_at(graph, within):
        color = color_of(task, drawing)
        attributes = [f"label={_quoted(*texts_of(graph, task, drawing))}"]
        attributes += [f"color={_quoted(color)}", "penwidth=2"] if color else []
        if not task.tasks:
            yield f"{indent}{_quoted(task.name)} [{', '.join(attributes)}];"
            continue
        yield f"{indent}subgraph {_quoted(_cluster(task.name))} {{"
        yield f"{indent}  {'; '.join(attributes)};"
        # Arrows of a group begin and end at a point in it, and are cut at its border.
        yield f"{indent}  {_quoted(task.name)} [shape=point, style=invis];"
        yield from _nodes(graph, drawing, task.name, f"{indent}  ")
        yield f"{indent}}}"


def _arrow(graph: Graph, arrow: Arrow) -> str:
    attributes = [f"label={_quoted(arrow.text)}"] if arrow.text else []
    attributes += ["style=dashed", "constraint=false"] if arrow.is_back else []
    for end, name in (("ltail", arrow.origin), ("lhead", arrow.target)):
        if graph.tasks[name].tasks:
            attributes.append(f"{end}={_quoted(_cluster(name))}")
    told = f" [{', '.join(attributes)}]" if attributes else ""
    return f"{_quoted(arrow.origin)} -> {_quoted(arrow.target)}{told};"


def _cluster(name: str) -> str:
    return f"cluster_{name}"


def _quoted(*lines: str) -> str:
    r"""Return lines as one quoted text; `\n` stands between them."""
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") for line in lines)
    return '"' + "\\n".join(escaped) + '"'
