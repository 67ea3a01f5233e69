#include <algorithm>
#include <cmath>

#include "gridcompute/auction/auction.hpp"
#include "gridcompute/base/error.hpp"
#include "gridcompute/transport/gangs.hpp"
#include "gridcompute/transport/level.hpp"
#include "gridcompute/transport/sample.hpp"
#include "gridcompute/transport/verify.hpp"

namespace gridcompute::transport {

namespace {

constexpr Index kProbe = 4096;         // rows read to choose a resolution
constexpr double kHeadroom = 16;       // how much larger than the largest of them a cost may be before we start over
constexpr Cost kFirstBox = 6;          // the second level's box, in scales of the auction
constexpr Index kWholeKeys = 1 << 22;  // matrices up to this size are read whole for it

// The largest finite |cost| per unit of weight: of all rows, or of a probe; the first row with NaN or -inf.
struct Largest {
  double cost = 0;
  Index invalid = -1;
};

Largest largest_cost_seen(const Problem& problem, Pool& pool, bool all) {
  const CostSource& source = *problem.cost;
  const Index n = source.n_jobs(), s = source.n_slots();
  const std::vector<Index> rows = all || n <= kProbe ? std::vector<Index>{} : strata(n, kProbe, 1);
  const Index count = rows.empty() ? n : kProbe;
  constexpr Index kChunk = 512;
  std::vector<Largest> parts(static_cast<std::size_t>(Pool::chunks(count, kChunk)));
  pool.for_chunks(count, kChunk, [&](Index chunk, Index begin, Index end) {
    std::vector<double> row(static_cast<std::size_t>(std::max<Index>(1, s)));
    Largest& part = parts[static_cast<std::size_t>(chunk)];
    for (Index k = begin; k < end; ++k) {
      const Index job = rows.empty() ? k : rows[static_cast<std::size_t>(k)];
      source.reals(Rows{&job, 0, 1}, row.data());
      double most = 0;
      for (Index c = 0; c < s; ++c) {
        const double size = std::fabs(row[static_cast<std::size_t>(c)]);
        if (size < std::numeric_limits<double>::infinity()) most = std::max(most, size);
        if (!(row[static_cast<std::size_t>(c)] > -std::numeric_limits<double>::infinity()) && part.invalid < 0)
          part.invalid = job;
      }
      if (problem.unplaced != nullptr) {
        const double out = std::fabs(problem.unplaced[job * problem.unplaced_stride]);
        if (out < std::numeric_limits<double>::infinity()) most = std::max(most, out);
      }
      part.cost = std::max(part.cost, most / static_cast<double>(problem.weight(job)));
    }
  });
  Largest total;
  for (const Largest& part : parts) {
    total.cost = std::max(total.cost, part.cost);
    if (part.invalid >= 0 && (total.invalid < 0 || part.invalid < total.invalid)) total.invalid = part.invalid;
  }
  return total;
}

bool unplaced_integral(const Problem& problem) {
  if (problem.unplaced == nullptr) return true;
  const Index n = problem.unplaced_stride == 0 ? std::min<Index>(1, problem.cost->n_jobs()) : problem.cost->n_jobs();
  for (Index i = 0; i < n; ++i) {
    if (problem.unplaced[i] != std::nearbyint(problem.unplaced[i])) return false;  // +inf is equal to itself
  }
  return true;
}

class Solver {
 public:
  Solver(const Problem& problem, const Options& options, Pool& pool, Stop& stop, double resolution)
      : problem_(problem),
        options_(options),
        pool_(pool),
        stop_(stop),
        keys_(problem, resolution),
        n_(problem.cost->n_jobs()),
        columns_(keys_.columns()) {
    full_.n = n_;
    full_.capacity.assign(problem.capacity, problem.capacity + keys_.n_slots());
    for (Index i = 0; i < n_; ++i) weight_ += problem.weight(i);
    if (keys_.optional()) full_.capacity.push_back(static_cast<Cost>(weight_));
    // More room than everything needs is never used; this bounds the sums of capacities.
    for (Cost& u : full_.capacity) u = static_cast<Cost>(std::min<Wide>(u, weight_));
  }

