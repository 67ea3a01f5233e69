#include "gridcompute/transport/small/sparse_exchange_index.hpp"

#include <numeric>

namespace gridcompute::transport {

template <class T>
SparseExchangeIndex<T>::SparseExchangeIndex(const CsrKeyRows<T>& rows,
                                            const std::vector<std::vector<JobUnits<T>>>& members, std::size_t direct)
    : rows_(rows), columns_(members.size()), tables_(columns_ <= direct) {
  std::int32_t last = -1;
  for (const auto& here : members)
    for (const JobUnits<T>& m : here) last = std::max(last, m.row);
  class_of_.assign(static_cast<std::size_t>(last) + 1, kNone);
  if (!tables_) {
    pairs_of_.resize(columns_);
    return;
  }
  begin_.assign(columns_ * columns_ + 1, 0);
  next_.resize(columns_);
  chain_head_.assign(columns_ * columns_, kNone);
  cheapest_job_.assign(chain_head_.size(), kNone);
}

template <class T>
std::size_t SparseExchangeIndex<T>::add(Slot a, Slot b) {
  if (tables_) return index(a, b);
  const auto [it, fresh] = position_of_.try_emplace(index(a, b), static_cast<std::int32_t>(cheapest_job_.size()));
  if (fresh) {
    pairs_of_[a].push_back({b, it->second});
    chain_head_.push_back(kNone);
    cheapest_job_.push_back(kNone);
  }
  return static_cast<std::size_t>(it->second);
}

template <class T>
void SparseExchangeIndex<T>::append(std::size_t at, Exchange row) {
  links_.push_back({row, chain_head_[at]});
  chain_head_[at] = static_cast<std::int32_t>(links_.size()) - 1;
}

template <class T>
void SparseExchangeIndex<T>::add_class(Slot a, const std::vector<JobUnits<T>>& members, bool spare, T* row) {
  if (row != nullptr) reset_row(spare, row);
  if (!tables_) {
    for (const JobUnits<T>& m : members) insert(a, m, row);
    return;
  }
  const auto begin = begin_.begin() + static_cast<std::ptrdiff_t>(index(a, 0));
  for (const JobUnits<T>& m : members) {
    class_of_[m.row] = a;
    for (const auto& arc : rows_.row(m.row)) ++begin[arc.slot + 1];
  }
  std::partial_sum(begin, begin + static_cast<std::ptrdiff_t>(columns_) + 1, begin);
  std::copy_n(begin, columns_, next_.begin());
  exchanges_.resize(static_cast<std::size_t>(begin[static_cast<std::ptrdiff_t>(columns_)]));
  for (const JobUnits<T>& m : members) {
    for (const auto& arc : rows_.row(m.row)) {
      const T cost = arc.key - m.own;
      exchanges_[next_[arc.slot]++] = {m.row, cost};
      if (cost < row[arc.slot]) row[arc.slot] = cost, cheapest_job_[index(a, arc.slot)] = m.row;
    }
  }
}

template <class T>
void SparseExchangeIndex<T>::reset_row(bool spare, T* row) const {
  std::fill_n(row, columns_, spare ? T{0} : KeyRange<T>::kForbid);
  std::fill(row + columns_, row + rows_.stride, KeyRange<T>::kForbid);
}

template <class T>
T SparseExchangeIndex<T>::recompute_cheapest(Slot a, std::size_t at, T at_most) {
  Exchange best{kNone, at_most};
  const auto look = [&](const Exchange& w) {
    const bool better = w.cost < best.cost && class_of_[w.row] == a;
    best = better ? w : best;
  };
  if (tables_)
    for (std::int32_t k = begin_[at]; k < begin_[at + 1]; ++k) look(exchanges_[k]);
  for (std::int32_t k = chain_head_[at]; k != kNone; k = links_[k].next) look(links_[k].row);
  cheapest_job_[at] = best.row;
  return best.cost;
}

template <class T>
void SparseExchangeIndex<T>::rebuild(Slot a, bool spare, T* row) {
  const T most = spare ? T{0} : KeyRange<T>::kForbid;
  if (!tables_) {
    reset_row(spare, row);
    for (const ListedPair& t : pairs_of_[a]) row[t.to] = recompute_cheapest(a, static_cast<std::size_t>(t.at), most);
    return;
  }
  for (Slot b = 0; b < static_cast<Slot>(columns_); ++b) row[b] = recompute_cheapest(a, index(a, b), most);
  std::fill(row + columns_, row + rows_.stride, KeyRange<T>::kForbid);
}

template <class T>
void SparseExchangeIndex<T>::insert(Slot a, const JobUnits<T>& member, T* row) {
  class_of_[member.row] = a;
  for (const auto& arc : rows_.row(member.row)) {
    const std::size_t at = add(a, arc.slot);
    const T cost = arc.key - member.own;
    append(at, {member.row, cost});
    if (row == nullptr || cost >= row[arc.slot]) continue;
    row[arc.slot] = cost;
    cheapest_job_[at] = member.row;
  }
}

template <class T>
void SparseExchangeIndex<T>::erase(Slot a, const JobUnits<T>& member, bool spare, T* row) {
  class_of_[member.row] = kNone;
  for (const auto& arc : rows_.row(member.row)) {
    const std::size_t at = find(a, arc.slot);
    if (at != kAbsent && cheapest_job_[at] == member.row)
      row[arc.slot] = recompute_cheapest(a, at, spare ? T{0} : KeyRange<T>::kForbid);
  }
}

template class SparseExchangeIndex<std::int32_t>;
template class SparseExchangeIndex<Cost>;

}  // namespace gridcompute::transport
