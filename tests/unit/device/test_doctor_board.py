"""The doctor's checks of Edge TPUs: each half-working machine is a record."""

from dataclasses import replace

import pytest

from edgescale.device.doctor import diagnose
from edgescale.device.doctor_facts import Facts, User
from tests.doctor_facts import MODEL, NO_LIBRARY, PCI, USB, board, found, library, software, system
from tests.fakes import machine


def test_all_is_well_with_a_stick_and_a_board() -> None:
    for tpu in (USB, PCI):
        findings = diagnose(Facts(system(board(tpu)), software()))
        assert {one.level for one in findings} == {"ok"}
        assert findings[0].what == f"The Edge TPU {tpu.bus} {tpu.path} is there and may be opened."


def test_a_machine_without_edge_tpu_and_library_is_no_error() -> None:
    findings = diagnose(Facts(system(), software(library=NO_LIBRARY)))
    assert {one.level for one in findings} == {"ok"}
    assert findings[0].what.startswith("No Edge TPU is connected; the CPU")
    assert "18d1:9302 (after it) among 5" in findings[0].evidence[0]


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (Facts(system(), software(library=library(devices=()))), "its library is installed"),
        (Facts(system(), software(library=NO_LIBRARY, models=(MODEL,))), "is compiled for one"),
        (Facts(system(), software(library=NO_LIBRARY, library_named=True)), "was named"),
    ],
)
def test_the_missing_half_is_an_error_where_the_other_is_there(facts: Facts, why: str) -> None:
    error = found(facts)["edge-tpu"]
    assert error.level == "error"
    assert why in error.what
    assert "lsusb" in str(error.mend)


def test_a_compiled_family_without_edge_tpu_runs_on_the_cpu() -> None:
    models = (replace(MODEL, named=False),)
    assert not found(Facts(system(), software(library=NO_LIBRARY, models=models)))


def test_a_container_without_usb_bus_says_how_to_pass_it() -> None:
    inside = system(usb_bus=False, usb_devices=0, usb_nodes=0, container="/.dockerenv is there")
    one = found(Facts(inside, software(library=library(devices=()))))["usb-bus"]
    assert "-v /dev/bus/usb:/dev/bus/usb" in str(one.mend)
    assert "this is a container: /.dockerenv is there" in one.evidence


def test_a_stick_whose_device_file_was_not_passed() -> None:
    inside = system(
        board(node_there=False, node_text=None), usb_nodes=1, container="/.dockerenv is there"
    )
    one = found(Facts(inside, software()))["device-file"]
    assert one.level == "error"
    assert "/dev/bus/usb/002/003 is not" in one.evidence[0]
    assert "1 of 5 USB devices have a file here" in one.evidence
    assert "--device-cgroup-rule='c 189:* rmw'" in str(one.mend)


def test_a_board_whose_device_file_was_not_passed() -> None:
    lost = board(PCI, node_there=False, node_text=None)
    inside = found(Facts(system(lost, container="x"), software()))["device-file"]
    assert "docker run --device /dev/apex_0" in str(inside.mend)
    assert "modprobe" in str(found(Facts(system(lost), software()))["device-file"].mend)


@pytest.mark.parametrize(("firmware", "nodes", "vanishes"), [
    (False, 1, True), (True, 1, False), (False, 5, False), (None, 1, False),
])  # fmt: skip
def test_a_stick_that_was_passed_alone_vanishes_on_its_first_use(
    firmware: bool | None, nodes: int, vanishes: bool
) -> None:
    tpu = replace(USB, firmware_loaded=firmware)
    findings = found(Facts(system(board(tpu), usb_nodes=nodes), software()))
    assert ("first-use" in findings) is vanishes


def test_permission_by_a_group_that_the_user_is_not_in() -> None:
    shut = board(replace(USB, accessible=False))
    one = found(Facts(system(shut, user=User("bob", ("bob",), ("bob",))), software()))["permission"]
    assert one.mend == "sudo usermod -aG plugdev bob, then log out and in again"
    assert one.evidence[0] == "/dev/bus/usb/002/003 is root:plugdev 0660"
    assert one.evidence[1] == "user bob, groups bob"


def test_permission_by_a_group_that_the_session_does_not_have_yet() -> None:
    shut = board(replace(USB, accessible=False))
    user = User("bob", ("bob",), ("bob", "plugdev"))
    one = found(Facts(system(shut, user=user), software()))["permission"]
    assert str(one.mend).startswith("log out and in again: bob is in group plugdev")


