"""Sizes and counts as people read them: MiB is 2^20 bytes, MB is 10^6, never mixed."""

MIB = 2**20


def mib(size_bytes: float) -> str:
    """Formats bytes as MiB with two decimals, e.g. ``5.02 MiB``."""
    return f"{size_bytes / MIB:.2f} MiB"


def count(number: int) -> str:
    """Formats a count with thousands separators, e.g. ``5,438,392``."""
    return f"{number:,}"


def millions(number: float) -> str:
    """Formats a count in millions, e.g. ``1,788.7 M``."""
    return f"{number / 1e6:,.1f} M"


def percent(fraction: float) -> str:
    """Formats a fraction as a percentage with one decimal, e.g. ``88.5 %``."""
    return f"{100 * fraction:.1f} %"


def milliseconds(value_ms: float) -> str:
    """Formats milliseconds with the digits that mean something, e.g. ``0.083 ms``, ``12.4 ms``."""
    return f"{value_ms:.3f} ms" if value_ms < 1 else f"{value_ms:.1f} ms"
