#include "gridcompute/packing/packer.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

#include "gridcompute/packing/price_policy.hpp"
#include "gridcompute/packing/published_rules.hpp"

namespace gridcompute::packing {

Packer::Packer(Inventory inventory, std::string policy, std::int64_t latest)
    : cluster_(std::move(inventory)), name_(std::move(policy)), kept_(at(latest)) {}

ShapeId Packer::add_shape(const Shape& shape) {
  const ShapeId id = cluster_.add_shape(shape);
  const auto n = at(cluster_.shapes());
  cells_.resize(n), last_use_.resize(n, 0), counts_.resize(n, 0);
  return id;
}

void Packer::set_mix(std::vector<MixEntry> mix, std::vector<std::int64_t> prices, std::uint64_t seed,
                     const PackingTuning& tuning) {
  if (prices.size() != mix.size()) throw Error(ErrorKind::internal, "mix", -1, "prices of another number of shapes");
  for (std::size_t k = 0; k < mix.size(); ++k)
    if (mix[k].shape < 0 || mix[k].shape >= cluster_.shapes() || mix[k].count < 1 || prices[k] < 0 ||
        prices[k] > kMostPrice)
      throw Error(ErrorKind::internal, "mix", static_cast<Index>(k), "no shape, count or price of the mix");
  for (std::vector<Cell>& cells : cells_) cells.clear();
  n_cells_ = 0;
  tuning_ = tuning;
  price_of_shape_.assign(at(cluster_.shapes()), 0);
  for (std::size_t k = 0; k < mix.size(); ++k) price_of_shape_[at(mix[k].shape)] = prices[k];
  if (name_ != "price") {
    policy_ = published_rule(name_, cluster_, std::move(mix), tuning_);
    if (!policy_) throw Error(ErrorKind::invalid_problem, "policy", -1, "policy: found " + name_ + ", which is none");
    return;
  }
  for (int m = 0; m < cluster_.models(); ++m) {
    Layout& layout = cluster_.layout_of_model(m);
    if (layout.in_milli()) continue;
    std::vector<std::int64_t> price(at(layout.profiles()), 0);
    for (std::size_t k = 0; k < mix.size(); ++k) {
      const Shape& s = cluster_.shape(mix[k].shape);
      if (s.profile >= 0 && s.profile < layout.profiles() && (s.models >> m & 1) != 0) {
        std::int64_t& p = price[at(s.profile)];
        p = std::max(p, prices[k]);
      }
    }
    layout.set_prices(price);
  }
  policy_ = std::make_unique<PricePolicy>(cluster_, mix, prices, seed, tuning);
  reservations_ = std::make_unique<Reservations>(cluster_, mix, prices, tuning);
}

std::vector<Packer::Cell>& Packer::cells(ShapeId shape) {
  const auto at = static_cast<std::size_t>(shape), n = static_cast<std::size_t>(cluster_.nodes());
  last_use_[at] = ++clock_;
  if (cells_[at].empty() && n > 0) {
    while (n_cells_ + n > static_cast<std::size_t>(tuning_.kept_bids) && n_cells_ > 0) {
      std::size_t oldest = at;
      for (std::size_t k = 0; k < cells_.size(); ++k)
        if (!cells_[k].empty() && last_use_[k] < last_use_[oldest]) oldest = k;
      n_cells_ -= cells_[oldest].size();
      std::vector<Cell>().swap(cells_[oldest]);
    }
    cells_[at].resize(n);
    n_cells_ += n;
  }
  return cells_[at];
}

Packer::Choice Packer::choose(ShapeId id) {
  if (policy_->rescales()) return choose_rescaled(id);
  const Shape& shape = cluster_.shape(id);
  std::vector<Cell>& cells = this->cells(id);
  if (reservations_) reservations_->prepare(cluster_, id);
  const bool charging = reservations_ && reservations_->charging();
  Choice best;
  std::int64_t least = kNoOffer;
  std::int32_t least_rank = 0;
  const NodeId nodes = cluster_.nodes();
  for (NodeId n = 0; n < nodes; ++n) {
    Cell& cell = cells[at(n)];
    if (cell.version != cluster_.version(n)) {
      cell.version = cluster_.version(n);
      cell.fits = cluster_.fits(shape, n);
      if (cell.fits) cell.bid = policy_->bid(cluster_, id, n);
    }
    if (!cell.fits) continue;
    std::int64_t cost = cell.bid.partly.cost, charge = 0;
    std::int32_t device = cell.bid.partly.device;
    if (charging) {
      // Charges are never negative: a cost that is not below the runner-up's without its charge is not below it with
      // the charge.
      if (best.decision.runner_up >= 0 && std::min(cost, cell.bid.opened.cost) > best.decision.runner_up_cost) continue;
      const Room room = room_of(cluster_, n);
      const int node_class = cluster_.node_class(n);
      if (cost < kNoOffer) charge = reservations_->charge(node_class, room, 0), cost += charge;
      if (cell.bid.opened.cost < cost) {
        const std::int64_t extra = reservations_->charge(node_class, room, shape.gpus);
        if (cell.bid.opened.cost + extra < cost)
          cost = cell.bid.opened.cost + extra, charge = extra, device = cell.bid.opened.device;
      }
    } else if (cell.bid.opened.cost < cost) {
      cost = cell.bid.opened.cost, device = cell.bid.opened.device;
    }
    const std::int32_t rank = cluster_.rank(n);
    if (best.node < 0 || cost < least || (cost == least && rank < least_rank)) {
      best.decision = {cost, charge, best.node, least};
      best.node = n, best.device = device, least = cost, least_rank = rank;
    } else if (best.decision.runner_up < 0 || cost < best.decision.runner_up_cost) {
      best.decision.runner_up = n, best.decision.runner_up_cost = cost;
    }
  }
  if (best.decision.runner_up < 0) best.decision.runner_up_cost = 0;
  return best;
}

Packer::Choice Packer::choose_rescaled(ShapeId id) {
  const Shape& shape = cluster_.shape(id);
  costs_.clear(), feasible_.clear();
  std::vector<std::int32_t> device;
  for (NodeId n = 0; n < cluster_.nodes(); ++n) {
    if (!cluster_.fits(shape, n)) continue;
    const Bid bid = policy_->bid(cluster_, id, n);
    costs_.push_back(bid.partly.cost), feasible_.push_back(n), device.push_back(bid.partly.device);
  }
  policy_->rescale(costs_);
  Choice best;
  for (std::size_t k = 0; k < feasible_.size(); ++k) {
    const auto key = [&](NodeId n, std::int64_t cost) { return std::pair(cost, cluster_.rank(n)); };
    if (best.node < 0 || key(feasible_[k], costs_[k]) < key(best.node, best.decision.cost)) {
      best.decision = {costs_[k], 0, best.node, best.decision.cost};
      best.node = feasible_[k], best.device = device[k];
    } else if (best.decision.runner_up < 0 || costs_[k] < best.decision.runner_up_cost) {
      best.decision.runner_up = feasible_[k], best.decision.runner_up_cost = costs_[k];
    }
  }
  return best;
}

void Packer::put(PodId pod, const Choice& choice) {
  const Shape& shape = cluster_.shape(cluster_.pod(pod).shape);
  const Devices mask = shape.gpus == 0      ? 0
                       : choice.device >= 0 ? Devices{1} << choice.device
                                            : cluster_.free_mask(shape, choice.node);
  const Room before = room_of(cluster_, choice.node);
  cluster_.place(pod, choice.node, mask, choice.decision);
  if (reservations_) reservations_->change(cluster_.node_class(choice.node), before, room_of(cluster_, choice.node));
}

bool Packer::try_place(PodId pod) {
  const Choice choice = choose(cluster_.pod(pod).shape);
  if (choice.node < 0) return false;
  put(pod, choice);
  return true;
}

void Packer::take_out(PodId pod) {
  const NodeId node = cluster_.pod(pod).at.node;
  const Room before = room_of(cluster_, node);
  cluster_.release(pod);
  if (reservations_) reservations_->change(cluster_.node_class(node), before, room_of(cluster_, node));
}

void Packer::put_back(const Pod& was) {
  const NodeId node = was.at.node;
  const Room before = room_of(cluster_, node);
  cluster_.restore(was);
  if (reservations_) reservations_->change(cluster_.node_class(node), before, room_of(cluster_, node));
}

std::int64_t Packer::price(ShapeId shape) const {
  const auto at = static_cast<std::size_t>(shape);
  return at < price_of_shape_.size() ? price_of_shape_[at] : 0;
}

void Packer::place_batch(std::span<PodId> order) {
  std::stable_sort(order.begin(), order.end(), [&](PodId a, PodId b) {
    const auto key = [&](PodId p) {
      const ShapeId s = cluster_.pod(p).shape;
      return std::tuple(price(s), cluster_.shape(s).demand(), cluster_.shape(s).cpu);
    };
    return key(a) > key(b);
  });
  for (const PodId p : order) try_place(p);
  for (const PodId p : order) {
    if (!cluster_.pod(p).placed()) continue;
    take_out(p);
    try_place(p);  // it fits at least at its old position
  }
  for (const PodId p : order)
    if (!cluster_.pod(p).placed()) try_place(p);
}

Placed Packer::place(std::span<const ShapeId> shapes, int moves) {
  if (!policy_) throw Error(ErrorKind::internal, "mix", -1, "pods were to be placed before the mix was set");
  for (const ShapeId s : shapes)
    if (s < 0 || s >= cluster_.shapes()) throw Error(ErrorKind::internal, "pods", -1, "no shape of this number");
  Placed out;
  std::vector<PodId> order(shapes.size());
  std::iota(order.begin(), order.end(), arrived_);
  std::vector<Pod> before;
  const std::size_t latest = latest_.size();
  try {
    for (std::size_t k = 0; k < shapes.size(); ++k) cluster_.add_pod(order[k], shapes[k]);
    place_all(order, moves, out, before);
    for (std::size_t k = 0; k < shapes.size(); ++k) {
      const bool placed = cluster_.pod(arrived_ + static_cast<PodId>(k)).placed();
      out.refused.push_back(placed ? Refusal::none : refusal(shapes[k]));
      latest_.push_back({shapes[k], placed});
    }
  } catch (...) {
    // Takes out all that was placed or moved before it puts back what was there, and allocates nothing.
    latest_.resize(latest);
    const auto is_placed = [&](PodId p) { return cluster_.find(p) != nullptr && cluster_.pod(p).placed(); };
    const PodId end = arrived_ + static_cast<PodId>(shapes.size());
    for (PodId p = arrived_; p < end; ++p) {
      if (is_placed(p)) take_out(p);
      cluster_.remove_pod(p);
    }
    for (const Pod& was : before)
      if (is_placed(was.id)) take_out(was.id);
    for (const Pod& was : before)  // a pod that was moved twice is as before the call in its first entry
      if (was.id < arrived_ && !is_placed(was.id)) put_back(was);
    throw;
  }
  for (std::size_t k = 0; k < shapes.size(); ++k) {
    ++counts_[at(shapes[k])];
    if (out.refused[k] != Refusal::none) cluster_.remove_pod(arrived_ + static_cast<PodId>(k));
  }
  arrived_ += static_cast<PodId>(shapes.size());
  while (latest_.size() > kept_) latest_.pop_front();
  return out;
}

// Pods of a larger call that are placed together, in the order of their prices.
constexpr std::int64_t kBatchPods = 64;

void Packer::place_all(std::span<PodId> order, int moves, Placed& out, std::vector<Pod>& before) {
  if (name_ == "price" && order.size() > 1) {
    const auto part = at(kBatchPods);
    for (std::size_t k = 0; k < order.size(); k += part)
      place_batch(order.subspan(k, std::min(part, order.size() - k)));
  } else {
    for (const PodId p : order) try_place(p);
  }
  const bool moves_allowed = moves > 0;
  if (moves_allowed) {
    for (const PodId p : order) {
      if (moves <= 0) break;
      if (!cluster_.pod(p).placed()) moves -= rescue(p, moves, out.moved, before);
    }
  }
  // A pod that was placed later in the batch, or moved, may have left room for another.
  if (moves_allowed || order.size() > 1)
    for (const PodId p : order)
      if (!cluster_.pod(p).placed()) try_place(p);
  std::sort(out.moved.begin(), out.moved.end());
  out.moved.erase(std::unique(out.moved.begin(), out.moved.end()), out.moved.end());
}

void Packer::release(std::span<const PodId> pods) {
  std::vector<PodId> sorted(pods.begin(), pods.end());
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t k = 0; k < sorted.size(); ++k) {
    const PodId p = sorted[k];
    const bool twice = k > 0 && sorted[k - 1] == p;
    if (cluster_.find(p) == nullptr || twice) {
      const Index at = std::find(pods.begin() + (twice ? std::find(pods.begin(), pods.end(), p) - pods.begin() + 1 : 0),
                                 pods.end(), p) -
                       pods.begin();
      throw Error(ErrorKind::invalid_problem, "ids", at,
                  "ids[" + std::to_string(at) + "]: found " + std::to_string(p) +
                      (twice ? " twice" : ", which is not placed") + ", needed the id of a placed pod");
    }
  }
  for (const PodId p : sorted) take_out(p), cluster_.remove_pod(p);
}

