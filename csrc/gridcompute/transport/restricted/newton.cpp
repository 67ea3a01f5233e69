#include "gridcompute/transport/restricted/newton.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::transport {

namespace {

constexpr Index kGroupChunk = 1 << 12;  // groups: fixed, so that sums do not depend on threads

struct Candidate {
  float x;
  std::int32_t set;
};

// Replaces duplicate columns of a group by the cheapest of them.
void merge_duplicates(std::vector<Candidate>& list, std::vector<std::int32_t>& place) {
  std::size_t count = 0;
  for (const Candidate c : list) {
    std::int32_t& at = place[c.set];
    if (at < 0) {
      at = static_cast<std::int32_t>(count);
      list[count++] = c;
    } else {
      list[at].x = std::min(list[at].x, c.x);
    }
  }
  list.resize(count);
  for (const Candidate& c : list) place[c.set] = -1;
}

// Appends the candidates of a group that the range leaves; `list` is scratch.
void keep(std::vector<Candidate>& list, float weight, const ActiveSet::MoveRange& range, ActiveSet::Chunk& out) {
  float least = std::numeric_limits<float>::infinity();
  for (const Candidate& c : list) least = std::min(least, c.x + range.high[c.set]);
  std::size_t count = 0;
  for (const Candidate c : list) {
    list[count] = c;
    count += c.x + range.low[c.set] <= least ? 1 : 0;
  }
  if (count == 1) {
    out.fixed[list[0].set] += static_cast<double>(weight);
  } else if (count == 2) {
    out.first.push_back(list[0].set), out.second.push_back(list[1].set);
    out.apart.push_back(list[1].x - list[0].x);
    out.weight.push_back(weight);
  } else {
    const std::size_t at = out.set.size();
    out.set.resize(at + count), out.above.resize(at + count);
    for (std::size_t c = 0; c < count; ++c) out.set[at + c] = list[c].set, out.above[at + c] = list[c].x - list[0].x;
    out.size.push_back(static_cast<std::int32_t>(count));
    out.weights.push_back(weight);
  }
}

}  // namespace

ActiveSet::ActiveSet(const RestrictedProblem& r, std::span<const std::int32_t> set, std::span<const Cost> center,
                     const MoveRange& range, Pool& pool) {
  for (Index c = 0; c < Pool::chunks(r.groups(), kGroupChunk); ++c) parts_.emplace_back(pool.memory());
  pool.for_chunks(r.groups(), kGroupChunk, [&](Index chunk, Index begin, Index end) {
    Chunk& part = parts_[at(chunk)];
    part.fixed.assign(center.size(), 0.0);
    const auto most = at(end - begin);
    part.first.reserve(most), part.second.reserve(most), part.apart.reserve(most), part.weight.reserve(most);
    std::vector<Candidate> list;
    std::vector<std::int32_t> place(set.size() > center.size() ? center.size() : 0, -1);
    for (Index g = begin; g < end; ++g) {
      const Index from = r.begin[g];
      const auto x = [&](Index c) { return r.key[c] + center[set[r.slot[c]]]; };
      const Cost first = x(from);
      list.clear();
      for (Index c = from; c < from + r.size[g]; ++c)
        list.push_back({static_cast<float>(x(c) - first), set[r.slot[c]]});
      if (!place.empty()) merge_duplicates(list, place);
      keep(list, static_cast<float>(r.weight[g]), range, part);
    }
  });
}

void ActiveSet::narrow(const MoveRange& range, Pool& pool) {
  pool.for_chunks(static_cast<Index>(parts_.size()), 1, [&](Index k, Index, Index) {
    const Chunk before = std::move(parts_[static_cast<std::size_t>(k)]);
    Chunk& part = parts_[static_cast<std::size_t>(k)] = Chunk(before.memory);
    part.fixed = before.fixed;
    std::vector<Candidate> list;
    for (std::size_t g = 0; g < before.first.size(); ++g) {
      const std::int32_t a = before.first[g], b = before.second[g];
      const float x = before.apart[g];
      if (x + range.low[b] > range.high[a]) {
        part.fixed[a] += static_cast<double>(before.weight[g]);
      } else if (range.low[a] > x + range.high[b]) {
        part.fixed[b] += static_cast<double>(before.weight[g]);
      } else {
        part.first.push_back(a), part.second.push_back(b);
        part.apart.push_back(x), part.weight.push_back(before.weight[g]);
      }
    }
    std::size_t at = 0;
    for (std::size_t g = 0; g < before.size.size(); ++g) {
      list.clear();
      for (std::int32_t c = 0; c < before.size[g]; ++c, ++at) list.push_back({before.above[at], before.set[at]});
      keep(list, before.weights[g], range, part);
    }
  });
}

