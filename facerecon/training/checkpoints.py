"""What a run leaves in its folder: checkpoint, log, contact sheets, and at the end the model with its card's figures.

    RUN/ config.yaml faces.jsonl left_out.jsonl checkpoint.pt log.csv validation.csv histograms.csv
         sheets/step-000500.png NAME.safetensors NAME.json

Files are there whole or not at all; the tables grow by lines, and a continuation takes out what a crash left half
written. Never continues a run that was begun with another configuration.
"""

from __future__ import annotations

import csv
import io
import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from facerecon.durable import write_whole
from facerecon.engines.own import written
from facerecon.errors import IntegrityError, ResourceError, UsageError
from facerecon.hashing import sha256_bytes
from facerecon.training.configuration import Training

_MODE = 0o644
_CONFIGURATION, _CHECKPOINT = "config.yaml", "checkpoint.pt"
LOG, VALIDATION, HISTOGRAMS = TABLES = ("log.csv", "validation.csv", "histograms.csv")


class RunFolder:
    """One run's folder."""

    def __init__(self, root: Path, training: Training) -> None:
        """Open the folder of a run, or make it.

        Raises:
            UsageError: it holds a run with another configuration.
            ResourceError: it cannot be written.
        """
        self.root, self._training = root, training
        self.saved()
        self.write(_CONFIGURATION, training.to_yaml().encode())

    def write(self, name: str, data: bytes) -> Path:
        """Write one file, whole.

        Raises:
            ResourceError: it cannot be written.
        """
        path = self.root / name
        try:
            write_whole(path, data, _MODE)
        except OSError as error:
            raise ResourceError(f"{path} cannot be written: {error.strerror}; choose another --output") from error
        return path

    # --- checkpoints --------------------------------------------------------------------------------------------------

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the checkpoint."""
        stream = io.BytesIO()
        torch.save({"configuration": self._training.digest, **state}, stream)
        self.write(_CHECKPOINT, stream.getvalue())

    def saved(self) -> dict[str, Any] | None:
        """Return the checkpoint, its tensors on the CPU; None when there is none.

        Raises:
            IntegrityError: it is damaged.
            UsageError: it is of another configuration.
        """
        path = self.root / _CHECKPOINT
        if not path.exists():
            return None
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
            reason = " ".join(str(error).split())[:200]
            raise IntegrityError(f"{path} is damaged ({reason}); remove it to begin anew") from error
        if state["configuration"] != self._training.digest:
            raise UsageError(f"{self.root} holds a run with another configuration; choose another --output")
        return dict(state)

    # --- logs ---------------------------------------------------------------------------------------------------------

    def append(self, name: str, row: Mapping[str, float | int | str]) -> None:
        """Append one row to a table; its first row makes the heading."""
        path = self.root / name
        stream = io.StringIO()
        writer = csv.DictWriter(stream, list(row), lineterminator="\n")
        try:
            if not path.exists() or not path.stat().st_size:
                writer.writeheader()
            writer.writerow(row)
            with path.open("a", encoding="utf-8") as file:
                file.write(stream.getvalue())
        except OSError as error:
            raise ResourceError(f"{path} cannot be written: {error.strerror}; free some space, then go on") from error

    def forget_from(self, step: int, tables: Sequence[str] = TABLES) -> None:
        """Take out of the tables what came at `step` or later, and what is half written: it is written again."""
        for path in (self.root / name for name in tables if (self.root / name).exists()):
            heading, *rows = path.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
            kept = [row for row in rows if row.count(",") == heading.count(",") and _step_of(row) < step]
            self.write(path.name, "".join(f"{line}\n" for line in (heading, *kept) if line).encode())

    # --- result -------------------------------------------------------------------------------------------------------

    def publish(
        self, state: Mapping[str, torch.Tensor], description: Mapping[str, Any], facts: Mapping[str, Any]
    ) -> Path:
        """Write the model in half precision, what it is in its header, and its facts beside it; return its path."""
        data = written({name: _shipped(value) for name, value in state.items()}, dict(description))
        path = self.write(f"{self._training.name}.safetensors", data)
        document = {"schema": 1, "name": self._training.name, "sha256": sha256_bytes(data), "size_bytes": len(data)}
        text = json.dumps({**document, **facts}, indent=2) + "\n"
        self.write(f"{self._training.name}.json", text.encode())
        return path


def _step_of(row: str) -> float:
    first = row.split(",", 1)[0]
    return int(first) if first.isdecimal() else float("inf")


def _shipped(value: torch.Tensor) -> torch.Tensor:
    kept = value.detach().cpu().contiguous()
    return kept.half() if kept.is_floating_point() else kept
