#include "gridcompute/transport/tune.hpp"

#include <algorithm>
#include <cmath>

namespace gridcompute::transport {

namespace {

constexpr Index kChunk = 1 << 14;  // groups: fixed, so that sums do not depend on threads
constexpr int kSteps = 6;
constexpr Index kActive = 16;  // groups a class that should split, on average
constexpr Index kActiveForNoise = 100;
constexpr Index kSample = 1 << 14;  // gaps looked at for tau
constexpr int kIterations = 60;     // of conjugate gradients
constexpr int kProbes = 4;          // random load errors

// What one chunk of groups adds: soft loads, the Laplacian's diagonal, and the groups that split, flat.
struct Part {
  std::vector<double> load, diagonal;
  std::vector<Slot> slot;
  std::vector<std::int32_t> size;
  std::vector<double> stiffness;  // w / tau
  std::vector<std::pair<double, Slot>> near;

  void clear(std::size_t columns) {
    load.assign(columns, 0.0);
    diagonal.assign(columns, 0.0);
    slot.clear(), size.clear(), stiffness.clear();
  }
};

class Newton {
 public:
  Newton(const Restricted& problem, std::span<const Cost> capacity, Pool& pool)
      : r_(problem),
        capacity_(capacity),
        pool_(pool),
        n_(static_cast<std::size_t>(problem.columns)),
        load_(n_),
        diagonal_(n_),
        parts_(static_cast<std::size_t>(Pool::chunks(problem.groups(), kChunk))) {}

  // The gap between best and second best below which about `active` groups a class lie.
  double width(std::span<const Cost> prices, Index active) {
    std::vector<double> gaps;
    const Index step = std::max<Index>(1, r_.groups() / kSample);
    for (Index g = 0; g < r_.groups(); g += step) {
      Cost best = std::numeric_limits<Cost>::max(), second = best;
      for (Index c = r_.begin[g]; c < r_.begin[g] + r_.size[g]; ++c) {
        const Cost v = r_.key[c] + prices[r_.slot[c]];
        second = std::min(second, std::max(v, best));
        best = std::min(best, v);
      }
      if (r_.size[g] > 1) gaps.push_back(static_cast<double>(second - best));
    }
    if (gaps.empty()) return 1.0;
    const auto rank = std::min<std::size_t>(gaps.size() / 4, static_cast<std::size_t>(active * r_.columns / step));
    std::nth_element(gaps.begin(), gaps.begin() + static_cast<std::ptrdiff_t>(rank), gaps.end());
    return std::max(1.0, gaps[rank]);
  }

  // Soft loads at these prices; collects who splits. Returns the imbalance, sum |load - u| where it counts.
  double look(std::span<const Cost> prices, double tau) {
    pool_.for_chunks(r_.groups(), kChunk, [&](Index chunk, Index begin, Index end) {
      Part& part = parts_[static_cast<std::size_t>(chunk)];
      part.clear(n_);
      for (Index g = begin; g < end; ++g) split(g, prices, tau, part);
    });
    std::fill(diagonal_.begin(), diagonal_.end(), 0.0);
    for (std::size_t s = 0; s < n_; ++s) load_[s] = static_cast<double>(r_.fixed[s]);
    for (const Part& part : parts_) {
      for (std::size_t s = 0; s < n_; ++s) load_[s] += part.load[s], diagonal_[s] += part.diagonal[s];
    }
    double off = 0;
    for (std::size_t s = 0; s < n_; ++s) {
      const double excess = load_[s] - static_cast<double>(capacity_[s]);
      off += excess > 0 ? excess : (prices[s] > 0 ? -excess : 0.0);
    }
    return off;
  }

  // Laplacian * step = load - u over the classes that may move.
  std::vector<double> step(std::span<const Cost> prices) {
    free_classes(prices);
    std::vector<double> off(n_);
    for (std::size_t s = 0; s < n_; ++s) off[s] = load_[s] - static_cast<double>(capacity_[s]);
    return solve(off, kIterations);
  }

  // Which classes may move: not those at price 0 with room left.
  void free_classes(std::span<const Cost> prices) {
    free_.assign(n_, 0.0);
    for (std::size_t s = 0; s < n_; ++s) {
      const bool full = prices[s] > 0 || load_[s] > static_cast<double>(capacity_[s]);
      if (diagonal_[s] > 0 && full) free_[s] = 1.0;
    }
  }

