"""A size as edgetpu_compiler prints it, ``4.21MiB``, and which bytes that can stand for.

The compiler rounds to two decimals of a unit it chooses for each value, so that 4.21MiB is any of
ten thousand sizes. What is read from the compiled file must be one of them.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SIZE = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,6}))? ?(GiB|MiB|KiB|B)")


@dataclass(frozen=True)
class PrintedSize:
    """A printed size.

    Attributes:
        text: as it was printed.
        size_bytes: the printed number in whole bytes.
        low_bytes: the fewest bytes that are printed like this.
        high_bytes: the most bytes; it covers rounding to the nearest and cutting off alike, since
            which of them the compiler does is not published.
    """

    text: str
    size_bytes: int
    low_bytes: int
    high_bytes: int

    def covers(self, size_bytes: int) -> bool:
        """Says whether so many bytes may have been printed like this."""
        return self.low_bytes <= size_bytes <= self.high_bytes


def parse_size(text: str) -> PrintedSize | None:
    """Reads a printed size; None where the text is anything else, a cut-off size too."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return None
    whole, decimals, unit = match[1], match[2] or "", _UNITS[match[3]]
    step = Fraction(unit, 10 ** len(decimals))  # of the last digit, in bytes
    value = Fraction(int(whole + decimals)) * step
    low = max(Fraction(0), value - step / 2)
    high = value + step
    most = -(-high.numerator // high.denominator) - 1  # below, not at, the next printed value
    return PrintedSize(
        text=match[0],
        size_bytes=round(value),
        low_bytes=-(-low.numerator // low.denominator),
        high_bytes=max(round(value), most),
    )
