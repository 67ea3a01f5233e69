#include "gridcompute/cost/equal_columns.hpp"

#include <random>

#include "check.hpp"
#include "gridcompute/cost/dense.hpp"
#include "gridcompute/cost/sparse.hpp"

using namespace gridcompute;

namespace {

// Slow oracle: the lowest column that equals each column in every row.
template <class T>
std::vector<Slot> equal_by_pairs(const std::vector<T>& values, Index rows, Index n) {
  std::vector<Slot> of(static_cast<std::size_t>(n));
  for (Slot s = 0; s < n; ++s) {
    of[s] = s;
    for (Slot t = 0; t < s && of[s] == s; ++t) {
      bool equal = true;
      for (Index i = 0; i < rows; ++i) equal &= values[i * n + s] == values[i * n + t];
      if (equal) of[s] = t;
    }
  }
  return of;
}

// Entries from few values: columns that are equal, nearly equal and distinct.
template <class T>
std::vector<T> with_copies(Index rows, Index n, int distinct, int spoilt, std::mt19937& random) {
  std::vector<T> values(static_cast<std::size_t>(rows * n));
  std::vector<int> of(static_cast<std::size_t>(n));
  for (int& k : of) k = static_cast<int>(random() % static_cast<unsigned>(distinct));
  for (Index i = 0; i < rows; ++i) {
    std::vector<T> own(static_cast<std::size_t>(distinct));
    for (T& x : own) x = static_cast<T>(1 + random() % 5);
    for (Index s = 0; s < n; ++s) values[i * n + s] = own[of[s]];
  }
  for (int k = 0; k < spoilt; ++k) values[random() % values.size()] += 1;
  return values;
}

// The kept columns are those of the matrix, and each column is as the one kept for it.
template <class T>
void check_merged(const std::vector<T>& values, Index rows, Index n, Index most, int threads) {
  const DenseCost<T> cost(values.data(), rows, n);
  Pool pool(threads);
  Stop stop;
  const EqualClasses equal = cost.merged(most, pool, stop, kDefaultCostTuning);
  const std::vector<Slot> slow = equal_by_pairs(values, rows, n);
  Index differ = 0;
  for (Slot s = 0; s < n; ++s) differ += slow[s] == s ? 1 : 0;
  if (equal.cost == nullptr) return;
  CHECK(differ <= most && equal.cost->n_slots() <= most);
  std::vector<Slot> number(static_cast<std::size_t>(n));
  Slot kept = 0;
  for (Slot s = 0; s < n; ++s) {
    CHECK(slow[s] == slow[equal.of[s]]);
    number[s] = equal.of[s] == s ? kept++ : number[equal.of[s]];
  }
  CHECK(equal.cost->n_slots() == kept);
  for (Index i = 0; i < rows; ++i)
    for (Slot s = 0; s < n; ++s) CHECK(equal.cost->real_at(i, number[s]) == cost.real_at(i, s));
}

}  // namespace

TEST(equal_columns_are_found_and_no_others) {
  std::mt19937 random(1);
  for (int k = 0; k < 60; ++k) {
    const auto rows = static_cast<Index>(1 + random() % 2000), n = static_cast<Index>(1 + random() % 40);
    const int distinct = static_cast<int>(1 + random() % 12), spoilt = static_cast<int>(random() % 4);
    const auto most = static_cast<Index>(1 + random() % static_cast<unsigned>(n));
    const int threads = 1 + k % 3;
    check_merged(with_copies<std::int32_t>(rows, n, distinct, spoilt, random), rows, n, most, threads);
    check_merged(with_copies<double>(rows, n, distinct, spoilt, random), rows, n, most, threads);
  }
}

TEST(copies_that_few_rows_do_not_tell_apart_are_split_and_the_others_merged) {
  std::mt19937 random(2);
  const Index rows = 5000, n = 12;
  std::vector<float> values = with_copies<float>(rows, n, 1, 0, random);
  values[1234 * n + 7] += 1;
  values[4321 * n + 3] += 1;
  const DenseCost<float> cost(values.data(), rows, n);
  for (const int threads : {1, 2, 7}) {
    Pool pool(threads);
    Stop stop;
    const EqualClasses equal = cost.merged(3, pool, stop, kDefaultCostTuning);
    CHECK(equal.cost != nullptr);
    CHECK((equal.of == std::vector<Slot>{0, 0, 0, 3, 0, 0, 0, 7, 0, 0, 0, 0}));
    CHECK(cost.merged(2, pool, stop, kDefaultCostTuning).cost == nullptr);
  }
}

TEST(equal_columns_of_csr_have_entries_in_the_same_rows) {
  // Columns 0 and 2 are equal, 1 lacks an entry, 3 and 4 have none.
  const std::vector<std::int64_t> values{5, 5, 5, 7, 7, 9, 9};
  const std::vector<std::int32_t> columns{0, 1, 2, 0, 2, 0, 2}, starts{0, 3, 5, 5, 7};
  const SparseCost<std::int64_t, std::int32_t> cost(values.data(), columns.data(), starts.data(), 4, 5);
  Pool pool(1);
  Stop stop;
  const EqualClasses equal = cost.merged(4, pool, stop, kDefaultCostTuning);
  CHECK(equal.cost != nullptr);
  CHECK((equal.of == std::vector<Slot>{0, 1, 0, 3, 3}));
  CHECK(equal.cost->n_slots() == 3 && equal.cost->listed(0) == 2 && equal.cost->listed(2) == 0);
  CHECK(equal.cost->integer_at(3, 0) == 9 && equal.cost->integer_at(3, 1) == kForbidden);
  CHECK(cost.merged(2, pool, stop, kDefaultCostTuning).cost == nullptr);
}
