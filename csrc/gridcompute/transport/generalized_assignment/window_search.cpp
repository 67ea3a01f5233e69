#include "gridcompute/transport/generalized_assignment/window_search.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <utility>

#include "gridcompute/base/hash.hpp"
#include "gridcompute/base/simd.hpp"

namespace gridcompute::transport {

namespace {

// Returns the sum of a partial cost and the key of leaving a job unassigned, kForbidden at most: several such keys may
// be kForbidden, and their sum would overflow. Both are at most kForbidden, so this sum does not.
inline Cost plus_unassigned(Cost cost, Cost key) { return std::min(cost + key, kForbidden); }

GRIDCOMPUTE_CLONES void add_to(const Cost* GRIDCOMPUTE_RESTRICT from, Index n, Cost key,
                               Cost* GRIDCOMPUTE_RESTRICT to) {
  for (Index x = 0; x < n; ++x) {
    const Cost sum = from[x] + key;
    to[x] = sum < kForbidden ? sum : kForbidden;
  }
}

GRIDCOMPUTE_CLONES void lower_to(const Cost* GRIDCOMPUTE_RESTRICT from, Index n, Cost key,
                                 Cost* GRIDCOMPUTE_RESTRICT to) {
  for (Index x = 0; x < n; ++x) {
    const Cost sum = from[x] + key;
    to[x] = sum < to[x] ? sum : to[x];
  }
}

// Returns the gcd of the demands, the unit of demands and capacities; capacity beyond the total demand is cut off.
Cost unit_of(const JobWindow& window) {
  Cost unit = 0;
  for (const Cost w : window.weight) unit = std::gcd(unit, w);
  return std::max<Cost>(1, unit);
}

Cost room_in(const JobWindow& window, Slot c, Cost unit, Cost all) { return std::min(window.room[at(c)], all) / unit; }

Cost sum_of(const std::vector<Cost>& weight) { return std::accumulate(weight.begin(), weight.end(), Cost{0}); }

}  // namespace

// Cells of all layers of a window's dynamic program: 8 MB.
constexpr double kWindowCells = 1 << 20;

double WindowDp::steps_by_loads(const JobWindow& window) {
  const Cost unit = unit_of(window), all = sum_of(window.weight);
  double cells = 1;
  for (Slot c = 0; c < window.classes(); ++c) cells *= static_cast<double>(room_in(window, c, unit, all) + 1);
  const auto m = static_cast<double>(window.jobs());
  return cells * (m + 1) > kWindowCells ? kInf : cells * m * (window.classes() + 1);
}

double WindowDp::steps_by_subsets(const JobWindow& window, const WholeJobTuning& tuning) {
  if (window.jobs() > tuning.subset_jobs) return kInf;
  return std::pow(3.0, static_cast<double>(window.jobs())) * window.classes();
}

void WindowDp::solve_by_loads(const JobWindow& window, std::uint64_t random, std::vector<Slot>& to) {
  const Cost unit = unit_of(window), all = sum_of(window.weight);
  const Slot k = window.classes();
  const Index m = window.jobs();
  room_.resize(at(k));
  stride_.resize(at(k) + 1);
  stride_[0] = 1;
  for (Slot c = 0; c < k; ++c) {
    room_[c] = room_in(window, c, unit, all);
    stride_[c + 1] = stride_[c] * (room_[c] + 1);
  }
  const Index cells = stride_[k];
  layers_.resize(at((m + 1) * cells));
  std::fill_n(layers_.begin(), cells, Cost{0});
  for (Index j = 0; j < m; ++j) {
    const Cost* before = layers_.data() + j * cells;
    Cost* after = layers_.data() + (j + 1) * cells;
    const Cost* key = window.key.data() + j * (k + 1);
    const Cost weight = window.weight[at(j)] / unit;
    add_to(before, cells, key[k], after);
    for (Slot c = 0; c < k; ++c) {
      if (key[c] >= kForbidden || weight > room_[c]) continue;
      const Index first = weight * stride_[c], run = stride_[c + 1] - first;
      for (Index x = 0; x < cells; x += stride_[c + 1]) lower_to(before + x, run, key[c], after + x + first);
    }
  }
  to.resize(at(m));
  Index x = cells - 1;
  for (Index j = m; j-- > 0;) {
    const Cost* before = layers_.data() + j * cells;
    const Cost now = layers_[at((j + 1) * cells + x)];
    const Cost* key = window.key.data() + j * (k + 1);
    const Cost weight = window.weight[at(j)] / unit;
    const auto start = static_cast<Slot>(random % static_cast<std::uint64_t>(k + 1));
    random = random * 6364136223846793005u + 1442695040888963407u;
    for (Slot step = 0; step <= k; ++step) {
      const Slot c = (start + step) % (k + 1);
      if (c == k ? plus_unassigned(before[x], key[k]) != now
                 : key[c] >= kForbidden || x / stride_[c] % (room_[c] + 1) < weight ||
                       before[x - weight * stride_[c]] + key[c] != now)
        continue;
      to[at(j)] = c;
      if (c < k) x -= weight * stride_[c];
      break;
    }
  }
}

void WindowDp::solve_by_subsets_of_jobs(const JobWindow& window, std::vector<Slot>& to) {
  const Slot k = window.classes();
  const Index m = window.jobs();
  const std::uint32_t all = (1u << m) - 1;
  const std::size_t sets = std::size_t{all} + 1;
  const auto key = [&](std::uint32_t j, Slot c) { return window.key[j * at(k + 1) + c]; };
  layers_.resize(sets * at(k + 1));
  sum_.resize(sets);
  weight_.assign(sets, 0);
  layers_[0] = sum_[0] = 0;
  for (std::uint32_t set = 1; set <= all; ++set) {
    const auto j = static_cast<std::uint32_t>(std::countr_zero(set));
    weight_[set] = weight_[set & (set - 1)] + window.weight[j];
    layers_[set] = plus_unassigned(layers_[set & (set - 1)], key(j, k));
  }
  const auto open_to = [&](Slot c) {
    std::uint32_t open = 0;
    for (Index j = 0; j < m; ++j)
      if (key(static_cast<std::uint32_t>(j), c) < kForbidden) open |= 1u << j;
    return open;
  };
  for (Slot c = 0; c < k; ++c) {
    const Cost* before = layers_.data() + sets * at(c);
    Cost* after = layers_.data() + sets * at(c + 1);
    std::copy_n(before, sets, after);
    const std::uint32_t open = open_to(c);
    for (std::uint32_t some = (0 - open) & open; some != 0; some = (some - open) & open) {
      if (weight_[some] > window.room[c]) continue;
      sum_[some] = sum_[some & (some - 1)] + key(static_cast<std::uint32_t>(std::countr_zero(some)), c);
      const std::uint32_t others = all & ~some;
      for (std::uint32_t rest = others;; rest = (rest - 1) & others) {
        after[rest | some] = std::min(after[rest | some], before[rest] + sum_[some]);
        if (rest == 0) break;
      }
    }
  }
  to.assign(at(m), k);
  std::uint32_t left = all;
  for (Slot c = k; c-- > 0 && left != 0;) {
    const Cost* before = layers_.data() + sets * at(c);
    const Cost now = layers_[sets * at(c + 1) + left];
    if (before[left] == now) continue;
    const std::uint32_t open = open_to(c) & left;
    for (std::uint32_t some = open; some != 0; some = (some - 1) & open) {
      if (weight_[some] > window.room[c]) continue;
      Cost sum = 0;
      for (std::uint32_t set = some; set != 0; set &= set - 1)
        sum += key(static_cast<std::uint32_t>(std::countr_zero(set)), c);
      if (before[left & ~some] + sum != now) continue;
      for (std::uint32_t set = some; set != 0; set &= set - 1) to[at(std::countr_zero(set))] = c;
      left &= ~some;
      break;
    }
  }
}

WindowSearch::WindowSearch(const IntegralModel& model, std::vector<Slot> start, std::uint64_t seed,
                           const WholeJobTuning& tuning)
    : model_(model), tuning_(tuning), state_(seed * kHashSeed + 1) {
  best_ = start;
  best_cost_ = cost_of(best_);
  set_assignment(std::move(start));
  for (Index i = 0; i < model_.jobs(); ++i) {
    const Slot* const all = model_.preferred_of(i);
    if (all[1] != kNone) margin_ += std::fabs(model_.guided(i, all[1]) - model_.guided(i, all[0]));
  }
  margin_ /= static_cast<double>(std::max<Index>(1, model_.jobs()));
}

std::uint64_t WindowSearch::random() {  // splitmix64
  return mixed_bits(state_ += kHashSeed);
}

Wide WindowSearch::cost_of(const std::vector<Slot>& at) const {
  Wide sum = 0;
  for (Index i = 0; i < model_.jobs(); ++i) sum += model_.row(i)[at[static_cast<std::size_t>(i)]];
  return sum;
}

void WindowSearch::set_assignment(std::vector<Slot> at) {
  assignment_ = std::move(at);
  cost_ = cost_of(assignment_);
  room_ = model_.capacity;
  members_.assign(static_cast<std::size_t>(model_.classes()) + 1, {});
  position_.assign(assignment_.size(), 0);
  for (Index i = 0; i < model_.jobs(); ++i) {
    const Slot s = assignment_[static_cast<std::size_t>(i)];
    position_[static_cast<std::size_t>(i)] = static_cast<Index>(members_[s].size());
    members_[s].push_back(i);
    if (s < model_.classes()) room_[s] -= model_.weight[static_cast<std::size_t>(i)];
  }
}

void WindowSearch::move(Index i, Slot to) {
  Slot& at = assignment_[static_cast<std::size_t>(i)];
  if (at == to) return;
  const Cost weight = model_.weight[static_cast<std::size_t>(i)];
  std::vector<Index>& from = members_[at];
  Index& position = position_[static_cast<std::size_t>(i)];
  from[static_cast<std::size_t>(position)] = from.back();
  position_[static_cast<std::size_t>(from.back())] = position;
  from.pop_back();
  position = static_cast<Index>(members_[to].size());
  members_[to].push_back(i);
  if (at < model_.classes()) room_[at] += weight;
  if (to < model_.classes()) room_[to] -= weight;
  cost_ += model_.row(i)[to] - model_.row(i)[at];
  at = to;
}

void WindowSearch::greedy(std::span<const Index> order, bool guided) {
  std::vector<Cost> room = model_.capacity;
  std::vector<Slot> at(order.size(), model_.out());
  for (const Index i : order) {
    const Cost weight = model_.weight[static_cast<std::size_t>(i)];
    Slot& best = at[static_cast<std::size_t>(i)];
    const auto value = [&](Slot s) { return guided ? model_.guided(i, s) : static_cast<double>(model_.row(i)[s]); };
    double least = value(best);
    for (Slot s = 0; s < model_.classes(); ++s) {
      if (model_.row(i)[s] < kForbidden && weight <= room[s] && value(s) < least) least = value(s), best = s;
    }
    if (best < model_.out()) room[best] -= weight;
  }
  steps_ += static_cast<double>(order.size()) * model_.classes();
  keep_if_better(std::move(at));
}

void WindowSearch::keep_if_better(std::vector<Slot> at) {
  const Wide cost = cost_of(at);
  if (cost >= best_cost_) return;
  best_cost_ = cost;
  best_ = std::move(at);
}

void WindowSearch::start_from(std::vector<Slot> at) {
  keep_if_better(at);
  set_assignment(std::move(at));
  recent_classes_.clear();
}

void WindowSearch::start_greedily(Stop& stop) {
  std::vector<Index> order(at(model_.jobs()));
  std::iota(order.begin(), order.end(), Index{0});
  // Margins: key of the second-best class less that of the best.
  std::vector<double> margin(order.size()), least(order.size());
  for (const Index i : order) {
    double best = std::numeric_limits<double>::infinity(), second = best;
    for (Slot s = 0; s <= model_.classes(); ++s) {
      if (model_.row(i)[s] >= kForbidden) continue;
      const auto v = static_cast<double>(model_.row(i)[s]);
      second = std::min(second, std::max(v, best));
      best = std::min(best, v);
    }
    least[at(i)] = best;
    margin[at(i)] = second - best;
  }
  const auto by = [&](const auto& rank) {
    std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return rank(at(a)) > rank(at(b)); });
    for (const bool guided : {false, true})
      if (!stop.poll(model_.jobs() * (model_.classes() + 1))) greedy(order, guided);
    std::sort(order.begin(), order.end());
  };
  const auto weight = [&](std::size_t i) { return static_cast<double>(model_.weight[i]); };
  by([](std::size_t) { return 0.0; });
  by(weight);
  by([&](std::size_t i) { return margin[i]; });
  by([&](std::size_t i) { return margin[i] / weight(i); });
  by([&](std::size_t i) { return std::pair(weight(i), margin[i]); });
  by([&](std::size_t i) { return -weight(i); });
  set_assignment(best_);
}