void Packer::restore(std::span<const Pod> pods, std::vector<std::int64_t> counts, std::deque<Arrival> latest) {
  const auto known = [&](ShapeId s) { return s >= 0 && s < cluster_.shapes(); };
  bool good = arrived_ == 0 && counts.size() == counts_.size();
  PodId arrived = 0;
  for (const std::int64_t count : counts) {
    good = good && count >= 0 && count <= std::numeric_limits<PodId>::max() - arrived;
    if (good) arrived += count;
  }
  for (const Arrival& arrival : latest) good = good && known(arrival.shape);
  for (const Pod& pod : pods)
    good = good && pod.id >= 0 && pod.id < arrived && known(pod.shape) && pod.at.node >= 0 &&
           pod.at.node < cluster_.nodes();
  if (!good) throw Error(ErrorKind::internal, "pods", -1, "pods that are none of these nodes and shapes");
  for (const Pod& pod : pods) cluster_.add_pod(pod.id, pod.shape), put_back(pod);
  arrived_ = arrived, counts_ = std::move(counts), latest_ = std::move(latest);
  if (!holds()) throw Error(ErrorKind::internal, "pods", -1, "pods and counts that do not agree");
}

std::vector<std::int64_t> Packer::counts(std::int64_t n) const {
  if (n >= arrived_) return counts_;
  if (n > static_cast<std::int64_t>(latest_.size()))
    throw Error(ErrorKind::invalid_problem, "window", -1,
                "window: found " + std::to_string(n) + ", needed at most " + std::to_string(latest_.size()) +
                    ", the pods whose order is kept, or at least all " + std::to_string(arrived_) + " that came");
  std::vector<std::int64_t> out(counts_.size(), 0);
  for (auto arrival = latest_.end() - n; arrival != latest_.end(); ++arrival)
    ++out[static_cast<std::size_t>(arrival->shape)];
  return out;
}

