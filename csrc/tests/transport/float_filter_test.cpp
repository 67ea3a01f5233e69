// The float32 filter must never change which candidates a pass over all keys keeps.
#include <algorithm>
#include <cmath>
#include <random>

#include "check.hpp"
#include "gridcompute/cost/dense.hpp"
#include "gridcompute/cost/terms.hpp"
#include "gridcompute/transport/kernels/row_screening.hpp"

namespace gridcompute::transport {

namespace {

struct Draw {
  std::mt19937_64 random;
  Index index(Index low, Index high) { return std::uniform_int_distribution<Index>(low, high)(random); }
  double real(double low, double high) { return std::uniform_real_distribution<double>(low, high)(random); }
};

struct FilterInstance {
  Index jobs = 400, slots = 0;
  std::vector<std::vector<double>> table, coef;
  std::vector<std::vector<std::int32_t>> key;
  std::vector<Cost> capacity;

  explicit FilterInstance(Draw& draw) : slots(draw.index(32, 150)), capacity(static_cast<std::size_t>(slots), 1) {
    const bool picky = draw.index(0, 1) == 0, signs = draw.index(0, 2) == 0;
    const double offset = draw.index(0, 2) == 0 ? 1e7 : 0;  // float32 loses what differs
    for (Index t = draw.index(1, 6); t > 0; --t) {
      const Index keys = draw.index(1, 5);
      std::vector<double>& entries = table.emplace_back();
      for (Index k = 0; k < keys * slots; ++k)
        entries.push_back(picky && draw.index(0, 9) == 0 ? kInf : offset + std::exp(draw.real(-9, 3)));
      for (Index i = 0; i < jobs; ++i) {
        coef.resize(table.size()), key.resize(table.size());
        coef.back().push_back(draw.index(0, 30) == 0 ? 0 : draw.real(signs ? -5 : 0, 5));
        key.back().push_back(static_cast<std::int32_t>(draw.index(0, keys - 1)));
      }
    }
  }

