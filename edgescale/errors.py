"""Every error a user can meet, with the exit code it ends in.

A message says what is wrong, what was needed and what to do, in one sentence. Errors of foreign
libraries become one of these in the one file that touches the library.

    EdgescaleError                 exit 1
      RecipeError                  wrong recipe.toml
      ArchitectureError            bad block string, impossible scaling
      BuildError                   a stage of the builder failed
        DataError                  images or labels that cannot be used
        WeightsError               published weights missing or not as expected
        BuildLocked                another build works on this family
        CompilerNotFound           no edgetpu_compiler here
          CompilerUnusable         one was named or found, and it cannot be used
        CompilerFailed             it gave no model that can be trusted; keeps what it printed
          PartlyMapped             compiled, but some operators stay on the CPU
      SearchError                  a search that cannot be run, resumed or judged
      FamilyError
        ManifestError              unreadable, wrong schema, a path that leaves the family
        ArtifactError              a file missing, of the wrong size or the wrong sha256
        ModelFileError             not a usable .tflite file
      DeviceError
        RuntimeMissing             no usable TFLite interpreter
        EdgeTpuRuntimeMissing      the Edge TPU library cannot be loaded
          EdgeTpuModelCrashed      it was loaded, and one compiled model ended the process
        EdgeTpuNotFound            the library is there, the device is not
        EdgeTpuBusy                another process uses the device
        NotForThisDevice           a compiled model on the CPU, or a CPU model on the Edge TPU
        WorkerDied                 the process that owns the interpreter ended
        ProfileError               a profile that cannot be used
      NothingFits                  exit 3: no variant fits the budget
      StreamError
        ConfigError                a configuration of a live run that cannot be used
        SourceNotFound             no such file, folder or camera
        SourceLost                 it was there and ended badly
        SinkFailed                 an output cannot be written
          ReaderLeft               who read it went away, as ``| head`` does: no error
"""

from typing import Any


class EdgescaleError(Exception):
    """Root of all known errors; the message is one sentence for the user."""

    exit_code = 1


class RecipeError(EdgescaleError):
    """A recipe that cannot be built."""


class ArchitectureError(EdgescaleError):
    """A block string, baseline or scaling that describes no network."""


class BuildError(EdgescaleError):
    """A stage of the builder failed."""


class DataError(BuildError):
    """Images or labels that cannot be used."""


class WeightsError(BuildError):
    """Published weights that are missing or not what they should be."""


class BuildLocked(BuildError):
    """Another build works on the same family."""


class CompilerNotFound(BuildError):
    """The Edge TPU compiler is not here."""


class CompilerUnusable(CompilerNotFound):
    """One was named or found, and it cannot be used: how to get another one is no help."""


class CompilerFailed(BuildError):
    """The Edge TPU compiler gave no model that can be trusted.

    Attributes:
        printed: what it said in all attempts; empty where none was made.
        attempts: how many there were.
        took_s: seconds they took together.
    """

    def __init__(
        self, message: str, printed: str = "", attempts: int = 0, took_s: float = 0.0
    ) -> None:
        """Keeps what a caller shows or stores beside the message."""
        super().__init__(message)
        self.printed, self.attempts, self.took_s = printed, attempts, took_s


class PartlyMapped(CompilerFailed):
    """The model was compiled, but some of its operators stay on the CPU."""


class SearchError(EdgescaleError):
    """A search of coefficients that cannot be run, resumed or judged."""


class FamilyError(EdgescaleError):
    """A family that cannot be used."""


class ManifestError(FamilyError):
    """A manifest that cannot be read or must not be trusted."""


class ArtifactError(FamilyError):
    """A file of a family that is missing or not the one the manifest names."""


class ModelFileError(FamilyError):
    """A file that is not a usable TFLite model."""


class DeviceError(EdgescaleError):
    """This machine cannot do what was asked."""


class RuntimeMissing(DeviceError):
    """No TFLite interpreter works here."""


class EdgeTpuRuntimeMissing(DeviceError):
    """libedgetpu is missing or does not work with this runtime."""


class EdgeTpuModelCrashed(EdgeTpuRuntimeMissing):
    """One compiled model ends the process that opens it; another one may work."""


class EdgeTpuNotFound(DeviceError):
    """libedgetpu loads but finds no such Edge TPU."""


class EdgeTpuBusy(DeviceError):
    """Another process uses the Edge TPU, and only one can."""


class NotForThisDevice(DeviceError):
    """The model was made for another device."""


class WorkerDied(DeviceError):
    """The process that owns the interpreter ended or fell silent."""


class ProfileError(DeviceError):
    """A device profile that cannot be used."""


class NothingFits(EdgescaleError):
    """No variant is proven to fit the budget.

    Attributes:
        rejections: one explanation for each variant.
        order: what ordered the variants.
        looks: median in ms of each variant that was looked at.
        profile: the figures, where the choice had a profile.
    """

    exit_code = 3

    def __init__(
        self,
        message: str,
        rejections: tuple[Any, ...] = (),
        *,
        order: Any = None,
        looks: Any = None,
    ) -> None:
        """Keeps what was found, so that a caller can show all of it."""
        super().__init__(message)
        self.rejections, self.order, self.looks = rejections, order, looks or {}
        self.profile: Any = None


class StreamError(EdgescaleError):
    """A source or sink of the live path failed."""


class ConfigError(StreamError):
    """A configuration of a live run that cannot be used."""


class SourceNotFound(StreamError):
    """There is no such file, folder or camera."""


class SourceLost(StreamError):
    """A source that worked stopped working."""


class SinkFailed(StreamError):
    """An output cannot be written."""


class ReaderLeft(SinkFailed):
    """Who read an output has gone, as ``| head`` does; the run ends, and that is no error."""
