"""What an approximate deviance leaves of the deviance, where that is smooth and hardly moves."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mixcheck.arrays import FloatArray

__all__ = ["Remainder"]


@dataclass(frozen=True, eq=False)
class Remainder:
    """``r + s' d + d' B d / 2`` with ``d = psi - psi_0``.

    Attributes
    ----------
    psi : (P,)
        Where it was found.
    value : float
    slope : (P,)
    bend : (P, P) or None
        Its second derivatives, where they are known.
    error : float
        Standard error of the value.
    """

    psi: FloatArray
    value: float
    slope: FloatArray
    bend: FloatArray | None = None
    error: float = 0.0

    def at(self, psi: FloatArray) -> tuple[float, FloatArray]:
        """The value and its gradient, (P,), at other parameters."""
        moved = psi - self.psi
        if self.bend is None:
            return self.value + float(self.slope @ moved), self.slope
        turned = self.bend @ moved
        return self.value + float((self.slope + 0.5 * turned) @ moved), self.slope + turned

    def carried(self, psi: FloatArray, here: FloatArray, jacobian: FloatArray) -> Remainder:
        """The same as a function of other parameters, of which these are linear functions.

        Parameters
        ----------
        psi : (P',)
            Other parameters.
        here : (P,)
            These there.
        jacobian : (P, P')
            Derivative of these in the others.
        """
        value, slope = self.at(here)
        bend = None if self.bend is None else jacobian.T @ self.bend @ jacobian
        return replace(self, psi=psi, value=value, slope=jacobian.T @ slope, bend=bend)
