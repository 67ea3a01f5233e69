#include "gridcompute/transport/multilevel/duplicates_in_sample.hpp"

#include <algorithm>
#include <numeric>
#include <span>

#include "gridcompute/base/hash.hpp"

namespace gridcompute::transport {

namespace {

void add_row(std::span<const Cost> row, std::span<std::uint64_t> hashes) {
  for (std::size_t s = 0; s < hashes.size(); ++s) hashes[s] = hashed(hashes[s], static_cast<std::uint64_t>(row[s]));
}

}  // namespace

std::vector<Slot> find_duplicate_columns(const auction::KeyTable& keys) {
  const auto n = static_cast<std::size_t>(keys.columns);
  if (keys.rows == 0) {
    std::vector<Slot> each(n);
    std::iota(each.begin(), each.end(), Slot{0});
    return each;
  }
  std::vector<std::uint64_t> hashes(n, kHashSeed);
  std::vector<Cost> scratch;
  for (Index k = 0; k < keys.rows; ++k) add_row(keys.row(k, scratch), hashes);
  return lowest_equal(hashes);
}

bool mostly_copies(const IntegerKeys& keys, const Tuning& tuning) {
  const Index rows = std::min(keys.n_jobs(), tuning.duplicate_probe_rows), n = keys.n_slots();
  if (rows == 0 || n == 0) return false;
  std::vector<std::uint64_t> hashes(static_cast<std::size_t>(n), kHashSeed);
  std::vector<Cost> row(hashes.size());
  std::vector<double> scratch;
  CostRangeStats ignored;
  for (Index k = 0; k < rows; ++k) {
    keys.fill(Rows{nullptr, keys.n_jobs() * k / rows, 1}, row.data(), scratch, ignored);
    add_row(row, hashes);
  }
  return !more_differ(hashes, (n - 1) / tuning.duplicate_copies);
}

}  // namespace gridcompute::transport
