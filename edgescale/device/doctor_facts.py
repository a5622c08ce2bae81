"""What the doctor looks at, as plain values: every check is a function of these.

So each half-working machine that users meet is a record in a test, and needs no hardware.
"""

from dataclasses import dataclass

from edgescale.device.edge_tpus import EdgeTpu
from edgescale.device.foreign_child import Told
from edgescale.device.libedgetpu import LibraryReport
from edgescale.device.probe import Machine
from edgescale.inference.delegate import PycoralReport
from edgescale.inference.runtime import RuntimeStatus


@dataclass(frozen=True)
class Board:
    """One Edge TPU with what its files say.

    Attributes:
        tpu: as the kernel lists it.
        node_there: whether its device file is there; None where the kernel names none.
        node_text: who may open that file, e.g. ``/dev/apex_0 is root:apex 0660``.
        node_group: the group that owns it.
        refusal: what the system said when its file was opened, where that tells more than the mode.
        users: the strangers' processes that have it open, e.g. ``1234 (python3 server.py)``.
        runs: what shows that an edgescale process uses it: its lock, its processes.
        sensor_c: its temperature as the driver gives it, nonsense included.
    """

    tpu: EdgeTpu
    node_there: bool | None = None
    node_text: str | None = None
    node_group: str | None = None
    refusal: str | None = None
    users: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    sensor_c: float | None = None


@dataclass(frozen=True)
class User:
    """Who runs this: name, present groups, and those the next login brings."""

    name: str
    groups: tuple[str, ...] = ()
    groups_at_next_login: tuple[str, ...] = ()


@dataclass(frozen=True)
class System:
    """The machine and the files around its Edge TPUs.

    Attributes:
        machine: what it is.
        boards: its Edge TPUs.
        user: who asks.
        container: the file that shows this to be a container.
        usb_bus: whether the kernel shows a USB bus at all.
        usb_devices: how many USB devices it lists.
        usb_nodes: how many of them have a device file here.
        udev_rule: the rule file that names the Edge TPU.
        apex_module: whether the driver of the PCI boards is loaded.
    """

    machine: Machine
    boards: tuple[Board, ...] = ()
    user: User = User("?")
    container: str | None = None
    usb_bus: bool = True
    usb_devices: int = 0
    usb_nodes: int = 0
    udev_rule: str | None = None
    apex_module: bool = False


@dataclass(frozen=True)
class ModelFacts:
    """A model that was named: ``min_runtime_version`` is None where it is not compiled.

    ``problem`` says why it cannot be read. ``named`` tells a file that was named from one of a
    family, which also has models for the CPU.
    """

    path: str
    min_runtime_version: int | None
    problem: str | None = None
    named: bool = True


@dataclass(frozen=True)
class Software:
    """Libraries and runtimes.

    Attributes:
        library: what libedgetpu says of itself.
        library_named: whether it was named, and not only this system's usual one.
        runtimes: the state of every TFLite runtime; empty where trying them failed.
        runtime: name and version of the one that would run; None where none works.
        runtime_problem: why not.
        runtime_named: the one that was asked for.
        numpy_version: of numpy.
        pycoral: which package of that name is installed.
        models: the models that were named.
    """

    library: LibraryReport
    library_named: bool
    runtimes: tuple[RuntimeStatus, ...]
    runtime: tuple[str, str] | None
    runtime_problem: str | None
    runtime_named: str | None
    numpy_version: str
    pycoral: PycoralReport
    models: tuple[ModelFacts, ...] = ()

    @property
    def uses_pycoral(self) -> bool:
        """Whether a worker would take Google's pycoral, as it does unless told otherwise."""
        return self.pycoral.google and not self.library_named and self.runtime_named is None


@dataclass(frozen=True)
class Facts:
    """Everything the doctor knows.

    Attributes:
        system: the machine.
        software: what is installed.
        trial: what loading the delegate did; None where it was not tried.
        locked: which process of edgescale has the lock that the trial needed.
    """

    system: System
    software: Software
    trial: Told | None = None
    locked: str | None = None

    @property
    def has_edge_tpu(self) -> bool:
        """Whether the kernel or the library knows one."""
        return bool(self.system.boards or self.software.library.devices)

    @property
    def wants_edge_tpu(self) -> bool:
        """Whether a compiled model or a library was named, which need one."""
        compiled = any(
            model.named and model.min_runtime_version is not None for model in self.software.models
        )
        return compiled or self.software.library_named