Index ActiveSet::groups() const noexcept {
  Index total = 0;
  for (const Chunk& part : parts_) total += part.groups();
  return total;
}

namespace {

// Adds matrix * x to y for a symmetric matrix: by its rows as columns, which vectorises without reordering a sum.
GRIDCOMPUTE_CLONES void add_product(const double* matrix, const double* x, Index n, double* GRIDCOMPUTE_RESTRICT y) {
  for (Index i = 0; i < n; ++i) {
    const double* row = matrix + i * n;
    const double a = x[i];
    if (a == 0) continue;
    for (Index k = 0; k < n; ++k) y[k] += a * row[k];
  }
}

// Computes second - first of each pair at these moves.
GRIDCOMPUTE_CLONES void gaps_between(const std::int32_t* first, const std::int32_t* second, const float* apart,
                                     const float* move, Index n, float* GRIDCOMPUTE_RESTRICT out) {
  for (Index g = 0; g < n; ++g) out[g] = apart[g] + move[second[g]] - move[first[g]];
}

struct TwoLeast {
  std::int32_t at;
  float second;
};

TwoLeast two_least(const std::int32_t* set, const float* above, std::int32_t size, const float* move) {
  float best = std::numeric_limits<float>::infinity(), second = best;
  std::int32_t at = 0;
  for (std::int32_t c = 0; c < size; ++c) {
    const float v = above[c] + move[set[c]];
    second = std::min(second, std::max(v, best));
    if (v < best) best = v, at = c;
  }
  return {at, second};
}

}  // namespace

Newton::Newton(const RestrictedProblem& problem, std::span<const Cost> capacity, std::span<const Slot> duplicate_of,
               Pool& pool, Stop& stop, const Tuning& tuning)
    : r_(problem), pool_(pool), stop_(stop), tuning_(tuning), of_(capacity.size()) {
  for (std::size_t s = 0; s < capacity.size(); ++s) {
    const auto first = at(duplicate_of[s]);
    if (first == s) {
      of_[s] = static_cast<std::int32_t>(lead_.size());
      lead_.push_back(static_cast<Slot>(s));
      capacity_.push_back(0);
      fixed_.push_back(0);
    }
    const std::int32_t set = of_[s] = of_[first];
    if (capacity[s] > capacity[lead_[set]]) lead_[set] = static_cast<Slot>(s);
    capacity_[set] += static_cast<double>(capacity[s]);
    fixed_[set] += static_cast<double>(r_.fixed[s]);
  }
  n_ = lead_.size();
  for (const Slot s : lead_) {
    center_.push_back(r_.box.center[s]);
    low_.push_back(std::max<Cost>(0, r_.box.center[s] - r_.box.down[s]));
    high_.push_back(r_.box.center[s] + r_.box.up[s]);
  }
  damp_.assign(n_, 0.0);
  stiff_.assign(n_, 0.0);
  move_.assign(n_, 0.0F);
  undecided_ = std::make_unique<ActiveSet>(r_, of_, center_, range(), pool_);
  for (Iterate* state : {&now_, &trial_}) {
    while (state->parts.size() < undecided_->parts().size()) state->parts.emplace_back(pool.memory());
  }
}

ActiveSet::MoveRange Newton::range() const {
  ActiveSet::MoveRange out{std::vector<float>(n_), std::vector<float>(n_)};
  for (std::size_t k = 0; k < n_; ++k) {
    out.low[k] = static_cast<float>(low_[k] - center_[k]);
    out.high[k] = static_cast<float>(high_[k] - center_[k]);
  }
  return out;
}

