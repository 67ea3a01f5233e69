"""The tuned numbers of the planner: ascents, dives, searches and their shares of a limit.

Most of the gap of a dive arises while the last, small jobs share the remaining capacity: these are
placed in many small parts, with a step of the prices between two. While large jobs are placed
prices change little and fewer parts are enough, but not far fewer: the error of outdated prices is
not corrected later.
"""

from __future__ import annotations

import math
from typing import NamedTuple

#: Largest number of jobs whose large gangs get more work; also the size of samples of later jobs.
FEW = 30_000
#: Largest number of jobs of which a sample has all. Nine tenths of their time go into the energy
#: block: it is solved less often, and a quick plan is made before the first careful dive.
SMALL = 4_000
#: Sizes below it, up to two accelerator-hours, are placed in `DiveOptions.last_parts` parts.
LAST_SIZES = 2


class SampledAscentOptions(NamedTuple):
    """Options of a sampled ascent, whose steps price one small sample in turn."""

    steps: int
    #: First and last length of the steps, in typical prices.
    lengths: tuple[float, float]
    #: Jobs in a sample.
    sample: int = 4_000
    #: Steps between two solves of the energy block, which takes longer than a sample.
    energy_every: int = 2
    #: Shares of the past that the mean slope and its mean square keep, and the part of a row's own
    #: price that is added to the typical price of its step.
    memory: tuple[float, float] = (0.95, 0.99)
    own_part: float = 0.1


#: From nothing. Its first steps are ten typical prices long: the loss of a large site multiplies
#: the prices of all others, and with steps of one typical price the ascent then left a gap of 2 %.
#: After an ascent with all jobs 0.008 % are left (200,000 jobs, seed 4); with 1,200 steps 0.068 %,
#: with 1,800 no less.
SAMPLED_ASCENT = SampledAscentOptions(1500, (10.0, 0.002))
#: From the prices of an earlier plan. It leaves 0.001 to 0.004 % of the bound, more than an ascent
#: with all jobs gains in that time; 900 steps with the energy block at every other one leave as
#: much.
SAMPLED_ASCENT_WARM = SampledAscentOptions(660, (1.0, 0.007), energy_every=1)
#: The same where the gap asked for is `WIDE` or more. With it and `DIVE_WARM_WIDE` the next hour of
#: 200,000 jobs has a gap of 0.051 and 0.055 % (seeds 1 and 2) in 6.2 s of one processor, in place
#: of 0.021 % in 9.4; with 200 steps it misses 0.1 %.
SAMPLED_ASCENT_WARM_WIDE = SAMPLED_ASCENT_WARM._replace(steps=400, energy_every=2)
WIDE = 8e-4
#: From nothing where jobs are `SMALL`: the bound with 300 solves of the energy block is within 3e-5
#: of that with 600 (300 and 400 jobs, seeds 0 and 2).
SAMPLED_ASCENT_SMALL = SAMPLED_ASCENT._replace(steps=1200, energy_every=4)
#: The same under a time limit: half the steps, and the energy block at every eighth. With longer
#: first steps, a shorter memory of slopes and a smaller part of the row's own price more is proved
#: in the same time: 566.0 in place of 563.6 yuan, where the relaxation's optimum is 567.2 (300
#: jobs, seed 0), 4,495.1 in place of 4,489.9, of 4,498.9 at most (750 jobs over 48 h, seed 1), and
#: 4,903.5 in place of 4,902.4 (2,000 jobs, seed 1). With 400 steps in place of 600 it is 561.7 in
#: the first.
SAMPLED_ASCENT_SMALL_LIMITED = SAMPLED_ASCENT._replace(
    steps=600, lengths=(20.0, 0.005), energy_every=8, memory=(0.9, 0.99), own_part=0.02
)
#: Seconds of a time limit per job, and per hour of the problem, from which on small problems are
#: solved as without a limit. For 3,000 jobs over some 65 hours the shorter ascent proves 10,344
#: yuan, the longer one with an ascent of all jobs after it 11,204: in 7 s, of 100 for the whole
#: plan.
AMPLE_S_PER_JOB, AMPLE_S_PER_HOUR = 2e-2, 0.25
#: From nothing where a time limit leaves less than `HASTE` seconds a job. At 20,000 jobs it takes
#: half a second of one processor, and a dive at its prices places 98 % of the jobs of a longer one.
SAMPLED_ASCENT_HASTY = SAMPLED_ASCENT._replace(steps=180, sample=2_000)
HASTE = 1e-4
#: Short, with small steps over larger samples: used where another ascent did not improve the bound.
SAMPLED_ASCENT_NEAR = SampledAscentOptions(200, (0.03, 0.001), sample=8_000)


