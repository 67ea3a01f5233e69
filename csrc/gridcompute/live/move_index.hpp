// The board of moves: for each ordered pair of classes (a, b) the cheapest move of a job from a to b.
//
// Problem. A change is repaired by shortest paths on the graph of classes, whose arc a -> b is as long as the cheapest
// move: W(a, b) = min over jobs in a of key_b - key_a. All pairs of all jobs would be the matrix again.
//
// Definitions. A pair's heap holds (key_b - key_a, job); no price is in it, so it outlives all price changes. Of a
// class a those moves are listed with key_b + q_b <= key_a + limit_a; and of each pair only about the `most` cheapest,
// all others being at least `cut` apart. What is not listed is bounded: at prices p,
//   key_b + p_b - key_a - p_a > (limit_a - p_a) + (p_b - q_b) = slack_from(a) + slack_to(b),
// or it is at least as long as `cut`, which is what an emptied pair says of itself (sure() is false then). A search
// that comes across such a bound before it finds its end has the class listed again, farther (relist), or the
// target (widen), and starts over: nothing is ever assumed of moves not listed.
//
// Limits. With few classes limit_a is infinite, and only `cut` limits the lists. With many, limit_a reaches about as
// far as the nearest move of each job in a: a path is seldom longer. (With an eighth of that, most classes had to be
// listed again by the first rounds, which took ten times as long.)
//
// Entries of a job that has left are stale, by its stamp. `first` and `top` of a pair are never stale.
//
// What is cut is bounded as it was when it was cut, so prices that are set anew (matcher.cpp's draw, a cold solve) may
// make such a bound shorter than any move is: the search has that pair listed again (refresh).
//
// Invariants (holds()): every pair's top is the least move of a live member, or the bound said; columns mirror rows.
//
// Complexity. Leaving and entering a class: one row read, O(classes) compares, O(log) for each list joined. Relisting a
// class: its members' rows.
//
// Memory. 16 bytes a move, and room for 4, 16 or room_of_list() moves a pair, in blocks that the next board reuses.
// That room shrinks with the square of the classes, so that the lists of all pairs of up to 313 classes never take more
// than 24 MB, and those of more classes about four times what is listed; when it shrinks, the lists are copied anew.
// The table of places is dense only up to 2,047 classes or where it takes less than 512 bytes a job.
#pragma once

#include <memory_resource>
#include <unordered_map>

#include "gridcompute/base/stop.hpp"
#include "gridcompute/live/state.hpp"

namespace gridcompute::matcher {

struct Counts {    // what was done, for the caller's stats
  Index rows = 0;  // rows of costs read
  Index searches = 0, steps = 0, augmentations = 0;
  Index relisted = 0, widened = 0;
  Index columns = 0;    // looked at anew, since costs of a class changed
  Index singles = 0;    // costs of a column read, of all jobs
  Index scattered = 0;  // likewise, of the jobs of one class
  Index refilled = 0;
  Index listed = 0;  // of the rows, those read for lists
};

class Board {
 public:
  // `memory` holds the lists, and outlives the board: the next one finds room of the same sizes there.
  Board(World& world, std::vector<Cost>& prices, Counts& counts, std::pmr::memory_resource& memory);

  // Everything anew, at these prices, from where the jobs stand; their keys are read too. `misplaced`: who is not where
  // it is cheapest, and is to leave. False if stopped: then all is to be built again.
  bool build(Pool& pool, Stop& stop, std::vector<Job>& misplaced);
  // The costs of class c have changed, and it is empty: how far each job is apart from it now (kForbidden: it may not
  // be there, or is in no class; -kForbidden: it may be nowhere else), and the moves to it listed anew.
  void look_at(Slot c, std::vector<Cost>& apart, Pool& pool);
  void recolumn(Slot c, const std::vector<Cost>& apart, Pool& pool);
  void grow(Slot classes);
  [[nodiscard]] bool fits(Slot classes) const noexcept;  // can it grow to so many?
  // Entries of the longest list of one pair, with so many classes.
  [[nodiscard]] static Index room_of_list(Slot classes) noexcept;
  // Copies all lists to other memory, cut to what room_of_list() now is.
  void move_lists(std::pmr::memory_resource& memory);
  // Lists class a again, its limit so far out that slack_from(a) + the least slack_to exceeds `need`, and at least
  // twice as many moves as before where that was what was short.
  void relist(Slot a, Cost need, bool farther, Pool& pool);
  // The pair (a, to[place]) has run dry: its cheapest moves are looked up again.
  void refresh(Slot a, std::int32_t place, Pool& pool);
  void widen(Slot b, Cost need, Pool& pool);

