"""Who looks into files under a profile: this process, or confined ones. Decides nothing but that; decodes nothing."""

from __future__ import annotations

from facerecon.profiles import Profile
from facerecon.video.opening import reader_for
from facerecon.video.readers import Reader


def reader_of(profile: Profile) -> Reader:
    """Return who looks into footage and pictures: processes of their own where `extract.isolation` says so."""
    return reader_for(profile.extract.isolation, profile.extract.decoder_timeout_s)
