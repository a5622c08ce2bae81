"""How a worker is to run a variant: device, runtime, threads, Edge TPU."""

from dataclasses import dataclass

EDGETPU_PERFORMANCE = ("low", "medium", "high", "max")  # 62.5, 125, 250, 500 MHz


@dataclass(frozen=True)
class WorkerSettings:
    """How to run a variant.

    Attributes:
        device: ``cpu``, ``auto`` or an Edge TPU string (``usb``, ``pci:0``, ...).
        runtime: name of the TFLite runtime; None takes the first that works.
        threads: CPU threads of the interpreter; None lets a profile find them, and is one for a
            worker that is started without a profile.
        edgetpu_library: the libedgetpu to load; None is the system's.
        edgetpu_performance: clock of the Edge TPU, one of ``EDGETPU_PERFORMANCE``; None leaves it
            to libedgetpu, which takes max.
        top_k: how many class ids a result has.
    """

    device: str = "cpu"
    runtime: str | None = None
    threads: int | None = None
    edgetpu_library: str | None = None
    edgetpu_performance: str | None = None
    top_k: int = 5

    def __post_init__(self) -> None:
        """Refuses counts below one and unknown clocks, which are the caller's mistake."""
        if self.edgetpu_performance not in (None, *EDGETPU_PERFORMANCE):
            raise ValueError(
                f"edgetpu_performance is {self.edgetpu_performance!r}; it must be one of"
                f" {', '.join(EDGETPU_PERFORMANCE)}"
            )
        threads = 1 if self.threads is None else self.threads
        for name, value in (("threads", threads), ("top_k", self.top_k)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} is {value!r}; it must be a whole number of at least 1")