  [[nodiscard]] TermsCost cost() const {
    std::vector<Term> terms;
    for (std::size_t t = 0; t < table.size(); ++t)
      terms.push_back({table[t].data(), static_cast<Index>(table[t].size()) / slots, key[t].data(), coef[t].data()});
    return TermsCost(std::move(terms), jobs, slots);
  }
};

PriceBox random_box(Draw& draw, Index columns, Cost scale) {
  PriceBox box;
  for (Index s = 0; s < columns; ++s) {
    box.center.push_back(draw.index(0, scale));
    box.down.push_back(draw.index(1, scale / 50 + 1));
    box.up.push_back(draw.index(0, 99) == 0 ? kCostLimit / 8 : draw.index(1, scale / 50 + 1));
  }
  return box;
}

// Slow oracle: reads all keys of the row.
FilteredRow kept_of(const Cost* key, const PriceBox& box, Index n, Cost outside) {
  FilteredRow out;
  out.low = outside;
  out.next = kForbidden;
  for (Index s = 0; s < n; ++s) out.low = std::min(out.low, key[s] + box.center[s] + box.up[s]);
  for (Index s = 0; s < n; ++s) {
    const Cost cost = key[s] + box.center[s] - box.down[s];
    if (cost <= out.low) {
      out.slot.push_back(static_cast<Slot>(s));
      out.key.push_back(key[s]);
    } else if (key[s] < kForbidden) {
      out.next = std::min(out.next, cost);
    }
  }
  return out;
}

struct Told {
  Index rows = 0, told = 0;
};

// Compares each row by the filter and by all of its keys; counts the rows that the filter decided.
void compare(Draw& draw, const CostSource& cost, double resolution, bool gangs, Told& out) {
  const Index jobs = cost.n_jobs(), slots = cost.n_slots();
  const std::vector<Cost> capacity(static_cast<std::size_t>(slots), 1);
  const std::vector<std::int32_t> demand(static_cast<std::size_t>(jobs), 3);
  Problem problem;
  problem.cost = &cost;
  problem.capacity = capacity.data();
  if (gangs) problem.demand = demand.data();
  const IntegerKeys keys(problem, resolution);
  CHECK(FloatFilter::serves(keys));
  const PriceBox box = random_box(draw, keys.columns(), static_cast<Cost>(keys.resolution() * 10) + 1);
  const FloatFilter sketch(keys, box);
  FloatFilter::Scratch scratch;
  FilteredRow kept;
  CostRangeStats seen;
  std::vector<Cost> key(static_cast<std::size_t>(slots));
  std::vector<double> costs;
  for (Index job = 0; job < jobs; ++job, ++out.rows) {
    keys.fill(Rows{&job, 0, 1}, key.data(), costs, seen);
    const Cost outside =
        draw.index(0, 1) == 0 ? std::numeric_limits<Cost>::max() : key[static_cast<std::size_t>(job % slots)];
    if (!sketch.screen(job, outside, scratch, kept)) continue;
    ++out.told;
    const FilteredRow truth = kept_of(key.data(), box, slots, outside);
    CHECK(kept.low == truth.low && kept.slot == truth.slot && kept.key == truth.key);
    CHECK(kept.next <= truth.next);
  }
}

template <class T>
std::vector<T> random_matrix(Draw& draw, Index jobs, Index slots) {
  const double offset = draw.index(0, 3) == 0 ? 1e7 : 0;  // float32 loses what differs
  std::vector<T> out;
  for (Index k = 0; k < jobs * slots; ++k) {
    const double x = offset + (draw.index(0, 3) == 0 ? -1 : 1) * std::exp(draw.real(0, 9));
    const bool forbidden = std::is_floating_point_v<T> && draw.index(0, 9) == 0;
    out.push_back(forbidden ? std::numeric_limits<T>::infinity() : static_cast<T>(x));
  }
  return out;
}

template <class T>
void compare_dense(Draw& draw, Told& out) {
  constexpr Index kJobs = 200;
  for (int round = 0; round < 16; ++round) {
    const Index slots = draw.index(32, 150);
    const std::vector<T> values = random_matrix<T>(draw, kJobs, slots);
    const DenseCost<T> cost(values.data(), kJobs, slots);
    const bool gangs = round % 2 == 0;
    const double resolution =
        std::is_integral_v<T> && !gangs ? 1.0 : std::exp2(static_cast<double>(draw.index(-3, 20)));
    compare(draw, cost, resolution, gangs, out);
  }
}

// Can the filter represent a row with `value` at one place and 1 elsewhere?
template <class T>
bool sketched(T value, double scale) {
  constexpr Index kSlots = 40;
  std::vector<T> row(static_cast<std::size_t>(kSlots), T{1});
  row[7] = value;
  const DenseCost<T> cost(row.data(), 1, kSlots);
  AlignedVector<float> out(static_cast<std::size_t>(sketch_width(kSlots)), 5.0F);
  return std::isfinite(cost.sketch(0, scale, out.data()).error) && out[kSlots] == 0.0F;
}

}  // namespace

// If this fails, a job may miss its best class, or a bound is too high: answers that are not optimal pass as such.
TEST(sketch_keeps_what_a_look_at_all_keys_keeps) {
  Draw draw{std::mt19937_64(11)};
  Told told;
  for (int round = 0; round < 40; ++round) {
    const FilterInstance instance(draw);
    const double resolution = std::exp2(static_cast<double>(draw.index(-3, 20)));
    compare(draw, instance.cost(), resolution, round % 4 == 0, told);
  }
  CHECK(told.told > told.rows / 4 && told.told < told.rows);  // some are beyond float32, or have a factor 0 on inf
}

// The same for a matrix of each type.
TEST(sketch_of_a_matrix_keeps_the_same_too) {
  Draw draw{std::mt19937_64(12)};
  const auto check = [&](const auto& compare_all) {
    Told told;
    compare_all(draw, told);
    CHECK(told.told > told.rows / 4 && told.told <= told.rows);
  };
  check(compare_dense<std::int32_t>);
  check(compare_dense<std::int64_t>);
  check(compare_dense<float>);
  check(compare_dense<double>);
}

// If this fails, NaN and -inf are taken for costs, or huge ones for small.
TEST(sketch_refuses_a_row_it_cannot_hold) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(sketched(kInf, 1.0) && sketched(1e30, 1.0) && sketched(-1e30F, 1.0) && sketched(Cost{1} << 50, 1.0));
  CHECK(!sketched(nan, 1.0) && !sketched(-nan, 1.0) && !sketched(-kInf, 1.0));
  CHECK(!sketched(static_cast<float>(nan), 1.0) && !sketched(static_cast<float>(-kInf), 1.0));
  CHECK(!sketched((Cost{1} << 50) + 1, 1.0) && !sketched(std::numeric_limits<Cost>::min(), 1.0));
  CHECK(!sketched(2.0, 0x1p-101) && !sketched(2.0, 0x1p101) && !sketched(2.0, nan));
  const double most = std::numeric_limits<std::int32_t>::max();
  const std::vector<std::int32_t> ends{std::numeric_limits<std::int32_t>::min(),
                                       std::numeric_limits<std::int32_t>::max()};
  AlignedVector<float> out(16);
  const Sketched both = DenseCost<std::int32_t>(ends.data(), 1, 2).sketch(0, 1.0, out.data());
  CHECK(both.largest == most + 1 && out[0] == -0x1p31F && std::fabs(static_cast<double>(out[1]) - most) <= both.error);
}

