#include "gridcompute/transport/exact/near_classes.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>
#include <type_traits>
#include <utility>

#include "gridcompute/base/simd.hpp"

namespace gridcompute::transport {

namespace {

constexpr Index kNearChunk = 256;  // jobs

// Counts the allowed classes with row + price <= limit.
GRIDCOMPUTE_CLONES Index count_within(const double* row, const double* prices, Index n, double limit) {
  std::int64_t count = 0;
  for (Index s = 0; s < n; ++s)
    count += static_cast<std::int64_t>(row[s] + prices[s] <= limit) & static_cast<std::int64_t>(row[s] < kInf);
  return count;
}

// Writes these classes to `out`, ascending; returns their number.
GRIDCOMPUTE_CLONES Index list_within(const double* row, const double* prices, Index n, double limit,
                                     Slot* GRIDCOMPUTE_RESTRICT out) {
  constexpr Index kBlock = 16;  // classes tested at once, in two to eight vectors
  Index count = 0;
  for (Index b = 0; b < n; b += kBlock) {
    const Index end = std::min(n, b + kBlock);
    std::int64_t any = 0;
    for (Index s = b; s < end; ++s)
      any |= static_cast<std::int64_t>(row[s] + prices[s] <= limit) & static_cast<std::int64_t>(row[s] < kInf);
    if (any == 0) continue;
    for (Index s = b; s < end; ++s) {
      out[count] = static_cast<Slot>(s);
      count += static_cast<Index>(row[s] + prices[s] <= limit) & static_cast<Index>(row[s] < kInf);
    }
  }
  return count;
}

// Reads one job's costs, as stored and as doubles.
template <class T>
class CostRow {
 public:
  explicit CostRow(const CostSource& source)
      : source_(source),
        matrix_(source.float64()),
        costs_(matrix_ != nullptr ? 0 : room()),
        reals_(std::is_same_v<T, double> ? 0 : room()) {}

  const double* read(Index job) {
    const Rows one{nullptr, job, 1};
    if constexpr (std::is_same_v<T, double>) {
      if (matrix_ != nullptr) return row_ = matrix_ + job * source_.n_slots();
      source_.reals(one, costs_.data());
      return row_ = costs_.data();
    } else {
      source_.integers(one, costs_.data());
      row_ = costs_.data();
      for (std::size_t s = 0; s < costs_.size(); ++s)
        reals_[s] = costs_[s] == kForbidden && source_.forbids() ? kInf : static_cast<double>(costs_[s]);
      return reals_.data();
    }
  }
  [[nodiscard]] Dyadic at(Slot s) const { return Dyadic::of(row_[s]); }

 private:
  [[nodiscard]] std::size_t room() const { return static_cast<std::size_t>(source_.n_slots()) + 1; }

