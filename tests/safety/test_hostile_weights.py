"""Model files that run code, unpack to anything, or lie: refused in one line, and nothing in them is executed."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facerecon.engines.arrays import read_arrays
from facerecon.engines.states import load_state, read_tensors
from facerecon.errors import IntegrityError
from facerecon.hashing import sha256_bytes
from facerecon.weights import Checkpoint, Entry, checkpoint_bytes, import_folder

Reader = Callable[[str, bytes], object]

STATE = {"a.weight": torch.arange(16.0).reshape(4, 4), "b": torch.ones(3)}


class Malicious:
    """Unpickling it writes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (str(self.mark),))


def saved(content: object, *, new: bool = True) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=new)
    return stream.getvalue()


@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("wrapped", [True, False])
def test_a_checkpoint_that_runs_code_is_refused_and_runs_nothing(new: bool, wrapped: bool, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    data = saved({"params": {"w": Malicious(mark)}} if wrapped else Malicious(mark), new=new)
    with pytest.raises(
        IntegrityError, match=r"net\.pth holds more than tensors, .*mkdir; nothing of it was run"
    ) as caught:
        read_tensors("net.pth", data)
    assert not mark.exists()
    assert "weights_only" not in str(caught.value), "torch's advice to load it all the same is not passed on"
    assert "\x1b" not in str(caught.value)


def test_a_bare_pickle_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(IntegrityError, match="holds more than tensors"):
            read_tensors("net.pth", pickle.dumps(Malicious(tmp_path / "executed"), protocol))
    assert not (tmp_path / "executed").exists()


def test_official_weights_that_were_replaced_are_refused_by_digest_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACERECON_WEIGHTS", str(tmp_path))
    item = Entry.model_validate(
        {
            "id": "net",
            "role": "detection",
            "architecture": "linear",
            "provider": "official",
            "file": "net.pth",
            "sha256": sha256_bytes(saved(STATE)),
            "urls": ("https://example.invalid/net.pth",),
            "licence": "MIT",
            "training_data": "none",
            "reference": "none",
        }
    )
    (tmp_path / "net.pth").write_bytes(saved(STATE))
    assert load_state(item).keys() == STATE.keys()
    (tmp_path / "net.pth").write_bytes(saved(Malicious(tmp_path / "executed")))
    with pytest.raises(IntegrityError, match="is not the pinned net"):
        load_state(item)
    assert not (tmp_path / "executed").exists()


def test_a_brought_file_is_the_one_that_was_named_or_refused(tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(saved(STATE))
    checkpoint = Checkpoint(tmp_path / "net.pth", sha256_bytes(saved(STATE)))
    assert checkpoint_bytes(checkpoint) == saved(STATE)
    (tmp_path / "net.pth").write_bytes(saved(Malicious(tmp_path / "executed")))
    with pytest.raises(IntegrityError, match="is not the file that was named"):
        checkpoint_bytes(checkpoint)


def test_a_compressed_checkpoint_is_refused_before_it_is_unpacked() -> None:
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(saved(STATE))) as given_,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for member in given_.infolist():
            bomb.writestr(member.filename, given_.read(member) + bytes(1_000_000))
    assert len(stream.getvalue()) < 50_000
    with pytest.raises(IntegrityError, match=r"compressed, which torch\.save never does"):
        read_tensors("net.pth", stream.getvalue())


HEADERS = {
    "longer than the file": (1 << 62, b"{}"),
    "longer than any": (1 << 40, b"{}"),
    "deep": (100_000, b"[" * 100_000),
    "a tensor larger than the file": (
        86,
        b'{"w":{"dtype":"F32","shape":[1000000000,1000],"data_offsets":[0,4000000000000]}}'.ljust(86),
    ),
    "tensors that overlap": (
        110,
        b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}'.ljust(
            110
        ),
    ),
    "not JSON": (4, b"\xff\xff\xff\xff"),
}


@pytest.mark.parametrize(("length", "header"), HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize(
    ("read", "complaint"),
    [(read_tensors, "holds more than tensors, or is damaged"), (read_arrays, "cannot be read as arrays")],
)
def test_crafted_safetensors_are_refused(read: Reader, complaint: str, length: int, header: bytes) -> None:
    with pytest.raises(IntegrityError, match=complaint):
        read("net.safetensors", length.to_bytes(8, "little") + header + bytes(2))


@settings(max_examples=200)
@given(
    st.sampled_from(
        [
            (read_tensors, "n.pth", saved(STATE)),
            (read_tensors, "n.pth", saved(STATE, new=False)),
            (read_tensors, "n.safetensors", safetensors.torch.save(STATE)),
            (read_arrays, "n.safetensors", safetensors.torch.save(STATE)),
        ]
    ),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_damaged_checkpoints_are_tensors_or_one_line(
    given_: tuple[Reader, str, bytes], changes: list[tuple[int, int]]
) -> None:
    read, name, whole = given_
    data = bytearray(whole)
    for place, value in changes:
        data[place % len(data)] = value
    try:
        read(name, bytes(data))
    except IntegrityError as error:
        assert "\n" not in str(error)


def test_importing_a_folder_takes_nothing_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACERECON_WEIGHTS", str(tmp_path / "cache"))
    (tmp_path / "in").mkdir()
    (tmp_path / "in/GFPGANv1.4.pth").write_bytes(saved(Malicious(tmp_path / "executed")))
    os.mkfifo(tmp_path / "in/pipe.pth")
    with (tmp_path / "in/endless.pth").open("wb") as stream:
        stream.truncate(64 << 20)
    found = import_folder(tmp_path / "in")
    assert found.taken == ()
    assert len(found.refused) == 2
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "executed").exists()