double WindowSearch::regret(Index i) const {
  const Slot first = model_.preferred_of(i)[0];
  double least = model_.guided(i, model_.out());
  if (first != kNone) least = std::min(least, model_.guided(i, first));
  return model_.guided(i, assignment_[at(i)]) - least;
}

// Returns the job of largest regret among a few random ones.
Index WindowSearch::sample_job_by_regret() {
  Index best = below(model_.jobs());
  double most = regret(best);
  for (int k = 1; k < tuning_.regret_sample; ++k) {
    const Index i = below(model_.jobs());
    if (const double x = regret(i); x > most) most = x, best = i;
  }
  return best;
}

void WindowSearch::add_class(Slot s) {
  if (s == kNone || s >= model_.classes() || std::ranges::count(classes_, s) > 0) return;
  classes_.push_back(s);
}

// Tries a class to find another class for a window.
constexpr Slot kClassTries = 4;

// Chooses classes linked by preferences: that of a job with regret, the class it prefers, and so on.
void WindowSearch::choose_classes(Slot most) {
  classes_.clear();
  most = std::min(most, model_.classes());
  const auto preferred = [&](Index i) {
    const Slot* const all = model_.preferred_of(i);
    const std::uint64_t r = random();  // most often the first, else one of the first few, or of all
    const Slot count = (r >> 6) % tuning_.preferred_all_share != 0 ? tuning_.preferred_first : model_.n_preferred;
    const Slot s = all[r % tuning_.preferred_other_share != 0 ? 0 : (r >> 1) % static_cast<std::uint64_t>(count)];
    return s == kNone ? all[0] : s;
  };
  const auto kind = static_cast<unsigned>(random() % 8);
  if (!recent_classes_.empty() && kind < tuning_.recent_eighths) {
    add_class(recent_classes_[at(below(static_cast<Index>(recent_classes_.size())))]);
  } else if (kind < tuning_.recent_eighths + tuning_.regret_eighths) {
    const Index seed = sample_job_by_regret();
    add_class(assignment_[at(seed)]);
    add_class(preferred(seed));
  }
  for (int tries = 0; static_cast<Slot>(classes_.size()) < most && tries < kClassTries * most; ++tries) {
    const std::vector<Index>* of = nullptr;
    if (!classes_.empty() && random() % tuning_.unlinked_share != 0)
      of = &members_[classes_[at(below(static_cast<Index>(classes_.size())))]];
    if (of == nullptr || of->empty()) {
      add_class(static_cast<Slot>(below(model_.classes())));
    } else {
      add_class(preferred((*of)[at(below(static_cast<Index>(of->size())))]));
    }
  }
}

