#include "gridcompute/transport/between.hpp"

namespace gridcompute::transport {

template <class T>
Between<T>::Between(const Listed<T>& rows, const std::vector<std::vector<Member<T>>>& members)
    : rows_(rows),
      columns_(members.size()),
      begin_(columns_ * columns_ + 1, 0),
      chain_(columns_ * columns_, kNone),
      who_(chain_.size(), kNone) {
  const auto visit = [&](const auto& each) {
    for (Slot a = 0; a < static_cast<Slot>(columns_); ++a) {
      for (const Member<T>& m : members[a])
        for (const auto& arc : rows_.row(m.row)) each(pair(a, arc.slot), m, arc.key);
    }
  };
  visit([&](std::size_t at, const Member<T>&, T) { ++begin_[at + 1]; });
  for (std::size_t at = 0; at < chain_.size(); ++at) begin_[at + 1] += begin_[at];
  ways_.resize(static_cast<std::size_t>(begin_.back()));
  std::vector<std::int32_t> next(begin_.begin(), begin_.end() - 1);
  visit([&](std::size_t at, const Member<T>& m, T key) { ways_[next[at]++] = {m.row, key - m.own}; });
  std::int32_t last = -1;
  for (const auto& here : members)
    for (const Member<T>& m : here) last = std::max(last, m.row);
  where_.assign(static_cast<std::size_t>(last) + 1, kNone);
  for (Slot a = 0; a < static_cast<Slot>(columns_); ++a)
    for (const Member<T>& m : members[a]) where_[m.row] = a;
}

template <class T>
T Between<T>::least(Slot a, Slot b, T at_most) {
  const std::size_t at = pair(a, b);
  Way best{kNone, at_most};
  const auto look = [&](const Way& w) {
    const bool better = w.cost < best.cost && where_[w.row] == a;
    best = better ? w : best;
  };
  for (std::int32_t k = begin_[at]; k < begin_[at + 1]; ++k) look(ways_[k]);
  for (std::int32_t k = chain_[at]; k != kNone; k = later_[k].next) look(later_[k].way);
  who_[at] = best.row;
  return best.cost;
}

template <class T>
void Between<T>::build(Slot a, bool spare, T* way) {
  for (Slot b = 0; b < static_cast<Slot>(columns_); ++b) way[b] = least(a, b, spare ? T{0} : Range<T>::kForbid);
  std::fill(way + columns_, way + rows_.stride, Range<T>::kForbid);
}

template <class T>
void Between<T>::come(Slot a, const Member<T>& member, T* way) {
  where_[member.row] = a;
  for (const auto& arc : rows_.row(member.row)) {
    const std::size_t at = pair(a, arc.slot);
    const T cost = arc.key - member.own;
    later_.push_back({{member.row, cost}, chain_[at]});
    chain_[at] = static_cast<std::int32_t>(later_.size()) - 1;
    if (way == nullptr || cost >= way[arc.slot]) continue;
    way[arc.slot] = cost;
    who_[at] = member.row;
  }
}

template <class T>
void Between<T>::leave(Slot a, const Member<T>& member, bool spare, T* way) {
  where_[member.row] = kNone;
  for (const auto& arc : rows_.row(member.row))
    if (who_[pair(a, arc.slot)] == member.row) way[arc.slot] = least(a, arc.slot, spare ? T{0} : Range<T>::kForbid);
}

template class Between<std::int32_t>;
template class Between<Cost>;

}  // namespace gridcompute::transport
