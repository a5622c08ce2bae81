"""End-to-end frames per second over bare ``invoke`` on the same model and video.

Both are measured in one run, in rounds that alternate, with one inference thread: decode, prepare,
classify and write JSON lines through the code that serves, against the interpreter alone. A ratio
of 1 means that everything around the model is hidden behind it.

    python tools/bench_classify.py --model FILE.tflite --video VIDEO [--json]
    python tools/bench_classify.py --family FOLDER --variant NAME --video VIDEO
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgescale.device.probe import pressure, probe
from edgescale.edgetpu.model_file import read_model_file
from edgescale.family.manifest import SCHEMA_VERSION, Manifest, Preparation, VariantRecord
from edgescale.family.store import Family, artifact_from, load_family
from edgescale.inference.preparation import Preparer
from edgescale.inference.runtime import choose_runtime
from edgescale.inference.worker import Worker, WorkerSettings
from edgescale.stream.pipeline import run
from edgescale.stream.sinks.records import result_record
from edgescale.stream.sources.source import open_source


@dataclass(frozen=True)
class Round:
    """One round: the same number of frames end to end and as bare invokes.

    ``invoke_share`` is the part of the end-to-end time in which the worker was inside ``invoke``:
    it says the same within one span of time, so other load on the machine disturbs it less.
    """

    end_to_end_fps: float
    invoke_share: float
    bare_fps: float

    @property
    def ratio(self) -> float:
        """Returns the share of the bare rate that remains end to end."""
        return self.end_to_end_fps / self.bare_fps


def main() -> None:
    """Runs the rounds and prints what they gave."""
    asked = _arguments()
    family = _family_of(asked.model) if asked.model else load_family(asked.family)
    variant = family.variant(asked.variant) if asked.variant else family.manifest.variants[0]
    settings = WorkerSettings(runtime=asked.runtime)
    bare = BareInvoke(family, variant, asked.runtime, asked.video)
    before = pressure()
    with Worker(family, variant, settings=settings) as worker, tempfile.TemporaryDirectory() as out:
        lines = Path(out) / "results.jsonl"
        end_to_end(worker, asked.video, lines, asked.frames)  # warm-up, not counted
        bare.fps(asked.frames)
        rounds = []
        for number in range(asked.rounds):
            # The order alternates too, so that a drift of the machine favours neither.
            first = bare.fps(asked.frames) if number % 2 else 0.0
            served, inside = end_to_end(worker, asked.video, lines, asked.frames)
            rounds.append(Round(served, inside, first or bare.fps(asked.frames)))
        runtime = f"{worker.runtime_name} {worker.runtime_version}"
    _report(asked, variant, rounds, {"runtime": runtime, "psi_before": before.avg10_percent})


def end_to_end(worker: Worker, video: Path, lines: Path, frames: int) -> tuple[float, float]:
    """Returns rate and invoke share from opening the video to the last line written."""
    started = time.perf_counter()
    source = open_source(video)
    written, invoke_s = 0, 0.0
    try:
        with lines.open("w", encoding="utf-8") as file:
            for result in run(source, worker, max_frames=frames):
                file.write(json.dumps(result_record(result, source.name)) + "\n")
                file.flush()
                written += 1
                invoke_s += result.invoke_ms / 1000
    finally:
        source.close()
    if written < frames:
        sys.exit(f"{video}: has {written} frames, {frames} are needed; give fewer with --frames")
    took_s = time.perf_counter() - started
    return written / took_s, invoke_s / took_s


class BareInvoke:
    """The interpreter alone on a prepared frame of the same video, in this process."""

    def __init__(
        self, family: Family, variant: VariantRecord, runtime: str | None, video: Path
    ) -> None:
        """Makes the interpreter and sets its input once."""
        path = family.path(variant.model)
        self._interpreter = choose_runtime(runtime).interpreter_class(
            model_path=str(path), num_threads=1
        )
        self._interpreter.allocate_tensors()
        source = open_source(video)
        frame = next(iter(source)).image
        source.close()
        picture = Preparer(variant.preparation).prepared(frame, bgr=True)
        index = self._interpreter.get_input_details()[0]["index"]
        self._interpreter.set_tensor(index, picture[None])

    def fps(self, frames: int) -> float:
        """Returns the rate of nothing but invokes."""
        started = time.perf_counter()
        for _ in range(frames):
            self._interpreter.invoke()
        return frames / (time.perf_counter() - started)


def _report(
    asked: argparse.Namespace, variant: VariantRecord, rounds: list[Round], facts: dict[str, Any]
) -> None:
    machine = probe()
    ratios = [entry.ratio for entry in rounds]
    median = statistics.median(ratios)
    invoke_ms = 1000 / statistics.median(entry.bare_fps for entry in rounds)
    record = {
        "model": variant.model.path,
        "video": asked.video.name,
        **facts,
        "machine": f"{machine.cpu_model}, {machine.usable_cores} cores",
        "threads": 1,
        "n_frames_per_round": asked.frames,
        "rounds": [
            {
                "end_to_end_fps": entry.end_to_end_fps,
                "bare_fps": entry.bare_fps,
                "invoke_share": entry.invoke_share,
                "ratio": entry.ratio,
            }
            for entry in rounds
        ],
        "bare_invoke_ms": invoke_ms,
        "median_ratio": median,
    }
    if asked.json:
        print(json.dumps(record, indent=2))
        return
    print(f"{record['model']} on {record['video']}; {record['machine']}; {facts['runtime']};")
    print(f"1 thread, {asked.frames} frames a round, CPU pressure before {facts['psi_before']} %")
    for entry in rounds:
        print(
            f"  end to end {entry.end_to_end_fps:7.1f} fps   bare invoke {entry.bare_fps:7.1f} fps"
            f"   ratio {entry.ratio:.3f}   inside invoke {entry.invoke_share:.3f}"
        )
    print(f"median ratio {median:.3f} (n = {len(rounds)} rounds), bare invoke {invoke_ms:.1f} ms")


def _family_of(model: Path) -> Family:
    """Describes a lone model file as a family whose labels are numbers."""
    facts = read_model_file(model)
    tensor, outputs = facts.inputs[0], facts.outputs[0].shape[-1]
    preparation = Preparation(
        height=tensor.shape[1],
        width=tensor.shape[2],
        crop_fraction=1.0,
        mean=127.0,
        std=128.0,
        dtype=tensor.dtype,
        scale=tensor.scales[0] if tensor.scales else 1.0,
        zero_point=tensor.zero_points[0] if tensor.zero_points else 0,
    )
    variant = VariantRecord(
        name="model",
        phi=None,
        depth_coefficient=None,
        width_coefficient=None,
        resolution=tensor.shape[1],
        parameters=None,
        macs=facts.macs,
        macs_ratio=None,
        asked_macs_ratio=None,
        weight_bytes=facts.weight_bytes,
        peak_activation_bytes=facts.peak_activation_bytes,
        model=artifact_from(model.parent, model),
        compiled=None,
        compiled_reason=None,
        architecture=None,
        preparation=preparation,
        outputs=outputs,
        label_offset=0,
        scores="softmax",
        accuracy=None,
        accuracy_reason=None,
        operators=facts.operators,
    )
    labels = tuple(str(number) for number in range(outputs))
    manifest = Manifest(
        SCHEMA_VERSION, "0", "bench", "imported", labels, None, None, None, (variant,)
    )
    return Family(model.parent, manifest)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", type=Path, help="a .tflite file")
    what.add_argument("--family", type=Path, help="a family's folder")
    parser.add_argument("--variant", help="of the family; the first one otherwise")
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--runtime", help="a TFLite runtime by name")
    parser.add_argument("--frames", type=int, default=100, help="per round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


if __name__ == "__main__":
    main()
