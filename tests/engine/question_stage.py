"""What stories about questions need besides the stage: asking, answering, looking."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from attune_cli.runtime.model.actions import INQUIRY_RUNNER, ActionDefinition
from attune_cli.runtime.model.jobs import JobDefinition
from attune_cli.runtime.services import inquiries
from attune_cli.runtime.services.submission import Submission, submit
from attune_cli.runtime.store import inquiries as rows
from tests.engine.stage import GOOD

if TYPE_CHECKING:
    from attune_cli.runtime.model.entities import Outcome
    from attune_cli.runtime.model.inquiries import Inquiry
    from attune_cli.runtime.services.records import Record
    from tests.engine.stage import Stage

ASK = JobDefinition(
    kind="inquiry", action=ActionDefinition(ref="core.ask", pack_ref="core", runner_type=INQUIRY_RUNNER)
)


def ask(stage: Stage, host: str | None = "a", *, executor: str | None = "anna", **details: Any) -> int:
    """Run `core.ask`; `details` are its parameters, or of Submission. Returns the execution."""
    given = {name: details.pop(name) for name in list(details) if name in Submission.__dataclass_fields__}
    request = Submission(
        action_ref="core.ask", definition=ASK, parameters=details, executor=executor, **given
    )
    with stage.store.write(stage.clock.now()) as tx:
        submitted = submit(tx, request, settings=stage.settings, sealer=stage.sealer, host=host)
    stage.tick()
    return submitted.id


def asking(question: object, **more: Any) -> Outcome:
    """The end of an action's run that asks."""
    return replace(GOOD, result={"exit_code": 0, "data": {"__inquiry": question, **more}})


def respond(
    stage: Stage,
    word: str,
    response: object,
    *,
    by: str | None = "ben",
    inside: int | None = None,
    **more: Any,
) -> Inquiry:
    with stage.store.write(stage.clock.now()) as tx:
        person = inquiries.person(tx, by, inside=inside)
        inquiry = inquiries.respond(
            tx, word, response, by=person, settings=stage.settings, sealer=stage.sealer, **more
        )
    stage.tick()
    return inquiry


def inquiry_of(stage: Stage, execution: int) -> Inquiry:
    with stage.store.read(stage.clock.now()) as tx:
        found = rows.of_execution(tx, execution)
    assert found is not None
    return found


def shown(stage: Stage, word: str = "1") -> Record:
    with stage.store.read(stage.clock.now()) as tx:
        return inquiries.show(tx, word)


def told(stage: Stage) -> list[str]:
    """Return the notifications of inquiries, in order."""
    found = stage.store.connection.execute(
        "SELECT notification_type FROM notification WHERE entity_type = 'inquiry' ORDER BY sequence"
    )
    return [row[0] for row in found]
