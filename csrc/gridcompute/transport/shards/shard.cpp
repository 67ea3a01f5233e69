#include "gridcompute/transport/shards/shard.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "gridcompute/base/parallel.hpp"
#include "gridcompute/transport/kernels/row_screening.hpp"
#include "gridcompute/transport/model/integer_keys.hpp"
#include "gridcompute/transport/model/objective.hpp"
#include "gridcompute/transport/restricted/pricing_pass.hpp"
#include "gridcompute/transport/restricted/restricted_problem.hpp"

namespace gridcompute::transport {

namespace {

constexpr Index kChunk = 1 << 14;  // jobs

std::vector<std::int32_t> range(Index begin, Index end) {
  std::vector<std::int32_t> rows(at(end - begin));
  std::iota(rows.begin(), rows.end(), static_cast<std::int32_t>(begin));
  return rows;
}

// Calls select(k) for the k of [0, n) in threads; returns those for which it was true, ascending.
template <class Select>
std::vector<std::int32_t> rows_where(Index n, Pool& pool, Stop& stop, const Select& select) {
  std::vector<std::vector<std::int32_t>> parts;
  pool.for_parts(
      parts, n, kChunk,
      [&](auto& part, Index begin, Index end) {
        for (Index k = begin; k < end; ++k)
          if (select(k)) part.push_back(static_cast<std::int32_t>(k));
      },
      &stop);
  return flatten(parts);
}

// Throw unless a question fits the shard.
void require_rows(std::span<const std::int32_t> rows, Index n) {
  require_message(std::ranges::all_of(rows, [&](std::int32_t k) { return k >= 0 && k < n; }), "it is about other jobs");
}
void require_places(std::span<const std::int32_t> places, Slot columns) {
  require_message(std::ranges::all_of(places, [&](std::int32_t s) { return s >= -1 && s < columns; }),
                  "it assigns other classes");
}
void require_classes(const CostModel& model, const auto&... arrays) {
  require_message(((arrays.size() == at(model.columns())) && ...), "it is about other classes");
}

}  // namespace

struct Shard::Asked {
  MessageReader in;
  const ColumnsView* columns;
  Pool& pool;
  Stop& stop;
  const Tuning& tuning;
  std::string_view setting{};  // of the pass, as bytes
  PassSetting pass{};

  // What follows in the question, and nothing after it.
  template <class... T>
  void read(T&... parts) {
    in.get(parts...);
    in.end();
  }
};

// The costs of a shard's own chunks, as a problem.
struct OwnProblem {
  ColumnsView view;
  std::unique_ptr<CostSource> cost;
  Problem problem;

