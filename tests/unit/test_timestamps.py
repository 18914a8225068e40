"""RFC 3161 timestamps: the imprint, the authority, and that nothing else passes for one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerecon.errors import IntegrityError, UsageError
from facerecon.hashing import sha256_bytes
from facerecon.timestamps import LARGEST_BYTES, read_roots, read_stamp, request, require_authority, require_stamp
from tests.authority import Authority, needs_openssl

DATA = Path(__file__).parent.parent / "data/timestamps"
MESSAGE, RESPONSE = (DATA / "message.txt").read_bytes(), (DATA / "response.tsr").read_bytes()
ROOTS = read_roots([DATA / "root.pem"])
REJECTED = bytes.fromhex("30053003020102")
GRANTED_WITHOUT_TOKEN = bytes.fromhex("30053003020100")


def test_response_says_when_and_over_what() -> None:
    stamp = require_stamp(RESPONSE, MESSAGE, "r")
    assert stamp.imprint_sha256 == sha256_bytes(MESSAGE)
    assert stamp.utc.endswith("Z")
    assert stamp.policy == "1.3.6.1.4.1.55555.1"
    require_authority(RESPONSE, MESSAGE, ROOTS, "r")


def test_other_bytes_are_refused() -> None:
    with pytest.raises(IntegrityError, match="stamps the SHA-256"):
        require_stamp(RESPONSE, MESSAGE + b"x", "r")
    with pytest.raises(IntegrityError, match="not from an authority"):
        require_authority(RESPONSE, MESSAGE + b"x", ROOTS, "r")


def test_another_authority_is_refused_and_either_of_two_roots_will_do() -> None:
    other = read_roots([DATA / "other-root.pem"])
    with pytest.raises(IntegrityError, match="under the given certificates: unable to get local issuer"):
        require_authority(RESPONSE, MESSAGE, other, "r")
    require_authority(RESPONSE, MESSAGE, read_roots([DATA / "other-root.pem", DATA / "root.pem"]), "r")


def test_a_changed_time_is_found_by_the_authority_only() -> None:
    """What is said without certificates can be forged, which is why the program says so."""
    position = RESPONSE.index(b"\x18\x0f20") + 2
    forged = RESPONSE[:position] + b"1999" + RESPONSE[position + 4 :]
    assert require_stamp(forged, MESSAGE, "r").utc.startswith("1999-")
    with pytest.raises(IntegrityError, match="not from an authority"):
        require_authority(forged, MESSAGE, ROOTS, "r")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not a timestamp response"),
        (b"text", "not a timestamp response"),
        (RESPONSE[:-1], "not a timestamp response"),
        (RESPONSE + b"\0", "not a timestamp response"),
        (bytes(LARGEST_BYTES + 1), "not a timestamp response"),
        (REJECTED, "did not grant"),
        (GRANTED_WITHOUT_TOKEN, "no timestamp"),
    ],
)
def test_what_is_no_granted_response_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(IntegrityError, match=problem):
        read_stamp(content, "r")


@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_crash(content: bytes) -> None:
    with pytest.raises(IntegrityError):
        read_stamp(content, "r")


@given(st.integers(0, len(RESPONSE) * 8 - 1))
def test_a_flipped_bit_never_moves_the_time_or_the_imprint_unnoticed(bit: int) -> None:
    changed = bytearray(RESPONSE)
    changed[bit // 8] ^= 1 << bit % 8
    try:
        stamp = require_stamp(bytes(changed), MESSAGE, "r")
        require_authority(bytes(changed), MESSAGE, ROOTS, "r")
    except IntegrityError:
        return
    # Fields that the authority's signature does not cover, such as the version of the envelope.
    assert stamp == read_stamp(RESPONSE, "r")


def test_same_data_give_the_same_request_with_its_digest_inside() -> None:
    assert request(MESSAGE) == request(MESSAGE)
    assert bytes.fromhex(sha256_bytes(MESSAGE)) in request(MESSAGE)


def test_files_without_certificates_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pem").write_text("nothing")
    for name in ("text.pem", "missing.pem"):
        with pytest.raises(UsageError, match=name):
            read_roots([tmp_path / name])


@needs_openssl
def test_fresh_authority_answers_our_request_and_openssls_own(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "tsa")
    roots = read_roots([authority.root])
    for response in (authority.answer(request(b"data")), authority.stamp(b"data")):
        require_stamp(response, b"data", "r")
        require_authority(response, b"data", roots, "r")
        with pytest.raises(IntegrityError, match="not from an authority"):
            require_authority(response, b"data", ROOTS, "r")


@needs_openssl
def test_other_digests_are_refused(tmp_path: Path) -> None:
    response = Authority(tmp_path / "tsa").stamp(b"data", "sha512")
    with pytest.raises(IntegrityError, match="another kind of digest"):
        require_stamp(response, b"data", "r")
