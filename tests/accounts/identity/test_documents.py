"""Only what really is a picture or a PDF comes in, and nothing that hides in one."""

import io
import zipfile
import zlib
from itertools import count

import pytest
from PIL import Image
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject, NumberObject

from services.accounts.identity import documents
from services.accounts.identity.documents import Reader
from services.accounts.identity.model import DocumentNotValid
from services.accounts.identity.pages import jpeg_drawn, jpx_drawn
from tests.accounts.identity.files import a_pdf, a_pdf_that_hides, a_picture, a_png_that_claims, opened, pages_of

HIDDEN = b"<script>alert('hidden-7f3a')</script>"


@pytest.fixture(scope="module")
def read():
    return Reader().read


def reason(read, content):
    with pytest.raises(DocumentNotValid) as refused:
        read(content)
    return str(refused.value)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_comes_in_as_a_picture(read, kind):
    found = read(a_picture(kind))

    assert found.media_type == "image/jpeg"
    image = opened(found.content)
    assert (image.format, image.size) == ("JPEG", (320, 200))
    assert sum(abs(a - b) for a, b in zip(image.getpixel((162, 100)), (160, 96, 90), strict=True)) < 120


def test_a_large_picture_is_drawn_as_large_as_one_needs_to_read_it(read):
    assert max(opened(read(a_picture(size=(6000, 3000))).content).size) == documents.LONGEST_SIDE


def test_a_picture_that_lies_on_its_side_is_set_upright(read):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    assert opened(read(a_picture(exif=exif)).content).size == (200, 320)


def test_a_pdf_comes_in_with_its_pages(read):
    found = read(a_pdf(3))

    assert found.media_type == "application/pdf"
    assert [b"(Passport)" in page.get_contents().get_data() for page in pages_of(found.content)] == [True] * 3


def zipped():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("run.html", HIDDEN)
    return packed.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        a_picture() + HIDDEN,
        a_picture() + zipped(),
        a_picture(comment=HIDDEN),
        a_picture("PNG") + HIDDEN,
        a_picture("WEBP") + HIDDEN,
        a_picture("WEBP", xmp=HIDDEN),
        a_pdf() + HIDDEN,
        a_pdf() + zipped(),
        a_pdf(script="app.alert('hidden-7f3a')"),
        a_pdf(attachment=HIDDEN),
    ],
    ids=count(),
)
def test_what_hides_in_a_file_does_not_come_in(read, content):
    kept = read(content).content

    for trace in (b"hidden-7f3a", b"PK\x03\x04", b"/JavaScript", b"/JS", b"/EmbeddedFile", b"/OpenAction"):
        assert trace not in kept


@pytest.mark.parametrize("filters", ["/DCTDecode", "/FlateDecode /DCTDecode"])
def test_what_hangs_on_a_page_or_on_what_it_draws_with_does_not_come_in(read, filters):
    kept = read(a_pdf_that_hides(HIDDEN, filters=filters)).content

    for trace in (b"hidden-7f3a", b"/EmbeddedFile", b"/Filespec", b"/AF", b"/Metadata", b"/PieceInfo", b"/Secret"):
        assert trace not in kept


@pytest.mark.parametrize("filters", ["/DCTDecode", "/FlateDecode /DCTDecode"])
def test_what_a_page_draws_comes_in_as_it_was(read, filters):
    [page] = pages_of(read(a_pdf_that_hides(HIDDEN, filters=filters)).content)

    assert page.extract_text() == "Passport"
    picture = opened(page["/Resources"]["/XObject"]["/A"].get_data())
    assert picture.tobytes() == opened(a_picture()).tobytes()
    assert not picture.getexif()


def test_what_pages_have_in_common_comes_in_with_each(read):
    written, writer = io.BytesIO(), PdfWriter(clone_from=io.BytesIO(a_pdf(2)))
    writer.root_object["/Pages"][NameObject("/Rotate")] = NumberObject(90)
    writer.write(written)

    assert [page.rotation for page in pages_of(read(written.getvalue()).content)] == [90, 90]


def test_a_file_that_poses_as_a_picture_of_a_page_is_refused(read):
    written, writer = io.BytesIO(), PdfWriter(clone_from=io.BytesIO(a_pdf()))
    file = DecodedStreamObject()
    file[NameObject("/Type")] = writer._add_object(NameObject("/EmbeddedFile"))
    file.set_data(HIDDEN)
    pictures = DictionaryObject({NameObject("/X"): writer._add_object(file)})
    writer.pages[0][NameObject("/Resources")] = DictionaryObject({NameObject("/XObject"): pictures})
    writer.write(written)

    assert reason(read, written.getvalue()) == documents.BROKEN