  // first: the number of the first row's job.
  OwnProblem(const CostModel& model, const ColumnsView& columns, TermsScope scope, Index first) : view(columns) {
    scope.first = first;
    cost = make_cost(model, view, scope);
    problem.cost = cost.get();
    set_unplaced(model, view, problem);
  }
};

namespace {

// Returns a lower bound of every cost other than 0; -inf where the source has none without reading costs. O(jobs x
// terms).
double least_cost(const Problem& problem, Pool& pool, Stop& stop) {
  constexpr Index kRows = 256;  // jobs: two buffers of 2 KB
  const CostSource& source = *problem.cost;
  // A chunk that was not processed because of a stop has no bound.
  std::vector<double> parts(at(Pool::chunks(source.n_jobs(), kChunk)), -kInf);
  pool.for_chunks(
      source.n_jobs(), kChunk,
      [&](Index chunk, Index first, Index last) {
        double& low = parts[at(chunk)] = kInf;
        double least[kRows];
        for (Index begin = first; begin < last; begin += kRows) {
          const Index count = std::min(kRows, last - begin);
          const bool bounded = source.least(Rows{nullptr, begin, count}, least);
          for (Index k = 0; k < count; ++k) {
            low = std::min(low, bounded && least[k] > -kInf ? least[k] : -kInf);  // -inf for NaN too
            if (problem.unplaced == nullptr) continue;
            const double out = std::fabs(problem.unplaced[(begin + k) * problem.unplaced_stride]);
            if (out != 0) low = std::min(low, out);
          }
        }
      },
      &stop);
  return parts.empty() ? kInf : *std::min_element(parts.begin(), parts.end());
}

}  // namespace

Shard::Shard(const CostModel& model, Index first, Index n, Index n_jobs)
    : model_(model), first_(first), n_(n), n_jobs_(n_jobs), own_(own_chunks(first, n, n_jobs, kPricedRows)) {}

std::optional<std::string> Shard::answer(std::string_view question, const ColumnsView* columns, Pool& pool, Stop& stop,
                                         const Tuning& tuning) {
  Asked asked{MessageReader(question), columns, pool, stop, tuning};
  const auto kind = asked.in.get<Question>();
  if (kind == Question::list_near || kind == Question::list_rows || kind == Question::list_escape ||
      kind == Question::list_wrong || kind == Question::scan)
    read_pass(asked);
  if (kind == Question::list_near && columns == nullptr) {
    if (!remembers(asked.setting)) return std::nullopt;
    std::string quick = list_near(asked);
    if (quick.empty() && !stop.requested()) return std::nullopt;
    return quick;
  }
  if (columns == nullptr) return std::nullopt;
  std::string out;
  switch (kind) {
    case Question::open:
      out = open(asked);
      break;
    case Question::scan:
      out = scan(asked);
      break;
    case Question::list_near:
      out = list_near(asked);
      break;
    case Question::list_rows:
      out = list_rows(asked);
      break;
    case Question::list_escape:
      out = list_escape(asked);
      break;
    case Question::list_wrong:
      out = list_wrong(asked);
      break;
    case Question::costs_below:
      out = costs_below(asked);
      break;
    case Question::assign:
      out = assign(asked);
      break;
    case Question::largest:
      out = largest(asked);
      break;
    default:
      require_message(false, "it is no question");
  }
  if (stop.requested()) out.clear();
  return out;
}

void Shard::read_pass(Asked& asked) const {
  asked.setting = asked.in.get_text();
  MessageReader reader(asked.setting);
  reader.get(asked.pass);
  reader.end();
  require_fits(asked.pass, model_, n_jobs_);
}

TermsScope Shard::read_scope(Asked& asked) const {
  const auto scope = asked.in.get<TermsScope>();
  require_fits(scope, model_, n_jobs_);
  return scope;
}

std::string Shard::open(Asked& asked) {
  std::vector<std::int32_t> rows;
  asked.read(rows);
  require_rows(rows, n_);
  const ColumnExtents extents = check_columns(model_, *asked.columns, first_, asked.pool);
  MessageWriter out;
  const OwnProblem all(model_, *asked.columns, {n_jobs_, extents.coef}, first_);
  out.put(extents.coef, extents.unplaced, least_cost(all.problem, asked.pool, asked.stop));
  JobColumns sampled(model_), head(model_), tail(model_);
  sampled.append(*asked.columns, rows);
  head.append(*asked.columns, range(0, own_.begin));
  tail.append(*asked.columns, range(own_.end, n_));
  sampled.write(out), head.write(out), tail.write(out);
  return out.take();
}

void Shard::remember(const RestrictedProblem& r, Pool& pool) {
  const auto n = static_cast<std::size_t>(own_.end - own_.begin);
  const bool few = model_.columns() <= std::numeric_limits<std::int16_t>::max();
  narrow_.resize(few ? n : 0), wide_.resize(few ? 0 : n), margin_.resize(n);
  pool.for_chunks(own_.end - own_.begin, kChunk, [&](Index, Index begin, Index end) {
    for (Index k = begin; k < end; ++k) {
      const std::int32_t at = std::max(r.place_of[k], -1);
      few ? void(narrow_[k] = static_cast<std::int16_t>(at)) : void(wide_[k] = at);
      margin_[k] = r.margin[k];
    }
  });
}

bool Shard::run_pass(Asked& asked, RestrictedProblem& r, CostRangeStats& seen) {
  has_pass_ = false;
  const OwnProblem own(model_, asked.columns->rows(own_.begin, own_.end - own_.begin), asked.pass.scope,
                       first_ + own_.begin);
  const IntegerKeys keys = keys_of(own.problem, asked.pass.resolution, asked.pass.ties);
  const SolverContext context{keys, asked.pool, asked.stop, asked.pass.share, {}, asked.tuning};
  Level level;
  level.n = own_.end - own_.begin;
  seen.inexact = asked.pass.inexact;
  if (!pricing_pass(context, level, asked.pass.box, r, seen)) return false;
  remember(r, asked.pool);
  setting_ = asked.setting;
  has_pass_ = true;
  return true;
}

bool Shard::recall(Asked& asked) {
  if (remembers(asked.setting)) return true;
  RestrictedProblem r;
  CostRangeStats seen;
  return asked.columns != nullptr && run_pass(asked, r, seen);
}

JobList Shard::list(const Asked& asked, std::span<const std::int32_t> rows) const {
  JobList out;
  out.columns = JobColumns(model_);
  for (const std::int32_t k : rows) {
    out.position.push_back(first_ + own_.begin + k);
    out.place.push_back(place(k));
    out.margin.push_back(margin_[k]);
  }
  if (!rows.empty()) out.columns.append(asked.columns->rows(own_.begin, own_.end - own_.begin), rows);
  return out;
}

// limits: (columns): a job with a smaller margin is listed.
UnlistedJobs Shard::unlisted(const Asked& asked, std::span<const double> limits, bool perturbation) const {
  UnlistedJobs out;
  out.least_margins.assign(limits.size(), kInf);
  const KeyPerturber perturber(asked.pass.ties, static_cast<Slot>(model_.n_slots), model_.columns());
  const Index n = own_.end - own_.begin;
  std::vector<UnlistedJobs> parts(at(Pool::chunks(n, kChunk)), out);
  asked.pool.for_chunks(n, kChunk, [&](Index chunk, Index begin, Index end) {
    UnlistedJobs& part = parts[at(chunk)];
    for (Index k = begin; k < end; ++k) {
      const std::int32_t s = place(k);
      if (s < 0) continue;
      const double margin = margin_[k];
      if (margin < limits[at(s)]) continue;
      double& least = part.least_margins[at(s)];
      least = std::min(least, margin);
      if (perturbation) part.perturbation += perturber.at(first_ + own_.begin + k, s);
    }
  });
  for (const UnlistedJobs& part : parts) out.join(part);
  return out;
}

std::string Shard::scan(Asked& asked) {
  std::vector<double> limits;
  asked.read(limits);
  require_classes(model_, limits);
  RestrictedProblem r;
  CostRangeStats seen;
  if (!run_pass(asked, r, seen)) return {};
  const auto n = static_cast<Index>(r.place_of.size());
  const std::vector<std::int32_t> rows = rows_where(n, asked.pool, asked.stop, [&](Index k) {
    return r.place_of[k] < 0 || static_cast<double>(r.margin[k]) < limits[static_cast<std::size_t>(r.place_of[k])];
  });
  JobList listed = list(asked, rows);
  std::vector<Index> at(static_cast<std::size_t>(r.groups()), -1);  // of each group's first member among the listed
  for (std::size_t j = 0; j < rows.size(); ++j) {
    listed.place[j] = r.place_of[rows[j]];
    if (listed.place[j] < 0 && at[~listed.place[j]] < 0) at[~listed.place[j]] = static_cast<Index>(j);
  }
  MessageWriter out;
  const std::size_t row = sizeof(Index) + sizeof(std::int32_t) + sizeof(float) + listed.columns.bytes_a_row();
  const std::size_t group = 2 * sizeof(Index) + 2 * sizeof(std::int32_t) + 2 * sizeof(Cost);
  out.reserve(4096 + 16 * static_cast<std::size_t>(r.columns) + row * rows.size() + group * r.size.size() +
              (sizeof(Slot) + sizeof(Cost)) * r.slot.size());
  const Index infeasible = r.first_infeasible_job < 0 ? Index{-1} : first_ + own_.begin + r.first_infeasible_job;
  out.put(seen, r.base, r.fixed, infeasible, unlisted(asked, limits, asked.pass.ties.active()));
  out.put(at, r.size, r.members, r.weight, r.next, r.slot, r.key);
  listed.write(out);
  return out.take();
}

std::string Shard::list_near(Asked& asked) {
  std::vector<double> before, limits;
  asked.read(before, limits);
  require_classes(model_, before, limits);
  if (!recall(asked)) return {};
  const std::vector<std::int32_t> rows = rows_where(own_.end - own_.begin, asked.pool, asked.stop, [&](Index k) {
    const std::int32_t s = place(k);
    const double margin = margin_[k];
    return s >= 0 && margin >= before[at(s)] && margin < limits[at(s)];
  });
  if (!rows.empty() && asked.columns == nullptr) return {};
  MessageWriter out;
  out.put(unlisted(asked, limits, false));
  list(asked, rows).write(out);
  return out.take();
}

std::string Shard::list_rows(Asked& asked) {
  std::vector<std::int32_t> rows;
  asked.read(rows);
  require_rows(rows, own_.end - own_.begin);
  if (!recall(asked)) return {};
  std::erase_if(rows, [&](std::int32_t k) { return place(k) < 0; });
  MessageWriter out;
  list(asked, rows).write(out);
  return out.take();
}

std::string Shard::list_escape(Asked& asked) {
  std::vector<double> limits;
  std::vector<char> inside;
  std::vector<Cost> prices;
  Cost units = 0;
  asked.read(limits, inside, prices, units);
  require_classes(model_, limits, inside);
  require_prices(prices, model_);
  require_message(units > 0, "it asks for no jobs");
  if (!recall(asked)) return {};
  const OwnProblem own(model_, asked.columns->rows(own_.begin, own_.end - own_.begin), asked.pass.scope,
                       first_ + own_.begin);
  const IntegerKeys keys = keys_of(own.problem, asked.pass.resolution, asked.pass.ties);
  const std::vector<std::int32_t> rows = rows_where(own_.end - own_.begin, asked.pool, asked.stop, [&](Index k) {
    const std::int32_t s = place(k);
    return s >= 0 && inside[at(s)] != 0 && margin_[k] >= limits[at(s)];
  });
  std::vector<Cost> way(rows.size(), kForbidden);  // cost of the cheapest class outside, less that inside
  asked.pool.for_chunks(
      static_cast<Index>(rows.size()), kPricedRows,
      [&](Index, Index begin, Index end) {
        std::vector<Cost> row(prices.size());
        std::vector<double> scratch;
        CostRangeStats ignored;
        for (Index j = begin; j < end; ++j) {
          const Index k = rows[at(j)];
          keys.fill(Rows{&k, 0, 1}, row.data(), scratch, ignored);
          if (keys.optional()) row.back() = keys.unplaced(k, ignored);
          Cost in = kForbidden, out = kForbidden;
          for (std::size_t s = 0; s < row.size(); ++s) {
            if (row[s] >= kForbidden) continue;
            Cost& side = inside[s] != 0 ? in : out;
            side = std::min(side, row[s] + prices[s]);
          }
          if (out < kForbidden) way[at(j)] = out - in;
        }
      },
      &asked.stop);
  std::vector<Cost> sorted;
  std::copy_if(way.begin(), way.end(), std::back_inserter(sorted), [](Cost w) { return w < kForbidden; });
  std::vector<std::int32_t> chosen;
  if (!sorted.empty()) {
    const auto rank = std::min<std::size_t>(at(units), sorted.size()) - 1;
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(rank), sorted.end());
    for (std::size_t j = 0; j < rows.size(); ++j)
      if (way[j] <= sorted[rank]) chosen.push_back(rows[j]);
  }
  MessageWriter out;
  list(asked, chosen).write(out);
  return out.take();
}