void Newton::narrow(std::span<const Cost> packed, double part) {
  for (std::size_t k = 0; k < n_; ++k) {
    const double down = part * static_cast<double>(r_.box.down[lead_[k]]);
    const double up = part * static_cast<double>(r_.box.up[lead_[k]]);
    low_[k] = std::max(low_[k], packed[k] - static_cast<Cost>(down) - 1);
    high_[k] = std::min(high_[k], packed[k] + static_cast<Cost>(up) + 1);
  }
  undecided_->narrow(range(), pool_);
}

std::vector<Cost> Newton::packed(std::span<const Cost> prices) const {
  std::vector<Cost> out(n_);
  for (std::size_t k = 0; k < n_; ++k) out[k] = std::clamp(prices[lead_[k]], low_[k], high_[k]);
  return out;
}

void Newton::unpack(std::span<const Cost> packed, std::vector<Cost>& prices) const {
  for (std::size_t s = 0; s < prices.size(); ++s) {
    const Cost low = std::max<Cost>(0, r_.box.center[s] - r_.box.down[s]);
    prices[s] = std::clamp(packed[of_[s]], low, std::max(low, r_.box.center[s] + r_.box.up[s]));
  }
}

void Newton::moves(std::span<const Cost> packed) {
  for (std::size_t k = 0; k < n_; ++k) move_[k] = static_cast<float>(packed[k] - center_[k]);
}

double Newton::width(std::span<const Cost> packed, Index active) {
  moves(packed);
  std::vector<double> gaps;
  const std::size_t step = static_cast<std::size_t>(std::max<Index>(1, undecided_->groups() / tuning_.width_sample));
  for (const ActiveSet::Chunk& part : undecided_->parts()) {
    for (std::size_t g = 0; g < part.first.size(); g += step)
      gaps.push_back(std::fabs(static_cast<double>(part.apart[g] + move_[part.second[g]] - move_[part.first[g]])));
    std::size_t at = 0;
    for (std::size_t g = 0; g < part.size.size(); at += static_cast<std::size_t>(part.size[g++])) {
      if (g % step != 0) continue;
      const auto [best, second] = two_least(&part.set[at], &part.above[at], part.size[g], move_.data());
      gaps.push_back(static_cast<double>(second - part.above[at + static_cast<std::size_t>(best)] -
                                         move_[part.set[at + static_cast<std::size_t>(best)]]));
    }
  }
  if (gaps.empty()) return 1.0;
  const auto rank =
      std::min<std::size_t>(gaps.size() / tuning_.width_rank, static_cast<std::size_t>(active * r_.columns) / step);
  std::nth_element(gaps.begin(), gaps.begin() + static_cast<std::ptrdiff_t>(rank), gaps.end());
  return std::max(1.0, gaps[rank]);
}

const Newton::Evaluation& Newton::evaluate(std::span<const Cost> packed, double tau) {
  moves(packed);
  const std::vector<ActiveSet::Chunk>& parts = undecided_->parts();
  for (const ActiveSet::Chunk& part : parts) stop_.count(static_cast<Index>(part.first.size() + part.set.size()));
  pool_.for_chunks(static_cast<Index>(parts.size()), 1, [&](Index chunk, Index, Index) {
    const ActiveSet::Chunk& groups = parts[static_cast<std::size_t>(chunk)];
    ChunkSums& part = trial_.parts[static_cast<std::size_t>(chunk)];
    part.nearest = groups.fixed;
    for (auto* sums : {&part.smooth, &part.diagonal}) sums->assign(n_, 0.0);
    part.at.clear(), part.size.clear(), part.stiffness.clear();
    split_pairs(groups, static_cast<float>(tau), part);
    std::size_t at = 0;
    for (std::size_t g = 0; g < groups.size.size(); at += static_cast<std::size_t>(groups.size[g++])) {
      split(&groups.set[at], &groups.above[at], groups.size[g], static_cast<double>(groups.weights[g]),
            static_cast<float>(tau), part);
    }
  });
  std::vector<double> nearest = fixed_, smooth(n_, 0.0);
  trial_.gradient.assign(n_, 0.0);
  trial_.diagonal.assign(n_, 0.0);
  for (const ChunkSums& part : trial_.parts) {
    for (std::size_t k = 0; k < n_; ++k) {
      nearest[k] += part.nearest[k], smooth[k] += part.smooth[k], trial_.diagonal[k] += part.diagonal[k];
    }
  }
  trial_.imbalance = 0;
  for (std::size_t k = 0; k < n_; ++k) {
    const double off = nearest[k] - capacity_[k];
    trial_.gradient[k] = off + smooth[k];
    trial_.imbalance += off > 0 ? off : (packed[k] > 0 ? -off : 0.0);
  }
  return trial_;
}

