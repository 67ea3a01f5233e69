#include "gridcompute/live/move_limit.hpp"

#include <algorithm>

namespace gridcompute::live {

namespace {

// A path or a cycle of arcs, with its moves and its savings.
struct ArcSet {
  std::vector<std::size_t> arcs;
  Slot start = kNone;  // the class that ends with one job fewer; kNone: a cycle
  Index moves = 0;
  Wide savings = 0;
  bool mandatory = false;
};

// Decomposes the arcs into paths and cycles.
class ArcDecomposition {
 public:
  ArcDecomposition(const MatcherState& state, std::span<const Job> jobs, std::span<const Slot> to)
      : state_(state), jobs_(jobs), to_(to), outgoing_(at(state.n_classes())) {
    std::vector<Index> balance(outgoing_.size(), 0);
    for (std::size_t k = jobs.size(); k-- > 0;) {
      outgoing_[at(state.placed_class(jobs[k]))].push_back(k);  // used from the back, the lowest first
      --balance[at(state.placed_class(jobs[k]))];
      ++balance[at(to[k])];
    }
    const Slot out = state.unplaced_class();
    for (Slot s = 0; s < out; ++s) {
      for (; balance[at(s)] < 0; ++balance[at(s)]) follow(s, s);
    }
    while (!outgoing_[at(out)].empty()) follow(out, out);
    for (Slot s = 0; s < out; ++s) {
      while (!outgoing_[at(s)].empty()) follow(s, kNone);
    }
  }
  std::vector<ArcSet> sets;

 private:
  // Follows unused arcs from class s until there is none or the class of unplaced jobs is reached; cycles met on the
  // way become sets of their own.
  void follow(Slot s, Slot start) {
    std::vector<std::size_t> trail;
    std::vector<Slot> nodes{s};
    while (!outgoing_[at(s)].empty()) {
      const std::size_t k = outgoing_[at(s)].back();
      outgoing_[at(s)].pop_back();
      trail.push_back(k);
      s = to_[k];
      if (s == state_.unplaced_class()) break;
      const auto before = std::find(nodes.begin(), nodes.end(), s);
      if (before != nodes.end()) {
        const auto length = before - nodes.begin();
        add({trail.begin() + length, trail.end()}, kNone);
        trail.resize(static_cast<std::size_t>(length));
        nodes.erase(before + 1, nodes.end());
        continue;
      }
      nodes.push_back(s);
    }
    if (!trail.empty()) add(std::move(trail), start);
  }

  // Adds a set of arcs with its moves and savings; it is mandatory if a job is forbidden in its placed class.
  void add(std::vector<std::size_t> arcs, Slot start) {
    ArcSet set;
    set.start = start;
    for (const std::size_t k : arcs) {
      const Slot placed = state_.placed_class(jobs_[k]);
      const Cost there = state_.read_key(jobs_[k], placed);
      if (placed != state_.unplaced_class()) ++set.moves;
      there >= kForbidden ? void(set.mandatory = true) : void(set.savings += there - state_.read_key(jobs_[k], to_[k]));
    }
    set.arcs = std::move(arcs);
    sets.push_back(std::move(set));
  }

  const MatcherState& state_;
  std::span<const Job> jobs_;
  std::span<const Slot> to_;
  std::vector<std::vector<std::size_t>> outgoing_;
};

// Orders mandatory sets first, then sets without a move, then by savings per move, the largest first.
bool precedes(const ArcSet& a, const ArcSet& b) {
  if (a.mandatory != b.mandatory) return a.mandatory;
  if ((a.moves == 0) != (b.moves == 0)) return a.moves == 0;
  return a.savings * std::max<Index>(b.moves, 1) > b.savings * std::max<Index>(a.moves, 1);
}

}  // namespace

std::vector<bool> select_changes(const MatcherState& state, std::span<const Job> jobs, std::span<const Slot> to,
                                 const std::vector<Cost>& placed_load, const std::vector<Cost>& capacity,
                                 Index max_moves) {
  std::vector<ArcSet> sets = ArcDecomposition(state, jobs, to).sets;
  std::stable_sort(sets.begin(), sets.end(), precedes);
  std::vector<Cost> over(placed_load.size());
  for (std::size_t s = 0; s < over.size(); ++s) over[s] = placed_load[s] - capacity[s];
  for (ArcSet& set : sets) {
    if (set.start == kNone || over[at(set.start)] <= 0) continue;
    --over[at(set.start)];
    set.mandatory = true;
  }
  std::stable_sort(sets.begin(), sets.end(), precedes);
  std::vector<bool> selected(jobs.size(), false);
  Index moves = 0;
  for (const ArcSet& set : sets) {
    if (!set.mandatory && moves + set.moves > max_moves) continue;
    moves += set.moves;
    for (const std::size_t k : set.arcs) selected[k] = true;
  }
  return selected;
}

}  // namespace gridcompute::live