#: From the prices of an hour ago where jobs are `SMALL`: 200 steps prove 7,139.7 yuan; 1,200 from
#: nothing prove 7,142.7 in five times the time.
SAMPLED_ASCENT_HOUR = SampledAscentOptions(200, (0.1, 0.005), sample=8_000)
#: The same where time is short: 7,550 of 7,566 yuan in 0.4 s of one processor in place of 0.9.
SAMPLED_ASCENT_HOUR_BRIEF = SampledAscentOptions(100, (0.1, 0.01), sample=8_000, energy_every=4)
#: Seconds left below which `SAMPLED_ASCENT_HOUR_BRIEF` is used.
BRIEF_S = 10.0
#: Follows it where the prices of an hour ago were far from the new ones, as after a first hour with
#: too little time for better ones. From nothing it proves 7,180 of 7,204 yuan in 0.7 s.
SAMPLED_ASCENT_HOUR_FAR = SampledAscentOptions(300, (5.0, 0.01), sample=600, energy_every=5)
#: Seconds a job below which small problems take their first prices from `SAMPLED_ASCENT_HOUR_FAR`.
BRIEF_S_PER_JOB = 2e-3


class DiveOptions(NamedTuple):
    """Options of a dive."""

    #: Parts in which a size is placed, with a step of the prices between two; the same for each of
    #: the last sizes; steps before the first part.
    parts: int
    last_parts: int
    settle: int
    #: Jobs in a sample of later ones, and the number of these samples, which take turns.
    later: int
    samples: int
    #: Whether loads of the energy block are limited to the trust region, and the steps between two
    #: of its solves.
    near: bool = False
    energy_every: int = 1
    #: Lengths of the steps for the largest and the smallest jobs, and the share of the average
    #: price that a step keeps.
    lengths: tuple[float, float] = (0.01, 0.2)
    memory: float = 0.8
    #: Size from which on, 2 ** large / 2 accelerator-hours, other jobs are moved for a job that
    #: finds no room.
    large: int = 7

    def parts_of(self, size: int) -> int:
        """Return the parts in which jobs of up to 2 ** `size` accelerator-hours are placed."""
        return self.last_parts if size < LAST_SIZES else self.parts


