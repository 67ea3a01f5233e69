#include "gridcompute/packing/price_policy.hpp"

#include <algorithm>
#include <limits>
#include <map>

#include "gridcompute/base/hash.hpp"

namespace gridcompute::packing {

namespace {

// The generator splitmix64: the same numbers on every machine, which distributions of <random> do not give.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  // Returns a random number below n.
  std::int64_t below(std::int64_t n) {
    const std::uint64_t z = mixed_bits(state_ += kHashSeed);
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::int64_t>(static_cast<Wide>(z) * static_cast<std::uint64_t>(n) >> 64);
  }

 private:
  std::uint64_t state_;
};

}  // namespace

// Pods drawn without one that needs a device, after which a future is filled by CPU alone.
constexpr std::int64_t kDevicelessPods = 64;

FillValue::FillValue(const Cluster& cluster, const std::vector<MixEntry>& mix, const std::vector<std::int64_t>& prices,
                     std::uint64_t seed, const PackingTuning& tuning)
    : futures_(static_cast<std::size_t>(cluster.classes())), memo_(cluster.width(), tuning.memo_states) {
  for (NodeId n = 0; n < cluster.nodes(); ++n) {
    std::vector<Future>& futures = futures_[static_cast<std::size_t>(cluster.node_class(n))];
    if (!futures.empty()) continue;
    const Inventory& has = cluster.inventory();
    const auto at = static_cast<std::size_t>(n);
    std::vector<Item> items;
    std::vector<std::int64_t> up_to;  // cumulated counts
    std::int64_t total = 0;
    for (std::size_t k = 0; k < mix.size(); ++k) {
      const Shape& s = cluster.shape(mix[k].shape);
      if (!cluster.allowed(s, n) || s.cpu > has.cpu[at] || s.memory > has.memory[at] || s.gpus > has.gpus[at]) continue;
      if (s.partial() && cluster.after(s, n, 0) == kNoState) continue;
      items.push_back({s.cpu, s.memory, prices[k], s.gpus, s.gpus == 0 ? 0 : s.milli, s.profile, 0, 0});
      up_to.push_back(total += mix[k].count);
    }
    futures.resize(static_cast<std::size_t>(tuning.lists));
    if (items.empty()) continue;
    const std::int64_t wanted_milli = std::int64_t{has.gpus[at]} * kDevice * tuning.fill_percent / 100;
    const std::int64_t wanted_cpu = has.cpu[at] * tuning.fill_percent / 100;
    Random random(seed + 0x632be59bd9b4e019 * (static_cast<std::uint64_t>(cluster.node_class(n)) + 1));
    for (std::size_t k = 0; k < futures.size(); ++k) {
      Future& future = futures[k];
      std::int64_t milli = 0, cpu = 0;
      while ((wanted_milli > 0 ? milli < wanted_milli : cpu < wanted_cpu) && future.size() < kMostPods) {
        const auto drawn = std::upper_bound(up_to.begin(), up_to.end(), random.below(total)) - up_to.begin();
        const Item& item = items[static_cast<std::size_t>(drawn)];
        milli += std::int64_t{item.gpus} * item.milli, cpu += item.cpu;
        future.push_back(item);
        const bool long_enough = static_cast<std::int64_t>(future.size()) >= kDevicelessPods;
        if (long_enough && milli == 0 && cpu >= wanted_cpu) break;  // nothing here needs a device
      }
      if (static_cast<std::int64_t>(k) < tuning.sorted_lists)
        std::stable_sort(future.begin(), future.end(), [](const Item& a, const Item& b) { return a.price > b.price; });
      std::int64_t least_cpu = std::numeric_limits<std::int64_t>::max();
      std::int32_t least_milli = kDevice;
      for (auto item = future.rbegin(); item != future.rend(); ++item) {
        if (item->price > 0) {  // pods without a price add no value
          least_cpu = std::min(least_cpu, item->cpu);
          least_milli = std::min(least_milli, item->milli);
        }
        item->least_cpu = least_cpu, item->least_milli = least_milli;
      }
    }
  }
}

std::int64_t FillValue::compute(const Layout& layout, const NodeState& state) const {
  std::int64_t sum = 0;
  for (const Future& future : futures_[at(state.node_class)])
    sum += layout.in_milli() ? fill_milli(future, state) : fill_layout(future, layout, state);
  return sum;
}

