#include "gridcompute/transport/alike.hpp"

#include <algorithm>
#include <numeric>

namespace gridcompute::transport {

namespace {
constexpr Index kProbe = 64;  // rows that tell
constexpr Index kCopies = 2;  // of a column, on average
}  // namespace

std::vector<Slot> alike(std::span<const Cost> keys, std::size_t n_classes) {
  const std::size_t rows = n_classes == 0 ? 0 : keys.size() / n_classes;
  std::vector<std::uint64_t> hash(n_classes, 0x9E3779B97F4A7C15ULL);
  for (std::size_t i = 0; i < rows; ++i) {
    const Cost* row = keys.data() + i * n_classes;
    for (std::size_t s = 0; s < n_classes; ++s)
      hash[s] = (hash[s] ^ static_cast<std::uint64_t>(row[s])) * 0xFF51AFD7ED558CCDULL + (hash[s] >> 29);
  }
  std::vector<Slot> order(n_classes), out(n_classes);
  std::iota(order.begin(), order.end(), Slot{0});
  std::iota(out.begin(), out.end(), Slot{0});
  if (rows == 0) return out;
  std::stable_sort(order.begin(), order.end(), [&](Slot a, Slot b) { return hash[a] < hash[b]; });
  for (std::size_t k = 1; k < n_classes; ++k) {
    if (hash[order[k]] == hash[order[k - 1]]) out[order[k]] = out[order[k - 1]];
  }
  return out;
}

bool mostly_copies(const Keys& keys) {
  const Index rows = std::min(keys.n_jobs(), kProbe), n = keys.n_slots();
  std::vector<Cost> some(static_cast<std::size_t>(rows * n));
  std::vector<double> scratch;
  Seen ignored;
  for (Index k = 0; k < rows; ++k)
    keys.fill(Rows{nullptr, keys.n_jobs() * k / rows, 1}, some.data() + k * n, scratch, ignored);
  const std::vector<Slot> of = alike(some, static_cast<std::size_t>(n));
  Index own = 0;
  for (Slot s = 0; s < n; ++s) own += of[s] == s ? 1 : 0;
  return own * kCopies < n;
}

}  // namespace gridcompute::transport
