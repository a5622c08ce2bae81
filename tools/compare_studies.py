"""Compares the trials of two studies: the same networks and seeds, and equal scores?

Usage: python tools/compare_studies.py STUDY STUDY

Trials are the same where coefficients, seed and the network's digest are; their states, every
epoch's validation accuracy and the scores must then be equal to the last bit. Prints each
difference and how many trials there were; exits with 1 if anything differs.
"""

import json
import sys
from collections import Counter
from pathlib import Path

from edgescale.errors import SearchError
from edgescale.search.trial import TrialRecord, trial_from_dict

TRIALS = "trials.jsonl"


def main() -> None:
    """Compares the two folders of the command line."""
    if len(sys.argv) != 3:
        sys.exit("usage: python tools/compare_studies.py STUDY STUDY")
    first, second = (Path(name) for name in sys.argv[1:])
    try:
        found = differences(first, second)
        one, other = read_trials(first), read_trials(second)
    except (OSError, ValueError, SearchError) as problem:
        sys.exit(f"error: {problem}")
    for difference in found:
        print(difference)
    print(f"{first}: {_counted(one)}; {second}: {_counted(other)}; {len(found)} differences")
    sys.exit(1 if found else 0)


def read_trials(study: Path) -> tuple[TrialRecord, ...]:
    """Reads the trials of a study's folder."""
    lines = (study / TRIALS).read_text("utf-8").splitlines()
    return tuple(
        trial_from_dict(json.loads(line), f"{study / TRIALS}:{number}")
        for number, line in enumerate(lines, 1)
    )


def differences(first: Path, second: Path) -> tuple[str, ...]:
    """Returns what differs between two studies, in words; a trial written twice differs too."""
    one, other = read_trials(first), read_trials(second)
    times = Counter(map(_key, one)), Counter(map(_key, other))
    keys = dict.fromkeys([*times[0], *times[1]])
    found = [
        f"{_named(key)}: {times[0][key]} times in {first}, {times[1][key]} times in {second}"
        for key in keys
        if (times[0][key], times[1][key]) != (1, 1)
    ]
    results = [{_key(record): _result(record) for record in study} for study in (one, other)]
    for key in keys:
        if key in results[0] and key in results[1] and results[0][key] != results[1][key]:
            found.append(f"{_named(key)}: {results[0][key]} and {results[1][key]}")
    return tuple(found)


_Key = tuple[str, float, float, float, int, str]


def _key(record: TrialRecord) -> _Key:
    chosen = record.coefficients
    return (chosen.equation, chosen.alpha, chosen.beta, chosen.gamma, record.seed,
            record.architecture_digest)  # fmt: skip


def _result(record: TrialRecord) -> tuple[str, float | None, tuple[float, ...]]:
    return record.state, record.score, record.validation_accuracy


def _named(key: _Key) -> str:
    return f"{key[1]:g}/{key[2]:g}/{key[3]:g} seed {key[4]} ({key[5][:12]})"


def _counted(records: tuple[TrialRecord, ...]) -> str:
    """Counts trials, and those of each host, which say where a cluster trained."""
    hosts = Counter(record.host for record in records)
    return f"{len(records)} trials ({', '.join(f'{n} on {h}' for h, n in sorted(hosts.items()))})"


if __name__ == "__main__":
    main()
