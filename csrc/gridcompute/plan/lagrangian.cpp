#include "gridcompute/plan/lagrangian.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <tuple>
#include <unordered_map>

#include "gridcompute/base/error.hpp"
#include "gridcompute/plan/kernels.hpp"

namespace gridcompute::options {

namespace {

constexpr Index kChunk = 2048;  // jobs: some tenths of a millisecond, so that threads share even a sample evenly
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kUnit = 0x1p-53;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

struct HashRow {
  std::size_t operator()(const std::vector<std::int32_t>& row) const noexcept {
    std::uint64_t h = 1469598103934665603ULL;
    for (const std::int32_t x : row) h = (h ^ static_cast<std::uint32_t>(x)) * 1099511628211ULL;
    return h;
  }
};

Index lanes_for(Index places) {
  Index lanes = 8;
  while (lanes < places) lanes *= 2;
  return lanes;
}

std::int32_t hours_for(double work, double speed, Index hours) {
  const double need = std::ceil(work / speed - kRoundingHours);
  return static_cast<std::int32_t>(std::clamp(need, 1.0, static_cast<double>(hours + 1)));
}

}  // namespace

struct Market::Running {
  std::vector<double> layered;   // [layer][hour + 1][lane]
  std::vector<double> transfer;  // [origin][hour][lane]
  std::span<const double> nu;
  double most_sum = 0.0, most_transfer = 0.0, most_nu = 0.0;
};

struct Market::Scratch {
  std::vector<double> m;             // [length][hour][lane]
  std::vector<std::int32_t> within;  // [room]
  const double* by_lane = nullptr;   // [layer][lane]: hours, 0 = closed
};

Groups::Groups(const World& world)
    : places_(world.places),
      hours_(world.hours),
      classes_(world.classes()),
      lanes_(lanes_for(world.places)),
      place_(world.place.begin(), world.place.end()),
      capacity_(world.capacity.begin(), world.capacity.end()),
      energy_(world.energy.begin(), world.energy.end()),
      power_(world.power.begin(), world.power.end()),
      transfer_price_(world.transfer_price.begin(), world.transfer_price.end()),
      quota_(world.quota.begin(), world.quota.end()),
      priced_(world.priced.begin(), world.priced.end()) {
  if (places_ < 1 || places_ > kMostPlaces)
    throw Error(ErrorKind::invalid_problem, "sites", -1, std::to_string(places_) + " sites, needed 1 to 63");
  if (hours_ < 1 || hours_ > 4096)
    throw Error(ErrorKind::invalid_problem, "hours", -1, std::to_string(hours_) + " hours, needed 1 to 4096");
  std::vector<std::int32_t> at_place(at(places_), 0);
  for (const std::int32_t s : place_) layer_.push_back(at_place[at(s)]++);
  layers_ = *std::max_element(at_place.begin(), at_place.end());
  class_at_.assign(at(layers_ * lanes_), kNone);
  for (Index c = 0; c < classes_; ++c) class_at_[at(layer_[at(c)] * lanes_ + place_[at(c)])] = static_cast<Slot>(c);
  bandwidth_.assign(at(places_ * hours_ * lanes_), kInf);
  for (Index o = 0; o < places_; ++o)
    for (Index s = 0; s < places_; ++s)
      for (Index t = 0; t < hours_; ++t)
        bandwidth_[at((o * hours_ + t) * lanes_ + s)] = world.bandwidth[at((o * places_ + s) * hours_ + t)];
}

Market::Market(const World& world, const Jobs& jobs) : Groups(world) {
  if (jobs.gang.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    throw Error(ErrorKind::invalid_problem, "jobs", -1, "more than 2^31 - 1 jobs");
  group(world, jobs);
  index(jobs.gang.size());
}

Market::Market(const Market& whole, std::span<const std::int32_t> rows, std::span<const std::int32_t> weight)
    : Groups(whole) {
  std::vector<std::pair<std::int32_t, std::int32_t>> taken;  // position, weight
  taken.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) taken.emplace_back(whole.position(rows[i]), weight[i]);
  std::sort(taken.begin(), taken.end());
  jobs_.reserve(taken.size());
  for (const auto& [position, stands_for] : taken) {
    jobs_.push_back(whole.jobs_[at(position)]);
    jobs_.back().weight = stands_for;
  }
  index(at(whole.rows()));
}

// Finds each job's shape and mask, then sorts. Rows of hours by class are shared by all jobs of a family whose work
// rounds to the same lengths; the key holds the lengths for the family's distinct speeds only.
void Market::group(const World& world, const Jobs& jobs) {
  const Index families = static_cast<Index>(world.throughput.size()) / classes_;
  std::vector<std::vector<double>> speeds(at(families));
  std::vector<std::vector<std::int32_t>> speed_of(at(families));
  for (Index f = 0; f < families; ++f) {
    for (Index c = 0; c < classes_; ++c)
      if (const double v = world.throughput[at(f * classes_ + c)]; v > 0) speeds[at(f)].push_back(v);
    std::sort(speeds[at(f)].begin(), speeds[at(f)].end());
    speeds[at(f)].erase(std::unique(speeds[at(f)].begin(), speeds[at(f)].end()), speeds[at(f)].end());
    for (Index c = 0; c < classes_; ++c) {
      const double v = world.throughput[at(f * classes_ + c)];
      const auto found = std::lower_bound(speeds[at(f)].begin(), speeds[at(f)].end(), v);
      speed_of[at(f)].push_back(v > 0 ? static_cast<std::int32_t>(found - speeds[at(f)].begin()) : -1);
    }
  }
  std::vector<double> memories(world.memory.begin(), world.memory.end());
  std::sort(memories.begin(), memories.end());
  memories.erase(std::unique(memories.begin(), memories.end()), memories.end());
  // A class that holds nothing all the time is closed, or every gang would be a shape of its own.
  std::vector<std::uint8_t> ever(at(classes_), 0);
  std::int64_t least_held = std::numeric_limits<std::int64_t>::max();
  for (Index c = 0; c < classes_; ++c) {
    const auto held = std::span(capacity_).subspan(at(c * hours_), at(hours_));
    ever[at(c)] = *std::max_element(held.begin(), held.end()) > 0 ? 1 : 0;
    if (ever[at(c)] != 0) least_held = std::min(least_held, *std::min_element(held.begin(), held.end()));
  }
  const double narrowest = *std::min_element(world.bandwidth.begin(), world.bandwidth.end());

  std::unordered_map<std::vector<std::int32_t>, std::int32_t, HashRow> rows, shapes;
  std::unordered_map<std::uint64_t, std::int32_t> masks;
  std::vector<std::int32_t> key, lengths;
  lengths_end_.assign(1, 0), with_length_end_.assign(1, 0);
  const auto add = [&](std::int32_t id) {
    const Index j = id, f = jobs.family[at(j)];
    key.assign({static_cast<std::int32_t>(f),
                static_cast<std::int32_t>(std::lower_bound(memories.begin(), memories.end(), jobs.memory[at(j)]) -
                                          memories.begin())});
    std::int32_t longest = 0;
    for (const double v : speeds[at(f)]) key.push_back(hours_for(jobs.work[at(j)], v, hours_));
    for (std::size_t i = 2; i < key.size(); ++i)
      if (key[i] <= hours_) longest = std::max(longest, key[i]);
    const auto [row, fresh] = rows.try_emplace(key, static_cast<std::int32_t>(rows.size()));
    if (fresh) {
      hours_by_lane_.resize(hours_by_lane_.size() + at(layers_ * lanes_), 0);
      double* by_lane = &hours_by_lane_[at(row->second * layers_ * lanes_)];
      for (Index c = 0; c < classes_; ++c) {
        const std::int32_t v = speed_of[at(f)][at(c)];
        std::int32_t d = v < 0 ? 0 : key[at(v + 2)];
        if (d > hours_ || jobs.memory[at(j)] > world.memory[at(c)] || ever[at(c)] == 0) d = 0;
        hours_by_class_.push_back(d);
        by_lane[layer_[at(c)] * lanes_ + place_[at(c)]] = d;
        if (d > 0) lengths.push_back(d);
      }
      std::sort(lengths.begin(), lengths.end());
      lengths.erase(std::unique(lengths.begin(), lengths.end()), lengths.end());
      lengths_.insert(lengths_.end(), lengths.begin(), lengths.end());
      lengths_end_.push_back(lengths_.size());
      for (const std::int32_t d : lengths) {
        for (Index a = 0; a < layers_; ++a)
          if (std::find(by_lane + a * lanes_, by_lane + (a + 1) * lanes_, d) != by_lane + (a + 1) * lanes_)
            with_length_.push_back(static_cast<std::int32_t>(a));
        with_length_end_.push_back(with_length_.size());
      }
      lengths.clear();
    }
    const std::int32_t m = jobs.owner[at(j)], gang = jobs.gang[at(j)];
    const bool restricted = gang > least_held || static_cast<double>(gang) * longest > quota_[at(m)];
    const std::int32_t payer = world.priced[at(m)] != 0 ? m : -1;
    // A quota too small for the gang is the owner's own, so such a shape is the owner's even if it has no price.
    const std::int32_t owner = static_cast<double>(gang) * longest > quota_[at(m)] ? m : payer;
    key.assign({row->second, restricted ? gang : 0, owner});
    const auto [shape, fresh_shape] = shapes.try_emplace(key, static_cast<std::int32_t>(shapes.size()));
    if (fresh_shape) {
      Shape made;
      made.gang = restricted ? gang : 0;
      made.owner = owner;
      made.row = row->second;
      made.at = at(row->second * classes_);
      shapes_.push_back(made);
    }
    std::uint64_t mask = 0;
    for (Index s = 0; s < places_; ++s)
      if (((jobs.residency[at(j)] >> s) & 1) != 0 &&
          world.latency[at(jobs.origin[at(j)] * places_ + s)] <= jobs.latency[at(j)])
        mask |= std::uint64_t{1} << s;
    const auto [where, fresh_mask] = masks.try_emplace(mask, static_cast<std::int32_t>(masks.size()));
    if (fresh_mask) masks_.push_back(mask);
    Job job{};
    job.data = jobs.data[at(j)], job.delay = jobs.delay[at(j)], job.value = jobs.value[at(j)];
    job.placed_class = jobs.placed_class[at(j)], job.placed_start = jobs.placed_start[at(j)];
    job.migration = job.placed_class >= 0 ? jobs.migration[at(j)] : 0.0;
    job.id = id, job.gang = gang, job.weight = 1, job.shape = shape->second, job.mask = where->second;
    job.origin = jobs.origin[at(j)], job.owner = m;
    job.release = jobs.release[at(j)], job.deadline = jobs.deadline[at(j)];
    job.wide = job.data > narrowest;
    jobs_.push_back(job);
  };
  jobs_.reserve(jobs.gang.size());
  for (std::size_t j = 0; j < jobs.gang.size(); ++j) add(static_cast<std::int32_t>(j));
  std::sort(jobs_.begin(), jobs_.end(), [](const Job& a, const Job& b) {
    return std::tie(a.shape, a.origin, a.release, a.deadline, a.id) <
           std::tie(b.shape, b.origin, b.release, b.deadline, b.id);
  });
  mask_cost_.assign(masks_.size() * at(lanes_), kInf);
  for (std::size_t i = 0; i < masks_.size(); ++i)
    for (Index s = 0; s < places_; ++s)
      if (((masks_[i] >> s) & 1) != 0) mask_cost_[i * at(lanes_) + at(s)] = 0.0;
  for (Shape& shape : shapes_)
    for (Index c = 0; c < classes_; ++c) {
      const std::int32_t d = hours_by_class_[shape.at + at(c)];
      if (d > 0 && (shape.shortest == 0 || d < shape.shortest)) shape.shortest = d;
    }
}

// What follows from jobs_: where each row is, and sums.
void Market::index(std::size_t rows) {
  position_.assign(rows, -1);
  for (std::size_t p = 0; p < jobs_.size(); ++p) position_[at(jobs_[p].id)] = static_cast<std::int32_t>(p);
  for (const Job& job : jobs_) {
    const double w = job.weight;
    gangs_ += w * job.gang, data_sum_ += w * job.data, delay_sum_ += w * job.delay;
    value_sum_ += w * (job.value + job.migration);
  }
  live_.resize(jobs_.size());
  std::iota(live_.begin(), live_.end(), 0);
  assert(holds());
}

void Market::keep(std::span<const std::uint8_t> live) {
  live_.clear();
  for (std::size_t p = 0; p < jobs_.size(); ++p)
    if (live[at(jobs_[p].id)] != 0) live_.push_back(static_cast<std::int32_t>(p));
}

void Market::sizes(std::span<double> out) const {
  std::fill(out.begin(), out.end(), 0.0);
  for (const Job& job : jobs_) out[at(job.id)] = static_cast<double>(job.gang) * shapes_[at(job.shape)].shortest;
}

void Market::reachable(Pool& pool, std::span<std::uint8_t> out) const {
  std::fill(out.begin(), out.end(), std::uint8_t{0});
  pool.for_chunks(size(), kChunk, [&](Index, Index begin, Index end) {
    for (Index p = begin; p < end; ++p) {
      const Job& job = jobs_[at(p)];
      bool found = false;
      for (Index c = 0; c < classes_ && !found; ++c)
        for (Index t = job.release; t < job.deadline && !found; ++t) found = fits(job, c, t);
      out[at(job.id)] = found ? 1 : 0;
    }
  });
}

Market::Running Market::running(const Prices& prices) const {
  Running run;
  run.nu = prices.quota;
  run.layered.assign(at(layers_ * (hours_ + 1) * lanes_), 0.0);
  for (Index c = 0; c < classes_; ++c) {
    double sum = 0.0;
    for (Index t = 0; t <= hours_; ++t) {
      run.layered[at((layer_[at(c)] * (hours_ + 1) + t) * lanes_ + place_[at(c)])] = sum;
      run.most_sum = std::max(run.most_sum, std::abs(sum));
      if (t < hours_)
        sum += prices.capacity[at(c * hours_ + t)] +
               energy_[at(c * hours_ + t)] * prices.energy[at(place_[at(c)] * hours_ + t)];
    }
  }
  run.transfer.assign(at(places_ * hours_ * lanes_), 0.0);
  for (Index o = 0; o < places_; ++o)
    for (Index s = 0; s < places_; ++s)
      for (Index t = 0; t < hours_; ++t) {
        const double price = prices.link[at((o * places_ + s) * hours_ + t)] + transfer_price_[at(o * places_ + s)];
        run.transfer[at((o * hours_ + t) * lanes_ + s)] = price;
        run.most_transfer = std::max(run.most_transfer, std::abs(price));
      }
  for (const double nu : prices.quota) run.most_nu = std::max(run.most_nu, std::abs(nu));
  return run;
}

double Market::nu_of(const Running& run, const Shape& shape) const {
  return shape.owner >= 0 && priced(shape.owner) ? run.nu[at(shape.owner)] : 0.0;
}

// The lanes of a length are those classes that take exactly so many hours; a class closed to the gang in some hour
// is closed for the starts that reach it. Lengths fill a row of their own each, for a job with less room reads the row
// of the shorter ones; where all end by the same hour, each start is read with one number of lengths, and all of them
// share a row.
void Market::table(const Running& run, const Shape& shape, std::span<const std::int32_t> positions,
                   Scratch& out) const {
  std::int32_t first = static_cast<std::int32_t>(hours_), end = 0, least_end = first;
  for (const std::int32_t p : positions) {
    const Job& job = jobs_[at(p)];
    first = std::min(first, job.release);
    end = std::max(end, job.deadline), least_end = std::min(least_end, job.deadline);
  }
  const std::span<const std::int32_t> lengths(lengths_.data() + lengths_end_[at(shape.row)],
                                              lengths_.data() + lengths_end_[at(shape.row + 1)]);
  const double quota = shape.owner >= 0 ? quota_[at(shape.owner)] : kInf;
  const bool shared = end == least_end;
  out.within.assign(at(hours_ + 1), shared ? 1 : static_cast<std::int32_t>(lengths.size()));
  for (std::size_t i = 0, filled = 0; i < lengths.size() && !shared; filled = at(lengths[i++]))
    std::fill(out.within.begin() + static_cast<std::ptrdiff_t>(filled), out.within.begin() + lengths[i],
              static_cast<std::int32_t>(i));
  const Index level = hours_ * lanes_;
  if (out.m.size() < lengths.size() * at(level)) out.m.resize(lengths.size() * at(level));
  out.by_lane = &hours_by_lane_[at(shape.row * layers_ * lanes_)];
  double* m = out.m.data() + first * lanes_;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    const Index starts = end - lengths[i] - first + 1;
    if (starts <= 0) break;
    if (i == 0) {
      std::fill_n(m, starts * lanes_, kInf);
    } else if (!shared) {
      std::copy_n(m, starts * lanes_, m + level), m += level;
    }
    if (static_cast<double>(shape.gang) * lengths[i] > quota) continue;
    if (shape.gang == 0) {
      const double add = nu_of(run, shape) * lengths[i];
      const std::size_t which = lengths_end_[at(shape.row)] + i;
      for (std::size_t k = with_length_end_[which]; k < with_length_end_[which + 1]; ++k) {
        const Index a = with_length_[k];
        const double* here = run.layered.data() + (a * (hours_ + 1) + first) * lanes_;
        fold(m, here + lengths[i] * lanes_, here, out.by_lane + a * lanes_, lengths[i], add, starts, lanes_);
      }
    } else {
      fold_open(run, shape, lengths[i], first, starts, m);
    }
  }
}

