"""Behind `attune workflow graph`: which graph is meant, what is known of its tasks, and who draws it."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from attune_cli.drawing.marks import marks_here
from attune_cli.drawing.text import Drawing
from attune_cli.drawing.words import duration_words, latest
from attune_cli.errors import UsageError, did_you_mean
from attune_cli.running.linked import definitions_read
from attune_cli.runtime.clock import SystemClock
from attune_cli.runtime.model.workflows.graph import Graph
from attune_cli.runtime.services import executions, workflow_definitions
from attune_cli.runtime.services.workflow_trees import tree
from attune_cli.runtime.store import definitions
from attune_cli.table import display_width, visible
from attune_cli.values import immutable

if TYPE_CHECKING:
    from attune_cli.context import Context
    from attune_cli.runtime.model.automations import WorkflowDefinition
    from attune_cli.runtime.services.records import Record

FORMATS = ("text", "mermaid", "dot")
_WITHOUT_TERMINAL = (80, 24)


@immutable(kw_only=True)
class Meant:
    """What is to be drawn: a workflow, and an execution of it if its states are wanted."""

    workflow: WorkflowDefinition
    workflows: frozenset[str] = frozenset()
    """Refs of actions that are workflows."""
    execution: Record | None = None


def draw_graph(
    context: Context, word: str | None, *, format_: str, execution: str | None, width: int | None
) -> None:
    """Draw a workflow by its ref or its file. Raises UsageError for a format that there is not."""
    if format_ not in FORMATS:
        raise UsageError(
            f"--format {format_!r} is none of {', '.join(FORMATS)}", hint=did_you_mean(format_, FORMATS)
        )
    meant = _meant(context, word, execution)
    drawing = Drawing(
        width=width or shutil.get_terminal_size(_WITHOUT_TERMINAL).columns,
        marks=marks_here(),
        states=None if meant.execution is None else latest(meant.execution["tasks"]),
        is_workflow=meant.workflows.__contains__,
        now=SystemClock().now(),
    )
    graph = Graph.of(meant.workflow)
    if not context.out.is_text:
        text = _drawn(graph, drawing, format_)
        context.out.record({"kind": "drawing", "ref": graph.ref, "format": format_, "text": text})
    elif format_ != "text":
        context.out.text(_drawn(graph, drawing, format_))
    else:
        _print(context, graph, drawing, _title(meant, graph, drawing))


def _drawn(graph: Graph, drawing: Drawing, format_: str) -> str:
    if format_ == "mermaid":
        from attune_cli.drawing.mermaid import mermaid

        return mermaid(graph, drawing)
    if format_ == "dot":
        from attune_cli.drawing.dot import dot

        return dot(graph, drawing)
    return "".join(f"{line}\n" for line in drawing.lines(graph))


def _print(context: Context, graph: Graph, drawing: Drawing, title: str) -> None:
    painted = replace(drawing, color=context.out.wants_color(sys.stdout))
    context.out.lines([title, "", *painted.lines(graph)])
    widest = max(map(display_width, drawing.lines(graph)))
    if widest > drawing.width:
        context.out.note(f"the drawing takes {widest} columns: --width {widest}, or --format mermaid")


def _title(meant: Meant, graph: Graph, drawing: Drawing) -> str:
    """Return the line above a drawing: which workflow, and how its execution stands."""
    count = len(graph.tasks)
    said = [f"{graph.ref} {meant.workflow.version}".rstrip(), f"{count} task{'' if count == 1 else 's'}"]
    if meant.execution is not None:
        said += [f"execution {meant.execution['id']}", meant.execution["status"]]
        said += duration_words(meant.execution, drawing.now)
    return drawing.marks.text(visible(" · ".join(said)))


# --- what is meant


def _meant(context: Context, word: str | None, execution: str | None) -> Meant:
    if word is None and execution is None:
        raise UsageError("a ref or a file is needed, or --execution", hint="attune workflow list")
    if word is not None and _is_file(word):
        if execution is not None:
            raise UsageError("an execution has a graph of its own: leave out the file, or --execution")
        return _of_file(Path(word))
    with definitions_read(context) as tx:
        workflows = frozenset(definitions.refs(tx, "workflow"))
        if execution is None:
            return Meant(workflow=workflow_definitions.find(tx, word or ""), workflows=workflows)
        shown = executions.find(tx, execution)
        workflow = workflow_definitions.of_execution(tx, shown)
        if word not in (None, workflow.ref):
            raise UsageError(
                f"execution {shown.id} is one of {workflow.ref}, and not of {word}",
                hint=f"attune workflow graph --execution {shown.id}",
            )
        record = executions.show(tx, str(shown.id)) | tree(tx, shown, most_items=0)
        return Meant(workflow=workflow, workflows=workflows, execution=record)


def _is_file(word: str) -> bool:
    return word.endswith((".yaml", ".yml")) or "/" in word


def _of_file(path: Path) -> Meant:
    """Read a file without a database; raises UsageError when it holds no workflow."""
    from attune_cli.runtime.model.actions import WORKFLOW_RUNNER, ActionDefinition
    from attune_cli.runtime.services.loose_actions import read_loose_action

    loose = read_loose_action(path)
    if loose.workflow is None:
        raise UsageError(
            f"{path} is an action, and no workflow", code="no_workflow", hint=f"attune run file {path}"
        )
    return Meant(
        workflow=loose.workflow,
        workflows=frozenset(
            one.ref for one in loose.source.of(ActionDefinition) if one.runner_type == WORKFLOW_RUNNER
        ),
    )
