"""What earlier versions wrote is read today.

The files were written on 22 November 2026 (report, suite: commit 3f19b59) and on the 25th
(selection: commit 1713e0a), before findings named who asked, before suites had a version, before
models named their limited parameters, and when the rule of adjustment was called "max-t".
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mixcheck as mc

STORED = Path(__file__).parents[1] / "data" / "stored"


def _text(name: str) -> str:
    return (STORED / f"{name}_early.json").read_text(encoding="utf-8")


def test_a_report():
    """Every number and verdict returns; what it could not say is empty."""
    text = _text("report")
    old, report = json.loads(text), mc.Report.from_json(text)
    new = json.loads(report.to_json())
    assert report.policy == mc.Policy(0.01, "min-p", {"variance ratio": 0.1}, {"outliers": "known"})
    # Adjusted p-values are smaller today, where data sets of one rank are told apart.
    for now, then in zip(new["judgements"], old["judgements"], strict=True):
        assert [now[key] for key in ("check", "verdict", "pvalue")] == [
            then[key] for key in ("check", "verdict", "pvalue")
        ]
    for before, after in zip(old["findings"], new["findings"], strict=True):
        later = ("row_labels", "caution", "asked", "subject", "single_pvalues")
        assert [after.pop(name) for name in later] == [[], "", {}, {}, []]
        assert after["effect"].pop("of") == ""
        assert after == before
    changed = ("findings", "policy", "judgements", "ok")
    assert {k: new[k] for k in new if k not in changed} == {
        k: old[k] for k in old if k not in changed
    }
    # Nothing of it was decided, which is no longer ok.
    assert (old["ok"], new["ok"]) == (True, False)


def test_a_suite():
    """A suite without a version is the one that was written."""
    checks = mc.checks
    expected = (
        checks.Uniformity()
        & checks.Zeros().by("period")
        & checks.Dispersion("variance")
        & checks.RandomEffects()
        & checks.Convergence()
        & checks.Outliers()
    )
    assert "schema_version" not in _text("suite")
    assert mc.checks.Suite.from_json(_text("suite")) == expected


def test_a_selection():
    """Models return, with no limited parameters where none could be named."""
    old, again = json.loads(_text("selection")), mc.Selection.from_json(_text("selection"))
    new = json.loads(again.to_json())
    assert all(model.pop("limited") == [] for model in new["models"])
    assert new.pop("stopped") == ""
    assert new == old
    assert again.best is not None
    assert again.best.model == old["best"]


def test_a_suite_of_another_version():
    """A suite that names a later version is refused by it."""
    with pytest.raises(mc.OptionError, match="schema_version is 2, and 1 is read"):
        mc.checks.Suite.from_json('{"schema_version": 2, "checks": []}')
