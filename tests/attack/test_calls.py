"""Malformed calls over the whole public surface: a right answer, or one clear sentence."""

from __future__ import annotations

import inspect
import re
import sys
import warnings
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest

import mixcheck as mc

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from attack import damage, subjects, surface, values
from attack.judge import judge
from attack.run import attack
from attack.surface import Step

# The long form makes 12,000 calls: python tests/attack/run.py
FEW, CALLS = 8, 600
SEED = 20_261_125


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some calls write a file where they are."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("calls", [FEW, pytest.param(CALLS, marks=pytest.mark.slow)])
def test_each_call_ends_in_an_answer_or_in_one_sentence(calls: int) -> None:
    """Of 600 generated calls none shows another library, hangs, leaks or answers wrongly."""
    faults = [
        f"{SEED}:{made.number} {fault.kind} [{fault.place}] {fault.words} <- {made.text}"
        for made in attack(calls, SEED)
        for fault in made.outcome.faults
    ]
    assert not faults, "\n".join(faults)


def test_a_number_makes_the_same_calls() -> None:
    """The calls of a seed and a number can be made again."""
    for number in range(50):
        again = [surface.draw(Random(f"3:{number}")) for _ in range(2)]
        assert again[0] == again[1]


@pytest.mark.slow
def test_every_expression_can_be_evaluated() -> None:
    """No fault of the generator is taken for one of the library."""
    names = subjects.namespace()
    texts = list(values.ANYTHING)
    for target in (*surface.TARGETS, *surface.METHODS):
        for argument in target.arguments.values():
            texts += [*argument.right, *argument.near]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for text in dict.fromkeys(texts):
            eval(text, names)
        for name in damage.STORED:
            damage.stored(name)
        for name in damage.ODD:
            damage.odd_table(name)
        for column in damage.SPOILABLE:
            for how in damage.SPOILED:
                damage.damaged(column, how)


@pytest.mark.slow
def test_right_arguments_are_allowed_by_their_rule() -> None:
    """What is listed as right is never what must be refused."""
    names = subjects.namespace()
    for target in (*surface.TARGETS, *surface.METHODS):
        for name, argument in target.arguments.items():
            for text in argument.right:
                assert argument.domain(eval(text, names)) is not False, (target.call, name, text)


def _public(module: ModuleType) -> dict[str, Any]:
    return {
        name: value
        for name in getattr(module, "__all__", vars(module))
        if callable(value := getattr(module, name))
        and not name.startswith("_")
        and getattr(value, "__module__", "").startswith("mixcheck")
        and not (isinstance(value, type) and issubclass(value, Exception))
    }


def test_the_whole_surface_is_called() -> None:
    """Every public function, class and method is called, or is left out for a reason."""
    calls = [target.call for target in (*surface.TARGETS, *surface.METHODS)]
    text = " ".join((*calls, *surface.AFTER_FIT, *subjects.MADE_BY, "mc.glmm command from_json"))
    words = set(re.findall(r"\w+", text))
    missing = set()
    for module in (mc, mc.checks, mc.families, mc.priors, mc.datasets):
        for name, value in _public(module).items():
            if name not in words and name not in surface.EXEMPT:
                missing.add(name)
            if isinstance(value, type) and module is not mc.families:
                methods = [m for m, _ in inspect.getmembers(value, callable) if m[0] != "_"]
                missing |= {
                    f"{name}.{method}"
                    for method in methods
                    if method not in words and method not in surface.EXEMPT
                }
    assert not missing


class TestJudge:
    """The judge sees what it is there for."""

    @staticmethod
    def _kinds(function: Any, text: str = "probe()", target: str = "probe") -> list[str]:
        outcome = judge(Step(text, None, target=target), {"probe": function})
        return [fault.kind for fault in outcome.faults]

    def test_errors_of_others(self) -> None:
        """An error that is none of ours is a fault, and one in our words is not."""

        def bare() -> None:
            raise ValueError("operands could not be broadcast")

        def ours() -> None:
            raise mc.OptionError("draws must be a whole number; found 'ufunc'")

        assert self._kinds(bare) == ["ValueError"]
        assert self._kinds(ours) == []

    @pytest.mark.parametrize(
        ("text", "kind"),
        [
            ("the 'x' is wrong: could not convert string to float", "foreign words"),
            ("found <object object at 0x7f0011223344>", "foreign words"),
            ("long " * 200, "too long"),
            ("one\ntwo\nthree", "several lines"),
            ("red \x1b[31m", "control characters"),
            (" ", "empty"),
        ],
    )
    def test_messages(self, text: str, kind: str) -> None:
        """Words of others, too many of them, and control characters are faults."""

        def ours() -> None:
            raise mc.DataError(text)

        (found,) = self._kinds(ours)
        assert kind in found

    def test_warnings_and_print(self) -> None:
        """Warnings of others, and what is printed, are faults."""

        def warns() -> None:
            warnings.warn("invalid value", RuntimeWarning, stacklevel=2)
            warnings.warn("Rows were left out.", mc.DataWarning, stacklevel=2)
            print("hello")

        assert self._kinds(warns) == ["warning RuntimeWarning", "printed"]

    def test_state(self) -> None:
        """Filters of warnings, random numbers and arguments that a call changes are faults."""
        import numpy as np

        def leaks(values: list[int]) -> None:
            warnings.filterwarnings("ignore", category=mc.DataWarning)
            np.random.random()  # noqa: NPY002
            values.append(1)

        kinds = self._kinds(leaks, "probe([1])")
        assert kinds == ["left changed", "left changed", "an argument was changed"]

    def test_answers(self) -> None:
        """A wrong argument that is taken, and a wrong answer, are faults."""

        def takes(draws: Any) -> float:
            return float("nan")

        surface.ARGUMENTS["probe"] = {"draws": surface.DRAWS}
        assert self._kinds(takes, "probe(-1)") == ["taken, not refused", "wrong answer"]

    def test_hangs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A call that does not end is stopped, and is a fault."""
        monkeypatch.setattr("attack.judge.SECONDS", 0.2)

        def endless() -> None:
            while True:
                pass

        assert self._kinds(endless) == ["longer than 10 s"]
