"""What Ctrl-C and SIGTERM are said to have left, for commands that nothing resumes. Never catches anything else.

A run that resumes says so in `main`; of a command that makes one thing whole or not at all that would be untrue.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from facerecon.errors import Interrupted

ANEW = "the same command begins anew"


@contextlib.contextmanager
def stopped(words: str = ANEW) -> Iterator[None]:
    """Say where the block, or the function that this decorates, is interrupted what that means; `words` say it.

    Raises:
        Interrupted: Ctrl-C or SIGTERM ended it (exit 130).
    """
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; {words}") from None
