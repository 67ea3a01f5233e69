#include "gridcompute/transport/tune.hpp"

#include <algorithm>
#include <cmath>

namespace gridcompute::transport {

namespace {

constexpr int kSteps = 6;
constexpr Index kActive = 16;  // groups a class that should split, on average
constexpr Index kActiveForNoise = 100;
constexpr Index kSample = 1 << 14;  // gaps looked at for tau
constexpr int kIterations = 60;     // of conjugate gradients
constexpr int kProbes = 4;          // random load errors

// The groups that split at the present prices, flat.
struct Active {
  std::vector<Slot> slot;
  std::vector<std::int32_t> size;
  std::vector<double> stiffness;  // w / tau

  void clear() { slot.clear(), size.clear(), stiffness.clear(); }
};

class Newton {
 public:
  Newton(const Restricted& problem, std::span<const Cost> capacity)
      : r_(problem), capacity_(capacity), n_(static_cast<std::size_t>(problem.columns)), load_(n_), diagonal_(n_) {}

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
    active_.clear();
    std::fill(diagonal_.begin(), diagonal_.end(), 0.0);
    for (std::size_t s = 0; s < n_; ++s) load_[s] = static_cast<double>(r_.fixed[s]);
    for (Index g = 0; g < r_.groups(); ++g) split(g, prices, tau);
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
  void split(Index g, std::span<const Cost> prices, double tau) {
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
      load_[r_.slot[at]] += w;
      return;
    }
    near_.clear();
    for (Index c = from; c < from + size; ++c) {
      const double x = static_cast<double>(r_.key[c] + prices[r_.slot[c]] - best);
      if (x < tau) near_.emplace_back(x, r_.slot[c]);
    }
    std::sort(near_.begin(), near_.end());
    double sum = 0, theta = tau;
    std::size_t m = 0;
    while (m < near_.size() && near_[m].first < theta) {
      sum += near_[m++].first;
      theta = (tau + sum) / static_cast<double>(m);
    }
    const double k = w / tau;
    for (std::size_t c = 0; c < m; ++c) {
      const auto s = static_cast<std::size_t>(near_[c].second);
      load_[s] += k * (theta - near_[c].first);
      diagonal_[s] += k * (1.0 - 1.0 / static_cast<double>(m));
      active_.slot.push_back(near_[c].second);
    }
    active_.size.push_back(static_cast<std::int32_t>(m));
    active_.stiffness.push_back(k);
  }

  void multiply(const std::vector<double>& x, std::vector<double>& y) const {
    for (std::size_t s = 0; s < n_; ++s) y[s] = (kRidge - 1.0) * diagonal_[s] * x[s];
    std::size_t at = 0;
    for (std::size_t g = 0; g < active_.size.size(); ++g) {
      const auto m = static_cast<std::size_t>(active_.size[g]);
      const Slot* slot = active_.slot.data() + at;
      double mean = 0;
      for (std::size_t c = 0; c < m; ++c) mean += x[slot[c]];
      mean /= static_cast<double>(m);
      for (std::size_t c = 0; c < m; ++c) y[slot[c]] += active_.stiffness[g] * (x[slot[c]] - mean);
      at += m;
    }
    for (std::size_t s = 0; s < n_; ++s) y[s] *= free_[s];
  }

  const Restricted& r_;
  std::span<const Cost> capacity_;
  std::size_t n_;
  std::vector<double> load_, diagonal_, free_;
  std::vector<std::pair<double, Slot>> near_;
  Active active_;
};

}  // namespace

void tune(const Restricted& problem, std::span<const Cost> capacity, std::vector<Cost>& prices) {
  Newton newton(problem, capacity);
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
                                  std::span<const Cost> prices, std::uint64_t seed) {
  Newton newton(problem, capacity);
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