  // False where a cost was out of range for this resolution: seen() tells.
  bool run(Result& result) {
    result.resolution = keys_.resolution();
    result.integral = keys_.integral();
    prices_.assign(static_cast<std::size_t>(columns_), 0);
    stop_.stage("samples", 0);
    LevelEnd end = samples(result.stats);
    if (end.kind == LevelEnd::Kind::out_of_range) return false;
    std::vector<double> noise;
    if (end.kind == LevelEnd::Kind::optimal) {
      const Scan how{keys_, pool_, stop_, share_};
      end = solve_level(how, full_, radius_, options_.seed, false, prices_, noise, r_, seen_, result.stats);
      if (end.kind == LevelEnd::Kind::out_of_range) return false;
    }
    finish(end, result);
    return true;
  }

  [[nodiscard]] const Seen& seen() const noexcept { return seen_; }
  [[nodiscard]] const Keys& keys() const noexcept { return keys_; }

 private:
  // Prices and radii for the full problem from the ladder.
  LevelEnd samples(Stats& stats) {
    std::vector<Index> sizes = ladder(n_, columns_);
    Widths widths;
    if (options_.prices != nullptr) warm();
    const bool cold = options_.prices == nullptr;
    if (!cold && sizes.size() > 1) sizes.erase(sizes.begin(), sizes.end() - 1);
    if (cold && n_ > 0 && columns_ > 0) auction_start(sizes.empty() ? n_ : sizes.front(), stats);
    share_ = problem_.demand == nullptr;  // until a level has told
    if (radius_.empty()) radius_.assign(static_cast<std::size_t>(columns_), 1);
    for (const Index m : sizes) {
      const std::vector<Index> rows = strata(n_, m, options_.seed);
      Level level;
      level.rows = rows.data();
      level.n = m;
      Wide part = 0;
      for (const Index row : rows) part += problem_.weight(row);
      level.capacity = scaled(full_.capacity, part, weight_);
      Restricted r;
      std::vector<double> noise;
      const std::vector<Cost> before = prices_;
      const Scan how{keys_, pool_, stop_, share_};
      LevelEnd end = solve_level(how, level, radius_, options_.seed, true, prices_, noise, r, seen_, stats);
      if (end.kind == LevelEnd::Kind::infeasible) {
        if (r.hopeless >= 0) return {};      // the full scan finds it again, with its position
        end.kind = LevelEnd::Kind::optimal;  // a sample proves nothing
      }
      if (end.kind != LevelEnd::Kind::optimal) return end;
      ++stats.levels;
      widths.learn(before, prices_, noise);
      // The lowest level is too small to tell how wrong it is; the auction's scale is a better guess.
      radius_ = widths.radius(stats.levels == 1 && scale_ > 0 ? kFirstBox * scale_ : kCostLimit / 8);
      // Sharing groups pays where few lists are distinct.
      Index shared = 0;
      for (const std::int32_t members : r.members) shared += members;
      share_ = share_ && shared > 2 * r.groups();
    }
    return {};
  }

  void warm() {
    for (Slot s = 0; s < keys_.n_slots(); ++s) {
      const double p = std::nearbyint(std::max(0.0, options_.prices[s]) * keys_.resolution());
      prices_[s] = static_cast<Cost>(std::min(p, static_cast<double>(keys_.limit())));
    }
    const Cost top = *std::max_element(prices_.begin(), prices_.end());
    radius_.assign(static_cast<std::size_t>(columns_), std::max<Cost>(1, top / 64));
  }

