// Changes of a placement that can be undone, and the search for the cheapest way to make room for a job.
//
// Problem. A job of demand w is to enter class s, which has fewer than w slots left. Some members of s leave: for
// another class with room, or for none, where a rule allows it. The choice of the set that frees enough slots at least
// cost is a knapsack cover; demands are small, so it is solved by dynamic programming over the slots to be freed.
//
// Definitions. A *victim* is a running job that is evicted for another job. Sets of victims are compared by the highest
// priority among them, then by their number, then by the cost of all changes. Jobs that only change their class are no
// victims.
//
// Work. Each search counts the costs and candidates that it reads, and ends without a change once the round is stopped.
//
// Deterministic: members in their order, ties to the first.
#pragma once

#include "gridcompute/base/stop.hpp"
#include "gridcompute/live/gangs/gang_prices.hpp"

namespace gridcompute::live {

// The running jobs that a job may evict.
enum class Claim : std::uint8_t {
  none,       // no job
  cost,       // jobs of its own queue and priority, where that lowers the total cost
  priority,   // jobs of its own queue with a lower priority
  share,      // and jobs of queues that hold more than their share
  guarantee,  // and jobs of queues that hold more than their guarantee
  type,       // in classes of a type that its queue is owed: jobs of queues that hold more of it than their guarantee
  must,       // any job that may wait
};

class GangMoves {
 public:
  GangMoves(GangPlacement& placement, const GangPrices& prices);

  // most_moved: of placed jobs, -1: no limit.
  void begin_round(std::span<const Cost> shares, Index most_moved, Stop& stop);
  // Counts work that was done outside of this class.
  void count(Index steps) noexcept { steps_ += steps; }
  // Return whether the round must end: polled with the work counted since the last poll; or polled only once that is a
  // unit, for loops of short steps.
  [[nodiscard]] bool stopped() { return stop_->poll(std::exchange(steps_, 0)); }
  [[nodiscard]] bool stopped_meanwhile() { return steps_ < Stop::kStepsPerUnit ? stop_->requested() : stopped(); }
  // Returns the job's costs in all classes; the pointer is valid until two more rows were read.
  [[nodiscard]] const double* row(Job job);
  [[nodiscard]] double cost(Job job, Slot s) { return s == placement_.out() ? placement_.out_cost(job) : row(job)[s]; }
  // Discards the rows read, because costs or placed classes have changed.
  void clear_rows();

  // Make changes, and undo them back to a mark.
  void move(Job job, Slot to);
  [[nodiscard]] std::size_t mark() const noexcept { return trail_.size(); }
  void back_to(std::size_t mark);
  void commit() noexcept { trail_.clear(); }
  // Returns the changes since the last commit: jobs, and the class of each before.
  [[nodiscard]] const std::vector<std::pair<Job, Slot>>& trail() const noexcept { return trail_; }
  [[nodiscard]] bool too_many() noexcept {
    const bool beyond = most_moved_ >= 0 && n_moved_ > most_moved_;
    n_refused_ += beyond ? 1 : 0;
    return beyond;
  }
  // Returns how many changes the limit on moves has refused in this round.
  [[nodiscard]] Index n_refused() const noexcept { return n_refused_; }

  // Places a waiting job in the class of least cost plus price with room, if that is below its cost of waiting; with
  // Claim::type only where its queue is owed the slots. Returns whether it was placed.
  bool insert(Job job, Claim claim = Claim::none);
  // Places a job in the class where room for it costs least, by claim; with Claim::cost only if the total falls by more
  // than `least_gain`. Returns whether it was placed.
  bool insert_by(Job job, Claim claim, double least_gain);
  // Moves a running job to class s if that, with all changes that make room there, saves more than `least_gain`.
  bool relocate(Job job, Slot s, double least_gain);
  // Returns whether limits, and the guarantees of its queue, allow the job to enter class `to`: to make room for
  // another job, a running job changes its type only if its queue holds more of the old type than its guarantee.
  [[nodiscard]] bool may_enter(Job job, Slot to);
  // Return whether the job's queue is owed slots for the job in classes of some type, or in class s: the slots there of
  // its jobs of this priority and above, and the job's, are within its guarantee of the type.
  [[nodiscard]] bool owed_any_type(Job job) const;
  [[nodiscard]] bool owed_type(Job job, Slot s) const;

  [[nodiscard]] Cost share(std::int32_t queue) const noexcept { return shares_[at(queue)]; }

 private:
  struct Item {
    Job job;
    Slot to;  // out(): a victim
    std::int64_t priority;
    Cost demand;
    double cost;
  };
  struct Value {
    std::int64_t priority;
    Index victims;
    double cost;
    [[nodiscard]] bool operator<(const Value& v) const noexcept {
      if (victims == 0 || v.victims == 0 || priority == v.priority)
        return victims != v.victims ? victims < v.victims : cost < v.cost;
      return priority < v.priority;
    }
  };
  struct Plan {
    bool found = false;
    Value value{};
    std::vector<Item> items;
  };
  [[nodiscard]] bool evictable(Job victim, Job job, Claim claim) const;
  [[nodiscard]] Cost above(std::int32_t queue, Slot s, Claim claim) const;
  [[nodiscard]] Slot cheapest_with_room(Job job, Slot except, Slot vacated, Cost vacated_slots);
  void collect(Slot s, Job job, Claim claim, Cost need, bool relocate, std::vector<Item>& items);
  void prune(std::vector<Item>& items, Cost need, Job job, Claim claim) const;
  [[nodiscard]] Plan cover(std::vector<Item>& items, Cost need);
  [[nodiscard]] Plan cover_greedily(std::vector<Item>& items, Cost need) const;
  bool apply(const Plan& plan, Slot s, Job job, Claim claim);
  [[nodiscard]] Plan room_for(Job job, Slot s, Claim claim, Cost need);
  bool free_limit(Job job, Claim claim, std::int32_t type);
  [[nodiscard]] bool open_to(Job job, Slot s, Claim claim, std::int32_t type) const;
  [[nodiscard]] bool any_room(Cost demand);
  bool insert_where(Job job, Claim claim, std::int32_t type);
  bool place_best(Job job, Claim claim, double least_gain, std::int32_t type, std::size_t begin);
  [[nodiscard]] double total_since(std::size_t begin);
  void list_open_classes();

  GangPlacement& placement_;
  const GangPrices& prices_;
  const GangTuning& tuning_;
  std::vector<Cost> shares_;
  std::vector<std::pair<Job, Slot>> trail_;
  Stop* stop_ = nullptr;  // of the round
  Index steps_ = 0;       // of work, since the last poll
  Index n_moved_ = 0, most_moved_ = -1, n_refused_ = 0;
  bool keep_rows_ = false;
  std::vector<double> rows_, scratch_[3];
  std::vector<std::uint8_t> known_;
  int next_scratch_ = 0;
  std::vector<Slot> open_;  // classes with slots left
  std::vector<double> job_row_;
};

}  // namespace gridcompute::live
