"""The two loops that most people begin with, from scratch, to be beaten on the same video.

``coral_loop`` follows google-coral/examples-camera/opencv: it turns the whole frame to RGB, resizes
it to the input without a crop, copies it by ``tobytes``, dequantises every score and writes the
best into the frame; it does not show it. ``serial_loop`` is what tutorials of OpenCV and TFLite
have. Both decode, prepare and invoke one after the other.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

WARM_UP = 5  # frames before the clock starts, as for every other loop here


def coral_loop(interpreter: Any, video: Path, frames: int) -> float:
    """Returns the frames per second of Coral's OpenCV example, for a classifier."""
    import cv2

    entry = interpreter.get_input_details()[0]
    side = int(entry["shape"][1])

    def classified(frame: Any) -> object:
        rgb = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), (side, side))
        tensor = interpreter.tensor(entry["index"])()[0]
        tensor[:, :] = np.frombuffer(rgb.tobytes(), np.uint8).reshape(side, side, 3)
        del tensor
        interpreter.invoke()
        out = interpreter.get_output_details()[0]
        scale, zero_point = out["quantization"]
        scores = scale * (interpreter.tensor(out["index"])()[0].astype(np.int64) - zero_point)
        best = np.argpartition(scores, -3)[-3:]
        for row, one in enumerate(sorted(best, key=lambda number: -scores[number])):
            text, place = f"{scores[one]:.0%} {one}", (10, 30 * (row + 1))
            cv2.putText(frame, text, place, cv2.FONT_HERSHEY_SIMPLEX, 1.0, (255, 0, 0), 2)
        return best

    return _fps(classified, video, frames)


def serial_loop(interpreter: Any, video: Path, frames: int) -> float:
    """Returns the frames per second of read, convert, resize, set, invoke, get, sort."""
    import cv2

    def classified(frame: Any) -> object:
        entry = interpreter.get_input_details()[0]
        side = int(entry["shape"][1])
        rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        picture = np.expand_dims(cv2.resize(rgb, (side, side)), 0)
        interpreter.set_tensor(entry["index"], picture)
        interpreter.invoke()
        out = interpreter.get_output_details()[0]
        scores = interpreter.get_tensor(out["index"])[0]
        return np.argsort(scores)[::-1][:5]

    return _fps(classified, video, frames)


def _fps(classified: Callable[[Any], object], video: Path, frames: int) -> float:
    import cv2

    capture = cv2.VideoCapture(str(video))
    try:
        for index in range(WARM_UP + frames):
            if index == WARM_UP:
                started_s = time.perf_counter()
            good, frame = capture.read()
            if not good:
                raise SystemExit(f"{video}: ends after {index} frames")
            classified(frame)
        return frames / (time.perf_counter() - started_s)
    finally:
        capture.release()
