"""`facerecon train CONFIG.yaml`: our own networks, on one's own pictures. Shows how it goes; decides nothing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.table import Table
from rich.text import Text

from facerecon.commands import options
from facerecon.console import Console
from facerecon.hashing import sha256_file

_ROWS = 12
_TITLES = {
    "learning_rate": "rate",
    "examples_per_s": "examples/s",
    "psnr_db": "PSNR dB",
    "psnr_gain_db": "PSNR gain dB",
    "ssim": "SSIM",
    "ssim_gain": "SSIM gain",
    "eer": "EER",
    "teacher_eer": "teacher's EER",
    "told": "told error / error",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train")(train)


def train(
    config: Annotated[Path, typer.Argument(help="What is to be trained, on which pictures: YAML.", show_default=False)],
    data: Annotated[
        list[Path] | None,
        typer.Option(
            "--data",
            help="Folder of sharp pictures, instead of the configuration's: NAME/*.jpg, or *.jpg (every picture "
            "another person). Repeatable.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="The run's folder.", show_default="./runs/<name>")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override a key, for example --set run.steps=2000. Repeatable.", show_default=False),
    ] = None,
    device: options.DeviceOption = "auto",
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """Train a face restorer or a recognizer for degraded faces, on folders of sharp pictures.

    The same command goes on with a run that was interrupted, and ends with the same weights.
    """
    from facerecon.training.configuration import load_training
    from facerecon.training.running import train as run

    console = Console(quiet=quiet, as_json=as_json)
    training = load_training(config, set_ or (), data or ())
    where = output or Path("runs") / training.name
    with _Board(console, training.name) as board:
        result = run(training, where, device=device, listener=console, watcher=board)
    corpus = result.corpus
    facts = {
        "task": training.task,
        "model": str(result.model),
        "sha256": sha256_file(result.model),
        "pictures": len(corpus.training),
        "persons": corpus.people(corpus.training),
        "left_out": len(corpus.left_out),
        "validation": result.figures,
    }
    if as_json:
        console.result(facts)
    else:
        console.show(_summary(facts))


def _summary(facts: Mapping[str, Any]) -> Text:
    figures = ", ".join(f"{_title(name)} {value:.4g}" for name, value in facts["validation"].items())
    left_out = f"; {facts['left_out']} left out (left_out.jsonl says why)" if facts["left_out"] else ""
    return Text(
        f"{facts['model']}\n"
        f"learned from {facts['pictures']} pictures of {facts['persons']} persons{left_out}\n"
        f"on persons it has not seen: {figures}\n"
        f"use it: {_use(facts)}"
    )


def _use(facts: Mapping[str, Any]) -> str:
    """Return the profile's lines that take the model."""
    model = f"{{file: {facts['model']}, sha256: {facts['sha256']}}}"
    if facts["task"] == "embedder":
        return f"in a profile, recognize: model: {model}"
    return f"in a profile, enhance: steps: - {{kind: restore, model: {model}}}"


def _title(name: str) -> str:
    return _TITLES.get(name, name.replace("_", " "))


class _Board:
    """The run as it goes: a live table on a terminal, a line per logged step otherwise."""

    def __init__(self, console: Console, name: str) -> None:
        self._console, self._name = console, name
        self._rows: deque[tuple[int, dict[str, float]]] = deque(maxlen=_ROWS)
        self._steps = self._first = 0
        self._begun = 0.0
        self._validation = "not validated yet"
        self._live: Live | None = None

    def __enter__(self) -> _Board:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def began(self, step: int, steps: int) -> None:
        """Open the table."""
        self._first, self._steps, self._begun = step, steps, time.monotonic()
        if step:
            self._console.noted(f"going on from step {step} of {steps}")
        if self._console.err.is_terminal and not self._console.quiet:
            self._console.close()
            self._live = Live(self._table(step), console=self._console.err, refresh_per_second=4)
            self._live.start()

    def stepped(self, step: int, figures: Mapping[str, float]) -> None:
        """Show a step."""
        self._rows.append((step, dict(figures)))
        if self._live:
            self._live.update(self._table(step))
        else:
            cells = "  ".join(f"{_title(name)} {value:.4g}" for name, value in figures.items())
            self._console.noted(f"step {step} of {self._steps}  {cells}")

    def validated(self, step: int, figures: Mapping[str, float]) -> None:
        """Show a validation."""
        text = ", ".join(f"{_title(name)} {value:.4g}" for name, value in figures.items())
        self._validation = f"persons not trained on, step {step}: {text}"
        if self._live:
            self._live.update(self._table(step))
        else:
            self._console.noted(self._validation)

    def _table(self, step: int) -> Table:
        names = list(self._rows[-1][1]) if self._rows else []
        table = Table(title=self._heading(step), caption=self._validation, title_justify="left", caption_justify="left")
        for name in ("step", *names):
            table.add_column(_title(name), justify="right")
        for number, figures in self._rows:
            table.add_row(str(number), *(f"{figures[name]:.4g}" for name in names))
        return table

    def _heading(self, step: int) -> str:
        done, passed = step - self._first, time.monotonic() - self._begun
        if not done:
            return f"{self._name}: {self._steps} steps"
        left = passed / done * (self._steps - step)
        return f"{self._name}: step {step} of {self._steps}, {_span(passed)} so far, {_span(left)} left"


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
