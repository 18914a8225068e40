"""What it takes to import network classes of basicsr, gfpgan and facexlib beside current libraries. Owns only that."""

from __future__ import annotations

import importlib
import sys
import warnings

from torch import nn

_GONE = "torchvision.transforms.functional_tensor"


def network_class(module: str, name: str) -> type[nn.Module]:
    """Import a network class of basicsr, gfpgan or facexlib, whose packages import much besides."""
    install()
    with warnings.catch_warnings():
        # Their other modules use names that scipy and torchvision deprecate; no result depends on those.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", UserWarning)
        found: type[nn.Module] = getattr(importlib.import_module(module), name)
    return found


def install() -> None:
    """Offer torchvision's `functional` under the module name that torchvision 0.17 removed.

    basicsr.data.degradations imports `rgb_to_grayscale` from the old name, and `import basicsr` runs that line.
    """
    if _GONE not in sys.modules:
        from torchvision.transforms import functional

        sys.modules[_GONE] = functional
