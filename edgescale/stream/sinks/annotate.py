"""Writes the top-k onto a frame, readable on bright and dark pictures alike."""

from collections.abc import Sequence

from edgescale.inference.classifier import Prediction
from edgescale.inference.preparation import Image

NOT_SURE = "not sure"
_LINES_PER_FRAME = 18  # the height of a line is this part of the frame's height
_SMALLEST_LINE_PX = 14
_LONGEST_LABEL = 32
_TEXT_SHARE = 0.62  # of a line's height is the capital letter with its descender
_FIRST = (120, 255, 255)  # BGR, the top-1
_REST = (255, 255, 255)


def annotate(image: Image, predictions: Sequence[Prediction]) -> Image:
    """Returns a copy with the predictions in a filled box at the top left.

    Args:
        image: uint8 (H, W, 3) BGR, left unchanged.
        predictions: best first; none is written as "not sure".
    """
    import cv2

    drawn: Image = image.copy()
    height, width = drawn.shape[:2]
    line_px = max(_SMALLEST_LINE_PX, height // _LINES_PER_FRAME)
    texts = [f"{short_text(one.label)} {100 * one.score:.0f}%" for one in predictions] or [NOT_SURE]
    texts = texts[: max(1, height // line_px)]
    font, thickness = cv2.FONT_HERSHEY_SIMPLEX, max(1, line_px // 16)
    (_, letter_px), _ = cv2.getTextSize("Ag", font, 1.0, 1)
    scale = _TEXT_SHARE * line_px / letter_px
    widest_px = max(cv2.getTextSize(text, font, scale, thickness)[0][0] for text in texts)
    margin_px = line_px // 3
    scale *= min(1.0, max(1, width - 2 * margin_px) / max(1, widest_px))  # long labels shrink
    corner = (min(width, widest_px + 2 * margin_px), min(height, len(texts) * line_px + margin_px))
    cv2.rectangle(drawn, (0, 0), corner, (0, 0, 0), thickness=-1)
    for row, text in enumerate(texts):
        place = (margin_px, (row + 1) * line_px - line_px // 4 + margin_px // 2)
        colour = _REST if row else _FIRST
        cv2.putText(drawn, text, place, font, scale, colour, thickness, cv2.LINE_AA)
    return drawn


def short_text(label: str) -> str:
    """Returns at most 32 characters, with "?" for what OpenCV's built-in fonts cannot draw."""
    text = "".join(char if " " <= char <= "~" else "?" for char in label)
    return text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 2]}.."
