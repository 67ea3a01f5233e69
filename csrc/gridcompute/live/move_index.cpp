#include "gridcompute/live/move_index.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <mutex>
#include <numeric>

#include "gridcompute/base/simd.hpp"
#include "gridcompute/live/state.hpp"

namespace gridcompute::live {

namespace {

Index bit_floor(Index n) { return static_cast<Index>(std::bit_floor(static_cast<std::uint64_t>(n))); }

// Orders a heap so that its front is the shortest move, and of these that of the lowest job.
bool longer(const MoveIndex::Move& x, const MoveIndex::Move& y) {
  return x.length != y.length ? x.length > y.length : x.job > y.job;
}

// Returns a float slightly above x, or x itself, where x is a whole number that may be off by 1.
float rounded_up(double x) {
  const auto nearest = static_cast<float>(x);
  return nearest + std::fabs(nearest) * 0x1p-22F;
}

}  // namespace

MoveIndex::MoveIndex(MatcherState& state, std::vector<Cost>& prices, WorkCounts& counts, const LiveTuning& tuning,
                     std::shared_ptr<BlockPool> memory)
    : state_(state),
      prices_(prices),
      counts_(counts),
      tuning_(tuning),
      memory_(std::move(memory)),
      classes_(state.n_classes()),
      unlimited_(classes_ <= tuning.all_pairs_classes) {
  set_list_capacity(list_capacity(classes_, tuning));
}

// ---------------------------------------------------------------- positions of pairs

std::int32_t MoveIndex::find_pair(Slot a, Slot b) const {
  if (unlimited_) return b;
  const Index pair = Index{a} * classes_ + b;
  if (!pair_table_.empty()) return pair_table_[at(pair)];
  const auto found = pair_map_.find(pair);
  return found == pair_map_.end() ? -1 : found->second;
}

std::int32_t MoveIndex::add_pair(Slot a, Slot b) {
  SourcePairs& pairs = sources_[at(a)];
  TargetPairs& target_pairs = targets_[at(b)];
  const auto k = static_cast<std::int32_t>(pairs.target.size());
  pairs.target.push_back(b);
  pairs.length.push_back(kForbidden);
  pairs.cut.push_back(kForbidden);
  pairs.job.push_back(kNone);
  pairs.heap.emplace_back(memory_.get());
  set_cut(pairs, at(k), kForbidden);
  pairs.target_position.push_back(static_cast<std::int32_t>(target_pairs.source.size()));
  target_pairs.source.push_back(a);
  target_pairs.length.push_back(kForbidden);
  target_pairs.source_position.push_back(k);
  const Index pair = Index{a} * classes_ + b;
  pair_table_.empty() ? void(pair_map_[pair] = k) : void(pair_table_[at(pair)] = k);
  return k;
}

// With few classes: gives class a its pairs with all classes, in their order. Existing pairs stay; of these the one
// with the last class, that of unplaced jobs, stays the last.
void MoveIndex::complete_pairs(Slot a) {
  SourcePairs& pairs = sources_[at(a)];
  TargetPairs& target_pairs = targets_[at(a)];
  const std::size_t n = at(classes_), had = pairs.heap.size(), last = had == 0 ? 0 : 1;
  const auto lengthen = [&](auto& list, auto value) {
    list.insert(list.end() - static_cast<std::ptrdiff_t>(last), n - had, value);
  };
  lengthen(pairs.length, kForbidden), lengthen(pairs.cut, kForbidden), lengthen(pairs.job, Job{kNone});
  lengthen(pairs.threshold, kForbidden / 2), lengthen(target_pairs.length, kForbidden);
  pairs.threshold[at(a)] = -kForbidden;
  std::vector<Heap> heaps;
  heaps.reserve(n);
  for (std::size_t k = 0; k + last < had; ++k) heaps.push_back(std::move(pairs.heap[k]));
  while (heaps.size() + last < n) heaps.emplace_back(memory_.get());
  if (last > 0) heaps.push_back(std::move(pairs.heap.back()));
  pairs.heap.swap(heaps);
  pairs.target.resize(n), target_pairs.source.resize(n);
  std::iota(pairs.target.begin(), pairs.target.end(), Slot{0});
  std::iota(target_pairs.source.begin(), target_pairs.source.end(), Slot{0});
  pairs.target_position.assign(n, a), target_pairs.source_position.assign(n, a);
}

// ---------------------------------------------------------------- one list

// Copies the front of a list, or its cut, to `length` and `job` of the pair and to its mirror.
void MoveIndex::update_front(Slot a, std::int32_t k) {
  SourcePairs& pairs = sources_[at(a)];
  const auto& heap = pairs.heap[at(k)];
  pairs.length[at(k)] = heap.empty() ? pairs.cut[at(k)] : heap.front().length;
  pairs.job[at(k)] = heap.empty() ? kNone : heap.front().job;
  targets_[at(pairs.target[at(k)])].length[at(pairs.target_position[at(k)])] = pairs.length[at(k)];
}

void MoveIndex::set_cut(SourcePairs& pairs, std::size_t k, Cost cut) {
  pairs.cut[k] = cut;
  if (unlimited_) pairs.threshold[at(pairs.target[k])] = cut >= kForbidden ? kForbidden / 2 : cut - 1;
}

// Gives the list capacity for n moves: one of three sizes, so that freed blocks fit again.
void MoveIndex::reserve(Heap& heap, std::size_t n) const {
  if (n == 0 || n <= heap.capacity()) return;
  const auto size = static_cast<Index>(n);
  heap.reserve(at(size <= kSmallestList ? kSmallestList : size <= kSmallList ? kSmallList : list_capacity_));
}

// Records that this pair has no move.
void MoveIndex::clear_pair(Slot a, std::int32_t k) {
  if (sources_[at(a)].target[at(k)] == a) return;
  sources_[at(a)].heap[at(k)].clear();
  set_cut(sources_[at(a)], at(k), kForbidden);
  update_front(a, k);
}

// Removes stale moves from the front of a list.
void MoveIndex::drop_stale_front(Slot a, std::int32_t k) {
  auto& heap = sources_[at(a)].heap[at(k)];
  while (!heap.empty() && stale(heap.front())) {
    std::pop_heap(heap.begin(), heap.end(), longer);
    heap.pop_back();
  }
  update_front(a, k);
}

// Removes all stale moves of a list, and the longest of the others if it is still too long.
void MoveIndex::truncate(Slot a, std::int32_t k) {
  SourcePairs& pairs = sources_[at(a)];
  auto& heap = pairs.heap[at(k)];
  std::erase_if(heap, [&](const Move& e) { return stale(e); });
  if (static_cast<Index>(heap.size()) > with_spare(refill_size_))
    set_cut(pairs, at(k), std::min(pairs.cut[at(k)], keep_cheapest(heap, refill_size_)));
  std::make_heap(heap.begin(), heap.end(), longer);
  update_front(a, k);
}

void MoveIndex::insert_move(Slot a, std::int32_t k, Move move) {
  SourcePairs& pairs = sources_[at(a)];
  auto& heap = pairs.heap[at(k)];
  if (static_cast<Index>(heap.size()) >= list_capacity_) truncate(a, k);
  if (move.length >= pairs.cut[at(k)]) return;
  reserve(heap, heap.size() + 1);
  heap.push_back(move);
  std::push_heap(heap.begin(), heap.end(), longer);
  if (heap.front().job == move.job) update_front(a, k);
}

// ---------------------------------------------------------------- one job

// Indexes the moves of a job in class a, given its keys.
void MoveIndex::insert_moves(Job job, Slot a, const Cost* row, std::vector<Slot>& found) {
  const Cost here = row[a];
  if (here >= kForbidden) return;  // the job is forbidden everywhere
  found.resize(at(classes_) + 1);
  if (unlimited_) {
    const Index n = kernels::classes_below(row, sources_[at(a)].threshold.data(), classes_, here, found.data());
    for (Index f = 0; f < n; ++f) {
      const Slot b = found[at(f)];
      std::int32_t k = find_pair(a, b);
      if (k < 0) k = add_pair(a, b);
      insert_move(a, k, {row[b] - here, job, stamp_[at(job)]});
    }
    return;
  }
  const Index n =
      kernels::classes_within(row, reference_.data(), classes_, is_complete(a) ? kForbidden : here + limit_[at(a)],
                              is_complete(a), found.data());
  for (Index f = 0; f < n; ++f) {
    const Slot b = found[at(f)];
    if (b == a || row[b] >= kForbidden) continue;
    std::int32_t k = find_pair(a, b);
    if (k < 0) k = add_pair(a, b);
    insert_move(a, k, {row[b] - here, job, stamp_[at(job)]});
  }
}

void MoveIndex::assign(Job job, Slot s, bool exact, const Cost* row) {
  changed_ = true;
  if (stamp_.size() < at(state_.n_positions())) stamp_.resize(at(state_.n_positions()), 0);
  state_.assign(job, s, row[s], exact);
  insert_moves(job, s, row, found_);
}

void MoveIndex::unassign(Job job) {
  const Slot a = state_.assigned_class(job);
  if (a == kNone) return;
  changed_ = true;
  state_.unassign(job);
  ++stamp_[at(job)];
  SourcePairs& pairs = sources_[at(a)];
  for (std::size_t k = 0; k < pairs.job.size(); ++k) {
    if (pairs.job[k] == job) drop_stale_front(a, static_cast<std::int32_t>(k));
  }
}

// ---------------------------------------------------------------- one class

// Moves of one class by target, collected before they become its lists; each shortened to its cheapest when it has
// grown to twice the size wanted.
struct MoveIndex::SourceMoves {
  explicit SourceMoves(Slot classes) : by_target(at(classes)), cut(at(classes), kForbidden), threshold(at(classes)) {}
  std::vector<std::vector<Move>> by_target;
  std::vector<Cost> cut, threshold;
  std::vector<Slot> touched, found;
  std::vector<float> near;  // by class: the threshold, or the larger saving of a move of a misplaced job
  AlignedVector<float> sketch;
  KeyBuffer buffer, column;
  Cost limit = 0;
  Index rows = 0;
  Index members = 0, seen = 0;  // of the class, and those of them whose rows were read
  Index most = 0;               // moves of one pair that are kept so far
  bool sketching = false;       // rows are read in float32 first
  // For build(): keys are written to the state, and jobs that are in no class of least reduced cost are listed.
  bool check = false;
  MatcherState::KeySums sums;
  std::vector<Job> misplaced;
};

// Chooses the limit of class a: its price plus the longest of the shortest moves of a sample of its members, or `need`
// if that is more. Adds the rows read to `rows`.
Cost MoveIndex::choose_limit(Slot a, Cost need, Cost least_to, KeyBuffer& buffer, Index& rows) const {
  if (unlimited_ || attempts_[at(a)] >= kLimitAttempts) return kForbidden;
  const auto members = state_.members(a);
  const auto n = static_cast<Index>(members.size());
  if (n == 0) return kForbidden;
  const Index count = std::min(n, kLimitSample);
  Cost farthest = 0;
  for (Index k = 0; k < count; ++k) {
    const Job job = members[at(k * n / count)];
    state_.read_row(job, buffer);
    ++rows;
    buffer.keys[at(a)] += prices_[at(a)];
    const Cost here = buffer.keys[at(a)];
    buffer.keys[at(a)] = kForbidden;
    const Cost next = kernels::least_reduced(buffer.keys.data(), prices_.data(), classes_);
    if (next < kForbidden) farthest = std::max<Cost>({farthest, next - here, 1});
  }
  if (farthest == 0) return kForbidden;
  const Cost margin = std::max(farthest, need);
  return prices_[at(a)] + margin - std::min<Cost>(0, least_to);
}

// Begins to collect the moves of a class with this number of members, up to lists.limit.
void MoveIndex::begin_moves(Slot a, Index members, SourceMoves& lists) const {
  const bool whole = lists.limit >= kForbidden;
  // Collects a move if its length is at most the threshold: within the limit, and below the cut.
  for (Slot b = 0; b < classes_; ++b) lists.threshold[at(b)] = whole ? kForbidden / 2 : lists.limit - reference_[at(b)];
  lists.threshold[at(a)] = -kForbidden;
  lists.found.resize(at(classes_) + 1);
  lists.near.resize(at(classes_));
  for (Slot b = 0; b < classes_; ++b) set_near(a, b, lists);
  lists.sketch.resize(at(sketch_width(classes_)));
  lists.members = members, lists.seen = 0;
  lists.sketching = state_.sketches();
}

// A job in class a is misplaced if a move to b is shorter than the difference of their prices.
void MoveIndex::set_near(Slot a, Slot b, SourceMoves& lists) const {
  const Cost saved = lists.check && a != b ? prices_[at(a)] - prices_[at(b)] : -kForbidden;
  lists.near[at(b)] = rounded_up(static_cast<double>(std::max(lists.threshold[at(b)], saved)));
}

// Reads the rows of the next members of class a and collects their moves. Where costs are fractions in any case, so
// that no key is exact, rows are sketched in float32: most classes are far from being a cheap move.
//
// The fewer members were read, the fewer moves are kept per pair: a move far from the cheapest of a tenth of the
// members is unlikely to be among the cheapest of all, and if it is, the list ends at its cut.
void MoveIndex::collect_moves(Slot a, std::span<const Job> members, SourceMoves& lists) const {
  const std::size_t step = at(tuning_.index_rows);
  for (std::size_t from = 0; from < members.size(); from += step) {
    const auto block = members.subspan(from, std::min(step, members.size() - from));
    const Index expected = build_size_ * lists.seen * tuning_.partial_percent / (lists.members * 100);
    lists.most = std::min(build_size_, kPartialLeast + expected);
    const bool first = lists.seen == 0;
    lists.seen += static_cast<Index>(block.size());
    lists.rows += static_cast<Index>(block.size());
    if (first || !lists.sketching) {
      collect_exactly(a, block, lists);
      lists.sketching &=
          std::none_of(lists.buffer.exact.begin(), lists.buffer.exact.end(), [](auto exact) { return exact != 0; });
      continue;
    }
    state_.read_column(block, a, lists.column);
    for (std::size_t k = 0; k < block.size(); ++k)
      if (!collect_sketched(a, block[k], lists.column.keys[k], lists)) collect_exactly(a, block.subspan(k, 1), lists);
  }
}

void MoveIndex::collect_exactly(Slot a, std::span<const Job> block, SourceMoves& lists) const {
  state_.read_rows(block, lists.buffer);
  for (std::size_t k = 0; k < block.size(); ++k) {
    const Job job = block[k];
    const Cost* row = lists.buffer.keys.data() + k * at(classes_);
    const Cost here = row[a];
    if (lists.check) {
      const Cost least = kernels::least_reduced(row, prices_.data(), classes_);
      if (least >= kForbidden ? a != state_.unplaced_class() : here + prices_[at(a)] != least)
        lists.misplaced.push_back(job);
      state_.write_key(job, here, lists.buffer.exact[k] != 0, lists.sums);
    }
    if (here >= kForbidden) continue;
    const Index n = kernels::classes_below(row, lists.threshold.data(), classes_, here, lists.found.data());
    for (Index f = 0; f < n; ++f) collect_move(job, a, lists.found[at(f)], row[lists.found[at(f)]] - here, lists);
  }
}

// Collects the moves of one job, reading most of its costs in float32 only; false if it cannot. Its keys count as
// rounded.
bool MoveIndex::collect_sketched(Slot a, Job job, Cost here, SourceMoves& lists) const {
  const double away = state_.switching_key(job);
  if (here >= kForbidden || !(away < std::numeric_limits<double>::infinity())) return false;
  const Sketched made = state_.sketch(job, lists.sketch.data());
  // A key is off by half a unit more, and sums of floats of at most this size by two roundings.
  const double slack = made.error + 2 + made.largest * 0x1p-22 - away;
  if (!(slack < 0x1p61)) return false;
  const Slot out = state_.unplaced_class(), placed = state_.placed_class(job);
  const Cost reduced = here + prices_[at(a)];
  Index n = kernels::classes_near(lists.sketch.data(), lists.near.data(), out,
                                  rounded_up(static_cast<double>(here) + slack), lists.found.data());
  // Corrects the entries that the sketch does not have: the placed class, which has no move cost, and being unplaced.
  if (placed != out && away > 0) {
    const auto end = lists.found.begin() + n;
    if (std::find(lists.found.begin(), end, placed) == end) lists.found[at(n++)] = placed;
  }
  lists.found[at(n++)] = out;
  bool least = true;
  for (Index f = 0; f < n; ++f) {
    const Slot b = lists.found[at(f)];
    if (b == a) continue;
    const Cost key = state_.read_key(job, b);
    if (key >= kForbidden) continue;
    least &= key + prices_[at(b)] >= reduced;
    if (key - here <= lists.threshold[at(b)]) collect_move(job, a, b, key - here, lists);
  }
  if (!lists.check) return true;
  if (!least) lists.misplaced.push_back(job);
  state_.write_key(job, here, false, lists.sums);
  return true;
}

void MoveIndex::collect_move(Job job, Slot a, Slot b, Cost length, SourceMoves& lists) const {
  auto& moves = lists.by_target[at(b)];
  if (moves.empty()) lists.touched.push_back(b);
  const Cost before = lists.threshold[at(b)];
  append_bounded(moves, {length, job, stamp_[at(job)]}, lists.most, lists.cut[at(b)], lists.threshold[at(b)]);
  if (lists.threshold[at(b)] != before) set_near(a, b, lists);
}

// Appends a move; at a multiple of `most`, keeps the cheapest `most` and lowers cut and threshold to the shortest
// removed.
void MoveIndex::append_bounded(std::vector<Move>& moves, Move move, Index most, Cost& cut, Cost& threshold) const {
  moves.push_back(move);
  if (static_cast<Index>(moves.size()) < kCollectedGrowth * most) return;
  cut = std::min(cut, keep_cheapest(moves, most));
  threshold = std::min(threshold, cut - 1);
}

// Adds the moves collected of other members of the same class.
void MoveIndex::merge(SourceMoves& whole, SourceMoves& part) const {
  for (const Slot b : part.touched) {
    auto &moves = whole.by_target[at(b)], &more = part.by_target[at(b)];
    if (moves.empty()) whole.touched.push_back(b);
    moves.insert(moves.end(), more.begin(), more.end());
    whole.cut[at(b)] = std::min(whole.cut[at(b)], part.cut[at(b)]);
  }
  whole.rows += part.rows;
}

// Keeps the cheapest `most` of more moves; returns the length of the shortest one removed.
template <class List>
Cost MoveIndex::keep_cheapest(List& moves, Index most) {
  std::nth_element(moves.begin(), moves.begin() + most, moves.end(),
                   [](const Move& x, const Move& y) { return longer(y, x); });
  const Cost cut = moves[at(most)].length;
  moves.resize(at(most));
  return cut;
}

// Makes these moves the list of pair (a, b), the cheapest `most` of them where there are many more.
void MoveIndex::set_pair(Slot a, Slot b, std::vector<Move>& moves, Index most, Cost cut) {
  if (static_cast<Index>(moves.size()) > with_spare(most)) cut = std::min(cut, keep_cheapest(moves, most));
  std::int32_t k = find_pair(a, b);
  if (k < 0) k = add_pair(a, b);
  SourcePairs& pairs = sources_[at(a)];
  auto& heap = pairs.heap[at(k)];
  reserve(heap, moves.size());
  heap.assign(moves.begin(), moves.end());
  std::make_heap(heap.begin(), heap.end(), longer);
  set_cut(pairs, at(k), cut);
  update_front(a, k);
}

// Makes the collected moves the lists of class a. Pairs are never removed: those without a move become empty.
void MoveIndex::install(Slot a, SourceMoves& lists) {
  const SourcePairs& pairs = sources_[at(a)];
  n_incomplete_ -= is_complete(a) ? 0 : 1;
  limit_[at(a)] = lists.limit;
  n_incomplete_ += is_complete(a) ? 0 : 1;
  for (std::size_t k = 0; k < pairs.target.size(); ++k) clear_pair(a, static_cast<std::int32_t>(k));
  std::sort(lists.touched.begin(), lists.touched.end());
  for (const Slot b : lists.touched) {
    set_pair(a, b, lists.by_target[at(b)], build_size_, lists.cut[at(b)]);
    lists.by_target[at(b)].clear();
    lists.cut[at(b)] = kForbidden;
  }
  lists.touched.clear();
  counts_.rows_read += lists.rows;
  counts_.rows_indexed += lists.rows;
  lists.rows = 0;
}

// Empties the index, with the present prices as reference.
void MoveIndex::reset() {
  stamp_.resize(at(state_.n_positions()), 0);
  sources_.assign(at(classes_), {});
  targets_.assign(at(classes_), {});
  for (Slot a = 0; unlimited_ && a < classes_; ++a) complete_pairs(a);
  reference_ = prices_;
  limit_.assign(at(classes_), kForbidden);
  attempts_.assign(at(classes_), 0);
  n_incomplete_ = 0;
  rebuild_pair_table();
}

void MoveIndex::rebuild_pair_table() {
  if (unlimited_) return;
  pair_map_.clear();
  const Index pairs = Index{classes_} * classes_;
  if (pairs > std::max(kDensePairTable, kDensePairsPerJob * state_.n_live())) {
    std::vector<std::int32_t>().swap(pair_table_);
  } else {
    pair_table_.assign(at(pairs), -1);
  }
  for (Slot a = 0; a < classes_; ++a) {
    for (std::size_t k = 0; k < source(a).target.size(); ++k) {
      const Index pair = Index{a} * classes_ + source(a).target[k];
      const auto position = static_cast<std::int32_t>(k);
      pair_table_.empty() ? void(pair_map_[pair] = position) : void(pair_table_[at(pair)] = position);
    }
  }
}

bool MoveIndex::build(Pool& pool, Stop& stop, std::vector<Job>& misplaced) {
  reset();
  if (!unlimited_) return build_by_class(pool, stop, misplaced);
  std::vector<std::unique_ptr<SourceMoves>> lists;
  for (Slot a = 0; a < classes_; ++a) {
    lists.push_back(std::make_unique<SourceMoves>(classes_));
    lists.back()->check = true;
    lists.back()->limit = kForbidden;
    begin_moves(a, state_.load(a), *lists.back());
  }
  if (!build_together(pool, stop, lists)) return false;
  for (Slot a = 0; a < classes_; ++a) {
    finish_class(a, *lists[at(a)], misplaced);
    lists[at(a)].reset();
  }
  return true;
}

// Collects the moves of all classes, for the jobs at some positions after those at others: columns of the job store are
// then read from the cache by all classes but the first.
bool MoveIndex::build_together(Pool& pool, Stop& stop, std::vector<std::unique_ptr<SourceMoves>>& lists) {
  std::vector<std::size_t> next(at(classes_), 0);  // member
  const Index n = state_.n_positions();
  for (Index begin = 0; begin < n; begin += tuning_.build_block) {
    const bool last = begin + tuning_.build_block >= n;
    const bool whole = pool.for_chunks(
        classes_, 1,
        [&](Index a, Index, Index) {
          const auto members = state_.members(static_cast<Slot>(a));
          std::size_t end = next[at(a)];
          while (end < members.size() && (last || members[end] < begin + tuning_.build_block)) ++end;
          collect_moves(static_cast<Slot>(a), members.subspan(next[at(a)], end - next[at(a)]), *lists[at(a)]);
          next[at(a)] = end;
        },
        &stop);
    if (!whole) return false;
  }
  return true;
}

// Collects the moves one class after the other, where the lists of all classes at once would take much memory.
bool MoveIndex::build_by_class(Pool& pool, Stop& stop, std::vector<Job>& misplaced) {
  std::mutex joining;
  std::vector<std::unique_ptr<SourceMoves>> spare;  // one a thread at most
  std::vector<std::unique_ptr<SourceMoves>> ready(at(classes_));
  Slot next = 0;  // classes are installed in order, whichever thread read them
  return pool.for_chunks(
      classes_, 1,
      [&](Index, Index begin, Index) {
        const auto a = static_cast<Slot>(begin);
        std::unique_ptr<SourceMoves> lists;
        {
          const std::lock_guard lock(joining);
          if (!spare.empty()) lists = std::move(spare.back()), spare.pop_back();
        }
        if (!lists) lists = std::make_unique<SourceMoves>(classes_);
        lists->check = true;
        lists->limit = choose_limit(a, 0, 0, lists->buffer, lists->rows);
        begin_moves(a, state_.load(a), *lists);
        collect_moves(a, state_.members(a), *lists);
        const std::lock_guard lock(joining);
        ready[at(a)] = std::move(lists);
        while (next < classes_ && ready[at(next)]) {
          const Slot done = std::exchange(next, classes_);  // if it throws, no other class is installed
          finish_class(done, *ready[at(done)], misplaced);
          spare.push_back(std::move(ready[at(done)]));
          next = done + 1;
        }
      },
      &stop);
}

// Installs the moves collected of a class, and counts the keys of its members.
void MoveIndex::finish_class(Slot a, SourceMoves& lists, std::vector<Job>& misplaced) {
  install(a, lists);
  state_.count_keys(lists.sums);
  misplaced.insert(misplaced.end(), lists.misplaced.begin(), lists.misplaced.end());
  lists.sums = {};
  lists.misplaced.clear();
}

// ---------------------------------------------------------------- more classes

bool MoveIndex::can_grow_to(Slot classes) const noexcept {
  return unlimited_ == (classes <= tuning_.all_pairs_classes);
}

Index MoveIndex::list_capacity(Slot classes, const LiveTuning& tuning) noexcept {
  return std::clamp(bit_floor(tuning.indexed_moves / (Index{classes} * classes)), kSmallList, kLargestList);
}

// The class of unplaced jobs, the last one, becomes number `classes` - 1.
void MoveIndex::add_classes(Slot classes) {
  changed_ = true;
  const Slot out = classes_ - 1, now = classes - 1;
  const auto renumber = [&](std::vector<Slot>& list) { std::replace(list.begin(), list.end(), out, now); };
  for (SourcePairs& pairs : sources_) renumber(pairs.target);
  for (TargetPairs& target_pairs : targets_) renumber(target_pairs.source);
  const auto insert_before_last = [&](auto& list, auto value) {
    list.insert(list.end() - 1, at(classes - classes_), value);
  };
  insert_before_last(sources_, SourcePairs{});
  insert_before_last(targets_, TargetPairs{});
  insert_before_last(limit_, kForbidden);
  insert_before_last(reference_, Cost{0});
  insert_before_last(attempts_, 0);
  classes_ = classes;
  for (Slot a = 0; unlimited_ && a < classes; ++a) complete_pairs(a);
  rebuild_pair_table();
}

void MoveIndex::relocate_lists(const std::shared_ptr<BlockPool>& memory) {
  memory_before_ = std::exchange(memory_, memory);  // until no list is left there
  set_list_capacity(list_capacity(classes_, tuning_));
  for (Slot a = 0; a < classes_; ++a) {
    SourcePairs& pairs = sources_[at(a)];
    std::vector<Heap> moved;
    moved.reserve(pairs.heap.size());
    for (std::size_t k = 0; k < pairs.heap.size(); ++k) {
      truncate(a, static_cast<std::int32_t>(k));
      Heap& heap = moved.emplace_back(memory_.get());
      reserve(heap, pairs.heap[k].size());
      heap.assign(pairs.heap[k].begin(), pairs.heap[k].end());
    }
    pairs.heap.swap(moved);
  }
  memory_before_.reset();
}

// A refilled list keeps some of its capacity for insertions; a list built with its class has less, as searches never
// reach most pairs.
void MoveIndex::set_list_capacity(Index capacity) noexcept {
  list_capacity_ = capacity;
  refill_size_ = capacity * (kListSpare - 1) / kListSpare;
  build_size_ = std::max(refill_size_ / kBuiltShare, kBuiltLeast);
}

// ---------------------------------------------------------------- extensions

// Members of a class that one thread indexes at once (jobs).
constexpr Index kIndexChunk = Index{1} << 11;

void MoveIndex::reindex_source(Slot a, Cost need, bool farther, Pool& pool) {
  changed_ = true;
  ++counts_.sources_reindexed;
  attempts_[at(a)] += farther ? 1 : 0;
  SourceMoves lists(classes_);
  const Cost least_to = slack_to(least_slack_to());
  lists.limit = choose_limit(a, need, least_to, lists.buffer, lists.rows);
  if (lists.limit < kForbidden) lists.limit = std::max(lists.limit, limit_[at(a)]);
  const auto members = state_.members(a);
  const auto n = static_cast<Index>(members.size());
  std::vector<std::unique_ptr<SourceMoves>> parts(at(Pool::chunks(n, kIndexChunk)));
  pool.for_chunks(n, kIndexChunk, [&](Index chunk, Index begin, Index end) {
    auto part = std::make_unique<SourceMoves>(classes_);
    part->limit = lists.limit;
    begin_moves(a, end - begin, *part);
    collect_moves(a, members.subspan(at(begin), at(end - begin)), *part);
    parts[at(chunk)] = std::move(part);
  });
  for (const auto& part : parts) merge(lists, *part);
  install(a, lists);
}

Slot MoveIndex::least_slack_to() const {
  Slot least = 0;
  for (Slot b = 1; b < classes_; ++b) least = slack_to(b) < slack_to(least) ? b : least;
  return least;
}

Slot MoveIndex::least_slack_from() const {
  Slot least = kNone;
  for (Slot a = 0; a < classes_; ++a) {
    if (is_complete(a) || state_.load(a) == 0) continue;
    if (least == kNone || slack_from(a) < slack_from(least)) least = a;
  }
  return least;
}

// ---------------------------------------------------------------- single costs, by column

// Counts n costs read by column; a source that cannot read single costs has read rows.
void MoveIndex::count_column_read(Index n) {
  state_.columns().cost->singles() ? counts_.column_costs_read += n : counts_.rows_read += n;
}

// Jobs whose cost in one class one thread reads at once (jobs).
constexpr Index kColumnChunk = Index{1} << 13;

void MoveIndex::move_lengths_to(Slot c, std::vector<Cost>& lengths, Pool& pool) {
  const Index n = state_.n_positions();
  lengths.resize(at(n));
  std::vector<std::vector<Job>> rounded;
  pool.for_parts(rounded, n, kColumnChunk, [&](auto& part, Index begin, Index end) {
    std::vector<Job> jobs;
    KeyBuffer buffer;
    for (auto job = static_cast<Job>(begin); job < static_cast<Job>(end); ++job) {
      lengths[at(job)] = kForbidden;
      if (state_.assigned_class(job) != kNone && state_.assigned_class(job) != c) jobs.push_back(job);
    }
    state_.read_column(jobs, c, buffer);
    for (std::size_t k = 0; k < jobs.size(); ++k) {
      const Cost there = buffer.keys[k], here = state_.key(jobs[k]);
      // For a job that is forbidden in its class, any other class is cheaper.
      if (there < kForbidden) lengths[at(jobs[k])] = here >= kForbidden ? -kForbidden : there - here;
      if (buffer.exact[k] == 0) part.push_back(jobs[k]);
    }
  });
  for (const auto& part : rounded) {
    for (const Job job : part) state_.mark_rounded(job);
  }
  count_column_read(n);
}

void MoveIndex::replace_target(Slot c, const std::vector<Cost>& lengths, Pool& pool) {
  changed_ = true;
  reference_[at(c)] = prices_[at(c)];
  const TargetPairs pairs = targets_[at(c)];
  for (std::size_t k = 0; k < pairs.source.size(); ++k) clear_pair(pairs.source[k], pairs.source_position[k]);
  for (std::size_t k = 0; k < source(c).target.size(); ++k) clear_pair(c, static_cast<std::int32_t>(k));
  std::vector<std::vector<Move>> moves(at(classes_));
  std::vector<Cost> cut(at(classes_), kForbidden);
  pool.for_chunks(classes_, 1, [&](Index, Index begin, Index) {
    const auto a = static_cast<Slot>(begin);
    if (a == c) return;
    auto& list = moves[at(a)];
    Cost threshold = is_complete(a) ? kForbidden / 2 : limit_[at(a)] - reference_[at(c)];
    for (const Job job : state_.members(a)) {
      const Cost length = lengths[at(job)];
      if (length > threshold || length <= -kForbidden) continue;
      append_bounded(list, {length, job, stamp_[at(job)]}, build_size_, cut[at(a)], threshold);
    }
  });
  for (Slot a = 0; a < classes_; ++a) {
    if (!moves[at(a)].empty()) set_pair(a, c, moves[at(a)], build_size_, cut[at(a)]);
  }
}

void MoveIndex::refill_pair(Slot a, std::int32_t position, Pool& pool) {
  if (!state_.columns().cost->singles()) return reindex_source(a, 0, false, pool);
  changed_ = true;
  ++counts_.pairs_refilled;
  const Slot b = source(a).target[at(position)];
  const Cost limit = is_complete(a) ? kForbidden / 2 : limit_[at(a)] - reference_[at(b)];
  struct Chunk {
    std::vector<Move> moves;
    Cost cut = kForbidden;
    KeyBuffer buffer;
  };
  const auto members = state_.members(a);
  const auto n = static_cast<Index>(members.size());
  std::vector<Chunk> chunks;
  pool.for_parts(chunks, n, kColumnChunk, [&](auto& part, Index begin, Index end) {
    Cost threshold = limit;
    const auto block = members.subspan(at(begin), at(end - begin));
    state_.read_column(block, b, part.buffer);
    for (std::size_t k = 0; k < block.size(); ++k) {
      const Cost there = part.buffer.keys[k], here = state_.key(block[k]);
      if (there >= kForbidden || here >= kForbidden || there - here > threshold) continue;
      append_bounded(part.moves, {there - here, block[k], stamp_[at(block[k])]}, refill_size_, part.cut, threshold);
    }
  });
  counts_.class_costs_read += n;
  std::vector<Move> moves;
  Cost cut = kForbidden;
  for (const Chunk& part : chunks) {
    moves.insert(moves.end(), part.moves.begin(), part.moves.end());
    cut = std::min(cut, part.cut);
  }
  set_pair(a, b, moves, refill_size_, cut);
}

void MoveIndex::widen_target(Slot b, Cost need, Pool& pool) {
  ++counts_.targets_widened;
  const Cost before = reference_[at(b)], now = prices_[at(b)] - need;
  if (now >= before) return;
  changed_ = true;
  struct Hit {
    Slot a;
    Move move;
  };
  const Index n = state_.n_positions();
  std::vector<std::vector<Hit>> hits;
  pool.for_parts(hits, n, kColumnChunk, [&](auto& part, Index begin, Index end) {
    std::vector<Job> jobs;
    KeyBuffer buffer;
    for (auto job = static_cast<Job>(begin); job < static_cast<Job>(end); ++job) {
      const Slot a = state_.assigned_class(job);
      if (a != kNone && a != b && !is_complete(a)) jobs.push_back(job);
    }
    state_.read_column(jobs, b, buffer);
    for (std::size_t k = 0; k < jobs.size(); ++k) {
      const Slot a = state_.assigned_class(jobs[k]);
      const Cost there = buffer.keys[k], here = state_.key(jobs[k]), limit = here + limit_[at(a)];
      if (there >= kForbidden || there + before <= limit || there + now > limit) continue;
      part.push_back({a, {there - here, jobs[k], stamp_[at(jobs[k])]}});
    }
  });
  count_column_read(n);
  reference_[at(b)] = now;
  for (const auto& part : hits) {
    for (const Hit& hit : part) {
      std::int32_t k = find_pair(hit.a, b);
      if (k < 0) k = add_pair(hit.a, b);
      insert_move(hit.a, k, hit.move);
    }
  }
}

// ---------------------------------------------------------------- invariants

bool MoveIndex::holds(const std::vector<bool>& changed) const {
  KeyBuffer buffer;
  for (Slot a = 0; a < classes_; ++a) {
    if (changed[at(a)]) continue;
    std::vector<Cost> least(at(classes_), kForbidden);
    for (const Job job : state_.members(a)) {
      state_.read_row(job, buffer);
      const Cost here = buffer.keys[at(a)];
      if (here >= kForbidden) continue;  // the job is forbidden everywhere
      for (Slot b = 0; b < classes_; ++b) {
        if (changed[at(b)]) continue;
        if (buffer.keys[at(b)] < kForbidden) least[at(b)] = std::min(least[at(b)], buffer.keys[at(b)] - here);
        // The job is in a class of least reduced cost.
        if (buffer.keys[at(b)] < kForbidden && buffer.keys[at(b)] + prices_[at(b)] < here + prices_[at(a)])
          return false;
      }
    }
    for (Slot b = 0; b < classes_; ++b) {
      if (b == a || changed[at(b)]) continue;
      const std::int32_t k = find_pair(a, b);
      const Cost length = k < 0 ? kForbidden : source(a).length[at(k)];
      const bool known = k >= 0 && source(a).job[at(k)] != kNone;
      if (k >= 0 && target(b).length[at(source(a).target_position[at(k)])] != length) return false;
      if (known && length != least[at(b)]) return false;
      if (known || least[at(b)] >= kForbidden) continue;
      const Cost bound = is_complete(a) ? kForbidden : limit_[at(a)] - reference_[at(b)];
      if (least[at(b)] < std::min(length, bound)) return false;
    }
  }
  return true;
}

}  // namespace gridcompute::live
