"""What a process of ours that shall know little of its surroundings gets of the environment. Starts none itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Libraries heed variables of their own: fonts, packages, dates, codecs.
_KEPT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE", "SYSTEMROOT")


def bare_environment() -> dict[str, str]:
    """Return what Python needs to start and to find this program's modules, and nothing else."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {"PYTHONPATH": os.pathsep.join(str(Path(each).absolute()) for each in sys.path if each)}
