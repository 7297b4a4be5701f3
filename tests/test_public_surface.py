"""What ``import mixcheck`` offers, and what it costs."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys

import pytest

import mixcheck as mc
from mixcheck import errors

NAMES = {
    "datasets",
    "families",
    "priors",
    "glmm",
    "GLMM",
    "Refits",
    "from_draws",
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
    "aic",
    "bic",
    "caic",
    "ConditionalAIC",
    "lrt",
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
    "polars",
    "mixcheck.demo",
)


def test_public_names():
    """The table of contents and tab completion hold exactly these names, and no inner room."""
    assert set(mc.__all__) == NAMES
    assert {name for name in dir(mc) if not name.startswith("_")} == NAMES
    assert not hasattr(mc, "run_checks")


def test_check_is_what_it_is_called():
    """`mc.check` has its own name wherever Python shows it, and returns from a pickle."""
    assert (mc.check.__name__, mc.check.__qualname__) == ("check", "check")
    assert mc.check.__module__ == "mixcheck.checks.check"
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


def _loaded(code: str) -> set[str]:
    program = f"import sys\n{code}\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(found.stderr.split())


@pytest.mark.parametrize(
    "code",
    [
        "import mixcheck",
        "from mixcheck.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
    ],
    ids=["import", "help"],
)
def test_import_budget(code):
    """Neither the import nor the help of the command loads what draws or what few need."""
    loaded = _loaded(code)
    assert "mixcheck" in loaded
    assert loaded.isdisjoint(NOT_LOADED)


def test_fitting_and_checking_do_not_draw():
    """A fit, its checks and their text need no matplotlib; only a page with pictures does."""
    code = (
        "import mixcheck as mc\n"
        "fit = mc.glmm('Yield ~ 1 + (1 | Batch)', mc.datasets.load('Pastes')"
        ".rename(columns={'strength': 'Yield', 'batch': 'Batch'}))\n"
        "report = mc.check(fit, seed=1, draws=50, calibration='plug-in')\n"
        "report.to_text(), report.to_json(), report.to_junit()"
    )
    loaded = _loaded(code)
    assert loaded.isdisjoint({"matplotlib", "statsmodels", "scipy.stats"})
