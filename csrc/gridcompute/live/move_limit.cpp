#include "gridcompute/live/move_limit.hpp"

#include <algorithm>

namespace gridcompute::matcher {

namespace {

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

struct Part {                     // a path or a cycle
  std::vector<std::size_t> arcs;  // by position
  Slot start = kNone;             // where it takes one away for good; kNone: a cycle
  Index moves = 0;
  Wide saves = 0;
  bool must = false;
};

class Splitter {
 public:
  Splitter(const World& world, std::span<const Job> jobs, std::span<const Slot> to)
      : world_(world), jobs_(jobs), to_(to), leaving_(at(world.classes())) {
    std::vector<Index> balance(leaving_.size(), 0);
    for (std::size_t k = jobs.size(); k-- > 0;) {
      leaving_[at(world.home(jobs[k]))].push_back(k);  // the lowest is taken first, from the back
      --balance[at(world.home(jobs[k]))];
      ++balance[at(to[k])];
    }
    const Slot out = world.out();
    for (Slot s = 0; s < out; ++s) {
      for (; balance[at(s)] < 0; ++balance[at(s)]) walk(s, s);
    }
    while (!leaving_[at(out)].empty()) walk(out, out);
    for (Slot s = 0; s < out; ++s) {
      while (!leaving_[at(s)].empty()) walk(s, kNone);
    }
  }
  std::vector<Part> parts;

 private:
  // From s along arcs not used yet, until there is none or the job is left out; loops on the way are parts of their
  // own.
  void walk(Slot s, Slot start) {
    std::vector<std::size_t> trail;
    std::vector<Slot> nodes{s};
    while (!leaving_[at(s)].empty()) {
      const std::size_t k = leaving_[at(s)].back();
      leaving_[at(s)].pop_back();
      trail.push_back(k);
      s = to_[k];
      if (s == world_.out()) break;
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

  void add(std::vector<std::size_t> arcs, Slot start) {
    Part part;
    part.start = start;
    for (const std::size_t k : arcs) {
      const Slot home = world_.home(jobs_[k]);
      const Cost there = world_.read_one(jobs_[k], home);
      if (home != world_.out()) ++part.moves;
      there >= kForbidden ? void(part.must = true) : void(part.saves += there - world_.read_one(jobs_[k], to_[k]));
    }
    part.arcs = std::move(arcs);
    parts.push_back(std::move(part));
  }

  const World& world_;
  std::span<const Job> jobs_;
  std::span<const Slot> to_;
  std::vector<std::vector<std::size_t>> leaving_;
};

// More saved a move first; whoever moves nobody is best.
bool better(const Part& a, const Part& b) {
  if (a.must != b.must) return a.must;
  if ((a.moves == 0) != (b.moves == 0)) return a.moves == 0;
  return a.saves * std::max<Index>(b.moves, 1) > b.saves * std::max<Index>(a.moves, 1);
}

}  // namespace

std::vector<bool> choose(const World& world, std::span<const Job> jobs, std::span<const Slot> to,
                         const std::vector<Cost>& home_load, const std::vector<Cost>& capacity, Index max_moves) {
  std::vector<Part> parts = Splitter(world, jobs, to).parts;
  std::stable_sort(parts.begin(), parts.end(), better);
  std::vector<Cost> over(home_load.size());
  for (std::size_t s = 0; s < over.size(); ++s) over[s] = home_load[s] - capacity[s];
  for (Part& part : parts) {
    if (part.start == kNone || over[at(part.start)] <= 0) continue;
    --over[at(part.start)];
    part.must = true;
  }
  std::stable_sort(parts.begin(), parts.end(), better);
  std::vector<bool> going(jobs.size(), false);
  Index moves = 0;
  for (const Part& part : parts) {
    if (!part.must && moves + part.moves > max_moves) continue;
    moves += part.moves;
    for (const std::size_t k : part.arcs) going[k] = true;
  }
  return going;
}

}  // namespace gridcompute::matcher