// As fold, for the classes that hold the gang of the shape in all the hours it would take.
void Market::fold_open(const Running& run, const Shape& shape, std::int32_t length, Index first, Index starts,
                       double* m) const {
  const double* by_lane = &hours_by_lane_[at(shape.row * layers_ * lanes_)];
  const double add = nu_of(run, shape) * length;
  for (Index a = 0; a < layers_; ++a)
    for (Index s = 0; s < places_; ++s) {
      if (by_lane[a * lanes_ + s] != length) continue;
      const double* here = run.layered.data() + (a * (hours_ + 1) + first) * lanes_ + s;
      const std::int64_t* held = &capacity_[at(class_at_[at(a * lanes_ + s)] * hours_ + first)];
      Index open = 0;  // the least start after the latest hour seen that is too full
      for (Index t = 0; t < length - 1; ++t)
        if (held[t] < shape.gang) open = t + 1;
      for (Index t = 0; t < starts; ++t) {
        if (held[t + length - 1] < shape.gang) open = t + length;
        if (t < open) continue;
        double& best = m[t * lanes_ + s];
        best = std::min(best, here[(t + length) * lanes_] - here[t * lanes_] + add);
      }
    }
}

bool Market::fits(const Job& job, Index klass, Index hour) const {
  const std::int32_t d = hours_on(job, klass);
  const Index s = place_[at(klass)];
  if (d == 0 || hour < job.release || hour + d > job.deadline || ((masks_[at(job.mask)] >> s) & 1) == 0) return false;
  if (job.data > bandwidth_[at((job.origin * hours_ + hour) * lanes_ + s)]) return false;
  if (static_cast<double>(job.gang) * d > quota_[at(job.owner)]) return false;
  const std::int64_t* held = &capacity_[at(klass * hours_ + hour)];
  return *std::min_element(held, held + d) >= job.gang;
}