@pytest.mark.parametrize(("tpu", "mend"), [
    (USB, "99-edgetpu-accelerator.rules"), (PCI, "65-apex.rules"),
])  # fmt: skip
def test_permission_without_any_udev_rule(tpu: object, mend: str) -> None:
    shut = replace(PCI if tpu is PCI else USB, accessible=False)
    text = f"{shut.node} is root:root 0600"
    one = found(Facts(system(board(shut, node_text=text, node_group="root")), software()))
    assert mend in str(one["permission"].mend)
    ruled = system(board(shut, node_group="root"), udev_rule="/lib/udev/rules.d/60-x.rules")
    again = found(Facts(ruled, software()))["permission"]
    assert (mend in str(again.mend)) is (tpu is PCI)
    assert "udevadm control --reload-rules" in str(again.mend)


def test_a_control_group_may_forbid_what_the_mode_allows() -> None:
    inside = system(board(refusal="Operation not permitted"), container="x")
    one = found(Facts(inside, software()))["permission"]
    assert "opening it: Operation not permitted" in one.evidence
    assert "device-cgroup-rule" in str(one.mend)


def test_a_busy_stick_names_its_user_and_counts_less_beside_a_free_one() -> None:
    taken = board(users=("1234 (python3 server.py)",))
    one = found(Facts(system(taken), software()))["busy"]
    assert one.level == "error"
    assert one.evidence == ("/dev/bus/usb/002/003 is open in process 1234 (python3 server.py)",)
    assert "kill 1234" in str(one.mend)
    beside = found(Facts(system(board(PCI), taken), software()))["busy"]
    assert beside.level == "warning"


def test_a_stick_in_use_by_edgescale_is_fine_and_nobody_is_to_be_ended() -> None:
    lock = "Edge TPU 'usb' is in use by process 7, and only one process can use it"
    facts = Facts(system(board(runs=(lock,))), software(library=library(devices=())))
    findings = {one.check: one for one in diagnose(facts)}
    assert (findings["busy"].level, findings["busy"].mend) == ("ok", None)
    assert findings["busy"].what == "The Edge TPU usb 2-1 is in use by edgescale, as it should be."
    assert findings["busy"].evidence == (lock,)
    assert not found(facts)
    both = Facts(system(board(runs=(lock,), users=("8 (frigate)",))), software())
    assert "8 (frigate)" in found(both)["busy"].evidence[0]


@pytest.mark.parametrize(("kernel", "module", "said"), [
    ("Linux 6.1.0-rpi7", False, "gasket-dkms && sudo modprobe apex"),
    ("Linux 6.8.0", False, "Google's coral-edgetpu-stable archive"),
    ("Linux 6.12.34+rpt-rpi-2712", False, "github.com/feranick/gasket-driver"),
    ("Linux 6.12.34+rpt-rpi-2712", True, "dmesg"),
])  # fmt: skip
def test_a_board_without_driver(kernel: str, module: bool, said: str) -> None:
    tpu = replace(PCI, path="0000:01:00.0", node=None, driver=False, accessible=None, note="no one")
    facts = system(board(tpu, node_there=None), machine=machine(system=kernel), apex_module=module)
    one = found(Facts(facts, software()))["driver"]
    assert one.level == "error"
    assert said in str(one.mend)
    assert one.evidence[0].startswith("/sys/bus/pci/devices/0000:01:00.0 is 1ac1:089a")
    assert f"kernel: {kernel}" in one.evidence
    assert ("newer than 6.8" in one.what) is ("feranick" in said)


def test_a_board_that_fell_off_the_bus() -> None:
    one = found(Facts(system(board(PCI, sensor_c=-89.7)), software()))["fell-off-bus"]
    assert one.evidence == ("/sys/class/apex/apex_0/temp says -89.7 C",)
    assert "off and on" in str(one.mend)
    assert not found(Facts(system(board(PCI, sensor_c=-20.0)), software()))


@pytest.mark.parametrize(("celsius", "clock"), [(84.9, None), (85.0, "250"), (96.0, "62.5")])
def test_a_board_above_a_trip_point_says_its_clock(celsius: float, clock: str | None) -> None:
    findings = found(Facts(system(board(PCI, sensor_c=celsius)), software()))
    if clock is None:
        assert not findings
        return
    assert findings["too-hot"].level == "warning"
    assert f"runs at {clock} of 500 MHz" in findings["too-hot"].what


def test_a_usb_2_port_is_a_warning() -> None:
    one = found(Facts(system(board(replace(USB, speed_mbit_s=480))), software()))["usb2"]
    assert one.level == "warning"
    assert one.evidence == ("/sys/bus/usb/devices/2-1/speed is 480, USB 3 has 5000",)
