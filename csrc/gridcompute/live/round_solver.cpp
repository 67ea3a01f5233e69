#include "gridcompute/live/round_solver.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "gridcompute/base/memory.hpp"
#include "gridcompute/live/change_log.hpp"
#include "gridcompute/live/path_search.hpp"
#include "gridcompute/live/state.hpp"

namespace gridcompute::live {

namespace {

// A bid this high comes from a job that is forbidden elsewhere: it takes its slot at any price.
constexpr Cost kAnyPrice = kForbidden / 2;

std::vector<Cost> joined(const std::vector<std::vector<Cost>>& parts) {
  std::vector<Cost> all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace

bool Repricer::reprice_changed(RoundContext& round) {
  std::vector<Slot>& changed = pair_.changed;
  if (changed.empty()) return true;
  std::vector<std::vector<Job>> members;
  for (const Slot s : changed) members.emplace_back(state_.members(s).begin(), state_.members(s).end());
  for (const auto& jobs : members) {
    for (const Job job : jobs) pair_.enqueue(job);
  }
  std::vector<Cost> lengths;
  for (; !changed.empty() && !round.stop.poll(); changed.pop_back(), members.pop_back()) {
    reprice(changed.back(), members.back(), lengths, round.pool);
    ++pair_.counts.classes_repriced;
  }
  round.end_stage("reprice");
  return changed.empty();
}

// Jobs whose bid for a repriced class one thread computes at once (jobs).
constexpr Index kPriceChunk = Index{1} << 14;

// Reprices class s, whose former members are in no class. `lengths` is a buffer.
void Repricer::reprice(Slot s, const std::vector<Job>& members, std::vector<Cost>& lengths, Pool& pool) {
  pair_.index->move_lengths_to(s, lengths, pool);
  const Index n = state_.n_positions(), chunk_size = kPriceChunk;
  const auto bid_of = [&](Job job) {
    const Slot a = state_.assigned_class(job);
    return a == kNone || lengths[at(job)] >= kForbidden ? -1 : pair_.prices[at(a)] - lengths[at(job)];
  };
  std::vector<std::vector<Cost>> others;
  pool.for_parts(others, n, chunk_size, [&](auto& part, Index begin, Index end) {
    for (Index job = begin; job < end; ++job) {
      if (const Cost bid = bid_of(static_cast<Job>(job)); bid > 0) part.push_back(bid);
    }
  });
  std::vector<Cost> bids = joined(others);
  const std::vector<Cost> more = bids_of_members(s, members, pool);
  bids.insert(bids.end(), more.begin(), more.end());
  const auto priced = std::partition(bids.begin(), bids.end(), [](Cost bid) { return bid < kAnyPrice; });
  const Cost slots = std::max<Cost>(pair_.capacity[s] - (bids.end() - priced), 0);
  Cost& price = pair_.prices[at(s)];
  price = 0;
  if (priced - bids.begin() > slots) {
    std::nth_element(bids.begin(), bids.begin() + slots, priced, std::greater<>());
    price = bids[at(slots)];
  }
  std::vector<std::vector<Job>> attracted(others.size());
  pool.for_chunks(n, chunk_size, [&](Index chunk, Index begin, Index end) {
    for (auto job = static_cast<Job>(begin); job < static_cast<Job>(end); ++job) {
      if (bid_of(job) > price) attracted[at(chunk)].push_back(job);
    }
  });
  for (const auto& jobs : attracted) {
    for (const Job job : jobs) pair_.enqueue(job);
  }
  pair_.index->replace_target(s, lengths, pool);
}

// Returns the bids above 0 of the former members of class s, from their rows.
std::vector<Cost> Repricer::bids_of_members(Slot s, const std::vector<Job>& members, Pool& pool) {
  const auto n = static_cast<Index>(members.size());
  const Index chunk_size = pair_.tuning.rows_chunk;
  std::vector<std::vector<Cost>> parts;
  pool.for_parts(parts, n, chunk_size, [&](auto& part, Index begin, Index end) {
    KeyBuffer buffer;
    state_.read_rows(std::span(members).subspan(at(begin), at(end - begin)), buffer);
    for (Index k = 0; k < end - begin; ++k) {
      Cost* row = buffer.keys.data() + k * state_.n_classes();
      const Cost here = std::exchange(row[s], kForbidden);
      const Cost bid = kernels::least_reduced(row, pair_.prices.data(), state_.n_classes()) - here;
      if (here < kForbidden && bid > 0) part.push_back(bid);
    }
  });
  pair_.counts.rows_read += n;
  return joined(parts);
}

RoundAnswer RoundSolver::solve(const MatchOptions& options, Stop& stop) {
  RoundContext round{options, stop, Pool(thread_count(options.threads)), {}, {}, {}, stop.seconds()};
  pair_.counts = {};
  log_.recharge_changed_classes(round.pool);
  round.end_stage("charge");
  const End end = run(round);
  const bool interrupted = stop.why() == Stop::Why::interrupted;
  if ((end != End::balanced || interrupted) && pair_.index) log_.defer(round.touched);
  if (interrupted) return std::move(round.answer);
  if (end == End::balanced && !round.answer.cold) log_.commit(round);
  if (end == End::stopped && pair_.index) {
    const std::vector<Job> live = state_.live_jobs();
    std::vector<Slot> assigned;
    for (const Job job : live) assigned.push_back(state_.assigned_class(job));
    log_.commit_stopped(round, live, assigned);
  }
  if (end == End::infeasible) {
    round.answer.status = transport::Status::infeasible;
    round.answer.objective = round.answer.bound = std::numeric_limits<double>::infinity();
  }
  report(round);
  return std::move(round.answer);
}

RoundSolver::End RoundSolver::run(RoundContext& round) {
  round.answer.jobs_queued = static_cast<Index>(pair_.queue.size());
  const char* reason = reason_for_cold();
  if (reason == nullptr) {
    if (!pair_.index) round.answer.reason = pair_.cold_reason;
    const End end = pair_.index ? warm(round) : build_index_then_warm(round);
    if (end != End::too_much_work) return end;
    reason = "repair would cost more";
  }
  round.answer.reason = reason;
  round.answer.cold = true;
  return cold(round);
}

// Rows expected to be read for each member of a class whose costs changed.
constexpr Index kRepricingRows = 2;
// Work in a round's queue and repricing beyond which it is cold (thousandths of a cold solve's work).
constexpr Index kQueueShare = 500;

// Returns the reason for a cold round, from facts known before any cost is read; null: the round is not cold.
const char* RoundSolver::reason_for_cold() const {
  const bool indexed = pair_.index || pair_.index.lost();
  if (!indexed && !pair_.can_rebuild) return pair_.cold_reason;
  const WorkModel work = pair_.work_model();
  const Index queued = static_cast<Index>(pair_.queue.size()) * work.row();
  Index members = 0;  // of changed classes; without an index, all jobs that may enter these
  for (const Slot s : pair_.changed)
    members += indexed ? state_.load(s)
                       : std::max(log_.placed_load()[at(s)], std::min<Cost>(pair_.capacity[s], state_.n_live()));
  Index repricing = kRepricingRows * members * work.row();
  if (indexed) {
    repricing += static_cast<Index>(pair_.changed.size()) * work.column();
    const Index limit = work.cold_share(kQueueShare);
    if (queued > limit) return "many jobs changed";
    return queued + repricing > limit ? "costs of many classes changed" : nullptr;
  }
  // An index is worth building where little else is to be done.
  const Index rest = queued + repricing + work.units(pair_.excess(log_.placed_load()));
  return rest > work.cold_share(tuning_.rebuild_share) ? "much changed since the last cold round" : nullptr;
}

// Completes the answer of a round that was not interrupted.
void RoundSolver::report(RoundContext& round) {
  RoundAnswer& answer = round.answer;
  answer.counts = pair_.counts;
  for (Slot s = 0; s < state_.unplaced_class(); ++s) {
    answer.prices.push_back(pair_.price(s));
    answer.slots_added_by_pins += pair_.capacity.added_by_pins(s);
    answer.load.push_back(log_.placed_load()[at(s)]);
    answer.capacity.push_back(pair_.capacity[s]);
  }
  log_.merge_unacknowledged(answer);
  trim_memory(answer);
  round.end_stage("report");
}

// Returns free memory to the system: some rounds after a large one, as the next may be large too and would allocate it
// again, and after much work in small ones.
void RoundSolver::trim_memory(const RoundAnswer& answer) {
  const bool large = answer.index_built || answer.cold;
  const WorkModel work = pair_.work_model();
  work_since_trim_ += work.of(pair_.counts);
  rounds_until_trim_ = large ? tuning_.trim_after_rounds : std::max<Index>(rounds_until_trim_ - 1, -1);
  if (rounds_until_trim_ != 0 && (large || work_since_trim_ <= tuning_.trim_after_cold_solves * work.cold())) return;
  trim_heap();
  work_since_trim_ = 0;
  rounds_until_trim_ = -1;
}

// ---------------------------------------------------------------- warm

// Work in the excess, all jobs assigned, beyond which a round is cold (thousandths of a cold solve's work).
constexpr Index kExcessShare = 600;

RoundSolver::End RoundSolver::warm(RoundContext& round) {
  if (!repricer_.reprice_changed(round) || !assign_queued(round)) return End::stopped;
  const WorkModel work = pair_.work_model();
  if (work.units(pair_.excess()) > work.cold_share(kExcessShare)) return End::too_much_work;
  return repair(round);
}

// Assigns a job to a class of least reduced cost: its placed class, else the first with free capacity, else the first.
void RoundSolver::assign(Job job, const Cost* row, Cost least, bool exact) {
  const Slot classes = state_.n_classes(), placed = state_.placed_class(job);
  const std::vector<Cost>& prices = pair_.prices;
  Slot best = state_.unplaced_class();
  if (least < kForbidden && row[placed] + prices[at(placed)] != least) {
    best = kNone;
    for (Slot s = 0; s < classes; ++s) {
      if (row[s] + prices[at(s)] != least) continue;
      if (best == kNone) best = s;
      if (state_.load(s) < pair_.capacity[s]) {
        best = s;
        break;
      }
    }
  } else if (least < kForbidden) {
    best = placed;
  }
  pair_.index->assign(job, best, exact, row);
}

// Assigns the queued jobs: rows are read by all threads, jobs assigned one after another. False if stopped; the rest
// remains queued.
bool RoundSolver::assign_queued(RoundContext& round) {
  struct Block {
    KeyBuffer buffer;
    std::vector<Cost> least;
  };
  const Index rows = tuning_.rows_chunk;
  const std::size_t step = at(std::max(tuning_.rows_between_stops, rows));
  std::vector<Block> blocks(at(Pool::chunks(static_cast<Index>(step), rows)));
  std::vector<Job>& queue = pair_.queue;
  std::vector<Job> jobs;
  const auto classes = at(state_.n_classes());
  std::size_t done = 0;
  while (done < queue.size() && !round.stop.poll()) {
    jobs.clear();
    for (; done < queue.size() && jobs.size() < step; ++done) {
      const Job job = queue[done];
      if (!state_.is_live(job) || !state_.is_queued(job)) continue;  // removed since, or met before
      state_.set_queued(job, false);
      jobs.push_back(job);
    }
    const std::span<const Job> all(jobs);
    round.pool.for_chunks(static_cast<Index>(jobs.size()), rows, [&](Index chunk, Index begin, Index end) {
      Block& block = blocks[at(chunk)];
      state_.read_rows(all.subspan(at(begin), at(end - begin)), block.buffer);
      block.least.clear();
      for (Index k = 0; k < end - begin; ++k)
        block.least.push_back(kernels::least_reduced(block.buffer.keys.data() + at(k) * classes, pair_.prices.data(),
                                                     state_.n_classes()));
    });
    for (std::size_t k = 0; k < jobs.size(); ++k) {
      const Block& block = blocks[k / at(rows)];
      const std::size_t in = k % at(rows);
      assign(jobs[k], block.buffer.keys.data() + in * classes, block.least[in], block.buffer.exact[in] != 0);
    }
    pair_.counts.rows_read += static_cast<Index>(jobs.size());
    round.touched.insert(round.touched.end(), jobs.begin(), jobs.end());
  }
  queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(done));
  round.end_stage("assign");
  return queue.empty();
}

// Forecast work at which a repair is abandoned early, little being lost (thousandths of a cold solve's work).
constexpr Index kEarlyShare = 500;
// Forecast work still to come at which a repair is abandoned later (thousandths of a cold solve's work).
constexpr Index kLateShare = 900;

// Forecasts, at intervals, whether the rest of a repair takes more work than a cold solve.
class RoundSolver::RepairForecast {
 public:
  explicit RepairForecast(const PrimalDual& pair)
      : pair_(pair),
        tuning_(pair.tuning),
        before_(pair.counts),
        cold_(pair.work_model().cold()),
        units_(pair.excess()),
        next_(cold_ / tuning_.first_forecast) {}