// Ratio of the damping that was added from step to step.
constexpr double kStiffnessDecay = 2;

void Newton::accept() {
  std::swap(now_, trial_);
  assembled_ = false;
  for (double& x : stiff_) x /= kStiffnessDecay;
}

// Projects a group's weight onto the simplex: the classes within theta of the cheapest share it (Michelot 1986: start
// with all classes within tau, and remove those beyond their theta until none is).
void Newton::split(const std::int32_t* set, const float* above, std::int32_t size, double w, float tau,
                   ChunkSums& part) const {
  const auto most = static_cast<std::size_t>(size);
  if (part.near.size() < most) part.near.resize(most), part.above.resize(most);
  float* const x = part.above.data();
  std::int32_t* const who = part.near.data();
  float best = std::numeric_limits<float>::infinity();
  for (std::int32_t c = 0; c < size; ++c) {
    x[c] = above[c] + move_[set[c]];
    best = std::min(best, x[c]);
  }
  std::size_t m = 0;
  for (std::int32_t c = 0; c < size; ++c) {
    const float gap = x[c] - best;
    x[m] = gap, who[m] = set[c];
    m += gap < tau ? 1 : 0;
  }
  std::size_t at = 0;
  while (x[at] > 0) ++at;
  const auto first = static_cast<std::size_t>(who[at]);
  part.nearest[first] += w;
  double theta = 0;
  for (std::size_t before = 0; m != before && m > 1;) {
    before = m;
    double sum = 0;
    for (std::size_t c = 0; c < m; ++c) sum += static_cast<double>(x[c]);
    theta = (static_cast<double>(tau) + sum) / static_cast<double>(m);
    m = 0;
    for (std::size_t c = 0; c < before; ++c) {
      x[m] = x[c], who[m] = who[c];
      m += static_cast<double>(x[c]) < theta ? 1 : 0;
    }
  }
  if (m < 2) return;
  const double k = w / static_cast<double>(tau);
  part.smooth[first] -= w;
  for (std::size_t c = 0; c < m; ++c) {
    const auto to = static_cast<std::size_t>(who[c]);
    part.smooth[to] += k * (theta - static_cast<double>(x[c]));
    part.diagonal[to] += k * (1.0 - 1.0 / static_cast<double>(m));
    part.at.push_back(who[c]);
  }
  part.size.push_back(static_cast<std::int32_t>(m));
  part.stiffness.push_back(k);
}

// Projects the groups between two sets, the majority.
void Newton::split_pairs(const ActiveSet::Chunk& pairs, float tau, ChunkSums& part) const {
  const std::size_t count = pairs.first.size();
  part.gap.resize(count);
  gaps_between(pairs.first.data(), pairs.second.data(), pairs.apart.data(), move_.data(), static_cast<Index>(count),
               part.gap.data());
  for (std::size_t g = 0; g < count; ++g) {
    const bool swapped = part.gap[g] < 0;
    const std::int32_t near = swapped ? pairs.second[g] : pairs.first[g];
    const float gap = std::fabs(part.gap[g]);
    const auto w = static_cast<double>(pairs.weight[g]);
    part.nearest[near] += w;
    if (gap >= tau) continue;
    const std::int32_t far = swapped ? pairs.first[g] : pairs.second[g];
    const double k = w / static_cast<double>(tau),
                 moved = k * (static_cast<double>(tau) - static_cast<double>(gap)) / 2;
    part.smooth[near] -= moved;
    part.smooth[far] += moved;
    part.diagonal[near] += k / 2;
    part.diagonal[far] += k / 2;
    part.at.push_back(near), part.at.push_back(far);
    part.size.push_back(2);
    part.stiffness.push_back(k);
  }
}

