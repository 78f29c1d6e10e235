"""Of a page of a PDF, what is drawn: whatever else hangs on it, or on what it draws with, is cut off.

What may stay is listed, not what has to go: PDF lets anybody add names of their own to any dictionary, and a file can
hang on a page, a picture, a font or a mark in the text.
"""

import re
from typing import Any

from pypdf.generic import ArrayObject, DictionaryObject, NameObject, StreamObject

PAGE = frozenset(
    ("/Type", "/MediaBox", "/CropBox", "/Rotate", "/UserUnit", "/Contents", "/Resources", "/Group", "/Parent")
)
"""``/Parent`` leads out of the page; the writer gives it another."""

_DRAWN_NAMES = """
    Type Subtype S Filter DecodeParms Resources Matrix BBox Group Domain Range Decode Encode Function Functions
    ExtGState ColorSpace Pattern Shading XObject Font
    Predictor Colors BitsPerComponent Columns EarlyChange K EndOfLine EncodedByteAlign Rows EndOfBlock BlackIs1
    DamagedRowsBeforeError JBIG2Globals ColorTransform
    Width Height Intent ImageMask Mask Interpolate SMask SMaskInData Matte FormType CS I
    LW LC LJ ML D RI OP op OPM BG BG2 UCR UCR2 TR TR2 FL SM SA BM CA ca AIS TK G BC
    PatternType PaintType TilingType XStep YStep
    ShadingType Background AntiAlias Coords Extend BitsPerCoordinate BitsPerFlag VerticesPerRow
    FunctionType Size BitsPerSample Order C0 C1 N Bounds
    WhitePoint BlackPoint Gamma Alternate Colorants Process Components
    BaseFont FirstChar LastChar Widths FontDescriptor Encoding ToUnicode DescendantFonts CIDSystemInfo DW W DW2 W2
    CIDToGIDMap FontBBox FontMatrix CharProcs Name BaseEncoding Differences CMapName WMode UseCMap
    Registry Ordering Supplement FontName FontFamily FontStretch FontWeight Flags ItalicAngle Ascent Descent Leading
    CapHeight XHeight StemV StemH AvgWidth MaxWidth MissingWidth FontFile FontFile2 FontFile3 CharSet CIDSet
    Length1 Length2 Length3
"""
DRAWN = frozenset(f"/{name}" for name in _DRAWN_NAMES.split())
"""The names of what a page is drawn with (ISO 32000-1, chapters 7 to 11)."""

NAMED = frozenset(
    ("/ExtGState", "/ColorSpace", "/Pattern", "/Shading", "/XObject", "/Font", "/CharProcs", "/Colorants")
)
"""Dictionaries whose names the file has made up itself."""

NEVER_DRAWN = frozenset(
    ("/EmbeddedFile", "/Filespec", "/F", "/Action", "/Annot", "/Metadata", "/Catalog", "/Page", "/Pages")
)

_next_marker = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_JPEG_END, _JPEG_SCAN, _JPEG_JFIF, _JPEG_ADOBE = 0xD9, 0xDA, 0xE0, 0xEE
_JPEG_DRAWN = frozenset((*range(0xC0, 0xD0), *range(0xDA, 0xE0)))
_JPX_DRAWN = frozenset((b"jP  ", b"ftyp", b"jp2h", b"jp2c"))


def cut(page: DictionaryObject) -> None:
    """Cut off what is not drawn, in place. Raises ``ValueError`` for what cannot be a page, or for other errors."""
    _keep(page, PAGE)
    waiting = [(page.raw_get(name), False) for name in page if name != "/Parent"]
    # Kept themselves, so that no other object is given their id meanwhile.
    seen: dict[tuple[int, bool], object] = {}
    while waiting:
        reference, is_named = waiting.pop()
        thing = reference.get_object()
        if (id(thing), is_named) in seen:
            continue
        seen[id(thing), is_named] = thing
        if isinstance(thing, DictionaryObject):
            waiting += _parts(thing, is_named)
        elif isinstance(thing, ArrayObject):
            waiting += [(each, False) for each in thing]


