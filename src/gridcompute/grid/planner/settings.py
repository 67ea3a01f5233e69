"""How carefully walks and dives go, for plans from nothing and from an earlier one.

What a dive leaves of the gap is left where the last jobs share out what the others did not take:
there it goes in many small parts. Among large jobs the prices hardly move, and fewer do, but not
far fewer: prices that lag there are not made good later.
"""

from __future__ import annotations

import math
from typing import NamedTuple

__all__ = [
    "AMPLE_S_PER_HOUR",
    "AMPLE_S_PER_JOB",
    "ASCENT_BESIDE",
    "BESIDE_ROUNDS",
    "BOUND_LENGTHS",
    "BOUND_LENGTHS_AGAIN",
    "BOUND_STEPS",
    "BOUND_STEPS_AGAIN",
    "BOUND_STEPS_FEW",
    "BRIEF_S",
    "BRIEF_S_PER_JOB",
    "CHAINS",
    "CHAIN_ROUNDS",
    "CHEAPEST",
    "CORRECTED_AT",
    "CUT_ASCENT",
    "CUT_ASCENT_MANY",
    "CUT_BATCH",
    "CUT_CLIMB",
    "CUT_CLIMB_DONE",
    "CUT_CLIMB_MANY",
    "CUT_CLIMB_PART",
    "CUT_GAIN",
    "CUT_PART",
    "CUT_ROUNDS",
    "CUT_SAMPLES",
    "CUT_TRIES",
    "CUT_TURNS",
    "DIVE",
    "DIVE_AGAIN",
    "DIVE_BESIDE",
    "DIVE_CAREFUL",
    "DIVE_FEW",
    "DIVE_HASTY",
    "DIVE_QUICK",
    "DIVE_SMALL",
    "DIVE_WARM",
    "DIVE_WARM_AGAIN",
    "DIVE_WARM_LAST",
    "EARLIER",
    "EASED",
    "FEW",
    "FEW_PLACES",
    "FINER",
    "FIXING_WEIGHTS",
    "FREQUENCY_WINDOW",
    "FULL",
    "GAP_OF_PLAN",
    "GREEDY",
    "HASTE",
    "LAST_SIZES",
    "LEAST_GAP",
    "LEAST_LEFT",
    "LEAST_SEARCHED",
    "LEAST_UNITS",
    "MANY_OPTIONS",
    "MARGIN_PART",
    "MASTER",
    "MEMORY",
    "MEMORY_SAMPLED",
    "MOSTLY_CUT",
    "MOST_CHEAPEST",
    "MOST_CUTS",
    "MOST_GAP",
    "MOST_PRICES",
    "MOST_RELAXED",
    "MOST_SAMPLES",
    "MOST_SEARCHED",
    "MOST_STEPS",
    "MOST_TRIED_SHORT",
    "MOST_WINDOWS",
    "NEAR",
    "OWN_PART",
    "POLISHED",
    "PRICES_PART",
    "PRICES_PART_HASTY",
    "PRICES_PART_SMALL",
    "PRICE_MEMORY",
    "QUICK",
    "RELAXED_PART",
    "REPAIR",
    "ROUNDS",
    "ROUNDS_QUICK",
    "RUIN",
    "SAMPLED_ASCENT",
    "SAMPLED_ASCENT_HASTY",
    "SAMPLED_ASCENT_HOUR",
    "SAMPLED_ASCENT_HOUR_BRIEF",
    "SAMPLED_ASCENT_HOUR_FAR",
    "SAMPLED_ASCENT_NEAR",
    "SAMPLED_ASCENT_SMALL",
    "SAMPLED_ASCENT_SMALL_LIMITED",
    "SAMPLED_ASCENT_WARM",
    "SAMPLES_CORRECTED_AT",
    "SEARCHED_ENOUGH",
    "SEARCH_PART",
    "SEARCH_STEPS",
    "SEARCH_STEPS_MANY",
    "SMALL",
    "SMALL_PART",
    "STEPS",
    "STEPS_PER_S",
    "STEPS_PER_UNIT",
    "TIMES_AS_LONG",
    "TRUST_REGION",
    "TRY_EVERY",
    "TYPICAL_PRICE",
    "WARM_START",
    "WHOLE_PART",
    "WHOLE_UNITS_PER_JOB",
    "WORTH_A_ROUND",
    "DiveOptions",
    "FixingOptions",
    "GreedyOptions",
    "LocalSearchOptions",
    "MasterOptions",
    "Memory",
    "RepairOptions",
    "RuinOptions",
    "SampledAscentOptions",
    "StepWeights",
    "TrustRegionOptions",
    "TypicalPriceOptions",
    "WarmStartOptions",
]