std::vector<const Pod*> Packer::removal(const Shape& shape, NodeId node, int most) const {
  const Inventory& has = cluster_.inventory();
  const auto at = static_cast<std::size_t>(node);
  if (!cluster_.allowed(shape, node) || shape.cpu > has.cpu[at] || shape.memory > has.memory[at] ||
      shape.gpus > has.gpus[at] || (shape.partial() && cluster_.after(shape, node, 0) == kNoState))
    return {};
  std::vector<const Pod*> out;
  const auto held = cluster_.pods_of(node);
  const auto devices = cluster_.devices(node);
  const auto chosen = [&](const Pod* p) { return std::find(out.begin(), out.end(), p) != out.end(); };
  if (shape.gpus > 0 && !cluster_.devices_fit(shape, node)) {
    // Takes the devices with the fewest pods, then the least used, with all of their pods. (For a part of a device in
    // milli, one device is enough, by the smallest pod that suffices.)
    std::vector<std::tuple<int, std::int32_t, int>> order;
    for (std::size_t d = 0; d < devices.size(); ++d) {
      int count = 0;
      for (const Pod* const p : held) count += (p->at.devices >> d & 1) != 0;
      order.emplace_back(count, kDevice - cluster_.layout(node).free_milli(devices[d]), static_cast<int>(d));
    }
    if (shape.partial() && cluster_.layout(node).in_milli()) {
      // Takes the smallest pod whose part, with the free part of its device, is large enough.
      const Pod* best = nullptr;
      for (const Pod* const p : held) {
        const Shape& s = cluster_.shape(p->shape);
        if (s.gpus != 1) continue;
        const State state = devices[static_cast<std::size_t>(std::countr_zero(p->at.devices))];
        if (kDevice - state + s.milli < shape.milli) continue;
        if (best == nullptr || s.milli < cluster_.shape(best->shape).milli) best = p;
      }
      if (best == nullptr) return {};
      out.push_back(best);
    } else {
      std::sort(order.begin(), order.end());
      for (int k = 0; k < shape.gpus; ++k) {
        const int d = std::get<2>(order[static_cast<std::size_t>(k)]);
        for (const Pod* const p : held)
          if ((p->at.devices >> d & 1) != 0 && !chosen(p)) out.push_back(p);
      }
    }
  }
  std::int64_t cpu = cluster_.cpu(node), memory = cluster_.memory(node);
  for (const Pod* const p : out) {
    cpu += cluster_.shape(p->shape).cpu;
    memory += cluster_.shape(p->shape).memory;
  }
  while ((cpu < shape.cpu || memory < shape.memory) && static_cast<int>(out.size()) <= most) {
    // Takes the pod with the least demand that frees the missing amount, or the one that frees most.
    const Pod* best = nullptr;
    const auto key = [&](const Pod* p) {
      const Shape& s = cluster_.shape(p->shape);
      const bool enough = cpu + s.cpu >= shape.cpu && memory + s.memory >= shape.memory;
      const std::int64_t frees = cpu < shape.cpu ? s.cpu : s.memory;
      return std::tuple(!enough, enough ? s.demand() : -frees, enough ? frees : s.demand());
    };
    for (const Pod* const p : held)
      if (!chosen(p) && (best == nullptr || key(p) < key(best))) best = p;
    if (best == nullptr) return {};
    const Shape& s = cluster_.shape(best->shape);
    cpu += s.cpu, memory += s.memory;
    out.push_back(best);
  }
  if (static_cast<int>(out.size()) > most) return {};
  return out;
}

