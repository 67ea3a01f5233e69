#include "gridcompute/packing/reservations.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace gridcompute::packing {

namespace {

// Returns floor(sqrt(x)), exactly.
std::int64_t integer_root(std::int64_t x) {
  auto r = static_cast<std::int64_t>(std::sqrt(static_cast<double>(x)));
  while (r * r > x) --r;
  while ((r + 1) * (r + 1) <= x) ++r;
  return r;
}

}  // namespace

std::int64_t Reservation::slots_in(const Room& room) const noexcept {
  std::int64_t count = room.devices / size;
  if (count > 0 && cpu > 0) count = std::min(count, room.cpu / cpu);
  if (count > 0 && memory > 0) count = std::min(count, room.memory / memory);
  return count;
}

Reservations::Reservations(const Cluster& cluster, const std::vector<MixEntry>& mix,
                           const std::vector<std::int64_t>& prices, const PackingTuning& tuning)
    : tuning_(tuning),
      whole_(static_cast<std::size_t>(cluster.classes())),
      model_(static_cast<std::size_t>(cluster.classes())) {
  const Inventory& has = cluster.inventory();
  for (NodeId n = 0; n < cluster.nodes(); ++n) {
    const auto c = static_cast<std::size_t>(cluster.node_class(n)), at = static_cast<std::size_t>(n);
    whole_[c] = {has.cpu[at], has.memory[at], has.gpus[at]}, model_[c] = has.model[at];
  }
  Shape any;
  any.gpus = 1;
  const ClassSet all = classes_of(any, true);
  std::vector<ClassSet> hosts;  // of each entry of the mix
  std::vector<Wide> asked;      // of each group, by the shapes that made it
  const auto add = [&](int size, std::int64_t cpu, std::int64_t memory, const ClassSet& classes, Wide demand) {
    if (classes.empty()) return;
    const auto known = std::find_if(groups_.begin(), groups_.end(), [&](const Reservation& g) {
      return g.size == size && g.cpu == cpu && g.memory == memory && g.classes == classes;
    });
    if (known != groups_.end()) {
      asked[static_cast<std::size_t>(known - groups_.begin())] += demand;
      return;
    }
    Reservation group;
    group.size = size, group.cpu = cpu, group.memory = memory, group.classes = classes;
    groups_.push_back(std::move(group));
    asked.push_back(demand);
  };
  Wide total = 0;
  for (const MixEntry& entry : mix) {
    const Shape& s = cluster.shape(entry.shape);
    hosts.push_back(classes_of(s, false));
    const Wide demand = Wide{s.demand()} * entry.count;
    total += demand;
    if (s.gpus > 1) add(s.gpus, s.cpu, s.memory, hosts.back(), demand);
    if (s.gpus > 0 && classes_of(s, true) != all) add(1, s.cpu / s.gpus, s.memory / s.gpus, hosts.back(), demand);
  }
  if (const auto most = static_cast<std::size_t>(tuning.groups); groups_.size() > most) {
    std::vector<std::size_t> order(groups_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return asked[a] > asked[b]; });
    order.resize(most);
    std::sort(order.begin(), order.end());
    std::vector<Reservation> kept;
    for (const std::size_t k : order) kept.push_back(std::move(groups_[k]));
    groups_ = std::move(kept);
  }
  for (Reservation& group : groups_) {
    Wide share = 0, price = 0;
    for (std::size_t k = 0; k < mix.size(); ++k) {
      const Shape& s = cluster.shape(mix[k].shape);
      if (!member(group, s, hosts[k])) continue;
      share += Wide{s.demand()} * mix[k].count;
      price += Wide{prices[k]} * mix[k].count;
    }
    // The mean price per device of the members, times the devices of a slot.
    group.price = share == 0 ? 0 : static_cast<std::int64_t>(price * kDevice * group.size / share);
    group.share = total == 0 ? 0 : static_cast<std::int64_t>(share * 1'000'000 / total);
  }
  for (NodeId n = 0; n < cluster.nodes(); ++n) change(cluster.node_class(n), {}, room_of(cluster, n));
  update_needs(cluster.free_milli());
}

