#include "gridcompute/live/gangs/gang_prices.hpp"

#include <algorithm>
#include <cmath>

namespace gridcompute::live {

namespace {

// Memory for the sums of a pass over all jobs that are held at a time; more only saves threads a wait.
constexpr std::size_t kPassBytes = std::size_t{1} << 27;

// Solves (a + ridge) x = b for a symmetric positive semidefinite matrix, by Cholesky's method without pivots.
void solve(std::vector<double>& a, std::vector<double>& b, std::size_t n) {
  for (std::size_t k = 0; k < n; ++k) {
    double diagonal = a[k * n + k];
    for (std::size_t j = 0; j < k; ++j) diagonal -= a[k * n + j] * a[k * n + j];
    const double root = std::sqrt(std::max(diagonal, 1e-300));
    a[k * n + k] = root;
    for (std::size_t i = k + 1; i < n; ++i) {
      double sum = a[i * n + k];
      for (std::size_t j = 0; j < k; ++j) sum -= a[i * n + j] * a[k * n + j];
      a[i * n + k] = sum / root;
    }
  }
  for (std::size_t k = 0; k < n; ++k) {
    for (std::size_t j = 0; j < k; ++j) b[k] -= a[k * n + j] * b[j];
    b[k] /= a[k * n + k];
  }
  for (std::size_t k = n; k-- > 0;) {
    for (std::size_t j = k + 1; j < n; ++j) b[k] -= a[j * n + k] * b[j];
    b[k] /= a[k * n + k];
  }
}

}  // namespace

void GangPrices::resize() {
  const std::size_t n = at(placement_.n_positions());
  row_.resize(std::max<std::size_t>(at(placement_.out()), 1));
  value_.resize(n, 0), least_.resize(n, 0), cheapest_.resize(n, kNone), counted_.resize(n, 0), held_.resize(n, 0);
  const std::size_t before = p_.size();
  if (before == at(placement_.out())) return;
  p_.resize(at(placement_.out()), 0.0);
  try {
    recharge();
  } catch (...) {
    p_.resize(before);
    throw;
  }
}

void GangPrices::undo() noexcept {
  p_.swap(before_.p), q_.swap(before_.q), charge_.swap(before_.charge), by_type_.swap(before_.by_type);
  highest_charge_ = before_.highest_charge;
}

void GangPrices::set_queues() {
  q_.assign(placement_.queues().n_rows(), 0.0);
  charge_.assign(placement_.queues().size(), 0.0);
  by_type_.clear();
}

void GangPrices::set(std::span<const double> prices) {
  for (std::size_t s = 0; s < p_.size(); ++s)
    p_[s] = s < prices.size() && std::isfinite(prices[s]) ? std::max(prices[s], 0.0) : 0.0;
  recharge();
}

// Sums up the prices of limits that each queue pays, of all types and of each.
void GangPrices::recharge() {
  const std::vector<std::int32_t>& parent = placement_.queues().parent;
  const std::size_t n = charge_.size();
  highest_charge_ = 0;
  for (std::size_t k = 0; k < n; ++k) {
    charge_[k] = 0;
    for (auto q = static_cast<std::int32_t>(k); q >= 0; q = parent[at(q)]) charge_[k] += q_[at(q)];
    highest_charge_ = std::max(highest_charge_, charge_[k]);
  }
  const bool typed =
      std::any_of(q_.begin() + static_cast<std::ptrdiff_t>(n), q_.end(), [](double q) { return q != 0; });
  const std::size_t n_types = q_.size() / n - 1;
  std::vector<double> of_type(n_types), by_type;
  for (std::size_t k = 0; k < n && typed; ++k) {
    std::fill(of_type.begin(), of_type.end(), 0.0);
    for (auto q = static_cast<std::int32_t>(k); q >= 0; q = parent[at(q)])
      for (std::size_t t = 0; t < n_types; ++t) of_type[t] += q_[placement_.row_of(q, static_cast<std::int32_t>(t))];
    for (const double charge : of_type) highest_charge_ = std::max(highest_charge_, charge_[k] + charge);
    for (std::size_t s = 0; s < p_.size(); ++s)
      by_type.push_back(p_[s] + of_type[at(placement_.type(static_cast<Slot>(s)))]);
  }
  by_type_.swap(by_type);
}

GangPrices::Term GangPrices::term(Job job, double* row) const {
  placement_.read_row(job, row);
  const Cost demand = placement_.demand(job);
  const auto w = static_cast<double>(demand);
  Term out;
  out.least = kInf;
  out.cheapest = placement_.out();
  const double* prices = to_queue(placement_.queue(job));
  for (Slot s = 0; s < placement_.out(); ++s) {
    const double here = row[s] + w * prices[s];
    if (here < out.least && demand <= placement_.capacity(s)) out.least = here, out.cheapest = s;
  }
  out.least += w * charge_[at(placement_.queue(job))];
  const double leave = held(job) ? kInf : placement_.out_cost(job);
  out.value = std::min(out.least, leave);
  return out;
}

void GangPrices::forget(Job job) noexcept {
  if (counted_[at(job)] == 0) return;
  counted_[at(job)] = 0;
  --n_counted_;
  std::isfinite(value_[at(job)]) ? total_.add(value_[at(job)], -1) : void(--n_infinite_);
}

void GangPrices::count(Job job, const Term& term) noexcept {
  forget(job);
  counted_[at(job)] = 1;
  ++n_counted_;
  value_[at(job)] = term.value, least_[at(job)] = term.least, cheapest_[at(job)] = term.cheapest;
  std::isfinite(term.value) ? total_.add(term.value, 1) : void(++n_infinite_);
}

void GangPrices::refresh(Job job) { count(job, term(job, row_.data())); }

std::vector<Job> GangPrices::live() const {
  std::vector<Job> jobs;
  jobs.reserve(at(placement_.n_live()));
  for (Job job = 0; job < static_cast<Job>(placement_.n_positions()); ++job)
    if (placement_.is_live(job)) jobs.push_back(job);
  return jobs;
}

void GangPrices::refresh_all(Pool& pool, Stop& stop) {
  recharge();
  const std::vector<Job> jobs = live();
  const auto n = static_cast<Index>(jobs.size());
  std::vector<Term> terms(jobs.size());
  stop.count(n * (placement_.out() - 1));
  const auto read = [&](Index, Index begin, Index end) {
    std::vector<double> row(row_.size());
    for (Index k = begin; k < end; ++k) terms[at(k)] = term(jobs[at(k)], row.data());
  };
  if (!pool.for_chunks_ignoring_deadline(n, tuning_.rows_chunk, read, stop)) return;
  for (std::size_t k = 0; k < jobs.size(); ++k) count(jobs[k], terms[k]);
}

Job GangPrices::impossible() const {
  if (n_infinite_ == 0) return kNone;
  for (Job job = 0; job < static_cast<Job>(placement_.n_positions()); ++job)
    if (counted_[at(job)] != 0 && value_[at(job)] == kInf) return job;
  return kNone;
}

void GangPrices::release_unplaceable() {
  if (n_infinite_ == 0) return;
  for (Job job = 0; job < static_cast<Job>(placement_.n_positions()); ++job) {
    if (counted_[at(job)] == 0 || !held(job) || least_[at(job)] < kInf) continue;
    hold(job, false);
    refresh(job);
  }
}

double GangPrices::bound() const {
  if (n_infinite_ > 0) return kInf;
  ExactTotal total = total_;
  double most = 0, sizes = 0, slots = 0;
  for (std::size_t s = 0; s < p_.size(); ++s) {
    const double spent = p_[s] * static_cast<double>(placement_.usable(static_cast<Slot>(s)));
    total.add(spent, -1);
    sizes += spent;
    most = std::max(most, p_[s]);
    slots += static_cast<double>(placement_.load(static_cast<Slot>(s)));
  }
  for (std::size_t k = 0; k < q_.size(); ++k) {
    if (q_[k] == 0) continue;
    const double spent = q_[k] * static_cast<double>(placement_.limit(k));
    total.add(spent, -1);
    sizes += spent;
  }
  // A waiting job's price counts only where it is its least term, and is then below its cost of waiting.
  sizes += static_cast<double>(n_counted_) * placement_.pair().max_abs_cost + slots * (most + highest_charge_);
  const double value = total.nearest();
  return value - std::ldexp(sizes + std::fabs(value), -49);
}

// ---------------------------------------------------------------- Newton's method

// The rows of the equations: classes, then limits that may have a price.
struct GangPrices::Layout {
  std::size_t n_classes = 0, n = 0;
  std::vector<std::int32_t> row_of;  // by limit: its row, or kNone
  bool typed = false;                // some limit of a type has a row
};

// The sums of one pass over all jobs: D, the smoothed D, and the derivatives of the latter.
struct GangPrices::Pass {
  std::vector<double> slope, curvature;  // (n), (n, n): of -D
  double dual = 0, smooth = 0;

