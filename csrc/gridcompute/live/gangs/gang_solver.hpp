// A round of gangs: jobs of several slots each, in queues with limits, guarantees and shares, by priority.
//
// Problem. Each job runs whole in one class or waits at a cost; classes have capacities and queues limits. Among the
// placements that keep the rules below the round looks for one of least total cost, switching costs included.
//
// Rules. (1) No class holds more than its capacity, no queue and no queue above it more than its limit, of all types of
// classes and of each. (2) A job that runs and is not preemptible, or is pinned, stays. (3) Within a queue no job runs
// in the place of a job of higher priority: while a job waits, no running job of its queue that may be evicted for it
// has a lower priority and at least its demand, in a class where the waiting job would cost less than waiting. (4) A
// queue below its guarantee takes the slots that it is owed from queues above theirs, and a queue below its share from
// queues above theirs, lowest priority first; before that, in classes of a type of which it has a guarantee, the slots
// of that type that it is owed from queues above theirs. No other queue takes the slots of a type that a queue holds
// within its guarantee. (5) No job waits that fits in a class where it costs less than waiting. (6) A job is evicted
// only if another job enters in its place.
//
// Steps. Jobs that lost their class or limit are removed. Waiting jobs are then admitted by claim: jobs that must run,
// jobs owed by guarantee, by share, by priority (gang_moves.hpp finds the victims), then all that fit. Without ranks
// costs alone decide: each job goes to its class of least reduced cost, and over-full classes evict the jobs of least
// loss. Then the search looks for cheaper classes: single moves into classes with room, exact exchanges of all jobs of
// one demand (transport on the slots that they take), moves that make room by moving others. Prices (gang_prices.hpp)
// direct the search and prove the bound; a large instance keeps them until its gap has grown.
//
// Bound. Without ranks it holds for every placement that keeps rules 1 and 2. With them, rules decide which jobs run:
// jobs that no cheaper one of the same rank can replace are *held*, and the bound is that of all placements in which
// the held jobs run. With more than one queue all running jobs are held; with one queue those of a higher priority than
// some waiting job.
//
// Stopped. Jobs that lost their class or limit are removed and waiting jobs that fit are placed all the same, in one
// pass over each; evictions, priorities and cheaper classes wait for the next round.
//
// Failed or interrupted. A round is undone as a whole, to the order of the members of each class, so that the next one
// finds what it would have found without.
//
// Deterministic: jobs in fixed orders, ties to the lowest position; transport is deterministic.
//
// Complexity. A round that changes k of n jobs reads some rows for each, n flags, and the sampled members of over-full
// classes; a small instance is searched in full.
//
// Source. Lagrangian heuristics for the generalized assignment problem: Jeet and Kutanoglu, Eur. J. Oper. Res. 182
// (2007) 1039; ejection chains: Yagiura, Ibaraki and Glover, INFORMS J. Comput. 16 (2004) 133. Reclaim and preemption
// as in Kueue and KAI. Deviations: exact exchanges by transport.
#pragma once

#include <optional>

#include "gridcompute/live/change_log.hpp"
#include "gridcompute/live/gangs/gang_moves.hpp"
#include "gridcompute/transport/problem.hpp"

namespace gridcompute::live {

class GangSolver {
 public:
  GangSolver(PrimalDual& pair, ChangeLog& log, const GangTuning& tuning);

  // types: of each class; empty where queues have no limits by type.
  void set_columns(const GangColumns& columns, std::span<const std::int32_t> types);
  void set_queues(Queues queues);
  void set_shares(std::span<const Cost> shares);
  void add(Job job, Slot slot);  // slot: its placed class; if it throws, the job is not added
  void remove(Job job) noexcept;
  void update(Job job) noexcept;  // its columns or its pin have changed
  void restore(std::span<const double> prices) { prices_.set(prices), kept_.priced = true, all_dirty_ = true; }

