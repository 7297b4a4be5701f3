"""What ``import mixcheck`` offers, and what it costs."""

from __future__ import annotations

import inspect
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mixcheck as mc
from mixcheck import errors

ROOT = Path(__file__).parents[1]
NAMES = {
    "datasets",
    "families",
    "priors",
    "glmm",
    "glmm_partitions",
    "PartitionedGLMM",
    "GLMM",
    "Profile",
    "Refits",
    "from_distribution",
    "from_draws",
    "from_fit",
    "from_inference_data",
    "replicate",
    "Replicates",
    "residuals",
    "Residuals",
    "checks",
    "Suite",
    "check",
    "Finding",
    "Skipped",
    "Policy",
    "Verdict",
    "Report",
    "emmeans",
    "MarginalMeans",
    "contrasts",
    "slopes",
    "comparisons",
    "Effects",
    "r2",
    "icc",
    "Explained",
    "aic",
    "aicc",
    "qaic",
    "QuasiAIC",
    "tic",
    "Takeuchi",
    "bic",
    "caic",
    "ConditionalAIC",
    "lrt",
    "model_weights",
    "plots",
    "average",
    "inclusion",
    "Inclusion",
    "kfold",
    "load",
    "FoldScores",
    "exact_lrt",
    "ExactRatio",
    "ModelAverage",
    "LikelihoodRatio",
    "bootstrap_lrt",
    "BootstrapRatio",
    "vuong",
    "Vuong",
    "logo",
    "GroupScores",
    "loo",
    "RowScores",
    "ScoreDifference",
    "compare",
    "Comparison",
    "Selection",
    "select",
    "Suggestions",
    "suggest",
    *errors.__all__,
}
NOT_LOADED = (
    "matplotlib",
    "statsmodels",
    "scipy.stats",
    "scipy.optimize",
    "scipy.spatial",
    "joblib",
    "polars",
    "mixcheck.demo",
    "tqdm",
)


def test_public_names():
    """The table of contents and tab completion hold exactly these names, and no inner room."""
    assert set(mc.__all__) == NAMES
    assert {name for name in dir(mc) if not name.startswith("_")} == NAMES
    assert not hasattr(mc, "run_checks")


def test_names_of_a_fit_have_a_reason():
    """Each public name of a fit stands in the table that says why it is there, once."""
    text = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    table = text.split("## The names of a fit")[1].split("## ")[0]
    rows = [line.split("|")[2] for line in table.splitlines() if line.startswith("| ")][1:]
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    shown = [name for name in dir(mc.GLMM) if not name.startswith("_")]
    assert sorted(listed) == sorted(shown)
    assert f"{len(shown)} names" in table


def test_check_is_what_it_is_called():
    """`mc.check` has its own name wherever Python shows it, and returns from a pickle."""
    assert (mc.check.__name__, mc.check.__qualname__) == ("check", "check")
    assert mc.check.__module__ == "mixcheck.checks.verb"
    assert pickle.loads(pickle.dumps(mc.check)) is mc.check
    assert str(inspect.signature(mc.check)).startswith("(model: ")
    with pytest.raises(mc.UnknownArgumentError, match=r"^check\(\) has no argument zzz="):
        mc.check(None, zzz=1)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_public_names_are_documented(name):
    """Whatever is public says what it is."""
    assert inspect.getdoc(getattr(mc, name))


def test_functions_are_not_hidden_by_modules():
    """The verbs are functions, whichever rooms have been imported."""
    for verb in (mc.glmm, mc.replicate, mc.residuals, mc.check, mc.compare, mc.lrt, mc.aic, mc.bic):
        assert inspect.isfunction(verb)


CODE = """
import sys
import mixcheck as mc, mixcheck.display.render, mixcheck.display.document, mixcheck.families
from mixcheck.command import main
try:
    main(["--help"])
except SystemExit:
    pass
print(*sys.modules, file=sys.stderr)
pastes = mc.datasets.load("Pastes")
fit = mc.glmm("strength ~ 1 + (1 | batch)", pastes)
report = mc.check(fit, seed=1, draws=50, calibration="plug-in")
report.to_text(), report.to_json(), report.to_junit()
print(*sys.modules, file=sys.stderr)
"""


@pytest.mark.slow
def test_import_budget():
    """Import, help, fit, checks and text load neither what draws nor, at first, what few need."""
    found = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    imported, checked = map(set, map(str.split, found.stderr.splitlines()))
    assert "mixcheck" in imported
    assert imported.isdisjoint(NOT_LOADED)
    assert checked.isdisjoint({"matplotlib", "statsmodels", "scipy.stats"})