  // Root mean square of the price moves that load errors of sqrt(u) would cause.
  std::vector<double> noise(std::uint64_t seed) const {
    std::vector<double> square(n_), off(n_);
    for (int probe = 0; probe < kProbes; ++probe) {
      for (std::size_t s = 0; s < n_; ++s) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        const double size = std::sqrt(std::max(1.0, static_cast<double>(capacity_[s])));
        off[s] = (seed >> 63) != 0 ? size : -size;
      }
      const std::vector<double> x = solve(off, kIterations / 3);
      for (std::size_t s = 0; s < n_; ++s) square[s] += x[s] * x[s] / kProbes;
    }
    for (double& x : square) x = std::sqrt(x);
    return square;
  }

  [[nodiscard]] std::vector<double> solve(const std::vector<double>& off, int iterations) const {
    std::vector<double> x(n_), residual(n_), z(n_), p(n_), q(n_);
    double rho = 0, start = 0;
    for (std::size_t s = 0; s < n_; ++s) {
      residual[s] = free_[s] * off[s];
      z[s] = diagonal_[s] > 0 ? residual[s] / (diagonal_[s] * kRidge) : 0.0;
      rho += residual[s] * z[s];
    }
    start = rho;
    p = z;
    for (int k = 0; k < iterations && rho > 1e-4 * start; ++k) {
      multiply(p, q);
      double curvature = 0, next = 0;
      for (std::size_t s = 0; s < n_; ++s) curvature += p[s] * q[s];
      if (!(curvature > 0)) break;
      const double a = rho / curvature;
      for (std::size_t s = 0; s < n_; ++s) {
        x[s] += a * p[s];
        residual[s] -= a * q[s];
        z[s] = diagonal_[s] > 0 ? residual[s] / (diagonal_[s] * kRidge) : 0.0;
        next += residual[s] * z[s];
      }
      for (std::size_t s = 0; s < n_; ++s) p[s] = z[s] + next / rho * p[s];
      rho = next;
    }
    return x;
  }

 private:
  static constexpr double kRidge = 1.0 + 1e-3;  // the Laplacian has a null space where no class stands still

  // Projection of the group onto the simplex: those within theta of the best share the weight.
  void split(Index g, std::span<const Cost> prices, double tau, Part& part) const {
    const Index from = r_.begin[g], size = r_.size[g];
    const double w = static_cast<double>(r_.weight[g]);
    Cost best = std::numeric_limits<Cost>::max(), second = best;
    Index at = from;
    for (Index c = from; c < from + size; ++c) {
      const Cost v = r_.key[c] + prices[r_.slot[c]];
      second = std::min(second, std::max(v, best));
      if (v < best) best = v, at = c;
    }
    if (size == 1 || static_cast<double>(second - best) >= tau) {
      part.load[r_.slot[at]] += w;
      return;
    }
    part.near.clear();
    for (Index c = from; c < from + size; ++c) {
      const double x = static_cast<double>(r_.key[c] + prices[r_.slot[c]] - best);
      if (x < tau) part.near.emplace_back(x, r_.slot[c]);
    }
    std::sort(part.near.begin(), part.near.end());
    double sum = 0, theta = tau;
    std::size_t m = 0;
    while (m < part.near.size() && part.near[m].first < theta) {
      sum += part.near[m++].first;
      theta = (tau + sum) / static_cast<double>(m);
    }
    const double k = w / tau;
    for (std::size_t c = 0; c < m; ++c) {
      const auto s = static_cast<std::size_t>(part.near[c].second);
      part.load[s] += k * (theta - part.near[c].first);
      part.diagonal[s] += k * (1.0 - 1.0 / static_cast<double>(m));
      part.slot.push_back(part.near[c].second);
    }
    part.size.push_back(static_cast<std::int32_t>(m));
    part.stiffness.push_back(k);
  }

  void multiply(const std::vector<double>& x, std::vector<double>& y) const {
    for (std::size_t s = 0; s < n_; ++s) y[s] = (kRidge - 1.0) * diagonal_[s] * x[s];
    for (const Part& part : parts_) {
      const Slot* slot = part.slot.data();
      for (std::size_t g = 0; g < part.size.size(); slot += part.size[g], ++g) {
        const std::int32_t m = part.size[g];
        double mean = 0;
        for (std::int32_t c = 0; c < m; ++c) mean += x[slot[c]];
        mean /= m;
        for (std::int32_t c = 0; c < m; ++c) y[slot[c]] += part.stiffness[g] * (x[slot[c]] - mean);
      }
    }
    for (std::size_t s = 0; s < n_; ++s) y[s] *= free_[s];
  }

