#include "gridcompute/transport/tune.hpp"

#include <algorithm>
#include <cmath>

#include "gridcompute/transport/newton.hpp"

namespace gridcompute::transport {

namespace {

constexpr int kLooks = 24;       // at the candidates
constexpr int kShorter = 3;      // steps tried after one that was too long
constexpr int kStalled = 2;      // steps of no use: it ends
constexpr double kBetter = 0.9;  // than the last best, or it was of no use
constexpr double kPast = -0.8;   // of the first slope: past the maximum along the step, and too far
constexpr double kShrink = 4;    // tau from step to step
constexpr Index kActive = 2;     // groups a class that split at the end, on average
constexpr Index kActiveForNoise = 100;

}  // namespace

double tune(const Restricted& problem, std::span<const Cost> capacity, std::span<const Slot> alike,
            std::vector<Cost>& prices, Pool& pool, Stop& stop) {
  const auto all = static_cast<double>(problem.weight_total);
  if (stop.poll()) return all;
  Newton newton(problem, capacity, alike, pool, stop);
  if (stop.poll()) return all;
  std::vector<Cost> radii(problem.box.down);
  const auto middle = radii.begin() + static_cast<std::ptrdiff_t>(radii.size() / 2);
  std::nth_element(radii.begin(), middle, radii.end());
  std::vector<Cost> now = newton.packed(prices), best = now;
  const double narrowest = std::max(2.0, newton.width(now, kActive));
  if (stop.poll()) return all;
  double tau = std::max(narrowest, static_cast<double>(*middle));
  double least = newton.look(now, tau).imbalance;
  newton.accept();
  int stalled = 0;
  double part = 1;  // of the box that prices may still move in
  for (int looks = 1; looks < kLooks && least > 0 && stalled < kStalled && !stop.poll();) {
    std::vector<Cost> trial(now.size());
    const std::vector<double> slope = newton.gradient();
    const double next = std::max(narrowest, tau / kShrink);
    double imbalance = 0;
    for (int shorter = 0;; ++shorter) {
      const std::vector<Cost> move = newton.step(now);
      if (stop.requested()) break;
      double before = 0, after = 0;
      for (std::size_t k = 0; k < now.size(); ++k) trial[k] = now[k] + move[k];
      const Newton::Look& there = newton.look(trial, next);
      ++looks;
      for (std::size_t k = 0; k < now.size(); ++k) {
        before += slope[k] * static_cast<double>(move[k]);
        after += there.gradient[k] * static_cast<double>(move[k]);
      }
      imbalance = there.imbalance;
      const bool small = std::all_of(move.begin(), move.end(), [](Cost m) { return m >= -1 && m <= 1; });
      if (after >= kPast * before || shorter == kShorter || small) break;
      newton.stiffen(move);
    }
    if (stop.requested()) break;
    now = trial;
    newton.accept();
    stalled = imbalance < kBetter * least ? 0 : stalled + 1;
    if (imbalance < least) least = imbalance, best = now;
    if (tau > narrowest && stalled == 0) newton.narrow(now, part /= 2);
    tau = next;
  }
  newton.unpack(best, prices);
  return least;
}

std::vector<double> coupled_noise(const Restricted& problem, std::span<const Cost> capacity,
                                  std::span<const Slot> alike, std::span<const Cost> prices, std::uint64_t seed,
                                  Pool& pool, Stop& stop) {
  Newton newton(problem, capacity, alike, pool, stop);
  const std::vector<Cost> now = newton.packed(prices);
  // Few groups a class would leave the Laplacian in pieces, which would look like noise.
  return newton.noise(now, newton.width(now, kActiveForNoise), seed);
}

RankNoise rank_noise(const Restricted& problem, std::span<const Cost> capacity, std::span<const Slot> alike,
                     std::span<const Cost> prices) {
  // By class: what price rises would make units leave, what falls would make units come.
  std::vector<std::vector<double>> leave(capacity.size()), come(capacity.size());
  std::vector<Index> come_last(capacity.size(), -1);
  std::vector<Cost> room(capacity.size(), 0), load(capacity.size(), 0), fixed(capacity.size(), 0);
  const std::vector<Cost> loads = problem.load();
  for (std::size_t s = 0; s < capacity.size(); ++s) {
    room[alike[s]] += capacity[s];
    load[alike[s]] += loads[s];
    fixed[alike[s]] += problem.fixed[s];
  }
  for (Index g = 0; g < problem.groups(); ++g) {
    const Index from = problem.begin[g], to = from + problem.size[g];
    Cost best = std::numeric_limits<Cost>::max(), second = best;
    Index at = from;
    for (Index c = from; c < to; ++c) {
      const Cost v = problem.key[c] + prices[problem.slot[c]];
      if (v < best) best = v, at = c;
    }
    const Slot home = alike[problem.slot[at]];
    for (Index c = from; c < to; ++c) {
      if (alike[problem.slot[c]] != home) second = std::min(second, problem.key[c] + prices[problem.slot[c]]);
    }
    if (second == std::numeric_limits<Cost>::max() || problem.weight[g] == 0) continue;
    leave[home].push_back(static_cast<double>(second - best));
    for (Index c = from; c < to; ++c) {
      const Slot t = alike[problem.slot[c]];
      if (t == home || (come_last[t] == g)) continue;
      come_last[t] = g;
      come[t].push_back(static_cast<double>(problem.key[c] + prices[problem.slot[c]] - best));
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
  RankNoise out{std::vector<double>(capacity.size()), std::vector<double>(capacity.size())};
  for (std::size_t s = 0; s < capacity.size(); ++s) {
    const auto set = static_cast<std::size_t>(alike[s]);
    if (set != s) {
      out.up[s] = out.up[set];
      out.down[s] = out.down[set];
      continue;
    }
    const double root = std::sqrt(static_cast<double>(room[s]));
    if (prices[s] == 0 && static_cast<double>(load[s]) + 3 * root < static_cast<double>(room[s])) continue;
    // What a rough end left out of balance is an error too.
    const auto rank = [&](Cost left) { return static_cast<std::size_t>(root) + 1 + static_cast<std::size_t>(left); };
    const Cost off = load[s] - room[s];
    out.up[s] = ranked(leave[s], rank(std::max<Cost>(0, off)), static_cast<double>(problem.box.up[s]), fixed[s] > 0);
    if (prices[s] > 0)
      out.down[s] = ranked(come[s], rank(std::max<Cost>(0, -off)), static_cast<double>(problem.box.down[s]), true);
  }
  return out;
}

}  // namespace gridcompute::transport
