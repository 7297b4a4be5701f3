"""Formulas mean what they mean in R: model matrices of R for a grammar of its formulas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixcheck.arrays import FloatArray
from mixcheck.design import build_design, parse_formula
from mixcheck.design.columns import read_column
from mixcheck.design.frames import require_columns
from mixcheck.design.known import known_functions, known_values, require_functions
from mixcheck.design.plan import plan_formula
from mixcheck.design.recipe_making import make_matrices
from mixcheck.errors import DataWarning, MixcheckError

# validation/formulas/grammar.R wrote the table, with 12 digits.
TABLE = json.loads((Path(__file__).parents[1] / "data" / "r_formulas.json").read_text())
SPAN = 1e-7
DIGITS = 1e-8

# What R takes and is refused here, with what to write.
REFUSED = {
    "0 * x": "0 and 1 stand for the intercept",
    "x * 1": "0 and 1 stand for the intercept",
    "x > 0": r"write it inside I\(\.\.\)",
    "x + z > 3": r"write it inside I\(\.\.\)",
    "i %% 2": r"write it inside I\(\.\.\)",
    "f == 'p'": r"write it inside I\(\.\.\)",
    "TRUE": "write 1 for an intercept",
    "NULL": "write 1 for an intercept",
    "as.numeric(f)": "make the column in the data",
    "poly(x, z)": r"write poly\(x, 2\) \+ poly\(z, 2\)",
    "poly(x, 2)[, 1]": "Subscripts are not read",
    "splines::ns(x, 3)": "without its package",
    "C(f, sum)": "`sum` is no column",
    "C(f, contr.treatment(3, base = 2))": r"write relevel\(f, ref='b'\)",
    "C(f, contr.treatment, base = 2)": r"write relevel\(f, ref='b'\)",
    "is.na(x)": "make a column of it in the data",
    "d$x": "write `x` where you have",
    "x[1:14]": "Subscripts are not read",
    "I(if (TRUE) x else z)": r"write `ifelse\(condition, yes, no\)`",
    "I((function(v) v)(x))": "given by name in context=",
    "I(x %in% z)": "needs a list of constants",
    "rev(x)": "make a column of it in the data",
    "cumsum(i)": "make a column of it in the data",
    "rank(x)": "make a column of it in the data",
    "I(x -> w)": "Nothing can be assigned",
    "relevel(factor(i %% 3), ref = 2)": "write the level in quotes, one of '0', '1', '2'",
    "relevel(f, ref = 3)": "write the level in quotes, one of 'p', 'q', 'r'",
    "findInterval(x, c(-1, 1))": r"write cut\(x, c\(-Inf, a, b, Inf\), right=FALSE\)",
    "I(x - ave(x, f))": "a column of the data, as data.groupby",
    "I(x / IQR(x))": r"given by name, context=\{'IQR': ..\}",
    "I(x - weighted.mean(x, z))": "looks at other rows is a column of the data",
    "ns(x, knots = quantile(x, c(1, 2) / 3))": "must be numbers here, and is a list",
    "pnorm(x, 1, 2)": "`pnorm` takes x",
    "I(is.element(i, 1:3))": r"write x %in% c\(1, 2\)",
}
# What R refuses and has a meaning here: numbers that scale a product, and powers of one.
WIDER = {"2:x", "1e1:x", "x ^ 1"}


def table() -> pd.DataFrame:
    """The data that R had."""
    return pd.DataFrame(TABLE["data"]).assign(f=lambda d: pd.Categorical(d["f"]), y=range(14))


def ours(text: str) -> FloatArray:
    """Columns of the mean, those left out as combinations of others among them."""
    data = table()
    plan = plan_formula(parse_formula(f"y ~ {text}"))
    require_columns(
        data,
        plan.variables(response=False),
        known_values(None),
        functions=known_functions(None),
    )
    require_functions(plan.functions(response=False), known_functions(None), list(data.columns))
    columns = {name: read_column(data[name], None) for name in data}
    return make_matrices({"mean": plan.predictors["mean"]}, columns, len(data), None)["mean"][0]


def outside(part: FloatArray, whole: FloatArray) -> float:
    """Largest relative distance of a column of `part` from the span of `whole`."""
    if not part.shape[1]:
        return 0.0
    part = part / np.maximum(np.linalg.norm(part, axis=0), 1e-300)
    if not whole.shape[1]:
        return float(np.abs(part).max())
    U, s, _ = np.linalg.svd(whole / np.maximum(np.abs(whole).max(axis=0), 1e-300), False)
    U = U[:, s > 1e-9 * s[0]]
    return float(np.abs(part - U @ (U.T @ part)).max())


def same_columns(a: FloatArray, b: FloatArray) -> bool:
    """Whether two matrices have the same columns, in whatever order."""
    if a.shape != b.shape:
        return False
    left = list(range(b.shape[1]))
    for column in a.T:
        near = [
            j for j in left if np.abs(b[:, j] - column).max() <= DIGITS * (1 + abs(column).max())
        ]
        if not near:
            return False
        left.remove(near[0])
    return True


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::mixcheck.DataWarning")
def test_every_expression_is_that_of_r_or_refused() -> None:
    """The span is R's for every expression, and the columns are for nine of ten."""
    equal, spans, wider = 0, 0, set()
    for entry in TABLE["expressions"]:
        text, stored = entry["text"], entry["columns"]
        try:
            X = ours(text)
        except MixcheckError:
            X = None
        if X is None or text in REFUSED:
            assert X is None, text
            assert stored is None or text in REFUSED, text
            continue
        if stored is None:
            # R has columns that are not finite there, or more than the table stores.
            if np.isfinite(X).all() and X.shape[1] <= len(table()):
                wider.add(text)
            continue
        R = np.array(stored, dtype=float).T.reshape(len(table()), -1)
        assert max(outside(X, R), outside(R, X)) <= SPAN, text
        equal += same_columns(X, R)
        spans += 1
    assert wider == WIDER
    assert spans >= 600
    assert equal >= 0.9 * spans


