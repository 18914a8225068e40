"""A store for tests, tale://: objects are files of a folder, and the name of one says how the store lies about it.

    cut       the bytes end in the middle          long      there are more bytes than stated
    moves     changes while it is read             denied    may be listed, not read (403)
    mute      no tag, no time                      slow      waits until a file `go` lies in the folder, and says so
    breaks    an error that is no OSError          sizeless  no size

Works in any process that imports this module, with TALE_FOLDER in the environment. NAMES of the folder maps names of
files to the keys that the store shows, so that a key can be what no file can be called.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fsspec
from fsspec.spec import AbstractFileSystem

from facerecon.batch.addresses import SCHEMES
from facerecon.batch.units import Hear
from tests.unit.batch.batch_cases import FakeCases

HERE = "tests.unit.batch.tale_store"
FOLDER = "TALE_FOLDER"
NAMES = ".names.json"
LOG = ".log"
PREFIX = "tale://host"


class TaleError(Exception):
    """What the package of this store raises."""


class Tale(AbstractFileSystem):
    protocol = "tale"
    above = "/share/"

    @property
    def _folder(self) -> Path:
        return Path(os.environ[FOLDER])

    def _keys(self) -> dict[str, Path]:
        """Key -> file."""
        names = self._folder / NAMES
        known = json.loads(names.read_text()) if names.exists() else {}
        files = [each for each in sorted(self._folder.rglob("*")) if each.is_file() and each.name not in (NAMES, LOG)]
        relative = {str(each.relative_to(self._folder)): each for each in files}
        return {known.get(name, f"{self.above}{name}"): path for name, path in relative.items()}

    def _stated(self, key: str, path: Path) -> dict[str, Any]:
        name = key.rpartition("/")[2]
        data = path.read_bytes()
        facts: dict[str, Any] = {"name": key, "type": "file", "size": len(data)}
        if "mute" not in name:
            facts |= {"ETag": f'"{hashlib.md5(data).hexdigest()}"', "LastModified": "2026-11-01T06:00:00+00:00"}
        if "sizeless" in name:
            facts["size"] = None
        if "cut" in name:
            facts["size"] = len(data) * 2
        if "long" in name:
            facts["size"] = len(data) // 2
        return facts

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        if "*" in path:
            raise TaleError("STATUS_OBJECT_NAME_INVALID")
        keys = self._keys()
        if path in keys:
            return self._stated(path, keys[path])
        if any(key.startswith(f"{path.rstrip('/')}/") for key in keys):
            return {"name": path, "type": "directory", "size": 0}
        raise FileNotFoundError(path)

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        if "locked" in path:
            raise PermissionError("Access Denied")
        folder, found = path.rstrip("/"), {}
        for key, file in self._keys().items():
            inside = key.removeprefix(f"{folder}/")
            if inside == key:
                continue
            child, deeper, _ = inside.partition("/")
            name = f"{folder}/{child}"
            if inside.startswith("/"):
                found[f"{folder}/"] = {"name": f"{folder}/", "type": "directory", "size": 0}
            elif not inside or ".." in inside.split("/"):
                found[key] = self._stated(key, file)
            elif deeper:
                found[name] = {"name": f"{name}/", "type": "directory", "size": 0}
            else:
                found[name] = self._stated(key, file)
        return list(reversed(found.values()))

    def _open(self, path: str, mode: str = "rb", **_: Any) -> io.BytesIO:
        assert mode == "rb"
        name, file = path.rpartition("/")[2], self._keys()[path]
        with (self._folder / LOG).open("a") as log:
            log.write(f"{json.dumps(name)}\n")
        if "denied" in name:
            raise PermissionError("Forbidden")
        if "breaks" in name:
            raise TaleError("the token has expired\nask for another one")
        if "slow" in name:
            (self._folder.parent / "reading").touch()
            until = time.monotonic() + 120
            while not (self._folder.parent / "go").exists() and time.monotonic() < until:
                time.sleep(0.02)
        data = file.read_bytes()
        if "moves" in name:
            file.write_bytes(data[:-1] + b"!")
        return io.BytesIO(data)


class Bucket(Tale):
    """The same store, in which paths begin with the bucket's name."""

    protocol = "s3"
    above = "bucket/"


fsspec.register_implementation("tale", Tale, clobber=True)
SCHEMES["tale"] = "taleprotocol"


class TaleCases(FakeCases):
    """Makes real cases of objects of the store."""

    def __init__(self, options: Mapping[str, Any], hear: Hear) -> None:
        super().__init__(options, hear)


def reads(folder: Path) -> list[str]:
    """The names of the objects that were opened, in order."""
    log = folder / LOG
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
