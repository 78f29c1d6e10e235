"""The sealed bundle: a tar archive that only the recipient's key opens.

    VELARO-SEALED-BUNDLE 1 \\n
    base64(HPKE of a fresh AES-256 key, for the recipient's X25519 key) \\n
    chunks of 64 KiB, each sealed with AES-256-GCM

HPKE is that of RFC 9180 with X25519, HKDF-SHA256 and AES-256-GCM. A chunk's nonce is its number, in eleven bytes, and
one byte that is 1 for the last: so none can be left out, moved or cut off. Both lines are bound to every chunk. The
AES key is known to nobody when the bundle is made, us included.
"""

import base64
import binascii
import hashlib
import re
import shutil
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Self
from uuid import uuid4

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from chassis.certificates import NotGenuine, Signer, verified
from services.accounts.disclosures.model import BundleDamaged, File, KeyNotValid, Manifest

MAGIC = b"VELARO-SEALED-BUNDLE 1\n"
CHUNK = 64 * 1024
TAG = 16
LONGEST_LINE = 1024
MANIFEST = "manifest.json"
SIGNATURE = "manifest.jws"
STATEMENT = "velaro-disclosure-manifest"
SIGNER = "accounts"

_suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_conversation = re.compile(r"conversations/[A-Za-z0-9_-]{1,64}\.json")


def public_key(pem: str) -> X25519PublicKey:
    """The key that a bundle can be sealed for. Raises ``KeyNotValid``."""
    try:
        key = load_pem_public_key(pem.encode())
        if not isinstance(key, X25519PublicKey):
            raise KeyNotValid
        # A key of which nothing secret comes is refused here, rather than when the bundle is made.
        _suite.encrypt(b"", key)
    except (ValueError, TypeError, UnicodeError) as error:
        raise KeyNotValid from error
    return key


def private_key(pem: bytes) -> X25519PrivateKey:
    """The key that opens what was sealed for its public half. Raises ``KeyNotValid``."""
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise KeyNotValid from error
    if not isinstance(key, X25519PrivateKey):
        raise KeyNotValid
    return key