  const Restricted& r_;
  std::span<const Cost> capacity_;
  Pool& pool_;
  std::size_t n_;
  std::vector<double> load_, diagonal_, free_;
  std::vector<Part> parts_;
};

}  // namespace

void tune(const Restricted& problem, std::span<const Cost> capacity, std::vector<Cost>& prices, Pool& pool) {
  Newton newton(problem, capacity, pool);
  const auto n = static_cast<std::size_t>(problem.columns);
  std::vector<Cost> radii(problem.box.down);
  const auto middle = radii.begin() + static_cast<std::ptrdiff_t>(n / 2);
  std::nth_element(radii.begin(), middle, radii.end());
  const double narrowest = std::max(2.0, newton.width(prices, kActive));
  double tau = std::max(narrowest, static_cast<double>(*middle));
  std::vector<Cost> best = prices, now = prices;
  double least = std::numeric_limits<double>::infinity(), last = least;
  for (int k = 0; k <= kSteps; ++k) {
    const double off = newton.look(now, tau);
    if (off < least) least = off, best = now;
    if (k == kSteps || off < 0.5 || (k >= 2 && off > 0.7 * last)) break;
    const std::vector<double> step = newton.step(now);
    last = off;
    for (std::size_t s = 0; s < n; ++s) {
      const Cost low = problem.box.center[s] - problem.box.down[s], high = problem.box.center[s] + problem.box.up[s];
      const double move = std::clamp(step[s], static_cast<double>(low - now[s]), static_cast<double>(high - now[s]));
      const Cost to = now[s] + static_cast<Cost>(std::nearbyint(move));
      now[s] = std::max<Cost>(0, std::clamp(to, low, high));
    }
    tau = std::max(narrowest, tau / 2);
  }
  prices = best;
}

std::vector<double> coupled_noise(const Restricted& problem, std::span<const Cost> capacity,
                                  std::span<const Cost> prices, std::uint64_t seed, Pool& pool) {
  Newton newton(problem, capacity, pool);
  // Few groups a class would leave the Laplacian in pieces, which would look like noise.
  newton.look(prices, newton.width(prices, kActiveForNoise));
  newton.free_classes(prices);
  return newton.noise(seed);
}

RankNoise rank_noise(const Restricted& problem, std::span<const Cost> capacity, std::span<const Cost> prices) {
  // By class: what price rises would make units leave, what falls would make units come.
  std::vector<std::vector<double>> leave(capacity.size()), come(capacity.size());
  for (Index g = 0; g < problem.groups(); ++g) {
    const Index from = problem.begin[g], to = from + problem.size[g];
    Cost best = std::numeric_limits<Cost>::max(), second = best;
    Index at = from;
    for (Index c = from; c < to; ++c) {
      const Cost v = problem.key[c] + prices[problem.slot[c]];
      second = std::min(second, std::max(v, best));
      if (v < best) best = v, at = c;
    }
    if (problem.size[g] < 2 || problem.weight[g] == 0) continue;
    leave[problem.slot[at]].push_back(static_cast<double>(second - best));
    for (Index c = from; c < to; ++c) {
      if (c != at)
        come[problem.slot[c]].push_back(static_cast<double>(problem.key[c] + prices[problem.slot[c]] - best));
    }
  }
  // Past what the lists hold: the box where there are more units, else twice the last of them.
  const auto ranked = [](std::vector<double>& moves, std::size_t rank, double beyond, bool more) {
    if (moves.empty()) return beyond;
    if (rank >= moves.size()) {
      const double last = *std::max_element(moves.begin(), moves.end());
      return more ? std::max(last, beyond) : 2 * last;
    }
    std::nth_element(moves.begin(), moves.begin() + static_cast<std::ptrdiff_t>(rank), moves.end());
    return moves[rank];
  };
  const std::vector<Cost> load = problem.load();
  RankNoise out{std::vector<double>(capacity.size()), std::vector<double>(capacity.size())};
  for (std::size_t s = 0; s < capacity.size(); ++s) {
    const double root = std::sqrt(static_cast<double>(capacity[s]));
    if (prices[s] == 0 && static_cast<double>(load[s]) + 3 * root < static_cast<double>(capacity[s])) continue;  // room
    const auto rank = static_cast<std::size_t>(root) + 1;
    out.up[s] = ranked(leave[s], rank, static_cast<double>(problem.box.up[s]), problem.fixed[s] > 0);
    if (prices[s] > 0) out.down[s] = ranked(come[s], rank, static_cast<double>(problem.box.down[s]), true);
  }
  return out;
}

}  // namespace gridcompute::transport