#: Largest number of jobs whose large gangs get more work; samples of later jobs have this size.
FEW = 30_000
#: Largest number of jobs of which a sample has all, and for which nine tenths of the time go into
#: the energy block: it is asked less often, and a plan is there before the first careful dive.
SMALL = 4_000
#: Sizes below it, up to two accelerator-hours, are placed in a pace's last parts.
LAST_SIZES = 2


class SampledAscentOptions(NamedTuple):
    """How a walk over small samples goes."""

    steps: int
    #: First and last length of its steps, in typical prices.
    lengths: tuple[float, float]
    #: Jobs in a sample.
    sample: int = 4_000
    #: Steps between two questions to the energy block, which takes longer than a sample.
    energy_every: int = 2
    #: How much of the past the mean slope and its mean square remember, and the part of a row's own
    #: price that its step adds to the typical price.
    memory: tuple[float, float] = (0.95, 0.99)
    own_part: float = 0.1


#: From nothing. Its steps are ten typical prices long at first: a large site that is lost makes all
#: others several times as dear, and with one the walk left 2 % then. After a climb 0.008 % are left
#: (200,000 jobs, seed 4); with 1,200 steps 0.068 %, with 1,800 no less.
SAMPLED_ASCENT = SampledAscentOptions(1500, (10.0, 0.002))
#: From the prices of a plan before. It leaves 0.001 to 0.004 % of the bound, which a climb with all
#: jobs would not close in that time; with energy at every other one of 900 steps it leaves as much.
SAMPLED_ASCENT_WARM = SampledAscentOptions(660, (1.0, 0.007), energy_every=1)
#: From nothing where jobs are `SMALL`: 300 questions to the energy block in place of 600 leave the
#: bound within 3e-5 of what it is with those (300 and 400 jobs, seeds 0 and 2).
SAMPLED_ASCENT_SMALL = SAMPLED_ASCENT._replace(steps=1200, energy_every=4)
#: The same under a time limit: half the steps, and the energy block at every eighth. Steps that are
#: longer at first, forget slopes sooner and depend less on the row's own price prove more in the
#: same time: 566.0 in place of 563.6 yuan, where the relaxation's optimum is 567.2 (300 jobs, seed
#: 0), 4,495.1 in place of 4,489.9, of 4,498.9 at most (750 jobs over 48 h, seed 1), and 4,903.5 in
#: place of 4,902.4 (2,000 jobs, seed 1). With 400 steps in place of 600 it is 561.7 in the first.
SAMPLED_ASCENT_SMALL_LIMITED = SAMPLED_ASCENT._replace(
    steps=600, lengths=(20.0, 0.005), energy_every=8, memory=(0.9, 0.99), own_part=0.02
)
#: Seconds a job, and an hour of the problem, from which on small problems go the way of those
#: without a time limit. Of 3,000 jobs over some 65 hours the shorter walk proves 10,344 yuan, the
#: longer one with a climb after it 11,204: in 7 s, of 100 until the plan is found.
AMPLE_S_PER_JOB, AMPLE_S_PER_HOUR = 2e-2, 0.25
#: From nothing where a time limit leaves less than `HASTE` seconds a job. At 20,000 jobs it takes
#: half a second of one processor, and a dive at its prices places 98 % of all jobs placed.
SAMPLED_ASCENT_HASTY = SAMPLED_ASCENT._replace(steps=180, sample=2_000)
HASTE = 1e-4
#: A shorter one of small steps over larger samples, where the prices before were the better ones.
SAMPLED_ASCENT_NEAR = SampledAscentOptions(200, (0.03, 0.001), sample=8_000)


