#include "gridcompute/packing/published_rules.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "gridcompute/packing/price_policy.hpp"

namespace gridcompute::packing {

namespace {

// The largest node of the records, by which scores are normalised: numbers of the published rules.
constexpr double kCpu = 128000, kMilli = 8000;

// Returns the device for a shape's part with the least milli left, the lowest number on ties; -1 for other shapes.
std::int32_t fullest_device(const Cluster& cluster, const Shape& shape, NodeId node) {
  std::int32_t best = -1, least = kDevice + 1;
  if (!shape.partial()) return -1;
  const auto devices = cluster.devices(node);
  for (std::size_t d = 0; d < devices.size(); ++d) {
    const std::int32_t left = cluster.layout(node).free_milli(devices[d]);
    if (left < least && cluster.after(shape, node, devices[d]) != kNoState)
      best = static_cast<std::int32_t>(d), least = left;
  }
  return best;
}

class Fgd final : public Policy {
 public:
  Fgd(const Cluster& cluster, std::vector<MixEntry> typical, const PackingTuning& tuning)
      : memo_(cluster.width(), tuning.memo_states) {
    double total = 0;
    for (const MixEntry& entry : typical) total += static_cast<double>(entry.count);
    for (const MixEntry& entry : typical)
      typical_.push_back({cluster.shape(entry.shape), static_cast<double>(entry.count) / total});
  }

  Bid bid(const Cluster& cluster, ShapeId shape, NodeId node) override {
    const Shape& s = cluster.shape(shape);
    NodeState state = state_of(cluster, node);
    state.memory = 0;
    const double before = fragment(cluster, node, state);
    state.cpu -= s.cpu;
    Bid out;
    const auto devices = cluster.devices(node);
    if (!s.partial()) {
      for (int k = 0; k < s.gpus; ++k) state.replace(0, cluster.layout(node).full());
      out.partly = {-score(before - fragment(cluster, node, state)), -1};
      return out;
    }
    for (std::size_t d = 0; d < devices.size(); ++d) {
      const State to = cluster.after(s, node, devices[d]);
      if (to == kNoState || std::find(devices.begin(), devices.begin() + static_cast<std::ptrdiff_t>(d), devices[d]) !=
                                devices.begin() + static_cast<std::ptrdiff_t>(d))
        continue;
      NodeState next = state;
      next.replace(devices[d], to);
      const std::int64_t cost = -score(before - fragment(cluster, node, next));
      if (cost < out.partly.cost) out.partly = {cost, static_cast<std::int32_t>(d)};
    }
    return out;
  }

 private:
  struct Typical {
    Shape shape;
    double weight;
  };
  static std::int64_t score(double gain) { return static_cast<std::int64_t>(1 / (1 + std::exp(-gain / 1000)) * 100); }

  double fragment(const Cluster& cluster, NodeId node, const NodeState& state) {
    return memo_.get(state, [&] {
      // Adds fragments in the order of the records: each kind of fragment by itself, then the kinds.
      enum Kind { lack_both, lack_gpu, lack_cpu, no_gpu_asked, no_gpu_asked_lack_cpu, no_access, kinds };
      std::array<double, kinds> sum{};
      const Layout& layout = cluster.layout(node);
      std::int64_t left = 0;
      for (const State d : state.span()) left += layout.free_milli(d);
      for (const auto& [s, weight] : typical_) {
        const auto all = static_cast<double>(left);
        const bool cpu = state.cpu >= s.cpu;
        if (s.gpus == 0) {
          sum[cpu ? no_gpu_asked : no_gpu_asked_lack_cpu] += weight * all;
          continue;
        }
        if (!cluster.allowed(s, node)) {
          sum[no_access] += weight * all;
          continue;
        }
        int fitting = 0;
        std::int64_t small = 0;
        for (const State d : state.span()) {
          if (cluster.after(s, node, d) != kNoState)
            ++fitting;
          else
            small += layout.free_milli(d);
        }
        if (fitting >= s.gpus && cpu)
          sum[lack_gpu] += weight * static_cast<double>(small);
        else
          sum[fitting >= s.gpus ? lack_cpu : cpu ? lack_gpu : lack_both] += weight * all;
      }
      return std::accumulate(sum.begin(), sum.end(), 0.0);
    });
  }

