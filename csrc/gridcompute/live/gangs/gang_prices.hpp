// Prices of slots and of limits, and the bound that they prove of a round with gangs.
//
// Problem. Jobs that must run, or may wait at a cost, are to be placed whole; classes have capacities, queues limits.
// For any prices p >= 0 of slots and q >= 0 of limits, with Q_is the sum of q over the limits that count job i in class
// s - those of its queue and of all queues above it, and their limits of the type of s -
//
//   D(p, q) = sum_i min(out_i, min_s c_is + w_i (p_s + Q_is)) - sum_s capacity_s p_s - sum_k limit_k q_k
//
// is at most the cost of any placement: a placement pays its own term of each minimum, and pays for slots and limits no
// more than is subtracted. A job that is *held* has no out_i. The minimum of a job excludes classes smaller than its
// demand.
//
// Steps. The term of each job is stored; a round reads again only the jobs that changed, until the prices change.
// improve() raises D by Newton's method on the smoothed dual: with a temperature T the minimum of a job becomes -w T
// log sum exp(-(c/w + p)/T), which is smooth in p, and T falls from step to step. The criterion is D itself, which each
// pass computes beside the smoothed value; the best prices of all passes are kept.
//
// Range and rounding. Terms are doubles, each off by two roundings of at most the largest cost plus w times the largest
// price; the sum is exact (round.hpp). bound() subtracts 2^-50 of the sum of these sizes.
//
// Complexity. refresh: one row of costs. improve: some ten passes over all costs, each with as many exponentials as
// classes are nearly cheapest, and one solve of n_slots equations a pass.
//
// Source. Lagrangian bound: Fisher, Management Science 27 (1981) 1. Smoothing: Nesterov, Math. Program. 103 (2005) 127.
// Deviations: prices are kept between rounds; the smoothed steps are damped by a trust region, not by a line search.
#pragma once

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/live/gangs/gang_placement.hpp"
#include "gridcompute/live/round.hpp"

namespace gridcompute::live {

class GangPrices {
 public:
  explicit GangPrices(const GangPlacement& placement) : placement_(placement), tuning_(placement.tuning()) {}

  void resize();      // to be called after GangPlacement::set_columns; if it throws, prices are as before
  void set_queues();  // to be called after GangPlacement::set_queues
  void set(std::span<const double> prices);
  void hold(Job job, bool held) noexcept { held_[at(job)] = held ? 1 : 0; }
  [[nodiscard]] bool held(Job job) const noexcept { return held_[at(job)] != 0; }

  // Copies the prices, and restores that copy. Terms and held jobs stay: they are to be read again afterwards.
  void begin_round() { before_ = {p_, q_, charge_, by_type_, highest_charge_}; }
  void undo() noexcept;

  void forget(Job job) noexcept;  // removes the job from the sum
  void refresh(Job job);          // reads the job's costs
  // Reads all costs, whatever the limits: without the terms nothing is proved. Ends early only if interrupted.
  void refresh_all(Pool& pool, Stop& stop);
  // Raises the bound until it is within `target` of the objective, or the passes are used up without further gain;
  // warmth is the first temperature, a share of the mean distance of a slot's cost from the cheapest one. If stopped,
  // the best prices so far are kept.
  void improve(double objective, double target, double warmth, int passes, Pool& pool, Stop& stop);

  [[nodiscard]] double operator[](Slot s) const noexcept { return p_[at(s)]; }
  [[nodiscard]] const std::vector<double>& limits() const noexcept { return q_; }  // by row
  // Returns the sum of the prices of the limits that count a queue's jobs in every class.
  [[nodiscard]] double of_queue(std::int32_t queue) const noexcept { return charge_[at(queue)]; }
  // Returns the charge of a slot of each class for a queue: its price, and the prices of the limits of its type.
  [[nodiscard]] const double* to_queue(std::int32_t queue) const noexcept {
    return by_type_.empty() ? p_.data() : by_type_.data() + at(queue) * p_.size();
  }
  // Returns the least reduced cost of the job in any class, and its class (n_slots: in none).
  [[nodiscard]] double least(Job job) const noexcept { return least_[at(job)]; }
  [[nodiscard]] Slot cheapest(Job job) const noexcept { return cheapest_[at(job)]; }
  // Returns the first job, if any, that must run and fits in no class that allows it.
  [[nodiscard]] Job impossible() const;
  // Releases held jobs that no class can take, as after the loss of a class.
  void release_unplaceable();
  [[nodiscard]] double bound() const;

 private:
  struct Term {
    double value = 0, least = 0;
    Slot cheapest = kNone;
  };
  struct Copy {
    std::vector<double> p, q, charge, by_type;
    double highest_charge;
  };
  struct Layout;
  struct Pass;
  class JobSum;
  [[nodiscard]] Term term(Job job, double* row) const;
  void count(Job job, const Term& term) noexcept;
  void recharge();
  [[nodiscard]] Layout layout(const std::vector<Job>& jobs) const;
  [[nodiscard]] bool run(const Layout& layout, Pass& pass, std::vector<Pass>& parts, double temperature,
                         const std::vector<Job>& jobs, Pool& pool, Stop& stop) const;
  [[nodiscard]] double newton_step(const Layout& layout, const Pass& pass, double unit,
                                   std::vector<double>& step) const;
  [[nodiscard]] double scale(const std::vector<Job>& jobs) const;
  [[nodiscard]] std::vector<Job> live() const;

  const GangPlacement& placement_;
  const GangTuning& tuning_;
  std::vector<double> p_, q_, charge_;
  std::vector<double> by_type_;  // (n_queues, n_slots) to_queue(); empty: no limit of a type has a price
  double highest_charge_ = 0;    // of any queue in any class
  std::vector<double> value_, least_;
  std::vector<Slot> cheapest_;
  std::vector<std::uint8_t> counted_, held_;
  ExactTotal total_;
  Index n_counted_ = 0, n_infinite_ = 0;
  std::vector<double> row_;
  Copy before_;  // at the beginning of the round
};

}  // namespace gridcompute::live
