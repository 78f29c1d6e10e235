"""Files as people upload them, and as others do."""

import io
import struct
import zlib

from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject, TextStringObject


def a_picture(kind="JPEG", size=(320, 200), **options):
    """A picture of coloured bands, so that it can be told from another."""
    image = Image.new("RGB", size, "white")
    for x in range(0, size[0], 8):
        image.paste((x % 256, (x * 7) % 256, 90), (x, 0, x + 4, size[1]))
    written = io.BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()


def a_pdf(pages=1, *, words=b"Passport", script="", attachment=b"", password=""):
    """A PDF with words in a stream of each page, which is not packed."""
    writer = PdfWriter()
    for _ in range(pages):
        page = writer.add_blank_page(200, 100)
        stream = DecodedStreamObject()
        stream.set_data(b"BT (" + words + b") Tj ET")
        page[NameObject("/Contents")] = writer._add_object(stream)
    if script:
        action = {"/S": NameObject("/JavaScript"), "/JS": TextStringObject(script)}
        run = DictionaryObject({NameObject(name): value for name, value in action.items()})
        writer.root_object[NameObject("/OpenAction")] = writer._add_object(run)
        writer.pages[0][NameObject("/AA")] = DictionaryObject({NameObject("/O"): run})
    if attachment:
        writer.add_attachment("other.bin", attachment)
    if password:
        writer.encrypt(password)
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def opened(content):
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def pages_of(content):
    return PdfReader(io.BytesIO(content)).pages


def a_png_that_claims(width, height):
    """A few bytes of PNG that want to be unpacked to very many."""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = zlib.compress(bytes(1 << 20), 9)
    chunks = ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)