#: Of a first dive, and of a second one where the first leaves too wide a gap. Where a gap below
#: `LEAST_LEFT` is asked for, which the first might miss, only the second is made. With steps a
#: third as long as (0.01, 0.2), and loads limited to a range about the last use, 36 parts leave
#: gaps of 0.011 to 0.014 % (200,000 jobs, seeds 1, 3 and 4) and 0.010 % (1,000,000), 130 parts
#: 0.007 to 0.009 % in two and a half times the time; the longer steps left 0.015 to 0.048 %.
DIVE = DiveOptions(
    36, last_parts=60, settle=10, later=FEW, samples=1, near=True, lengths=(0.003, 0.06)
)
DIVE_CAREFUL = DIVE._replace(parts=130, last_parts=130, settle=20)
LEAST_LEFT = 4.5e-4
#: Of dives where jobs are few; the second one is used if the first does not prove the gap.
DIVE_FEW = DiveOptions(130, last_parts=300, settle=20, later=FEW, samples=1, large=3)
DIVE_AGAIN = DIVE_FEW._replace(parts=250, last_parts=500)
#: The same where jobs are `SMALL`: with the energy block solved at every sixth step, plans of 400
#: and 1,000 jobs are as good in a third and half of the time.
DIVE_SMALL = DIVE_FEW._replace(energy_every=6)
#: Of a first dive before the careful ones where time is limited, which makes a complete plan with
#: nearly the same use of the hours. At 20,000 jobs it takes half a second of one processor in place
#: of six, and places 98 % of the jobs that the careful ones place.
DIVE_HASTY = DiveOptions(6, last_parts=24, settle=4, later=1500, samples=2, energy_every=3)
#: Least ratio of the time of a more careful dive to that of the dive before it.
TIMES_AS_LONG = 5.0
#: A quick dive where jobs are `SMALL`, from the prices of an hour ago or before the careful ones.
#: With 20 steps before each size, short ones, and loads within a trust region four plans of 2,000
#: jobs under a limit of 5 s of work cost 3.2 % less than with 8 longer steps and free loads.
DIVE_QUICK = DIVE._replace(parts=20, last_parts=40, settle=20, energy_every=6, large=3)
#: Of dives for the jobs that leave their options of an earlier plan: a quick one, and two more
#: careful ones that follow while the gap is not proved. Moving other jobs to make room takes a pass
#: over all jobs for each size, and gains nothing where most of them are placed. Short steps leave
#: gaps half as wide: with (0.003, 0.06) and 47 parts a mandate of 85 or 90 % leaves 0.012 %, the
#: loss of the site Horinger 0.015 %; with (0.01, 0.4) they left 0.026 and 0.030 % (200,000 jobs,
#: seed 2).
DIVE_WARM = DiveOptions(
    40,
    last_parts=80,
    settle=8,
    later=8_000,
    samples=4,
    near=True,
    energy_every=2,
    lengths=(0.002, 0.04),
    memory=0.9,
    large=64,
)
DIVE_WARM_WIDE = DIVE_WARM._replace(parts=20, last_parts=40, lengths=(0.004, 0.08))
DIVE_WARM_AGAIN = DIVE_WARM._replace(parts=90, last_parts=220)
DIVE_WARM_LAST = DIVE_CAREFUL


class MasterOptions(NamedTuple):
    """How large the restricted master program is, and how long it is solved again."""

    #: Options of all jobs at most, and from which on a time limit leaves the first prices to
    #: `SAMPLED_ASCENT_HOUR_FAR`: of 750 jobs over 48 h (seeds 1 and 0) the program then proves
    #: 4,632.7 and 1,324.8 yuan in place of 4,638.5 and 1,328.9, 0.6 s of one processor sooner.
    most: int = 100_000
    quick: int = 40_000
    #: Seconds per option that must be left of a limit. With 0.2 s left for the 20,000 options of an
    #: hour of an operator, exchanges gain more; of 1,000 jobs over 48 h with a limit of 2 s (78,500
    #: options, 1.0 s left) plans with the program are 6 % cheaper than with small ruins alone.
    least_s: float = 1e-5
    #: Options of a single job, and of a gang, that the solver knows at first.
    singles: int = 3
    gangs: int = 9
    #: Rounds of cover rows, and rows added in each at most.
    rounds: int = 12
    rows: int = 300
    #: Part of the cost that a round of rows must lift the bound by, and rounds in a row that do not
    #: after which no more rows are added. Options added in the same round lower the bound: with one
    #: round and 2e-4, 4,577 yuan are proved of 750 jobs (seed 1) in place of 4,634.
    gain: float = 1e-4
    in_vain: int = 2
    #: Part of a time limit after which no rows are added.
    cut_part: float = 0.8
    #: Part of a time limit after which no neighbourhood is searched: exchanges follow.
    search_part: float = 0.97


MASTER = MasterOptions()


