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

#include "gridcompute/plan/lagrangian_oracle.hpp"

namespace gridcompute::plan {

// The residual capacity of the coupling rows, and greedy placement into it: the integral side of the plan.
//
// Invariants (holds()). Free accelerators, data and quota never fall below zero: a gang is placed whole where all its
// hours, its link and its owner's quota rows admit it, or not at all. Every placement can be removed exactly:
// accelerators and quota are integers; data, power and load are sums of doubles that the caller's checker computes
// again.
//
// Steps. place() takes jobs in the order given; each gets its cheapest option, at the given prices, among those
// that still fit, if that is below the job's value. Ties go to the lowest class, then hour.
//
// Complexity. O(options of the jobs placed); hours are checked only for options that would be the best so far.
//
// Source. Greedy completion at dual prices, as in price-and-branch diving; large jobs first, as in first-fit
// decreasing.

class ResidualCapacity {
 public:
  explicit ResidualCapacity(const LagrangianOracle& oracle);

  // Places jobs by row of the table and returns their number; klass and start (one entry per row) receive the option,
  // -1 if none fits.
  Index place(const DualPrices& prices, std::span<const std::int32_t> rows, std::span<std::int32_t> klass,
              std::span<std::int32_t> start);
  // Removes the jobs of `rows` that klass and start place, and sets these to -1.
  void remove(std::span<const std::int32_t> rows, std::span<std::int32_t> klass, std::span<std::int32_t> start);

  // Places each job at the option given, in the order given, where it fits. Returns the number placed. Without
  // `within_power` they may draw more power than their place has without its store: the caller checks that.
  Index place_at(std::span<const std::int32_t> rows, std::span<const std::int32_t> to_class,
                 std::span<const std::int32_t> to_start, std::span<std::int32_t> klass, std::span<std::int32_t> start,
                 bool within_power = true);

  [[nodiscard]] const std::vector<double>& load() const noexcept { return load_; }
  [[nodiscard]] const LagrangianOracle& oracle() const noexcept { return *oracle_; }
  [[nodiscard]] const std::vector<std::int64_t>& accelerators() const noexcept { return free_; }
  [[nodiscard]] const std::vector<double>& data() const noexcept { return data_; }
  [[nodiscard]] const std::vector<double>& power() const noexcept { return power_; }
  [[nodiscard]] const std::vector<std::int64_t>& quota_used() const noexcept { return quota_used_; }
  [[nodiscard]] bool holds() const;

 private:
  friend class PlacementState;
  friend class Exchanges;
  friend class EjectionChains;
  friend class RuinRecreate;

  // Calls visit(cost, klass, hour, hours) for each option of `job` that costs less than `limit` at these prices,
  // whether it fits or not; visit may lower the limit. sums: running sums of prices by class.
  template <class Visit>
  void for_cheaper_options(const DualPrices& prices, const std::vector<double>& sums, const PackedJob& job,
                           double& limit, const Visit& visit) const;
  [[nodiscard]] std::vector<double> price_sums(const DualPrices& prices) const;
  bool place_job(const DualPrices& prices, const std::vector<double>& sums, std::int32_t row,
                 std::span<std::int32_t> klass, std::span<std::int32_t> start);
  // Adds the load of a job (sign 1), or subtracts it (-1).
  void add_load(const PackedJob& job, Index klass, Index hour, int sign);
  // Returns whether every row of the option has enough capacity left for the job.
  [[nodiscard]] bool has_capacity(const PackedJob& job, Index klass, Index hour, std::int32_t d,
                                  bool within_power = true) const;
  // Returns whether the job's quota rows have room for `d` hours on the class.
  [[nodiscard]] bool within_quota(const PackedJob& job, Index klass, std::int32_t d) const;

  const LagrangianOracle* oracle_;
  std::vector<std::int64_t> free_;        // accelerators: [class][hour]
  std::vector<double> power_;             // left: [place][hour]
  std::vector<double> load_;              // energy of the jobs placed: [place][hour]
  std::vector<double> data_;              // left: [origin][place][hour]
  std::vector<std::int64_t> quota_used_;  // accelerator-hours of the jobs placed: [quota row]
};

template <class Visit>
void ResidualCapacity::for_cheaper_options(const DualPrices& prices, const std::vector<double>& sums,
                                           const PackedJob& job, double& limit, const Visit& visit) const {
  const LagrangianOracle& m = *oracle_;
  const auto at = [](Index i) { return static_cast<std::size_t>(i); };
  const std::int32_t* hours_on = &m.hours_by_class_[m.shapes_[at(job.shape)].row_begin];
  const std::uint64_t mask = m.masks_[at(job.mask)];
  for (Index c = 0; c < m.classes_; ++c) {
    const std::int32_t d = hours_on[c];
    const Index s = m.place_[at(c)];
    if (d == 0 || job.release + d > job.deadline || ((mask >> s) & 1) == 0) continue;
    const double* sum = &sums[at((job.kind * m.classes_ + c) * (m.hours_ + 1))];
    const double nu = m.priced(job.owner) ? prices.quota[m.account(job.owner, c)] : 0.0;
    const double fixed = job.gang * nu * d + job.data * m.transfer_price_[at(job.origin * m.places_ + s)];
    const double* toll = &prices.link[at((job.origin * m.places_ + s) * m.hours_)];
    for (std::int32_t t = job.release; t + d <= job.deadline; ++t) {
      double cost = job.gang * (sum[t + d] - sum[t]) + job.data * toll[t] + fixed + job.delay * (t - job.release);
      if (job.placed_class >= 0 && (job.placed_class != c || job.placed_start != t)) cost += job.migration;
      if (cost < limit) visit(cost, static_cast<std::int32_t>(c), t, d);
    }
  }
}

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
  [[nodiscard]] double& cached_cost(std::int32_t position) { return cached_cost_[at(position)]; }

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
