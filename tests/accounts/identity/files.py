"""Files as people upload them, and as others do."""

import io
import struct
import zlib

from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    TextStringObject,
)


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


def a_pdf_that_hides(trace, *, filters="/DCTDecode"):
    """A scanned page with a font, and the trace in every place where something can hang on it."""
    writer = PdfWriter()
    page = writer.add_blank_page(200, 100)
    picture = _stream(writer, _packed(a_picture(exif=_exif(trace), comment=trace) + trace, filters), **_PICTURE)
    picture.get_object()[NameObject("/Filter")] = writer._add_object(_names(filters))
    words = _stream(writer, b"/A Do BT /A 12 Tf 20 20 Td (Passport) Tj ET")
    font = {"Type": "/Font", "Subtype": "/Type1", "BaseFont": "/Helvetica"}
    page[NameObject("/Contents")] = words
    fonts = _dictionary(A=writer._add_object(_dictionary(**font)))
    page[NameObject("/Resources")] = _dictionary(Font=fonts, XObject=_dictionary(A=picture))
    places = (page, page["/Resources"], page["/Resources"]["/Font"]["/A"], picture.get_object(), words.get_object())
    for place in places:
        _hang(writer, place, trace)
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


_PICTURE = {
    "Type": "/XObject",
    "Subtype": "/Image",
    "ColorSpace": "/DeviceRGB",
    "Width": NumberObject(320),
    "Height": NumberObject(200),
    "BitsPerComponent": NumberObject(8),
}


def _hang(writer, place, trace):
    file = _stream(writer, trace, Type="/EmbeddedFile")
    specification = _dictionary(Type="/Filespec", F=TextStringObject("x.bin"), EF=_dictionary(F=file))
    place[NameObject("/AF")] = ArrayObject([writer._add_object(specification)])
    for name in ("/Metadata", "/PieceInfo", "/Secret", "/A"):
        place[NameObject(name)] = _stream(writer, trace, Type="/Metadata", Subtype="/XML")


def _exif(trace):
    exif = Image.Exif()
    exif[0x010E] = trace.decode()
    return exif


def _packed(data, filters):
    return zlib.compress(data) if "/FlateDecode" in filters else data


def _names(filters):
    names = [NameObject(name) for name in filters.split()]
    return names[0] if len(names) == 1 else ArrayObject(names)


def _dictionary(**values):
    return DictionaryObject({NameObject(f"/{name}"): _object(value) for name, value in values.items()})


def _object(value):
    return NameObject(value) if isinstance(value, str) and value.startswith("/") else value


def _stream(writer, data, **values):
    stream = DecodedStreamObject()
    stream.set_data(data)
    stream.update(_dictionary(**values))
    return writer._add_object(stream)


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
