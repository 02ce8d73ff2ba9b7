"""How inquiries are shown: in lists, and one in full."""

from __future__ import annotations

from attune_cli.output import Column, Section

COLUMNS = (
    Column("ID", "id", kind="number"),
    Column("STATUS", "status", kind="status"),
    Column("ASKED", "created", kind="time"),
    Column("EXPIRES", "timeout_at", kind="time"),
    Column("PROMPT", "prompt", kind="text"),
    Column("ASKED BY", "asker"),
    Column("FOR", "assigned_to"),
    Column("EXECUTION", "execution", kind="number"),
)
SHOWN = (
    Column("Inquiry", "id", kind="number"),
    Column("Status", "status", kind="status"),
    Column("Asked by", "asker"),
    Column("Execution", "execution", kind="number"),
    Column("For", "assigned_to"),
    Column("Approvals", "approvals.required", kind="number"),
    Column("Approvers", "approvals.from"),
    Column("Run by", "requester"),
    Column("Asked", "created", kind="time"),
    Column("Expires", "timeout_at", kind="time"),
    Column("Reminder", "next_reminder", kind="time"),
    Column("Answered", "responded_at", kind="time"),
    Column("By", "responded_by"),
    Column("Comment", "comment", kind="text"),
)
_GIVEN = (
    Column("PERSON", "person"),
    Column("APPROVED", "approved"),
    Column("AT", "created", kind="time"),
    Column("COMMENT", "comment", kind="text"),
)
SECTIONS = (
    Section("Prompt", "prompt"),
    Section("Response schema", "response_schema"),
    Section("Response", "response"),
    Section("Approvals", "approvals.given", _GIVEN),
    Section("Last lines", "lines"),
)
