"""Keeps a folder of recordings or snapshots within its bytes and its age: the oldest go first.

Only files whose names are of the form that is written here are ever counted or deleted; whatever
else lies in the folder, and links, stay.
"""

import logging
import re
import shutil
import stat
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from edgescale.errors import SinkFailed
from edgescale.stream.sinks.file_names import PREFIX
from edgescale.units import mib

log = logging.getLogger(__name__)

_SPARE_BYTES = 2 * 2**20  # a disk with less is full: a video stops where one MiB is left

_OWN = re.compile(rf"{PREFIX}_(\d{{8}}T\d{{6}}\.\d{{3}})Z(_[^/]*)?(\.[a-z0-9]+)", re.DOTALL)


class _Kept(NamedTuple):
    """A file of ours; sorts by age."""

    since_s: float  # seconds since 1970
    path: Path
    size_bytes: int


class Retention:
    """Deletes the oldest files of ours.

    Args:
        folder: looked at without its sub-folders.
        suffixes: of the files that count.
        max_bytes: so much all of them may take; None is no limit.
        max_age_s: none may be older, by the time in its name; None is no limit.
        clock: seconds since 1970.

    Raises:
        ValueError: a limit that is not above zero.
    """

    def __init__(
        self,
        folder: Path,
        suffixes: tuple[str, ...],
        *,
        max_bytes: int | None = None,
        max_age_s: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        for limit in (max_bytes, max_age_s):
            if limit is not None and not limit > 0:
                raise ValueError(f"{folder}: a limit must be above zero, got {limit}")
        self._folder, self._suffixes, self._clock = folder, suffixes, clock
        self._max_bytes, self._max_age_s = max_bytes, max_age_s

    def make_room(self, needed_bytes: int = 0, *, keep: frozenset[Path] = frozenset()) -> None:
        """Deletes what is too old, and then the oldest until there is room.

        Args:
            needed_bytes: that are about to be written.
            keep: files that are being written; they count and stay.

        Raises:
            SinkFailed: the folder cannot be read, a file cannot be deleted, or what is about to be
                written is more than all may take.
        """
        if self._max_bytes is not None and needed_bytes > self._max_bytes:
            raise SinkFailed(
                f"{self._folder}: {mib(needed_bytes)} are to be written and {mib(self._max_bytes)}"
                " is all that may be kept; allow more"
            )
        try:
            kept = sorted(self._kept())
            self._thin(kept, needed_bytes, keep)
        except OSError as problem:
            raise self._stuck(problem) from problem

    def clear_disk(self, *, keep: frozenset[Path] = frozenset()) -> bool:
        """Where the disk is full, deletes the oldest until there is room for one as large as any.

        Args:
            keep: files that are being written.

        Returns:
            Whether there was room to be made, and is now.

        Raises:
            SinkFailed: the folder cannot be read, or a file cannot be deleted.
        """
        try:
            kept = sorted(self._kept())
            if not self.disk_is_full():
                return False
            needed_bytes = max((one.size_bytes for one in kept), default=0) + _SPARE_BYTES
            for one in kept[:-1]:  # who fills it otherwise must not cost the newest too
                if one.path not in keep and self._free_bytes() < needed_bytes:
                    one.path.unlink(missing_ok=True)
                    log.info("deleted %s, the disk is full", one.path.name)
            return not self.disk_is_full()
        except OSError as problem:
            raise self._stuck(problem) from problem

    def disk_is_full(self) -> bool:
        """Says whether a new file is not worth its beginning.

        Raises:
            SinkFailed: the folder is gone.
        """
        try:
            return self._free_bytes() < _SPARE_BYTES
        except OSError as problem:
            raise SinkFailed(f"{self._folder}: is gone ({problem.strerror})") from problem

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self._folder).free

    def _stuck(self, problem: OSError) -> SinkFailed:
        return SinkFailed(
            f"{self._folder}: old files cannot be deleted to make room ({problem.strerror}); look"
            " at who owns them"
        )

    def _thin(self, kept: list[_Kept], needed_bytes: int, keep: frozenset[Path]) -> None:
        total_bytes = sum(one.size_bytes for one in kept) + needed_bytes
        now_s = self._clock()
        for one in kept:
            too_old = self._max_age_s is not None and now_s - one.since_s > self._max_age_s
            too_much = self._max_bytes is not None and total_bytes > self._max_bytes
            if one.path not in keep and (too_old or too_much):
                one.path.unlink(missing_ok=True)
                log.info("deleted %s, %s", one.path.name, "too old" if too_old else "to make room")
                total_bytes -= one.size_bytes

    def _kept(self) -> list[_Kept]:
        found = []
        for path in self._folder.iterdir():
            match = _OWN.fullmatch(path.name)
            if match is None or match[3] not in self._suffixes:
                continue
            try:
                about = path.lstat()
                moment = datetime.strptime(match[1], "%Y%m%dT%H%M%S.%f")
            except (FileNotFoundError, ValueError):  # deleted meanwhile; no such day
                continue
            if stat.S_ISREG(about.st_mode):
                since_s = moment.replace(tzinfo=timezone.utc).timestamp()
                found.append(_Kept(since_s, path, about.st_size))
        return found
