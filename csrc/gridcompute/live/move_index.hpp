// For each ordered pair of classes (a, b), the cheapest moves of a job from a to b: the arcs of the exchange graph.
//
// Problem. A change is repaired by shortest paths on the graph of classes, in which arc a -> b is as long as the
// cheapest move, W(a, b) = min over jobs in a of key_b - key_a. Keeping all moves of all jobs would be the cost matrix
// again.
//
// Definitions. The list of a pair is a heap of (length = key_b - key_a, job). No price enters it, so it stays valid
// when prices change. With a limit for each class a and a reference price q_b for each class b, a move is indexed if
// key_b + q_b <= key_a + limit_a; and of each pair only about the cheapest `refill_size`, all others being at least
// `cut` long. Moves that are not indexed are bounded: at prices p,
//   key_b + p_b - key_a - p_a > (limit_a - p_a) + (p_b - q_b) = slack_from(a) + slack_to(b),
// or the length is at least `cut`, which is the length of a pair whose list is empty (its `job` is kNone then: the pair
// is exhausted). A search that reaches such a bound before its end has the source indexed farther (reindex_source), the
// target (widen_target), or the pair filled again (refill_pair), and starts over: it never relies on moves that are not
// indexed.
//
// Limits. With few classes limit_a is infinite, and only `cut` shortens the lists. With many, limit_a is about the
// longest of the shortest moves of a sample of a's jobs: a path is seldom longer.
//
// A job that leaves a class gets another stamp, which makes its entries stale; they are dropped when they reach the
// front. `job` and `length` of a pair are never stale.
//
// A cut bounds the removed moves at the prices of that time, so prices that are recomputed (repricing, a cold round)
// may make the bound shorter than any move: the search then has that pair filled again.
//
// Invariants (holds()): the length of a pair is that of the cheapest move of a live member, or the bound above; every
// job is in a class of least reduced cost; pairs by target mirror pairs by source. Moves from and to classes whose
// costs have changed since are left out: the next round reads them again.
//
// Complexity. Assigning and unassigning a job: one row read, O(classes) comparisons, O(log) for each list that it
// joins. Reindexing a class: the rows of its members.
//
// Memory. 16 bytes a move, and capacity for 4, 16 or list_capacity() moves a pair, in blocks that the next index
// reuses. That capacity falls with the square of the number of classes, so that the lists of all pairs of up to 313
// classes never take more than 24 MB, and those of more classes about four times what is indexed; when it falls, the
// lists are copied. The table of pairs is dense only up to 2,047 classes or where it takes less than 512 bytes a job.
#pragma once

#include <memory>
#include <unordered_map>

#include "gridcompute/base/memory.hpp"
#include "gridcompute/base/stop.hpp"
#include "gridcompute/live/state.hpp"
#include "gridcompute/live/tuning.hpp"

namespace gridcompute::live {

// Counts of the work of one round, for its statistics and for the work model.
struct WorkCounts {
  Index rows_read = 0;
  Index path_searches = 0, arcs_scanned = 0, augmentations = 0;
  Index sources_reindexed = 0, targets_widened = 0, pairs_refilled = 0;
  Index classes_repriced = 0;
  Index column_costs_read = 0;  // single costs, of all jobs in one class
  Index class_costs_read = 0;   // single costs, of the members of one class in another
  Index rows_indexed = 0;       // rows read to index their moves; part of rows_read
};

// Capacity that a refilled list leaves for insertions (1 / share).
inline constexpr Index kListSpare = 5;
// Capacity of a list at first (moves, a power of two; three sizes only, so that freed blocks fit again).
inline constexpr Index kSmallestList = 4;
// Capacity of a list once it outgrew the first (moves, a power of two).
inline constexpr Index kSmallList = 16;
// Capacity of a list at most (moves, a power of two).
inline constexpr Index kLargestList = 1024;
// Moves in a list built with its class: most pairs are never met (1 / share of those of a refilled list).
inline constexpr Index kBuiltShare = 4;
// Moves in a list built with its class, at least.
inline constexpr Index kBuiltLeast = 8;
// Pairs of classes up to which their positions are kept in a table (4 bytes each), not in a map.
inline constexpr Index kDensePairTable = Index{1} << 22;
// Pairs for each live job up to which that table is used: at most 512 bytes a job.
inline constexpr Index kDensePairsPerJob = 128;
// Jobs of a class whose longest least move is its limit; an eighth made the first rounds ten times as long.
inline constexpr Index kLimitSample = 64;
// Extensions after which a class is indexed without limit.
inline constexpr Index kLimitAttempts = 4;
// Moves that are kept of a pair beyond its share while its class is read.
inline constexpr Index kPartialLeast = 4;
// Ratio to the moves kept at which collected moves are shortened to the cheapest.
inline constexpr Index kCollectedGrowth = 2;

class MoveIndex {
 public:
  // `memory` holds the lists; the next index finds blocks of the same sizes there.
  MoveIndex(MatcherState& state, std::vector<Cost>& prices, WorkCounts& counts, const LiveTuning& tuning,
            std::shared_ptr<BlockPool> memory);