// Determines the free classes: all but those at an end of their range whose gradient points out of it.
void Newton::free_classes(std::span<const Cost> packed) {
  free_.assign(n_, 1.0);
  for (std::size_t k = 0; k < n_; ++k) {
    const double g = now_.gradient[k];
    if ((packed[k] <= low_[k] && g <= 0) || (packed[k] >= high_[k] && g >= 0)) free_[k] = 0.0;
  }
}

// Iterations of conjugate gradients.
constexpr int kCgIterations = 60;

std::vector<Cost> Newton::step(std::span<const Cost> packed) {
  if (!assembled_) assemble();
  free_classes(packed);
  for (std::size_t k = 0; k < n_; ++k) {
    const double g = now_.gradient[k];
    const Cost radius = g > 0 ? r_.box.up[lead_[k]] : r_.box.down[lead_[k]];
    damp_[k] = tuning_.damping * std::fabs(g) / static_cast<double>(std::max<Cost>(1, radius)) + stiff_[k];
  }
  const std::vector<double> x = solve(now_.gradient, kCgIterations);
  std::vector<Cost> move(n_);
  for (std::size_t k = 0; k < n_; ++k) {
    const Cost low = low_[k] - packed[k], high = high_[k] - packed[k];
    if (std::isnan(x[k])) continue;  // a cast of NaN is undefined; a move of 0 is always valid
    move[k] = static_cast<Cost>(std::nearbyint(std::clamp(x[k], static_cast<double>(low), static_cast<double>(high))));
    move[k] = std::clamp(move[k], low, high);
  }
  return move;
}

// Ratio of seen to predicted curvature from which damping grows.
constexpr double kStiffnessRatio = 2;

void Newton::stiffen(std::span<const Cost> move) {
  for (std::size_t k = 0; k < n_; ++k) {
    if (move[k] == 0) continue;
    const double seen = (now_.gradient[k] - trial_.gradient[k]) / static_cast<double>(move[k]);
    const double told = now_.diagonal[k] * tuning_.ridge + damp_[k];
    if (seen > kStiffnessRatio * told) stiff_[k] += seen - told;
  }
}

// Iterations of conjugate gradients in an estimate of price errors.
constexpr int kCgIterationsError = 20;
// Right-hand sides of the estimate of coupled price errors.
constexpr int kErrorProbes = 4;

std::vector<double> Newton::noise(std::span<const Cost> packed, double tau, std::uint64_t seed) {
  evaluate(packed, tau);
  accept();
  assemble();
  free_.assign(n_, 0.0);
  for (std::size_t k = 0; k < n_; ++k) {
    if (now_.diagonal[k] > 0 && (packed[k] > 0 || now_.gradient[k] > 0)) free_[k] = 1.0;
  }
  damp_.assign(n_, 0.0);
  std::vector<double> square(n_), off(n_), out(of_.size());
  const double total = std::accumulate(capacity_.begin(), capacity_.end(), 0.0);
  for (int probe = 0; probe < kErrorProbes; ++probe) {
    for (std::size_t k = 0; k < n_; ++k) {
      seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
      const double size = std::sqrt(std::max(1.0, capacity_[k]));
      off[k] = (seed >> 63) != 0 ? size : -size;
    }
    // Errors of loads sum to 0: a common part would move all prices alike, and without limit where all classes are
    // full.
    const double common = std::accumulate(off.begin(), off.end(), 0.0) / std::max(1.0, total);
    for (std::size_t k = 0; k < n_; ++k) off[k] -= common * capacity_[k];
    const std::vector<double> x = solve(off, kCgIterationsError);
    for (std::size_t k = 0; k < n_; ++k) square[k] += x[k] * x[k] / kErrorProbes;
  }
  for (std::size_t s = 0; s < out.size(); ++s) out[s] = std::sqrt(square[of_[s]]);
  return out;
}

// Part of the squared residual at which conjugate gradients end.
constexpr double kCgResidual = 1e-4;

