"""The files: the source as it was found, every file of the case, and what was used from outside. Names and digests.

Never opens the source: what is said of it was recorded when it was examined.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from facerecon.exchange.contents import Contents
from facerecon.exchange.graph import Node, digest, facet, hashed, instant, node, refs, relationship
from facerecon.hashing import sha256_bytes
from facerecon.manifest import read_bytes
from facerecon.records import FrameRecord, GalleryRecord

_PNG_HEADER = struct.Struct(">8s4x4sII")
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_TYPES = {
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".mkv": "video/matroska",
    ".mp4": "video/mp4",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".yaml": "application/yaml",
}
_STREAM = ("codec", "width", "height", "pixel_format", "time_base")
MANIFEST = "manifest.json"


def file_node(
    identifier: str,
    path: str,
    sha256: str | None,
    size_bytes: int | None = None,
    size_px: tuple[int, int] | None = None,
    **properties: Any,
) -> Node:
    """Return a file, or a picture where its width and height are known, with its digest."""
    name = PurePosixPath(path)
    facets = [
        facet(
            identifier,
            "uco-observable:FileFacet",
            uco_observable__fileName=name.name,
            uco_observable__filePath=path,
            uco_observable__extension=name.suffix.removeprefix("."),
            uco_observable__isDirectory=False,
            uco_observable__sizeInBytes=size_bytes,
        ),
        facet(
            identifier,
            "uco-observable:ContentDataFacet",
            uco_observable__mimeType=_TYPES.get(name.suffix.lower()),
            uco_observable__sizeInBytes=size_bytes,
            uco_observable__hash=hashed(sha256) if sha256 else None,
        ),
    ]
    if size_px:
        facets.append(_picture(identifier, name.suffix, size_px))
    kind = "uco-observable:RasterPicture" if size_px else "uco-observable:File"
    return node(identifier, kind, uco_core__name=name.name, uco_core__hasFacet=facets, **properties)


def _picture(identifier: str, suffix: str, size_px: tuple[int, int]) -> Node:
    return facet(
        identifier,
        "uco-observable:RasterPictureFacet",
        uco_observable__pictureType=suffix.removeprefix("."),
        uco_observable__pictureWidth=size_px[0],
        uco_observable__pictureHeight=size_px[1],
    )


# --- the source -------------------------------------------------------------------------------------------------------


def source_nodes(contents: Contents) -> Iterator[Node]:
    """Yield the evidence as it was found: a file with its media properties, or a folder with its pictures."""
    source, identifier = contents.info.source, contents.source_id
    probe = contents.document("records/probe.json")
    media = _media(contents, probe)
    description = "The source, as it was found. It was opened for reading only."
    if source.kind == "folder":
        pictures = [each for each in _list(probe.get("pictures")) if isinstance(each.get("sha256"), str)]
        yield _folder(contents, media, f"{description} Its digest covers the names and digests of its pictures.")
        for picture in pictures:
            yield from _picture_of_folder(contents, str(picture.get("name", "")), picture["sha256"])
        return
    made = file_node(
        identifier,
        source.path,
        source.sha256,
        source.size_bytes,
        _size_of_picture(probe) if source.kind == "image" else None,
        uco_core__description=description,
    )
    made["uco-core:hasFacet"].append(media)
    yield made


def _folder(contents: Contents, media: Node, description: str) -> Node:
    source, identifier = contents.info.source, contents.source_id
    place = facet(
        identifier,
        "uco-observable:FileFacet",
        uco_observable__fileName=source.name,
        uco_observable__filePath=source.path,
        uco_observable__isDirectory=True,
    )
    content = facet(
        identifier,
        "uco-observable:ContentDataFacet",
        uco_observable__sizeInBytes=source.size_bytes,
        uco_observable__hash=hashed(source.sha256),
    )
    return node(
        identifier,
        "uco-observable:Directory",
        uco_core__name=source.name,
        uco_core__description=description,
        uco_core__hasFacet=[place, content, media],
    )


def _picture_of_folder(contents: Contents, name: str, sha256: str) -> Iterator[Node]:
    path = f"{contents.info.source.path}/{name}"
    identifier = contents.outside_id(path, sha256)
    yield file_node(identifier, path, sha256)
    yield relationship(contents.names.of("contained", path, sha256), identifier, contents.source_id, "Contained_Within")


def _media(contents: Contents, probe: Mapping[str, Any]) -> Node:
    """Return what the source says of itself; UCO has no terms for video."""
    streams = [each for each in _list(probe.get("streams")) if each.get("type") == "video"]
    position = probe.get("analysed_stream")
    stream = next((each for each in streams if each.get("index") == position), streams[0] if streams else {})
    known = {key: stream.get(key) for key in _STREAM}
    rate = _mapping(stream.get("frame_rate_from_header")).get("average")
    analysed = sum(len(contents.records(FrameRecord, "frames", run)) for run in contents.finished("extract")[-1:])
    return facet(
        contents.source_id,
        "facerecon:MediaFacet",
        facerecon__container=_text(probe.get("format")),
        facerecon__codec=_text(known["codec"]),
        facerecon__pixelFormat=_text(known["pixel_format"]),
        facerecon__frameWidthPx=_whole(known["width"]),
        facerecon__frameHeightPx=_whole(known["height"]),
        facerecon__timeBase=_text(known["time_base"]),
        facerecon__frameRateFromHeader=_text(rate),
        facerecon__framesFromHeader=_whole(stream.get("nb_frames_from_header")),
        facerecon__durationFromHeaderUs=_whole(probe.get("duration_us_from_header")),
        facerecon__clock=contents.info.source.clock,
        facerecon__framesAnalysed=analysed,
    )


def _size_of_picture(probe: Mapping[str, Any]) -> tuple[int, int] | None:
    for picture in _list(probe.get("pictures"))[:1]:
        width, height = _whole(picture.get("width")), _whole(picture.get("height"))
        return (width, height) if width and height else None
    return None


# --- the case ---------------------------------------------------------------------------------------------------------


def case_files(contents: Contents, roles: Mapping[str, str], origins: Mapping[str, Sequence[str]]) -> Iterator[Node]:
    """Yield every file of the case, the manifest last.

    Args:
        contents: the case.
        roles: path -> what a picture is, in words.
        origins: path -> identifiers of what it was derived from.
    """
    for path, entry in sorted(contents.manifest.files.items()):
        yield file_node(
            contents.file_id(path),
            path,
            entry.sha256,
            entry.size_bytes,
            png_size(contents.case.seen[path].head) if path.endswith(".png") else None,
            uco_core__description=roles.get(path),
            case_investigation__wasDerivedFrom=refs(list(origins.get(path, ()))),
        )
    yield _manifest_file(contents)


def _manifest_file(contents: Contents) -> Node:
    data, manifest = read_bytes(contents.case.root / MANIFEST), contents.manifest
    identifier = contents.names.of("file", MANIFEST, manifest.digest)
    made = file_node(
        identifier,
        MANIFEST,
        sha256_bytes(data),
        len(data),
        uco_core__description="Every file of the case with its digest; seals the ledger's head.",
    )
    custody = facet(
        identifier,
        "facerecon:CustodyFacet",
        facerecon__manifestDigest=digest(manifest.digest),
        facerecon__ledgerHead=digest(manifest.ledger_head),
        facerecon__ledgerEntries=manifest.ledger_entries,
        facerecon__sealedTime=instant(contents.ledger[-1].utc),
    )
    made["uco-core:hasFacet"].append(custody)
    return made


def outside_files(contents: Contents) -> Iterator[Node]:
    """Yield the files that were used and are not in the case, each once: gallery pictures above all."""
    found = dict.fromkeys(
        (name, sha256)
        for run in contents.runs
        for name, sha256 in run.inputs.items()
        if not contents.is_source(name, sha256) and not contents.holds(name, sha256)
    )
    for run in contents.finished("recognize"):
        pictures = contents.records(GalleryRecord, "gallery", run)
        found |= dict.fromkeys((gallery_name(picture.file), picture.sha256) for picture in pictures)
    for name, sha256 in found:
        yield file_node(contents.outside_id(name, sha256), name, sha256)


def gallery_name(file: str) -> str:
    """Return the ledger's name for a gallery picture."""
    return f"gallery: {file}"


def png_size(head: bytes) -> tuple[int, int] | None:
    """Return width and height from the first bytes of a PNG (ISO/IEC 15948), or None where there is no such header."""
    if len(head) < _PNG_HEADER.size:
        return None
    magic, chunk, width, height = _PNG_HEADER.unpack_from(head)
    return (width, height) if (magic, chunk) == (_PNG_MAGIC, b"IHDR") else None


def _mapping(anything: Any) -> Mapping[str, Any]:
    return anything if isinstance(anything, Mapping) else {}


def _list(anything: Any) -> list[Mapping[str, Any]]:
    return [each for each in anything if isinstance(each, Mapping)] if isinstance(anything, list) else []


def _text(anything: Any) -> str | None:
    return None if anything is None else str(anything)


def _whole(anything: Any) -> int | None:
    return anything if isinstance(anything, int) else None