// If this fails, rows that are all forbidden, or whose costs float32 cannot hold, are taken for cheap ones.
TEST(sketch_leaves_what_it_cannot_hold) {
  const Index n = 40, jobs = 100;
  std::vector<double> table(static_cast<std::size_t>(3 * n), 1.0), coef(static_cast<std::size_t>(jobs), 1.0);
  std::fill_n(table.begin() + n, n, kInf);
  std::fill_n(table.begin() + 2 * n, n / 2, kInf);
  std::vector<std::int32_t> key(static_cast<std::size_t>(jobs), 0);
  key[1] = 1, key[2] = 2, key[3] = 2;
  coef[2] = 0, coef[3] = -1, coef[4] = 1e-320;
  const TermsCost cost({{table.data(), 3, key.data(), coef.data()}}, jobs, n);
  AlignedVector<float> row(static_cast<std::size_t>(sketch_width(n)));
  CHECK(cost.sketches() && std::isfinite(cost.sketch(0, 1.0, row.data()).error) && row[0] == 1.0F && row[n] == 0.0F);
  CHECK(std::isinf(cost.sketch(2, 1.0, row.data()).error) && std::isinf(cost.sketch(3, 1.0, row.data()).error));
  CHECK(std::isinf(cost.sketch(0, 1e40, row.data()).error) && std::isfinite(cost.sketch(4, 1.0, row.data()).error));
  Problem problem;
  const std::vector<Cost> capacity(static_cast<std::size_t>(n), 3);
  problem.cost = &cost;
  problem.capacity = capacity.data();
  const IntegerKeys keys(problem, 8.0);
  PriceBox box;
  box.center.assign(static_cast<std::size_t>(n), 0), box.down.assign(static_cast<std::size_t>(n), 1), box.up = box.down;
  FloatFilter::Scratch scratch;
  FilteredRow kept;
  const FloatFilter sketch(keys, box);
  CHECK(!sketch.screen(1, std::numeric_limits<Cost>::max(), scratch, kept));  // all forbidden
  CHECK(!sketch.screen(0, std::numeric_limits<Cost>::max(), scratch, kept));  // all equal: nothing is told out
  CHECK(sketch.screen(0, -100, scratch, kept) && kept.slot.empty() && kept.low == -100 && kept.next <= 7);
  CHECK(sketch.screen(1, -100, scratch, kept) && kept.slot.empty() && kept.next == kForbidden);
}

// If this fails, a solve that had no time for a pass over the costs claims a bound above the cost of some plan.
TEST(terms_tell_a_bound_without_a_look) {
  Draw draw{std::mt19937_64(9)};
  Index tight = 0, hopeless = 0;
  for (int k = 0; k < 40; ++k) {
    const FilterInstance p(draw);
    const TermsCost cost = p.cost();
    std::vector<double> row(static_cast<std::size_t>(p.slots)), least(static_cast<std::size_t>(p.jobs));
    CHECK(cost.least({nullptr, 0, p.jobs}, least.data()));
    for (Index i = 0; i < p.jobs; ++i) {
      cost.reals({nullptr, i, 1}, row.data());
      const double lowest = *std::min_element(row.begin(), row.end());
      CHECK(least[i] <= lowest);
      tight += least[i] == lowest ? 1 : 0;
      hopeless += lowest == kInf ? 1 : 0;
    }
  }
  CHECK(tight > 100 && hopeless == 0);
}

}  // namespace gridcompute::transport
