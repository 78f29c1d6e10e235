"""A gateway over TLS under a name of its own, and websites of others that have its widget in a frame.

What browsers do with cookies in frames depends on both: on http://localhost there is nothing to see of it.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from playwright.sync_api import BrowserContext, FrameLocator, Page

from chassis.testing import eventually
from deploy.local.instance import REPOSITORY, Instance
from deploy.local.processes import environment

HOST = "chat.velaro.test"
PORT = 46
"""Counted from the first port of the instance."""


@contextmanager
def secure_gateway(instance: Instance, folder: Path) -> Iterator[str]:
    """One more gateway of the same system; its public address."""
    port = instance.ports.base + PORT
    url = f"https://{HOST}:{port}"
    certificate, key = _certificate(folder)
    variables = environment(instance, "gateway") | {
        "VELARO_BIND": f"127.0.0.1:{port}",
        "VELARO_WORKERS": "1",
        "VELARO_PUBLIC_URL": url,
        "VELARO_SITE_CACHE": "0",
        "GUNICORN_CMD_ARGS": f"--certfile={certificate} --keyfile={key}",
    }
    with (folder / "gateway.log").open("ab") as output:
        started = subprocess.Popen(
            [sys.executable, "-m", "services.gateway", "web"],
            cwd=REPOSITORY,
            env=os.environ | variables,
            stdout=output,
            stderr=output,
        )
    try:
        eventually(lambda: _is_ready(port, certificate), timeout=60)
        yield url
    finally:
        started.terminate()
        started.wait(60)


def _is_ready(port: int, certificate: Path) -> bool:
    try:
        return requests.get(f"https://127.0.0.1:{port}/ready", timeout=2, verify=str(certificate)).ok
    except requests.ConnectionError:
        return False


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    moment = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - timedelta(days=1))
        .not_valid_after(moment + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(HOST), x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "gateway.pem", folder / "gateway.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private


def serve_site(context: BrowserContext, origin: str, gateway: str, site_key: str) -> None:
    """A website of somebody else, at any path of ``origin``, with the widget on it."""
    script = f'<script async src="{gateway}/widget/v1/loader.js" data-site="{site_key}"></script>'
    body = f"<!doctype html><title>A shop</title><h1>A shop</h1><a href='/next'>Next</a>{script}"
    context.route(f"{origin}/**", lambda route: route.fulfill(body=body, content_type="text/html"))


def visit(page: Page, url: str) -> FrameLocator:
    page.goto(url)
    return page.frame_locator("iframe")
