"""Which addresses are taken, what of them is shown, and that nothing received leads to another address."""

from __future__ import annotations

import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from facerecon.capture import segments
from facerecon.capture.address import HIDDEN, SCHEMES, Address, address_from
from facerecon.capture.stream import Opening
from facerecon.errors import UsageError
from facerecon.ledger import Ledger
from tests.unit.capture.conftest import Capture
from tests.unit.capture.live_streams import Answer, Live, piece

SECRET = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.~%", min_size=6, max_size=20).filter(
    lambda text: text not in "rtsp://cam.example:554/live/main?channel=1" and "%" not in text
)


@given(SECRET, SECRET, SECRET, SECRET)
def test_no_secret_is_shown(user: str, word: str, key: str, part: str) -> None:
    address = Address.parse(
        f"rtsp://{user}:{word}@cam.example:554/live/user=x_password={part}_c=1/main?channel=1&token={key}&pwd={word}"
    )
    for text in (address.shown, repr(address), str(address)):
        assert not [each for each in (user, word, key, part) if each in text]
    assert address.shown.startswith(f"rtsp://{HIDDEN}@cam.example:554/live/{HIDDEN}/main?channel=1")
    said = address.clean(f"cannot open {address.url}, {word!r}, {key}")
    assert not [each for each in (user, word, key, part) if each in said]


def test_a_password_in_percent_code_is_hidden_in_both_forms() -> None:
    address = Address.parse("http://u:p%40ss%3Aword@h/x")
    assert "word" not in address.clean("p%40ss%3Aword and p@ss:word")


def test_what_is_harmless_stays_readable() -> None:
    url = "https://cam.example:8443/live/main.ts?channel=3&subtype=0"
    assert Address.parse(url).shown == url
    assert Address.parse("rtsp://[fe80::1]:554/x").shown == "rtsp://[fe80::1]:554/x"


@pytest.mark.parametrize(
    "text",
    [
        "file:///etc/passwd",
        "/etc/passwd",
        "concat:a|b",
        "data:video/mp2t;base64,AAAA",
        "tcp://h:1",
        "udp://@239.0.0.1:1",
        "rtmp://h/x",
        "ftp://u:geheim@h/x",
        "crypto+http://h/x",
        "http:/h/x",
        "http://",
        "http://:80/x",
        "http://h:99999/x",
        "http://h/x#geheim",
        "rtsp://h/a b",
        "rtsp://h/a\nb",
        "http://h\\@other/x",
        "cache:http://u:geheim@h/x",
        "",
    ],
)
def test_other_addresses_are_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Address.parse(text)
    assert "geheim" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_address_may_come_from_a_file_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("\nrtsp://u:pw@h/x\n\n")
    assert address_from(tmp_path / "url").url == "rtsp://u:pw@h/x"
    (tmp_path / "two").write_text("rtsp://u:geheim@h/x\nrtsp://h/y\n")
    (tmp_path / "large").write_bytes(b"r" * 10000)
    for bad in ("two", "large", "missing"):
        with pytest.raises(UsageError, match="--url-file") as caught:
            address_from(tmp_path / bad)
        assert "geheim" not in str(caught.value)


def test_ffmpeg_may_use_the_scheme_s_own_protocols_and_no_playlist() -> None:
    for scheme in SCHEMES:
        options = Opening(ca_file=Path(__file__)).options(Address.parse(f"{scheme}://h/x"))
        allowed = set(options["protocol_whitelist"].split(","))
        assert allowed <= {scheme, "tcp", "tls"}
        assert not set(options["format_whitelist"].split(",")) & {"hls", "dash", "concat", "sdp", "concatf", "imf"}
        assert (options.get("tls_verify") == "1") == scheme.endswith("s")
    assert "udp" in Opening(transport="udp").options(Address.parse("rtsp://h/x"))["protocol_whitelist"]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("application/vnd.apple.mpegurl", "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{other}\n#EXT-X-ENDLIST\n"),
        ("text/plain", "ffconcat version 1.0\nfile '{other}'\n"),
        ("application/sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"),
        ("application/dash+xml", '<?xml version="1.0"?><MPD><BaseURL>{other}</BaseURL></MPD>'),
    ],
)
def test_a_playlist_leads_nowhere(
    kind: str, text: str, clip: Path, live: Live, capture: Capture, tmp_path: Path
) -> None:
    live.content_type = kind
    live.scripts = [[text.replace("{other}", live.url("/other.ts")).encode()], [piece(clip, 0, 40)]]
    outcome, _ = capture()
    assert outcome.ending == "unreachable"
    assert [path for path, _ in live.requests] == ["/live.ts"]
    assert not segments(tmp_path / "c")


def test_a_redirection_leads_nowhere(clip: Path, live: Live, capture: Capture, tmp_path: Path) -> None:
    live.scripts = [[Answer(302, {"Location": live.url("/other.ts")})], [piece(clip, 0, 40)]]
    outcome, _ = capture()
    assert outcome.ending == "unreachable"
    assert [path for path, _ in live.requests] == ["/live.ts"]
    assert not segments(tmp_path / "c")


def test_a_proxy_of_the_environment_is_not_used(
    clip: Path, live: Live, capture: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    live.scripts = [[piece(clip, 0, 40)]]
    assert capture()[0].account.packets


def certificate(folder: Path, address: str) -> Path:
    """Write a certificate and its key for an IP address, and return the certificate; the key is beside it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "camera")])
    names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 5, now - timedelta(1), now + timedelta(1))
    made = builder.add_extension(names, critical=False).add_extension(x509.BasicConstraints(True, None), critical=True)
    path = folder / f"{address}.pem"
    path.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    path.with_suffix(".key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


@pytest.mark.parametrize(
    ("address", "named", "checked", "kept"),
    [
        ("127.0.0.1", True, True, True),
        ("127.0.0.1", False, True, False),
        ("10.0.0.1", True, True, False),
        ("10.0.0.1", False, False, True),
    ],
)
def test_a_certificate_is_checked_unless_somebody_says_otherwise(
    clip: Path, live: Live, capture: Capture, tmp_path: Path, address: str, named: bool, checked: bool, kept: bool
) -> None:
    own, other = certificate(tmp_path, address), certificate(tmp_path, "10.9.9.9")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, own.with_suffix(".key"))
    live.server.socket = context.wrap_socket(live.server.socket, server_side=True)
    live.server.handle_error = lambda *_: None  # type: ignore[method-assign]
    live.scripts = [[piece(clip, 0, 40)]]
    opening = Opening(timeout_s=3.0, verify_tls=checked, ca_file=own if named else other)
    outcome, _ = capture(url=live.url().replace("http:", "https:"), opening=opening)
    assert bool(outcome.account.packets) == kept
    assert kept or "certificate is not trusted" in outcome.detail
    started = next(
        each for each in Ledger.read(tmp_path / "c/ledger.jsonl").entries if each.action == "capture.started"
    )
    assert started.details["certificates_checked"] == checked


def test_nothing_opens_a_socket_before_a_capture_begins() -> None:
    code = (
        "import socket\n"
        "def refuse(*_, **__): raise AssertionError('a socket')\n"
        "socket.socket.__init__ = socket.getaddrinfo = socket.create_connection = refuse\n"
        "import facerecon.capture.recording, facerecon.commands.capture\n"
        "import sys\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_whoever_follows_a_capture_loads_no_decoder() -> None:
    code = "import sys, facerecon.capture\nassert not {'av', 'cv2', 'torch'} & set(sys.modules)\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
