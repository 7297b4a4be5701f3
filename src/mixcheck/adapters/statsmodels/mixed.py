"""Linear mixed models of statsmodels, read from their results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from mixcheck.adapters.fitted_elsewhere import Estimates, Rows
from mixcheck.adapters.linear_mixed import Effects, Group, LinearMixed, root_of
from mixcheck.adapters.statsmodels.recipe import converged, fit_quietly, tabulate
from mixcheck.arrays import FloatArray, IntArray

__all__ = ["port_of_mixed"]


@dataclass(frozen=True, eq=False)
class _MixedRecipe:
    """A `MixedLM` without its response, and what is said of it.

    Attributes
    ----------
    model : type
        `MixedLM`.
    exog : (n, p)
    by_row : mapping
        Its groups, and the matrices of random effects and components, as the model was given them.
    reml : bool
    effects : Effects
    rows : Rows
    facts : mapping
        The description of the fit that it is made of.
    """

    model: type
    exog: FloatArray
    by_row: Mapping[str, Any]
    reml: bool
    effects: Effects
    rows: Rows
    facts: Mapping[str, str | int | float | bool | None]

    def __call__(self, response: FloatArray) -> LinearMixed:
        """The fit to a response, (n,).

        Raises
        ------
        ConvergenceError
            If statsmodels finds none.
        """
        fit = {"reml": self.reml}
        return self.read(fit_quietly(self.model, response, self.exog, self.by_row, {}, fit))

    def read(self, result: Any) -> LinearMixed:
        """What is known of a result, and of its random effects."""
        model, scale = result.model, float(result.scale)
        q, variances = len(self.effects.names), np.asarray(result.vcomp, dtype=np.float64)
        covariance = np.asarray(result.cov_re, dtype=np.float64).reshape(q, q)
        root, members = root_of(covariance), []
        for k, label in enumerate(model.group_labels):
            own = np.asarray(model.row_indices[label], dtype=np.intp)
            parts = [np.asarray(model.exog_re_li[k]) @ root] if q else []
            parts += [
                np.asarray(model.exog_vc.mats[j][k]) * np.sqrt(variance)
                for j, variance in enumerate(variances)
            ]
            members.append(Group.of(own, np.hstack(parts), scale))
        llf = float(result.llf)
        count = model.k_fe + model.k_re2 + model.k_vc + 1
        names = list(model.exog_vc.names) if len(variances) else []
        facts = {**self.facts, "log-likelihood": llf}
        return LinearMixed(
            rows=self.rows,
            estimates=Estimates(tabulate(result), llf, count, converged(result), facts),
            X=self.exog,
            effects=self.effects,
            response=np.asarray(model.endog, dtype=np.float64),
            fixed=self.exog @ np.asarray(result.fe_params, dtype=np.float64),
            scale=scale,
            covariance=covariance,
            variances=dict(zip(names, variances.tolist(), strict=True)),
            members=tuple(members),
            restricted=self.reml,
            refitter=self,
        )


def port_of_mixed(result: Any, rows: Rows, formula: str) -> LinearMixed:
    """The port of a `MixedLMResults`, of which `rows` and `formula` are known."""
    model = result.model
    codes, levels = pd.factorize(np.asarray(model.groups))
    name = _name_of(model, rows.frame, codes)
    n = int(np.shape(model.exog)[0])
    matrix = np.asarray(model.exog_re, dtype=np.float64).reshape(n, -1) if model.k_re else None
    facts: dict[str, str | int | float | bool | None] = {
        "formula": formula,
        "family": "gaussian",
        "link": "identity",
        "method": f"statsmodels MixedLM, {'REML' if model.reml else 'ML'}",
        "nobs": n,
        f"levels of {name}": len(levels),
    }
    used = tuple(dict.fromkeys((*rows.used, *((name,) if name in rows.frame else ()))))
    recipe = _MixedRecipe(
        model=type(model),
        exog=np.asarray(model.exog, dtype=np.float64),
        by_row={
            "groups": np.asarray(model.groups),
            "exog_re": matrix,
            "exog_vc": model.exog_vc if model.k_vc else None,
        },
        reml=bool(model.reml),
        effects=Effects(
            group=name,
            names=() if matrix is None else _effect_names(model, matrix),
            matrix=np.zeros((n, 0)) if matrix is None else matrix,
            levels=pd.Index(model.group_labels, name=name),
        ),
        rows=replace(rows, used=used, groups={name: np.asarray(codes, dtype=np.intp)}),
        facts=facts,
    )
    return recipe.read(result)


def _effect_names(model: Any, matrix: FloatArray) -> tuple[str, ...]:
    """Columns of the random effects; statsmodels calls their intercept after the groups."""
    names = zip(model.data.exog_re_names, matrix.T, strict=True)
    return tuple("Intercept" if (Z == 1.0).all() else str(name) for name, Z in names)


def _name_of(model: Any, frame: pd.DataFrame, codes: IntArray) -> str:
    """The column that makes the groups, if one of the table does; "group" otherwise."""
    for column in frame.columns:
        if np.array_equal(pd.factorize(frame[column])[0], codes):
            return str(column)
    return "group"