class NeighbourhoodOptions(NamedTuple):
    """Options of the large neighbourhood search."""

    #: Largest number of neighbourhoods; number of them in a row without a gain after which all
    #: their options are searched and ruins follow each, and after which the search ends.
    most: int = 2_000
    in_vain: int = 8
    enough: int = 32
    #: Number of jobs freed by site, hour or class (`alike`) and about what costs most (`dear`);
    #: number of jobs and idle hours drawn of the latter, of classes in which each job's cheapest
    #: options are, and of jobs that could run in each hour. After 5 s plans of 750 jobs (seeds 0, 1
    #: and 4) are 2.7 % above the bound in the mean of 18 runs; with 100 and 60 jobs freed 3.5 %,
    #: with 200 and 140 3.1 %. With the three cheapest options of a job, which often are in one
    #: class, they are 0.4 % dearer.
    alike: int = 150
    dear: int = 100
    drawn: int = 2
    about: int = 5
    candidates: int = 6
    #: Relative gap at which the search of a neighbourhood ends, its limit of counted work, and its
    #: limit of seconds under a time limit. Most take 10 to 50 ms (750 jobs). With all options and
    #: 100 and 60 jobs freed 4 of 170 took more than 0.15 s, and without the rest of these the gain
    #: a second was a sixth higher.
    gap: float = 1e-4
    steps: float = 6e7
    seconds: float = 0.15


HOODS = NeighbourhoodOptions()


class LocalSearchOptions(NamedTuple):
    """Options of a round of exchanges."""

    #: Jobs tried at most, largest regrets first, and the parts into which they are divided.
    jobs: int
    parts: int
    #: Whether a round makes ejection chains instead of exchanges.
    chains: bool = False


FULL = LocalSearchOptions(30_000, 170)
#: Of the two rounds after a quick dive that misses the gap: a few jobs give most of the gain, in a
#: fifth of a full round's time.
QUICK = LocalSearchOptions(500, 15)
#: Of rounds of chains, a few milliseconds each. They place jobs whose value is a hundred times the
#: loss of the jobs that are moved; the largest regrets give most of the gain.
CHAINS = LocalSearchOptions(300, 300, chains=True)


#: Largest number of samples for the first prices.
MOST_SAMPLES = 25
#: Steps of the ascent with all jobs, the same where jobs are few, and their first and last lengths
#: in typical prices.
BOUND_STEPS, BOUND_STEPS_FEW, BOUND_LENGTHS = 60, 150, (0.003, 0.0005)
#: Largest number of further steps before a second dive: a gap that whole gangs cause does not
#: close.
BOUND_STEPS_AGAIN, BOUND_LENGTHS_AGAIN = 500, (0.002, 0.0002)
#: Steps, of those before a size, after which the difference of each sample from all jobs that are
#: left is computed. It reduces the gap by a third at 200,000 jobs.
CORRECTED_AT = (4, 8, 12, 16)
#: Where jobs are few, jobs with at most `FEW_PLACES` sites are placed as if they were 2 ** EARLIER
#: times as large, because other jobs have more alternatives.
FEW_PLACES, EARLIER = 2, 2
#: Largest number of rounds of chains after those of exchanges where jobs are few. Rounds end when
#: they do not pay, and take little time until then.
CHAIN_ROUNDS = 6
#: Largest number of rounds of exchanges, and of those after a quick dive: at 2,000 jobs four reduce
#: its plan from 7,656 to 7,574 yuan in a second, and a fifth gains nothing.
ROUNDS, ROUNDS_QUICK = 8, 4
#: Part of a time limit after which the ascent to the first prices ends, so that time is left to
#: place jobs at them.
PRICES_PART, PRICES_PART_HASTY, PRICES_PART_SMALL = 0.35, 0.5, 0.4