std::string Shard::list_wrong(Asked& asked) {
  std::vector<double> limits;
  std::vector<Cost> prices;
  asked.read(limits, prices);
  require_classes(model_, limits);
  require_prices(prices, model_);
  if (!recall(asked)) return {};
  Perturbation none = asked.pass.ties;
  none.spread = 0;
  const OwnProblem own(model_, asked.columns->rows(own_.begin, own_.end - own_.begin), asked.pass.scope,
                       first_ + own_.begin);
  const IntegerKeys keys = keys_of(own.problem, asked.pass.resolution, none);
  const SolverContext context{keys, asked.pool, asked.stop, false, {}, asked.tuning};
  Level level;
  level.n = own_.end - own_.begin;
  const RowMinima minima(context, level, prices);
  std::vector<std::vector<std::int32_t>> parts;
  asked.pool.for_parts(
      parts, level.n, kChunk,
      [&](auto& part, Index begin, Index end) {
        minima.for_each(begin, end, [&](Index k, Cost low) {
          const std::int32_t s = place(k);
          if (s < 0 || margin_[k] < limits[at(s)]) return;
          if (low < keys.at(k, s) + prices[at(s)]) part.push_back(static_cast<std::int32_t>(k));
        });
      },
      &asked.stop);
  MessageWriter out;
  list(asked, flatten(parts)).write(out);
  return out.take();
}