std::vector<double> Newton::solve(const std::vector<double>& off, int iterations) const {
  std::vector<double> x(n_), residual(n_), z(n_), p(n_), q(n_), scale(n_);
  double rho = 0;
  for (std::size_t k = 0; k < n_; ++k) {
    const double stiff = now_.diagonal[k] * tuning_.ridge + damp_[k];
    scale[k] = free_[k] > 0 && stiff > 0 ? 1 / stiff : 0.0;
    residual[k] = free_[k] * off[k];
    z[k] = residual[k] * scale[k];
    rho += residual[k] * z[k];
  }
  const double start = rho;
  p = z;
  std::size_t entries = laplacian_.size();
  for (const ChunkSums& part : now_.parts) entries += laplacian_.empty() ? part.at.size() : 0;
  const auto product = static_cast<Index>(entries);
  for (int k = 0; k < iterations && rho > kCgResidual * start && !stop_.poll(product); ++k) {
    multiply(p, q);
    double curvature = 0, next = 0;
    for (std::size_t i = 0; i < n_; ++i) curvature += p[i] * q[i];
    if (!(curvature > 0)) break;
    const double a = rho / curvature;
    for (std::size_t i = 0; i < n_; ++i) {
      x[i] += a * p[i];
      residual[i] -= a * q[i];
      z[i] = residual[i] * scale[i];
      next += residual[i] * z[i];
    }
    for (std::size_t i = 0; i < n_; ++i) p[i] = z[i] + next / rho * p[i];
    rho = next;
  }
  return x;
}

// Stores the Laplacian as a dense matrix, where that is smaller than the groups it comes from.
void Newton::assemble() {
  assembled_ = true;
  std::size_t entries = 0;
  for (const ChunkSums& part : now_.parts) entries += part.at.size();
  laplacian_.clear();
  if (n_ * n_ > std::min(tuning_.dense_laplacian, tuning_.dense_laplacian_share * entries)) return;
  laplacian_.assign(n_ * n_, 0.0);
  for (const ChunkSums& part : now_.parts) {
    const std::int32_t* at = part.at.data();
    for (std::size_t g = 0; g < part.size.size(); at += part.size[g], ++g) {
      const std::int32_t m = part.size[g];
      const double off = part.stiffness[g] / m;
      for (std::int32_t a = 0; a < m; ++a) {
        double* row = laplacian_.data() + static_cast<std::size_t>(at[a]) * n_;
        for (std::int32_t b = 0; b < m; ++b) row[at[b]] -= off;
        row[at[a]] += part.stiffness[g];
      }
    }
  }
}

void Newton::multiply(const std::vector<double>& x, std::vector<double>& y) const {
  for (std::size_t k = 0; k < n_; ++k) y[k] = ((tuning_.ridge - 1.0) * now_.diagonal[k] + damp_[k]) * x[k];
  if (!laplacian_.empty()) {
    add_product(laplacian_.data(), x.data(), static_cast<Index>(n_), y.data());
  } else {
    for (const ChunkSums& part : now_.parts) {
      const std::int32_t* at = part.at.data();
      for (std::size_t g = 0; g < part.size.size(); at += part.size[g], ++g) {
        const std::int32_t m = part.size[g];
        double mean = 0;
        for (std::int32_t c = 0; c < m; ++c) mean += x[at[c]];
        mean /= m;
        for (std::int32_t c = 0; c < m; ++c) y[at[c]] += part.stiffness[g] * (x[at[c]] - mean);
      }
    }
  }
  for (std::size_t k = 0; k < n_; ++k) y[k] *= free_[k];
}

// Progress asked of the last step, for a wide smoothing may lose before it gains (ratio of imbalances).
constexpr double kProgressLast = 0.5;
// Least last smoothing width (keys).
constexpr double kWidthLeast = 2;

