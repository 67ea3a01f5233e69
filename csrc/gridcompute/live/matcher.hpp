// Live matching: a world of jobs that changes a little between rounds, and is matched again in proportion to the
// change.
//
// Problem. transport/problem.hpp with one slot a job, again and again: jobs come, go and change, slots come and go. A
// job that has a home (where the last round told the caller) costs its move on top anywhere else. Each round's answer
// is the exact optimum of the world as it then is.
//
// Steps. Kept between rounds: prices, where each job stands, the board of moves. A change only takes jobs out of their
// class or changes room. match() then
//   places  each job that waits where it is cheapest at the prices (one row read),
//   repairs first the classes with too many, then those whose empty slots have a price (path_search.hpp),
//   tells   what differs from the homes. If a limit was set on moves: the cheapest improvements only (move_limit.hpp);
//   the
//           others stay where they were told to be, and are moved by a later round.
// The first round, and one whose repair would take longer (work_model.hpp), is solved by transport (cold): jobs go
// where it says and the prices are its. The board is built by the next round that is not cold, or mended where few jobs
// moved.
//
// Why nothing moves without cause. Where every job stands is optimal, and stays so when homes become slots: a move once
// made costs no more, and all others still cost theirs. So a round without change has nothing in excess, nothing empty
// at a price, and ends without a search.
//
// Bound. All jobs stand where they are cheapest, so D(p) = sum of keys + sum of (load - capacity) * price: known
// without a look at any cost. In balance it is the objective.
//
// Stopped. By the time limit: jobs stay at their homes, new ones are placed where there is room; the search goes on
// from where it was in the next round. By Ctrl-C: nothing is told, likewise.
//
// Objective. Costs at homes are added up exactly (exact_total.hpp), and rounded once when the round is told.
//
// Pins. A pinned job keeps its slot even where its class has fewer slots than before: as many slots as pinned jobs are
// at home there always count as capacity, so that a class without room blocks nothing but itself.
#pragma once

#include <memory>
#include <memory_resource>
#include <string>

#include "gridcompute/live/exact_total.hpp"
#include "gridcompute/live/path_search.hpp"
#include "gridcompute/live/work_model.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::matcher {

struct Options {
  int threads = 0;
  std::uint64_t seed = 0;
  Index max_moves = -1;  // no limit
  double gap = 0;        // good enough, if proved
};

struct Change {
  Job job;
  Slot from, to;  // kNone: left out
};

struct Answer {
  transport::Status status = transport::Status::optimal;
  const char* why = "";             // empty: warm
  bool cold = false;                // solved by transport
  bool built = false;               // lists were built from all rows
  bool near = false;                // ended by the gap that was asked for
  double objective = 0, bound = 0;  // moves of this round included
  double moved = 0;                 // what they cost
  Cost over = 0;                    // pinned jobs beyond the capacity of their classes
  bool exact = false;
  std::vector<Change> changes;  // by position in the slab
  Index held = 0;               // changes put off by max_moves
  Index waiting = 0;            // jobs looked at because of changes
  Counts counts;
  transport::Stats stats;  // of the cold solve
  std::vector<double> prices;
  std::vector<Cost> load;
  std::vector<Index> witness_jobs;  // rows of list()
  std::vector<Slot> witness_slots;
};

class Matcher {
 public:
  explicit Matcher(Slot n_slots);

  // The caller's columns, where they now lie; with more classes than before, the new ones have no slots yet.
  void set_slab(const Slab& slab, double reach);
  void costs_changed(std::span<const Slot> slots);  // in these classes, of whatever jobs
  void set_capacity(Slot slot, Cost capacity);
  void add(std::span<const Job> jobs);
  void remove(std::span<const Job> jobs);
  void update(std::span<const Job> jobs);  // their columns have changed
  void pin(std::span<const Job> jobs, bool pinned);
  // Adds the jobs of a world kept elsewhere, with their homes (kNone: left out), its prices, and its resolution, which
  // is kept if it suits the reach (0: none to keep). All is checked before anything changes: jobs are positions of the
  // slab that are not live, each once; homes are classes; prices are finite and 0 or more; the resolution is a power of
  // two.
  void restore(std::span<const Job> jobs, std::span<const Slot> homes, std::span<const double> prices,
               double resolution);

  [[nodiscard]] Answer match(const Options& options, Stop& stop);
  // The last answer has reached the caller: else its changes are part of the next one.
  void told() noexcept { std::vector<Change>().swap(untold_); }

  // Where a job of each row of `cost` would go at the prices as they are; kNone: it would be left out.
  void quote(const Slab& jobs, std::span<Slot> slots, std::span<double> costs) const;