@pytest.mark.parametrize("options", [{"progressive": True}, {"optimize": True}, {"quality": 30}, {"subsampling": 0}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_without_what_was_written_beside_it_is_the_same_picture(mode, options):
    written, exif = io.BytesIO(), Image.Exif()
    exif[0x010E] = "hidden-7f3a"
    opened(a_picture()).convert(mode).save(written, "JPEG", exif=exif, comment=HIDDEN, icc_profile=HIDDEN, **options)

    kept = jpeg_drawn(written.getvalue() + HIDDEN)

    assert b"hidden-7f3a" not in kept
    assert opened(kept).tobytes() == opened(written.getvalue()).tobytes()


@pytest.mark.parametrize("broken", [b"", b"\xff\xd8", b"\xff\xd8\xff\xe1", b"\xff\xd8\xff\xe1\0\0", b"\xff\xd8hello"])
def test_what_is_no_jpeg_is_none(broken):
    with pytest.raises((ValueError, IndexError)):
        jpeg_drawn(broken)


def test_a_jpeg_2000_keeps_its_picture_alone():
    written = io.BytesIO()
    opened(a_picture()).save(written, "JPEG2000")
    box = (8 + len(HIDDEN)).to_bytes(4) + b"xml " + HIDDEN

    kept = jpx_drawn(written.getvalue() + box)

    assert kept == written.getvalue()
    assert jpx_drawn(b"\xff\x4fcode") == b"\xff\x4fcode"
    with pytest.raises(ValueError, match="no JPEG 2000"):
        jpx_drawn(b"\0\0\0\2jP  ")


@pytest.mark.parametrize(
    ("content", "because"),
    [
        (b"", documents.NOT_KNOWN),
        (b"hello", documents.NOT_KNOWN),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", documents.NOT_KNOWN),
        (b"<html><script>1</script>", documents.NOT_KNOWN),
        (b"MZ\x90\x00" + bytes(500), documents.NOT_KNOWN),
        (zipped(), documents.NOT_KNOWN),
        (a_picture("GIF"), documents.NOT_KNOWN),
        (a_picture("TIFF"), documents.NOT_KNOWN),
        (b"\n" + a_picture(), documents.NOT_KNOWN),
        (b"\xff\xd8\xff\xe0" + HIDDEN, documents.BROKEN),
        (a_picture()[:400], documents.BROKEN),
        (a_picture("PNG")[:200], documents.BROKEN),
        (b"\x89PNG\r\n\x1a\n" + a_picture(), documents.BROKEN),
        (b"RIFF\x00\x00\x00\x00WEBP" + bytes(100), documents.BROKEN),
        (b"%PDF-1.7\n" + HIDDEN, documents.BROKEN),
        (b"%PDF-1.7\n" + bytes(5_000_000), documents.BROKEN),
        (a_pdf(password="secret"), documents.ENCRYPTED),
        (a_pdf(documents.MOST_PAGES + 1), documents.TOO_MANY_PAGES),
        (a_png_that_claims(30_000, 30_000), documents.TOO_MANY_PIXELS),
        (a_png_that_claims(8_000, 8_000), documents.TOO_MANY_PIXELS),
        (a_png_that_claims(2**31 - 1, 2**31 - 1), documents.TOO_MANY_PIXELS),
        (a_picture() + bytes(documents.LARGEST), documents.TOO_LARGE),
    ],
    ids=count(),
)
def test_what_is_none_is_refused_and_told_why(read, content, because):
    assert reason(read, content) == because


def test_a_page_packed_a_million_times_over_ends_with_the_process_that_unpacks_it(read):
    packer, zeros = zlib.compressobj(9), bytes(1 << 20)
    packed = b"".join(packer.compress(zeros) for _ in range(2048)) + packer.flush()
    page = zlib.compress(packed, 9)
    stream = b"<< /Length %d /Filter [/FlateDecode /FlateDecode] /Type /ObjStm /N 9 /First 9 >>" % len(page)
    bomb = b"%PDF-1.7\n1 0 obj\n" + stream + b"\nstream\n" + page + b"\nendstream\nendobj\ntrailer << /Root 1 0 R >>\n"

    assert reason(read, bomb) == documents.BROKEN


def test_the_process_that_parses_can_write_no_file_and_knows_nothing_of_ours(tmp_path):
    import subprocess
    import sys

    probe = (
        "import os, resource, sys\n"
        "from services.accounts.identity import documents\n"
        "documents._restrict()\n"
        f"try:\n open({str(tmp_path / 'x')!r}, 'wb', buffering=0).write(b'x')\nexcept OSError: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "refused"
    assert (tmp_path / "x").stat().st_size == 0