#: Largest number of options of a problem that is searched as one program, and steps of counted work
#: of a search: 2,000 callbacks of the solver with a hundred options, where the contested days of
#: the tests take 28 at most, and days with limits of load some 1,000.
MOST_SEARCHED, SEARCH_STEPS = 14_000, 6e8
#: The same with more than `MANY_OPTIONS`: 42 callbacks with 6,500 options, where the plans of 60
#: jobs of `east_west` (seeds 0 to 2) are found after 20 to 24, and 30 with 11,000, where that of
#: 100 jobs is found after 23. A search that ends before its first plan is wasted: with 17 callbacks
#: 60 jobs had gaps of 5 to 12 %, with 24 they have 0.8 to 1.3 %.
SEARCH_STEPS_MANY = 1.4e9
#: Largest number of options, all cuts included, of a problem with interruptible jobs that is
#: searched as one program.
MOST_CUTS = 8_000
#: Number of options above which a search ends at the gap `NEAR`, and its bound is reported lower by
#: the part `EASED` of the cost where a gap is left: the search of the checker must reach it.
MANY_OPTIONS, NEAR, EASED = 2_500, 1e-2, 5e-3
#: Part of the remaining time for such a search, the least number of callbacks that it needs, and
#: the proved gap below which no other method follows it.
SEARCH_PART, LEAST_SEARCHED, SEARCHED_ENOUGH = 0.7, 20, 0.03
#: Part of the remaining time for its relaxation: an ascent and a plan need the rest if it fails.
RELAXED_PART = 0.6
#: A plan whose cost is below this part of the first plan's is searched again, with finer
#: tolerances.
FINER = 0.5
#: Requested gap up to which a search continues to its end, since the best plan is meant.
POLISHED = 1e-3


class StepWeights(NamedTuple):
    """Weights of the operations of the planner, in steps of counted work.

    From 60 to 20,000 jobs on 12 sites and 60 classes, a day and three, on one thread, a step took
    about 5 ns. A weight that is wrong by a factor of two only changes where a limit ends a solve.
    """

    #: A pass over the jobs: each hour of a job's window and site, and each price of a table.
    lane: float = 0.3
    table: float = 0.12
    #: A step of the ascent, for each row.
    row: float = 10.0
    #: A job placed, for each hour of its window and class; tried in exchanges, likewise; at the
    #: start of a chain, for each other job.
    option: float = 1.0
    exchange: float = 10.0
    chain: float = 30.0
    #: An interruptible job at a class: reading its least price, and each entry of their table; its
    #: cheapest cut, for each hour of the problem, and for each hour and hour of work.
    pair: float = 20.0
    least: float = 4.0
    cut: float = 100.0
    cut_hour: float = 12.0
    cut_node: float = 3.0
    #: A linear program solved, for each row and column.
    solve: float = 40.0
    #: A step of the simplex method, and the same for each row and column.
    iteration: float = 2_000.0
    iteration_size: float = 2.0
    #: The work between two callbacks of a search by branch and bound, for rows and columns to the
    #: power 1.5: 1.2 ms of one processor with 700, 45 ms with 8,600, 0.1 to 0.2 s
    #: with 11,000 of them.
    asked: float = 15.0

    def iterations(self, count: float, size: int) -> float:
        """Count `count` iterations on a program of `size` rows and columns."""
        return count * (self.iteration + self.iteration_size * size)

    def questions(self, count: float, size: int) -> float:
        """Count `count` questions of a search in a program of `size` rows and columns."""
        return count * self.asked * size * math.sqrt(size)


