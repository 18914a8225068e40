"""Fixtures for all tests."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A busy machine is no failure, and every run sees the same examples.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")


# A shell that starts the tests in the background lets them, and all that they start, ignore Ctrl-C; some send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def ctrl_c_as_a_thread_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Ctrl-C come just when a thread has been started."""
    begin = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        begin(thread)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(threading.Thread, "start", interrupted)


@pytest.fixture(scope="session", autouse=True)
def _own_weights_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Convert packaged weights into a folder of this session, never into the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACERECON_WEIGHTS", str(tmp_path_factory.mktemp("weights-cache")))
        yield
