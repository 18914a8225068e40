"""Where things lie: the profiles and registry that ship with the tool, and the user's weights cache. No network."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from facerecon.errors import ResourceError

_PACKAGE = Path(__file__).resolve().parent


def data_folder(name: str) -> Path:
    """Return the shipped folder `name` ("profiles" or "weights"): inside an installed wheel, else in the checkout.

    Raises:
        ResourceError: the installation lacks the folder.
    """
    for folder in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise ResourceError(f"the installation lacks its {name}/ folder; install facerecon again")


def weights_cache() -> Path:
    """Return the folder for downloaded and converted weights: $FACERECON_WEIGHTS, else the user's cache folder."""
    chosen = os.environ.get("FACERECON_WEIGHTS")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("facerecon")) / "weights"
