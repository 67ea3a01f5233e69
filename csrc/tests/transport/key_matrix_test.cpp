// Keys in memory as multiples of a unit, against keys as they are.
#include "gridcompute/transport/small/key_matrix.hpp"

#include <random>

#include "check.hpp"
#include "gridcompute/cost/dense.hpp"
#include "gridcompute/transport/kernels/exchange_graph_kernels.hpp"
#include "gridcompute/transport/model/integer_keys.hpp"

namespace gridcompute::transport {

// If this fails, a finer unit that shows late leaves earlier keys as they were, or a forbidden pair becomes a key.
TEST(keys_are_held_as_multiples_of_the_unit_of_all) {
  std::mt19937 random(3);
  constexpr double inf = std::numeric_limits<double>::infinity();
  for (int k = 0; k < 60; ++k) {
    const auto draw = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
    const Index n = draw(1, 300), s = draw(1, 40), stride = (s + 1 + kPad - 1) / kPad * kPad;
    std::vector<double> cost, unplaced;
    for (Index i = 0; i < n; ++i) {
      const double unit = k % 3 == 0 ? 1 : i < n / 2 ? 1024 : 0.25;
      for (Index c = 0; c < s; ++c) cost.push_back(draw(0, 9) == 0 ? inf : unit * draw(k % 2 == 0 ? 0 : -9, 9));
      unplaced.push_back(draw(0, 3) == 0 ? inf : unit * draw(0, 5));
    }
    const DenseCost<double> source(cost.data(), n, s);
    Problem problem;
    problem.cost = &source;
    problem.unplaced = unplaced.data();
    problem.unplaced_stride = 1;
    const IntegerKeys keys(problem, 0x1p30);
    const Level level{nullptr, n, {}};
    Stop stop;
    CostRangeStats seen;
    KeyMatrix<std::int32_t> narrow;
    KeyMatrix<Cost> wide;
    CHECK(read_key_matrix(keys, level, stride, narrow, stop, seen));
    CHECK(read_key_matrix(keys, level, stride, wide, stop, seen));
    CHECK(wide.shift == 0);
    CHECK(narrow.shift >= 28);
    for (std::size_t at = 0; at < wide.keys.size(); ++at) {
      const std::int32_t key = narrow.keys[at];
      CHECK(wide.keys[at] ==
            (key == KeyRange<std::int32_t>::kForbid ? KeyRange<Cost>::kForbid : Cost{key} << narrow.shift));
    }
  }
}

// If this fails, keys beyond 32 bits are truncated.
TEST(keys_without_a_unit_are_too_large_for_32_bits) {
  const std::vector<double> cost{1024, 1 / 3.0, 0, 5};
  const DenseCost<double> source(cost.data(), 2, 2);
  Problem problem;
  problem.cost = &source;
  const IntegerKeys keys(problem, 0x1p38);
  Stop stop;
  CostRangeStats seen;
  KeyMatrix<std::int32_t> narrow;
  CHECK(!read_key_matrix(keys, Level{nullptr, 2, {}}, kPad, narrow, stop, seen));
}

}  // namespace gridcompute::transport