  void clear(std::size_t n) {
    dual = smooth = 0;
    slope.assign(n, 0.0);
    curvature.assign(n * n, 0.0);
  }
  void add(const Pass& part) {
    dual += part.dual, smooth += part.smooth;
    for (std::size_t k = 0; k < slope.size(); ++k) slope[k] += part.slope[k];
    for (std::size_t k = 0; k < curvature.size(); ++k) curvature[k] += part.curvature[k];
  }
};

// Distance above the least reduced cost at which a class has no weight (temperatures).
constexpr double kNegligible = 20;

// Adds the terms of jobs to a pass: of a job's least payments, its chance of each class that is nearly the cheapest.
class GangPrices::JobSum {
 public:
  JobSum(const GangPrices& prices, const Layout& layout, Pass& pass, double temperature)
      : prices_(prices),
        placement_(prices.placement_),
        layout_(layout),
        pass_(pass),
        temperature_(temperature),
        row_(prices.row_.size()),
        mean_(layout.n, 0.0) {}

  void add(Job job) {
    const auto w = static_cast<double>(placement_.demand(job));
    const double leave = prices_.held(job) ? kInf : placement_.out_cost(job) * (1 / w);
    const double least = read(job, leave);
    if (!std::isfinite(least)) return;
    pass_.dual += w * least;
    const double total = find_near(least, leave);
    pass_.smooth += w * (least - temperature_ * std::log(total));
    double placed = 0;
    for (double& c : chance_) c /= total, placed += c;
    layout_.typed ? add_by_type(job, w) : add_by_queue(job, w, placed);
  }

