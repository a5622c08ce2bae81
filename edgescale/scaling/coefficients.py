"""Compound scaling: one number phi scales depth, width and resolution together.

Tan & Le 2019 (arXiv 1905.11946), Equation 3: d = alpha^phi, w = beta^phi, r = gamma^phi with
alpha * beta^2 * gamma^2 ~ 2. US20200234132A1 adds Equation 4: d = 1 + alpha * phi and so on, whose
coefficients are of another size: with Equation 3's numbers it would scale MACs 45 times at phi 1.
"""

from dataclasses import dataclass

from edgescale.errors import ArchitectureError

EQUATIONS = ("power", "linear")
DEFAULTS = {"power": (1.2, 1.1, 1.15), "linear": (0.2, 0.1, 0.15)}  # alpha, beta, gamma


@dataclass(frozen=True)
class Multipliers:
    """Unrounded multipliers of depth, width and resolution."""

    depth: float
    width: float
    resolution: float

    @property
    def macs_ratio(self) -> float:
        """How many times the MACs of the baseline these promise: d * w^2 * r^2."""
        return self.depth * self.width**2 * self.resolution**2


@dataclass(frozen=True)
class Coefficients:
    """The baseline coefficients, chosen once for all phi.

    ``equation`` is ``power`` (Equation 3, coefficients in [1, 2]) or ``linear`` (Equation 4,
    coefficients in [0, 1)).
    """

    alpha: float = 1.2
    beta: float = 1.1
    gamma: float = 1.15
    equation: str = "power"

    def __post_init__(self) -> None:
        """Refuses coefficients of the wrong equation.

        Raises:
            ArchitectureError: out of the equation's range, or an unknown equation.
        """
        if self.equation not in EQUATIONS:
            raise ArchitectureError(f"equation '{self.equation}' is not known; power or linear")
        low, high = (1.0, 2.0) if self.equation == "power" else (0.0, 1.0)
        for name in ("alpha", "beta", "gamma"):
            value = getattr(self, name)
            if not low <= value <= high or (self.equation == "linear" and value == high):
                number = 3 if self.equation == "power" else 4
                raise ArchitectureError(
                    f"{name} is {value:g}, but Equation {number} ({self.equation}) needs"
                    f" {low:g} <= {name} {'<=' if number == 3 else '<'} {high:g}"
                )

    @classmethod
    def of(
        cls,
        equation: str,
        *,
        alpha: float | None = None,
        beta: float | None = None,
        gamma: float | None = None,
    ) -> "Coefficients":
        """Returns the coefficients given, the equation's defaults in place of the others.

        Raises:
            ArchitectureError: out of the equation's range, or an unknown equation.
        """
        defaults = DEFAULTS.get(equation, DEFAULTS["power"])
        return cls(
            defaults[0] if alpha is None else alpha,
            defaults[1] if beta is None else beta,
            defaults[2] if gamma is None else gamma,
            equation,
        )

    def multipliers(self, phi: float) -> Multipliers:
        """Returns depth, width and resolution multipliers for one phi.

        Raises:
            ArchitectureError: Equation 4 at a phi that makes a multiplier zero or less.
        """
        values = (self.alpha, self.beta, self.gamma)
        if self.equation == "power":
            try:
                return Multipliers(*(value**phi for value in values))
            except OverflowError as problem:
                raise ArchitectureError(f"phi {phi:g} is beyond any network") from problem
        scaled = [1 + value * phi for value in values]
        if min(scaled) <= 0:
            raise ArchitectureError(
                f"phi {phi:g} makes a multiplier of Equation 4 zero or less; use a phi above"
                f" {-1 / max(values):.2f}"
            )
        return Multipliers(*scaled)
