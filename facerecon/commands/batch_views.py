"""What `facerecon batch` shows to people: the plan, what became of each source, and the totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from facerecon.batch.found import Omitted
from facerecon.batch.journal import History
from facerecon.batch.planning import Item, Plan
from facerecon.batch.working import hours, span


def ended(item: Item, progress: str) -> str:
    """Return the line for a source whose attempt ended."""
    if item.state == "failed":
        return f"[{progress}] {item.name}: failed: {item.reason}"
    if item.state == "pending":
        return f"[{progress}] {item.name}: {item.reason}"
    counts: dict[str, Any] = dict(item.facts.get("counts") or {})
    parts = [f"{counts.get('tracks', 0)} track(s)"]
    if counts.get("candidates") is not None:
        parts.append(f"{counts['candidates']} candidate(s) above the threshold")
    return f"[{progress}] {item.name}: done, {', '.join(parts)}, {span(item.seconds or 0.0)}"


def reasons(left_out: Sequence[Omitted]) -> dict[str, int]:
    """Return how many were left out for each reason, most frequent first."""
    found = Counter(each.reason for each in left_out)
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def totals(plan: Plan, index: str | None) -> RenderableType:
    """Return the end of a batch: the totals, every failure with its reason, and where the index is."""
    counted = plan.totals
    head = Text.assemble(
        (f"{counted['requested']} reached", "bold"),
        f" = {counted['done']} done + {counted['failed']} failed + {counted['left_out']} left out"
        f" + {counted['pending']} pending",
    )
    lines: list[RenderableType] = [head]
    if plan.left_out:
        told = ", ".join(f"{reason} {count}" for reason, count in reasons(plan.left_out).items())
        lines.append(Text(f"  left out: {told}", style="dim"))
    failures = [(item.name, item.reason) for item in plan.of("failed")]
    failures += [(each.source, each.reason) for each in plan.unread]
    lines += [Text(f"  failed: {name}: {reason}") for name, reason in failures]
    if index is not None:
        lines.append(Text(f"Index of the archive: {index}"))
    return Group(*lines)


def planned(plan: Plan, history: History, jobs: int) -> RenderableType:
    """Return what a batch would do, with hours of footage and, where something was measured, an estimate."""
    lines = [
        Text(f"  {_word(item):8}{_length(item.footage_s):>9}{_to_copy(item)}  {item.source} -> {item.name}")
        for item in plan.items
    ]
    waiting = plan.of("pending")
    known = [item.footage_s for item in waiting if item.footage_s is not None]
    unknown = f" and {len(waiting) - len(known)} of unknown length" if len(known) < len(waiting) else ""
    text = f"To do: {len(waiting)} source(s), {hours(sum(known))} h of footage{unknown}"
    lines.append(Text(text))
    if remote := [item.found.size_bytes for item in waiting if item.found.url]:
        lines.append(
            Text(f"To copy: {len(remote)} object(s), {size(sum(remote))}; their length is known when they are copied")
        )
    return Group(*lines, Text(f"Estimate: {_estimate(history, waiting, jobs)}"))


def _to_copy(item: Item) -> str:
    return f"{size(item.found.size_bytes):>11}" if item.found.url else ""


def size(bytes_: int) -> str:
    """Return a number of bytes for people."""
    return f"{bytes_ / 1e9:.2f} GB" if bytes_ >= 1e8 else f"{bytes_ / 1e6:.2f} MB"


def _word(item: Item) -> str:
    if item.state != "pending":
        return item.state
    return "resume" if item.begun else "new"


def estimate_s(history: History, waiting: Sequence[Item], jobs: int) -> float | None:
    """Return seconds for all footage of known length with so many workers, from what this folder's journal measured.

    None: nothing was measured, or no length is known.
    """
    speed = history.seconds_per_footage_second
    known = [item.footage_s for item in waiting if item.footage_s is not None]
    return None if speed is None or (waiting and not known) else speed * sum(known) / jobs


def _estimate(history: History, waiting: Sequence[Item], jobs: int) -> str:
    seconds = estimate_s(history, waiting, jobs)
    if seconds is None:
        measured = history.seconds_per_footage_second is not None
        return f"none; {'no length is known' if measured else 'nothing was measured in this folder'} yet"
    without = ", without what is of unknown length" if any(item.footage_s is None for item in waiting) else ""
    return (
        f"about {span(seconds)} with {jobs} worker(s){without}, measured on {history.measured} source(s) with "
        f"{hours(history.footage_s)} h of footage"
    )


def _length(seconds: float | None) -> str:
    return "unknown" if seconds is None else "picture" if seconds == 0 else span(seconds)


def unread_line(unread: Omitted) -> dict[str, Any]:
    """Return what scripts are told of a path that could not be looked into."""
    return {
        "kind": "source",
        "source": unread.url or str(unread.path.absolute()),
        **dict.fromkeys(("name", "case")),
        "status": "failed",
        "earlier": False,
        "exit_code": 3,
        "reason": unread.reason,
        **dict.fromkeys(("size_bytes", "footage_s", "seconds", "counts", "ledger_head")),
    }