#: From the prices of an hour ago where jobs are `SMALL`: 200 steps prove 7,139.7 yuan, where 1,200
#: from nothing prove 7,142.7 in five times the time.
SAMPLED_ASCENT_HOUR = SampledAscentOptions(200, (0.1, 0.005), sample=8_000)
#: The same where time is short: 7,550 of 7,566 yuan in 0.4 s of one processor in place of 0.9.
SAMPLED_ASCENT_HOUR_BRIEF = SampledAscentOptions(100, (0.1, 0.01), sample=8_000, energy_every=4)
#: Seconds left below which `SAMPLED_ASCENT_HOUR_BRIEF` is used.
BRIEF_S = 10.0
#: A walk after it where the prices an hour old were far from the new ones, as after a first hour
#: that had no time for better ones. From nothing it proves 7,180 of 7,204 yuan in 0.7 s.
SAMPLED_ASCENT_HOUR_FAR = SampledAscentOptions(300, (5.0, 0.01), sample=600, energy_every=5)
#: Seconds a job below which small problems take their first prices from `SAMPLED_ASCENT_HOUR_FAR`.
BRIEF_S_PER_JOB = 2e-3


class FixingOptions(NamedTuple):
    """How carefully jobs are placed by how settled they are."""

    #: Parts that a size is placed in, steps before the first and between two.
    parts: int = 60
    before: int = 100
    between: int = 6
    #: Lengths of the steps for the largest and the smallest of these jobs: the prices of the large
    #: ones are nearly known, those of small ones have to follow what the large ones took.
    lengths: tuple[float, float] = (0.004, 0.05)
    #: The sizes, 2 ** size accelerator-hours, from which on and up to which lengths are these.
    sizes: tuple[int, int] = (7, 3)
    #: Steps between two questions to the energy block.
    energy_every: int = 1

    def length(self, size: int) -> float:
        """Of the steps for jobs of 2 ** `size` accelerator-hours."""
        (most, least), (first, last) = self.sizes, self.lengths
        part = min(max((most - size) / (most - least), 0.0), 1.0)
        return float(first * (last / first) ** part)


class DiveOptions(NamedTuple):
    """How carefully a dive goes."""

    #: Parts that a size is placed in, with a step of the prices between two, those of each of the
    #: last sizes, and steps before the first part.
    parts: int
    last_parts: int
    settle: int
    #: Jobs in a sample of later ones, and how many of these samples take turns.
    later: int
    samples: int
    #: Is the energy block asked for loads near the one at hand, and after how many steps again?
    near: bool = False
    energy_every: int = 1
    #: Lengths of the steps for the largest and the smallest jobs, and how much of the average price
    #: a step leaves.
    lengths: tuple[float, float] = (0.01, 0.2)
    memory: float = 0.8
    #: From 2 ** large / 2 accelerator-hours on, jobs that find no room have others make way,
    large: int = 7
    #: and they are placed by how settled they are, where this is not None.
    settling: FixingOptions | None = None

    def parts_of(self, size: int) -> int:
        """Parts that the jobs of up to 2 ** `size` accelerator-hours are placed in."""
        return self.last_parts if size < LAST_SIZES else self.parts


