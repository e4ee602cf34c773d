"""What a benchmark answers: a ratio, what it should be, and the figures behind it; and how they are taken together."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Figure = float | int | bool | str | list[float]


@dataclass(frozen=True)
class Result:
    """One benchmark's answer. `at_least` tells whether the target is the least or the most the ratio may be."""

    bench: str
    ratio: float
    target: float
    figures: Mapping[str, Figure] = field(default_factory=dict)
    at_least: bool = True
    further_met: bool = True

    @property
    def met(self) -> bool:
        """Whether the ratio is on the right side of its target, and so is every further one among the figures."""
        return self.further_met and (self.ratio >= self.target if self.at_least else self.ratio <= self.target)

    def as_json(self) -> str:
        """One line; numbers to four significant digits, which is more than a shared machine can vouch for."""
        document = {"bench": self.bench, "ratio": self.ratio, "target": self.target, "met": self.met, **self.figures}
        return json.dumps({name: _rounded(value) for name, value in document.items()})

    def as_text(self) -> str:
        """The same for people."""
        sign = "at least" if self.at_least else "at most"
        lines = [f"{self.bench}: {_rounded(self.ratio)} ({sign} {self.target}: {'met' if self.met else 'MISSED'})"]
        lines += [f"  {name:<36} {_rounded(value)}" for name, value in self.figures.items()]
        return "\n".join(lines)


@dataclass(frozen=True)
class Sample:
    """What had been done at a moment of the monotonic clock."""

    at_s: float
    done: int


@dataclass(frozen=True)
class Rate:
    """How fast contacts went through a process, and what one of them cost it in µs of CPU."""

    contacts_per_s: float
    cpu_us: float


def slope(samples: Sequence[Sample]) -> float:
    """Done per second by least squares over all samples: a staircase of commits does not matter then."""
    fit = statistics.linear_regression([sample.at_s for sample in samples], [sample.done for sample in samples])
    return fit.slope


def between(samples: Sequence[Sample], first: float, last: float) -> list[Sample]:
    """Those samples whose `done` lies between two shares (0-1) of the last one's."""
    total = samples[-1].done
    return [sample for sample in samples if first * total <= sample.done <= last * total]


def rounds(most: int, scale: float) -> int:
    """How often to measure both in turn: once where a scale below 0.1 only asks whether the benchmark runs."""
    return most if scale >= 0.1 else 1


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median of the ratios of pairs measured one after the other: what slows the machine slows both of a pair."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def _rounded(value: Figure) -> Figure:
    match value:
        case bool() | str() | int():
            return value
        case list():
            return [float(f"{each:.4g}") for each in value]
        case _:
            return float(f"{value:.4g}") if abs(value) < 1_000 else float(round(value))