 private:
  // Reads what the job pays for a slot of each class; returns the least, that of waiting included.
  double read(Job job, double leave) {
    placement_.read_row(job, row_.data());
    const Cost demand = placement_.demand(job);
    const double by_queue = prices_.of_queue(placement_.queue(job));
    const double* prices = prices_.to_queue(placement_.queue(job));
    const double per_slot = 1 / static_cast<double>(demand);
    double least = leave;
    for (Slot s = 0; s < placement_.out(); ++s) {
      row_[at(s)] = demand <= placement_.capacity(s) ? row_[at(s)] * per_slot + prices[s] + by_queue : kInf;
      least = std::min(least, row_[at(s)]);
    }
    return least;
  }

  // Lists the near classes and their weights; returns the sum of all weights, that of waiting included.
  double find_near(double least, double leave) {
    near_.clear(), chance_.clear();
    const double far = least + kNegligible * temperature_;
    double total = std::exp((least - leave) / temperature_);
    for (Slot s = 0; s < placement_.out(); ++s) {
      if (row_[at(s)] > far) continue;
      const double above = (row_[at(s)] - least) / temperature_;
      near_.push_back(at(s));
      chance_.push_back(std::exp(-above));
      total += chance_.back();
    }
    return total;
  }

  // Adds the derivatives of a job that the same limits count in every class.
  void add_by_queue(Job job, double w, double placed) {
    const std::size_t n = layout_.n;
    const double stiff = w / temperature_;
    for (std::size_t a = 0; a < near_.size(); ++a) {
      pass_.slope[near_[a]] += w * chance_[a];
      pass_.curvature[near_[a] * n + near_[a]] += stiff * chance_[a];
      for (std::size_t b = 0; b < near_.size(); ++b)
        pass_.curvature[near_[a] * n + near_[b]] -= stiff * chance_[a] * chance_[b];
    }
    const std::vector<std::int32_t>& parent = placement_.queues().parent;
    rows_.clear();
    for (std::int32_t q = placement_.queue(job); q >= 0; q = parent[at(q)])
      if (layout_.row_of[at(q)] != kNone) rows_.push_back(at(layout_.row_of[at(q)]));
    for (const std::size_t r : rows_) {
      pass_.slope[r] += w * placed;
      for (const std::size_t t : rows_) pass_.curvature[r * n + t] += stiff * placed * (1 - placed);
      for (std::size_t a = 0; a < near_.size(); ++a) {
        pass_.curvature[r * n + near_[a]] += stiff * chance_[a] * (1 - placed);
        pass_.curvature[near_[a] * n + r] += stiff * chance_[a] * (1 - placed);
      }
    }
  }

