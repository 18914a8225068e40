"""Recognition: faces to vectors. Owns dlib's framing, averaging, and batching.

A face's vector is the mean over its views (facerecon.engines.views), normalised where the model's metric is cosine.
Measured for dlib on LFW (1,780 pictures, 6,548 genuine and 3.2 million impostor comparisons), true accepts at 1 % false
accepts: dlib's own alignment and one chip 0.977; this alignment 0.988, with the mirror image 0.991. Faces 24 px wide
against pristine ones, in the same order: 0.691, 0.669, 0.709.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol, TypeVar

import numpy as np

from facerecon.engines.architectures import DLIB, DLIB_STUDENT
from facerecon.engines.arrays import Arrays, Weights, load_arrays
from facerecon.engines.by_onnx import Session
from facerecon.engines.cores import on_cores
from facerecon.engines.dlib_shape import DIMENSIONS
from facerecon.engines.runtime import Device, memory_guard
from facerecon.engines.stamps import make_stamp
from facerecon.engines.views import Framing, Views
from facerecon.hashing import sha256_array
from facerecon.records import RGB, Embedding, FaceView, Metric, ModelStamp, Vector, unit_length
from facerecon.weights import Entry

T = TypeVar("T")
_KNOWN = 1024
"""Of how many faces the vectors are remembered; half a kilobyte each."""

# Where RetinaFace (mobile0.25) sees the five points on dlib's own chips. Measured: 400 LFW images of people kept for
# training; dlib's chip (size 150, padding 0.25) from its 5-point predictor on the fixed rectangle (70, 72, 180, 182);
# mean over the 360 faces with every point within 15 px of the median. Standard deviations 1.7 to 5.4 px.
DLIB_FRAMING = Framing(
    "retinaface-5pt",
    ((46.06, 45.03), (101.21, 44.55), (72.66, 76.63), (49.94, 101.73), (96.44, 101.46)),
    150,
)


class Network(Protocol):
    """A recognizer's network: where faces lie on its chips, and stacks of chips to vectors."""

    @property
    def framing(self) -> Framing:
        """Where faces lie on its chips."""
        ...

    def run(self, stacks: Sequence[RGB]) -> list[Vector]:
        """Return the vectors, float32 (n, dimensions), of each stack of chips, uint8 (n, side, side, 3)."""
        ...


