"""Test reports as JUnit XML, the form that CI systems read."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from attune_cli.runtime.packs.testing import PackTestReport, Suite


def junit_xml(reports: list[PackTestReport]) -> str:
    """Return one document for all reports, a `testsuite` for each suite."""
    root = ET.Element("testsuites")
    for report in reports:
        for suite in report.suites:
            element = ET.SubElement(
                root,
                "testsuite",
                name=f"{report.pack_ref}.{suite.name}",
                tests=str(suite.total),
                failures=str(suite.failed if suite.status != "error" else 0),
                errors=str(int(suite.status == "error")),
                skipped=str(suite.skipped),
                time=f"{suite.duration_ms / 1000:.3f}",
            )
            _add_case(element, report.pack_ref, suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _add_case(element: ET.Element, pack_ref: str, suite: Suite) -> None:
    case = ET.SubElement(
        element, "testcase", name=suite.name, classname=pack_ref, time=f"{suite.duration_ms / 1000:.3f}"
    )
    if suite.status in {"failed", "error"}:
        tag = "failure" if suite.status == "failed" else "error"
        ET.SubElement(case, tag, message=_for_xml(suite.error_message or f"{suite.failed} tests failed"))
    elif suite.status == "skipped":
        ET.SubElement(case, "skipped")
    for name, text in (("system-out", suite.stdout), ("system-err", suite.stderr)):
        if text:
            ET.SubElement(case, name).text = _for_xml(text)


def _for_xml(text: str) -> str:
    """Replace the control characters that XML 1.0 cannot hold."""
    return "".join(
        char if (char >= " " or char in "\t\n\r") and char not in "\ufffe\uffff" else "\ufffd"
        for char in text
    )