  const CostSource& source_;
  const double* matrix_;
  const T* row_ = nullptr;  // the row read last
  std::vector<T> costs_;
  std::vector<double> reals_;
};

double cost_of_leaving_out(const Problem& problem, Index job) {
  return problem.unplaced != nullptr ? problem.unplaced[job * problem.unplaced_stride] : kInf;
}

template <class T>
void list_rows(const PricedMatching& of, std::span<const Index> jobs, NearClassesChunk& part, std::span<Dyadic> own) {
  constexpr double kRounding = 0x1p-49, kLeast = 0x1p-1070;  // of the sums below, each with a factor of 16
  const auto n_slots = static_cast<Slot>(of.prices.size());
  CostRow<T> row(*of.problem.cost);
  std::vector<Slot> near(of.prices.size() + 1);
  for (const Index i : jobs) {
    const double* costs = row.read(i);
    const double out = cost_of_leaving_out(of.problem, i);
    const Slot here = of.at[i];
    const double now = here < 0 ? out : costs[here] + of.prices[here];
    if (!own.empty()) own[i] = here < 0 ? Dyadic::of(out) : row.at(here);
    // A sum has relative error 2^-53, and one beyond the doubles is infinite: the limit admits every class that may be
    // near.
    const double most = now + of.margin, limit = most + (std::fabs(most) + std::fabs(now)) * kRounding + kLeast;
    const bool out_too = out < kInf && out <= limit;
    // Counting a short row is faster than listing it, and most jobs have one near class.
    if (n_slots <= of.tuning.counted_classes &&
        count_within(costs, of.prices.data(), n_slots, limit) + (out_too ? 1 : 0) < 2)
      continue;
    const Index count = list_within(costs, of.prices.data(), n_slots, limit, near.data());
    if (count + (out_too ? 1 : 0) < 2) continue;
    const std::size_t before = part.slot.size();
    for (const Slot s : std::span(near.data(), static_cast<std::size_t>(count))) {
      part.slot.push_back(s);
      part.cost.push_back(row.at(s));
    }
    if (out_too) part.slot.push_back(n_slots), part.cost.push_back(Dyadic::of(out));
    part.close(i, before);
  }
}

}  // namespace

void NearClassesChunk::close(Index job, std::size_t before) {
  if (slot.size() - before < 2) {
    slot.resize(before), cost.resize(before);
    return;
  }
  jobs.push_back(job);
  size.push_back(slot.size() - before);
}

NearClasses join_near_classes(double margin, std::span<NearClassesChunk> parts, std::vector<Dyadic> own) {
  NearClasses out;
  out.margin = margin;
  out.own = std::move(own);
  if (parts.size() == 1) {
    NearClassesChunk& all = parts.front();
    out.begin.reserve(all.size.size() + 1);
    for (const std::size_t size : all.size) out.begin.push_back(out.begin.back() + size);
    out.jobs = std::move(all.jobs), out.slot = std::move(all.slot), out.cost = std::move(all.cost);
    return out;
  }
  for (const NearClassesChunk& part : parts) {
    out.jobs.insert(out.jobs.end(), part.jobs.begin(), part.jobs.end());
    for (const std::size_t size : part.size) out.begin.push_back(out.begin.back() + size);
    out.slot.insert(out.slot.end(), part.slot.begin(), part.slot.end());
    out.cost.insert(out.cost.end(), part.cost.begin(), part.cost.end());
  }
  return out;
}

void list_near_classes(const PricedMatching& of, std::span<const Index> jobs, NearClassesChunk& part,
                       std::span<Dyadic> own) {
  of.problem.cost->real() ? list_rows<double>(of, jobs, part, own) : list_rows<Cost>(of, jobs, part, own);
}

std::optional<NearClasses> find_near_classes(const PricedMatching& of, std::size_t most, Pool& pool, Stop& stop) {
  const Index n = of.problem.cost->n_jobs();
  std::vector<NearClassesChunk> parts(static_cast<std::size_t>(Pool::chunks(n, kNearChunk)));
  std::vector<Dyadic> own(static_cast<std::size_t>(n));
  std::atomic<std::size_t> pairs = 0;
  stop.count(n * of.problem.cost->n_slots());
  const bool whole = pool.for_chunks(
      n, kNearChunk,
      [&](Index chunk, Index begin, Index end) {
        if (pairs > most) return;
        std::vector<Index> jobs(static_cast<std::size_t>(end - begin));
        std::iota(jobs.begin(), jobs.end(), begin);
        list_near_classes(of, jobs, parts[static_cast<std::size_t>(chunk)], own);
        pairs += parts[static_cast<std::size_t>(chunk)].slot.size();
      },
      &stop);
  if (!whole || pairs > most) return std::nullopt;
  return join_near_classes(of.margin, parts, std::move(own));
}

double default_margin(double rounding, std::span<const double> prices, const Tuning& tuning) {
  constexpr double kDouble = 0x1p-52;  // relative error of a price as a double
  double dearest = 0;
  for (const double p : prices) dearest = std::max(dearest, p);
  return tuning.near_margins * static_cast<double>(prices.size() + 4) * (rounding + dearest * kDouble);
}

}  // namespace gridcompute::transport