  void auction_start(Index m, Stats& stats) {
    const double from = stop_.seconds();
    const std::vector<Index> rows = strata(n_, m, options_.seed);
    std::vector<Cost> keys(static_cast<std::size_t>(m * columns_)), weights(static_cast<std::size_t>(m));
    Wide part = 0;
    std::vector<double> scratch;
    for (Index k = 0; k < m; ++k) {
      const Index job = rows[static_cast<std::size_t>(k)];
      Cost* row = keys.data() + k * columns_;
      keys_.fill(Rows{&job, 0, 1}, row, scratch, seen_);
      if (keys_.optional()) row[columns_ - 1] = keys_.unplaced(job, seen_);
      weights[static_cast<std::size_t>(k)] = problem_.weight(job);
      part += problem_.weight(job);
    }
    if (seen_.invalid < 0 && seen_.largest <= static_cast<double>(keys_.limit())) {
      const auction::Start start = auction::start_prices(keys, weights, scaled(full_.capacity, part, weight_), stop_);
      prices_ = start.prices;
      scale_ = start.epsilon;
      radius_.assign(static_cast<std::size_t>(columns_),
                     std::max<Cost>(1, std::min(4 * start.epsilon, kCostLimit / 8)));
    }
    stats.evaluations += m * columns_;
    stats.add("samples", stop_.seconds() - from);
  }

  void finish(const LevelEnd& end, Result& result) {
    const double from = stop_.seconds();
    using Kind = LevelEnd::Kind;
    const Scan how{keys_, pool_, stop_, share_};
    const bool read = static_cast<Index>(r_.where.size()) == n_ &&
                      r_.box.center.size() == static_cast<std::size_t>(columns_) &&
                      static_cast<Index>(r_.weight_total == weight_);
    const Whole whole =
        read && r_.hopeless < 0 ? make_whole(how, full_, r_, prices_, stop_) : make_any(how, full_, stop_);
    result.assignment = whole.assignment;
    const Slot n_slots = keys_.n_slots();
    for (std::int32_t& s : result.assignment) s = s == n_slots ? -1 : s;
    result.load.assign(whole.load.begin(), whole.load.begin() + n_slots);
    result.prices.resize(static_cast<std::size_t>(n_slots));
    for (Slot s = 0; s < n_slots; ++s) result.prices[s] = static_cast<double>(prices_[s]) / keys_.resolution();
    result.stats.candidates = static_cast<Index>(r_.slot.size());
    result.stats.groups = r_.groups();
    if (end.kind == Kind::infeasible) {
      witness(end, result);
      return;
    }
    judge(end, read, whole, result);
    result.stats.add("finish", stop_.seconds() - from);
  }

  void witness(const LevelEnd& end, Result& result) {
    result.status = Status::infeasible;
    result.objective = result.bound = std::numeric_limits<double>::infinity();
    if (r_.hopeless >= 0) {
      result.witness_jobs = {r_.hopeless};
      return;
    }
    for (const Slot s : end.classes) {
      if (s < keys_.n_slots()) result.witness_slots.push_back(s);
    }
    std::sort(result.witness_slots.begin(), result.witness_slots.end());
    result.witness_jobs = jobs_in(r_, end.classes);
  }