  // Adds the derivatives of a job whose class decides which limits count it: each near class is a vector of rows, and
  // the curvature is the covariance of these vectors.
  void add_by_type(Job job, double w) {
    const std::size_t n = layout_.n;
    const double stiff = w / temperature_;
    const std::vector<std::int32_t>& parent = placement_.queues().parent;
    counted_.clear();
    for (std::size_t a = 0; a < near_.size(); ++a) {
      if (chance_[a] == 0) continue;
      rows_.assign(1, near_[a]);
      const std::int32_t type = placement_.type(static_cast<Slot>(near_[a]));
      for (std::int32_t q = placement_.queue(job); q >= 0; q = parent[at(q)])
        for (const std::size_t limit : {at(q), placement_.row_of(q, type)})
          if (layout_.row_of[limit] != kNone) rows_.push_back(at(layout_.row_of[limit]));
      for (const std::size_t r : rows_) {
        if (mean_[r] == 0) counted_.push_back(r);
        mean_[r] += chance_[a];
        for (const std::size_t t : rows_) pass_.curvature[r * n + t] += stiff * chance_[a];
      }
    }
    for (const std::size_t r : counted_) {
      pass_.slope[r] += w * mean_[r];
      for (const std::size_t t : counted_) pass_.curvature[r * n + t] -= stiff * mean_[r] * mean_[t];
    }
    for (const std::size_t r : counted_) mean_[r] = 0;
  }

