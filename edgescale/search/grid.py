"""The patent's grid: the points near alpha * beta^2 * gamma^2 = 2, in exact arithmetic.

Floats lose the points that lie on the tolerance itself, so step and tolerance are read as decimal
texts and everything is compared as fractions (US20200234132A1: values sampled from a grid in
[1, 2]; for Equation 4 the same multipliers minus 1).
"""

import math
import re
from fractions import Fraction

from edgescale.errors import SearchError
from edgescale.scaling.coefficients import DEFAULTS, EQUATIONS, Coefficients

MOST_POINTS = 20_000
_SMALLEST_STEP = Fraction(1, 1000)
_LARGEST_TOLERANCE = 30  # 2 * 2^2 * 2^2 is 32, so that every point is admitted
_DECIMAL = re.compile(r"[0-9]{1,3}(\.[0-9]{1,9})?|\.[0-9]{1,9}")


def grid_points(step: str, tolerance: str, equation: str = "power") -> tuple[Coefficients, ...]:
    """Returns all points of the grid within the tolerance, in lexicographic order.

    Args:
        step: distance of neighbouring values, a decimal number such as ``0.05``.
        tolerance: largest |alpha * beta^2 * gamma^2 - 2|, inclusive; for Equation 4 of 1 + each.
        equation: ``power`` or ``linear``; ``linear`` gives coefficients below 1.

    Raises:
        SearchError: a step or tolerance that is no such number, or admits nothing or too much.
    """
    size, allowed = _checked(step, tolerance, equation)
    values = [1 + index * size for index in range(int(1 / size) + 1)]
    if equation == "linear":
        values = [value for value in values if value < 2]  # Equation 4 has no coefficient of 1
    points: list[tuple[Fraction, Fraction, Fraction]] = []
    for alpha in values:
        for beta in values:
            low = (2 - allowed) / (alpha * beta**2)
            high = (2 + allowed) / (alpha * beta**2)
            points += [(alpha, beta, gamma) for gamma in _squares_between(values, low, high)]
            if len(points) > MOST_POINTS:
                raise SearchError(
                    f"step {step} with tolerance {tolerance} has more than {MOST_POINTS:,} points;"
                    " use a larger step or a smaller tolerance"
                )
    if not points:
        raise SearchError(
            f"tolerance {tolerance} admits no point of the grid with step {step}; use a larger"
            " tolerance, e.g. 0.1, or a smaller step"
        )
    shift = 0 if equation == "power" else 1
    return tuple(
        Coefficients(float(alpha - shift), float(beta - shift), float(gamma - shift), equation)
        for alpha, beta, gamma in points
    )


def resource_product(coefficients: Coefficients) -> Fraction:
    """Returns alpha * beta^2 * gamma^2 exactly; of 1 + each for Equation 4."""
    shift = 0 if coefficients.equation == "power" else 1
    alpha, beta, gamma = (
        Fraction(repr(value)) + shift
        for value in (coefficients.alpha, coefficients.beta, coefficients.gamma)
    )
    return alpha * beta**2 * gamma**2


def incumbent_of(equation: str) -> Coefficients:
    """Returns the published coefficients: 1.2, 1.1, 1.15, or 0.2, 0.1, 0.15 for Equation 4."""
    return Coefficients(*DEFAULTS[equation], equation)


def check_incumbent(tolerance: str, equation: str) -> None:
    """Refuses a tolerance that would leave out the published coefficients.

    Raises:
        SearchError: it would; the message says how large it must be.
    """
    incumbent = incumbent_of(equation)
    off = abs(resource_product(incumbent) - 2)
    if off > _decimal(tolerance, "tolerance"):
        raise SearchError(
            f"tolerance {tolerance} refuses the published"
            f" {incumbent.alpha:g}/{incumbent.beta:g}/{incumbent.gamma:g}, whose alpha * beta^2 *"
            f" gamma^2 is {float(2 - off):.5f}; a search must compare with them, so use a tolerance"
            f" of at least {float(off):.5f}"
        )


def _squares_between(values: list[Fraction], low: Fraction, high: Fraction) -> list[Fraction]:
    """Returns the values on the grid whose square lies from ``low`` to ``high``."""
    size = values[1] - values[0] if len(values) > 1 else Fraction(1)
    # The float finds the neighbourhood, the exact comparison decides.
    first = max(0, math.floor((math.sqrt(max(0.0, float(low))) - 1) / size) - 1)
    last = min(len(values), math.ceil((math.sqrt(float(high)) - 1) / size) + 2)
    return [value for value in values[first : max(0, last)] if low <= value**2 <= high]


def _checked(step: str, tolerance: str, equation: str) -> tuple[Fraction, Fraction]:
    if equation not in EQUATIONS:
        raise SearchError(f"equation '{equation}' is not known; power or linear")
    size, allowed = _decimal(step, "step"), _decimal(tolerance, "tolerance")
    if not _SMALLEST_STEP <= size <= 1:
        raise SearchError(f"step is {step}; it must be from 0.001 to 1, e.g. 0.05")
    if allowed > _LARGEST_TOLERANCE:
        raise SearchError(
            f"tolerance is {tolerance}; it must be from 0 to {_LARGEST_TOLERANCE}, e.g. 0.1"
        )
    return size, allowed


def _decimal(text: str, what: str) -> Fraction:
    if not _DECIMAL.fullmatch(text):
        raise SearchError(
            f"{what} is '{text[:40]}'; give a plain decimal number of at most 9 decimals, e.g. 0.05"
        )
    return Fraction(text if text[0] != "." else f"0{text}")
