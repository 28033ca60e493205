"""How a search chooses: its methods, each a generator that yields trials and is sent what came of them.

A method knows nothing of training. What it yields depends on its seed and on what it was sent alone, so that a search
which was stopped is resumed by asking again: trials whose results exist are told at once.
"""

import abc
import dataclasses
import math
from collections.abc import Generator, Sequence
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field

from aejax.config import OpenRate, PositiveInt, Seed
from aejax.errors import ConfigError, UserError
from aejax.search.space import Choice, Range, Space, at
from aejax.sweep import MOST, Override

Trials = Annotated[int, Field(gt=0, le=MOST)]
Factor = Annotated[float, Field(gt=1, allow_inf_nan=False)]


class Proposal(NamedTuple):
    """A member to train: where it lies in the space, for how long, and from which earlier one it goes on."""

    slot: int  # Trials of one slot are one candidate, at several rungs.
    point: Override
    until_epoch: int | None = None  # None: to the end, with no pause on the way.
    continues: int | None = None  # The number of the trial from whose state it goes on; None: from the beginning.


# Yields trials, which are numbered from 0 on in the order of the yields, and is sent the loss of each: smaller is
# better, infinite where it diverged.
Proposals = Generator[list[Proposal], list[float], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchMethod(abc.ABC):
    """What all methods have."""

    # Whether candidates may be given, instead of being found in the space; then their number is that of the trials.
    TAKES_CANDIDATES: ClassVar[bool] = False
    # Whether a state that was trained at one point goes on at another.
    CHANGES_WHILE_TRAINING: ClassVar[bool] = False

    trials: Trials = 32
    objective: str = "validation_mse"  # By which metric of validation images trials are compared.
    seed: Seed = 0  # Of the points.

    @abc.abstractmethod
    def propose(self, space: Space, epochs: int, candidates: Sequence[Override]) -> Proposals:
        """Returns the trials of a search over a space, whose members train for some epochs."""

    def best(self, losses: Sequence[Sequence[float]]) -> int:
        """Returns the number of the trial that won, from the losses of every batch of trials: the last batch's best."""
        earlier = sum(map(len, losses[:-1]))
        return earlier + int(np.argmin(losses[-1]))


def _positions(space: Space, num: int, seed: int, *, sobol: bool) -> np.ndarray:
    """Returns positions in the unit cube, [num, fields]; fewer of them are the first of more."""
    if not sobol:
        return np.random.default_rng(seed).random((num, len(space)))
    # The points are those of a full period, of which there are a power of two.
    from scipy.stats import qmc  # Slow to import.

    cube = qmc.Sobol(len(space), rng=np.random.default_rng(seed))
    return cube.random_base2(max(0, math.ceil(math.log2(num))))[:num]


def _points(space: Space, num: int, seed: int, *, sobol: bool) -> list[Override]:
    return [at(space, row) for row in _positions(space, num, seed, sobol=sobol)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Random(SearchMethod):
    """Independent draws."""

    kind: Literal["random"] = "random"

    def propose(self, space: Space, epochs: int, candidates: Sequence[Override]) -> Proposals:
        """Yields all trials at once."""
        yield [Proposal(i, point) for i, point in enumerate(_points(space, self.trials, self.seed, sobol=False))]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sobol(SearchMethod):
    """Points of a scrambled Sobol sequence, which fill the space more evenly than draws (Owen, 1998)."""

    kind: Literal["sobol"] = "sobol"

    def propose(self, space: Space, epochs: int, candidates: Sequence[Override]) -> Proposals:
        """Yields all trials at once."""
        yield [Proposal(i, point) for i, point in enumerate(_points(space, self.trials, self.seed, sobol=True))]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tpe(SearchMethod):
    """Tree-structured Parzen estimators (Bergstra et al., 2011), by Optuna, asked for a batch of trials at a time."""

    kind: Literal["tpe"] = "tpe"
    batch: PositiveInt = 8  # Trials that are trained together: fewer learn more from each other, and take longer.

    def propose(self, space: Space, epochs: int, candidates: Sequence[Override]) -> Proposals:
        """Yields batch after batch, each asked for when the results of those before it are told."""
        optuna = _import_optuna()
        sampler = optuna.samplers.TPESampler(
            seed=self.seed, multivariate=True, constant_liar=True, n_startup_trials=min(self.batch, self.trials)
        )
        study = optuna.create_study(sampler=sampler)
        distributions = {path: _distribution(optuna, domain) for path, domain in space.items()}
        for start in range(0, self.trials, self.batch):
            asked = [study.ask(distributions) for _ in range(min(self.batch, self.trials - start))]
            losses = yield [Proposal(start + i, _point(space, trial.params)) for i, trial in enumerate(asked)]
            for trial, loss in zip(asked, losses, strict=True):
                study.tell(trial, loss)

    def best(self, losses: Sequence[Sequence[float]]) -> int:
        """Returns the number of the best of all trials."""
        return int(np.argmin(np.concatenate(losses)))


def _import_optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise UserError("the search 'tpe' needs a package that is missing; run pip install 'aejax[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _distribution(optuna: Any, domain: Range | Choice) -> Any:
    if isinstance(domain, Choice):
        # By their indices: values may be lists.
        return optuna.distributions.CategoricalDistribution(tuple(range(len(domain.values))))
    kind = optuna.distributions.IntDistribution if domain.whole else optuna.distributions.FloatDistribution
    return kind(domain.low, domain.high, log=domain.log)


def _point(space: Space, params: dict[str, Any]) -> Override:
    return {
        path: domain.values[params[path]] if isinstance(domain, Choice) else params[path]
        for path, domain in space.items()
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Halving(SearchMethod):
    """Successive halving (Karnin et al., 2013; Jamieson and Talwalkar, 2016): the worse stop early.

    All candidates train for a few epochs; the best of them, one in `reduction`, go on for `reduction` times as many in
    all, and so on, until at the last rung few train to the end.
    """

    kind: Literal["halving"] = "halving"
    TAKES_CANDIDATES: ClassVar[bool] = True

    reduction: Annotated[int, Field(ge=2, lt=2**31)] = 3
    rungs: Annotated[int, Field(gt=0, lt=32)] = 3  # No number of epochs can be halved more often.

    def propose(self, space: Space, epochs: int, candidates: Sequence[Override]) -> Proposals:
        """Yields rung after rung: of the last, the best went on."""
        untils = [epochs // self.reduction ** (self.rungs - 1 - rung) for rung in range(self.rungs)]
        if untils[0] < 1:
            raise ConfigError(
                f"rungs={self.rungs} with reduction={self.reduction} needs "
                f"{self.reduction ** (self.rungs - 1)} epochs, and training.epochs is {epochs}; ask for fewer rungs"
            )
        points = candidates or _points(space, self.trials, self.seed, sobol=True)
        rung = [Proposal(i, point) for i, point in enumerate(points)]
        number = 0
        for until in untils:
            rung = [trial._replace(until_epoch=until) for trial in rung]
            losses = yield rung
            # Those that diverged do not go on, unless all did.
            order = np.argsort(losses, kind="stable")[: max(1, len(rung) // self.reduction)]
            rung = [rung[i]._replace(continues=number + int(i)) for i in sorted(order)]
            number += len(losses)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PopulationBased(SearchMethod):
    """Population-based training (Jaderberg et al., 2017): the worse go on from the better, with other numbers.

    After each round the worst of the population take over the states of the best, and change the numbers that they
    found there by a factor, up or down. What wins is not a setting but a schedule of settings.
    """

    kind: Literal["population_based"] = "population_based"
    CHANGES_WHILE_TRAINING: ClassVar[bool] = True

    trials: Trials = 16
    rounds: Annotated[int, Field(ge=2, lt=2**31)] = 8  # Of equal epochs.
    share: OpenRate = 0.2  # Of the population: as many are replaced, by as many.
    factor: Factor = 1.2

    def propose(self, space: Space, epochs: int, candidates: Sequence[Override]) -> Proposals:
        """Yields round after round."""
        if epochs < self.rounds:
            raise ConfigError(f"rounds={self.rounds} is more than training.epochs={epochs}; ask for fewer")
        generator = np.random.default_rng(self.seed)
        points = _points(space, self.trials, self.seed, sobol=True)
        members = [Proposal(i, point) for i, point in enumerate(points)]
        num_replaced = min(max(1, round(self.share * len(members))), len(members) // 2)
        number = 0
        for done in range(1, self.rounds + 1):
            members = [member._replace(until_epoch=epochs * done // self.rounds) for member in members]
            losses = yield members
            order = np.argsort(losses, kind="stable")
            following = [member._replace(continues=number + i) for i, member in enumerate(members)]
            for loser in order[len(order) - num_replaced :]:
                winner = int(generator.choice(order[: max(1, num_replaced)]))
                point = self._explore(space, members[winner].point, generator)
                following[loser] = following[loser]._replace(point=point, continues=number + winner)
            members = following
            number += len(losses)

    def _explore(self, space: Space, point: Override, generator: np.random.Generator) -> Override:
        """Returns a point beside another: each number is changed by the factor, each choice drawn anew now and then."""
        changed = dict(point)
        for path, domain in space.items():
            up, elsewhere = generator.random(2)
            if isinstance(domain, Range):
                changed[path] = domain.clip(point[path] * (self.factor if up < 0.5 else 1 / self.factor))
            elif elsewhere < 0.25:
                changed[path] = domain.at(up)
        return changed


AnySearchMethod = Annotated[Random | Sobol | Tpe | Halving | PopulationBased, Field(discriminator="kind")]