  // Into class s, with its keys in all classes; out of it.
  void enter(Job job, Slot s, bool exact, const Cost* row);
  void leave(Job job);

  struct Entry {
    Cost apart;
    Job job;
    std::uint32_t stamp;
  };
  using Heap = std::pmr::vector<Entry>;
  struct Row {  // the pairs (a, to[k]), in order of first use
    std::vector<Slot> to;
    std::vector<Cost> top, cut;        // least move, or cut where the heap is empty; kForbidden: none
    std::vector<Job> first;            // who moves, kNone where that is not known
    std::vector<std::int32_t> mirror;  // place in column(to[k])
    std::vector<Cost> bar;             // few classes: by target, moves at most so far apart are listed
    std::vector<Heap> heap;
  };
  struct Column {  // the pairs (from[k], b)
    std::vector<Slot> from;
    std::vector<Cost> top;
    std::vector<std::int32_t> place;  // in row(from[k])
  };
  [[nodiscard]] const Row& row(Slot a) const noexcept { return rows_[static_cast<std::size_t>(a)]; }
  [[nodiscard]] const Column& column(Slot b) const noexcept { return columns_[static_cast<std::size_t>(b)]; }

  [[nodiscard]] bool complete(Slot a) const noexcept { return limit_[static_cast<std::size_t>(a)] >= kForbidden; }
  [[nodiscard]] Cost slack_from(Slot a) const noexcept {
    return limit_[static_cast<std::size_t>(a)] - prices_[static_cast<std::size_t>(a)];
  }
  [[nodiscard]] Cost slack_to(Slot b) const noexcept {
    return prices_[static_cast<std::size_t>(b)] - reference_[static_cast<std::size_t>(b)];
  }
  [[nodiscard]] bool all_complete() const noexcept { return incomplete_ == 0; }
  [[nodiscard]] Slot least_slack_to() const;    // its class
  [[nodiscard]] Slot least_slack_from() const;  // among incomplete classes with members; kNone: none

  [[nodiscard]] bool holds() const;

 private:
  [[nodiscard]] std::int32_t place(Slot a, Slot b) const;
  std::int32_t make_place(Slot a, Slot b);
  void list(Job job, Slot a, const Cost* row, std::vector<Slot>& found);
  void push(Slot a, std::int32_t k, Entry entry);
  void nothing_listed(Slot a, std::int32_t k);
  void settle(Slot a, std::int32_t k);  // drops stale entries from the front, and writes top and first
  void shrink(Slot a, std::int32_t k);
  void set_top(Slot a, std::int32_t k);
  void set_cut(Row& row, std::size_t k, Cost cut);
  void make_room(Heap& heap, std::size_t n) const;
  void set_room(Index longest) noexcept;
  [[nodiscard]] bool stale(const Entry& e) const noexcept { return stamp_[static_cast<std::size_t>(e.job)] != e.stamp; }
  Cost choose_limit(Slot a, Cost need, Cost least_to, Scratch& scratch, Index& rows) const;
  struct Fresh;
  void gather(Slot a, std::span<const Job> members, Fresh& fresh) const;
  void join(Fresh& whole, Fresh& part) const;
  void install(Slot a, Fresh& fresh);
  void count_singles(Index n);
  template <class List>
  static Cost cheapest(List& bucket, Index most);
  static void keep(std::vector<Entry>& bucket, Entry entry, Index most, Cost& cut, Cost& threshold);
  void refill(Slot a, Slot b, std::vector<Entry>& bucket, Index most, Cost cut);
  void empty();
  void lay_out();  // where pairs lie

  World& world_;
  std::vector<Cost>& prices_;
  Counts& counts_;
  std::pmr::memory_resource* memory_;
  Slot classes_;
  Index longest_ = 0;           // a list has room for so many, stale ones among them
  Index most_ = 0, first_ = 0;  // moves of a pair that ran dry, and of one listed with its whole class
  bool few_;                    // few classes: limits are infinite
  std::vector<Row> rows_;
  std::vector<Column> columns_;
  std::vector<Cost> limit_, reference_;
  std::vector<int> effort_;  // how often a class's limit was found too near
  Slot incomplete_ = 0;
  std::vector<std::uint32_t> stamp_;
  std::vector<std::int32_t> places_;  // (classes, classes), -1: no such pair; or, where that would be large:
  std::unordered_map<std::int64_t, std::int32_t> far_places_;
  Scratch scratch_;
  std::vector<Slot> found_;
};

}  // namespace gridcompute::matcher
