"""A time-stamping authority for tests: OpenSSL's, under a root of its own. Needs the program `openssl`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="the program openssl is not installed")
_EXTENSIONS = """basicConstraints=critical,CA:false
keyUsage=critical,digitalSignature
extendedKeyUsage=critical,timeStamping
"""
_CONFIGURATION = """[tsa]
default_tsa = here
[here]
serial = serial
default_policy = 1.3.6.1.4.1.55555.1
digests = sha256, sha512
signer_digest = sha256
ess_cert_id_alg = sha256
"""
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """Answers timestamp requests. `root` is the certificate to trust."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder, self.root = folder, folder / "root.pem"
        (folder / "tsa.ext").write_text(_EXTENSIONS)
        (folder / "tsa.cnf").write_text(_CONFIGURATION)
        (folder / "serial").write_text("01\n")
        root = ("-days", "36500", "-subj", "/CN=test root", "-keyout", "root.key", "-out", "root.pem")
        self.openssl("req", "-x509", *_NEW_KEY, *root)
        self.openssl("req", *_NEW_KEY, "-subj", "/CN=test authority", "-keyout", "tsa.key", "-out", "tsa.csr")
        signed = ("-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-days", "36500")
        self.openssl("x509", "-req", "-in", "tsa.csr", *signed, "-extfile", "tsa.ext", "-out", "tsa.pem")

    def openssl(self, *arguments: str) -> None:
        subprocess.run(("openssl", *arguments), cwd=self.folder, check=True, capture_output=True, timeout=60)

    def answer(self, request: bytes) -> bytes:
        (self.folder / "request.tsq").write_bytes(request)
        signer = ("-signer", "tsa.pem", "-inkey", "tsa.key")
        self.openssl("ts", "-reply", "-config", "tsa.cnf", "-queryfile", "request.tsq", *signer, "-out", "response.tsr")
        return (self.folder / "response.tsr").read_bytes()

    def stamp(self, data: bytes, digest: str = "sha256") -> bytes:
        """Answer a request that OpenSSL itself writes."""
        (self.folder / "data").write_bytes(data)
        self.openssl("ts", "-query", "-data", "data", f"-{digest}", "-cert", "-out", "own.tsq")
        return self.answer((self.folder / "own.tsq").read_bytes())
