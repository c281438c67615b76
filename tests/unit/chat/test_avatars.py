"""Images of users are decoded within limits, and carry nothing but their pixels."""

from __future__ import annotations

import random
import zlib
from io import BytesIO
from struct import pack
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from component.core.chat.people import avatars
from component.core.chat.people.avatars import encoded
from component.core.errors import BadRequest, TooLarge

SECRET = b"48.8584 N 2.2945 E"


def image(
    format: str = "PNG", size: tuple[int, int] = (300, 200), mode: str = "RGB", **options: Any
) -> bytes:
    """Return a file with noise, which no encoder makes small."""
    noise = random.Random(0).randbytes(size[0] * size[1] * len(mode))  # noqa: S311 - no secret
    file = BytesIO()
    Image.frombytes(mode, size, noise).save(file, format, **options)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))


@pytest.mark.parametrize("format", avatars.FORMATS)
def test_each_format_becomes_an_image_of_bounded_size(format: str) -> None:
    avatar = encoded(image(format))

    picture = opened(avatar.data)
    assert picture.size == (avatar.width, avatar.height) == (avatars.SIDE_MAX, 128)
    assert f"image/{picture.format}".lower() == avatar.type
    assert len(avatar.data) <= avatars.OUTPUT_MAX_BYTES
    assert len(avatar.id) == 40


def test_jpeg_whose_scans_take_minutes_is_refused() -> None:
    file = image("JPEG", progressive=True)
    scan, end = file.rindex(b"\xff\xda"), file.rindex(b"\xff\xd9")

    with pytest.raises(TooLarge, match="scans"):
        encoded(file[:scan] + file[scan:end] * avatars.SCANS_MAX + file[end:])
    assert encoded(file).width == avatars.SIDE_MAX


def test_small_image_stays_a_png_of_its_size() -> None:
    avatar = encoded(image(size=(20, 30)))

    assert (avatar.type, avatar.width, avatar.height) == ("image/png", 20, 30)


def test_transparent_image_stays_a_png() -> None:
    transparent = Image.new("RGBA", (500, 500), (255, 0, 0, 0))
    file = BytesIO()
    transparent.save(file, "PNG")

    avatar = encoded(file.getvalue())

    assert avatar.type == "image/png"
    assert opened(avatar.data).convert("RGBA").getpixel((0, 0))[3] == 0  # type: ignore[index]


def test_large_transparent_image_is_put_on_white() -> None:
    avatar = encoded(image(size=(400, 400), mode="RGBA"))

    assert avatar.type == "image/jpeg"
    assert len(avatar.data) <= avatars.OUTPUT_MAX_BYTES


def test_metadata_is_left_out_and_the_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    exif[0x010E] = SECRET.decode()
    file = image("JPEG", exif=exif, comment=SECRET, icc_profile=SECRET)
    assert SECRET in file

    avatar = encoded(file)

    assert SECRET not in avatar.data
    assert b"Exif" not in avatar.data
    assert (avatar.width, avatar.height) == (128, 192)


def test_texts_and_profiles_of_a_png_are_left_out() -> None:
    texts = PngInfo()
    texts.add_text("Location", SECRET.decode())
    file = image(size=(20, 20), pnginfo=texts, icc_profile=SECRET)

    picture = opened(encoded(file).data)

    assert picture.info == {}


def test_first_frame_of_an_animation_is_shown() -> None:
    frames = [Image.new("RGB", (10, 10), colour) for colour in ("red", "blue")]
    file = BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])

    picture = opened(encoded(file.getvalue()).data).convert("RGB")

    assert picture.getpixel((5, 5)) == (255, 0, 0)


def test_image_with_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    header = pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    file = b"\x89PNG\r\n\x1a\n" + b"".join(
        pack(">I", len(data)) + name + data + pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )

    with pytest.raises(TooLarge, match="pixels"):
        encoded(file)


def test_large_file_is_refused() -> None:
    with pytest.raises(TooLarge, match="1024 KiB"):
        encoded(b"x" * (avatars.INPUT_MAX_BYTES + 1))


@pytest.mark.parametrize(
    "data",
    [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"GIF89a", image()[:1000], b"\x89PNG"],
    ids=["nothing", "svg", "half a header", "half an image", "a signature"],
)
def test_what_is_no_whole_image_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequest, match="image"):
        encoded(data)


def test_other_formats_of_the_library_are_not_decoded() -> None:
    file = BytesIO()
    Image.new("RGB", (10, 10)).save(file, "TIFF")

    with pytest.raises(BadRequest, match="send PNG"):
        encoded(file.getvalue())
