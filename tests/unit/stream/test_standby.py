import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgescale.errors import DeviceError
from edgescale.family.manifest import VariantRecord
from edgescale.stream.standby import Standby
from tests.fakes import FakeWorker, fake_family


class Openers:
    """Opens fakes, each only when let; keeps all that it opened."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.opened: list[FakeWorker] = []
        self.problem: DeviceError | None = None

    def __call__(self, variant: VariantRecord) -> Any:
        assert self.let.wait(10)
        if self.problem is not None:
            raise self.problem
        self.opened.append(FakeWorker(variant))
        return self.opened[-1]


@pytest.fixture
def openers() -> Openers:
    return Openers()


@pytest.fixture
def standby(openers: Openers) -> Iterator[Standby]:
    one = Standby(openers)
    yield one
    openers.let.set()
    one.close()


@pytest.fixture
def variants(tmp_path: Path) -> tuple[VariantRecord, ...]:
    return fake_family(tmp_path, {"a": 1, "b": 2, "c": 3}).manifest.variants


def test_a_variant_is_opened_while_nobody_waits(
    standby: Standby, openers: Openers, variants: tuple[VariantRecord, ...]
) -> None:
    a = variants[0]
    standby.want(a)
    standby.want(a)
    assert not standby.has(a)
    openers.let.set()
    standby.wait()
    assert standby.has(a)
    standby.want(a)
    assert len(openers.opened) == 1
    assert standby.take() is openers.opened[0]
    assert standby.variant is None


def test_another_variant_takes_the_place_of_the_one_held(
    standby: Standby, openers: Openers, variants: tuple[VariantRecord, ...]
) -> None:
    a, b, _ = variants
    openers.let.set()
    for variant in (a, b):
        standby.want(variant)
        standby.wait()
    assert standby.has(b)
    assert [one.closed for one in openers.opened] == [True, False]


def test_what_is_wanted_anew_waits_for_what_is_being_opened(
    standby: Standby, openers: Openers, variants: tuple[VariantRecord, ...]
) -> None:
    a, b, _ = variants
    standby.want(a)
    standby.want(b)
    openers.let.set()
    standby.wait()
    assert standby.has(a)
    standby.want(b)
    standby.wait()
    assert standby.has(b)


def test_a_failure_is_said_once(
    standby: Standby, openers: Openers, variants: tuple[VariantRecord, ...]
) -> None:
    openers.problem = DeviceError("no memory")
    openers.let.set()
    standby.want(variants[0])
    with pytest.raises(DeviceError, match="no memory"):
        standby.wait()
    standby.wait()
    assert standby.variant is None


def test_a_worker_that_has_served_is_kept_or_retired(
    standby: Standby, variants: tuple[VariantRecord, ...]
) -> None:
    kept, retired = (FakeWorker(variant) for variant in variants[:2])
    standby.keep(kept)
    assert standby.has(variants[0])
    standby.retire(retired)
    standby.close()
    assert (kept.closed, retired.closed) == (True, True)


def test_what_is_dropped_while_it_opens_is_closed_when_it_is_there(
    standby: Standby, openers: Openers, variants: tuple[VariantRecord, ...]
) -> None:
    standby.want(variants[0])
    standby.drop()
    openers.let.set()
    standby.want(variants[1])
    standby.wait()
    standby.close()
    assert standby.variant is None
    assert len(openers.opened) == 2
    assert all(one.closed for one in openers.opened)
    assert threading.active_count() == 1 or not any(
        thread.name.startswith(("open ", "close ")) for thread in threading.enumerate()
    )
