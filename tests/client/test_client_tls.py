"""A client behind TLS."""

from __future__ import annotations

import io
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from conftest import Run
from support.small_server import Reader, Writer, small_server

from fastserver.client.client import connect


def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    made = ["-keyout", key, "-out", certificate, "-days", "1", "-subj", "/CN=localhost"]
    name = ["-addext", "subjectAltName=IP:127.0.0.1"]
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *made, *name]
    subprocess.run(request, check=True, capture_output=True)
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(certificate, key)
    return ours, ssl.create_default_context(cafile=certificate)


def test_tls(run: Run, tmp_path: Path) -> None:
    ours, theirs = contexts(tmp_path)
    received: list[bytes] = []

    async def serve(reader: Reader, writer: Writer) -> None:
        while line := await reader.readline():
            received.append(line)
            writer.write(line)

    async def main() -> None:
        async with small_server(serve, ssl=ours) as address, connect(address, ssl=theirs) as client:
            await client.send(b"secret")
            assert (await client.__anext__()).payload == b"secret"
            with pytest.raises(io.UnsupportedOperation):
                await client.finish()
            for _ in range(100):
                await client.send(b"x" * 10_000)
        assert len(received) == 101

    run(main())
