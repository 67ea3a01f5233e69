#include "gridcompute/transport/small/csr_keys.hpp"

#include <algorithm>

namespace gridcompute::transport {

namespace {

constexpr Index kCsrBlock = 256;  // jobs read per block

Index pairs_of(const IntegerKeys& keys) {
  const CostSource& cost = *keys.problem().cost;
  Index pairs = keys.optional() ? keys.n_jobs() : 0;
  for (Index i = 0; i < keys.n_jobs(); ++i) pairs += cost.listed(i);
  return pairs;
}

}  // namespace

bool csr_keys_pay(const IntegerKeys& keys, Index stride, const Tuning& tuning) {
  if (keys.n_jobs() == 0 || keys.problem().cost->listed(0) < 0 || !keys.perturbation().none()) return false;
  const Index pairs = pairs_of(keys);
  return pairs <= tuning.listed_pairs && pairs * tuning.listed_lanes <= keys.n_jobs() * stride;
}

template <class T>
bool CsrKeys<T>::read(const IntegerKeys& keys, Stop& stop, CostRangeStats& seen) {
  const CostSource& cost = *keys.problem().cost;
  const Index n = keys.n_jobs();
  arcs_.resize(static_cast<std::size_t>(pairs_of(keys)));
  auto* to = arcs_.data();
  begin_.assign(1, 0);
  begin_.reserve(static_cast<std::size_t>(n) + 1);
  std::vector<Slot> slots;
  std::vector<Cost> some, left_out;
  std::vector<double> scratch;
  for (Index first = 0; first < n; first += kCsrBlock) {
    const Index last = std::min(n, first + kCsrBlock);
    Index pairs = 0;
    for (Index i = first; i < last; ++i) pairs += cost.listed(i);
    if (stop.poll(pairs)) return false;
    slots.resize(static_cast<std::size_t>(pairs));
    some.resize(slots.size());
    keys.fill_listed(first, last - first, pairs, slots.data(), some.data(), scratch, seen);
    left_out.clear();
    for (Index i = first; keys.optional() && i < last; ++i) left_out.push_back(keys.unplaced(i, seen));
    const int before = unit_.shift();
    unit_.add(some);
    unit_.add(left_out);
    if (!keys.possible(seen) || !unit_.holds(keys.reach(seen))) return false;
    if (unit_.shift() < before)
      for (auto* arc = arcs_.data(); arc != to; ++arc) arc->key = unit_.moved(arc->key, before);
    std::size_t at = 0;
    for (Index i = first; i < last; ++i) {
      for (Index k = cost.listed(i); k > 0; --k, ++at)
        if (some[at] < kForbidden) *to++ = {slots[at], unit_.held(some[at])};
      if (keys.optional() && left_out[i - first] < kForbidden)
        *to++ = {keys.n_slots(), unit_.held(left_out[i - first])};
      begin_.push_back(static_cast<std::int32_t>(to - arcs_.data()));
    }
  }
  return true;
}

template <class T>
bool CsrKeys<T>::mostly_copies(const Tuning& tuning) const {
  const CsrKeyRows<T> all = rows(0);
  const Index n = static_cast<Index>(begin_.size()) - 1, probe = std::min(n, tuning.duplicate_probe_rows);
  std::vector<std::int32_t> order;
  for (Index k = 0; k < probe; ++k) order.push_back(static_cast<std::int32_t>(n * k / probe));
  const auto less = [&](std::int32_t a, std::int32_t b) {
    return std::ranges::lexicographical_compare(all.row(a), all.row(b), [](const auto& x, const auto& y) {
      return x.slot != y.slot ? x.slot < y.slot : x.key < y.key;
    });
  };
  std::sort(order.begin(), order.end(), less);
  Index copies = 0;
  for (std::size_t k = 1; k < order.size(); ++k) copies += less(order[k - 1], order[k]) ? 0 : 1;
  return copies * tuning.duplicate_rows_share >= probe;
}

template class CsrKeys<std::int32_t>;
template class CsrKeys<Cost>;

}  // namespace gridcompute::transport
