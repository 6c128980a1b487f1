"""Certificates for tests, as RFC 5280 wants them or as many are made by hand."""

from __future__ import annotations

import subprocess
from pathlib import Path

_LEAF = "subjectAltName=IP:127.0.0.1\n"
_CONFORMING_LEAF = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
_CONFORMING_CA = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")


def make_certificates(folder: Path, *, conforming: bool = True) -> None:
    """Make authorities ``ca`` and ``other``, and ``server`` and ``client`` that the first signed.

    Each has a ``.pem`` and a ``.key``. Where they are not ``conforming``, they lack what Python asks
    for from 3.13 on: what the authority's key is for, and which key signed the others.
    """

    def openssl(*args: str) -> None:
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=folder)

    for authority in ("ca", "other"):
        extensions = _CONFORMING_CA if conforming else ()
        openssl("req", "-x509", *_new(authority), "-days", "2", *extensions)
    (folder / "extensions").write_text(_LEAF + (_CONFORMING_LEAF if conforming else ""))
    for who in ("server", "client"):
        openssl("req", *_new(who, "csr"))
        signer = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
        files = ("-in", f"{who}.csr", "-out", f"{who}.pem", "-extfile", "extensions")
        openssl("x509", "-req", *files, *signer)


def _new(name: str, suffix: str = "pem") -> list[str]:
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    return [*curve, "-keyout", f"{name}.key", "-out", f"{name}.{suffix}", "-subj", f"/CN={name}"]