double tune_prices(const RestrictedProblem& problem, std::span<const Cost> capacity, std::span<const Slot> duplicate_of,
                   std::vector<Cost>& prices, Pool& pool, Stop& stop, const Tuning& tuning) {
  const auto all = static_cast<double>(problem.weight_total);
  if (stop.poll()) return all;
  Newton newton(problem, capacity, duplicate_of, pool, stop, tuning);
  if (stop.poll()) return all;
  std::vector<Cost> radii(problem.box.down);
  const auto middle = radii.begin() + static_cast<std::ptrdiff_t>(radii.size() / 2);
  std::nth_element(radii.begin(), middle, radii.end());
  std::vector<Cost> now = newton.packed(prices), best = now;
  const double narrowest = std::max(kWidthLeast, newton.width(now, tuning.width_active));
  if (stop.poll()) return all;
  double tau = std::max(narrowest, static_cast<double>(*middle) / tuning.width_first);
  double least = newton.evaluate(now, tau).imbalance;
  newton.accept();
  double last = least;
  int stalled = 0;
  double part = 1;  // share of the box within which prices may still move
  for (int looks = 1; looks < tuning.evaluations && least > 0 && stalled < tuning.stalled_steps && !stop.poll();) {
    std::vector<Cost> trial(now.size());
    const std::vector<double> slope = newton.gradient();
    const double next = std::max(narrowest, tau / tuning.width_shrink);
    double imbalance = 0;
    for (int shorter = 0;; ++shorter) {
      const std::vector<Cost> move = newton.step(now);
      if (stop.requested()) break;
      double before = 0, after = 0;
      for (std::size_t k = 0; k < now.size(); ++k) trial[k] = now[k] + move[k];
      const Newton::Evaluation& there = newton.evaluate(trial, next);
      ++looks;
      for (std::size_t k = 0; k < now.size(); ++k) {
        before += slope[k] * static_cast<double>(move[k]);
        after += there.gradient[k] * static_cast<double>(move[k]);
      }
      imbalance = there.imbalance;
      const bool small = std::all_of(move.begin(), move.end(), [](Cost m) { return m >= -1 && m <= 1; });
      if (after >= tuning.slope_past * before || shorter == tuning.shorter_steps || small) break;
      newton.stiffen(move);
    }
    if (stop.requested()) break;
    now = trial;
    newton.accept();
    stalled = imbalance < tuning.progress * least || imbalance < kProgressLast * last ? 0 : stalled + 1;
    last = imbalance;
    if (imbalance < least) least = imbalance, best = now;
    if (tau > narrowest && stalled == 0) newton.narrow(now, part /= tuning.box_shrink);
    tau = next;
  }
  newton.unpack(best, prices);
  return least;
}

// Groups a class split for the error estimate; few would leave the Laplacian in pieces, which looks like error.
constexpr Index kErrorActive = 100;

std::vector<double> coupled_price_error(const RestrictedProblem& problem, std::span<const Cost> capacity,
                                        std::span<const Slot> duplicate_of, std::span<const Cost> prices,
                                        std::uint64_t seed, Pool& pool, Stop& stop, const Tuning& tuning) {
  Newton newton(problem, capacity, duplicate_of, pool, stop, tuning);
  const std::vector<Cost> now = newton.packed(prices);
  // A small width would leave the Laplacian in pieces, which looks like error.
  return newton.noise(now, newton.width(now, kErrorActive), seed);
}

namespace {

// Keeps the least of many numbers, up to `most` of them.
class Lowest {
 public:
  void add(double x, std::size_t most) {
    if (kept_.size() < most) {
      kept_.push_back(x);
      if (kept_.size() == most) std::make_heap(kept_.begin(), kept_.end());
    } else if (x < kept_.front()) {
      std::pop_heap(kept_.begin(), kept_.end());
      kept_.back() = x;
      std::push_heap(kept_.begin(), kept_.end());
    }
  }
  [[nodiscard]] const std::vector<double>& kept() const noexcept { return kept_; }

