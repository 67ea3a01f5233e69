// Sparse rows, over their listed pairs, against whole rows.
#include <algorithm>
#include <random>

#include "check.hpp"
#include "gridcompute/cost/dense.hpp"
#include "gridcompute/cost/sparse.hpp"
#include "gridcompute/transport/small/in_memory_ssp.hpp"
#include "gridcompute/transport/small/key_matrix.hpp"

namespace gridcompute::transport {

namespace {

struct CsrCase {
  Index n = 0;
  Slot s = 0;
  std::vector<std::int32_t> start{0}, column;
  std::vector<double> value, whole, unplaced;
  std::vector<Cost> capacity;

  CsrCase(std::mt19937& random, int k) {
    const auto draw = [&](Index low, Index high) { return std::uniform_int_distribution<Index>(low, high)(random); };
    s = static_cast<Slot>(draw(1, 60));
    n = draw(0, k % 6 == 0 ? 1 << 14 : 600);
    const Index high = k % 4 == 0 ? 3 : k % 4 == 1 ? 1'000'000'000 : 1000;
    whole.assign(static_cast<std::size_t>(n * s), std::numeric_limits<double>::infinity());
    for (Index i = 0; i < n; ++i) {
      for (Slot c = 0; c < s; ++c) {
        if (draw(0, 19) > 0 && c != i % s) continue;
        column.push_back(c);
        value.push_back(k % 7 == 2 && draw(0, 5) == 0 ? std::numeric_limits<double>::infinity()
                                                      : static_cast<double>(draw(-5, high)));
        whole[static_cast<std::size_t>(i * s + c)] = value.back();
      }
      start.push_back(static_cast<std::int32_t>(column.size()));
    }
    for (Slot c = 0; c < s; ++c) capacity.push_back(draw(0, 2 * n / s + 2));
    if (k % 3 != 1) unplaced.assign(static_cast<std::size_t>(n), static_cast<double>(draw(0, 2 * high)));
  }
};

}  // namespace

// If this fails, a pair that no list holds is read as one, or one that a list holds is passed over.
TEST(listed_pairs_come_to_the_optimum_of_whole_rows) {
  std::mt19937 random(5);
  Index direct = 0, wide = 0, given_up = 0;
  for (int k = 0; k < 90; ++k) {
    const CsrCase p(random, k);
    const SparseCost<double, std::int32_t> sparse(p.value.data(), p.column.data(), p.start.data(), p.n, p.s);
    const DenseCost<double> dense(p.whole.data(), p.n, p.s);
    Problem problem;
    problem.capacity = p.capacity.data();
    if (!p.unplaced.empty()) problem.unplaced = p.unplaced.data(), problem.unplaced_stride = 1;
    Options options;
    options.threads = 2;
    options.resolution = k % 4 == 1 ? 1.0 : 0.0;
    problem.cost = &dense;
    Stop stop;
    const Result expected = solve(problem, options, stop);
    problem.cost = &sparse;
    options.direct = true;
    const Result found = solve(problem, options, stop);
    CHECK(found.status == expected.status);
    if (expected.status == Status::optimal) CHECK(found.objective == expected.objective);
    CHECK(found.exact == expected.exact);
    direct += found.stats.small_solver_aborts == 0 && found.stats.levels == 0 ? 1 : 0;
    given_up += found.stats.small_solver_aborts;
    wide += found.stats.int64_fallbacks;
    if (p.n > 0 && p.s > 20) CHECK(csr_keys_pay(IntegerKeys(problem, 1.0), 64));
  }
  CHECK(direct > 40);
  CHECK(given_up > 0);
}

// If this fails, a job that left a class still determines an exchange arc out of it, or one that came determines none.
TEST(exchange_arcs_are_those_of_all_jobs_of_a_class) {
  for (const std::size_t direct : {std::size_t{0}, std::size_t{1024}}) {  // hashed, and addressed directly
    CONTEXT("direct", direct);
    std::mt19937 random(9);
    constexpr Slot kColumns = 7;
    constexpr Index kStride = 16, kRows = 90;
    const auto draw = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
    std::vector<CsrKeyRows<Cost>::Arc> arcs;
    std::vector<std::int32_t> begin{0};
    for (Index i = 0; i < kRows; ++i) {
      for (Slot s = 0; s < kColumns; ++s)
        if (s == i % kColumns || draw(0, 2) == 0) arcs.push_back({s, draw(0, 20)});
      begin.push_back(static_cast<std::int32_t>(arcs.size()));
    }
    const CsrKeyRows<Cost> rows{arcs.data(), begin.data(), kStride};
    std::vector<std::vector<JobUnits<Cost>>> members(kColumns);
    for (std::int32_t i = 0; i < kRows; ++i) {
      const auto at = static_cast<Slot>(i % kColumns);
      if (at > 0) members[static_cast<std::size_t>(at)].push_back({i, 1, key_of(rows, i, at)});
    }
    SparseExchangeIndex<Cost> index(rows, members, direct);
    std::vector<std::vector<Cost>> way(kColumns, std::vector<Cost>(kStride));
    for (Slot a = 0; a < kColumns; ++a) {
      const auto at = static_cast<std::size_t>(a);
      index.add_class(a, members[at], a == 3, members[at].empty() && a != 3 ? nullptr : way[at].data());
    }
    for (int step = 0; step < 400; ++step) {
      const auto a = static_cast<std::size_t>(draw(0, kColumns - 1));
      if (members[a].empty()) continue;
      const auto at = members[a].begin() + draw(0, static_cast<int>(members[a].size()) - 1);
      const JobUnits<Cost> m = *at;
      members[a].erase(at);
      index.erase(static_cast<Slot>(a), m, a == 3, way[a].data());
      const auto row = rows.row(m.row);
      const auto& arc = row[static_cast<std::size_t>(draw(0, static_cast<int>(row.size()) - 1))];
      const auto b = static_cast<std::size_t>(arc.slot);
      const bool first = members[b].empty();
      members[b].push_back({m.row, 1, arc.key});
      index.insert(arc.slot, members[b].back(), first ? nullptr : way[b].data());
      if (first) index.rebuild(arc.slot, b == 3, way[b].data());
      for (std::size_t c = 0; c < members.size(); ++c) {
        for (Slot s = 0; s < kColumns && !members[c].empty(); ++s) {
          Cost least = c == 3 ? 0 : KeyRange<Cost>::kForbid;
          for (const JobUnits<Cost>& x : members[c]) {
            if (const Cost key = key_of(rows, x.row, s); key < KeyRange<Cost>::kForbid)
              least = std::min(least, key - x.own);
          }
          CHECK(way[c][static_cast<std::size_t>(s)] == least);
          const std::int32_t job = index.cheapest_job(static_cast<Slot>(c), s);
          const bool known = std::ranges::any_of(members[c], [&](const JobUnits<Cost>& x) {
            return x.row == job && key_of(rows, x.row, s) - x.own == least;
          });
          if (least < (c == 3 ? 0 : KeyRange<Cost>::kForbid)) CHECK(known);
        }
      }
    }
  }
}

}  // namespace gridcompute::transport