  std::vector<Typical> typical_;
  StateMemo<double> memo_;
};

class BestFit final : public Policy {
 public:
  Bid bid(const Cluster& cluster, ShapeId shape, NodeId node) override {
    const Shape& s = cluster.shape(shape);
    const auto cpu = static_cast<double>(cluster.cpu(node) - s.cpu);
    const auto milli = static_cast<double>(cluster.milli(node) - s.demand());
    const auto score = static_cast<std::int64_t>((1 - (cpu / kCpu * 0.5 + milli / kMilli * 0.5)) * 100);
    return {{-score, fullest_device(cluster, s, node)}, {}};
  }
  [[nodiscard]] bool rescales() const noexcept override { return true; }
  void rescale(std::span<std::int64_t> costs) const override {
    if (costs.empty()) return;
    const auto [least, most] = std::minmax_element(costs.begin(), costs.end());
    const std::int64_t low = -*most, range = *most - *least;
    for (std::int64_t& c : costs) c = range == 0 ? 0 : -((-c - low) * 100 / range);
  }
};

class DotProduct final : public Policy {
 public:
  Bid bid(const Cluster& cluster, ShapeId shape, NodeId node) override {
    const Shape& s = cluster.shape(shape);
    const double cpu = static_cast<double>(cluster.cpu(node)) / kCpu * (static_cast<double>(s.cpu) / kCpu);
    const double milli = static_cast<double>(cluster.milli(node)) / kMilli * (static_cast<double>(s.demand()) / kMilli);
    const auto score = static_cast<std::int64_t>((1 - (cpu + milli) / 2) * 100);
    return {{-score, fullest_device(cluster, s, node)}, {}};
  }
};

class GpuPacking final : public Policy {
 public:
  Bid bid(const Cluster& cluster, ShapeId shape, NodeId node) override {
    const Shape& s = cluster.shape(shape);
    const std::int32_t device = fullest_device(cluster, s, node);
    return {{-score(cluster, s, node, device), device}, {}};
  }

 private:
  static std::int64_t score(const Cluster& cluster, const Shape& s, NodeId node, std::int32_t device) {
    if (s.gpus == 0) return 0;
    const int free = cluster.free_devices(node);
    if (free == cluster.gpus(node)) return std::max(33 - free, free);
    if (device < 0) return std::max(50 - s.gpus, 33);
    const State state = cluster.devices(node)[at(device)];
    if (state == 0) return std::max(50 - 1, 33);
    return std::max(100 - cluster.layout(node).free_milli(state) * 100 / kDevice / 10, 50);
  }
};

class GpuClustering final : public Policy {
 public:
  Bid bid(const Cluster& cluster, ShapeId shape, NodeId node) override {
    const Shape& s = cluster.shape(shape);
    return {{-score(cluster, s, node), fullest_device(cluster, s, node)}, {}};
  }

 private:
  static int kind(const Shape& s) { return s.partial() ? 0 : s.gpus; }
  static std::int64_t score(const Cluster& cluster, const Shape& s, NodeId node) {
    if (s.gpus == 0) return 0;
    bool same = false, others = false;
    for (const Pod* const pod : cluster.pods_of(node)) {
      const Shape& held = cluster.shape(pod->shape);
      if (held.gpus == 0) continue;
      (kind(held) == kind(s) ? same : others) = true;
    }
    const std::int64_t used = 25 * (static_cast<std::int64_t>(kMilli) - cluster.milli(node)) / 8000;
    return used + (same ? (others ? 50 : 75) : others ? 0 : 25);
  }
};

}  // namespace

std::unique_ptr<Policy> published_rule(std::string_view name, const Cluster& cluster, std::vector<MixEntry> typical,
                                       const PackingTuning& tuning) {
  if (name == "fgd") return std::make_unique<Fgd>(cluster, std::move(typical), tuning);
  if (name == "best_fit") return std::make_unique<BestFit>();
  if (name == "dot_product") return std::make_unique<DotProduct>();
  if (name == "packing") return std::make_unique<GpuPacking>();
  if (name == "clustering") return std::make_unique<GpuClustering>();
  return nullptr;
}

}  // namespace gridcompute::packing