  // Solves a round. If it throws or is interrupted, it is undone.
  [[nodiscard]] RoundAnswer solve(const MatchOptions& options, Stop& stop);
  // Keep the last round, or undo it unless a change has followed; what the change log holds is not undone here.
  void commit() noexcept;
  void rollback() noexcept;
  [[nodiscard]] const GangPlacement& placement() const noexcept { return placement_; }
  [[nodiscard]] const GangPrices& prices() const noexcept { return prices_; }
  // Returns the slots that the live jobs of each queue request, those of queues below it included.
  [[nodiscard]] std::vector<Cost> requests() const;
  // What changes since the last round have counted, which their inverses count once more.
  struct Counted {
    bool changed, updated;
    Index n_new;
  };
  [[nodiscard]] Counted counted() const noexcept { return {kept_.changed, kept_.updated, kept_.n_new}; }
  void set_counted(Counted c) noexcept { kept_.changed = c.changed, kept_.updated = c.updated, kept_.n_new = c.n_new; }
  [[nodiscard]] bool holds() const { return placement_.holds(); }

 private:
  enum class End { placed, infeasible, interrupted };
  // The slots that take part in an exchange beside those of its jobs: free ones, of one type (kNone: of all).
  struct ExchangeScope {
    bool free_slots = true;
    std::int32_t type = kNone;
  };
  // What a round leaves to the next one beside placement, prices and misplaced jobs.
  struct Kept {
    std::vector<Cost> capacities;
    double gap = 0;  // of the last round
    Index rounds_since_prices = 0, n_new = 0;
    bool changed = true, priced = false;
    bool updated = true;  // true at first: a snapshot does not record earlier changes
    std::size_t n_misplaced = 0;
  };

  [[nodiscard]] bool small_world() const;
  End run(RoundContext& round);
  void refresh(RoundContext& round, bool costs_changed);
  void mark_dirty(Job job) noexcept;
  [[nodiscard]] bool is_impossible(RoundContext& round);
  [[nodiscard]] bool many_new() const;
  [[nodiscard]] bool start_cold(RoundContext& round);
  [[nodiscard]] transport::Result solve_by_transport(RoundContext& round, const std::vector<Job>& live) const;
  [[nodiscard]] double gap(double total) const;
  void improve_bound(RoundContext& round, bool any_changed);
  void improve_prices(RoundContext& round, bool any_changed);
  void conclude(RoundContext& round);
  void take_out_misplaced(bool costs_changed);
  void take_out_of_limits();
  void take_out_of_full_classes();
  void take_out(std::vector<Job>& jobs, Cost excess);
  void search(RoundContext& round);
  void admit();
  void admit_by(Claim claim);
  [[nodiscard]] bool entitled(Job job, Claim claim) const;
  [[nodiscard]] bool any_above(std::int32_t queue, Claim claim) const;
  void settle();
  bool fill();
  bool serve_priorities();
  void place_by_prices(RoundContext& round, bool again);
  void balance(RoundContext& round);
  void fill_open_classes();
  void improve(RoundContext& round);
  bool move_to_open_classes();
  bool exchange(RoundContext& round);
  bool exchange_of(Cost demand, const std::vector<Job>& jobs, ExchangeScope scope, RoundContext& round);
  bool exchange_within(Cost demand, const std::vector<Job>& jobs, RoundContext& round);
  [[nodiscard]] bool types_kept(std::size_t mark, const std::vector<Cost>& before);
  bool eject();
  void hold_running();
  [[nodiscard]] double objective();
  [[nodiscard]] double least_gain() const;
  [[nodiscard]] double density(Job job);
  [[nodiscard]] std::vector<Job> moved() const;
  [[nodiscard]] std::vector<Job> waiting_by_rank(Cost most = kForbidden);
  void write_report(RoundContext& round, bool bounded) const;

  PrimalDual& pair_;
  ChangeLog& log_;
  const GangTuning& tuning_;
  GangPlacement placement_;
  GangPrices prices_;
  GangMoves moves_;
  std::vector<Job> dirty_;      // their terms must be read again
  std::vector<Job> misplaced_;  // placed in another class than that of least reduced cost
  std::vector<Cost> shares_;
  Kept kept_;
  double total_ = 0;  // cost of the round's placement
  bool all_dirty_ = true;
  // As they were before the last round, until it is kept: kept_, and misplaced jobs if it has replaced them.
  std::optional<Kept> before_;
  std::optional<std::vector<Job>> replaced_;
};

}  // namespace gridcompute::live
