#include "gridcompute/transport/multilevel/stratified_sampling.hpp"

#include "check.hpp"

namespace gridcompute::transport {

namespace {

// Groups with candidates 0, 1, 2, ... of keys 0, 1, 2, ..., at prices of 0.
RestrictedProblem groups_of(Index groups, std::int32_t candidates, Slot columns) {
  RestrictedProblem r;
  r.columns = columns;
  for (Index g = 0; g < groups; ++g) {
    r.begin.push_back(static_cast<Index>(r.slot.size()));
    r.size.push_back(candidates);
    for (std::int32_t c = 0; c < candidates; ++c) r.slot.push_back(static_cast<Slot>(c)), r.key.push_back(c);
  }
  return r;
}

PriceBox around_zero(Slot columns, Cost radius) {
  const auto n = static_cast<std::size_t>(columns);
  return {std::vector<Cost>(n, 0), std::vector<Cost>(n, radius), std::vector<Cost>(n, radius)};
}

}  // namespace

// If this fails, jobs at points of a plane get lists of forty candidates where a sample more would leave 25, a problem
// of short lists pays for a sample that saves it nothing, or a sample as large as the last is solved again without end.
TEST(sampling_goes_on_where_a_narrower_box_saves_more) {
  const RestrictedProblem long_lists = groups_of(1000, 40, 500), short_lists = groups_of(1000, 2, 500);
  CHECK_EQ(extra_sample(long_lists, around_zero(500, 20), 4'000, 100'000), Index{10'000});
  CHECK_EQ(extra_sample(short_lists, around_zero(500, 20), 10'000, 100'000), Index{0});
  CHECK_EQ(extra_sample(long_lists, around_zero(500, 1000), 10'000, 100'000), Index{0});  // as long in half the box
  CHECK_EQ(extra_sample(long_lists, around_zero(500, 20), 50'000, 100'000), Index{0});    // all jobs are fewer
  CHECK_EQ(extra_sample(groups_of(0, 0, 500), around_zero(500, 20), 10'000, 100'000), Index{0});
  Tuning near;
  near.sample_extra = 1.1, near.sample_extra_gain = 0;
  CHECK_EQ(extra_sample(long_lists, around_zero(500, 20), 9, 100'000, near), Index{0});  // 1.1 times 9 are 9
  CHECK_EQ(extra_sample(long_lists, around_zero(500, 20), 100, 100'000, near), Index{110});
}

}  // namespace gridcompute::transport
