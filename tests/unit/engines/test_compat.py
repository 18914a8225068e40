"""The shim without which basicsr does not import."""

from __future__ import annotations

import subprocess
import sys


def test_basicsr_imports_after_the_shim_and_only_then() -> None:
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "try:\n    import basicsr\n    print('without')\nexcept ModuleNotFoundError as error:\n    print(error.name)\n"
        "for name in [n for n in sys.modules if n.startswith('basicsr')]: del sys.modules[name]\n"
        "from facerecon.engines import compat\ncompat.install(); compat.install()\n"
        "from basicsr.archs.rrdbnet_arch import RRDBNet\nprint(RRDBNet.__name__)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert result.stdout.split() == ["torchvision.transforms.functional_tensor", "RRDBNet"], result.stderr
