"""What it takes to import torchvision, and network classes of basicsr, gfpgan and facexlib, as they are today.

Owns only that.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from types import ModuleType
from typing import Any

from torch import nn

_GONE = "torchvision.transforms.functional_tensor"
_COMPILER = ("torch._dynamo", "torch._dynamo.utils")


def _torchvision() -> Any:
    """Import torchvision without torch's compiler.

    One module of it asks the compiler a question, in a function that nothing here calls; importing the compiler takes
    longer than torchvision and torch together. Stand-ins answer for it during the import, and are gone afterwards.
    """
    if "torchvision" in sys.modules or _COMPILER[0] in sys.modules:
        return importlib.import_module("torchvision")
    package, utils = (ModuleType(name) for name in _COMPILER)
    package.__path__ = []
    utils.__dict__["is_compile_supported"] = lambda _device: False
    sys.modules.update(zip(_COMPILER, (package, utils), strict=True))
    try:
        return importlib.import_module("torchvision")
    except ImportError:
        # A version that asks for more.
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
    finally:
        for name in _COMPILER:
            del sys.modules[name]
    return importlib.import_module("torchvision")


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
        sys.modules[_GONE] = _torchvision().transforms.functional