  // Indexes all classes at the present prices and assignment, and reads the keys of all assigned jobs. Jobs that are in
  // no class of least reduced cost go to `misplaced`; the caller has to unassign them. Returns false if stopped: then
  // the index has to be built again.
  bool build(Pool& pool, Stop& stop, std::vector<Job>& misplaced);

  // For class c, whose costs have changed and which has no members: reads the length of each job's move to c
  // (kForbidden: the job is not allowed there, or is in no class; -kForbidden: it is forbidden everywhere else).
  void move_lengths_to(Slot c, std::vector<Cost>& lengths, Pool& pool);
  // Replaces all moves to c and from c by those of these lengths.
  void replace_target(Slot c, const std::vector<Cost>& lengths, Pool& pool);

  // Inserts empty classes before that of unplaced jobs, up to `classes` in all.
  void add_classes(Slot classes);
  [[nodiscard]] bool can_grow_to(Slot classes) const noexcept;
  // Returns the capacity of the longest list of one pair, with this many classes.
  [[nodiscard]] static Index list_capacity(Slot classes, const LiveTuning& tuning) noexcept;
  // Copies all lists to other memory, shortened to the present list_capacity().
  void relocate_lists(const std::shared_ptr<BlockPool>& memory);

  // Returns whether anything was changed since the last commit().
  [[nodiscard]] bool changed() const noexcept { return changed_; }
  void commit() noexcept { changed_ = false; }

  // Indexes class a again, with a limit such that slack_from(a) + the least slack_to() exceeds `need`. `farther`: the
  // limit was too short, which counts as an attempt.
  void reindex_source(Slot a, Cost need, bool farther, Pool& pool);
  // Fills the list of pair (a, target[position]) again, with its cheapest moves.
  void refill_pair(Slot a, std::int32_t position, Pool& pool);
  // Lowers the reference price of b, so that slack_to(b) is at least `need`, and indexes the moves that become
  // admissible.
  void widen_target(Slot b, Cost need, Pool& pool);

  // Moves a job into class s, given its keys in all classes, and out of its class.
  void assign(Job job, Slot s, bool exact, const Cost* row);
  void unassign(Job job);

  struct Move {
    Cost length;
    Job job;
    std::uint32_t stamp;
  };
  using Heap = std::pmr::vector<Move>;
  struct SourcePairs {              // the pairs (a, target[k]) of one class a, in order of first use, or by class
    std::vector<Slot> target;       // with few classes: all, in their order
    std::vector<Cost> length, cut;  // least length, or cut where the list is empty; kForbidden: no move
    std::vector<Job> job;           // of the cheapest move; kNone: exhausted
    std::vector<std::int32_t> target_position;  // the same pair in target(target[k])
    std::vector<Cost> threshold;                // without limits: by class, moves up to this length are indexed
    std::vector<Heap> heap;
  };
  struct TargetPairs {  // the pairs (source[k], b) of one class b
    std::vector<Slot> source;
    std::vector<Cost> length;
    std::vector<std::int32_t> source_position;  // the same pair in source(source[k])
  };
  [[nodiscard]] const SourcePairs& source(Slot a) const noexcept { return sources_[at(a)]; }
  [[nodiscard]] const TargetPairs& target(Slot b) const noexcept { return targets_[at(b)]; }

