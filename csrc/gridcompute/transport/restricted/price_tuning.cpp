#include "gridcompute/transport/restricted/price_tuning.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "gridcompute/transport/restricted/newton.hpp"

namespace gridcompute::transport {

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
  const double narrowest = std::max(tuning.width_least, newton.width(now, tuning.width_active));
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
    stalled = imbalance < tuning.progress * least || imbalance < tuning.progress_last * last ? 0 : stalled + 1;
    last = imbalance;
    if (imbalance < least) least = imbalance, best = now;
    if (tau > narrowest && stalled == 0) newton.narrow(now, part /= tuning.box_shrink);
    tau = next;
  }
  newton.unpack(best, prices);
  return least;
}

std::vector<double> coupled_price_error(const RestrictedProblem& problem, std::span<const Cost> capacity,
                                        std::span<const Slot> duplicate_of, std::span<const Cost> prices,
                                        std::uint64_t seed, Pool& pool, Stop& stop, const Tuning& tuning) {
  Newton newton(problem, capacity, duplicate_of, pool, stop, tuning);
  const std::vector<Cost> now = newton.packed(prices);
  // A small width would leave the Laplacian in pieces, which looks like error.
  return newton.noise(now, newton.width(now, tuning.error_active), seed);
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

// Returns the move of this rank. For ranks beyond the lists: the box where there are more units, else ranked_beyond
// times the last entry.
double ranked(const std::vector<Moves>& parts, std::vector<Lowest> Moves::* which, std::size_t s, std::size_t rank,
              double beyond, bool more, const Tuning& tuning) {
  std::vector<double> moves;
  for (const Moves& part : parts) {
    const std::vector<double>& some = (part.*which)[s].kept();
    moves.insert(moves.end(), some.begin(), some.end());
  }
  if (moves.empty()) return beyond;
  if (rank >= moves.size()) {
    const double last = *std::max_element(moves.begin(), moves.end());
    return more ? std::max(last, beyond) : tuning.ranked_beyond * last;
  }
  std::nth_element(moves.begin(), moves.begin() + static_cast<std::ptrdiff_t>(rank), moves.end());
  return moves[rank];
}

}  // namespace

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
    return static_cast<std::size_t>(root) + tuning.ranked_least + static_cast<std::size_t>(std::max<Cost>(0, left));
  };
  std::vector<std::size_t> leave(n), come(n);
  for (std::size_t s = 0; s < n; ++s) {
    leave[s] = count(s, load[s] - room[s]);
    come[s] = count(s, room[s] - load[s]);
  }
  std::vector<Moves> parts(static_cast<std::size_t>(Pool::chunks(problem.groups(), kChunk)));
  pool.for_chunks(problem.groups(), kChunk, [&](Index chunk, Index begin, Index end) {
    parts[static_cast<std::size_t>(chunk)] = moves_of(problem, begin, end, duplicate_of, prices, leave, come);
  });
  RankedPriceError out{std::vector<double>(n), std::vector<double>(n)};
  for (std::size_t s = 0; s < n; ++s) {
    const auto set = static_cast<std::size_t>(duplicate_of[s]);
    if (set != s) {
      out.up[s] = out.up[set];
      out.down[s] = out.down[set];
      continue;
    }
    const double root = std::sqrt(static_cast<double>(room[s]));
    const double likely = static_cast<double>(load[s]) + tuning.spare_deviations * root;
    if (prices[s] == 0 && likely < static_cast<double>(room[s])) continue;
    const auto up = static_cast<double>(problem.box.up[s]), down = static_cast<double>(problem.box.down[s]);
    out.up[s] = ranked(parts, &Moves::leave, s, leave[s] - 1, up, fixed[s] > 0, tuning);
    if (prices[s] > 0) out.down[s] = ranked(parts, &Moves::come, s, come[s] - 1, down, true, tuning);
  }
  return out;
}

}  // namespace gridcompute::transport