#: Of a first dive, and of a second one where that leaves too wide a gap. Where less than
#: `LEAST_LEFT` is asked, which the first might miss, the second alone is made. With steps a third
#: as long as (0.01, 0.2), and loads limited to a range about the last use, 36 parts leave gaps of
#: 0.011 to 0.014 % (200,000 jobs, seeds 1, 3 and 4) and 0.010 % (1,000,000), 130 parts 0.007 to
#: 0.009 % in two and a half times the time; the longer steps left 0.015 to 0.048 %.
DIVE = DiveOptions(
    36, last_parts=60, settle=10, later=FEW, samples=1, near=True, lengths=(0.003, 0.06)
)
DIVE_CAREFUL = DIVE._replace(parts=130, last_parts=130, settle=20)
LEAST_LEFT = 4.5e-4
#: Where jobs are few, with all but the smallest by how settled they are, a second or two a size;
#: and of a second dive there if the gap is not proved.
DIVE_FEW = DiveOptions(
    130, last_parts=300, settle=20, later=FEW, samples=1, large=3, settling=FixingOptions()
)
DIVE_AGAIN = DIVE_FEW._replace(
    parts=250, last_parts=500, settling=FixingOptions(between=12, lengths=(0.002, 0.05))
)
#: The same where jobs are `SMALL`: with the energy block asked at every sixth and third step, plans
#: of 400 and 1,000 jobs are as good in a third and half of the time.
DIVE_SMALL = DIVE_FEW._replace(energy_every=6, settling=FixingOptions(energy_every=6))
#: Of a first dive before the careful ones where time is limited: a whole plan at once, that fills
#: the hours as they do. At 20,000 jobs it takes half a second of one processor in place of six, and
#: places 98 % of the jobs that they place.
DIVE_HASTY = DiveOptions(6, last_parts=24, settle=4, later=1500, samples=2, energy_every=3)
#: How many times as long as a dive the next one, more careful, takes at least.
TIMES_AS_LONG = 5.0
#: A quick dive where jobs are `SMALL`, from the prices of an hour ago or before the careful ones:
#: 1.5 s of one processor at 2,000 jobs, where after exchanges the gap is 3.5 % in the mean of four
#: seeds; with 20 parts in place of 30 and half the steps before them it is 4.6 %, in 1.0 s.
DIVE_QUICK = DIVE_SMALL._replace(
    parts=20,
    last_parts=40,
    settle=8,
    energy_every=24,
    settling=FixingOptions(parts=30, before=60, between=3, energy_every=24),
)
#: Of dives for the jobs that do not stay where an earlier plan had them: a quick one, and two more
#: careful ones that follow while the gap is not proved. That others make way takes a look at all
#: jobs a size, and gains nothing where most of them are placed. Short steps leave gaps half as
#: wide: with (0.003, 0.06) and 47 parts a mandate of 85 or 90 % leaves 0.012 %, the loss of the
#: site Horinger 0.015 %; with (0.01, 0.4) they left 0.026 and 0.030 % (200,000 jobs, seed 2).
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
DIVE_WARM_AGAIN = DIVE_WARM._replace(parts=90, last_parts=220)
DIVE_WARM_LAST = DIVE_CAREFUL


class MasterOptions(NamedTuple):
    """How large the restricted master program is, and how its dives go."""

    #: Options of all jobs at most, and from which on a time limit leaves the first prices to
    #: `SAMPLED_ASCENT_HOUR_FAR`: of 750 jobs over 48 h (seeds 1 and 0) the program then proves
    #: 4,632.7 and 1,324.8 yuan in place of 4,638.5 and 1,328.9, 0.6 s of one processor sooner.
    most: int = 100_000
    quick: int = 40_000
    #: Options of a single job, and of a gang, that the solver knows at first.
    singles: int = 3
    gangs: int = 9
    #: Rounds of cover rows, and rows added in each at most.
    rounds: int = 12
    rows: int = 300
    #: Round after which a dive begins beside the others.
    dive_after: int = 1
    #: Part of the cost that a round of rows must lift the bound by, and rounds in a row that do not
    #: after which no more rows are added. Options added in the same round lower the bound: with one
    #: round and 2e-4, 4,577 yuan are proved of 750 jobs (seed 1) in place of 4,634.
    gain: float = 1e-4
    in_vain: int = 2
    #: Part of a time limit after which no rows are added.
    cut_part: float = 0.8
    #: Part of a time limit after which no dive goes on: exchanges follow.
    dive_part: float = 0.93
    #: Part of the fractional options that is fixed at once, and from which part on all are.
    fixed: float = 0.1
    nearly: float = 0.7
    #: The same after the part `late_part` of a time limit.
    late_part: float = 0.8
    late: tuple[float, float] = (0.3, 0.5)
    #: Dives again at most. Jobs freed at once, twice as many after `without_gain` dives without a
    #: gain; after as many more they end. From 9.4 % the gap of 750 jobs (seed 0) falls to 3.1 % in
    #: 7 s of one processor with 120 jobs, 5.1 % with 160, 4.7 % with 200; that of 300 jobs (seed 0)
    #: from 21 % to 3.6 % in 3 s, 5.3 % with 60 jobs.
    again: int = 200
    free: int = 120
    without_gain: int = 8


