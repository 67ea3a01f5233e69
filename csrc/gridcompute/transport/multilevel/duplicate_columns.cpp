#include "gridcompute/transport/multilevel/duplicate_columns.hpp"

#include <algorithm>
#include <numeric>

namespace gridcompute::transport {

void ColumnHashes::add(std::span<const Cost> row) {
  for (std::size_t s = 0; s < hash_.size(); ++s)
    hash_[s] = (hash_[s] ^ static_cast<std::uint64_t>(row[s])) * 0xFF51AFD7ED558CCDULL + (hash_[s] >> 29);
}

std::vector<Slot> ColumnHashes::lowest_equal() const {
  std::vector<Slot> order(hash_.size()), out(hash_.size());
  std::iota(order.begin(), order.end(), Slot{0});
  std::iota(out.begin(), out.end(), Slot{0});
  std::stable_sort(order.begin(), order.end(), [&](Slot a, Slot b) { return hash_[a] < hash_[b]; });
  for (std::size_t k = 1; k < order.size(); ++k) {
    if (hash_[order[k]] == hash_[order[k - 1]]) out[order[k]] = out[order[k - 1]];
  }
  return out;
}

std::vector<Slot> find_duplicate_columns(const auction::KeyTable& keys) {
  const auto n = static_cast<std::size_t>(keys.columns);
  ColumnHashes hashes(n);
  std::vector<Slot> each(n);
  std::iota(each.begin(), each.end(), Slot{0});
  if (keys.rows == 0) return each;
  std::vector<Cost> scratch;
  for (Index k = 0; k < keys.rows; ++k) hashes.add(keys.row(k, scratch));
  return hashes.lowest_equal();
}

bool mostly_copies(const QuantisedCost& keys, const Tuning& tuning) {
  const Index rows = std::min(keys.n_jobs(), tuning.duplicate_probe_rows), n = keys.n_slots();
  if (rows == 0) return false;
  std::vector<Cost> row(static_cast<std::size_t>(n));
  std::vector<double> scratch;
  CostRangeStats ignored;
  ColumnHashes hashes(row.size());
  for (Index k = 0; k < rows; ++k) {
    keys.fill(Rows{nullptr, keys.n_jobs() * k / rows, 1}, row.data(), scratch, ignored);
    hashes.add(row);
  }
  const std::vector<Slot> of = hashes.lowest_equal();
  Index own = 0;
  for (Slot s = 0; s < n; ++s) own += of[s] == s ? 1 : 0;
  return own * tuning.duplicate_copies < n;
}

}  // namespace gridcompute::transport
