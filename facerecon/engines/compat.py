"""What it takes to import basicsr, gfpgan and facexlib beside a current torchvision. Owns that shim, nothing else."""

from __future__ import annotations

import sys

_GONE = "torchvision.transforms.functional_tensor"


def install() -> None:
    """Offer torchvision's `functional` under the module name that torchvision 0.17 removed; import basicsr after this.

    basicsr.data.degradations imports `rgb_to_grayscale` from the old name, and `import basicsr` runs that line.
    """
    if _GONE not in sys.modules:
        from torchvision.transforms import functional

        sys.modules[_GONE] = functional