STEPS = StepWeights()
#: Steps in a unit of a limit of work, as in the solvers of the core.
STEPS_PER_UNIT = 1_000
#: Steps that count as a second where a limit of work replaces one of time.
STEPS_PER_S = 2e8
#: Units of work for the least shortfall of a mandate that cannot be kept.
LEAST_UNITS = 1e6
#: Share of the past that the average price of an ascent keeps. Not measured for flatness.
PRICE_MEMORY = 0.9
#: Interruptible jobs: the sampled ascent from the prices of whole runs, and the ascent with all
#: jobs after it (steps and lengths). These and the numbers below were not measured for flatness.
CUT_ASCENT = SampledAscentOptions(400, (1.0, 0.005), energy_every=2)
CUT_CLIMB = (60, (0.005, 0.0005))
#: The same where jobs are not `SMALL`: `CUT_SAMPLES` samples of all jobs take turns.
CUT_ASCENT_MANY = SampledAscentOptions(
    120, (0.3, 0.003), sample=1_000, energy_every=3, memory=(0.9, 0.99), own_part=0.02
)
CUT_SAMPLES = 8
CUT_CLIMB_MANY = (8, (0.003, 0.0005))
#: Share of interruptible work from which whole runs are planned by a quick dive alone, where jobs
#: are not `SMALL`, and the limit of that plan in units of counted work per job: six seconds at
#: 20,000 jobs, of which a plan from nothing takes three.
MOSTLY_CUT, WHOLE_UNITS_PER_JOB = 0.3, 60.0
#: Largest number of rounds in which jobs are cut again, and the jobs of a round that are tried
#: together at first.
CUT_ROUNDS, CUT_BATCH = 12, 16
#: Number of alternations between rounds of cuts and the placement of the other jobs, and of rounds
#: of exchanges in the latter.
CUT_TURNS, BESIDE_ROUNDS = 3, 2
#: Least gain of a job by its pieces, as a part of its price, to run in pieces where jobs are many.
CUT_GAIN = 0.01
#: Ascent and dive of the jobs that run whole beside those in pieces. At 20,000 jobs plans cost 0.15
#: % more than after 660 steps and a dive of 40 and 60 parts with the energy block at every other
#: step, in 5 s of one processor in place of 11.
ASCENT_BESIDE = SAMPLED_ASCENT_WARM._replace(steps=200, lengths=(0.5, 0.005), energy_every=2)
DIVE_BESIDE = DiveOptions(30, last_parts=40, settle=8, later=4_000, samples=2, energy_every=4)
#: Rounds in which jobs without room are tried again with the remaining capacity.
CUT_TRIES = 12
#: Parts of a time limit at which the sampled ascent with cuts ends, and the ascent with all jobs
#: after it; and the reported progress of the solve at that point.
CUT_PART, CUT_CLIMB_PART, CUT_CLIMB_DONE = 0.75, 0.7, 0.6
#: Part of a time limit in which whole runs are planned, where jobs are interruptible.
WHOLE_PART = 0.5


class Memory(NamedTuple):
    """Shares of the past that the mean slope and the mean squared slope of an ascent keep."""

    slope: float = 0.9
    square: float = 0.9


#: Of an ascent over all jobs, and of one over small samples whose options set no other: with the
#: first, an ascent over samples ends several times further from the best prices.
MEMORY, MEMORY_SAMPLED = Memory(), Memory(0.95, 0.99)
#: Part of a row's own price that its step adds to the typical price, and that the random prices of
#: `WARM_START` are scaled by.
OWN_PART = 0.1
#: Steps of an ascent between two evaluations of the bound at the average prices.
TRY_EVERY = 20
#: Fractions of a sampled ascent after which the difference of each sample from all jobs is computed
#: again.
SAMPLES_CORRECTED_AT = (0.3, 0.45, 0.6, 0.75, 0.9)


class TypicalPriceOptions(NamedTuple):
    """Typical prices of rows, the unit of an ascent's steps, as parts of prices of the problem."""

    #: Used where all tariffs (yuan per kWh), or all transfer prices (yuan per GB), are 0.
    tariff: float = 0.1
    transfer: float = 0.05
    #: Divisors: of the power price of an accelerator for the price of its capacity, of the tariff
    #: for the price of load, and of a job's value per accelerator-hour for the price of a quota.
    capacity_divisor: float = 3.0
    load_divisor: float = 15.0
    quota_divisor: float = 16.0
    #: The price of load in the first vector of prices, as a part of the tariff.
    first_load: float = 0.75


TYPICAL_PRICE = TypicalPriceOptions()


class TrustRegionOptions(NamedTuple):
    """Limits on the loads that the energy block may choose in a dive, near those of the jobs."""

    #: Distance of the limits from the average load, as a part of it.
    part: float = 0.03
    #: Steps between two changes of the limits: after a change the energy block takes longer.
    every: int = 5
    #: Share of the past that the average load keeps.
    memory: float = 0.7


TRUST_REGION = TrustRegionOptions()


class GreedyOptions(NamedTuple):
    """How jobs that are not placed are added to a plan at its marginal power prices."""

    #: Share of these jobs that is placed at once, at first and at least, and the divisor between.
    first: float = 0.25
    least: float = 0.01
    divisor: float = 4
    #: Placements tried, at most.
    most: int = 80