class Embedder:
    """A `Recognizer`: one model's vectors, from five RetinaFace landmarks."""

    def __init__(
        self,
        item: Entry,
        device: Device,
        *,
        batch: int = 32,
        views: Views | None = None,
        state: Arrays | None = None,
    ) -> None:
        """Load the network of `item`, an architecture of `RECOGNIZERS`; `batch` is the number of chips per pass.

        `state` holds the arrays of a file that is in no registry. On a CPU dlib's network runs by ONNX Runtime.

        Raises:
            ResourceError: the weights are not here.
            IntegrityError: they are not the pinned ones, or no state of that network.
        """
        self._rescaled: _Rescaled | None = None
        if item.architecture in (DLIB, DLIB_STUDENT):
            arrays = load_arrays(item) if state is None else state
            weights = Weights(item, arrays)
            if item.architecture == DLIB_STUDENT:
                self._rescaled = _Rescaled(weights)
            self._network: Network = _Dlib(weights) if device.type == "cpu" else _by_torch(item, device, arrays)
        else:
            self._network = _by_torch(item, device, state)
        self._batch, self._views = batch, views or Views()
        self._known: dict[str, Embedding] = {}
        self._stamp, self._capabilities = make_stamp(item, device, "fp32"), item.capabilities

    @property
    def stamp(self) -> ModelStamp:
        """Which model runs, and how."""
        return self._stamp

    @property
    def metric(self) -> Metric:
        """How its vectors compare."""
        if self._capabilities.metric is None:
            raise AssertionError("the registry gives every recognizer a metric")
        return self._capabilities.metric

    @property
    def threshold(self) -> float | None:
        """The similarity of the model's published operating point, None where none is published."""
        return self._capabilities.similarity_threshold

    @property
    def treatment(self) -> str:
        """What besides the weights makes the vector: alignment, chip, resampling, averaging."""
        framing = self._network.framing
        return f"{framing.name}, {framing.side_px} px, {self._views.treatment}"

    def embed(self, faces: Sequence[FaceView]) -> list[Embedding]:
        """Return one embedding per face, in order.

        Raises:
            RestorationError: a face's landmarks coincide.
            ResourceError: out of memory.
        """
        found: list[Embedding] = []
        with memory_guard("face recognition"):
            # A few faces at a time: a thousand faces' chips need not be in memory at once.
            for together in _batches(faces, max(1, self._batch // self._views.count)):
                found += self._embedded([np.stack(list(self._cut(face))) for face in together])
        return found

    def _cut(self, face: FaceView) -> Iterator[RGB]:
        return self._views.cut(face, self._network.framing)

    def _embedded(self, faces: Sequence[RGB]) -> list[Embedding]:
        """Return the embedding of each face, given its chips (views, side, side, 3); a known face is not seen again.

        A case's faces come again: before and after restoration, and when they are compared.
        """
        names = [sha256_array(chips) for chips in faces]
        new = {name: chips for name, chips in zip(names, faces, strict=True) if name not in self._known}
        self._known.update(zip(new, map(self._averaged, self._run(list(new.values()))), strict=True))
        found = [self._known[name] for name in names]
        while len(self._known) > _KNOWN:
            del self._known[next(iter(self._known))]
        return found

    def vectors(self, squares: Iterable[RGB]) -> list[Vector]:
        """Return one vector, float32 (dimensions,), per aligned chip, uint8 (side, side, 3): the network as it is.

        Raises:
            ResourceError: out of memory.
        """
        found: list[Vector] = []
        with memory_guard("face recognition"):
            for together in _batches(squares, self._batch):
                found.extend(vectors[0] for vectors in self._run([square[None] for square in together]))
        return found

    def _run(self, stacks: Sequence[RGB]) -> list[Vector]:
        """Return the vectors (n, dimensions) of each stack of chips (n, side, side, 3)."""
        return self._network.run(stacks) if stacks else []

    def _averaged(self, vectors: Vector) -> Embedding:
        mean = np.asarray(np.mean(vectors, axis=0, dtype=np.float32))
        if self._rescaled is not None:
            mean = self._rescaled(mean)
        return Embedding(self._stamp.id, unit_length(mean) if self.metric == "cosine" else mean, self.metric)


def _by_torch(item: Entry, device: Device, state: Arrays | None) -> Network:
    from facerecon.engines.embedding_networks import open_network

    return open_network(item, device, state)


class _Dlib:
    """dlib's network by ONNX Runtime: each stack has a core of its own, so that it does not depend on the others."""

    framing = DLIB_FRAMING

    def __init__(self, weights: Weights) -> None:
        """Take what the network has of a state; whatever else belongs to it has been taken."""
        from facerecon.engines.dlib_graph import dlib_model

        model = dlib_model(weights)
        weights.finish()
        self._session = Session(model.graph, model.weights)

    def run(self, stacks: Sequence[RGB]) -> list[Vector]:
        return on_cores(self._of_one, stacks)

    def _of_one(self, chips: RGB) -> Vector:
        given = np.ascontiguousarray(chips.transpose(0, 3, 1, 2), np.float32)
        (vectors,) = self._session.run(["vectors"], {"chips": given})
        return vectors


class _Rescaled:
    """A student's vector in the direction it has from the mean of all persons, as far from it as sharp faces' are.

    A student that cannot know answers near that mean, which brings strangers nearer, too.
    """

    def __init__(self, weights: Weights) -> None:
        self._centre, self._radius = weights.take("centre", DIMENSIONS), weights.take("radius")

    def __call__(self, vector: Vector) -> Vector:
        offset = vector - self._centre
        length = max(float(np.linalg.norm(offset)), 1e-12)
        return np.asarray(self._centre + self._radius * (offset / np.float32(length)), np.float32)


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    remaining = iter(items)
    while together := list(islice(remaining, size)):
        yield together