Slot Market::class_of(const Running& run, const Job& job, const Scratch& tables, const Best& best) const {
  const Shape& shape = shapes_[at(job.shape)];
  const double nu = nu_of(run, shape);
  double least = kInf;
  Slot out = kNone;
  for (Index a = 0; a < layers_; ++a) {
    const auto d = static_cast<std::int32_t>(tables.by_lane[a * lanes_ + best.place]);
    if (d == 0 || best.hour + d > job.deadline) continue;
    const Slot c = class_at_[at(a * lanes_ + best.place)];
    const double* sum = run.layered.data() + (a * (hours_ + 1) + best.hour) * lanes_ + best.place;
    const double cost = sum[d * lanes_] - sum[0] + nu * d;
    if (cost < least && (shape.gang == 0 || fits(job, c, best.hour))) least = cost, out = c;
  }
  return out;
}

// The cheapest hour and place of a job, without what it costs to move it; cost is inf if none is open.
Best Market::cheapest(const Running& run, const Job& job, const Shape& shape, const Scratch& tables) const {
  if (shape.shortest == 0 || job.release + shape.shortest > job.deadline) return {kInf, -1, -1};
  const Index origin = job.origin * hours_ * lanes_;
  return scan({tables.m.data(), tables.within.data(), &run.transfer[at(origin)],
               job.wide ? &bandwidth_[at(origin)] : nullptr, &mask_cost_[at(job.mask * lanes_)], hours_, job.release,
               job.deadline - shape.shortest, job.deadline, static_cast<double>(job.gang), job.data, job.delay},
              lanes_);
}

