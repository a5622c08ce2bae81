"""Families on disk: atomic writes, sha256 on every read, paths that cannot leave the folder.

A file is written to a temporary name beside its target and then renamed, so that a killed process
leaves the old file or the new one and never half of either.
"""

import hashlib
import json
import math
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from edgescale.errors import ArtifactError, EdgescaleError, ManifestError
from edgescale.family.fields import did_you_mean
from edgescale.family.manifest import Artifact, Manifest, VariantRecord, manifest_from_dict
from edgescale.family.places import is_file

MANIFEST_FILE = "manifest.json"
LARGEST_MANIFEST_BYTES = 64 * 2**20
_BLOCK_BYTES = 2**20


@dataclass(frozen=True)
class Family:
    """A loaded family: the folder and what its manifest says."""

    folder: Path
    manifest: Manifest

    def variant(self, name: str) -> VariantRecord:
        """Returns the variant of this name.

        Raises:
            ManifestError: there is none; the message names the nearest.
        """
        for variant in self.manifest.variants:
            if variant.name == name:
                return variant
        names = [variant.name for variant in self.manifest.variants]
        raise ManifestError(
            f"family '{self.manifest.name}' has no variant '{name}'{did_you_mean(name, names)}"
        )

    def path(self, artifact: Artifact) -> Path:
        """Returns where an artifact lies, checked to be inside the family."""
        return inside(self.folder, artifact.path)

    def verify(self, artifact: Artifact) -> Path:
        """Returns where an artifact lies after checking its size and sha256.

        Raises:
            ArtifactError: missing, of another size, or of another sha256.
        """
        path = self.path(artifact)
        if not is_file(path, ArtifactError):
            raise ArtifactError(
                f"{path}: the manifest names this file, but it is missing; copy"
                " the whole family again"
            )
        try:
            size_bytes, sha256 = path.stat().st_size, sha256_of(path)
        except OSError as problem:
            raise ArtifactError(
                f"{path}: cannot be read ({problem.strerror}); check who may read it"
            ) from problem
        if size_bytes != artifact.size_bytes:
            raise ArtifactError(
                f"{path}: {size_bytes} bytes, but the manifest says"
                f" {artifact.size_bytes}; copy the family again"
            )
        if sha256 != artifact.sha256:
            raise ArtifactError(
                f"{path}: its sha256 is not the one in the manifest; the file was"
                " changed or damaged, copy the family again"
            )
        return path


def load_family(folder: Path | str, *, verify: bool = True) -> Family:
    """Reads a family and checks every file its manifest names.

    Args:
        folder: the family's folder, or its ``manifest.json``.
        verify: check the sha256 of every file; without it only the manifest is read.

    Raises:
        ManifestError: no manifest, or one that cannot be used.
        ArtifactError: a file that is missing or not the one that was built.
    """
    folder = Path(folder).absolute()  # stays true when the caller changes its folder
    if folder.name == MANIFEST_FILE:
        folder = folder.parent
    path = folder / MANIFEST_FILE
    if not is_file(path, ManifestError):
        raise ManifestError(
            f"{folder}: no {MANIFEST_FILE} here; give the folder of a family made"
            " by 'edgescale build' or 'edgescale import'"
        )
    family = Family(folder, manifest_from_dict(read_json(path, ManifestError), str(path)))
    for artifact in artifacts_of(family.manifest):
        if verify:
            family.verify(artifact)
        else:
            family.path(artifact)
    return family


def artifacts_of(manifest: Manifest) -> Iterator[Artifact]:
    """Yields every file that the manifest names."""
    for variant in manifest.variants:
        yield from artifacts_of_variant(variant)


def artifacts_of_variant(variant: VariantRecord) -> Iterator[Artifact]:
    """Yields every file of one variant."""
    yield variant.model
    for artifact in (variant.compiled, variant.architecture):
        if artifact is not None:
            yield artifact
    if variant.accuracy is not None:
        yield variant.accuracy.evaluation


def save_manifest(folder: Path, manifest: Manifest) -> Path:
    """Writes the manifest of a family atomically and returns its path."""
    path = folder / MANIFEST_FILE
    write_json(path, manifest.to_dict())
    return path


def artifact_from(folder: Path, path: Path) -> Artifact:
    """Describes a file of the family: relative path, sha256, size."""
    return Artifact(
        path=path.relative_to(folder).as_posix(),
        sha256=sha256_of(path),
        size_bytes=path.stat().st_size,
    )


def inside(folder: Path, relative: str) -> Path:
    """Joins a manifest's path to the folder and refuses whatever leads out of it.

    Raises:
        ManifestError: absolute, ``..``, a backslash, or a link that leads outside.
    """
    parts = PurePosixPath(relative)
    if (
        not relative
        or "\\" in relative
        or "\0" in relative
        or ":" in relative
        or parts.is_absolute()
        or ".." in parts.parts
    ):
        raise ManifestError(
            f"{folder / MANIFEST_FILE}: the path '{relative}' leaves the family;"
            " only relative paths inside it are allowed"
        )
    path = folder / relative
    root = folder.resolve()
    try:
        resolved = path.resolve()
        resolved.is_file()
    except (OSError, RuntimeError, ValueError) as problem:  # a circle of links, a name too long
        raise ManifestError(
            f"{folder / MANIFEST_FILE}: the path '{relative[:100]}' cannot be followed; copy the"
            " whole family again"
        ) from problem
    if root not in resolved.parents:
        raise ManifestError(
            f"{folder / MANIFEST_FILE}: '{relative}' is a link that leaves the"
            " family; only files inside it are allowed"
        )
    return path


def sha256_of(path: Path) -> str:
    """Returns the sha256 of a file in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def read_json(path: Path, error: type[EdgescaleError]) -> object:
    """Parses a JSON file of bounded size; NaN, endless nesting and doubled keys are refused.

    Raises:
        EdgescaleError: of the class given.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe might never end
            raise error(f"{path}: cannot be read (it is no file)")
        if status.st_size > LARGEST_MANIFEST_BYTES:
            raise error(
                f"{path}: larger than {LARGEST_MANIFEST_BYTES} bytes, which no file of this kind is"
            )
        return json.loads(
            path.read_text("utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_each_once,
        )
    except (ValueError, RecursionError) as problem:
        raise error(f"{path}: not valid JSON ({problem}), it was damaged or cut off") from problem
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror})") from problem


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not allowed")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large")
    return value


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key '{twice[:60]}' stands there twice")
    return table


def write_json(path: Path, record: Any) -> None:
    """Writes JSON atomically, with a fixed layout so that equal records give equal bytes."""
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(path, f"{text}\n".encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file atomically: all of it, or the old one stays."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def partial_beside(path: Path) -> Path:
    """Returns a hidden, unused name in the folder of ``path`` for what is not yet whole."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside the target that replaces it when the block ends well.

    Raises:
        ArtifactError: the folder cannot be written, or the target is there and no regular file: a
            device, a pipe or a link that a rename would destroy.
    """
    temporary: Path | None = None
    try:
        if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
            raise ArtifactError(
                f"{path}: is there and is no regular file, so it is not replaced; name a new file,"
                " or the one that a link leads to"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        place = partial_beside(path)
        place.open("xb").close()  # readable to whom the user's umask allows
        temporary = place
        yield temporary
        temporary.replace(path)
    except OSError as problem:
        raise ArtifactError(
            f"{path}: cannot be written ({problem.strerror or problem}); choose a"
            " folder you may write to, with space left"
        ) from problem
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