int Packer::rescue(PodId pod, int most, std::vector<PodId>& moved, std::vector<Pod>& before) {
  const Shape& shape = cluster_.shape(cluster_.pod(pod).shape);
  std::vector<Removal> trials;
  for (NodeId n = 0; n < cluster_.nodes(); ++n) {
    std::vector<const Pod*> pods = removal(shape, n, most);
    if (pods.empty()) continue;
    std::int64_t demand = 0;
    for (const Pod* const p : pods) demand += cluster_.shape(p->shape).demand();
    trials.push_back({n, demand, std::move(pods)});
  }
  std::sort(trials.begin(), trials.end(), [&](const Removal& a, const Removal& b) {
    return std::tuple(a.pods.size(), a.demand, cluster_.rank(a.node)) <
           std::tuple(b.pods.size(), b.demand, cluster_.rank(b.node));
  });
  trials.resize(std::min(trials.size(), at(tuning_.nodes_tried)));
  for (const Removal& trial : trials) {
    const std::size_t first = before.size();
    for (const Pod* const p : trial.pods) before.push_back(*p);
    for (const Pod* const p : trial.pods) take_out(p->id);
    bool good = cluster_.fits(shape, trial.node);
    if (good) {
      const Bid bid = policy_->bid(cluster_, cluster_.pod(pod).shape, trial.node);
      const Offer& offer = bid.partly.cost < kNoOffer ? bid.partly : bid.opened;
      put(pod, {trial.node, offer.device, {offer.cost, 0, -1, 0}});
    }
    std::size_t done = 0;
    while (good && done < trial.pods.size()) {
      good = try_place(trial.pods[done]->id);
      done += good;
    }
    if (good) {
      for (std::size_t k = 0; k < trial.pods.size(); ++k)
        if (!(trial.pods[k]->at == before[first + k].at)) moved.push_back(trial.pods[k]->id);
      return static_cast<int>(trial.pods.size());
    }
    for (std::size_t k = 0; k < done; ++k) take_out(trial.pods[k]->id);
    if (cluster_.pod(pod).placed()) take_out(pod);
    for (std::size_t k = first; k < before.size(); ++k) put_back(before[k]);
    before.resize(first);
  }
  return 0;
}

