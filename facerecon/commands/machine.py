"""What the ledger records of the machine beside what the networks' runtime tells. Reads the system; loads no network.

Two processors of one kind can give other bits: matrix libraries choose their kernels, and so the order of additions, by
the instruction sets that they find (AVX2, AVX-512, AMX), and some by the model. The number of threads counts too; the
runtime tells it.
"""

from __future__ import annotations

import platform
import re
from pathlib import Path

_SYSTEM = Path("/proc/cpuinfo")
_LARGEST_BYTES = 1 << 16
"""Enough for the first processor; the others of a machine say the same."""
_COUNTING = re.compile(r"avx\w*|amx\w*|fma4?|f16c|sse4\w*|asimd\w*|sve\w*|sme\d?|bf16|i8mm|fphp")
"""The instruction sets that change how numbers are computed, by Linux's names (x86-64 and AArch64)."""


def processor(system: Path = _SYSTEM) -> dict[str, str]:
    """Return {cpu_model, cpu_instructions} of this machine.

    Args:
        system: where Linux describes its processors.

    Returns:
        The processor's name ("Intel(R) Xeon(R) Gold 6248R CPU @ 3.00GHz"; where the system has none, its kind), and its
        instruction sets that change how numbers are computed, sorted, as one line; "" where the system does not tell.
    """
    told = _first(system)
    flags = told.get("flags") or told.get("Features") or ""
    return {
        "cpu_model": told.get("model name") or platform.processor() or platform.machine(),
        "cpu_instructions": " ".join(sorted(each for each in set(flags.split()) if _COUNTING.fullmatch(each))),
    }


def _first(system: Path) -> dict[str, str]:
    """Return the lines on the first processor, by what they are called."""
    try:
        with system.open("rb") as stream:
            text = stream.read(_LARGEST_BYTES).decode("ascii", errors="replace")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {name.strip(): " ".join(value.split()) for name, _, value in pairs}
