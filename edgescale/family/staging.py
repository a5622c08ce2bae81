"""A family is made beside its place and moved there whole, so that a failure leaves nothing behind.

A folder that holds something else is never touched; one that holds the same models is brought up to
date file by file, the manifest last.
"""

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgescale.errors import ArtifactError, EdgescaleError, ManifestError
from edgescale.family.places import is_dir, is_file, is_free
from edgescale.family.store import (
    MANIFEST_FILE,
    artifacts_of,
    load_family,
    partial_beside,
    save_manifest,
    sha256_of,
    write_bytes,
)

_STALE_AFTER_S = 60.0  # between making a folder and locking it lie milliseconds


def check_free(out: Path, sha256s: set[str]) -> None:
    """Refuses a folder that holds anything but a family of the same model files.

    Args:
        out: where a family shall go.
        sha256s: of all its model files, compiled ones included.

    Raises:
        ManifestError: another family is there, or an unreadable one.
        ArtifactError: something else is there.
    """
    if is_file(out / MANIFEST_FILE, ArtifactError):
        variants = load_family(out, verify=False).manifest.variants
        artifacts = [item for v in variants for item in (v.model, v.compiled) if item is not None]
        if {artifact.sha256 for artifact in artifacts} != sha256s:
            raise ManifestError(
                f"{out}: holds a family of other models; choose another folder, or remove this one"
            )
    elif not is_free(out, ArtifactError):
        raise ArtifactError(f"{out}: exists and holds no family; choose another folder")


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """Gives a temporary folder beside ``out`` that takes its place when the block ends well.

    Raises:
        ArtifactError: the folder cannot be written.
        ManifestError: what was made in it is no usable family.
    """
    temporary: Path | None = None
    lock: int | None = None
    target = out.resolve()  # a folder cannot be renamed onto a link
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(target)
        place = partial_beside(target)
        place.mkdir()
        temporary = place
        lock = _locked(temporary)
        yield temporary
        _put(temporary, target)
    except EdgescaleError as problem:
        if temporary is None or str(temporary) not in str(problem):
            raise
        raise type(problem)(str(problem).replace(str(temporary), str(out))) from problem
    except OSError as problem:
        raise ArtifactError(
            f"{out}: cannot be written ({problem.strerror or problem}); choose a folder you may"
            " write to, with space left"
        ) from problem
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def copied(source: Path, target: Path) -> Path:
    """Copies a file and returns the copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return target


def _remove_stale(out: Path) -> None:
    """Removes what a killed process left: our own folders of this family that nobody locks."""
    name = re.compile(rf"\.{re.escape(out.name)}\.[0-9a-f]{{8}}\.part")
    with suppress(OSError):  # whoever may not list the folder has left nothing in it
        for path in out.parent.iterdir():
            if name.fullmatch(path.name) and _is_old_and_ours(path):
                lock = _locked(path)
                if lock is not None:
                    shutil.rmtree(path, ignore_errors=True)
                    os.close(lock)


def _is_old_and_ours(path: Path) -> bool:
    facts = path.lstat()
    old = time.time() - facts.st_mtime > _STALE_AFTER_S
    return old and facts.st_uid == os.getuid() and is_dir(path, ArtifactError)


def _locked(folder: Path) -> int | None:
    """Locks a folder until its descriptor is closed or this process ends; None where it cannot."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another process has it, or the file system knows no locks
        os.close(lock)
        return None
    return lock


def _put(temporary: Path, out: Path) -> None:
    family = load_family(temporary)
    if not is_file(out / MANIFEST_FILE, ArtifactError):
        temporary.rename(out)
        return
    for artifact in artifacts_of(family.manifest):
        target = out / artifact.path
        if not is_file(target, ArtifactError) or sha256_of(target) != artifact.sha256:
            write_bytes(target, (temporary / artifact.path).read_bytes())
    save_manifest(out, family.manifest)