  [[nodiscard]] const World& world() const noexcept { return world_; }
  [[nodiscard]] Slot home(Job job) const noexcept {
    return world_.home(job) == world_.out() ? kNone : world_.home(job);
  }
  [[nodiscard]] double price(Slot slot) const noexcept;
  // What was set, or the number of pinned jobs at home there if that is more.
  [[nodiscard]] Cost capacity(Slot slot) const noexcept { return capacity_[static_cast<std::size_t>(slot)]; }
  [[nodiscard]] std::vector<Job> pinned_at(std::span<const Slot> slots) const;  // ascending
  [[nodiscard]] bool holds() const;

 private:
  struct Round {
    const Options& options;
    Stop& stop;
    Pool pool;
    Answer answer;
    std::vector<Job> looked_at;  // their homes or costs may have changed; may hold a job twice
    ExactTotal moved;            // what the moves told so far cost
    double since = 0;            // when the stage under way began
  };
  enum class End { balanced, infeasible, stopped, too_much };
  struct Proof {
    bool optimal = false;
    bool exact = false;  // then the objective and the bound are `value`
    double value = 0, bound = 0;
  };
  class Watch;
  void check_restored(std::span<const Job> jobs, std::span<const Slot> homes, std::span<const double> prices,
                      double resolution) const;
  End solve(Round& round);
  void grow(Slot n_slots);
  static std::unique_ptr<std::pmr::unsynchronized_pool_resource> pool_of_lists();
  void lose_lists(const char* why);
  void wait(Job job);
  void place(Job job, const Cost* row, Cost least, bool exact);
  bool place_waiting(Round& round);
  bool refresh(Round& round);
  void draw(Slot s, const std::vector<Job>& members, std::vector<Cost>& apart, Pool& pool);
  End warm(Round& round);
  End repair(Round& round);
  [[nodiscard]] const char* better_cold() const;
  [[nodiscard]] Index excess(std::span<const Cost> loads) const;
  [[nodiscard]] Index excess() const;
  [[nodiscard]] Effort effort() const;
  End cold(Round& round);
  void go_where_told(Round& round, const std::vector<Job>& live, const std::vector<Slot>& slots,
                     const transport::Result& found);
  void drop_board();
  End rebuild(Round& round);
  End stay_home(Round& round, const std::vector<Job>& live, const std::vector<Slot>& wanted);
  bool stand(Round& round, const std::vector<Job>& jobs, const std::vector<Slot>& slots);
  bool good_enough(Round& round);
  void not_told_yet(Answer& answer);
  void charge_anew(Pool& pool);
  void witness(Round& round, std::span<const Slot> classes);
  void tell(Round& round);
  void tell_stopped(Round& round, std::span<const Job> live, std::span<const Slot> wanted);
  void hold(std::span<const Job> jobs);
  void settle(Round& round, std::vector<Job>& jobs, std::vector<Slot>& to);
  void go_home(Round& round, std::span<const Job> jobs, std::span<const Slot> to);
  void judge(Round& round, const Proof& proof);
  void timed(Round& round, const char* stage);
  [[nodiscard]] double objective_of(Wide keys) const;  // to the nearest
  [[nodiscard]] double bound_of(Wide keys) const;      // down, less what rounding costs and prices may have added
  [[nodiscard]] Wide coarse() const;
  struct Paid {
    ExactTotal total;
    Index forbidden = 0;  // live jobs where they may not be: left out, or in a class that is closed to them
    void add(const Paid& more) noexcept { total.add(more.total), forbidden += more.forbidden; }
    [[nodiscard]] bool operator==(const Paid&) const = default;
  };
  static void pay(Paid& sum, double cost, int sign);
  void count_pin(Slot home, int by);
  void charge(Job job);
  void discharge(Job job);
  [[nodiscard]] Wide dual() const;

  World world_;
  std::vector<Cost> prices_;                                 // (classes)
  std::vector<Cost> set_capacity_, pinned_load_, capacity_;  // what was set, pinned jobs at home, the larger of the two
  std::vector<Cost> home_load_;
  Counts counts_;
  // Blocks of lists, kept from board to board: a long life finds its memory as the first board left it.
  std::unique_ptr<std::pmr::unsynchronized_pool_resource> lists_;
  Index lists_for_ = 0;           // the most live jobs they were for
  Index lists_room_ = 0;          // room of a long list on the boards they were for
  std::unique_ptr<Board> board_;  // null: the next round is cold
  const char* why_cold_ = "first round";
  bool rebuild_ = false;  // without a board: are homes and prices those of an optimum not far away?
  double reach_ = 0;
  std::vector<Job> waiting_;  // of every job that is queued, and others gone since
  std::vector<Job> held_;
  std::vector<Slot> dirty_;     // classes whose costs have changed since the last round
  std::vector<Change> untold_;  // of answers that may not have reached the caller
  std::vector<double> paid_;
  Paid paid_all_;
  Index unreturned_ = 0;  // work done since memory was given back
  Index calm_ = -1;       // rounds until it is, after a large one
};

}  // namespace gridcompute::matcher
