#include "gridcompute/transport/small/sparse_exchange_index.hpp"

#include <numeric>

namespace gridcompute::transport {

template <class T>
Between<T>::Between(const CsrKeyRows<T>& rows, const std::vector<std::vector<JobUnits<T>>>& members)
    : rows_(rows), columns_(members.size()), tables_(columns_ <= kTables) {
  std::int32_t last = -1;
  for (const auto& here : members)
    for (const JobUnits<T>& m : here) last = std::max(last, m.row);
  where_.assign(static_cast<std::size_t>(last) + 1, kNone);
  if (!tables_) {
    targets_.resize(columns_);
    return;
  }
  begin_.assign(columns_ * columns_ + 1, 0);
  next_.resize(columns_);
  chain_.assign(columns_ * columns_, kNone);
  who_.assign(chain_.size(), kNone);
}

template <class T>
std::size_t Between<T>::add(Slot a, Slot b) {
  if (tables_) return index(a, b);
  const auto [it, fresh] = at_.try_emplace(index(a, b), static_cast<std::int32_t>(who_.size()));
  if (fresh) {
    targets_[a].push_back({b, it->second});
    chain_.push_back(kNone);
    who_.push_back(kNone);
  }
  return static_cast<std::size_t>(it->second);
}

template <class T>
void Between<T>::chain(std::size_t at, Way way) {
  later_.push_back({way, chain_[at]});
  chain_[at] = static_cast<std::int32_t>(later_.size()) - 1;
}

template <class T>
void Between<T>::start(Slot a, const std::vector<JobUnits<T>>& members, bool spare, T* way) {
  if (way != nullptr) blank(spare, way);
  if (!tables_) {
    for (const JobUnits<T>& m : members) come(a, m, way);
    return;
  }
  const auto begin = begin_.begin() + static_cast<std::ptrdiff_t>(index(a, 0));
  for (const JobUnits<T>& m : members) {
    where_[m.row] = a;
    for (const auto& arc : rows_.row(m.row)) ++begin[arc.slot + 1];
  }
  std::partial_sum(begin, begin + static_cast<std::ptrdiff_t>(columns_) + 1, begin);
  std::copy_n(begin, columns_, next_.begin());
  ways_.resize(static_cast<std::size_t>(begin[static_cast<std::ptrdiff_t>(columns_)]));
  for (const JobUnits<T>& m : members) {
    for (const auto& arc : rows_.row(m.row)) {
      const T cost = arc.key - m.own;
      ways_[next_[arc.slot]++] = {m.row, cost};
      if (cost < way[arc.slot]) way[arc.slot] = cost, who_[index(a, arc.slot)] = m.row;
    }
  }
}

template <class T>
void Between<T>::blank(bool spare, T* way) const {
  std::fill_n(way, columns_, spare ? T{0} : KeyLimits<T>::kForbid);
  std::fill(way + columns_, way + rows_.stride, KeyLimits<T>::kForbid);
}

template <class T>
T Between<T>::least(Slot a, std::size_t at, T at_most) {
  Way best{kNone, at_most};
  const auto look = [&](const Way& w) {
    const bool better = w.cost < best.cost && where_[w.row] == a;
    best = better ? w : best;
  };
  if (tables_)
    for (std::int32_t k = begin_[at]; k < begin_[at + 1]; ++k) look(ways_[k]);
  for (std::int32_t k = chain_[at]; k != kNone; k = later_[k].next) look(later_[k].way);
  who_[at] = best.row;
  return best.cost;
}

template <class T>
void Between<T>::build(Slot a, bool spare, T* way) {
  const T most = spare ? T{0} : KeyLimits<T>::kForbid;
  if (!tables_) {
    blank(spare, way);
    for (const Target& t : targets_[a]) way[t.to] = least(a, static_cast<std::size_t>(t.at), most);
    return;
  }
  for (Slot b = 0; b < static_cast<Slot>(columns_); ++b) way[b] = least(a, index(a, b), most);
  std::fill(way + columns_, way + rows_.stride, KeyLimits<T>::kForbid);
}

template <class T>
void Between<T>::come(Slot a, const JobUnits<T>& member, T* way) {
  where_[member.row] = a;
  for (const auto& arc : rows_.row(member.row)) {
    const std::size_t at = add(a, arc.slot);
    const T cost = arc.key - member.own;
    chain(at, {member.row, cost});
    if (way == nullptr || cost >= way[arc.slot]) continue;
    way[arc.slot] = cost;
    who_[at] = member.row;
  }
}

template <class T>
void Between<T>::leave(Slot a, const JobUnits<T>& member, bool spare, T* way) {
  where_[member.row] = kNone;
  for (const auto& arc : rows_.row(member.row)) {
    const std::size_t at = find(a, arc.slot);
    if (at != kAbsent && who_[at] == member.row) way[arc.slot] = least(a, at, spare ? T{0} : KeyLimits<T>::kForbid);
  }
}

template class Between<std::int32_t>;
template class Between<Cost>;

}  // namespace gridcompute::transport
