"""ONNX Runtime on a CPU: the small networks of a usual run, without torch and without holding up other threads.

Each call runs on the thread that makes it, so that a picture has the same bits on every number of cores. Measured on
one core of a 2024 server CPU, in fp32, against torch in its faster layout: RetinaFace mobile0.25 at 640x360 px 13.3 ms
for 17.3, at 128x96 px 0.77 for 2.7; dlib's network, two chips, 12.3 for 16.4; the restorers' U-Net 27.3 for 33.2.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


class Session:
    """An ONNX model, ready to run; may be called from several threads at a time."""

    def __init__(self, model: bytes, weights: Mapping[str, Floats] | None = None) -> None:
        """Load it; `weights` are those that it names and does not hold.

        Raises:
            MemoryError: there was not enough of it.
            RuntimeError: it is none, or one that this release of ONNX Runtime cannot run.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # Plans for pictures of many sizes would pile up. Memory that is kept does not: after 3,000 pictures of sizes up
        # to 1920x1080 px it was what it was after 120. Without it the C library's heap falls to pieces: `extract` of
        # such footage took 1.7 GB in place of 0.6.
        options.enable_mem_pattern = False
        # What fails is raised, and told once.
        options.log_severity_level = 4
        # The runtime may read them where they are.
        self._weights = dict(weights or {})
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(each) for each in self._weights.values()]
        options.add_external_initializers(list(self._weights), values)
        with _known_errors():
            self.runtime = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(self, outputs: Sequence[str], inputs: Mapping[str, Floats]) -> list[Floats]:
        """Return the named outputs, float32.

        Raises:
            MemoryError: there was not enough of it.
            RuntimeError: it failed otherwise.
        """
        with _known_errors():
            found: list[Any] = self.runtime.run(list(outputs), dict(inputs))
        return found


@contextlib.contextmanager
def _known_errors() -> Iterator[None]:
    """Raise the runtime's errors, which are of no kind that Python knows, as ones that are known.

    Running out of memory is told in words alone: "Failed to allocate memory", "std::bad_alloc".
    """
    try:
        yield
    except Exception as error:
        short = isinstance(error, MemoryError) or "alloc" in str(error)
        raise (MemoryError if short else RuntimeError)(str(error)) from error