@pytest.mark.parametrize(("text", "said"), REFUSED.items(), ids=str)
def test_what_is_refused_says_what_to_write(text: str, said: str) -> None:
    """A refusal names what to write."""
    with pytest.raises(MixcheckError, match=said):
        ours(text)


# ---- storage --------------------------------------------------------------------------------

STORAGES: dict[str, Any] = {
    "int8": "int8", "int16": "int16", "int32": "int32", "uint8": "uint8", "uint64": "uint64",
    "float32": "float32", "float64": "float64", "Int8": "Int8", "UInt16": "UInt16",
    "Float32": "Float32", "object": object, "arrow": "int8[pyarrow]", "arrow double":
    "double[pyarrow]",
}  # fmt: skip
ARITHMETIC = [
    "I(i^2)", "I(i**2) + I(i * j)", "{i * j}", "i:j", "i * j * f", "np.power(i, 2)", "I(100 * i)",
    "poly(i, 2, raw=True)", "I(i - j)", "I(-i)", "I(i %% 3) + I(i %/% 2)", "I(2 - i)", "I(200 + i)",
    "factor(i)", "I(i == 3)", "scale(i) + center(j)", "bs(i, df=4)", "log(i, 2)", "pmin(i, j)",
    "ifelse(i > j, i, j)", "cut(i, c(0, 4, 10))", "C(j)", "I(i * 100 * j)",
    "I(i / j)", "i + (j | t)",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::mixcheck.DataWarning")
@pytest.mark.parametrize("storage", STORAGES)
def test_storage_changes_nothing(storage: str) -> None:
    """Whole numbers in every storage give the matrices and names of int64."""
    plain = table()
    stored = plain.astype({"i": STORAGES[storage], "j": STORAGES[storage]})
    for text in ARITHMETIC:
        formula = parse_formula(f"I(j * i) ~ {text}", dispersion="~ 1")
        one = build_design(formula, plain, ratio_is_trials=False)
        two = build_design(formula, stored, ratio_is_trials=False)
        assert one.predictors[0].columns == two.predictors[0].columns, text
        np.testing.assert_array_equal(one.predictors[0].X, two.predictors[0].X, text)
        np.testing.assert_array_equal(one.response, two.response, text)
        for a, b in zip(one.predictors[0].random, two.predictors[0].random, strict=True):
            np.testing.assert_array_equal(a.Z, b.Z)


@pytest.mark.parametrize("storage", ["bool", "boolean", "bool[pyarrow]", object])
def test_storage_of_truth_values(storage: Any) -> None:
    """Truth values in every storage are factors, and 0 and 1 in arithmetic."""
    stored = table().astype({"b": storage, "l": storage})
    for text in ("b", "0 + b", "b * l", "0 + b:f", "I(b + l)", "I(b - l)", "I(!b)", "(0 + b | f)"):
        formula = parse_formula(f"I(l + b) ~ {text}", dispersion="~ 1")
        one = build_design(formula, table(), ratio_is_trials=False)
        two = build_design(formula, stored, ratio_is_trials=False)
        assert one.predictors[0].columns == two.predictors[0].columns, text
        np.testing.assert_array_equal(one.predictors[0].X, two.predictors[0].X, text)
        assert sorted(set(two.response)) == [0.0, 1.0, 2.0]


def test_constant_truth_values_are_left_out_with_a_warning() -> None:
    """A condition that holds nowhere is a column of zeros, as in R, and leaves the model."""
    with pytest.warns(DataWarning, match=r"left out .*: I\(x > 99\)"):
        build_design(parse_formula("y ~ I(x > 99) + z"), table(), ratio_is_trials=False)