// The class with what it costs and when it starts; kNone if it pays to stay out.
std::pair<Slot, Best> Market::choice(const Running& run, const Job& job, const Scratch& tables) const {
  Best best = cheapest(run, job, shapes_[at(job.shape)], tables);
  if (job.migration > 0.0) {
    best.cost += job.migration;
    if (fits(job, job.placed_class, job.placed_start)) {
      const double stay = cost_of(run, job, job.placed_class, job.placed_start);
      if (stay <= best.cost && stay < job.value)
        return {job.placed_class, {stay, place_[at(job.placed_class)], job.placed_start}};
    }
  }
  if (!(best.cost < job.value)) return {kNone, best};
  return {class_of(run, job, tables, best), best};
}

void Market::chunk(const Running& run, std::span<const std::int32_t> positions, Pass& out,
                   std::span<std::int32_t> choice_class, std::span<std::int32_t> choice_start) const {
  Scratch scratch;
  std::size_t tabled = 0;                                       // jobs that the table at hand is for end here
  out.use.accelerators.assign(at(classes_ * (hours_ + 1)), 0);  // differences, summed up after the merge
  out.use.data.assign(at(places_ * places_ * hours_), 0.0);
  out.use.quota.assign(quota_.size(), 0);
  for (std::size_t i = 0; i < positions.size(); ++i) {
    const Job& job = jobs_[at(positions[i])];
    if (i == tabled) {
      while (tabled < positions.size() && jobs_[at(positions[tabled])].shape == job.shape) ++tabled;
      table(run, shapes_[at(job.shape)], positions.subspan(i, tabled - i), scratch);
    }
    const auto [klass, best] = choice(run, job, scratch);
    if (!choice_class.empty()) {
      choice_class[at(job.id)] = klass;
      choice_start[at(job.id)] = klass == kNone ? -1 : best.hour;
    }
    if (klass == kNone) {
      out.total += job.weight * job.value, out.left_out += job.weight * job.value;
      continue;
    }
    const auto d = static_cast<Index>(scratch.by_lane[layer_[at(klass)] * lanes_ + best.place]);
    out.total += job.weight * best.cost;
    ++out.placed;
    std::int64_t* taken = &out.use.accelerators[at(klass * (hours_ + 1) + best.hour)];
    const std::int64_t gang = static_cast<std::int64_t>(job.gang) * job.weight;
    taken[0] += gang, taken[d] -= gang;
    if (job.origin != best.place)
      out.use.data[at((job.origin * places_ + best.place) * hours_ + best.hour)] += job.weight * job.data;
    out.use.quota[at(job.owner)] += gang * d;
  }
}