  const GangPrices& prices_;
  const GangPlacement& placement_;
  const Layout& layout_;
  Pass& pass_;
  const double temperature_;
  std::vector<double> row_, chance_, mean_;
  std::vector<std::size_t> near_, rows_, counted_;
};

// Equations that Newton's method may have, one a class or limit; beyond, prices stay.
constexpr Index kMostRows = 512;

GangPrices::Layout GangPrices::layout(const std::vector<Job>& jobs) const {
  Layout layout;
  layout.n = layout.n_classes = at(placement_.out());
  layout.row_of.assign(q_.size(), kNone);
  std::vector<Cost> wanted(charge_.size(), 0);
  for (const Job job : jobs)
    for (std::int32_t q = placement_.queue(job); q >= 0; q = placement_.queues().parent[at(q)])
      wanted[at(q)] += placement_.demand(job);
  for (std::size_t q = 0; q < q_.size(); ++q)
    if ((q_[q] > 0 || wanted[q % wanted.size()] > placement_.limit(q)) && layout.n < at(kMostRows)) {
      layout.row_of[q] = static_cast<std::int32_t>(layout.n++);
      layout.typed = layout.typed || q >= wanted.size();
    }
  return layout;
}

// Jobs that one thread sums at once.
constexpr Index kNewtonChunk = 4096;

// Sums up the terms of all jobs: D is the sum of their least payments, less the value of capacities and limits. The
// sums of as many chunks as `parts` has are held at a time, and added in order. Returns false if stopped.
bool GangPrices::run(const Layout& layout, Pass& pass, std::vector<Pass>& parts, double temperature,
                     const std::vector<Job>& jobs, Pool& pool, Stop& stop) const {
  const auto n_jobs = static_cast<Index>(jobs.size()), wave = static_cast<Index>(parts.size()) * kNewtonChunk;
  stop.count(n_jobs * (placement_.out() - 1));
  pass.clear(layout.n);
  for (Index first = 0; first < n_jobs; first += wave) {
    const Index n = std::min(wave, n_jobs - first);
    const auto sum = [&](Index chunk, Index begin, Index end) {
      parts[at(chunk)].clear(layout.n);
      JobSum part(*this, layout, parts[at(chunk)], temperature);
      for (Index k = begin; k < end; ++k) part.add(jobs[at(first + k)]);
    };
    if (!pool.for_chunks(n, kNewtonChunk, sum, &stop)) return false;
    for (Index chunk = 0; chunk < Pool::chunks(n, kNewtonChunk); ++chunk) pass.add(parts[at(chunk)]);
  }
  double spent = 0;
  for (Slot s = 0; s < placement_.out(); ++s) {
    const auto capacity = static_cast<double>(placement_.usable(s));
    spent += capacity * p_[at(s)];
    pass.slope[at(s)] -= capacity;
  }
  for (std::size_t q = 0; q < q_.size(); ++q) {
    if (layout.row_of[q] == kNone) continue;
    const auto limit = static_cast<double>(placement_.limit(q));
    spent += limit * q_[q];
    pass.slope[at(layout.row_of[q])] -= limit;
  }
  pass.dual -= spent, pass.smooth -= spent;
  return true;
}

// Returns the mean distance of a slot's cost from the cheapest one, over jobs: the unit of temperatures.
double GangPrices::scale(const std::vector<Job>& jobs) const {
  const std::size_t step = std::max<std::size_t>(jobs.size() / at(tuning_.scale_sample), 1);
  std::vector<double> row(row_.size());
  double sum = 0;
  Index n = 0;
  for (std::size_t k = 0; k < jobs.size(); k += step) {
    placement_.read_row(jobs[k], row.data());
    const auto w = static_cast<double>(placement_.demand(jobs[k]));
    double least = kInf, total = 0;
    Index finite = 0;
    for (Slot s = 0; s < placement_.out(); ++s) {
      if (!std::isfinite(row[at(s)])) continue;
      least = std::min(least, row[at(s)]);
      total += row[at(s)];
      ++finite;
    }
    const double leave = placement_.out_cost(jobs[k]);
    if (std::isfinite(leave)) total += leave, least = std::min(least, leave), ++finite;
    if (finite > 1) sum += (total - static_cast<double>(finite) * least) / static_cast<double>(finite) / w, ++n;
  }
  return n > 0 ? sum / static_cast<double>(n) : 0.0;
}

// Solves the equations of a pass; writes the step by row, and returns its longest entry.
double GangPrices::newton_step(const Layout& layout, const Pass& pass, double unit, std::vector<double>& step) const {
  // Rows at 0 whose step is negative stay out of the equations.
  std::vector<std::size_t> free;
  for (std::size_t s = 0; s < p_.size(); ++s)
    if (p_[s] > 0 || pass.slope[s] > 0) free.push_back(s);
  for (std::size_t q = 0; q < q_.size(); ++q)
    if (layout.row_of[q] != kNone && (q_[q] > 0 || pass.slope[at(layout.row_of[q])] > 0))
      free.push_back(at(layout.row_of[q]));
  std::vector<double> matrix(free.size() * free.size()), right(free.size());
  double trace = 0;
  for (const std::size_t a : free) trace += pass.curvature[a * layout.n + a];
  const double ridge =
      tuning_.ridge * trace / static_cast<double>(std::max<std::size_t>(free.size(), 1)) + 1e-12 / unit;
  for (std::size_t a = 0; a < free.size(); ++a) {
    right[a] = pass.slope[free[a]];
    for (std::size_t b = 0; b < free.size(); ++b)
      matrix[a * free.size() + b] = pass.curvature[free[a] * layout.n + free[b]] + (a == b ? ridge : 0.0);
  }
  solve(matrix, right, free.size());
  std::fill(step.begin(), step.end(), 0.0);
  double longest = 0;
  for (std::size_t a = 0; a < free.size(); ++a)
    if (std::isfinite(right[a])) step[free[a]] = right[a], longest = std::max(longest, std::fabs(right[a]));
  return longest;
}

// Change of a price by any step, at most (temperatures).
constexpr double kWidestStep = 64;
// Change of the price of a limit by any step, at most, as it may be far off (mean distances).
constexpr double kWidestLimitStep = 4;
// Step at which a price search ends at the last temperature (temperatures).
constexpr double kLastStep = 1e-3;
// Ratio of a temperature to the one before.
constexpr double kCooling = 0.3;

void GangPrices::improve(double objective, double target, double warmth, int passes, Pool& pool, Stop& stop) {
  const std::vector<Job> jobs = live();
  const double unit = scale(jobs);
  if (!(unit > 0) || !std::isfinite(unit)) return;
  const Layout rows = layout(jobs);
  if (rows.n > at(kMostRows)) return;
  const auto chunks = at(Pool::chunks(static_cast<Index>(jobs.size()), kNewtonChunk));
  const std::size_t held = kPassBytes / (sizeof(double) * (rows.n + 1) * rows.n);
  Pass pass;
  std::vector<Pass> parts(std::min(chunks, std::max(held, 4 * at(pool.threads()))));

  std::vector<double> best_p = p_, best_q = q_;
  const double coldest = unit * warmth * tuning_.last_temperature;
  double best = -kInf, temperature = unit * warmth, radius = temperature * tuning_.first_step;
  double smooth = -kInf;
  bool raised = false;  // above the bound of the prices that the search began with
  // The price of a limit may be far from its last value, as after the first round: the bound on its step is as large as
  // the differences of costs.
  const double widest = rows.n > rows.n_classes ? unit * kWidestLimitStep : 0.0;
  std::vector<double> from_p = p_, from_q = q_, step(rows.n, 0.0);
  const auto make_step = [&] {
    for (std::size_t s = 0; s < p_.size(); ++s) p_[s] = std::max(0.0, from_p[s] + step[s]);
    for (std::size_t q = 0; q < q_.size(); ++q)
      if (rows.row_of[q] != kNone) q_[q] = std::max(0.0, from_q[q] + step[at(rows.row_of[q])]);
    recharge();
  };
  const auto shorten = [&](double longest) {
    const double factor = longest > radius ? radius / longest : 1.0;
    for (double& d : step) d *= factor;
  };
  for (int k = 0; k < passes && !stop.poll(0) && run(rows, pass, parts, temperature, jobs, pool, stop); ++k) {
    if (pass.dual > best) best = pass.dual, best_p = p_, best_q = q_, raised = k > 0;
    const double size = std::max(std::fabs(objective), std::fabs(best));
    if (objective - best <= target * size) break;
    if (pass.smooth < smooth) {  // the step was too long: goes back part of the way
      radius /= tuning_.step_fall;
      double longest = 0;
      for (const double d : step) longest = std::max(longest, std::fabs(d));
      if (longest > 0 && radius < longest) {
        shorten(longest);
        make_step();
        continue;
      }
    }
    from_p = p_, from_q = q_, smooth = pass.smooth;
    const double longest = newton_step(rows, pass, unit, step);
    shorten(longest);
    make_step();
    radius = std::min(radius * tuning_.step_growth, widest > 0 ? widest : temperature * kWidestStep);
    if (longest < temperature * tuning_.settled && temperature > coldest) {
      temperature = std::max(temperature * kCooling, coldest);
      smooth = -kInf;
      radius = temperature * tuning_.first_step;
    } else if (longest < temperature * kLastStep) {
      break;
    }
  }
  p_ = best_p, q_ = best_q;
  raised ? refresh_all(pool, stop) : recharge();
}

}  // namespace gridcompute::live
