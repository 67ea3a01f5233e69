#include "gridcompute/packing/cluster.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace gridcompute::packing {

namespace {

[[noreturn]] void refuse(const char* field, Index at, const std::string& found, const std::string& needed) {
  throw Error(ErrorKind::invalid_problem, field, at,
              std::string(field) + "[" + std::to_string(at) + "]: found " + found + ", needed " + needed);
}

void check(const char* field, Index at, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value < least || value > most)
    refuse(field, at, std::to_string(value), std::to_string(least) + " to " + std::to_string(most));
}

[[noreturn]] void broken(const char* what) { throw Error(ErrorKind::internal, "", -1, what); }

bool by_id(const Pod* a, const Pod* b) noexcept { return a->id < b->id; }

}  // namespace

Cluster::Cluster(Inventory inventory) : inventory_(std::move(inventory)) {
  const Inventory& v = inventory_;
  const std::size_t n = v.cpu.size();
  if (v.memory.size() != n || v.gpus.size() != n || v.model.size() != n || v.rank.size() != n)
    throw Error(ErrorKind::internal, "nodes", -1, "columns of nodes of different lengths");
  if (v.layouts.size() > kMostModels)
    throw Error(ErrorKind::invalid_problem, "nodes", -1,
                "nodes: found " + std::to_string(v.layouts.size()) + " models, needed at most 64");
  std::map<std::tuple<std::int64_t, std::int64_t, int, int>, int> classes;
  for (std::size_t k = 0; k < n; ++k) {
    const auto i = static_cast<Index>(k);
    check("nodes.cpu_milli", i, v.cpu[k], 0, kMostResource);
    check("nodes.memory_mib", i, v.memory[k], 0, kMostResource);
    check("nodes.gpu", i, v.gpus[k], 0, kMostDevices);
    check("nodes.model", i, v.model[k], 0, models() - 1);
    width_ = std::max(width_, static_cast<int>(v.gpus[k]));
    class_.push_back(
        classes.try_emplace({v.cpu[k], v.memory[k], v.gpus[k], v.model[k]}, static_cast<int>(classes.size()))
            .first->second);
    milli_.push_back(std::int64_t{v.gpus[k]} * kDevice);
    free_milli_ += milli_.back();
  }
  classes_ = static_cast<int>(classes.size());
  cpu_ = v.cpu, memory_ = v.memory, free_devices_ = v.gpus;
  states_.assign(n * static_cast<std::size_t>(width_), 0);
  version_.assign(n, 1);
  held_.resize(n);
}

ShapeId Cluster::add_shape(const Shape& s) {
  const auto known = std::find(shapes_.begin(), shapes_.end(), s);
  if (known != shapes_.end()) return static_cast<ShapeId>(known - shapes_.begin());
  const auto i = static_cast<Index>(shapes_.size());
  check("pods.cpu_milli", i, s.cpu, 0, kMostResource);
  check("pods.memory_mib", i, s.memory, 0, kMostResource);
  check("pods.num_gpu", i, s.gpus, 0, std::numeric_limits<std::int32_t>::max());
  if (s.gpus > 0) check("pods.gpu_milli", i, s.milli, s.gpus == 1 ? 1 : kDevice, kDevice);
  if (s.gpus == 0 && s.milli != 0) refuse("pods.gpu_milli", i, std::to_string(s.milli), "0 where num_gpu is 0");
  shapes_.push_back(s);
  return static_cast<ShapeId>(i);
}

bool Cluster::devices_fit(const Shape& s, NodeId n) const noexcept {
  if (s.whole()) return free_devices(n) >= s.gpus;
  for (const State device : devices(n))
    if (after(s, n, device) != kNoState) return true;
  return false;
}

Devices Cluster::free_mask(const Shape& s, NodeId n) const noexcept {
  Devices mask = 0;
  int left = s.gpus, d = 0;
  for (const State device : devices(n)) {
    if (left > 0 && device == 0) mask |= Devices{1} << d, --left;
    ++d;
  }
  return mask;
}

void Cluster::add_pod(PodId id, ShapeId shape) { pods_.try_emplace(id, Pod{id, shape, {}, {}}); }

std::vector<const Pod*> Cluster::pods() const {
  std::vector<const Pod*> out;
  for (const auto& entry : pods_) out.push_back(&entry.second);
  std::sort(out.begin(), out.end(), by_id);
  return out;
}