Refusal Packer::refusal(ShapeId id) const {
  const Shape& shape = cluster_.shape(id);
  Refusal out = Refusal::model;
  for (NodeId n = 0; n < cluster_.nodes(); ++n) {
    if (!cluster_.allowed(shape, n)) continue;
    out = std::max(out, Refusal::devices);
    if (shape.gpus > 0 && !cluster_.devices_fit(shape, n)) continue;
    out = std::max(out, Refusal::cpu);
    if (cluster_.cpu(n) >= shape.cpu) out = std::max(out, Refusal::memory);
  }
  return out;
}

Lack Packer::lack(ShapeId id) const {
  const Shape& shape = cluster_.shape(id);
  Lack out;
  for (NodeId n = 0; n < cluster_.nodes(); ++n) {
    if (!cluster_.allowed(shape, n)) {
      ++out.model;
    } else if (shape.gpus > 0 && !cluster_.devices_fit(shape, n)) {
      ++out.devices;
    } else if (cluster_.cpu(n) < shape.cpu) {
      ++out.cpu;
    } else if (cluster_.memory(n) < shape.memory) {
      ++out.memory;
    } else {
      ++out.fits;
    }
    const int most = out.moves < 0 ? kMostReported : out.moves - 1;
    if (most < 1) continue;
    const auto pods = removal(shape, n, most);
    if (!pods.empty()) out.moves = static_cast<int>(pods.size()), out.moves_node = n;
  }
  return out;
}

