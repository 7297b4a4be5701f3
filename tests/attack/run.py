"""The long form: so many generated calls, and what was wrong with them.

    python tests/attack/run.py --calls 12000 --seed 0

Each fault is one line with its seed and number, and the text of the call; ``--only 17`` makes
the calls of one number again, and prints them.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from attack.judge import Fault, Outcome, judge
from attack.subjects import folder, namespace
from attack.surface import Step, draw


@dataclass(frozen=True)
class Made:
    """One call that was made: the number of its draw, the calls up to it, and its outcome."""

    number: int
    steps: tuple[Step, ...]
    outcome: Outcome
    seconds: float

    @property
    def text(self) -> str:
        """The calls up to this one."""
        return "; _ = ".join(step.text for step in self.steps)


def make(seed: int, number: int, names: dict[str, Any]) -> Iterator[Made]:
    """The calls of one draw; those after the first need its answer."""
    steps = draw(Random(f"{seed}:{number}"))
    held = dict(names)
    for k, step in enumerate(steps):
        started = time.process_time()
        outcome = judge(step, held)
        done = tuple(steps[:1] if k == 0 else (steps[0], step))
        yield Made(number, done, outcome, time.process_time() - started)
        if outcome.raised is not None and k == 0:
            return
        if k == 0:
            held["_"] = outcome.answer


def attack(calls: int, seed: int, start: int = 0) -> Iterator[Made]:
    """At least so many calls, from one number on."""
    names, count, number = namespace(), 0, start
    os.chdir(folder())  # some calls write where they are
    while count < calls:
        for made in make(seed, number, names):
            count += 1
            yield made
        number += 1


def main() -> int:
    """Run the long form and print what was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--only", type=int, help="the calls of one number")
    parser.add_argument("--memory", type=float, default=6.0, help="most memory, in GB")
    told = parser.parse_args()
    _limit_memory(told.memory)
    if told.only is not None:
        os.chdir(folder())
        for made in make(told.seed, told.only, namespace()):
            _print(made, full=True)
        return 0
    kinds: Counter[tuple[str, str]] = Counter()
    ends: Counter[str] = Counter()
    faulty, slowest = 0, []
    for made in attack(told.calls, told.seed, told.start):
        raised = made.outcome.raised
        ends["answer" if raised is None else type(raised).__name__] += 1
        slowest = sorted([*slowest, (made.seconds, made.number)], reverse=True)[:5]
        if made.outcome.faults:
            faulty += 1
            for fault in made.outcome.faults:
                kinds[fault.kind, fault.place] += 1
                if kinds[fault.kind, fault.place] <= 3:
                    print(_line(told.seed, made, fault), flush=True)
    print(f"\n{sum(ends.values())} calls, seed {told.seed} from {told.start}: {faulty} with faults")
    print(", ".join(f"{name} {count}" for name, count in ends.most_common()))
    print("slowest:", ", ".join(f"{seconds:.1f} s ({number})" for seconds, number in slowest))
    for (kind, place), count in kinds.most_common():
        print(f"{count:6d}  {kind}  [{place}]")
    return int(faulty > 0)


def _limit_memory(gigabytes: float) -> None:
    try:
        import resource
    except ImportError:
        return
    size = int(gigabytes * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def _line(seed: int, made: Made, fault: Fault) -> str:
    text = made.text.encode("unicode_escape").decode()
    words = fault.words.encode("unicode_escape").decode()
    return f"FAULT {seed}:{made.number} {fault.kind} [{fault.place}] {words} <- {text[:900]}"


def _print(made: Made, *, full: bool) -> None:
    print(made.text.encode("unicode_escape").decode())
    raised = made.outcome.raised
    print("  ->", repr(made.outcome.answer)[:300] if raised is None else type(raised).__name__)
    if raised is not None and full:
        lines = traceback.format_exception(raised)
        print("".join(lines).encode("utf-8", "backslashreplace").decode())
    for fault in made.outcome.faults:
        print("  ", fault)


if __name__ == "__main__":
    sys.exit(main())
