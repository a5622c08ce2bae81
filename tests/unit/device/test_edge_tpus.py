from pathlib import Path

from edgescale.device.edge_tpus import EdgeTpu, find_edge_tpus


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def usb(name: str, ids: tuple[str, str], speed: str) -> dict[str, str]:
    folder = f"sys/bus/usb/devices/{name}"
    return {
        f"{folder}/idVendor": f"{ids[0]}\n",
        f"{folder}/idProduct": f"{ids[1]}\n",
        f"{folder}/speed": f"{speed}\n",
    }


def test_a_machine_without_sysfs_has_none(tmp_path: Path) -> None:
    assert find_edge_tpus(tmp_path) == ()


def test_finds_usb_before_and_after_its_first_use_and_nothing_else(tmp_path: Path) -> None:
    files = usb("1-1", ("1a6e", "089a"), "480") | usb("2-1", ("18d1", "9302"), "5000")
    files |= usb("2-2", ("18d1", "4ee7"), "5000")
    slow, fast = find_edge_tpus(write(tmp_path, files))
    assert (slow.bus, slow.path, slow.speed_mbit_s) == ("usb", "1-1", 480)
    assert slow.note is not None
    assert "USB 3" in slow.note
    assert fast == EdgeTpu("usb", "2-1", 5000, None, None)


def test_a_pci_board_has_a_temperature_with_its_driver_and_a_note_without(tmp_path: Path) -> None:
    board = "sys/bus/pci/devices/0000:01:00.0"
    root = write(tmp_path, {f"{board}/vendor": "0x1ac1\n", f"{board}/device": "0x089a\n"})
    (without,) = find_edge_tpus(root)
    assert without.bus == "pci"
    assert without.note == "the gasket/apex driver is not loaded for it"
    write(root, {"sys/class/apex/apex_0/temp": "47300\n"})
    assert find_edge_tpus(root) == (EdgeTpu("pci", "apex_0", None, 47.3, None),)
