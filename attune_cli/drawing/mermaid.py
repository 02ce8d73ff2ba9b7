"""A workflow as a Mermaid flowchart: what GitHub, GitLab and many wikis draw where it stands in a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attune_cli.drawing.arrows import arrows_of, color_of, tasks_at, texts_of

_ENTITIES = str.maketrans(
    {"&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "#": "#35;", "\n": " ", "\\": "#92;", "`": "#96;"}
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attune_cli.drawing.text import Drawing
    from attune_cli.runtime.model.workflows.graph import Graph


def mermaid(graph: Graph, drawing: Drawing) -> str:
    """Return the text of a flowchart. Nodes have numbers: a task may be called `end`, which Mermaid reserves."""
    numbers = {name: f"t{number}" for number, name in enumerate(graph.tasks, 1)}
    lines = ["flowchart TD", *_nodes(graph, drawing, numbers, None, "  ")]
    for arrow in arrows_of(graph):
        line = "-.->" if arrow.is_back else "-->"
        text = f'|"{_escaped(arrow.text)}"|' if arrow.text else ""
        lines.append(f"  {numbers[arrow.origin]} {line}{text} {numbers[arrow.target]}")
    for task in graph.tasks.values():
        color = color_of(task, drawing)
        if color is not None:
            lines.append(f"  style {numbers[task.name]} stroke:{color},stroke-width:2px")
    return "\n".join(lines) + "\n"


def _nodes(
    graph: Graph, drawing: Drawing, numbers: dict[str, str], within: str | None, indent: str
) -> Iterator[str]:
    for task in tasks_at(graph, within):
        text = "<br/>".join(map(_escaped, texts_of(graph, task, drawing)))
        if not task.tasks:
            yield f'{indent}{numbers[task.name]}["{text}"]'
            continue
        yield f'{indent}subgraph {numbers[task.name]}["{text}"]'
        yield from _nodes(graph, drawing, numbers, task.name, f"{indent}  ")
        yield f"{indent}end"


def _escaped(text: str) -> str:
    """Return text in which nothing means anything to Mermaid, or to the page it stands in."""
    return text.translate(_ENTITIES)