std::string Shard::costs_below(Asked& asked) {
  const TermsScope scope = read_scope(asked);
  double most = 0;
  asked.read(most);
  const OwnProblem all(model_, *asked.columns, scope, first_);
  MessageWriter out;
  out.put(any_cost_below(all.problem, most, asked.pool, asked.stop));
  return out.take();
}

std::string Shard::largest(Asked& asked) {
  const TermsScope scope = read_scope(asked);
  asked.in.end();
  const OwnProblem all(model_, *asked.columns, scope, first_);
  MessageWriter out;
  out.put(largest_cost_seen(all.problem, asked.pool, asked.stop, true, asked.tuning).cost);
  return out.take();
}

std::string Shard::assign(Asked& asked) {
  const TermsScope scope = read_scope(asked);
  std::vector<std::int32_t> assigned;
  if (asked.in.get<bool>()) {
    asked.read(assigned);
    require_message(static_cast<Index>(assigned.size()) == n_, "it assigns other jobs");
    require_places(assigned, model_.columns());
  } else {
    read_pass(asked);
    std::vector<std::int32_t> rows, classes, head, tail;
    asked.read(rows, classes, head, tail);
    require_rows(rows, own_.end - own_.begin);
    require_message(rows.size() == classes.size() && static_cast<Index>(head.size()) == own_.begin &&
                        static_cast<Index>(tail.size()) == n_ - own_.end,
                    "it assigns other jobs");
    for (const auto* some : {&classes, &head, &tail}) require_places(*some, model_.columns());
    if (!recall(asked)) return {};
    assigned.resize(at(n_));
    std::copy(head.begin(), head.end(), assigned.begin());
    std::copy(tail.begin(), tail.end(), assigned.end() - static_cast<std::ptrdiff_t>(tail.size()));
    std::int32_t* const own = assigned.data() + own_.begin;
    for (Index k = 0; k < own_.end - own_.begin; ++k) own[k] = place(k) == model_.n_slots ? -1 : place(k);
    for (std::size_t j = 0; j < rows.size(); ++j) own[rows[j]] = classes[j];
  }
  assignment_ = std::move(assigned);
  // Sums are taken over chunks of all jobs: the costs of chunks that the shard has in part are sent one by one.
  const OwnProblem all(model_, *asked.columns, scope, first_);
  const OwnChunks chunks = own_chunks(first_, n_, n_jobs_, kTotalRows);
  AssignedCosts found;
  found.load.assign(at(model_.columns()), 0);
  for (const std::int32_t s : assignment_) {
    if (s >= 0)
      ++found.load[at(s)];
    else if (model_.unplaced != CostModel::Unplaced::never)
      ++found.load.back();
  }
  const auto costs = [&](Index begin, Index end) {
    std::vector<double> out;
    for (Index i = begin; i < end; ++i)
      if (const std::optional<double> cost = cost_of_job(all.problem, i, assignment_[at(i)])) out.push_back(*cost);
    return out;
  };
  found.before = costs(0, chunks.begin), found.after = costs(chunks.end, n_);
  found.totals.resize(at(Pool::chunks(chunks.end - chunks.begin, kTotalRows)));
  asked.pool.for_chunks(
      chunks.end - chunks.begin, kTotalRows,
      [&](Index chunk, Index begin, Index end) {
        for (Index i = chunks.begin + begin; i < chunks.begin + end; ++i)
          if (const std::optional<double> cost = cost_of_job(all.problem, i, assignment_[at(i)]))
            found.totals[at(chunk)].add(*cost);
      },
      &asked.stop);
  MessageWriter out;
  out.put(found);
  return out.take();
}

}  // namespace gridcompute::transport
