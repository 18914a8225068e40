"""The terminal: progress and messages on stderr, results on stdout. The only module that draws on a terminal.

stderr is rich on a terminal and plain lines otherwise, so logs of a night's batch stay readable. Names and remarks come
from outside: a character in them that would act on the terminal is written as its escape, on both streams.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment

from facerecon.characters import inert, json_escaped

VERBS = {
    "extract": "Looking at frames",
    "enroll": "Enrolling the gallery",
    "enhance": "Enhancing best shots",
    "render": "Rendering whole frames",
    "recognize": "Comparing tracks",
    "report": "Writing the report",
    "fetch": "Fetching weights",
    "study": "Measuring the dataset",
    "search": "Reading cases",
    "batch": "Working through the archive",
    "probe": "Looking at headers",
    "corpus": "Finding the faces to learn from",
}
_PLAIN_INTERVAL_S = 15.0
_DESCRIBED_INTERVAL_S = 60.0


class Console:
    """A listener that shows progress, and the one place that prints results."""

    def __init__(self, *, quiet: bool = False, as_json: bool = False) -> None:
        """Set up both streams.

        Args:
            quiet: no progress and no information; errors are shown all the same.
            as_json: the result is one JSON document on stdout.
        """
        self.quiet, self.as_json = quiet, as_json
        self.out = RichConsole(highlight=False, soft_wrap=True)
        self.err = RichConsole(stderr=True, highlight=False, soft_wrap=True)
        for each in (self.out, self.err):
            each.push_render_hook(_Inert())
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._plain: dict[str, _PlainProgress] = {}

    # --- results ------------------------------------------------------------------------------------------------------

    def result(self, document: Mapping[str, Any]) -> None:
        """Print the JSON document, with its schema number, as the only thing on stdout."""
        text = json.dumps({"schema": 1, **document}, indent=2, ensure_ascii=False)
        sys.stdout.write(json_escaped(text) + "\n")
        sys.stdout.flush()

    def show(self, renderable: Any) -> None:
        """Print a part of the result for people; nothing with --json."""
        if not self.as_json:
            self.out.print(renderable)

    def line(self, document: Mapping[str, Any]) -> None:
        """Print one JSON document as one line of many on stdout."""
        text = json.dumps({"schema": 1, **document}, ensure_ascii=False)
        sys.stdout.write(json_escaped(text) + "\n")
        sys.stdout.flush()

    # --- messages -----------------------------------------------------------------------------------------------------

    def noted(self, message: str) -> None:
        """Print one line of information."""
        if not self.quiet:
            self.err.print(inert(message), markup=False)

    def warn(self, message: str) -> None:
        """Print one line that matters, also with --quiet."""
        self.err.print(f"warning: {inert(message)}", style="yellow", markup=False)

    def error(self, message: str) -> None:
        """Print one line that says what is wrong and the way out."""
        self.close()
        self.err.print(f"error: {inert(message)}", style="bold red", markup=False)

    # --- progress -----------------------------------------------------------------------------------------------------

    def started(self, stage: str, total: int | None) -> None:
        """Show that a stage began."""
        if self.quiet:
            return
        title = VERBS.get(stage, stage)
        if self.err.is_terminal:
            self._tasks[stage] = self._bar().add_task(title, total=total)
        else:
            self._plain[stage] = _PlainProgress(title, total)
            self.noted(f"{title} ...")

    def advanced(self, stage: str, count: int = 1) -> None:
        """Move a stage's progress on."""
        if stage in self._tasks:
            self._bar().advance(self._tasks[stage], count)
        elif stage in self._plain:
            line = self._plain[stage].advance(count)
            if line:
                self.noted(line)

    def described(self, stage: str, text: str) -> None:
        """Show other words beside a stage's bar; where no bar is drawn, as a line from time to time."""
        if stage in self._tasks:
            self._bar().update(self._tasks[stage], description=escape(inert(text)))
        elif stage in self._plain:
            line = self._plain[stage].describe(text)
            if line:
                self.noted(line)

    def finished(self, stage: str) -> None:
        """Show that a stage ended."""
        if stage in self._tasks:
            task = self._bar().tasks[self._bar().task_ids.index(self._tasks[stage])]
            self._bar().update(self._tasks[stage], total=task.completed, completed=task.completed)
            self.close()
        elif stage in self._plain:
            self.noted(self._plain.pop(stage).done())

    def close(self) -> None:
        """Stop drawing."""
        if self._progress is not None:
            self._progress.stop()
        self._progress = None
        self._tasks.clear()

    def _bar(self) -> Progress:
        if self._progress is None:
            self._progress = Progress(
                SpinnerColumn(finished_text="[green]✓"),
                TextColumn("{task.description}"),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=self.err,
            )
            self._progress.start()
        return self._progress


class _Inert(RenderHook):
    """Makes the text of everything that is printed inert; colours and cursor movements of rich's own stay."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Shown(each) for each in renderables]


class _Shown:
    def __init__(self, renderable: ConsoleRenderable) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: RichConsole, options: ConsoleOptions) -> RenderResult:
        segments: Iterable[Segment] = console.render(self._renderable, options)
        for segment in segments:
            yield segment if segment.control else Segment(inert(segment.text, lines=True), segment.style)


class _PlainProgress:
    """Progress as lines, at most one every 15 s."""

    def __init__(self, title: str, total: int | None) -> None:
        self._title, self._total, self._done = title, total, 0
        self._begun = self._last = time.monotonic()
        self._described = False

    def describe(self, text: str) -> str | None:
        now, self._described = time.monotonic(), True
        if now - self._last < _DESCRIBED_INTERVAL_S:
            return None
        self._last = now
        return f"{self._title}: {text}"

    def advance(self, count: int) -> str | None:
        self._done += count
        now = time.monotonic()
        if self._described or now - self._last < _PLAIN_INTERVAL_S:
            return None
        self._last = now
        of = f" of {self._total}" if self._total else ""
        return f"{self._title}: {self._done}{of}, {now - self._begun:.0f} s"

    def done(self) -> str:
        return f"{self._title}: {self._done} done in {time.monotonic() - self._begun:.1f} s"
