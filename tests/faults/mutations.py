"""Broken containers: small clips of our own, and seeded ways to damage them as chance or an attacker would."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.synthetic import write_gif, write_video

SIZE, FRAMES = (64, 48), 8
_INTERESTING = (0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 63)
_PARENTS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"meta", b"dinf"})
_SYNC = 0x47

Mutation = Callable[[random.Random, bytes, Sequence[bytes]], bytes]
Piece = tuple[int, int]


def write_clips(folder: Path) -> dict[str, bytes]:
    """Write one small clip of each container and elementary stream, and return their bytes by file name."""
    raw = {"codec": "mjpeg", "pixel_format": "yuvj420p"}
    writers: dict[str, Callable[[Path], Path]] = {
        "h264.mp4": lambda path: write_video(path, frames=FRAMES, size=SIZE, gop=4, b_frames=2),
        "fragmented.mp4": lambda path: write_video(
            path, frames=FRAMES, size=SIZE, gop=4, container_options={"movflags": "frag_keyframe+empty_moov"}
        ),
        "h264.mkv": lambda path: write_video(path, frames=FRAMES, size=SIZE, gop=4, b_frames=2),
        "ffv1.mkv": lambda path: write_video(path, frames=FRAMES, size=SIZE, codec="ffv1"),
        "mjpeg.avi": lambda path: write_video(path, frames=FRAMES, size=SIZE, **raw),
        "mpeg4.avi": lambda path: write_video(path, frames=FRAMES, size=SIZE, codec="mpeg4", gop=4, b_frames=1),
        "h264.ts": lambda path: write_video(path, frames=FRAMES, size=SIZE, gop=4, b_frames=2),
        "mpeg2.ts": lambda path: write_video(path, frames=FRAMES, size=SIZE, codec="mpeg2video", gop=4),
        "bare.h264": lambda path: write_video(path, frames=FRAMES, size=SIZE, gop=4, b_frames=2),
        "bare.mjpeg": lambda path: write_video(path, frames=FRAMES, size=SIZE, **raw),
        "moving.gif": lambda path: write_gif(path, [40] * FRAMES, SIZE),
        "moving.webp": lambda path: write_gif(path, [40] * FRAMES, SIZE),
    }
    return {name: write(folder / name).read_bytes() for name, write in writers.items()}


def mutant(seed: int, clips: dict[str, bytes]) -> tuple[str, bytes]:
    """Return the name of a clip and the clip with one to four mutations, all chosen by a seed."""
    chance = random.Random(seed)
    name = sorted(clips)[seed % len(clips)]
    data = clips[name]
    others = [clips[other] for other in sorted(clips) if other != name]
    for _ in range(chance.choice((1, 1, 2, 3, 4))):
        data = chance.choice(MUTATIONS)(chance, data, others) or data
    return name, data


# --- bytes ------------------------------------------------------------------------------------------------------------


def flip_bits(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    for _each in range(chance.choice((1, 2, 8, 64))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def overwrite_run(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at, length = _run(chance, data)
    filler = chance.choice((bytes(length), b"\xff" * length, chance.randbytes(length)))
    return data[:at] + filler + data[at + length :]


def truncate(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data[: chance.randrange(1, len(data))]


def remove_run(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at, length = _run(chance, data)
    return data[:at] + data[at + length :]


def repeat_run(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at, length = _run(chance, data)
    return data[:at] + data[at : at + length] * chance.choice((2, 3, 50)) + data[at + length :]


def edit_number(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """Put a number that is likely to hurt where lengths, counts and offsets may stand: near the beginning, mostly."""
    width = chance.choice((1, 2, 4, 8))
    value = chance.choice(_INTERESTING) & ((1 << 8 * width) - 1)
    within = chance.choice((64, 512, len(data)))
    at = chance.randrange(max(1, min(within, len(data)) - width))
    order = "big" if chance.random() < 0.5 else "little"
    return data[:at] + value.to_bytes(width, order) + data[at + width :]  # type: ignore[arg-type]


def graft_header(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Put another container's beginning before, or over, this one's."""
    head = chance.choice(others)[: chance.choice((4, 12, 64, 512, 4096))]
    return head + data[len(head) if chance.random() < 0.5 else 0 :]


def splice(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    at, length = _run(chance, data)
    other = chance.choice(others)
    start, size = _run(chance, other)
    return data[:at] + other[start : start + size] + data[at + length :]


# --- pieces: atoms, chunks, packets -----------------------------------------------------------------------------------


def remove_piece(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start, end = chance.choice(pieces(data))
    return data[:start] + data[end:]


def repeat_piece(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start, end = chance.choice(pieces(data))
    return data[:end] + data[start:end] * chance.choice((1, 5)) + data[end:]


def swap_pieces(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    one, two = sorted(chance.sample(pieces(data) * 2, 2))
    if one[1] > two[0]:
        return data
    return data[: one[0]] + data[slice(*two)] + data[one[1] : two[0]] + data[slice(*one)] + data[two[1] :]


def edit_length(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """Change the length that an atom or a chunk states; in other containers the first bytes of a piece."""
    start, end = chance.choice(pieces(data))
    riff = data[:4] == b"RIFF"
    at = start + 4 if riff else start
    stated = chance.choice((*_INTERESTING[:-1], end - start + 1, max(0, end - start - 1), len(data)))
    return data[:at] + (stated & 0xFFFFFFFF).to_bytes(4, "little" if riff else "big") + data[at + 4 :]


def pieces(data: bytes) -> list[Piece]:
    """Return where the parts of a container lie, from start to end: atoms, chunks, packets, or simply 64 bytes each."""
    if data[4:8] == b"ftyp":
        found = _atoms(data, 0, len(data))
    elif data[:4] == b"RIFF":
        found = _chunks(data, 12, len(data))
    elif data[:1] and data[0] == _SYNC and len(data) > 188 and data[188] == _SYNC:
        found = [(at, at + 188) for at in range(0, len(data) - 187, 188)]
    else:
        found = [(at, min(at + 64, len(data))) for at in range(0, len(data), 64)]
    return found or [(0, len(data))]


def _atoms(data: bytes, start: int, end: int) -> list[Piece]:
    found: list[Piece] = []
    while start + 8 <= end:
        size, name = int.from_bytes(data[start : start + 4], "big"), data[start + 4 : start + 8]
        if not 8 <= size <= end - start:
            break
        found.append((start, start + size))
        if name in _PARENTS:
            found += _atoms(data, start + 8, start + size)
        start += size
    return found


def _chunks(data: bytes, start: int, end: int) -> list[Piece]:
    found: list[Piece] = []
    while start + 8 <= end:
        size = int.from_bytes(data[start + 4 : start + 8], "little")
        if size > end - start - 8:
            break
        found.append((start, start + 8 + size))
        if data[start : start + 4] == b"LIST":
            found += _chunks(data, start + 12, start + 8 + size)
        start += 8 + size + size % 2
    return found


def _run(chance: random.Random, data: bytes) -> Piece:
    length = min(chance.choice((1, 4, 32, 256)), len(data))
    return chance.randrange(len(data) - length + 1), length


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits,
    overwrite_run,
    truncate,
    remove_run,
    repeat_run,
    edit_number,
    edit_number,
    graft_header,
    splice,
    remove_piece,
    repeat_piece,
    swap_pieces,
    edit_length,
    edit_length,
)
