"""Compares our Keras networks with the published torch networks, on the photos of scikit-image.

Usage: pip install torch efficientnet-lite-pytorch; python tools/check_published_weights.py

Both read the same weight files; this shows that renaming, layouts, padding and normalisation are
right. Where torch or the package is missing it says so and exits with 2: nothing was compared.
"""

import sys
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgescale.architecture.baseline import find_baseline
from edgescale.builder.network import scoring_model, set_weights
from edgescale.builder.photos import photo_paths
from edgescale.builder.pixels import normalised
from edgescale.builder.published_weights import SOURCES, published_file, published_weights
from edgescale.errors import EdgescaleError
from edgescale.family.manifest import Preparation
from edgescale.inference.image_file import read_image
from edgescale.inference.preparation import Preparer
from edgescale.scaling.variant import published

LARGEST_DIFFERENCE = 1e-4  # of a probability; 3e-6 was seen


def main() -> None:
    """Compares every published variant."""
    missing = [name for name in ("torch", "efficientnet_lite_pytorch") if find_spec(name) is None]
    if missing:
        print(f"nothing compared: {' and '.join(missing)} not installed")
        sys.exit(2)
    try:
        differences = {name: _difference(name) for name in SOURCES}
    except EdgescaleError as problem:
        sys.exit(f"error: {problem}")
    for name, (largest, agreement) in differences.items():
        print(
            f"{name}: largest difference of a probability {largest:.1e},"
            f" argmax agreement {100 * agreement:.0f} % (n={len(photo_paths())})"
        )
    if any(largest > LARGEST_DIFFERENCE for largest, _ in differences.values()):
        sys.exit(1)


def _difference(name: str) -> tuple[float, float]:
    variant = published(find_baseline("efficientnet-lite"), name)
    size = variant.resolution
    preparation = Preparation(size, size, size / (size + 32), 127, 128, "uint8", 1 / 128, 127)
    preparer = Preparer(preparation)
    pixels = [preparer.prepared(read_image(path), bgr=False) for path in photo_paths()]
    inputs = normalised(np.stack(pixels))
    model = scoring_model(variant.architecture)
    set_weights(model, variant.architecture, published_weights(name, variant.architecture))
    ours, theirs = model(inputs).numpy(), _torch_scores(name, inputs)
    agreement = float((ours.argmax(1) == theirs.argmax(1)).mean())
    return float(np.abs(ours - theirs).max()), agreement


def _torch_scores(name: str, inputs: NDArray[np.float32]) -> NDArray[Any]:
    """Runs the published torch network; inputs float32 (n, H, W, 3)."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name(f"efficientnet-{name}")
    # The file's sha256 is checked, and torch reads tensors only.
    network.load_state_dict(torch.load(published_file(name), weights_only=True))
    network.eval()
    with torch.no_grad():
        logits = network(torch.from_numpy(inputs.transpose(0, 3, 1, 2).copy()))
        scores: NDArray[Any] = torch.softmax(logits, dim=1).numpy()
    return scores


if __name__ == "__main__":
    main()