const std::vector<Reservation>& Packer::reservations() {
  static const std::vector<Reservation> none;
  if (!reservations_) return none;
  reservations_->update_needs(cluster_.free_milli());
  return reservations_->groups();
}

std::vector<Blocked> Packer::blocked(PodId p) const {
  std::vector<Blocked> out;
  const Pod* const pod = cluster_.find(p);
  if (!reservations_ || pod == nullptr) return out;
  const Shape& shape = cluster_.shape(pod->shape);
  const NodeId n = pod->at.node;
  const Room now = room_of(cluster_, n);
  Room without{now.cpu + shape.cpu, now.memory + shape.memory, now.devices};
  Devices shared = 0;
  for (const Pod* const other : cluster_.pods_of(n))
    if (other != pod) shared |= other->at.devices;
  without.devices += std::popcount(pod->at.devices & ~shared);
  for (const Reservation& group : reservations_->groups()) {
    if (!group.classes.has(cluster_.node_class(n))) continue;
    const std::int64_t slots = group.slots_in(without) - group.slots_in(now);
    if (slots > 0) out.push_back({group, slots});
  }
  return out;
}

bool Packer::holds() const {
  if (!cluster_.holds() || std::accumulate(counts_.begin(), counts_.end(), PodId{0}) != arrived_ ||
      latest_.size() != std::min(kept_, at(arrived_)))
    return false;
  if (!reservations_) return true;
  for (const Reservation& group : reservations_->groups()) {
    std::int64_t slots = 0;
    for (NodeId n = 0; n < cluster_.nodes(); ++n)
      if (group.classes.has(cluster_.node_class(n))) slots += group.slots_in(room_of(cluster_, n));
    if (slots != group.slots) return false;
  }
  return true;
}

}  // namespace gridcompute::packing