void Cluster::set_device(NodeId n, int device, State state) {
  State& now = states_[at(n) * at(width_) + at(device)];
  const std::int64_t change = layout(n).free_milli(state) - layout(n).free_milli(now);
  free_devices_[at(n)] += (state == 0) - (now == 0);
  milli_[at(n)] += change, free_milli_ += change;
  now = state;
}

void Cluster::take(Pod& pod, const Position& position, const Decision& decision) {
  const Shape& s = shape(pod.shape);
  const NodeId n = position.node;
  if (pod.placed() || n < 0 || n >= nodes() || !allowed(s, n) || cpu(n) < s.cpu || memory(n) < s.memory ||
      std::popcount(position.devices) != s.gpus || (position.devices >> gpus(n)) != 0)
    broken("a pod was to be placed where it does not fit");
  // Sorts by id, so that a restored state equals the original, whatever the order of calls that led to it. The only
  // step that may be short of memory is the first.
  std::vector<const Pod*>& held = held_[at(n)];
  held.insert(std::upper_bound(held.begin(), held.end(), &pod, by_id), &pod);
  for (Devices left = position.devices; left != 0; left &= left - 1) {
    const int d = std::countr_zero(left);
    const State now = devices(n)[at(d)];
    State next = kNoState;
    if (s.profile < 0)
      next = after(s, n, now);
    else if (position.item >= 0 && position.item < layout(n).items() && layout(n).profile(position.item) == s.profile)
      next = layout(n).next(now, position.item);
    if (next == kNoState) broken("a device was to hold what is no allowed layout");
    set_device(n, d, next);
  }
  cpu_[at(n)] -= s.cpu, memory_[at(n)] -= s.memory;
  ++version_[at(n)];
  pod.at = position, pod.decision = decision;
}

void Cluster::place(PodId id, NodeId node, Devices mask, const Decision& decision) {
  Pod& pod = pods_.at(id);
  const Shape& s = shape(pod.shape);
  std::int32_t item = -1;
  if (s.profile >= 0 && mask != 0 && !layout(node).in_milli())
    item = layout(node).choice(devices(node)[at(std::countr_zero(mask))], s.profile);
  take(pod, {node, mask, item}, decision);
}

void Cluster::release(PodId id) {
  Pod& pod = pods_.at(id);
  if (!pod.placed()) broken("a pod was to be released that is not placed");
  const Shape& s = shape(pod.shape);
  const NodeId n = pod.at.node;
  for (Devices left = pod.at.devices; left != 0; left &= left - 1) {
    const int d = std::countr_zero(left);
    const State now = devices(n)[at(d)];
    if (s.whole())
      set_device(n, d, 0);
    else
      set_device(n, d, s.profile < 0 ? static_cast<State>(now - s.milli) : layout(n).previous(now, pod.at.item));
  }
  cpu_[at(n)] += s.cpu, memory_[at(n)] += s.memory;
  ++version_[at(n)];
  std::vector<const Pod*>& held = held_[at(n)];
  held.erase(std::find(held.begin(), held.end(), &pod));
  pod.at = {};
}

bool Cluster::holds() const {
  std::int64_t total = 0;
  std::size_t placed = 0;
  for (NodeId n = 0; n < nodes(); ++n) {
    std::int64_t cpu_left = inventory_.cpu[at(n)], memory_left = inventory_.memory[at(n)];
    std::vector<std::int64_t> used(at(gpus(n)), 0);
    placed += pods_of(n).size();
    for (const Pod* const pod : pods_of(n)) {
      const Shape& s = shape(pod->shape);
      if (pod->at.node != n || find(pod->id) != pod) return false;
      cpu_left -= s.cpu, memory_left -= s.memory;
      for (Devices left = pod->at.devices; left != 0; left &= left - 1) used[at(std::countr_zero(left))] += s.milli;
    }
    if (cpu_left != cpu(n) || memory_left != memory(n) || cpu_left < 0 || memory_left < 0) return false;
    std::int64_t sum = 0;
    int empty = 0;
    for (std::size_t d = 0; d < used.size(); ++d) {
      const State state = devices(n)[d];
      if (state >= layout(n).states() || layout(n).free_milli(state) != kDevice - used[d]) return false;
      sum += layout(n).free_milli(state), empty += state == 0;
    }
    if (sum != milli(n) || empty != free_devices(n)) return false;
    total += sum;
  }
  return total == free_milli_ && placed == pods_.size();
}

}  // namespace gridcompute::packing