def _parts(thing: DictionaryObject, is_named: bool) -> list[tuple[Any, bool]]:
    """What it is drawn with in turn, and whether that is a dictionary of made-up names."""
    if not is_named:
        if _value(thing, "/Type") in NEVER_DRAWN:
            raise ValueError("is nothing that is drawn")
        _keep(thing, DRAWN)
    if isinstance(thing, StreamObject):
        _keep_drawn_bytes(thing)
    return [(thing.raw_get(name), not is_named and _is_named(name, thing)) for name in thing]


def _is_named(name: str, thing: DictionaryObject) -> bool:
    # The same words name single things elsewhere: the colours of a picture, the font of a graphics state.
    return name in NAMED and isinstance(thing[name], DictionaryObject) and not isinstance(thing[name], StreamObject)


def _value(thing: DictionaryObject, name: str) -> Any:
    # Not ``get``: that is the one of dict, and answers with a reference where there is one.
    return thing[name] if name in thing else None  # noqa: SIM401


def _keep(thing: DictionaryObject, names: frozenset[str]) -> None:
    for name in [name for name in thing if name not in names]:
        del thing[name]


def _keep_drawn_bytes(stream: StreamObject) -> None:
    """Of a picture that another format holds, keep only the picture: cameras write into it where they were."""
    filters = _value(stream, "/Filter")
    last = filters[-1].get_object() if isinstance(filters, ArrayObject) and filters else filters
    drawn = {"/DCTDecode": jpeg_drawn, "/DCT": jpeg_drawn, "/JPXDecode": jpx_drawn}.get(str(last))
    if drawn is None:
        return
    data = drawn(stream.get_data())
    if isinstance(filters, ArrayObject):
        # What it was packed in besides is gone with reading it.
        parameters = _value(stream, "/DecodeParms")
        stream[NameObject("/Filter")] = NameObject(str(last))
        stream.pop("/DecodeParms", None)
        if isinstance(parameters, ArrayObject) and parameters:
            stream[NameObject("/DecodeParms")] = parameters[-1]
    StreamObject.set_data(stream, data)
    stream.decoded_self = None


def jpeg_drawn(data: bytes) -> bytes:
    """A JPEG without its comments, and of its APPn segments only what says how its colours are meant.

    Raises ``ValueError`` or ``IndexError`` for what is none.
    """
    at = data.index(b"\xff\xd8") + 2
    kept = [b"\xff\xd8"]
    while True:
        if data[at] != 0xFF:
            raise ValueError("is no JPEG")
        while data[at] == 0xFF:
            at += 1
        marker, size = data[at], int.from_bytes(data[at + 1 : at + 3])
        if marker == _JPEG_END:
            return b"".join((*kept, b"\xff\xd9"))
        body = data[at + 3 : at + 1 + size]
        at += 1 + size
        if size < 2 or at > len(data):
            raise ValueError("is no JPEG")
        kept.append(_jpeg_segment(marker, body))
        if marker == _JPEG_SCAN:
            found = _next_marker.search(data, at)
            kept.append(data[at : found.start() if found else len(data)])
            if found is None:
                return b"".join(kept)
            at = found.start()


def _jpeg_segment(marker: int, body: bytes) -> bytes:
    if marker == _JPEG_JFIF and body.startswith(b"JFIF\0"):
        # Without its thumbnail.
        body = body[:12].ljust(12, b"\0") + b"\0\0"
    elif marker == _JPEG_ADOBE and body.startswith(b"Adobe"):
        body = body[:12].ljust(12, b"\0")
    elif marker not in _JPEG_DRAWN:
        return b""
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2) + body


def jpx_drawn(data: bytes) -> bytes:
    """A JPEG 2000 file with only those of its boxes that are drawn; bare code is left as it is."""
    if data.startswith(b"\xff\x4f"):
        return data
    kept, at = [], 0
    while at + 8 <= len(data):
        size, name = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16])
        size = size or len(data) - at
        if size < 8:
            raise ValueError("is no JPEG 2000")
        if name in _JPX_DRAWN:
            kept.append(data[at : at + size])
        at += size
    return b"".join(kept)