 private:
  std::vector<double> kept_;  // a heap once it is full
};

// For each class: the rise of its price at which a unit leaves it, and the fall at which one joins it.
struct Moves {
  std::vector<Lowest> leave, come;
};

// Returns the least moves of a chunk of groups.
Moves moves_of(const RestrictedProblem& r, Index begin, Index end, std::span<const Slot> duplicate_of,
               std::span<const Cost> prices, std::span<const std::size_t> most_leave,
               std::span<const std::size_t> most_come) {
  constexpr Cost kNever = std::numeric_limits<Cost>::max();
  Moves out{std::vector<Lowest>(duplicate_of.size()), std::vector<Lowest>(duplicate_of.size())};
  std::vector<Index> come_last(duplicate_of.size(), -1);
  for (Index g = begin; g < end; ++g) {
    const Index from = r.begin[g], to = from + r.size[g];
    const auto cost = [&](Index c) { return r.key[c] + prices[r.slot[c]]; };
    Cost best = kNever, second = kNever;
    Index at = from;
    for (Index c = from; c < to; ++c) {
      if (cost(c) < best) best = cost(c), at = c;
    }
    const Slot home = duplicate_of[r.slot[at]];
    for (Index c = from; c < to; ++c) {
      if (duplicate_of[r.slot[c]] != home) second = std::min(second, cost(c));
    }
    if (second == kNever || r.weight[g] == 0) continue;
    out.leave[home].add(static_cast<double>(second - best), most_leave[home]);
    for (Index c = from; c < to; ++c) {
      const Slot t = duplicate_of[r.slot[c]];
      if (t == home || std::exchange(come_last[t], g) == g) continue;
      out.come[t].add(static_cast<double>(cost(c) - best), most_come[t]);
    }
  }
  return out;
}

// Ratio of a move past the last listed one to that one.
constexpr double kRankedBeyond = 2;

// Returns the move of this rank. For ranks beyond the lists: the box where there are more units, else kRankedBeyond
// times the last entry.
double ranked(const std::vector<Moves>& parts, std::vector<Lowest> Moves::* which, std::size_t s, std::size_t rank,
              double beyond, bool more) {
  std::vector<double> moves;
  for (const Moves& part : parts) {
    const std::vector<double>& some = (part.*which)[s].kept();
    moves.insert(moves.end(), some.begin(), some.end());
  }
  if (moves.empty()) return beyond;
  if (rank >= moves.size()) {
    const double last = *std::max_element(moves.begin(), moves.end());
    return more ? std::max(last, beyond) : kRankedBeyond * last;
  }
  std::nth_element(moves.begin(), moves.begin() + static_cast<std::ptrdiff_t>(rank), moves.end());
  return moves[rank];
}

}  // namespace

// Standard deviations of its load by which a free class has spare capacity.
constexpr double kSpareDeviations = 3;

RankedPriceError ranked_price_error(const RestrictedProblem& problem, std::span<const Cost> capacity,
                                    std::span<const Slot> duplicate_of, std::span<const Cost> prices, Pool& pool,
                                    const Tuning& tuning) {
  constexpr Index kChunk = 1 << 13;  // groups
  const std::size_t n = capacity.size();
  std::vector<Cost> room(n, 0), load(n, 0), fixed(n, 0);
  const std::vector<Cost> loads = problem.load();
  for (std::size_t s = 0; s < n; ++s) {
    room[duplicate_of[s]] += capacity[s];
    load[duplicate_of[s]] += loads[s];
    fixed[duplicate_of[s]] += problem.fixed[s];
  }
  // The ranks to return; the imbalance that an approximate optimum left counts as an error too.
  const auto count = [&](std::size_t s, Cost left) {
    const double root = std::sqrt(static_cast<double>(room[s]));
    return static_cast<std::size_t>(root) + tuning.ranked_least + at(std::max<Cost>(0, left));
  };
  std::vector<std::size_t> leave(n), come(n);
  for (std::size_t s = 0; s < n; ++s) {
    leave[s] = count(s, load[s] - room[s]);
    come[s] = count(s, room[s] - load[s]);
  }
  std::vector<Moves> parts;
  pool.for_parts(parts, problem.groups(), kChunk, [&](auto& part, Index begin, Index end) {
    part = moves_of(problem, begin, end, duplicate_of, prices, leave, come);
  });
  RankedPriceError out{std::vector<double>(n), std::vector<double>(n)};
  for (std::size_t s = 0; s < n; ++s) {
    const auto set = at(duplicate_of[s]);
    if (set != s) {
      out.up[s] = out.up[set];
      out.down[s] = out.down[set];
      continue;
    }
    const double root = std::sqrt(static_cast<double>(room[s]));
    const double likely = static_cast<double>(load[s]) + kSpareDeviations * root;
    if (prices[s] == 0 && likely < static_cast<double>(room[s])) continue;
    const auto up = static_cast<double>(problem.box.up[s]), down = static_cast<double>(problem.box.down[s]);
    out.up[s] = ranked(parts, &Moves::leave, s, leave[s] - 1, up, fixed[s] > 0);
    if (prices[s] > 0) out.down[s] = ranked(parts, &Moves::come, s, come[s] - 1, down, true);
  }
  return out;
}

}  // namespace gridcompute::transport