std::vector<Slot> WindowSearch::related(Slot most) {
  choose_classes(most);
  return classes_;
}

// Jobs of the classes of a window beyond which a sample is taken (jobs).
constexpr Index kWindowJobs = 60;
// Jobs sampled of each class of a large window, and least size of a reduced one.
constexpr Index kWindowJobsReduced = 10;
// Unassigned jobs of a window (jobs).
constexpr Index kWindowUnassigned = 8;

// Selects the jobs of the window; false if there are none.
bool WindowSearch::fill_window() {
  jobs_.clear();
  Index all = 0;
  for (const Slot s : classes_) all += static_cast<Index>(members_[s].size());
  const bool few = all > kWindowJobs;
  for (const Slot s : classes_) {
    const std::vector<Index>& in = members_[s];
    if (!few) {
      jobs_.insert(jobs_.end(), in.begin(), in.end());
      continue;
    }
    for (Index k = 0; k < kWindowJobsReduced && !in.empty(); ++k)
      jobs_.push_back(in[at(below(static_cast<Index>(in.size())))]);
  }
  const std::vector<Index>& out = members_[model_.out()];
  const auto n = static_cast<Index>(out.size());
  for (Index k = 0; k < std::min(n, kWindowUnassigned); ++k) {
    const Index i = out[at(n <= kWindowUnassigned ? k : below(n))];
    if (std::ranges::any_of(classes_, [&](Slot s) { return model_.row(i)[s] < kForbidden; })) jobs_.push_back(i);
  }
  std::sort(jobs_.begin(), jobs_.end());
  jobs_.erase(std::unique(jobs_.begin(), jobs_.end()), jobs_.end());
  for (std::size_t k = jobs_.size(); k > 1; --k) std::swap(jobs_[k - 1], jobs_[at(below(static_cast<Index>(k)))]);
  return !jobs_.empty() && !classes_.empty();
}

