"""Models of pymer4 by what was recorded of them: the same likelihood, or a refusal."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

import mixcheck as mc
from mixcheck.errors import DataError, OptionError
from mixcheck.port import port_of
from mixcheck.testing import check_model_port

RECORDED = json.loads(
    (Path(__file__).parents[1] / "data" / "pymer4.json").read_text(encoding="utf-8")
)["models"]


def _model(name, **changes):
    """An object with the attributes that pymer4 had left after the fit."""
    known = RECORDED[name]
    frame = mc.datasets.load(known["data"]).reset_index(drop=True)
    if known["data"] == "cbpp":
        frame = frame.assign(share=frame["incidence"] / frame["size"])
    kept = {
        "formula": known["formula"],
        "family": known["family"],
        "link": known["link"],
        "factors": known["factors"],
        "weights": known["weights"],
        "data": pl.from_pandas(frame),
        "fitted": True,
        "result_fit_stats": pl.DataFrame({"logLik": [known["logLik"]]}),
        **changes,
    }
    kind = type(known["class"], (SimpleNamespace,), {"__module__": known["module"]})
    return kind(**kept)


@pytest.mark.parametrize("name", RECORDED)
def test_the_likelihood_is_that_of_r(name):
    """Formulas, families, links, weights, factors and the restricted likelihood are read."""
    assert port_of(_model(name)).llf == pytest.approx(RECORDED[name]["logLik"], abs=1e-3)


def test_the_laws_of_the_port_hold():
    """Checks, refits and comparisons have a model as any other."""
    check_model_port(lambda: _model("logit"))


def test_a_wrong_model_is_found_out():
    """`check` takes the object as it is."""
    report = mc.check(_model("glm"), mc.checks.Dispersion(), seed=1, draws=99)
    assert report.verdicts["dispersion"] is mc.Verdict.FAIL


def test_what_cannot_be_read_is_refused():
    """With the reason, and what to write."""
    cases = {
        "is not fitted": {"fitted": False},
        "family 'gamma'": {"family": "gamma"},
    }
    for reason, changes in cases.items():
        with pytest.raises(OptionError, match=reason):
            mc.check(_model("logit", **changes))
    other = type("skmer", (SimpleNamespace,), {"__module__": "pymer4.models.skmer"})
    with pytest.raises(OptionError, match="skmer of pymer4 is not one of lm, glm, lmer, glmer"):
        mc.check(other())


def test_another_likelihood_is_refused():
    """Such as that of twice as many trials."""
    weights = [2.0 * w for w in RECORDED["logit"]["weights"]]
    with pytest.raises(DataError, match=r"mixcheck\.glmm\(formula, data\)"):
        mc.check(_model("logit", weights=weights))
