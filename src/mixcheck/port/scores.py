"""What the estimates of the fixed effects take of the scores of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.port.asking import Asked

__all__ = ["ScoreProjection", "Scored"]

# Directions of the fixed effects with less than this share of the largest information are not
# estimated, and take nothing: their parameters are at a limit.
_RANK_TOLERANCE = 1e-10


@dataclass(frozen=True, eq=False)
class ScoreProjection:
    """What the estimates of the fixed effects take of the scores of a data set.

    With the scores s of all parts at the modes, the model matrix X of all parts and the covariance
    V of s under the model, ``s - V X (X'V X)^-1 X's`` are, to first order, the scores at the
    estimates from the same data set.

    Attributes
    ----------
    matrices : mapping of part to (n, p)
        Model matrix of each linear predictor; P columns in all.
    slopes : mapping of part to (n, P)
        Rows of ``V X (X'V X)^-1``.
    inflation : (n, P) or None
        Rows of ``C X (X'V X)^-1``, with C the covariance of the scores of zeros that the model
        lacks, ``1(y = 0) / p - 1`` with p the probability of a zero, and s. None where there is no
        such thing: no zero can be added, or the model has a part for zeros.
    covariances : mapping of part to (n, P), optional
        Rows of ``V X``, where rows that lie elsewhere have a part in ``X'V X``.
    information : (P, P), optional
        ``X'V X``.
    """

    matrices: Mapping[str, FloatArray]
    slopes: Mapping[str, FloatArray]
    inflation: FloatArray | None = None
    covariances: Mapping[str, FloatArray] | None = None
    information: FloatArray | None = None

    @classmethod
    def of(
        cls,
        matrices: Mapping[str, FloatArray],
        covariances: Mapping[str, FloatArray],
        information: FloatArray,
        inflation: FloatArray | None = None,
    ) -> Self:
        """That of ``V X`` and ``X'V X``, with the pseudo-inverse; and of ``C X``."""
        inverse = _pseudo_inverse(information)
        return cls(
            matrices,
            {name: part @ inverse for name, part in covariances.items()},
            None if inflation is None else inflation @ inverse,
            covariances,
            information,
        )


@runtime_checkable
class Scored(Protocol, metaclass=Asked):
    """A model that knows the scores of its rows, and what estimation takes of them."""

    def project_scores(self) -> ScoreProjection:
        """What the estimates of the fixed effects take of the scores."""
        ...


def _pseudo_inverse(matrix: FloatArray) -> FloatArray:
    """``D^-1 (D^-1 A D^-1)^- D^-1``, D the roots of the diagonal of a matrix A, ^- after Penrose.

    The inverse of a positive semi-definite matrix on the directions that hold information.
    """
    root = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    unit = np.where(root > 0.0, root, 1.0)
    inverse = np.linalg.pinv(matrix / np.outer(unit, unit), rcond=_RANK_TOLERANCE, hermitian=True)
    out: FloatArray = inverse / np.outer(unit, unit)
    return out