  [[nodiscard]] bool is_complete(Slot a) const noexcept { return limit_[at(a)] >= kForbidden; }
  // With few classes: the pairs of a class are those with all classes, itself included, in their order.
  [[nodiscard]] bool keeps_all_pairs() const noexcept { return unlimited_; }
  [[nodiscard]] bool all_complete() const noexcept { return n_incomplete_ == 0; }
  [[nodiscard]] Cost slack_from(Slot a) const noexcept { return limit_[at(a)] - prices_[at(a)]; }
  [[nodiscard]] Cost slack_to(Slot b) const noexcept { return prices_[at(b)] - reference_[at(b)]; }
  [[nodiscard]] Slot least_slack_to() const;    // the class
  [[nodiscard]] Slot least_slack_from() const;  // the class, among incomplete ones with members; kNone: none

  [[nodiscard]] bool holds(const std::vector<bool>& changed) const;

 private:
  struct SourceMoves;

  // Positions of pairs.
  [[nodiscard]] std::int32_t find_pair(Slot a, Slot b) const;  // -1: no such pair yet
  std::int32_t add_pair(Slot a, Slot b);
  void rebuild_pair_table();
  void complete_pairs(Slot a);

  // One list.
  void insert_move(Slot a, std::int32_t k, Move move);
  void clear_pair(Slot a, std::int32_t k);
  void drop_stale_front(Slot a, std::int32_t k);
  void truncate(Slot a, std::int32_t k);
  void update_front(Slot a, std::int32_t k);
  void set_cut(SourcePairs& pairs, std::size_t k, Cost cut);
  void set_pair(Slot a, Slot b, std::vector<Move>& moves, Index most, Cost cut);
  void reserve(Heap& heap, std::size_t n) const;
  void set_list_capacity(Index capacity) noexcept;
  // Returns the length of a list of that many moves from which it is shortened to them.
  [[nodiscard]] Index with_spare(Index moves) const noexcept { return moves + moves / (kListSpare - 1); }
  [[nodiscard]] bool stale(const Move& e) const noexcept { return stamp_[at(e.job)] != e.stamp; }
  template <class List>
  static Cost keep_cheapest(List& moves, Index most);
  void append_bounded(std::vector<Move>& moves, Move move, Index most, Cost& cut, Cost& threshold) const;

  // One class.
  void insert_moves(Job job, Slot a, const Cost* row, std::vector<Slot>& found);
  Cost choose_limit(Slot a, Cost need, Cost least_to, KeyBuffer& buffer, Index& rows) const;
  void begin_moves(Slot a, Index members, SourceMoves& lists) const;
  void collect_moves(Slot a, std::span<const Job> members, SourceMoves& lists) const;
  void collect_exactly(Slot a, std::span<const Job> block, SourceMoves& lists) const;
  bool collect_sketched(Slot a, Job job, Cost here, SourceMoves& lists) const;
  void collect_move(Job job, Slot a, Slot b, Cost length, SourceMoves& lists) const;
  void set_near(Slot a, Slot b, SourceMoves& lists) const;
  void merge(SourceMoves& whole, SourceMoves& part) const;
  void install(Slot a, SourceMoves& lists);
  bool build_together(Pool& pool, Stop& stop, std::vector<std::unique_ptr<SourceMoves>>& lists);
  bool build_by_class(Pool& pool, Stop& stop, std::vector<Job>& misplaced);
  void finish_class(Slot a, SourceMoves& lists, std::vector<Job>& misplaced);
  void count_column_read(Index n);
  void reset();

  MatcherState& state_;
  std::vector<Cost>& prices_;
  WorkCounts& counts_;
  const LiveTuning& tuning_;
  std::shared_ptr<BlockPool> memory_, memory_before_;  // declared before the lists, so destroyed after them
  Slot classes_;
  Index list_capacity_ = 0;                 // entries of one list, stale ones included
  Index refill_size_ = 0, build_size_ = 0;  // moves of a pair that is refilled, and of one indexed with its class
  bool unlimited_;                          // few classes: all limits are infinite
  std::vector<SourcePairs> sources_;
  std::vector<TargetPairs> targets_;
  std::vector<Cost> limit_, reference_;
  std::vector<Index> attempts_;  // by class: how often its limit was too short
  Slot n_incomplete_ = 0;
  std::vector<std::uint32_t> stamp_;
  // Position of pair (a, b) in source(a), -1: no such pair; unused with few classes. By a * classes + b, or in a map
  // where that would be large.
  std::vector<std::int32_t> pair_table_;
  std::unordered_map<std::int64_t, std::int32_t> pair_map_;
  std::vector<Slot> found_;
  bool changed_ = true;
};

}  // namespace gridcompute::live