std::int64_t FillValue::fill_milli(const Future& future, const NodeState& state) {
  // The milli in use of the devices in use, ascending: used[begin, end); devices before are taken whole, those behind
  // are full.
  std::array<std::int32_t, kMostDevices> used;
  int begin = 0, end = 0, free = 0;
  for (const State d : state.span())
    if (d < kDevice) used[static_cast<std::size_t>(end++)] = d, free += d == 0;
  std::int64_t cpu = state.cpu, memory = state.memory, value = 0;
  for (const Item& item : future) {
    if (cpu < item.least_cpu ||
        (begin == end ? kDevice : used[static_cast<std::size_t>(begin)]) > kDevice - item.least_milli)
      break;
    if (item.cpu > cpu || item.memory > memory) continue;
    if (item.gpus > 0 && item.milli == kDevice) {
      if (free < item.gpus) continue;
      begin += item.gpus, free -= item.gpus;
    } else if (item.gpus > 0) {
      int at = end - 1;
      while (at >= begin && used[static_cast<std::size_t>(at)] + item.milli > kDevice) --at;
      if (at < begin) continue;
      const std::int32_t now = used[static_cast<std::size_t>(at)] + item.milli;
      free -= now == item.milli;
      for (; at + 1 < end && used[static_cast<std::size_t>(at + 1)] < now; ++at)
        used[static_cast<std::size_t>(at)] = used[static_cast<std::size_t>(at + 1)];
      used[static_cast<std::size_t>(at)] = now;
      end -= now == kDevice;
    }
    cpu -= item.cpu, memory -= item.memory, value += item.price;
  }
  return value;
}

std::int64_t FillValue::fill_layout(const Future& future, const Layout& layout, const NodeState& state) {
  std::array<State, kMostDevices> devices = state.device;
  std::int64_t cpu = state.cpu, memory = state.memory, value = 0;
  for (const Item& item : future) {
    if (item.cpu > cpu || item.memory > memory) continue;
    if (item.gpus > 0 && item.profile < 0) {
      int free = 0;
      for (int d = 0; d < state.devices; ++d) free += devices[at(d)] == 0;
      if (free < item.gpus) continue;
      for (int d = 0, left = item.gpus; left > 0; ++d)
        if (devices[at(d)] == 0) devices[at(d)] = layout.full(), --left;
    } else if (item.gpus > 0) {
      int best = -1;
      for (int d = 0; d < state.devices; ++d) {
        const State now = devices[at(d)];
        if (layout.chosen(now, item.profile) != kNoState &&
            (best < 0 || layout.free_milli(now) < layout.free_milli(devices[at(best)])))
          best = d;
      }
      if (best < 0) continue;
      State& now = devices[at(best)];
      now = layout.chosen(now, item.profile);
    }
    cpu -= item.cpu, memory -= item.memory, value += item.price;
  }
  return value;
}

PricePolicy::PricePolicy(const Cluster& cluster, const std::vector<MixEntry>& mix,
                         const std::vector<std::int64_t>& prices, std::uint64_t seed, const PackingTuning& tuning)
    : fill_(cluster, mix, prices, seed, tuning) {
  struct Sum {
    std::int64_t cpu = kMostResource, count = 0;
    Wide price = 0;
  };
  std::map<int, Sum> sizes;
  for (std::size_t k = 0; k < mix.size(); ++k) {
    const Shape& s = cluster.shape(mix[k].shape);
    if (s.gpus < 2) continue;
    Sum& sum = sizes[s.gpus];
    sum.cpu = std::min(sum.cpu, s.cpu), sum.count += mix[k].count, sum.price += Wide{prices[k]} * mix[k].count;
  }
  for (const auto& [gpus, sum] : sizes)
    sizes_.push_back({gpus, sum.cpu,
                      static_cast<std::int64_t>(sum.price * tuning.bonus_permille * tuning.lists / 1000 / sum.count)});
}

std::int64_t PricePolicy::value(const Cluster& cluster, NodeId node, const NodeState& state) {
  std::int64_t value = fill_.value(cluster.layout(node), state);
  int free = 0;
  while (free < state.devices && state.device[at(free)] == 0) ++free;
  for (const Size& size : sizes_)
    if (free >= size.gpus && state.cpu >= size.cpu) value += size.bonus;
  return value;
}

Bid PricePolicy::bid(const Cluster& cluster, ShapeId shape, NodeId node) {
  const Shape& s = cluster.shape(shape);
  NodeState state = state_of(cluster, node);
  const std::int64_t before = value(cluster, node, state);
  state.cpu -= s.cpu, state.memory -= s.memory;
  Bid out;
  if (s.gpus == 0) {
    out.partly.cost = before - value(cluster, node, state);
    return out;
  }
  if (s.whole()) {
    for (int k = 0; k < s.gpus; ++k) state.replace(0, cluster.layout(node).full());
    out.opened.cost = before - value(cluster, node, state);
    return out;
  }
  const auto devices = cluster.devices(node);
  for (std::size_t d = 0; d < devices.size(); ++d) {
    const State to = cluster.after(s, node, devices[d]);
    const auto here = devices.begin() + static_cast<std::ptrdiff_t>(d);
    if (to == kNoState || std::find(devices.begin(), here, devices[d]) != here) continue;
    NodeState next = state;
    next.replace(devices[d], to);
    const std::int64_t cost = before - value(cluster, node, next);
    Offer& offer = devices[d] == 0 ? out.opened : out.partly;
    if (cost < offer.cost) offer = {cost, static_cast<std::int32_t>(d)};
  }
  return out;
}

}  // namespace gridcompute::packing
