"""Whether a search goes on with what is there."""

from pathlib import Path
from typing import Any

import pytest

from edgescale.errors import SearchError
from edgescale.search.same_study import check_versions, continued

STORED = {"a": 1, "b": {"c": [1, 2], "d": 4}, "e": "x", "f": 1, "seeds": [0, 1],
          "seeds_before": [], "versions": {"keras": "3.1", "python": "3.11"}}  # fmt: skip


def asked(**other: Any) -> dict[str, Any]:
    return {**STORED, **other}


def test_differences_are_named_and_counted(tmp_path: Path) -> None:
    with pytest.raises(SearchError) as caught:
        continued(STORED, asked(a=2, b={"c": [1], "d": 4}, e="y", f=2, g=None), tmp_path)
    assert "a (1 there, 2 asked); b.c ([1, 2] there, [1] asked)" in str(caught.value)
    assert "and 1 more" in str(caught.value)


def test_the_same_search_leaves_the_definition_as_it_is(tmp_path: Path) -> None:
    assert continued(STORED, asked(versions={"keras": "4"}), tmp_path) is STORED


def test_more_seeds_go_on_and_are_remembered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    once = continued(STORED, asked(seeds=[0, 1, 2]), tmp_path)
    assert once == asked(seeds=[0, 1, 2], seeds_before=[2])
    twice = continued(once, asked(seeds=[0, 1, 2, 3]), tmp_path)
    assert twice == asked(seeds=[0, 1, 2, 3], seeds_before=[2, 3])
    assert "seeds are raised from 2 to 3; after a look" in caplog.messages[0]


def test_fewer_seeds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match="its search has 2 seeds; ask for as many with --seeds 2"):
        continued(STORED, asked(seeds=[0]), tmp_path)


def test_other_versions_are_named(tmp_path: Path) -> None:
    check_versions(STORED, asked(), tmp_path)
    with pytest.raises(SearchError, match=r'trials are missing.*keras \("3.1" there, "4" asked\)'):
        check_versions(STORED, asked(versions={"keras": "4", "python": "3.11"}), tmp_path)