  [[nodiscard]] bool beyond_cold() {
    const WorkModel work = pair_.work_model();
    const Index spent = work.of(pair_.counts) - work.of(before_);
    if (spent < next_) return false;
    next_ = spent + cold_ / tuning_.forecasts;
    const Index left = pair_.excess(), done = units_ - left;
    // Indexing is an investment: later searches need less of it, so it is not part of the work for a unit.
    WorkCounts indexing;
    indexing.rows_read = pair_.counts.rows_indexed - before_.rows_indexed;
    indexing.column_costs_read = pair_.counts.column_costs_read - before_.column_costs_read;
    indexing.class_costs_read = pair_.counts.class_costs_read - before_.class_costs_read;
    const auto invested = static_cast<double>(work.of(indexing));
    const double for_unit = (static_cast<double>(spent) - invested) / static_cast<double>(std::max<Index>(done, 1));
    const bool early = spent < cold_ / tuning_.early_part;
    const double share = static_cast<double>(early ? kEarlyShare : kLateShare) / 1000;
    return for_unit * static_cast<double>(left) + invested > share * static_cast<double>(cold_);
  }

 private:
  const PrimalDual& pair_;
  const LiveTuning& tuning_;
  const WorkCounts before_;
  const Index cold_, units_;
  Index next_;
};

// Removes excess, class by class, then deficits.
RoundSolver::End RoundSolver::repair(RoundContext& round) {
  if (state_.n_forbidden() > 0) {
    const End end = forbidden_job(round);
    if (end == End::infeasible) return end;
  }
  PathSearch search(state_, *pair_.index, pair_.prices, pair_.capacity.effective(), pair_.counts, tuning_, round.pool,
                    round.stop);
  RepairForecast forecast(pair_);
  const auto unbalanced = [&](Slot s, bool excess) {
    const Cost load = state_.load(s), capacity = pair_.capacity[s];
    return excess ? load > capacity : load < capacity && pair_.prices[at(s)] > 0;
  };
  for (const bool excess : {true, false}) {
    for (Slot s = 0; s < state_.unplaced_class(); ++s) {
      while (unbalanced(s, excess)) {
        if (!excess && gap_is_proved(round)) {
          round.answer.ended_by_gap = true;
          return End::balanced;
        }
        const auto found = excess ? search.route_excess(s, round.touched) : search.fill_deficit(s, round.touched);
        if (found == PathSearch::Found::stopped) return End::stopped;
        if (found == PathSearch::Found::infeasible) {
          write_witness(round, search.settled());
          return End::infeasible;
        }
        if (found == PathSearch::Found::inconsistent) {  // the index cannot be trusted for a proof
          pair_.index.reset();
          return End::too_much_work;
        }
        if (forecast.beyond_cold()) return End::too_much_work;
      }
    }
  }
  round.end_stage("paths");
  return End::balanced;
}

// Returns whether the gap asked for is proved. No load exceeds its capacity here, so the gap is the value of free slots
// at their prices.
bool RoundSolver::gap_is_proved(RoundContext& round) const {
  if (!(round.options.gap > 0)) return false;
  const auto objective = static_cast<double>(state_.key_sum());
  const auto left =
      static_cast<double>(state_.key_sum() - pair_.dual_value()) + static_cast<double>(state_.n_rounded()) + 1;
  const double size = std::max(std::fabs(objective), std::fabs(objective - left));
  return left <= round.options.gap * (1 - 1e-9) * size;
}

// Makes the first job that is forbidden everywhere the witness.
RoundSolver::End RoundSolver::forbidden_job(RoundContext& round) const {
  for (const Job job : state_.members(state_.unplaced_class())) {
    if (state_.key(job) < kForbidden) continue;
    const std::vector<Job> live = state_.live_jobs();
    round.answer.witness_jobs.assign(1, std::lower_bound(live.begin(), live.end(), job) - live.begin());
    return End::infeasible;
  }
  return End::balanced;
}

// Makes all jobs in these classes, which may go to no others, and the classes the witness.
void RoundSolver::write_witness(RoundContext& round, std::span<const Slot> classes) const {
  RoundAnswer& answer = round.answer;
  const std::vector<Job> live = state_.live_jobs();
  std::vector<bool> inside(at(state_.n_classes()), false);
  for (const Slot s : classes) inside[at(s)] = true;
  for (std::size_t k = 0; k < live.size(); ++k) {
    const Slot s = state_.assigned_class(live[k]);
    if (s != kNone && inside[at(s)]) answer.witness_jobs.push_back(static_cast<Index>(k));
  }
  answer.witness_slots.assign(classes.begin(), classes.end());
  std::sort(answer.witness_slots.begin(), answer.witness_slots.end());
}

// ---------------------------------------------------------------- without an index

// Builds the index at the present prices, from assigned or else placed classes, then repairs.
RoundSolver::End RoundSolver::build_index_then_warm(RoundContext& round) {
  round.answer.index_built = true;
  const std::vector<Job> live = state_.live_jobs();
  std::vector<Slot> classes;
  for (const Job job : live) {
    const Slot assigned = state_.assigned_class(job);
    classes.push_back(state_.is_queued(job) ? kNone : assigned != kNone ? assigned : state_.placed_class(job));
  }
  if (!build_index(round, live, classes)) {
    state_.unassign_all();  // placements and prices are enough for another start
    pair_.discard_index(pair_.cold_reason);
    return stop_without_index(round, live, classes);
  }
  round.end_stage("index");
  pair_.can_rebuild = false;
  if (reason_for_cold() != nullptr) return End::too_much_work;
  for (std::size_t k = 0; k < live.size(); ++k) {
    if (classes[k] != kNone && classes[k] != state_.placed_class(live[k])) round.touched.push_back(live[k]);
  }
  return warm(round);
}

// Assigns the jobs to their classes and indexes all moves, which reads every row; jobs in no class of least reduced
// cost are queued. Where the index was lost, all of these are in changed classes, or cheaper there: classes remain
// marked, and repricing finds the jobs. False: stopped, and there is no index.
bool RoundSolver::build_index(RoundContext& round, const std::vector<Job>& live, const std::vector<Slot>& classes) {
  state_.unassign_all();
  for (std::size_t k = 0; k < live.size(); ++k) {
    if (classes[k] != kNone) state_.assign(live[k], classes[k], 0, true);  // build() reads the keys
  }
  if (!pair_.index.lost()) pair_.changed.clear();
  std::vector<Job> misplaced;
  if (!pair_.index.build(state_, pair_.prices, pair_.counts, round.pool, round.stop, misplaced)) return false;
  for (const Job job : misplaced)
    if (pair_.changed.empty()) pair_.enqueue(job);
  return true;
}

RoundSolver::End RoundSolver::stop_without_index(RoundContext& round, const std::vector<Job>& live,
                                                 const std::vector<Slot>& assigned) {
  if (round.stop.why() != Stop::Why::interrupted) log_.commit_stopped(round, live, assigned);
  return End::stopped;
}

// ---------------------------------------------------------------- cold

RoundSolver::End RoundSolver::cold(RoundContext& round) {
  if (pair_.index && !(pair_.index->all_complete() && pair_.changed.empty())) pair_.index.reset();
  if (!pair_.index) pair_.discard_assignment();
  pair_.changed.clear();
  round.touched.clear();
  pair_.can_rebuild = false;
  pair_.cold_reason = "the last round did not end";
  const std::vector<Job> live = state_.live_jobs();
  transport::Result found = solve_by_transport(round, live);
  found.stats.stages.insert(found.stats.stages.begin(), round.answer.stats.stages.begin(),
                            round.answer.stats.stages.end());
  round.answer.stats = found.stats;
  round.stage_began = round.stop.seconds();
  using transport::Status;
  if (found.status == Status::infeasible) {
    pair_.discard_assignment();
    round.answer.witness_jobs = std::move(found.witness_jobs);
    round.answer.witness_slots = std::move(found.witness_slots);
    return End::infeasible;
  }
  std::vector<Slot> slots(live.size(), state_.unplaced_class());
  for (std::size_t k = 0; k < live.size() && found.assignment.size() == live.size(); ++k) {
    if (found.assignment[k] >= 0) slots[k] = found.assignment[k];
  }
  const bool interrupted = round.stop.why() == Stop::Why::interrupted;
  const bool ended = (found.status == Status::optimal || found.status == Status::feasible) && !interrupted;
  if (!ended) pair_.discard_assignment();
  // The prices of a solve that was stopped are kept too: they prove its bound.
  for (Slot s = 0; s < state_.unplaced_class() && !interrupted; ++s)
    pair_.prices[at(s)] = static_cast<Cost>(std::nearbyint(found.prices[at(s)] * state_.resolution()));
  if (!ended) {
    const End end = stop_without_index(round, live, slots);
    round.answer.bound = found.bound;
    return end;
  }
  undo_null_moves(state_, live, slots, pair_.prices, pair_.capacity.effective());
  adopt(round, live, slots, found);
  return End::balanced;
}

// Poses the problem with the switching costs of the present placements, and solves it.
transport::Result RoundSolver::solve_by_transport(RoundContext& round, const std::vector<Job>& live) const {
  std::vector<Placement> placements;
  placements.reserve(live.size());
  for (const Job job : live) placements.push_back(state_.placement(job));
  const StoreColumns& columns = state_.columns();
  const PosedCost cost(columns, live, std::move(placements), pair_.max_abs_cost);
  const bool common = columns.unplaced_stride == 0 && !cost.any_switching();  // one cost of being unplaced for all jobs
  const std::vector<double> unplaced = common ? std::vector<double>() : cost.unplaced();
  const transport::Problem problem{&cost, pair_.capacity.effective().data(), nullptr,
                                   common ? columns.unplaced : unplaced.data(), common ? 0 : 1};
  transport::Options options;
  options.resolution = state_.resolution();
  options.key_prices = true;
  options.seed = round.options.seed;
  options.threads = round.options.threads;
  round.end_stage("pose");
  return transport::solve(problem, options, round.stop);
}

// Reports the result of a cold solve, and decides whether the index is worth keeping.
void RoundSolver::adopt(RoundContext& round, const std::vector<Job>& live, const std::vector<Slot>& slots,
                        const transport::Result& found) {
  std::vector<Job> jobs;
  std::vector<Slot> to;
  jobs.reserve(live.size()), to.reserve(live.size());
  for (std::size_t k = 0; k < live.size(); ++k) {
    if (slots[k] != state_.placed_class(live[k])) jobs.push_back(live[k]), to.push_back(slots[k]);
  }
  log_.commit(round, jobs, to, {found.status == transport::Status::optimal, found.exact, found.objective, found.bound});
  // If few jobs are not in the class that the index has them in, they are queued for the next round, as are deferred
  // jobs: at these prices another class is cheaper for them. If they are many, the next round builds the index.
  if (pair_.index) {
    for (const Job job : live) {
      if (state_.assigned_class(job) != state_.placed_class(job)) pair_.enqueue(job);
    }
    for (const Job job : log_.deferred()) pair_.enqueue(job);
    const WorkModel work = pair_.work_model();
    if (static_cast<Index>(pair_.queue.size()) * work.row() > work.cold_share(tuning_.keep_index_share))
      pair_.discard_assignment();
  }
  if (pair_.index) return;
  pair_.can_rebuild = true;
  pair_.cold_reason = "no move index since the last cold round";
}

}  // namespace gridcompute::live
