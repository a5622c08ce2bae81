"""The parts of a recipe that say how the baseline is scaled and which variants there are."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgescale.architecture.rounding import ROUNDINGS
from edgescale.builder.coefficients_file import StoredCoefficients, read_coefficients
from edgescale.builder.recipe import LIMIT_KEYS, VariantsRecipe
from edgescale.errors import RecipeError
from edgescale.family.fields import Fields
from edgescale.scaling.coefficients import EQUATIONS, Coefficients
from edgescale.scaling.solve import Limits, phi_from_times
from edgescale.scaling.variant import LARGEST_PHI, ScalingRules
from edgescale.units import parse_bytes, parse_count

_LARGEST_TIMES = 2.0**LARGEST_PHI
_LARGEST_LIMIT = 2**53  # as every whole number of a foreign file
_SIZES = ("max_bytes", "max_file_bytes")


def read_rules(fields: Fields | None, home: Path) -> tuple[ScalingRules, Mapping[str, Any] | None]:
    """Reads [scaling]; returns the rules and where stored coefficients come from.

    Raises:
        RecipeError: an unknown or malformed key, or coefficients given twice.
        ArchitectureError: coefficients outside their equation's range.
    """
    if fields is None:
        return ScalingRules(), None
    stored = _stored(fields, home)
    rules = ScalingRules(
        _coefficients(fields) if stored is None else stored.coefficients,
        rounding=fields.text("rounding", "nearest", choices=ROUNDINGS),
        resolution_step=fields.integer("resolution_step", 8, low=1, high=512),
        trim=fields.boolean("resolution_trim", True),
        searched=None if stored is None else stored.searched,
    )
    fields.close()
    return rules, None if stored is None else stored.provenance


def _stored(fields: Fields, home: Path) -> StoredCoefficients | None:
    written = fields.text("coefficients", None, longest=1_000)
    if written is None:
        return None
    for key in ("equation", "alpha", "beta", "gamma"):
        if fields.has(key):
            raise RecipeError(
                f"{fields.where}: '{key}' stands beside coefficients = '{written}', which names"
                " all of them; drop one"
            )
    return read_coefficients(home / written)


def _coefficients(fields: Fields) -> Coefficients:
    return Coefficients.of(
        fields.text("equation", "power", choices=EQUATIONS),
        alpha=fields.number("alpha", None),
        beta=fields.number("beta", None),
        gamma=fields.number("gamma", None),
    )


def read_variants(fields: Fields) -> VariantsRecipe:
    """Reads [variants]: phis, times, published names, and limits that one more variant keeps.

    Raises:
        RecipeError: an unknown or malformed key, none given, one twice, or one out of range.
    """
    phis: tuple[float, ...] = fields.numbers("phis", (), most=100)
    times: tuple[float, ...] = fields.numbers("times", (), most=100)
    names: tuple[str, ...] = fields.texts("names", (), most=100, longest=100)
    counted: dict[str, Any] = {part: _limit(fields, key) for key, part in LIMIT_KEYS.items()}
    limits = Limits(**counted)
    fields.close()
    limited = any(value is not None for value in vars(limits).values())
    if not phis and not times and not names and not limited:
        raise RecipeError(
            f"{fields.where}: no variants; give phis, e.g. phis = [-1, 0, 1], times = [2, 4], a"
            ' limit, e.g. max_bytes = 6_600_000, or names of published ones, e.g. names = ["lite0"]'
        )
    for phi in phis:
        if abs(phi) > LARGEST_PHI:
            raise RecipeError(
                f"{fields.where}.phis: {phi:g} is not between {-LARGEST_PHI:g} and {LARGEST_PHI:g}"
            )
    for number in times:
        if not 1 / _LARGEST_TIMES <= number <= _LARGEST_TIMES:
            raise RecipeError(
                f"{fields.where}.times: {number:g} is no number of times; give one above 0, e.g."
                f" 4 for phi 2, and at most {_LARGEST_TIMES:g}"
            )
        if phi_from_times(number) in phis:
            raise RecipeError(
                f"{fields.where}: times = {number:g} is phi {phi_from_times(number):g}, which phis"
                " names too; drop one"
            )
    for every in (phis, times, names):
        _refuse_twice(every, fields.where)
    return VariantsRecipe(phis, times, names, limits if limited else None)


def _limit(fields: Fields, key: str) -> int | None:
    """Reads a limit: a whole number (1e9 too), or a text with its unit."""
    value = fields.take(key, None)
    if isinstance(value, float) and value.is_integer():
        value = f"{value:.0f}"
    if not isinstance(value, str):
        return fields.integer(key, None, low=1)  # type: ignore[no-any-return]
    try:
        limit = (parse_bytes if key in _SIZES else parse_count)(value)
    except ValueError as problem:
        raise RecipeError(f"{fields.where}.{key}: {problem}") from problem
    if limit > _LARGEST_LIMIT:
        raise fields.refuse(key, f"at most {_LARGEST_LIMIT:,}")
    return limit


def _refuse_twice(every: Sequence[object], where: str) -> None:
    for value in every:
        if every.count(value) > 1:
            raise RecipeError(f"{where}: {value} stands there twice")