  // Objective, bound and status of what was found.
  void judge(const LevelEnd& end, bool read, const Whole& whole, Result& result) {
    const double inf = std::numeric_limits<double>::infinity();
    const bool whole_optimum =
        read && end.kind == LevelEnd::Kind::optimal && problem_.demand == nullptr && whole.homeless == 0;
    if (!(keys_.integral() && whole_optimum)) result.objective = objective(result.assignment);
    result.bound = -inf;
    if (read) {
      // Prices that were stopped half-way may hide classes outside the candidates: their price fell by at most
      // `hidden`.
      Wide value = end.kind == LevelEnd::Kind::optimal ? r_.value(prices_) : lowest_value();
      for (Slot s = 0; s < columns_; ++s) value -= static_cast<Wide>(full_.capacity[s]) * prices_[s];
      const bool whole_optimum =
          end.kind == LevelEnd::Kind::optimal && problem_.demand == nullptr && whole.homeless == 0;
      if (keys_.integral() && whole_optimum) {
        result.exact = value == r_.objective();
        result.exact_objective = value;
        result.bound = result.objective = static_cast<double>(value);
      } else if (!seen_.inexact && whole_optimum && value == r_.objective() &&
                 std::fabs(static_cast<double>(value)) < 0x1p53) {
        result.exact = true;
        result.bound = result.objective = static_cast<double>(value) / keys_.resolution();
      } else {
        // A key is within a half of its cost (three quarters with gangs: a division rounded first).
        const double per_unit = seen_.inexact || !power_of_two() || problem_.demand != nullptr
                                    ? (problem_.demand != nullptr || !power_of_two() ? 0.75 : 0.5)
                                    : 0.0;
        double low = static_cast<double>(value) - per_unit * static_cast<double>(weight_);
        low -= (std::fabs(static_cast<double>(value)) + std::fabs(low)) * 0x1p-52;
        result.bound = low / keys_.resolution();
        result.bound = std::min(result.bound, result.objective);
      }
    }
    switch (stop_.why()) {
      case Stop::Why::time_limit:
        result.status = Status::time_limit;
        break;
      case Stop::Why::none: {
        const bool proved = problem_.demand == nullptr || !(result.bound < result.objective);
        result.status = whole.homeless == 0 && proved ? Status::optimal : Status::feasible;
        break;
      }
      default:
        result.status = Status::stopped;
    }
    if (result.status == Status::optimal) return;
    result.exact = result.exact && result.bound == result.objective && whole.homeless == 0;
    if (whole.homeless > 0) result.objective = inf;  // some job that must be placed is not
  }

  [[nodiscard]] bool power_of_two() const {
    int exponent = 0;
    return std::frexp(keys_.resolution(), &exponent) == 0.5;
  }

  // sum of w * V where classes outside the candidates are bounded only by the box.
  Wide lowest_value() const {
    const Cost shift = r_.box.shift(prices_);
    Wide total = r_.value(prices_);
    for (Index k = 0; k < n_; ++k) {
      const std::int32_t w = r_.where[k];
      if (w < 0) continue;
      const double least =
          std::floor(static_cast<double>(r_.slack[k])) + static_cast<double>(r_.box.center[w] + shift - prices_[w]);
      if (least < 0) total += static_cast<Wide>(problem_.weight(k)) * static_cast<Wide>(least);
    }
    for (Index g = 0; g < r_.groups(); ++g) {
      if (r_.weight[g] == 0 || r_.next[g] >= kForbidden) continue;
      Cost v = kForbidden;
      for (Index c = r_.begin[g]; c < r_.begin[g] + r_.size[g]; ++c) v = std::min(v, r_.key[c] + prices_[r_.slot[c]]);
      const Cost least = r_.next[g] + r_.box.center[r_.slot[r_.begin[g]]] + shift - v;
      if (least < 0) total += static_cast<Wide>(r_.weight[g]) * least;
    }
    return total;
  }

  // The original costs of the assignment, summed without loss where they are integers, compensated where not.
  double objective(const std::vector<std::int32_t>& assignment) const;