MASTER = MasterOptions()


class LocalSearchOptions(NamedTuple):
    """How much of a plan a round looks at."""

    #: Jobs tried at most, those that would gain most first, and the parts they are cut into.
    jobs: int
    parts: int
    #: Do those who make way have others make way in turn?
    chains: bool = False


FULL = LocalSearchOptions(30_000, 170)
#: Of the two rounds after a quick dive that misses: a few jobs gain most, in a fifth of a full
#: round's time.
QUICK = LocalSearchOptions(500, 15)
#: Of rounds of chains, a few milliseconds each. They place jobs that are worth a hundred times what
#: others lose and find no room else; most of it is gained at the largest regrets.
CHAINS = LocalSearchOptions(300, 300, chains=True)


#: Samples that the first prices come from, at most.
MOST_SAMPLES = 25
#: Steps of all jobs, with their first and last lengths in typical prices.
BOUND_STEPS, BOUND_STEPS_FEW, BOUND_LENGTHS = 60, 150, (0.003, 0.0005)
#: Steps more before a second dive, at most: where whole gangs leave the gap, they close none of it.
BOUND_STEPS_AGAIN, BOUND_LENGTHS_AGAIN = 500, (0.002, 0.0002)
#: After which of the steps that settle the prices before a size all jobs left are looked at, to
#: learn what each sample of them misses. It takes a third off the gap at 200,000 jobs.
CORRECTED_AT = (4, 8, 12, 16)
#: Where jobs are few, those that may run at so few sites are placed as if they were
#: 2 ** EARLIER times as large: others can go elsewhere, they cannot.
FEW_PLACES, EARLIER = 2, 2
#: Rounds of chains after those of exchanges where jobs are few, at most: they end when they do not
#: pay, and until then cost little.
CHAIN_ROUNDS = 6
#: Rounds of exchanges at most, and after a quick dive: at 2,000 jobs four take its plan from 7,656
#: to 7,574 yuan in a second, and find nothing more.
ROUNDS, ROUNDS_QUICK = 8, 4
#: Part of a time limit after which the walk to the first prices ends, so that jobs are placed at
#: them.
PRICES_PART, PRICES_PART_HASTY, PRICES_PART_SMALL = 0.35, 0.5, 0.4