void WindowSearch::write_window(double noise) {
  window_.room.clear();
  for (const Slot s : classes_) window_.room.push_back(room_[s]);
  window_.weight.clear();
  window_.key.clear();
  for (const Index i : jobs_) {
    const Slot at = assignment_[static_cast<std::size_t>(i)];
    window_.weight.push_back(model_.weight[static_cast<std::size_t>(i)]);
    for (std::size_t c = 0; c < classes_.size(); ++c) {
      const Cost key = model_.row(i)[classes_[c]];
      const Cost more =
          noise > 0 && key < kForbidden ? static_cast<Cost>(noise * static_cast<double>(random() >> 40)) : 0;
      window_.key.push_back(key + more);
      if (classes_[c] == at) window_.room[c] += window_.weight.back();
    }
    window_.key.push_back(model_.row(i)[model_.out()]);
  }
}

// Work of a window beside its dynamic program (steps).
constexpr double kWindowOverhead = 300;

void WindowSearch::repack(double noise) {
  ++windows_;
  steps_ += kWindowOverhead;
  if (!fill_window()) return;
  double loads = 0, subsets = 0;
  for (;;) {
    write_window(noise);
    steps_ += static_cast<double>(jobs_.size() * classes_.size());
    loads = WindowDp::steps_by_loads(window_), subsets = WindowDp::steps_by_subsets(window_, tuning_);
    if (std::min(loads, subsets) <= tuning_.window_steps) break;
    if (classes_.size() > 2 && random() % tuning_.drop_class_share != 0) {
      drop_class();
    } else {
      jobs_.resize(std::max(at(kWindowJobsReduced), jobs_.size() / tuning_.window_reduction));
    }
  }
  steps_ += std::min(loads, subsets);
  loads <= subsets ? window_dp_.solve_by_loads(window_, random(), to_)
                   : window_dp_.solve_by_subsets_of_jobs(window_, to_);
  for (std::size_t k = 0; k < jobs_.size(); ++k)
    move(jobs_[k], to_[k] < static_cast<Slot>(classes_.size()) ? classes_[to_[k]] : model_.out());
}

