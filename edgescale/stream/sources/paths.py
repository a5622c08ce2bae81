"""Which files an address means: for those who read them, and who must not write over them."""

import errno
import os
import stat
from glob import glob
from pathlib import Path
from urllib.parse import unquote

from edgescale.errors import SourceNotFound, StreamError
from edgescale.stream.sources.address import STDIN, is_glob, scheme
from edgescale.stream.sources.image_folder import natural_key, pictures_of


def paths_of(name: str, address: str) -> list[Path]:
    """Returns the files that are meant: one, those of a folder, or what matches a pattern.

    Args:
        name: of the source, for messages.
        address: path, ``file://`` URL, folder or glob.

    Raises:
        SourceNotFound: there is none.
        StreamError: the place cannot be read, or a folder holds no images or videos.
    """
    text = unquote(address.partition("://")[2]) if scheme(address) == "file" else address
    path = Path(text)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as problem:
        matches = _matches(text)
        if matches:
            return matches
        if isinstance(problem, OSError) and problem.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise StreamError(f"source '{name}': cannot be read ({problem.strerror})") from problem
        raise SourceNotFound(
            f"source '{name}': no such file, folder or camera; give a camera number such as 0,"
            " /dev/video0, a video file, an image, a folder of them, a pattern such as '*.jpg' or a"
            " URL"
        ) from problem
    if stat.S_ISDIR(mode):
        return pictures_of(path)
    if not stat.S_ISREG(mode):
        raise SourceNotFound(f"source '{name}': is no file, folder or camera (/dev/video<N>)")
    return [path]


def reads(address: str, path: Path) -> bool:
    """Says whether a source of this address reads the file at this path, by whatever name."""
    try:
        there = path.stat()
        if address == STDIN:
            return os.path.samestat(there, os.fstat(0))
        return any(os.path.samestat(there, one.stat()) for one in paths_of("", address))
    except (OSError, ValueError, StreamError):
        return False


def _matches(pattern: str) -> list[Path]:
    """Returns the files that match a pattern, in natural order; ``**`` goes into folders."""
    if not is_glob(pattern) or "\0" in pattern:
        return []
    found = (Path(name) for name in glob(pattern, recursive=True))  # noqa: PTH207 - no root here
    return sorted((path for path in found if path.is_file()), key=lambda p: natural_key(str(p)))
