"""The program behind ``window.WindowSink``: pictures on stdin, a window on the display.

A process of its own, because a display that goes away ends whatever process shows something on it:
Xlib calls ``exit``. It is started as a file and imports the standard library only.

A message on stdin is the length of the source's name, the length of the picture (both big-endian,
32 bits), the name in UTF-8, and the picture as binary PPM, which every Tk reads. ``ready`` on
stdout means that the window can be shown; anything else is why it cannot.
"""

import math
import os
import signal
import struct
import sys
from typing import Any

LENGTHS = struct.Struct(">II")
READY = "ready"
_READ_BYTES = 2**20
_TITLE = "edgescale"


class Viewer:
    """The window: one picture per source, in as many columns as rows.

    Args:
        root: of Tk.
        fd: where the messages come from.
    """

    def __init__(self, root: Any, fd: int) -> None:
        import tkinter

        self._root, self._fd = root, fd
        self._buffer = bytearray()
        self.photos: dict[str, Any] = {}
        self.labels: list[Any] = []
        root.title(_TITLE)
        root.withdraw()  # until there is something to see
        for key in ("<Escape>", "q"):
            root.bind(key, lambda _: root.quit())
        root.protocol("WM_DELETE_WINDOW", root.quit)
        root.createfilehandler(fd, tkinter.READABLE, self.read)

    def read(self, *_: Any) -> None:
        """Takes what came and shows the newest picture of each source; the end ends it all."""
        data = os.read(self._fd, _READ_BYTES)
        if not data:
            self._root.quit()
        self._buffer += data
        newest: dict[str, bytes] = {}
        while (message := self._message()) is not None:
            newest[message[0]] = message[1]
        for source, picture in newest.items():
            self._show(source, picture)

    def _message(self) -> tuple[str, bytes] | None:
        if len(self._buffer) < LENGTHS.size:
            return None
        name_bytes, picture_bytes = LENGTHS.unpack_from(self._buffer)
        middle = LENGTHS.size + name_bytes
        end = middle + picture_bytes
        if len(self._buffer) < end:
            return None
        name = self._buffer[LENGTHS.size : middle].decode(errors="replace")
        picture = bytes(self._buffer[middle:end])
        del self._buffer[:end]
        return name, picture

    def _show(self, source: str, picture: bytes) -> None:
        if source not in self.photos:
            self._add(source)
        self.photos[source].configure(data=picture)

    def _add(self, source: str) -> None:
        import tkinter

        photo = self.photos[source] = tkinter.PhotoImage(master=self._root)
        text = "".join(
            char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in source
        )
        label = tkinter.Label(self._root, image=photo, text=text, compound="top")
        self.labels.append(label)
        columns = math.ceil(math.sqrt(len(self.labels)))
        for place, one in enumerate(self.labels):
            one.grid(row=place // columns, column=place % columns)
        self._root.deiconify()


def main() -> int:
    """Shows what comes until stdin ends or the user closes the window."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the run, and that ends stdin
    try:
        import tkinter

        root = tkinter.Tk(className=_TITLE)
    except ImportError:
        sys.stdout.write("this Python has no tkinter (Debian: apt install python3-tk)")
        return 1
    except tkinter.TclError as problem:
        sys.stdout.write(f"there is no display: {problem}")
        return 1
    Viewer(root, sys.stdin.fileno())
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    root.mainloop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
