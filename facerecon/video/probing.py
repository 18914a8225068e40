"""What a container says about itself, as plain JSON data (R08). Reports header facts by name, judges nothing."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av

from facerecon.video.colour import display_matrix, matrix_name


def probe_container(container: Any, stream: Any) -> dict[str, Any]:
    """Return the probe of an open PyAV container; `stream` is the video stream that is analysed."""
    codec = stream.codec_context
    matrix, origin = matrix_name(int(codec.colorspace), codec.width, codec.height)
    return {
        "format": container.format.name,
        "format_long_name": container.format.long_name,
        "duration_us_from_header": container.duration,
        "start_time_us_from_header": container.start_time,
        "bit_rate_from_header": container.bit_rate,
        "size_bytes": container.size,
        "metadata": _tags(container.metadata),
        "streams": [_stream(each) for each in container.streams],
        "analysed_stream": stream.index,
        "other_video_streams": [each.index for each in container.streams.video if each.index != stream.index],
        "colour_matrix": matrix,
        "colour_matrix_source": origin,
        "ffmpeg": _ffmpeg(),
    }


def _ffmpeg() -> dict[str, Any]:
    versions = {name: ".".join(str(part) for part in version) for name, version in sorted(av.library_versions.items())}
    return {"version": str(av.ffmpeg_version_info), "pyav": av.__version__, "libraries": versions}


def _stream(stream: Any) -> dict[str, Any]:
    facts = {
        "index": stream.index,
        "id": stream.id,
        "type": stream.type,
        "language": stream.language,
        "disposition": str(stream.disposition.name or "") or None,
        "metadata": _tags(stream.metadata),
        "time_base": _ratio(stream.time_base),
        "start_time_from_header": stream.start_time,
        "duration_from_header": stream.duration,
        "nb_frames_from_header": stream.frames,
    }
    codec = stream.codec_context
    if codec is not None:
        facts |= {
            "codec": codec.name,
            "profile": codec.profile,
            "bit_rate_from_header": codec.bit_rate,
            "codec_tag": _codec_tag(codec),
            "extradata_size": codec.extradata_size,
        }
    if stream.type == "video" and codec is not None:
        facts |= _video(stream, codec)
    return facts


def _video(stream: Any, codec: Any) -> dict[str, Any]:
    return {
        "width": codec.width,
        "height": codec.height,
        "coded_width": codec.coded_width,
        "coded_height": codec.coded_height,
        "pixel_format": codec.pix_fmt,
        "sample_aspect_ratio_from_header": _ratio(stream.sample_aspect_ratio),
        "display_aspect_ratio_from_header": _ratio(stream.display_aspect_ratio),
        "frame_rate_from_header": {"average": _ratio(stream.average_rate), "base": _ratio(stream.base_rate)},
        "has_b_frames_from_header": codec.has_b_frames,
        "level": codec.level,
        "field_order": int(codec.field_order),
        "colour_space": int(codec.colorspace),
        "colour_range": int(codec.color_range),
        "colour_primaries": int(codec.color_primaries),
        "colour_transfer": int(codec.color_trc),
    }


def probe_frame(image: Any) -> dict[str, Any]:
    """Return what only a decoded frame tells: its display matrix, pixel format and kinds of side data."""
    return {
        "display_matrix": [value / 65536 for value in display_matrix(image)],
        "rotation_deg": int(image.rotation),
        "pixel_format": image.format.name,
        "interlaced": bool(image.interlaced_frame),
        "side_data": [data.type.name for data in image.side_data],
    }


def _ratio(value: Fraction | None) -> str | None:
    return None if value is None else f"{value.numerator}/{value.denominator}"


def _codec_tag(codec: Any) -> str | None:
    """Return the container's four letters for a codec; None where they are no letters (AAC in NUT, for example)."""
    try:
        return str(codec.codec_tag)
    except UnicodeDecodeError:
        return None


def _tags(metadata: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in sorted(metadata.items())}