#: Options at most of a problem that is searched as one program, and steps of counted work that a
#: search may take: 2,000 questions with a hundred options, where the contested days of the tests
#: take 28 at most, and days with limits of load some 1,000.
MOST_SEARCHED, SEARCH_STEPS = 14_000, 6e8
#: The same with more than `MANY_OPTIONS`: 42 questions with 6,500, where the plans of 60 jobs of
#: `east_west` (seeds 0 to 2) come after 20 to 24, and 30 with 11,000, where that of 100 jobs comes
#: after 23. Ended before it finds its first plan, a search is lost: with 17 questions 60 jobs had
#: gaps of 5 to 12 %, and have 0.8 to 1.3 % with 24.
SEARCH_STEPS_MANY = 1.4e9
#: Options, all cuts among them, of a problem with interruptible jobs that is searched as one.
MOST_CUTS = 8_000
#: Options above which a search ends at a gap that is `NEAR`, and its bound, where some gap is left,
#: is reported lower, by the part `EASED` of the cost: the search that checks it has to reach it.
MANY_OPTIONS, NEAR, EASED = 2_500, 1e-2, 5e-3
#: Part of the time left that such a search may take, the questions that it needs at least, and the
#: proved gap after which no other method follows it.
SEARCH_PART, LEAST_SEARCHED, SEARCHED_ENOUGH = 0.7, 20, 0.03
#: Options at most of a problem whose cheapest options are searched where time is too short for
#: all of them, and how many these are. A hundred jobs of `east_west` have 11,000 to 13,000: their
#: plan cost 12 % more (seed 0) than the one that a search of all of them finds in twice the time.
MOST_CHEAPEST, CHEAPEST = 14_000, 2_500
#: Options up to which the prices come from the program with jobs in fractions, though no search is
#: made. With 6,600 (60 jobs) it takes 0.1 s of one processor, and a walk that proves less 0.45 s;
#: with 11,000 it takes 0.5 s, with 20,000 ten.
MOST_RELAXED = 14_000
#: Part of the time left that it may take: a walk to prices and a plan need some of it if it fails.
RELAXED_PART = 0.6
#: Part of the first plan's cost below which a plan is searched for again, with finer tolerances.
FINER = 0.5
#: A gap no wider than this is asked for to have the best plan, and the search goes on to its end.
POLISHED = 1e-3
#: The gap that a what-if asks for, as a part of the plan's own, and at least and at most: where a
#: plan's own gap is some percents, as with few jobs, its placement would be good enough after
#: nearly any change.
GAP_OF_PLAN, LEAST_GAP, MOST_GAP = 1.5, 1e-4, 0.01


