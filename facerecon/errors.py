"""The errors that a user can meet, each with its exit code. Owns the exit-code table; never prints or exits itself.

A message is one line: it names the thing that is wrong and the way out.
"""

from __future__ import annotations

from typing import ClassVar


class FacereconError(Exception):
    """Base of all errors that the command line turns into one line and an exit code."""

    exit_code: ClassVar[int] = 1


class UsageError(FacereconError):
    """A command was called in a way that cannot work (exit 2)."""

    exit_code = 2


class ProfileError(UsageError):
    """A processing profile is unknown or invalid; the message names the key (exit 2)."""


class AnotherSourceError(UsageError):
    """A case is there already, made from another source than the one that was given (exit 2)."""


class EvidenceError(FacereconError):
    """A source cannot be read, or was decoded less completely than the profile allows (exit 3)."""

    exit_code = 3


class IntegrityError(FacereconError):
    """A digest, the ledger or the manifest does not verify (exit 4)."""

    exit_code = 4


class ResourceError(FacereconError):
    """Weights, a device, memory, or a place to write are missing (exit 5)."""

    exit_code = 5


class BatchError(FacereconError):
    """A batch finished, and some of its items failed, each listed (exit 6)."""

    exit_code = 6


class Interrupted(FacereconError):
    """The user stopped the run; what was finished is kept, and a re-run resumes (exit 130)."""

    exit_code = 130


class RestorationError(FacereconError):
    """A model failed on one face or tile. The pipeline records it as an error entry; it never becomes a picture."""
