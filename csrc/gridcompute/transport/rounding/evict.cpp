#include "gridcompute/transport/rounding/evict.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <numeric>

namespace gridcompute::transport {

namespace {

constexpr Index kEvictChunk = 1 << 16;  // jobs
constexpr Cost kAny = std::numeric_limits<Cost>::max();

// A possible move of a job from its class to another, or to none.
struct Move {
  Cost loss;  // per unit of demand
  Cost weight;
  Index job;
  Slot from, to;
};

bool less_loss_per_unit(const Move& a, const Move& b) {
  if (a.loss != b.loss) return a.loss < b.loss;
  return a.job != b.job ? a.job < b.job : a.to < b.to;
}

bool less_total_loss(const Move& a, const Move& b) {
  const Wide left = static_cast<Wide>(a.loss) * a.weight, right = static_cast<Wide>(b.loss) * b.weight;
  if (left != right) return left < right;
  return a.job != b.job ? a.job < b.job : a.to < b.to;
}

// Orders by demand, then loss, then descending index.
bool lighter(const Move& a, const Move& b) {
  if (a.weight != b.weight) return a.weight < b.weight;
  return a.loss != b.loss ? a.loss < b.loss : a.job > b.job;
}

class Eviction {
 public:
  Eviction(const SolverContext& context, const Level& level, const RestrictedProblem& r, std::span<const Cost> prices,
           IntegralPlan& whole)
      : context_(context), level_(level), r_(r), prices_(prices), whole_(whole), residual_(level.capacity) {
    for (std::size_t s = 0; s < residual_.size(); ++s) residual_[s] -= whole.load[s];
  }

  // Returns whether any class exceeds its capacity.
  [[nodiscard]] bool any_overfull() const {
    return std::any_of(residual_.begin(), residual_.end(), [](Cost room) { return room < 0; });
  }

  void move_to_candidates() {
    std::vector<Move> moves = collect([&](Index k, Slot from, Cost weight, std::vector<Move>& out) {
      if (r_.place_of[k] >= 0) return;
      const Index g = ~r_.place_of[k], end = r_.begin[g] + r_.size[g];
      const Cost here = price(g, from);
      for (Index c = r_.begin[g]; c < end; ++c) {
        const Slot to = r_.slot[c];
        if (residual_[to] >= weight) out.push_back({r_.key[c] + prices_[to] - here, weight, k, from, to});
      }
    });
    if (const Index most = context_.tuning.evict_moves; static_cast<Index>(moves.size()) > most) {
      std::nth_element(moves.begin(), moves.begin() + most, moves.end(), less_loss_per_unit);
      moves.resize(static_cast<std::size_t>(most));
    }
    std::sort(moves.begin(), moves.end(), less_loss_per_unit);
    for (const Move& m : moves) {
      if (residual_[m.from] + m.weight <= 0) apply(m);
    }
    std::sort(moves.begin(), moves.end(), less_total_loss);
    for (const Move& m : moves) apply(m);
  }

  // Unassigns jobs of over-full classes from the last index on.
  void unassign_last_jobs() {
    for (auto k = static_cast<Index>(r_.place_of.size()) - 1; k >= 0; --k) {
      const Slot s = whole_.assignment[static_cast<std::size_t>(k)];
      if (s >= 0 && residual_[s] < 0) apply({0, context_.keys.problem().weight(level_.row(k)), k, s, kNone});
    }
  }

  void unassign_cheapest() {
    if (context_.keys.problem().demand == nullptr) return unassign_cheapest_units();
    std::vector<Move> moves = collect([&](Index k, Slot from, Cost weight, std::vector<Move>& out) {
      out.push_back({loss(k), weight, k, from, kNone});
    });
    std::sort(moves.begin(), moves.end(), lighter);
    for (const Move& m : moves) apply(m);
  }

