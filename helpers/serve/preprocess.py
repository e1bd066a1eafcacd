"""From the bytes of an upload to a tensor: the same code in training and in the servers."""

from __future__ import annotations

import io
import warnings

import numpy as np
import torch
from PIL import Image, ImageOps

__all__ = ["FORMATS", "MAX_BYTES", "MAX_PIXELS", "SIDE", "BadPicture", "to_tensor"]

FORMATS = ("JPEG", "PNG")
MAX_BYTES = 1_000_000
MAX_PIXELS = 4_000_000
SIDE = 64
MEAN, STD = 0.5, 0.25


class BadPicture(ValueError):
    """The client's fault. ``status`` is the HTTP status that says which, ``args[0]`` the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def to_tensor(content: bytes) -> torch.Tensor:
    """Decode, turn, resize, crop and normalise one picture.

    The cheap questions come first: number of bytes, then the header (kind of file, number of
    pixels), and only then are pixels decoded.

    Args:
        content: the whole file, a JPEG or a PNG.

    Returns:
        Shape ``(3, 64, 64)``, float32.

    Raises:
        BadPicture: 413 too many bytes or pixels, 415 another kind of file, 422 a damaged one.

    Example:
        >>> from helpers.serve.drawings import draw, jpeg
        >>> to_tensor(jpeg(draw("cat", seed=0))).shape
        torch.Size([3, 64, 64])
        >>> to_tensor(b"GIF89a")
        Traceback (most recent call last):
        ...
        helpers.serve.preprocess.BadPicture: no JPEG or PNG
    """
    if len(content) > MAX_BYTES:
        raise BadPicture(413, f"more than {MAX_BYTES:,} bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our limit is lower
            picture = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError:
        raise BadPicture(413, f"more than {MAX_PIXELS:,} pixels") from None
    except (OSError, SyntaxError, ValueError):
        raise BadPicture(415, "no JPEG or PNG") from None
    if picture.width * picture.height > MAX_PIXELS:
        raise BadPicture(413, f"more than {MAX_PIXELS:,} pixels")
    try:
        picture.load()
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, SyntaxError, ValueError):
        raise BadPicture(422, "the picture is damaged") from None
    square = ImageOps.fit(upright, (SIDE, SIDE), Image.Resampling.BILINEAR)
    values = torch.from_numpy(np.array(square, dtype=np.float32)).permute(2, 0, 1) / 255
    return ((values - MEAN) / STD).contiguous()
