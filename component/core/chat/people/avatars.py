"""Images of users: they are decoded within limits, and encoded again without anything else."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha1
from io import BytesIO
from typing import TYPE_CHECKING

from component.core.errors import BadRequest, TooLarge

if TYPE_CHECKING:
    from PIL.Image import Image

#: Bytes of an image that is read. A vCard has less: ejabberd refuses stanzas of some 256 KiB.
INPUT_MAX_BYTES = 1024 * 1024

#: Pixels of an image that is decoded: each takes up to 4 bytes of memory.
PIXELS_MAX = 16_000_000

#: Scans of a progressive JPEG: the decoder looks at all pixels in each, and one takes some bytes.
SCANS_MAX = 32
_SCAN = b"\xff\xda"

#: Width and height of an avatar (XEP-0084 section 6.2 and XEP-0153 section 4.2 advise less).
SIDE_MAX = 192

#: Bytes of an avatar that is stored or shown: in base64 it has to fit into a stanza.
OUTPUT_MAX_BYTES = 96 * 1024

#: A larger PNG becomes a JPEG if it is opaque.
PNG_MAX_BYTES = 24 * 1024

#: Formats that are read, by their names in Pillow. No other decoder gets the bytes.
FORMATS = ("PNG", "JPEG", "GIF", "WEBP")

_JPEG_QUALITIES = (85, 70, 50)

PNG, JPEG = "image/png", "image/jpeg"


@dataclass(frozen=True, slots=True)
class Avatar:
    """An image of a user, encoded by us."""

    type: str  #: image/png or image/jpeg
    width: int
    height: int
    data: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """The SHA-1 of the image in hexadecimal digits, its id in XEP-0084 and XEP-0153."""
        return hash_of(self.data)


def hash_of(data: bytes) -> str:
    """Return the id of an image in XEP-0084 and XEP-0153."""
    return sha1(data, usedforsecurity=False).hexdigest()


def encoded(data: bytes) -> Avatar:
    """Return an image of a user as an avatar, without its metadata and its animation.

    It takes up to some hundred milliseconds of CPU time. Raises BadRequest if it is no image in
    one of the accepted formats, TooLarge.
    """
    if len(data) > INPUT_MAX_BYTES:
        raise TooLarge(f"The image is too large: {INPUT_MAX_BYTES // 1024} KiB at most.")
    picture = _decoded(data)
    return _encoded(picture)


def _decoded(data: bytes) -> Image:
    """Return the pixels of an image, at most SIDE_MAX wide and high. Raises BadRequest, TooLarge.

    Pillow is imported here, because few commands need it.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            # The header says so; no pixel is decoded yet.
            width, height = image.size
            if width * height > PIXELS_MAX:
                raise TooLarge(f"The image has too many pixels: {PIXELS_MAX} at most.")
            if image.format == "JPEG" and data.count(_SCAN) > SCANS_MAX:
                raise TooLarge(f"The JPEG has too many scans: {SCANS_MAX} at most.")
            # A JPEG is decoded at a fraction of its size.
            image.draft("RGB", (2 * SIDE_MAX, 2 * SIDE_MAX))
            upright = ImageOps.exif_transpose(image)
            has_alpha = upright.has_transparency_data
            pixels = upright.convert("RGBA" if has_alpha else "RGB")
    except UnidentifiedImageError as error:
        raise BadRequest("This is no image: send PNG, JPEG, GIF or WebP.") from error
    except Image.DecompressionBombError as error:
        raise TooLarge(f"The image has too many pixels: {PIXELS_MAX} at most.") from error
    except (OSError, SyntaxError, ValueError, ZeroDivisionError, EOFError, IndexError) as error:
        # Decoders raise all of these for damaged files.
        raise BadRequest("The image is damaged.") from error
    pixels.thumbnail((SIDE_MAX, SIDE_MAX))
    # A new image has none of the texts, profiles and comments of the old one.
    clean = Image.new(pixels.mode, pixels.size)
    clean.paste(pixels)
    return clean


def _encoded(picture: Image) -> Avatar:
    png = _saved(picture, "PNG", optimize=True)
    is_opaque = picture.mode == "RGB"
    if len(png) <= PNG_MAX_BYTES or (not is_opaque and len(png) <= OUTPUT_MAX_BYTES):
        return Avatar(PNG, *picture.size, png)
    opaque = picture if is_opaque else _on_white(picture)
    for quality in _JPEG_QUALITIES:
        jpeg = _saved(opaque, "JPEG", quality=quality)
        if len(jpeg) <= OUTPUT_MAX_BYTES:
            break
    return Avatar(JPEG, *picture.size, jpeg)


def _on_white(picture: Image) -> Image:
    from PIL import Image

    background = Image.new("RGB", picture.size, "white")
    background.paste(picture, mask=picture.getchannel("A"))
    return background


def _saved(picture: Image, format: str, **options: int) -> bytes:
    file = BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()