 private:
  // Unassigns the excess of each class, cheapest losses first. A sample of losses bounds which jobs must be sorted.
  void unassign_cheapest_units() {
    const auto n = static_cast<Index>(r_.place_of.size());
    const Index sampled = context_.tuning.evict_sample_step;
    std::vector<std::vector<Cost>> some(residual_.size());
    for (Index k = 0; k < n; k += sampled) {
      const Slot s = whole_.assignment[static_cast<std::size_t>(k)];
      if (s >= 0 && residual_[s] < 0) some[s].push_back(loss(k));
    }
    std::vector<Cost> most(residual_.size(), kAny);
    for (std::size_t s = 0; s < most.size(); ++s) {
      const Cost enough = context_.tuning.evict_sample_factor * (-residual_[s] / sampled) + sampled;
      if (residual_[s] >= 0 || enough >= static_cast<Cost>(some[s].size())) continue;
      std::nth_element(some[s].begin(), some[s].begin() + enough, some[s].end());
      most[s] = some[s][static_cast<std::size_t>(enough)];
    }
    while (any_overfull()) {
      std::vector<std::vector<Move>> of(residual_.size());
      for (const Move& m : collect([&](Index k, Slot from, Cost weight, std::vector<Move>& out) {
             if (const Cost x = loss(k); x <= most[from]) out.push_back({x, weight, k, from, kNone});
           }))
        of[m.from].push_back(m);
      for (std::size_t s = 0; s < of.size(); ++s) {
        most[s] = kAny;  // all jobs if these were too few
        const Cost any_overfull = -residual_[s];
        if (any_overfull <= 0 || static_cast<Cost>(of[s].size()) < any_overfull) continue;
        std::nth_element(of[s].begin(), of[s].begin() + any_overfull - 1, of[s].end(), lighter);
        for (Cost k = 0; k < any_overfull; ++k) apply(of[s][static_cast<std::size_t>(k)]);
      }
    }
  }

  // Returns the loss per unit of leaving for the second-best candidate or, of a job with one, a non-candidate.
  [[nodiscard]] Cost loss(Index k) const {
    if (r_.place_of[k] < 0) return margin(~r_.place_of[k]);
    return static_cast<Cost>(std::min(r_.margin[k], static_cast<float>(kForbidden / 2)));
  }

  // Collects what visit() adds for each job of an over-full class, in job order.
  template <class Visit>
  [[nodiscard]] std::vector<Move> collect(const Visit& visit) const {
    const auto n = static_cast<Index>(r_.place_of.size());
    std::vector<std::vector<Move>> parts(static_cast<std::size_t>(Pool::chunks(n, kEvictChunk)));
    context_.pool.for_chunks(n, kEvictChunk, [&](Index chunk, Index begin, Index end) {
      for (Index k = begin; k < end; ++k) {
        const Slot s = whole_.assignment[static_cast<std::size_t>(k)];
        if (s >= 0 && residual_[s] < 0)
          visit(k, s, context_.keys.problem().weight(level_.row(k)), parts[static_cast<std::size_t>(chunk)]);
      }
    });
    std::vector<Move> out;
    for (const std::vector<Move>& part : parts) out.insert(out.end(), part.begin(), part.end());
    return out;
  }

  // Makes a move if the job is still there, its class still over-full, and the target has residual capacity.
  void apply(const Move& m) {
    std::int32_t& now = whole_.assignment[static_cast<std::size_t>(m.job)];
    if (now != m.from || residual_[m.from] >= 0 || (m.to != kNone && residual_[m.to] < m.weight)) return;
    residual_[m.from] += m.weight, whole_.load[m.from] -= m.weight;
    if (m.to != kNone) residual_[m.to] -= m.weight, whole_.load[m.to] += m.weight;
    now = m.to;
  }

  // Returns key + price of a group in a class.
  [[nodiscard]] Cost price(Index g, Slot s) const {
    Index c = r_.begin[g];
    while (r_.slot[c] != s) ++c;
    return r_.key[c] + prices_[s];
  }

  // Returns the loss per unit of a group that moves to its second-best candidate.
  [[nodiscard]] Cost margin(Index g) const {
    Cost best = kForbidden, second = kForbidden;
    for (Index c = r_.begin[g]; c < r_.begin[g] + r_.size[g]; ++c) {
      const Cost v = r_.key[c] + prices_[r_.slot[c]];
      second = std::min(second, std::max(v, best));
      best = std::min(best, v);
    }
    return second - best;
  }

  const SolverContext& context_;
  const Level& level_;
  const RestrictedProblem& r_;
  std::span<const Cost> prices_;
  IntegralPlan& whole_;
  std::vector<Cost> residual_;  // (columns) residual capacity, negative where a class is over-full
};

}  // namespace

void evict_excess(const SolverContext& context, const Level& level, const RestrictedProblem& r,
                  std::span<const Cost> prices, IntegralPlan& whole) {
  Eviction room(context, level, r, prices, whole);
  if (room.any_overfull() && context.stop.closing_time_over()) room.unassign_last_jobs();
  if (room.any_overfull()) room.move_to_candidates();
  if (room.any_overfull()) room.unassign_cheapest();
}

}  // namespace gridcompute::transport