def fingerprint(key: X25519PublicKey) -> str:
    """By which two people can compare a key: SHA-256 over its DER form."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


class Sealer:
    """A file to write to, whose bytes go sealed to ``write``."""

    def __init__(self, key: X25519PublicKey, write: Callable[[bytes], object]) -> None:
        secret = AESGCM.generate_key(256)
        lines = MAGIC + base64.b64encode(_suite.encrypt(secret, key, info=MAGIC)) + b"\n"
        self._aead = AESGCM(secret)
        self._bound = hashlib.sha256(lines).digest()
        self._write = write
        self._rest = bytearray()
        self._number = 0
        self._is_abandoned = False
        write(lines)

    def abandon(self) -> None:
        """Take what still comes for nothing."""
        self._is_abandoned = True

    def write(self, data: bytes) -> int:
        if self._is_abandoned:
            return len(data)
        self._rest += data
        # What may be the last chunk stays here until it is known whether it is.
        while len(self._rest) > CHUNK:
            self._seal(bytes(self._rest[:CHUNK]), is_last=False)
            del self._rest[:CHUNK]
        return len(data)

    def close(self) -> None:
        self._seal(bytes(self._rest), is_last=True)

    def _seal(self, chunk: bytes, *, is_last: bool) -> None:
        self._write(self._aead.encrypt(_nonce(self._number, is_last=is_last), chunk, self._bound))
        self._number += 1


class Opener:
    """A file to read from: what was sealed in ``source``. Raises ``BundleDamaged`` as soon as anything is wrong."""

    def __init__(self, source: BinaryIO, key: X25519PrivateKey) -> None:
        magic, wrapped = source.readline(LONGEST_LINE), source.readline(LONGEST_LINE)
        if magic != MAGIC:
            raise BundleDamaged
        try:
            secret = _suite.decrypt(base64.b64decode(wrapped.rstrip(b"\n"), validate=True), key, info=MAGIC)
        except (InvalidTag, ValueError, binascii.Error) as error:
            raise BundleDamaged from error
        self._aead = AESGCM(secret)
        self._bound = hashlib.sha256(magic + wrapped).digest()
        self._source = source
        self._sealed = source.read(CHUNK + TAG)
        self._number = 0
        self._opened = b""

    def read(self, size: int) -> bytes:
        while len(self._opened) < size and self._sealed:
            self._opened += self._next()
        data, self._opened = self._opened[:size], self._opened[size:]
        return data

    def _next(self) -> bytes:
        sealed, self._sealed = self._sealed, self._source.read(CHUNK + TAG)
        try:
            chunk = self._aead.decrypt(_nonce(self._number, is_last=not self._sealed), sealed, self._bound)
        except (InvalidTag, ValueError) as error:
            raise BundleDamaged from error
        self._number += 1
        return chunk


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])


class BundleWriter:
    """Puts files into a sealed archive, one at a time: none of it is ever there as a whole."""

    def __init__(self, key: X25519PublicKey, write: Callable[[bytes], object]) -> None:
        self._sealer = Sealer(key, write)
        # A stream is only ever written to.
        self._archive = tarfile.open(fileobj=self._sealer, mode="w|")  # type: ignore[call-overload]  # noqa: SIM115
        self.files: list[File] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            # An archive that nobody holds any more writes its end wherever it still can.
            self._sealer.abandon()

    def add(self, conversation_id: str, content: bytes) -> None:
        path = f"conversations/{conversation_id}.json"
        self._add(path, content)
        self.files.append(File(path=path, size=len(content), sha256=hashlib.sha256(content).hexdigest()))

    def finish(self, manifest: Manifest, signer: Signer) -> None:
        """Add what lies in it, signed, and seal the end."""
        content = msgspec.json.encode(manifest)
        self._add(MANIFEST, content)
        stated = {"disclosure_id": manifest.disclosure_id, "sha256": hashlib.sha256(content).hexdigest()}
        self._add(SIGNATURE, signer.sign(STATEMENT, stated).encode())
        self._archive.close()
        self._sealer.close()

    def _add(self, path: str, content: bytes) -> None:
        member = tarfile.TarInfo(path)
        member.size = len(content)
        self._archive.addfile(member, BytesIO(content))


def open_bundle(source: BinaryIO, key: X25519PrivateKey, folder: Path, *, jwks: str | None = None) -> Manifest:
    """Check and decrypt a bundle into ``folder``, which must not be there yet; with ``jwks``, also who made it.

    Nothing is left behind when something is wrong. Raises ``BundleDamaged``, ``FileExistsError``.
    """
    if folder.exists():
        raise FileExistsError(folder)
    draft = folder.with_name(f".{folder.name}.{uuid4().hex}")
    try:
        (draft / "conversations").mkdir(parents=True)
        manifest = _extracted(Opener(source, key), draft, jwks)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return manifest


def _extracted(opener: Opener, folder: Path, jwks: str | None) -> Manifest:
    found: dict[str, File] = {}
    try:
        with tarfile.open(fileobj=opener, mode="r|") as archive:  # type: ignore[call-overload]
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                if file is None or not _is_known(member.name) or member.name in found:
                    raise BundleDamaged
                found[member.name] = _written(file, folder / member.name, member.name)
    except tarfile.TarError as error:
        raise BundleDamaged from error
    # The archive may end before the last chunk does.
    while opener.read(CHUNK):
        continue
    return _checked(found, folder, jwks)


def _is_known(name: str) -> bool:
    return name in (MANIFEST, SIGNATURE) or _conversation.fullmatch(name) is not None


def _written(file: Any, path: Path, name: str) -> File:
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as output:
        while data := file.read(CHUNK):
            digest.update(data)
            size += len(data)
            output.write(data)
    return File(path=name, size=size, sha256=digest.hexdigest())


def _checked(found: dict[str, File], folder: Path, jwks: str | None) -> Manifest:
    own, signature = found.pop(MANIFEST, None), found.pop(SIGNATURE, None)
    if own is None or signature is None:
        raise BundleDamaged
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
        if jwks is not None:
            stated = verified((folder / SIGNATURE).read_text(), kind=STATEMENT, service=SIGNER, jwks=jwks)
            if stated != {"disclosure_id": manifest.disclosure_id, "sha256": own.sha256}:
                raise BundleDamaged
    except (msgspec.DecodeError, NotGenuine, UnicodeError) as error:
        raise BundleDamaged from error
    if {file.path: file for file in manifest.files} != found:
        raise BundleDamaged
    return manifest