double Market::cost_of(const Running& run, const Job& job, Index klass, Index hour) const {
  const std::int32_t d = hours_on(job, klass);
  const Index s = place_[at(klass)];
  const double* sum = run.layered.data() + (layer_[at(klass)] * (hours_ + 1) + hour) * lanes_ + s;
  const double nu = priced(job.owner) ? run.nu[at(job.owner)] : 0.0;
  return job.gang * (sum[d * lanes_] - sum[0] + nu * d) +
         job.data * run.transfer[at((job.origin * hours_ + hour) * lanes_ + s)] +
         job.delay * static_cast<double>(hour - job.release);
}

Pass Market::price(const Prices& prices, Pool& pool, std::span<std::int32_t> choice_class,
                   std::span<std::int32_t> choice_start) const {
  const Running run = running(prices);
  std::vector<Pass> parts(at(Pool::chunks(live(), kChunk)));
  pool.for_chunks(live(), kChunk, [&](Index chunk_index, Index begin, Index end) {
    chunk(run, std::span(live_).subspan(at(begin), at(end - begin)), parts[at(chunk_index)], choice_class,
          choice_start);
  });
  Pass out;
  std::vector<std::int64_t> change(at(classes_ * (hours_ + 1)), 0);
  out.use.data.assign(at(places_ * places_ * hours_), 0.0);
  out.use.quota.assign(quota_.size(), 0);
  for (const Pass& part : parts) {
    out.total += part.total, out.left_out += part.left_out, out.placed += part.placed;
    for (std::size_t i = 0; i < change.size(); ++i) change[i] += part.use.accelerators[i];
    for (std::size_t i = 0; i < out.use.data.size(); ++i) out.use.data[i] += part.use.data[i];
    for (std::size_t i = 0; i < out.use.quota.size(); ++i) out.use.quota[i] += part.use.quota[i];
  }
  out.use.accelerators.resize(at(classes_ * hours_));
  for (Index c = 0; c < classes_; ++c)
    std::partial_sum(&change[at(c * (hours_ + 1))], &change[at(c * (hours_ + 1))] + hours_,
                     &out.use.accelerators[at(c * hours_)]);
  const double steps = static_cast<double>(2 * hours_ + 16 + kChunk + static_cast<Index>(parts.size()));
  const double span = static_cast<double>(hours_);
  out.margin =
      2 * kUnit * steps *
      (gangs_ * (run.most_sum + span * run.most_nu) + data_sum_ * run.most_transfer + delay_sum_ * span + value_sum_);
  return out;
}

bool Market::holds() const {
  for (std::size_t p = 0; p < jobs_.size(); ++p) {
    const Job& job = jobs_[p];
    if (position_[at(job.id)] != static_cast<std::int32_t>(p)) return false;
    if (p > 0 && jobs_[p - 1].shape > job.shape) return false;
  }
  return std::is_sorted(live_.begin(), live_.end());
}

}  // namespace gridcompute::options