bool ClassSet::empty() const noexcept {
  return std::all_of(words_.begin(), words_.end(), [](std::uint64_t w) { return w == 0; });
}

bool ClassSet::within(const ClassSet& other) const noexcept {
  for (std::size_t k = 0; k < words_.size(); ++k)
    if ((words_[k] & ~other.words_[k]) != 0) return false;
  return true;
}

ClassSet Reservations::classes_of(const Shape& s, bool models_only) const {
  ClassSet out(whole_.size());
  for (std::size_t c = 0; c < whole_.size(); ++c) {
    const bool fits = whole_[c].cpu >= s.cpu && whole_[c].memory >= s.memory && whole_[c].devices >= s.gpus;
    if (whole_[c].devices > 0 && (s.models >> model_[c] & 1) != 0 && (models_only || fits)) out.add(c);
  }
  return out;
}

bool Reservations::member(const Reservation& group, const Shape& s, const ClassSet& hosts) noexcept {
  return s.gpus >= group.size && !hosts.empty() && hosts.within(group.classes);
}

void Reservations::change(int node_class, const Room& before, const Room& after) noexcept {
  for (Reservation& group : groups_)
    if (group.classes.has(node_class)) group.slots += group.slots_in(after) - group.slots_in(before);
}

void Reservations::update_needs(std::int64_t free_milli) noexcept {
  for (Reservation& group : groups_) {
    // Milli of devices: share x free / 10^6; in thousandths of a slot that is milli / size.
    const auto milli = static_cast<std::int64_t>(Wide{group.share} * free_milli / 1'000'000);
    group.need = milli / group.size;
    // sqrt(need x size) / size in thousandths of a slot: sqrt(milli x 1000 x size) / size.
    const std::int64_t spread = integer_root(milli * 1000 * group.size) / group.size;
    group.kept = group.need * tuning_.need_percent / 100 + spread * tuning_.spread_percent / 100;
  }
}

// Part of what is kept beyond the need over which the charge rises from nothing to all of it (percent).
constexpr std::int64_t kRampPercent = 100;

void Reservations::prepare(const Cluster& cluster, ShapeId id) {
  charges_.clear();
  if (groups_.empty()) return;
  const Shape& shape = cluster.shape(id);
  taken_ = {shape.cpu, shape.memory, 0};
  update_needs(cluster.free_milli());
  const auto at = static_cast<std::size_t>(id);
  if (at >= exempt_.size()) exempt_.resize(at + 1);
  if (exempt_[at].empty()) {
    const ClassSet hosts = classes_of(shape, false);
    std::vector<std::int8_t> exempt;  // all of them, or none where memory is short
    for (const Reservation& group : groups_)
      exempt.push_back(member(group, shape, hosts) && shape.cpu >= group.cpu && shape.memory >= group.memory);
    exempt_[at] = std::move(exempt);
  }
  for (std::size_t k = 0; k < groups_.size(); ++k) {
    const Reservation& group = groups_[k];
    const std::int64_t left = (group.slots - 1) * 1000;
    if (exempt_[at][k] || left >= group.kept || group.price == 0) continue;
    const std::int64_t range = std::max<std::int64_t>(1, (group.kept - group.need) * kRampPercent / 100);
    const std::int64_t part = std::min<std::int64_t>(1000, (group.kept - left) * 1000 / range);
    const std::int64_t percent = group.size == 1 ? tuning_.list_percent : tuning_.charge_percent;
    // Fill values are sums over the futures, and so are charges.
    const auto price = static_cast<std::int64_t>(Wide{group.price} * part * percent * tuning_.lists / 100'000);
    if (price > 0) charges_.push_back({&group, price});
  }
}

std::int64_t Reservations::charge(int node_class, const Room& room, int devices) const noexcept {
  std::int64_t most = 0;
  const Room after{room.cpu - taken_.cpu, room.memory - taken_.memory, room.devices - devices};
  for (const auto& [group, price] : charges_) {
    if (!group->classes.has(node_class)) continue;
    const std::int64_t before = group->slots_in(room);
    if (before > 0) most = std::max(most, price * (before - group->slots_in(after)));
  }
  return most;
}

}  // namespace gridcompute::packing
