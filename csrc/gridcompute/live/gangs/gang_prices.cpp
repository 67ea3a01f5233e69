#include "gridcompute/live/gangs/gang_prices.hpp"

#include <algorithm>
#include <cmath>

namespace gridcompute::live {

namespace {

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
  if (p_.size() != at(placement_.out())) {
    p_.resize(at(placement_.out()), 0.0);
    recharge();
  }
  row_.resize(std::max<std::size_t>(p_.size(), 1));
  value_.resize(n, 0), least_.resize(n, 0), cheapest_.resize(n, kNone), counted_.resize(n, 0), held_.resize(n, 0);
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
  by_type_.clear();
  if (std::all_of(q_.begin() + static_cast<std::ptrdiff_t>(n), q_.end(), [](double q) { return q == 0; })) return;
  const std::size_t n_types = q_.size() / n - 1;
  std::vector<double> of_type(n_types);
  for (std::size_t k = 0; k < n; ++k) {
    std::fill(of_type.begin(), of_type.end(), 0.0);
    for (auto q = static_cast<std::int32_t>(k); q >= 0; q = parent[at(q)])
      for (std::size_t t = 0; t < n_types; ++t) of_type[t] += q_[placement_.row_of(q, static_cast<std::int32_t>(t))];
    for (const double charge : of_type) highest_charge_ = std::max(highest_charge_, charge_[k] + charge);
    for (std::size_t s = 0; s < p_.size(); ++s)
      by_type_.push_back(p_[s] + of_type[at(placement_.type(static_cast<Slot>(s)))]);
  }
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

void GangPrices::forget(Job job) {
  if (counted_[at(job)] == 0) return;
  counted_[at(job)] = 0;
  --n_counted_;
  std::isfinite(value_[at(job)]) ? total_.add(value_[at(job)], -1) : void(--n_infinite_);
}

void GangPrices::count(Job job, const Term& term) {
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

void GangPrices::refresh_all(Pool& pool) {
  recharge();
  const std::vector<Job> jobs = live();
  std::vector<Term> terms(jobs.size());
  pool.for_chunks(static_cast<Index>(jobs.size()), tuning_.rows_chunk, [&](Index, Index begin, Index end) {
    std::vector<double> row(row_.size());
    for (Index k = begin; k < end; ++k) terms[at(k)] = term(jobs[at(k)], row.data());
  });
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

// The sums of one pass over all jobs: D, the smoothed D, and the derivatives of the latter.
struct GangPrices::Pass {
  std::size_t n_classes, n;              // classes, then limits that may have a price
  std::vector<std::int32_t> row_of;      // by limit: its row, or kNone
  bool typed = false;                    // some limit of a type has a row
  std::vector<double> slope, curvature;  // (n), (n, n): of -D
  double dual = 0, smooth = 0;

  void clear() {
    dual = smooth = 0;
    slope.assign(n, 0.0);
    curvature.assign(n * n, 0.0);
  }
  void add(const Pass& part) {
    dual += part.dual, smooth += part.smooth;
    for (std::size_t k = 0; k < n; ++k) slope[k] += part.slope[k];
    for (std::size_t k = 0; k < n * n; ++k) curvature[k] += part.curvature[k];
  }
};

// Adds the terms of all jobs to a pass: D is the sum of their least payments, less the value of capacities and limits.
void GangPrices::run(Pass& pass, double temperature, const std::vector<Job>& jobs, Pool& pool) const {
  const auto n_jobs = static_cast<Index>(jobs.size());
  const Slot n_slots = placement_.out();
  std::vector<Pass> parts(at(Pool::chunks(n_jobs, tuning_.newton_chunk)), pass);
  pool.for_chunks(n_jobs, tuning_.newton_chunk, [&](Index chunk, Index begin, Index end) {
    Pass& part = parts[at(chunk)];
    part.clear();
    std::vector<double> row(row_.size()), chance, mean(part.n, 0.0);
    std::vector<std::size_t> near, rows, counted;
    const std::vector<std::int32_t>& parent = placement_.queues().parent;
    // Adds the terms of a job whose class decides which limits count it: each near class is a vector of rows, and the
    // curvature is the covariance of these vectors.
    const auto add_by_type = [&](Job job, double w, double stiff) {
      counted.clear();
      const auto mark = [&](std::size_t r, double by) {
        if (mean[r] == 0) counted.push_back(r);
        mean[r] += by;
      };
      for (std::size_t a = 0; a < near.size(); ++a) {
        if (chance[a] == 0) continue;
        rows.assign(1, near[a]);
        const std::int32_t type = placement_.type(static_cast<Slot>(near[a]));
        for (std::int32_t q = placement_.queue(job); q >= 0; q = parent[at(q)])
          for (const std::size_t limit : {at(q), placement_.row_of(q, type)})
            if (part.row_of[limit] != kNone) rows.push_back(at(part.row_of[limit]));
        for (const std::size_t r : rows) {
          mark(r, chance[a]);
          for (const std::size_t t : rows) part.curvature[r * part.n + t] += stiff * chance[a];
        }
      }
      for (const std::size_t r : counted) {
        part.slope[r] += w * mean[r];
        for (const std::size_t t : counted) part.curvature[r * part.n + t] -= stiff * mean[r] * mean[t];
      }
      for (const std::size_t r : counted) mean[r] = 0;
    };
    for (Index k = begin; k < end; ++k) {
      const Job job = jobs[at(k)];
      placement_.read_row(job, row.data());
      const Cost demand = placement_.demand(job);
      const auto w = static_cast<double>(demand);
      const double by_queue = charge_[at(placement_.queue(job))];
      const double* prices = to_queue(placement_.queue(job));
      const double per_slot = 1 / w;
      const double leave = held(job) ? kInf : placement_.out_cost(job) * per_slot;
      double least = leave;
      for (Slot s = 0; s < n_slots; ++s) {
        row[at(s)] = demand <= placement_.capacity(s) ? row[at(s)] * per_slot + prices[s] + by_queue : kInf;
        least = std::min(least, row[at(s)]);
      }
      if (!std::isfinite(least)) continue;
      part.dual += w * least;
      near.clear(), chance.clear();
      const double far = least + tuning_.negligible * temperature;
      double total = std::exp((least - leave) / temperature);
      for (Slot s = 0; s < n_slots; ++s) {
        if (row[at(s)] > far) continue;
        const double above = (row[at(s)] - least) / temperature;
        near.push_back(at(s));
        chance.push_back(std::exp(-above));
        total += chance.back();
      }
      part.smooth += w * (least - temperature * std::log(total));
      double placed = 0;
      for (double& c : chance) c /= total, placed += c;
      const double stiff = w / temperature;
      if (part.typed) {
        add_by_type(job, w, stiff);
        continue;
      }
      for (std::size_t a = 0; a < near.size(); ++a) {
        part.slope[near[a]] += w * chance[a];
        part.curvature[near[a] * part.n + near[a]] += stiff * chance[a];
        for (std::size_t b = 0; b < near.size(); ++b)
          part.curvature[near[a] * part.n + near[b]] -= stiff * chance[a] * chance[b];
      }
      rows.clear();
      for (std::int32_t q = placement_.queue(job); q >= 0; q = parent[at(q)])
        if (part.row_of[at(q)] != kNone) rows.push_back(at(part.row_of[at(q)]));
      for (const std::size_t r : rows) {
        part.slope[r] += w * placed;
        for (const std::size_t t : rows) part.curvature[r * part.n + t] += stiff * placed * (1 - placed);
        for (std::size_t a = 0; a < near.size(); ++a) {
          part.curvature[r * part.n + near[a]] += stiff * chance[a] * (1 - placed);
          part.curvature[near[a] * part.n + r] += stiff * chance[a] * (1 - placed);
        }
      }
    }
  });
  pass.clear();
  for (const Pass& part : parts) pass.add(part);
  double spent = 0;
  for (Slot s = 0; s < n_slots; ++s) {
    const auto capacity = static_cast<double>(placement_.usable(s));
    spent += capacity * p_[at(s)];
    pass.slope[at(s)] -= capacity;
  }
  for (std::size_t q = 0; q < q_.size(); ++q) {
    if (pass.row_of[q] == kNone) continue;
    const auto limit = static_cast<double>(placement_.limit(q));
    spent += limit * q_[q];
    pass.slope[at(pass.row_of[q])] -= limit;
  }
  pass.dual -= spent, pass.smooth -= spent;
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

void GangPrices::improve(double objective, double target, double warmth, int passes, Pool& pool, Stop& stop) {
  recharge();
  const std::vector<Job> jobs = live();
  const double unit = scale(jobs);
  if (!(unit > 0) || !std::isfinite(unit)) return refresh_all(pool);
  Pass pass;
  pass.n_classes = at(placement_.out());
  pass.row_of.assign(q_.size(), kNone);
  pass.n = pass.n_classes;
  std::vector<Cost> wanted(charge_.size(), 0);
  for (const Job job : jobs)
    for (std::int32_t q = placement_.queue(job); q >= 0; q = placement_.queues().parent[at(q)])
      wanted[at(q)] += placement_.demand(job);
  for (std::size_t q = 0; q < q_.size(); ++q)
    if ((q_[q] > 0 || wanted[q % wanted.size()] > placement_.limit(q)) && pass.n < at(tuning_.most_rows)) {
      pass.row_of[q] = static_cast<std::int32_t>(pass.n++);
      pass.typed = pass.typed || q >= wanted.size();
    }
  if (pass.n > at(tuning_.most_rows)) return refresh_all(pool);

  std::vector<double> best_p = p_, best_q = q_;
  const double coldest = unit * warmth * tuning_.last_temperature;
  double best = -kInf, temperature = unit * warmth, radius = temperature * tuning_.first_step;
  double smooth = -kInf;
  // The price of a limit may be far from its last value, as after the first round: the bound on its step is as large as
  // the differences of costs.
  const double widest = pass.n > pass.n_classes ? unit * tuning_.widest_limit_step : 0.0;
  std::vector<double> from_p = p_, from_q = q_, step(pass.n, 0.0);
  const auto moved_to = [&](double factor) {
    for (std::size_t s = 0; s < p_.size(); ++s) p_[s] = std::max(0.0, from_p[s] + factor * step[s]);
    for (std::size_t q = 0; q < q_.size(); ++q)
      if (pass.row_of[q] != kNone) q_[q] = std::max(0.0, from_q[q] + factor * step[at(pass.row_of[q])]);
    recharge();
  };
  for (int k = 0; k < passes && !stop.poll(); ++k) {
    run(pass, temperature, jobs, pool);
    if (pass.dual > best) best = pass.dual, best_p = p_, best_q = q_;
    const double size = std::max(std::fabs(objective), std::fabs(best));
    if (objective - best <= target * size) break;
    if (pass.smooth < smooth) {  // the step was too long: goes back part of the way
      radius /= tuning_.step_fall;
      double longest = 0;
      for (const double d : step) longest = std::max(longest, std::fabs(d));
      if (longest > 0 && radius < longest) {
        for (double& d : step) d *= radius / longest;
        moved_to(1.0);
        continue;
      }
    }
    from_p = p_, from_q = q_, smooth = pass.smooth;
    // Rows at 0 whose step is negative stay out of the equations.
    std::vector<std::size_t> free;
    for (std::size_t s = 0; s < p_.size(); ++s)
      if (p_[s] > 0 || pass.slope[s] > 0) free.push_back(s);
    for (std::size_t q = 0; q < q_.size(); ++q)
      if (pass.row_of[q] != kNone && (q_[q] > 0 || pass.slope[at(pass.row_of[q])] > 0))
        free.push_back(at(pass.row_of[q]));
    std::vector<double> matrix(free.size() * free.size()), right(free.size());
    double trace = 0;
    for (std::size_t a = 0; a < free.size(); ++a) trace += pass.curvature[free[a] * pass.n + free[a]];
    const double ridge =
        tuning_.ridge * trace / static_cast<double>(std::max<std::size_t>(free.size(), 1)) + 1e-12 / unit;
    for (std::size_t a = 0; a < free.size(); ++a) {
      right[a] = pass.slope[free[a]];
      for (std::size_t b = 0; b < free.size(); ++b)
        matrix[a * free.size() + b] = pass.curvature[free[a] * pass.n + free[b]] + (a == b ? ridge : 0.0);
    }
    solve(matrix, right, free.size());
    std::fill(step.begin(), step.end(), 0.0);
    double longest = 0;
    for (std::size_t a = 0; a < free.size(); ++a)
      if (std::isfinite(right[a])) step[free[a]] = right[a], longest = std::max(longest, std::fabs(right[a]));
    const double factor = longest > radius ? radius / longest : 1.0;
    for (double& d : step) d *= factor;
    moved_to(1.0);
    radius = std::min(radius * tuning_.step_growth, widest > 0 ? widest : temperature * tuning_.widest_step);
    if (longest < temperature * tuning_.settled && temperature > coldest) {
      temperature = std::max(temperature * tuning_.cooling, coldest);
      smooth = -kInf;
      radius = temperature * tuning_.first_step;
    } else if (longest < temperature * tuning_.last_step) {
      break;
    }
  }
  p_ = best_p, q_ = best_q;
  refresh_all(pool);
}

}  // namespace gridcompute::live