class StepWeights(NamedTuple):
    """What the parts of the planner count as, in steps of counted work.

    From 60 to 20,000 jobs on 12 sites and 60 classes, a day and three, on one thread, a step took
    about 5 ns. Weights that are off by two move where a limit ends a solve, and nothing else.
    """

    #: A pass over the jobs: each hour of a job's window and site, and each price of a table.
    lane: float = 0.3
    table: float = 0.12
    #: A step of the ascent, for each row.
    row: float = 10.0
    #: A job placed: each hour of its window and class; tried in exchanges, as often; started a
    #: chain with: each other job.
    option: float = 1.0
    exchange: float = 10.0
    chain: float = 30.0
    #: An interruptible job at a class: its least price looked up, and each of the table of these;
    #: its cheapest cut, each hour of the problem, and each hour and hour of work of it.
    pair: float = 20.0
    least: float = 4.0
    cut: float = 100.0
    cut_hour: float = 12.0
    cut_node: float = 3.0
    #: A linear program solved: each row and column.
    solve: float = 40.0
    #: A step of the simplex method, and each row and column besides.
    iteration: float = 2_000.0
    iteration_size: float = 2.0
    #: Between two questions of a search by branch and bound whether it is to go on, for rows and
    #: columns to the power 1.5: 1.2 ms of one processor with 700, 45 ms with 8,600, 0.1 to 0.2 s
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
#: Steps that count as a second where a limit of work decides what seconds decide else.
STEPS_PER_S = 2e8
#: Units of work that may be spent on what a mandate that cannot be kept misses at least.
LEAST_UNITS = 1e6
#: How much of the past the average price of an ascent remembers. Not measured for flatness.
PRICE_MEMORY = 0.9
#: Interruptible jobs. Steps of the bound from the prices of whole runs, with their lengths; rounds
#: in which jobs are cut again, at most; and the jobs of a round that are tried together at first.
#: These, and the parts below, were not measured for flatness.
CUT_ASCENT = SampledAscentOptions(400, (1.0, 0.005), energy_every=2)
CUT_CLIMB = (60, (0.005, 0.0005))
#: The same where jobs are not `SMALL`: samples of all jobs take turns.
CUT_ASCENT_MANY = SampledAscentOptions(
    120, (0.3, 0.003), sample=1_000, energy_every=3, memory=(0.9, 0.99), own_part=0.02
)
CUT_SAMPLES = 8
CUT_CLIMB_MANY = (8, (0.003, 0.0005))
#: Share of interruptible work from which whole runs are planned by a quick dive alone, where jobs
#: are not `SMALL`, and the limit of that plan in units of counted work per job: six seconds at
#: 20,000 jobs, of which a plan from nothing takes three.
MOSTLY_CUT, WHOLE_UNITS_PER_JOB = 0.3, 60.0
CUT_ROUNDS, CUT_BATCH = 12, 16
#: How often rounds of cuts and of the other jobs beside them take turns, and exchanges in the
#: latter.
CUT_TURNS, BESIDE_ROUNDS = 3, 2
#: What a job must gain by its pieces, as a part of its price, to run in them where jobs are many.
CUT_GAIN = 0.01
#: Prices and a dive of the jobs that run whole beside these. At 20,000 jobs plans cost 0.15 % more
#: than after 660 steps and a dive of 40 and 60 parts with the energy block at every other step, in
#: 5 s of one processor in place of 11.
ASCENT_BESIDE = SAMPLED_ASCENT_WARM._replace(steps=200, lengths=(0.5, 0.005), energy_every=2)
DIVE_BESIDE = DiveOptions(30, last_parts=40, settle=8, later=4_000, samples=2, energy_every=4)
#: Rounds in which jobs without room are tried again in what room is left.
CUT_TRIES = 12
#: Part of a time limit in which prices with cuts are sought, and within which the climb after that
#: walk ends; and how far a solve is said to be when that climb is over.
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
#: `RUIN` and `WARM_START` are scaled by.
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
#: Latest choices of each job that are counted when jobs are fixed by frequency.
FREQUENCY_WINDOW = 32
#: Weights of the past and of the latest prices in the average that missed jobs are placed at.
FIXING_WEIGHTS = (0.9, 0.1)


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


class RuinOptions(NamedTuple):
    """How rounds of ruin and recreate go."""

    #: Rounds at most, and rounds in a row without a gain after which they end. At 300 jobs (seed 1)
    #: a round takes 10 ms of one processor, and 300 of them reduce the cost from 2,641 to 2,626
    #: yuan; with an exact dispatch after each few exchanges a round took a second.
    rounds: int = 400
    without_gain: int = 100
    #: Excess of a plan's cost, as a part of it, up to which the next round starts from that plan;
    #: it falls to 0 in the last round.
    accepted: float = 2e-3
    #: Share of the sites, hours or jobs that are removed; each round draws one of these.
    removed: tuple[float, ...] = (0.1, 0.2, 0.4)
    #: Share of the jobs at the chosen sites or hours that are removed.
    removed_there: float = 0.5
    #: Half the window of hours that is emptied is all hours times 1 + `window_growth` times the
    #: share drawn of `removed`, over `window_divisor`.
    window_growth: int = 4
    window_divisor: int = 8
    #: Standard deviations of the prices' random changes, in typical prices, and of the logarithm
    #: of a job's size in the order of placement; each round draws one of either.
    price_noise: tuple[float, ...] = (0.01, 0.05, 0.2)
    size_noise: tuple[float, ...] = (0.0, 0.3, 1.0)


RUIN = RuinOptions()


class WarmStartOptions(NamedTuple):
    """How planning from the prices and the placement of an earlier plan goes."""

    #: Time left, in times of the ascent before it, that a quick dive needs. A whole one takes nine
    #: times (2,250 jobs over 36 h): with half of that it gains more than the rounds of ruin and
    #: recreate that replace it, with a quarter it gains nothing.
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
