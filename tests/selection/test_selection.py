"""The search engine on models that are a table of numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from itertools import combinations

import joblib
import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.comparison.criterion import Score
from mixcheck.errors import ComparisonError, ConvergenceError, DataError, OptionError
from mixcheck.execution import parallel as workers
from mixcheck.port import ConvergenceFacts
from mixcheck.report.finding import Effect, Finding
from mixcheck.report.report import Report
from mixcheck.selection.candidates import Candidate
from mixcheck.selection.search import objections_of, search_models
from mixcheck.selection.selection import Selection

LETTERS = "abcd"
# Gains in log-likelihood: a and b matter, c hardly, d not at all.
GAINS = {"a": 10.0, "b": 5.0, "c": 0.9, "d": 0.0}
# Sums of a few rounded weights.
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Toy:
    """A comparable model whose facts are given."""

    llf: float
    n_parameters: int
    nobs: int = 10
    data_digest: dict = field(default_factory=lambda: {"rows": "r", "response": "y"})
    fixed_matrices: dict = field(default_factory=dict)
    random_terms: dict = field(default_factory=dict)
    description: dict = field(default_factory=dict)
    converged: bool = True
    notes: tuple = ()
    runaway: tuple = ()

    @property
    def convergence(self) -> ConvergenceFacts:
        """As given."""
        messages = self.notes if self.converged else ("The gradient is large.",)
        return ConvergenceFacts(self.converged, 0.0, 1.0, 1, (), messages, runaway=self.runaway)


def candidate(letters) -> Candidate:
    """A set of letters."""
    kept = "".join(sorted(letters))
    return Candidate(f"y ~ {kept or 1}", {"formula": kept}, tuple(kept), kept)


def neighbours(one: Candidate):
    """One letter less or more."""
    for letter in LETTERS:
        yield candidate(set(one.content) ^ {letter})


def fit(one: Candidate) -> Toy:
    """The sum of the gains."""
    return Toy(sum(GAINS[letter] for letter in one.content) - 20.0, 1 + len(one.content))


def select(fit=fit, **options) -> Selection:
    """A search from the full model on."""
    return search_models((candidate(LETTERS),), neighbours, fit, **options)


def report(pvalue: float) -> Report:
    """A report of one check with this p-value."""
    effect = Effect("variance ratio", 1.5, 1.2, 1.8, 1.0)
    null = "the spread is that of the model"
    return Report((Finding("spread", "spread", null, 1.0, pvalue, "greater", effect, 10),))


def test_all_subsets_are_ranked():
    """Every subset is fitted once, and ranked by a criterion computed by hand."""
    subsets = [set(c) for k in range(5) for c in combinations(LETTERS, k)]
    by_hand = {
        candidate(s).key: -2.0 * (sum(GAINS[x] for x in s) - 20.0) + 2.0 * (1 + len(s))
        for s in subsets
    }
    chosen = select()
    assert {model.model: model.value for model in chosen.models} == by_hand
    assert [model.value for model in chosen.models] == sorted(by_hand.values())
    assert chosen.best is not None
    assert chosen.best.model == "y ~ ab"
    assert len(chosen.path) == 1


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_greedy_and_beam_find_the_same(search):
    """Step by step leads to the best model where gains add up, with fewer fits."""
    whole, steps = select(), select(search=search, width=2)
    assert steps.best == whole.best or steps.best.model == whole.best.model
    assert len(steps.models) < len(whole.models)
    values = [step.value for step in steps.path]
    assert values == sorted(values, reverse=True)
    fitted = [key for step in steps.path for key in step.fitted]
    assert len(fitted) == len(set(fitted)) == len(steps.models)


def test_weights_and_importance():
    """Weights add up to one, and the importance of a term is the sum over its models."""
    chosen = select()
    assert sum(model.weight for model in chosen.models) == pytest.approx(1.0, abs=ROUNDING)
    # Gains add up, so that the odds of a term are exp(gain - 1) whatever else is in the model.
    odds = {letter: np.exp(gain - 1.0) for letter, gain in GAINS.items()}
    for letter, share in chosen.importance.items():
        assert share == pytest.approx(odds[letter] / (1.0 + odds[letter]), abs=1e-9)


def test_ties_go_to_fewer_parameters():
    """Of models with equal criterion the smaller is preferred."""
    chosen = select(criterion=lambda model: 1.0)
    assert chosen.best is not None
    assert chosen.best.model == "y ~ 1"
    assert all(model.close for model in chosen.models)


def _lost(one: Candidate) -> Toy:
    return replace(fit(one), runaway=("level b",))


def test_a_best_model_without_estimates_is_named():
    """The verdict says so, and the record keeps the parameters through JSON."""
    chosen = select(_lost)
    assert "It has no finite estimate of level b" in chosen.verdict
    again = Selection.from_json(chosen.to_json())
    assert again.best is not None
    assert again.best.limited == ("level b",)


def test_failures_are_kept_with_their_reason():
    """A model that raises, or does not converge, is not ranked, and the search goes on."""

    def awkward(one: Candidate) -> Toy:
        if one.content == LETTERS:
            raise ConvergenceError("nowhere finite")
        if one.content == "ab":
            return Toy(100.0, 1, converged=False)
        return fit(one)

    for search in ("all", "greedy"):
        chosen = select(awkward, search=search)
        reasons = {failure.model: failure.reason for failure in chosen.failures}
        assert reasons["y ~ abcd"] == "ConvergenceError: nowhere finite"
        assert "did not converge. The gradient is large." in reasons["y ~ ab"]
        assert chosen.best is not None
        assert chosen.best.model == "y ~ abc"


def test_nothing_fitted_is_an_error():
    """A call in which every candidate fails is wrong, and says why."""

    def fail(_):
        raise ConvergenceError("nowhere finite")

    with pytest.raises(ComparisonError, match=r"none of the 16 candidate models .* nowhere"):
        select(fail)


def test_no_convergence_is_a_value():
    """If no model converges, none is selected, and the record says so."""
    chosen = select(lambda one: Toy(-1.0, 1, converged=False))
    assert chosen.best is None
    assert chosen.best_fit is None
    assert "None of 16 models converged" in chosen.verdict
    assert chosen.to_text()


def test_models_of_other_data_are_refused():
    """Candidates that were fitted to different rows cannot be ranked."""

    def other(one: Candidate) -> Toy:
        return Toy(-1.0, 1, nobs=10 + len(one.content))

    with pytest.raises(ComparisonError, match="different rows"):
        select(other)


def test_gate_shows_and_does_not_select():
    """A model that fails its checks keeps its place in the table and is not the best."""
    chosen = select(
        check=lambda model: report(0.001 if model.n_parameters == 3 else 0.5), checked="all"
    )
    first = chosen.models[0]
    assert (first.model, first.admissible, first.reason) == ("y ~ ab", False, "fails spread")
    assert first.verdicts == {"spread": "FAIL"}
    assert chosen.best is not None
    assert chosen.best.model == "y ~ abc"
    assert chosen.best_fit.n_parameters == 4
    assert "1 model with a lower one fails the checks" in chosen.verdict
    assert chosen.reports["y ~ ab"]["spread"].pvalue == 0.001


def test_gate_checks_the_best_few():
    """Models beyond the number to be checked are neither admissible nor refused."""
    chosen = select(check=lambda model: report(0.5), checked=3)
    assert [m.admissible for m in chosen.models] == [True] * 3 + [None] * 13
    assert "fails spread" not in chosen.to_text()
    assert chosen.to_text().count("not checked") == 13


def test_gate_may_refuse_everything():
    """If no model passes, nothing is selected, and the sentence says so."""
    chosen = select(check=lambda model: report(0.001), checked=4)
    assert chosen.best is None
    assert chosen.best_fit is None
    assert chosen.verdict.startswith("No model is admissible: 4 models")
    assert "12 with a higher one were not checked" in chosen.verdict


def test_a_gate_that_cannot_fail_is_said_to_be_one():
    """Where the draws could not have failed a check, the page says so and does not say PASS."""
    vague = Report(tuple(replace(finding, floor=0.2) for finding in report(0.5).findings))
    text = select(check=lambda model: vague, checked=1).to_text()
    assert "too few draws to fail spread" in " ".join(text.split())


def test_gate_of_the_caller():
    """A gate is any function of a report."""
    chosen = select(check=lambda model: report(0.5), gate=lambda report: "too dear", checked=1)
    assert chosen.models[0].reason == "too dear"
    assert objections_of(report(0.5)) == ""


def test_one_standard_error():
    """A criterion with contributions of groups has a paired error of each difference."""
    rng = np.random.default_rng(1)
    noise = {letter: rng.normal(size=8) for letter in LETTERS}

    def scored(model: Toy) -> Score:
        parts = pd.Series(np.full(8, -0.25 * model.llf) + noise[LETTERS[model.n_parameters % 4]])
        return Score(float(parts.sum()), parts)

    chosen = select(criterion=scored)
    best, *others = chosen.models
    assert best.delta_se == 0.0
    for model in others:
        assert model.close == (model.delta <= max(2.0, model.delta_se))
    assert any(model.delta_se > 2.0 for model in others)
    assert "s.e." in chosen.to_text()


def test_parallel_equals_serial(monkeypatch):
    """The result does not depend on the number of workers."""
    serial = select(search="beam")
    monkeypatch.setattr(workers, "TRIAL_SECONDS", -1.0)
    monkeypatch.setattr(workers, "START_SECONDS", -1.0)
    with joblib.parallel_config(backend="threading"):
        parallel = select(search="beam", n_jobs=2)
    assert parallel.to_json() == serial.to_json()


def test_json_round_trip():
    """What is written is read back, all but the fit and the reports."""
    chosen = select(check=lambda model: report(0.5), checked=2, seed=7, search="greedy")
    again = Selection.from_json(chosen.to_json())
    assert again.to_json() == chosen.to_json()
    assert again.models == chosen.models
    assert json.loads(chosen.to_json())["best"] == "y ~ ab"
    with pytest.raises(DataError, match="schema_version is None, and 1 is read"):
        Selection.from_json("{}")


def test_frame_and_pages():
    """One row a model; text and HTML name the best and warn of inference after selection."""
    chosen = select()
    frame = chosen.to_frame()
    assert len(frame) == 16
    assert frame["delta"].is_monotonic_increasing
    for page in (chosen.to_text(), chosen.to_html()):
        assert "y ~ ab" in page
        assert "no account of the selection" in " ".join(page.split())
    assert "Selection among 16 models" in repr(chosen)


def test_notes_on_fits_are_kept():
    """What a fit says of itself stands in the table, and on the page if it is the best."""
    chosen = select(lambda one: Toy(fit(one).llf, len(one.content), notes=("A variance is 0.",)))
    assert set(chosen.to_frame()["notes"]) == {"A variance is 0."}
    assert "A variance is 0." in chosen.to_text()


def test_progress_counts_models(capsys):
    """Progress is reported in models."""
    seen = []
    select(progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (16, 16)
    select(progress=True)
    assert "16 of 16" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"search": "random"}, "write 'all', 'greedy' or 'beam'"),
        ({"width": 0}, "width must be a whole number of at least 1"),
        ({"checked": "some"}, 'or "all"'),
        ({"max_models": 10}, "more than 10 candidate models"),
        ({"max_models": 4, "search": "greedy"}, "more than 4 candidate models"),
    ],
)
def test_wrong_options(options, message):
    """An option outside its values is one clear error."""
    with pytest.raises(OptionError, match=message):
        select(**options)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("models", 0, "df"), "3", r"models\[0\].df must be a whole number, found '3'"),
        (("models", 0, "verdicts"), [1], r"models\[0\].verdicts must be an object"),
        (("failures",), {}, "failures must be a list"),
        (("search",), "none", "search must be one of 'all', 'greedy', 'beam'"),
        (("importance",), {"a": "b"}, "importance.a must be a finite number"),
        (("models", 0, "delta"), "inf", r"models\[0\].delta must be a finite number, found 'inf'"),
        (("models", 0, "llf"), None, r"models\[0\].llf must be a finite number"),
        (("schema_version",), 99, "schema_version is 99, and 1 is read"),
    ],
)
def test_stored_selections_are_read_with_care(place, value, message):
    """A selection in JSON with something else in a place is refused, and the place is named."""
    content = json.loads(_stored())
    *path, last = place
    held = content
    for step in path:
        held = held[step]
    held[last] = value
    with pytest.raises(DataError, match=message):
        Selection.from_json(json.dumps(content))


def _stored() -> str:
    data = mc.datasets.load("sleepstudy")
    return mc.select("Reaction ~ Days + (1 | Subject)", data).to_json()