// Removes the last class of the window and its jobs.
void WindowSearch::drop_class() {
  const Slot last = classes_.back();
  classes_.pop_back();
  std::erase_if(jobs_, [&](Index i) { return assignment_[at(i)] == last; });
}

// Recently changed classes around which the descent goes on (classes).
constexpr std::size_t kRecentClasses = 16;

void WindowSearch::remember_classes() {
  recent_classes_.insert(recent_classes_.end(), classes_.begin(), classes_.end());
  if (recent_classes_.size() > kRecentClasses)
    recent_classes_.erase(recent_classes_.begin(), recent_classes_.end() - static_cast<std::ptrdiff_t>(kRecentClasses));
}

// Windows without a gain before the plan is perturbed, beside those a class.
constexpr Index kWindowPatience = 20;
// Windows a class without a gain before the plan is perturbed.
constexpr Index kWindowPatienceClass = 4;
// Excess at which a plan is dropped for the best one (share of the best cost).
constexpr double kMuchWorse = 0.02;
// One kick in this many starts from the best plan in any case (kicks).
constexpr unsigned kRestartPeriod = 8;

void WindowSearch::improve(double steps, double target, Stop& stop) {
  if (model_.jobs() == 0 || model_.classes() == 0) return;
  const double until = steps_ + steps;
  const Index patience = kWindowPatience + kWindowPatienceClass * model_.classes();
  Index idle = 0;
  double counted = steps_;
  const auto stopped = [&] { return stop.poll(static_cast<Index>(steps_ - std::exchange(counted, steps_))); };
  while (steps_<until&& static_cast<double>(std::min(cost_, best_cost_))> target && !stopped()) {
    choose_classes(static_cast<Slot>(2 + below(tuning_.window_classes - 1)));
    const Wide before = cost_;
    repack(0);
    if (cost_ < before) remember_classes();
    idle = cost_ < before ? 0 : idle + 1;
    if (idle < patience) continue;
    idle = 0;
    keep_if_better(assignment_);
    const auto worse = static_cast<double>(cost_ - best_cost_);
    if (worse > kMuchWorse * static_cast<double>(best_cost_) || random() % kRestartPeriod == 0) set_assignment(best_);
    kick();
  }
  keep_if_better(assignment_);
}

// Windows perturbed at once, at most.
constexpr std::uint64_t kKickWindows = 4;
// Classes of a perturbed window, at most.
constexpr Slot kKickClasses = 4;
// Smallest perturbation of costs (of the mean margin).
constexpr double kKickNoiseLeast = 0.25;
// Powers of two of the perturbation of costs, of which one is drawn.
constexpr std::uint64_t kKickNoises = 6;

void WindowSearch::kick() {
  recent_classes_.clear();
  // In units of write_window()'s 24 random bits; at most what keeps keys below kForbidden.
  const auto doublings = static_cast<double>(random() % kKickNoises);
  const double noise = std::min(margin_ * kKickNoiseLeast * std::exp2(doublings), 0x1p58) / 0x1p24;
  for (auto windows = 1 + random() % kKickWindows; windows > 0; --windows) {
    choose_classes(static_cast<Slot>(2 + below(kKickClasses - 1)));
    repack(noise);
    remember_classes();
  }
}

}  // namespace gridcompute::transport
