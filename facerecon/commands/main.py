"""The `facerecon` program: the Typer app, and the one place where errors become one line and an exit code."""

from __future__ import annotations

import importlib
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType

import typer

from facerecon import __version__
from facerecon.console import Console
from facerecon.errors import FacereconError
from facerecon.leaving import leave
from facerecon.memory import one_heap

app = typer.Typer(
    name="facerecon",
    help="Find faces in archived footage, make the best honest picture of each person, compare with a gallery, "
    "report so that it can be checked.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
COMMANDS = (
    "run",
    "batch",
    "capture",
    "extract",
    "enhance",
    "recognize",
    "search",
    "gallery",
    "report",
    "verify",
    "case",
    "keys",
    "evaluate",
    "train",
    "demo",
    "profiles",
    "weights",
    "doctor",
)
for _name in COMMANDS:
    importlib.import_module(f"facerecon.commands.{_name}").register(app)


INTERRUPTED = 130


def _version(value: bool) -> None:
    if value:
        sys.stdout.write(f"facerecon {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    del version


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and exit with the code of DESIGN's table."""
    leave(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code.

    Returns:
        0 completed, 1 a bug, 2 usage, 3 evidence, 4 integrity, 5 resource, 6 batch with failures, 130 interrupted.
    """
    console = Console()
    one_heap()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        typer.main.get_command(app)(args=arguments, prog_name="facerecon")
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0
        if code == INTERRUPTED:
            console.error("interrupted; what was finished is kept, and the same command resumes")
        return code
    except FacereconError as error:
        console.error(str(error))
        return error.exit_code
    except MemoryError:
        console.error("out of memory; use a smaller --set detect.batch=1, or sample fewer frames")
        return 5
    except Exception as error:
        traceback.print_exc()
        console.error(f"this is a bug in facerecon {__version__}: {type(error).__name__}: {error}")
        return 1
    return 0


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
