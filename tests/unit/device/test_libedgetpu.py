"""The Edge TPU library asked what it is: missing, foreign, broken, crashing, hanging, working."""

import subprocess
from pathlib import Path

import pytest

from edgescale.device import libedgetpu
from edgescale.device.libedgetpu import library_report
from tests.edgetpu_double import COMPILER, behave, double, needs_compiler, own_locks

__all__ = ["double", "own_locks"]

VERSION = 'const char *edgetpu_version(void) { return "BuildLabel(X), RuntimeVersion(13)"; }\n'
DELEGATE = "void *tflite_plugin_create_delegate(void) { return 0; }\n"
SEGFAULTS = "__attribute__((constructor)) static void start(void) { *(volatile int *)0 = 1; }\n"
HANGS = """#include <unistd.h>
struct d { int type; const char *path; };
struct d *edgetpu_list_devices(unsigned long *n) { sleep(60); return 0; }
void edgetpu_free_devices(struct d *devices) {}
"""
CHATTY = """#include <stdio.h>
struct d { int type; const char *path; };
static struct d all[2] = {{0, "/dev/apex_0"}, {7, 0}};
static int loud;
void edgetpu_verbosity(int level) { loud = level; }
struct d *edgetpu_list_devices(unsigned long *n) {
  fprintf(stderr, "level %d: two\\n", loud); puts("{\\"devices\\": 3"); fflush(stdout);
  *n = 2; return all;
}
void edgetpu_free_devices(struct d *devices) {}
"""


def library(folder: Path, source: str, *flags: str, name: str = "libedgetpu.so.1") -> str:
    path = folder / name
    (folder / "fake.c").write_text(source)
    command = [str(COMPILER), "-shared", "-fPIC", "-o", str(path), str(folder / "fake.c"), *flags]
    subprocess.run(command, check=True, timeout=60)
    return str(path)


def test_a_library_that_is_not_there_is_not_found() -> None:
    for name in ("libnotthere.so.1", "/nowhere/libedgetpu.so.1"):
        report = library_report(name)
        assert (report.found, report.works, report.version, report.devices) == (
            False, False, None, ()
        )  # fmt: skip
        assert report.message.startswith(f"{name}: not found (cannot open")


def test_a_file_that_is_no_library_is_there_but_refused(tmp_path: Path) -> None:
    path = tmp_path / "libedgetpu.so.1"
    path.write_text("no ELF header at all, but long enough to have had one in front of it")
    report = library_report(str(path))
    assert report.found
    assert not report.works
    assert "ELF" in str(report.refusal)
    assert "cannot be loaded" in report.message


@needs_compiler
def test_a_library_that_lacks_another_one_is_there_but_refused(tmp_path: Path) -> None:
    library(tmp_path, "int used(void) { return 0; }", name="libother.so")
    path = library(
        tmp_path, "int used(void); int use(void) { return used(); }", f"-L{tmp_path}", "-lother"
    )
    (tmp_path / "libother.so").unlink()
    report = library_report(path)
    assert report.found
    assert str(report.refusal).startswith("libother.so: cannot open shared object file")


@needs_compiler
def test_a_foreign_library_is_told_by_what_it_lacks(tmp_path: Path) -> None:
    report = library_report(library(tmp_path, "int x(void) { return 0; }"))
    assert report.found
    assert not report.works
    assert report.missing_symbols == ("edgetpu_version", "tflite_plugin_create_delegate")
    assert "not an Edge TPU library" in report.message


@needs_compiler
def test_a_library_that_crashes_is_a_report_with_the_step(tmp_path: Path) -> None:
    report = library_report(library(tmp_path, VERSION + DELEGATE + SEGFAULTS))
    assert report.crashed == "SIGSEGV (Segmentation fault) while being loaded"
    assert report.found
    assert not report.works


@needs_compiler
def test_a_library_that_leaves_with_success_has_crashed_too(tmp_path: Path) -> None:
    leaves = "#include <unistd.h>\n__attribute__((constructor)) static void s(void) { _exit(0); }\n"
    report = library_report(library(tmp_path, leaves + VERSION + DELEGATE))
    assert report.crashed == "exit status 0 while being loaded"


@needs_compiler
def test_a_library_that_hangs_is_given_up_and_what_it_said_before_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libedgetpu, "TIMEOUT_S", 1.5)
    report = library_report(library(tmp_path, VERSION + DELEGATE + HANGS))
    assert report.crashed == "no answer within 1.5 s while listing devices"
    assert report.runtime_version == 13


@needs_compiler
def test_a_library_may_write_what_it_likes(tmp_path: Path) -> None:
    path = library(tmp_path, VERSION + DELEGATE + CHATTY)
    report = library_report(path)
    assert report.works
    assert report.devices == ("pci /dev/apex_0", "type 7 ?")
    assert report.said == "level 10: two"
    assert report.path == path


@needs_compiler
def test_the_file_behind_a_link_is_named(tmp_path: Path) -> None:
    library(tmp_path, VERSION + DELEGATE, name="libedgetpu.so.1.0")
    (tmp_path / "libedgetpu.so.1").symlink_to("libedgetpu.so.1.0")
    report = library_report(str(tmp_path / "libedgetpu.so.1"))
    assert report.path == str(tmp_path / "libedgetpu.so.1.0")
    assert report.devices == ()


def test_the_double_lists_its_devices(double: str, monkeypatch: pytest.MonkeyPatch) -> None:
    behave(monkeypatch, devices=2, runtime=13)
    report = library_report(double)
    assert report.works
    assert report.runtime_version == 13
    assert report.devices == ("usb /sys/bus/usb/devices/2-1", "usb /sys/bus/usb/devices/2-2")
    assert report.message == f"{double}: runtime 13, sees {', '.join(report.devices)}"
    behave(monkeypatch, devices=0)
    report = library_report(double)
    assert report.works
    assert report.message.endswith("runtime 14, sees no Edge TPU")


@pytest.mark.parametrize(
    ("refusal", "missing"),
    [
        ("libedgetpu.so.1: cannot open shared object file: No such file or directory", True),
        ("Error loading shared library libedgetpu.so.1: No such file or directory", True),
        ("dlopen(libedgetpu.so.1, 0x0006): tried: 'libedgetpu.so.1' (no such file)", True),
        ("libusb-1.0.so.0: cannot open shared object file: No such file or directory", False),
        ("Error loading shared library libusb-1.0.so.0: No such file or directory", False),
        ("libedgetpu.so.1: invalid ELF header", False),
    ],
)
def test_the_loaders_of_glibc_musl_and_macos_are_understood(refusal: str, missing: bool) -> None:
    assert libedgetpu._says_missing("libedgetpu.so.1", refusal) is missing
