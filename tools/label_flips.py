"""Counts how often the best label changes per minute of video, with and without smoothing.

python tools/label_flips.py FAMILY VIDEO... --variant NAME [--smooth 0.5 --smooth 1 --smooth 2]
"""

import argparse
from itertools import pairwise
from pathlib import Path

import edgescale
from edgescale.cli import show


def flips_per_minute(family: edgescale.Family, video: str, variant: str, smooth_s: float) -> float:
    """Returns how often the label of neighbouring frames differs, per minute of the video."""
    labels, length_s = [], 0.0
    results = edgescale.classify(
        family, video, variant=variant, threads=1, smooth_s=smooth_s or None
    )
    for result in results:
        labels.append(result.predictions[0].label)
        length_s = result.position_s or 0.0
    return 60 * sum(one != two for one, two in pairwise(labels)) / length_s


def main() -> None:
    """Prints one row for each video."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("family", type=Path)
    parser.add_argument("videos", nargs="+")
    parser.add_argument("--variant", required=True)
    parser.add_argument("--smooth", type=float, action="append")
    asked = parser.parse_args()
    family = edgescale.load_family(asked.family)
    times_s = [0.0, *(asked.smooth or (0.5, 1.0, 2.0))]
    rows = [
        (
            Path(video).name,
            *(f"{flips_per_minute(family, video, asked.variant, one):.0f}" for one in times_s),
        )
        for video in asked.videos
    ]
    print(show.table(("video", "off", *(f"{one:g} s" for one in times_s[1:])), rows))


if __name__ == "__main__":
    main()
