"""Pictures in a text: two pixels to a character cell, one above the other."""

from collections.abc import Sequence

# By (upper pixel, lower pixel). A cell is about twice as high as it is wide, so the pixels are square.
_BLOCKS = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}


def half_blocks(pixels: Sequence[Sequence[bool]]) -> list[str]:
    """Rows of pixels (true is ink) as lines of text; below an odd last row there is no ink."""
    lines = []
    for top in range(0, len(pixels), 2):
        upper = pixels[top]
        lower = pixels[top + 1] if top + 1 < len(pixels) else [False] * len(upper)
        lines.append("".join(_BLOCKS[pair] for pair in zip(map(bool, upper), map(bool, lower), strict=True)))
    return lines


def enlarge(pixels: Sequence[Sequence[bool]], scale: int) -> list[list[bool]]:
    """Every pixel as a square of `scale` by `scale` pixels."""
    return [[pixel for pixel in row for _ in range(scale)] for row in pixels for _ in range(scale)]
