"""Reads QR codes out of pictures with zxing-cpp, a decoder that shares no code with what drew them."""

from pathlib import Path

import zxingcpp
from PIL import Image


def read_qr(picture: str | Path | Image.Image) -> list[str]:
    """The text of every QR code in a picture (a file's path or a PIL image), empty if there is none.

    Light-on-dark codes count too, as a terminal with a dark background shows them.
    """
    if not isinstance(picture, Image.Image):
        with Image.open(picture) as opened:
            opened.load()
            picture = opened
    formats = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
    found = zxingcpp.read_barcodes(picture.convert("L"), formats=formats)
    return [each.text for each in found if each.valid]
