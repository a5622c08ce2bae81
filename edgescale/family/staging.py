"""A family is made beside its place and moved there whole, so that a failure leaves nothing behind.

A folder that holds something else is never touched; one that holds the same models is brought up to
date file by file, the manifest last.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgescale.errors import ArtifactError, ManifestError
from edgescale.family.store import (
    MANIFEST_FILE,
    artifacts_of,
    load_family,
    save_manifest,
    sha256_of,
    write_bytes,
)


def check_free(out: Path, sha256s: set[str]) -> None:
    """Refuses a folder that holds anything but a family of the same model files.

    Args:
        out: where a family shall go.
        sha256s: of all its model files, compiled ones included.

    Raises:
        ManifestError: another family is there, or an unreadable one.
        ArtifactError: something else is there.
    """
    if (out / MANIFEST_FILE).is_file():
        variants = load_family(out, verify=False).manifest.variants
        artifacts = [item for v in variants for item in (v.model, v.compiled) if item is not None]
        if {artifact.sha256 for artifact in artifacts} != sha256s:
            raise ManifestError(
                f"{out}: holds a family of other models; choose another folder, or remove this one"
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ArtifactError(f"{out}: exists and holds no family; choose another folder")


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """Gives a temporary folder beside ``out`` that takes its place when the block ends well.

    Raises:
        ArtifactError: the folder cannot be written.
        ManifestError: what was made in it is no usable family.
    """
    temporary: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.", suffix=".part"))
        yield temporary
        _put(temporary, out)
    except OSError as problem:
        raise ArtifactError(
            f"{out}: cannot be written ({problem.strerror or problem}); choose a folder you may"
            " write to, with space left"
        ) from problem
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def copied(source: Path, target: Path) -> Path:
    """Copies a file and returns the copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return target


def _put(temporary: Path, out: Path) -> None:
    family = load_family(temporary)
    if not (out / MANIFEST_FILE).is_file():
        temporary.chmod(0o755)  # mkdtemp keeps it to its owner
        temporary.rename(out)
        return
    for artifact in artifacts_of(family.manifest):
        target = out / artifact.path
        if not target.is_file() or sha256_of(target) != artifact.sha256:
            write_bytes(target, (temporary / artifact.path).read_bytes())
    save_manifest(out, family.manifest)
