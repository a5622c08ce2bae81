"""The demo's two videos: a slow pan over photographs, and held-out cluttered digits."""

from collections.abc import Iterator

import numpy as np

from edgescale.inference.preparation import Image

FPS = 30.0
PHOTO_SECONDS = 3.0
DIGITS = 20
DIGIT_SECONDS = 0.5
_SIZE = (480, 640)  # height, width
_ENLARGED = 8  # a 64-pixel canvas becomes 512 pixels; halving it three times gives it back exactly


def photo_frames(photos: list[Image]) -> Iterator[Image]:
    """Yields a video that moves and zooms over each photograph.

    Args:
        photos: uint8 (H, W, 3) RGB each.

    Yields:
        uint8 (480, 640, 3) BGR frames.
    """
    import cv2

    frames = int(PHOTO_SECONDS * FPS)
    for photo in photos:
        for index in range(frames):
            part = _window(photo, index / (frames - 1))
            frame = cv2.resize(part, (_SIZE[1], _SIZE[0]), interpolation=cv2.INTER_LINEAR)
            yield cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)


def digit_frames(images: list[Image]) -> Iterator[Image]:
    """Yields each 64x64 picture for half a second, enlarged without smoothing.

    Args:
        images: uint8 (64, 64, 3) each, grey.
    """
    for image in images:
        large = image.repeat(_ENLARGED, axis=0).repeat(_ENLARGED, axis=1)
        for _ in range(int(DIGIT_SECONDS * FPS)):
            yield large


def digits_shown(count: int) -> list[int]:
    """Returns which held-out digits the video shows: drawn at random once, not picked."""
    return [int(index) for index in np.random.RandomState(0).permutation(count)[:DIGITS]]


def _window(photo: Image, progress: float) -> Image:
    """Returns a 4:3 part that grows from 80 % to all of the photograph and drifts to the right."""
    height, width = photo.shape[:2]
    scale = 0.8 + 0.2 * progress
    part_height = int(min(height, width * _SIZE[0] / _SIZE[1]) * scale)
    part_width = int(part_height * _SIZE[1] / _SIZE[0])
    top = (height - part_height) // 2
    left = int((width - part_width) * (0.3 + 0.4 * progress))
    return photo[top : top + part_height, left : left + part_width]
