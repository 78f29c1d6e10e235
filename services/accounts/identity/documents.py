"""What an uploaded file really is, and the document in it written anew.

Neither its name nor what the sender calls it counts. A picture is decoded and drawn again, a PDF keeps what is drawn on
its pages and nothing else: what hides behind, beside or inside them (scripts, other files, places where a picture was
taken) is not in what we keep.

Parsers of strangers' files are where holes are, so they run in a process of their own
(``python -m services.accounts.identity.documents``): without any of our secrets, with little time and memory, and
without the right to write a file. The file goes in and out through pipes.
"""

import io
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from chassis.problems import Unavailable
from services.accounts.identity.model import DocumentNotValid

LARGEST = 10 * 1024 * 1024
MOST_PIXELS = 32_000_000
LONGEST_SIDE = 4096
MOST_PAGES = 20
SECONDS = 15
_MEMORY = 1024 * 1024 * 1024
_REFUSED = 65
_QUALITY = 90

Kind = Literal["JPEG", "PNG", "WEBP", "PDF"]
_ROOT = Path(__file__).resolve().parents[3]

NOT_KNOWN = "is neither JPEG, PNG, WebP nor PDF"
TOO_LARGE = "is larger than 10 MB"
TOO_MANY_PIXELS = "has too many pixels"
TOO_MANY_PAGES = "has no page, or more than 20"
ENCRYPTED = "is protected by a password"
BROKEN = "is damaged, or not what it begins as"


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A document as it is kept."""

    media_type: Literal["image/jpeg", "application/pdf"]
    content: bytes


class ReadersBusy(Unavailable):
    """Too many documents are being looked into at once."""


class Reader:
    """Looks into ``at_once`` documents at a time; others wait ``patience`` seconds."""

    def __init__(self, *, at_once: int = 1, patience: float = 10.0) -> None:
        self._slots = threading.BoundedSemaphore(at_once)
        self._patience = patience

    def read(self, content: bytes) -> Document:
        """The document in it, written anew. Raises ``DocumentNotValid``."""
        if len(content) > LARGEST:
            raise DocumentNotValid(TOO_LARGE)
        sniffed(content)
        with self._slot():
            return _read_apart(content)

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=self._patience):
            raise ReadersBusy
        try:
            yield
        finally:
            self._slots.release()


def sniffed(content: bytes) -> Kind:
    """What it begins as. Raises ``DocumentNotValid``."""
    if content.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    if content.startswith(b"%PDF-"):
        return "PDF"
    raise DocumentNotValid(NOT_KNOWN)


def _read_apart(content: bytes) -> Document:
    command = [sys.executable, "-m", __name__]
    try:
        done = subprocess.run(
            command, input=content, capture_output=True, timeout=SECONDS, cwd=_ROOT, env={}, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DocumentNotValid(BROKEN) from error
    if done.returncode == _REFUSED:
        raise DocumentNotValid(done.stdout.decode())
    if done.returncode != 0:
        # Out of time or memory, or worse: that process is gone, and we are not.
        raise DocumentNotValid(BROKEN)
    media_type, _, written = done.stdout.partition(b"\n")
    return Document(media_type="application/pdf" if media_type == b"application/pdf" else "image/jpeg", content=written)


def written_anew(content: bytes) -> Document:
    """In the process apart: raises ``DocumentNotValid``, and whatever the parsers do."""
    kind = sniffed(content)
    return _pdf(content) if kind == "PDF" else _picture(content, kind)


def _picture(content: bytes, kind: Kind) -> Document:
    from PIL import Image, ImageOps

    try:
        image = Image.open(io.BytesIO(content), formats=[kind])
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DocumentNotValid(TOO_MANY_PIXELS) from error
    # Only its head has been read so far.
    if image.width * image.height > MOST_PIXELS:
        raise DocumentNotValid(TOO_MANY_PIXELS)
    # Made small before anything else is made of it: each copy of a large one costs a hundred megabytes.
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    image.load()
    upright = ImageOps.exif_transpose(image).convert("RGBA")
    drawn = Image.new("RGB", upright.size, "white")
    drawn.paste(upright, mask=upright.getchannel("A"))
    written = io.BytesIO()
    drawn.save(written, "JPEG", quality=_QUALITY)
    return Document(media_type="image/jpeg", content=written.getvalue())


def _pdf(content: bytes) -> Document:
    from pypdf import PdfReader, PdfWriter

    from services.accounts.identity.pages import cut

    reader = PdfReader(io.BytesIO(content))
    if reader.is_encrypted:
        raise DocumentNotValid(ENCRYPTED)
    if not 1 <= len(reader.pages) <= MOST_PAGES:
        raise DocumentNotValid(TOO_MANY_PAGES)
    writer = PdfWriter()
    for page in reader.pages:
        cut(page)
        writer.add_page(page)
    writer.metadata = None
    written = io.BytesIO()
    writer.write(written)
    return Document(media_type="application/pdf", content=written.getvalue())


def _restrict() -> None:
    """From here on: little time and memory, and no file can be written."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """A file on standard input, the document on standard output; a refusal ends with 65 and its reason."""
    _restrict()
    try:
        found = written_anew(sys.stdin.buffer.read())
    except DocumentNotValid as error:
        reason = str(error)
    except Exception:  # noqa: BLE001 - whatever a broken file makes a parser raise, it is no document
        reason = BROKEN
    else:
        sys.stdout.buffer.write(found.media_type.encode() + b"\n" + found.content)
        return
    # Standard error is where the parsers complain.
    sys.stdout.write(reason)
    raise SystemExit(_REFUSED)


if __name__ == "__main__":
    main()
