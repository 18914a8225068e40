"""URLs of sources: what is read, and that no message repeats a secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerecon.batch.addresses import LONGEST_CHARACTERS, Address, is_url, parse, typed
from facerecon.errors import UsageError

SECRET = "hunter2secret"


@pytest.mark.parametrize(
    ("text", "prefix", "path"),
    [
        ("s3://bucket/cam1/a.mp4", "s3://", "bucket/cam1/a.mp4"),
        ("s3://bucket", "s3://", "bucket"),
        ("s3://bucket/", "s3://", "bucket"),
        ("S3://bucket/archive/", "s3://", "bucket/archive"),
        ("s3://bucket/a b/2026-11-01T06:00:00.mp4", "s3://", "bucket/a b/2026-11-01T06:00:00.mp4"),
        ("s3://bucket/a@b::c.mp4", "s3://", "bucket/a@b::c.mp4"),
        ("file:///mnt/x/*.mp4", "file://", "/mnt/x/*.mp4"),
        ("smb://server/share/cam1", "smb://server", "/share/cam1"),
        ("smb://server:4450/share", "smb://server:4450", "/share"),
        ("smb://[fe80::1]:445/share", "smb://[fe80::1]:445", "/share"),
    ],
)
def test_a_url_says_which_store_and_what_is_in_it(text: str, prefix: str, path: str) -> None:
    address = typed(text)
    assert (address.prefix, address.path) == (prefix, path)
    assert parse(address.url) == address


@pytest.mark.parametrize(
    "text",
    [
        f"smb://joe:{SECRET}@server/share/x.mp4",
        f"smb://{SECRET}@server/share/x.mp4",
        f"s3://AKIA:{SECRET}@bucket/x.mp4",
        f"s3://AKIA:{SECRET}/x.mp4",
        f"file://joe:{SECRET}@/x.mp4",
        f"s3://bucket/x.mp4?X-Amz-Credential=a&X-Amz-Signature={SECRET}",
        f"s3://bucket/x.mp4?AWSAccessKeyId=a&Signature={SECRET}",
        f"https://server/x.mp4?token={SECRET}",
        f"http://joe:{SECRET}@server/x.mp4",
        f"rtsp://joe:{SECRET}@camera/stream",
        f"s3://bucket/{SECRET}\x1b[2J",
    ],
)
def test_what_may_hold_a_secret_is_refused_in_words_that_do_not_repeat_it(text: str) -> None:
    assert is_url(text)
    with pytest.raises(UsageError) as refused:
        typed(text)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("s3://", "s3://bucket/key"),
        ("s3:///key", "s3://bucket/key"),
        ("smb://server", "smb://server/share/path"),
        ("smb:///share", "smb://server/share/path"),
        ("file://etc/x.mp4", "file:///absolute/path"),
        ("s3://bucket/a//b.mp4", "plain form"),
        ("s3://bucket/../b.mp4", "plain form"),
        ("file:///a/./b.mp4", "plain form"),
        ("file:///", "plain form"),
        ("https://server/x.mp4", "s3://"),
        ("simplecache::s3://bucket/x", "cannot be read"),
        ("s3://" + "b" * LONGEST_CHARACTERS, "too long"),
    ],
)
def test_what_is_no_address_is_refused_with_the_way_out(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        typed(text)


@pytest.mark.parametrize("text", ["cam1/a.mp4", "/mnt/a.mp4", "c:/x", "a:b", "s3:/x", "./s3://x/y", "-", "1a://x"])
def test_paths_are_no_urls(text: str) -> None:
    assert not is_url(text)


@given(st.sampled_from(["s3://bucket/", "smb://host/", "file:///"]), st.text(min_size=1))
def test_whatever_a_listing_names_leads_back_to_the_same_object(prefix: str, name: str) -> None:
    known = parse(f"{prefix}x")
    address = known.at(known.path.removesuffix("x") + name)
    assert parse(address.url) == address
    assert isinstance(address, Address)
