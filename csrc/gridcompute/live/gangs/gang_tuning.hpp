// Every tuned number of the matcher of gangs, in one table.
//
// None of them affects what is proved or which rules hold: they decide how much work a round does for a smaller gap.
// Work is counted, never timed. Measured on 3,000 jobs in 40 classes with 8 queues and 3 priorities, and on 200,000
// jobs in 40 classes without queues, 1 % of them new in each round.
#pragma once

#include "gridcompute/base/types.hpp"

namespace gridcompute::live {

struct GangTuning {
  // Prices. Temperatures are shares of the mean distance of a slot's cost from the cheapest one.
  double warm_temperature = 0.01;
  double first_step = 4, widest_step = 64;  // temperatures that a step may change a price by, at first and at most
  double late_temperature = 0.0002;
  double last_temperature = 0.05;  // of the first
  double cooling = 0.3;            // factor between two temperatures
  double settled = 1.0;            // a step below this many temperatures is followed by a lower temperature
  double negligible = 20;          // temperatures above the least at which a class has no weight
  Index most_rows = 512;           // classes and limits that the equations of Newton's method may have
  Index scale_sample = 1024;
  Index rows_chunk = 2048;
  Index newton_chunk = 4096;
  int cold_passes = 60;          // of Newton's method, after a cold start
  int warm_passes = 14;          // the same in a small world in each round
  int late_passes = 6;           // the same in a large world, once the gap has grown
  double warm_target = 2e-4;     // gap at which prices are good enough
  double late_target = 1.2e-4;   // gap of a large world above which its prices are improved
  double rough_late_gap = 2e-3;  // gap of a large world that prices of another problem leave: improved at once
  Index late_interval = 16;      // rounds between two improvements of the prices of a large world
  double cold_gap = 4e-4;        // above which a round of a large world without ranks is solved by transport
  Index small_world =
      Index{1} << 21;         // pairs of job and class up to which rows are kept and prices improved each round
  double rough_gap = 0.05;    // of the transport solve that gives the first prices where rules decide who runs
  double replace_gap = 5e-5;  // of the last round, above which jobs that had to go elsewhere are placed again
  // Search.
  int settle_rounds = 100;    // of filling and serving priorities; each lets in a job or raises a priority
  Index scan = 4096;          // members of a class that are looked at to make room in it
  Index balance_scan = 2000;  // members of a class that is too full that are looked at, at first
  Index balance_chunk = 500;
  Index most_cover = 64;                  // slots up to which room is made by dynamic programming, and beyond greedily
  Index sweeps = 4;                       // of the search for cheaper classes
  Index exchange_pairs = Index{1} << 19;  // pairs of jobs of one demand and classes that are matched exactly
  Index ejections = 400;                  // tries a round
  double cold_share = 0.3;                // share of the jobs that may be new before prices are computed from scratch
};

inline constexpr GangTuning kGangTuning{};

}  // namespace gridcompute::live
