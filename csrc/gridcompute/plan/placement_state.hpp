// A placement under local search: moves of single jobs with their real cost, and a log to undo them.
//
// Definitions. The *guide prices* propose moves; the *real cost* of a job at an option is its own cost, the cost of its
// energy along the convex curves of its place, and `weight` times the guide prices of the accelerators, link and quota
// that it uses. With weight 0 the real costs of all jobs add up to the cost of the plan. An *occupant* of an option is
// a placed job that uses accelerators of its class in one of its hours.
//
// Invariants. Those of ResidualCapacity; klass and start (one entry per row of the jobs table) and starts_ list the
// same jobs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gridcompute/plan/residual_capacity.hpp"

namespace gridcompute::plan {

// The cost of energy at a place in an hour as a function of the jobs' load, convex and piecewise linear: segment i
// reaches up to load end[i] at price[i] per unit; the last segment has no end. By [place][hour][segment].
struct CostCurves {
  Index segments = 0;
  std::span<const double> end, price;
};

struct JobOption {
  double cost;  // at guide prices
  std::int32_t klass, start, hours;
};

// A job and its option before a move.
struct PlacementChange {
  std::int32_t position, klass, start;
};

struct Occupant {
  std::int32_t position, first, last;  // the hours of the option that it uses, relative to its start
  double gang;
  std::int32_t owner;
};

class PlacementState {
 public:
  PlacementState(ResidualCapacity& residual, const DualPrices& guide, double weight, std::span<std::int32_t> klass,
                 std::span<std::int32_t> start);
  PlacementState(const PlacementState&) = delete;  // guide_ views its arrays
  PlacementState& operator=(const PlacementState&) = delete;

  void set_curves(const CostCurves& curves) noexcept { curves_ = curves; }

  [[nodiscard]] const LagrangianOracle& oracle() const noexcept { return *oracle_; }
  [[nodiscard]] const ResidualCapacity& residual() const noexcept { return *residual_; }
  [[nodiscard]] const PackedJob& job(std::int32_t position) const;
  [[nodiscard]] std::int32_t klass(std::int32_t position) const;
  [[nodiscard]] std::int32_t start(std::int32_t position) const;
  [[nodiscard]] PlacementChange where(std::int32_t position) const;

  // Calls visit(cost, klass, hour, hours) for each option that costs less than `limit` at guide prices.
  template <class Visit>
  void for_cheaper_options(const PackedJob& job, double& limit, const Visit& visit) const {
    residual_->for_cheaper_options(guide_, guide_sums_, job, limit, visit);
  }
  // Returns the cheapest option with capacity; klass -1 if leaving the job out is cheaper.
  [[nodiscard]] JobOption cheapest_available(const PackedJob& job) const;

  // Places the job (klass -1: leaves it out), and returns the change of the real cost.
  double place(std::int32_t position, std::int32_t klass, std::int32_t start);
  // Removes the job, and returns the real cost saved. For a job that is left out: its value.
  double remove(std::int32_t position);
  // Restores the options that jobs had before `changes`; of several changes of a job, the first counts.
  void restore(std::span<const PlacementChange> changes);

  // Returns the moves since the last commit().
  void log(std::span<const PlacementChange> changes) { log_.insert(log_.end(), changes.begin(), changes.end()); }
  void commit() noexcept { log_.clear(); }
  void undo();

  // Computes for each hour of the option the accelerators (or the place's power, in accelerators) that the job lacks;
  // returns their sum.
  double compute_shortage(const PackedJob& job, const JobOption& target);
  // Subtracts the capacity that the ejection of an occupant frees; returns the sum that is left.
  double reduce_shortage(const Occupant& ejected);
  // Returns the shortage that the ejection of an occupant would cover.
  [[nodiscard]] double covered_shortage(const Occupant& occupant) const;
  // Lists the occupants of `target` for which admit(position, job, hours) is true.
  template <class Admit>
  const std::vector<Occupant>& list_occupants(const JobOption& target, const Admit& admit);

  // A cost of the job, cached while the job keeps its option; below 0: not known.
  [[nodiscard]] double& cached_cost(std::int32_t position) { return cached_cost_[static_cast<std::size_t>(position)]; }

 private:
  friend class RuinRecreate;

  // Place the job, and remove it, without computing a cost.
  void add(std::int32_t position, std::int32_t klass, std::int32_t start);
  void take_out(std::int32_t position);
  [[nodiscard]] double energy_cost(Index where, double more) const;
  [[nodiscard]] double real_cost(const PackedJob& job, std::int32_t klass, std::int32_t start) const;

  ResidualCapacity* residual_;
  const LagrangianOracle* oracle_;
  std::vector<double> capacity_, energy_, link_, quota_;
  DualPrices guide_;
  double weight_;
  CostCurves curves_;
  std::vector<double> guide_sums_,
      capacity_sums_;  // [kind][class][hour + 1]; of all guide prices, of those of capacity alone
  std::span<std::int32_t> klass_, start_;
  std::vector<std::vector<std::int32_t>> starts_;  // [class][hour]: positions of the jobs that start there
  std::vector<std::int32_t> index_in_starts_;      // [position], -1 = out
  std::vector<double> cached_cost_;
  std::vector<Occupant> occupants_;
  std::vector<double> shortage_;  // [hour of the option]
  std::vector<PlacementChange> log_;
  std::vector<std::int32_t> restored_;  // [position]: the last restore() that placed it
  std::int32_t restores_ = 0;
};

template <class Admit>
const std::vector<Occupant>& PlacementState::list_occupants(const JobOption& target, const Admit& admit) {
  const auto at = [](Index i) { return static_cast<std::size_t>(i); };
  const LagrangianOracle& m = *oracle_;
  const std::int32_t end = target.start + target.hours;
  occupants_.clear();
  for (std::int32_t t = 0; t < end; ++t)
    for (const std::int32_t p : starts_[at(target.klass * m.hours_ + t)]) {
      const PackedJob& other = job(p);
      const std::int32_t hours = m.hours_on(other, target.klass), last = t + hours;
      if (last <= target.start || !admit(p, other, hours)) continue;
      occupants_.push_back({p, std::max(t - target.start, 0), std::min(last - target.start, target.hours),
                            static_cast<double>(other.gang), other.owner});
    }
  return occupants_;
}

}  // namespace gridcompute::plan