GREEDY = GreedyOptions()
#: Jobs tried in a round of exchanges at prices that include the penalty of a missed mandate, at
#: most: nearly all jobs have a regret then.
MOST_TRIED_SHORT = 4_000
#: Part of the gap that a round of exchanges must close for another one to follow.
WORTH_A_ROUND = 0.05
#: Distance from a load, as a part of it, at which its marginal prices on both sides are computed.
MARGIN_PART = 1e-3


class RepairOptions(NamedTuple):
    """How a missed mandate is repaired job by job."""

    #: Rounds, and jobs of a short scope tried in each, at most.
    rounds: int = 4
    tried: int = 120
    #: Jobs with the largest regrets tried as well, where jobs are `FEW`.
    tried_by_regret: int = 60
    #: Rounds of leaving out jobs, at most, where the mandate must be kept.
    leaving_rounds: int = 60


REPAIR = RepairOptions()


class AnnealingOptions(NamedTuple):
    """How small ruins in the core go."""

    #: Rounds at most, and rounds in a row without a gain after which they end.
    rounds: int = 200
    without_gain: int = 20
    #: Rounds before neighbourhoods are searched. With 3, 6 and 10, plans of 750 jobs after 5 s cost
    #: the same within what differs from run to run; without any, those of the seeds 0, 1 and 4 are
    #: 0.5 % dearer. Of 1,000 jobs, 10 are best after 5 s, and 3 after 2 s. Without a limit none are
    #: made: 750 jobs (seed 0) then end 2.6 % above the bound in place of 6.5 %.
    first_rounds: int = 3
    #: Jobs that a round places again: 0.05 s of one processor.
    placements: int = 100_000
    #: Temperatures at its begin and end, as parts of the difference of the plan's cost and its
    #: bound. Ten times these leave plans of 750 jobs 2 to 6 % dearer after 2 s, a fifth 1 %.
    first: float = 5e-3
    last: float = 2e-4


ANNEAL = AnnealingOptions()


class WarmStartOptions(NamedTuple):
    """How planning from the prices and the placement of an earlier plan goes."""

    #: Time left, in times of the ascent before it, that a quick dive needs. A whole one takes nine
    #: times (2,250 jobs over 36 h): with half of that it gains more than the annealing that
    #: replaces it, with a quarter it gains nothing.
    dive_per_ascent: float = 4.5
    #: First steps of the plan whose jobs stay, except for exchanges, where jobs are `SMALL`:
    #: `start` counts steps, which are hours where an operator plans by the hour.
    kept_steps: int = 6
    #: Rise of the bound, as a part of it, above which an ascent as from nothing follows: the old
    #: prices were far from the new ones, as after the loss of a site.
    far: float = 0.02
    #: The same one hour later where jobs are `SMALL`: consecutive hours gain 2 to 3 %.
    far_hour: float = 0.05
    #: Vectors of random prices at all of which a job must choose its old option to stay, and their
    #: distance from the new prices, in typical prices.
    vectors: int = 5
    distance: float = 0.02
    #: Gap of a plan after a quick dive, in times of the gap that is asked for, below which a dive
    #: twice as careful is tried before the most careful one, which takes twice as long again.
    near_miss: float = 2.0
    #: Share of jobs that leave from which on no quick dive is made. Where 0.47 of them leave
    #: (Horinger lost) a dive twice as careful has to follow; at 0.56 (Zhangjiakou) that one misses
    #: the gap, too.
    many: float = 0.5


WARM_START = WarmStartOptions()
#: Parts of a linear program with fewer rows and columns than this are solved as one program: a call
#: of the solver alone takes some 50 microseconds, longer than they do. A site with a battery has
#: 500 rows and columns a day.
SMALL_PART = 100
#: Steps of the simplex method without perturbation, for each row and column, after which the solver
#: is asked again with perturbation, which keeps it from cycling.
MOST_STEPS = 10
#: Least prices of windows, and prices of jobs by hour, held in memory at once for cut jobs.
MOST_WINDOWS, MOST_PRICES = 1 << 22, 1 << 23