  const Problem& problem_;
  const Options& options_;
  Pool& pool_;
  Stop& stop_;
  Keys keys_;
  Index n_;
  Slot columns_;
  Wide weight_ = 0;
  Level full_;
  std::vector<Cost> prices_, radius_;
  Cost scale_ = 0;  // on which prices matter, from the auction
  bool share_ = false;
  Restricted r_;
  Seen seen_;
};

double Solver::objective(const std::vector<std::int32_t>& assignment) const {
  constexpr Index kChunk = 1 << 14;
  struct Part {
    Wide whole = 0;
    double sum = 0, rest = 0;
  };
  std::vector<Part> parts(static_cast<std::size_t>(Pool::chunks(n_, kChunk)));
  const CostSource& source = *problem_.cost;
  const auto add = [](Part& part, double x) {  // Neumaier's compensated sum
    const double t = part.sum + x;
    part.rest += std::fabs(part.sum) >= std::fabs(x) ? (part.sum - t) + x : (x - t) + part.sum;
    part.sum = t;
  };
  pool_.for_chunks(n_, kChunk, [&](Index chunk, Index begin, Index end) {
    Part& part = parts[static_cast<std::size_t>(chunk)];
    for (Index i = begin; i < end; ++i) {
      const std::int32_t s = assignment[static_cast<std::size_t>(i)];
      if (s < 0) {
        if (problem_.unplaced == nullptr) continue;
        const double out = problem_.unplaced[i * problem_.unplaced_stride];
        if (std::fabs(out) < std::numeric_limits<double>::infinity()) add(part, out);
      } else if (source.real()) {
        add(part, source.real_at(i, s));
      } else {
        part.whole += source.integer_at(i, s);
      }
    }
  });
  Part total;
  for (const Part& part : parts) {
    total.whole += part.whole;
    add(total, part.sum);
    total.rest += part.rest;
  }
  return static_cast<double>(total.whole) + (total.sum + total.rest);
}

}  // namespace

void Stats::add(const char* name, double seconds) {
  for (Stage& s : stages) {
    if (std::string(s.name) == name) {
      s.seconds += seconds;
      return;
    }
  }
  stages.push_back({name, seconds});
}

Result solve(const Problem& problem, const Options& options, Stop& stop) {
  Pool pool(thread_count(options.threads));
  Result result;
  const double limit = static_cast<double>(largest_cost(problem.cost->n_slots() + 2));
  const Index keys = problem.cost->n_jobs() * problem.cost->n_slots();
  const bool natural = !problem.cost->real() && problem.demand == nullptr && unplaced_integral(problem);
  double resolution = options.resolution;
  const bool automatic = !(resolution > 0);
  if (automatic && natural) {
    resolution = 1;
  } else if (automatic) {
    double most = problem.cost->known_bound();
    if (most >= 0 && problem.unplaced != nullptr) {
      const Index n =
          problem.unplaced_stride == 0 ? std::min<Index>(1, problem.cost->n_jobs()) : problem.cost->n_jobs();
      for (Index i = 0; i < n; ++i) {
        const double out = std::fabs(problem.unplaced[i]);
        if (out < std::numeric_limits<double>::infinity()) most = std::max(most, out);
      }
    }
    if (most < 0) {
      const bool all = keys <= kWholeKeys;
      most = largest_cost_seen(problem, pool, all).cost * (all ? 1.0 : kHeadroom);
    }
    resolution = choose_resolution(most, static_cast<Cost>(limit));
  }
  for (int attempt = 0;; ++attempt) {
    Solver solver(problem, options, pool, stop, resolution);
    if (solver.run(result)) return result;
    const Seen& seen = solver.seen();
    if (seen.invalid >= 0) {
      throw Error(ErrorKind::invalid_problem, "cost", seen.invalid,
                  "cost: row " + std::to_string(seen.invalid) +
                      " has a NaN or -inf; finite costs or +inf (forbidden) are needed");
    }
    const auto allowed = static_cast<double>(solver.keys().limit());
    if (!automatic || natural || attempt > 0) {
      throw Error(ErrorKind::cost_range, "cost", -1,
                  "cost * resolution reaches " + std::to_string(seen.largest) + "; with " +
                      std::to_string(problem.cost->n_slots()) + " slots at most " + std::to_string(allowed) +
                      " is allowed");
    }
    resolution = choose_resolution(largest_cost_seen(problem, pool, true).cost, static_cast<Cost>(limit));
    result = Result{};
  }
}

}  // namespace gridcompute::transport
