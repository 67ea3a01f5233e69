#include "gridcompute/plan/lagrangian_oracle.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <tuple>
#include <unordered_map>

#include "gridcompute/base/error.hpp"
#include "gridcompute/base/simd.hpp"

namespace gridcompute::plan {

namespace {

struct RowHash {  // FNV-1a
  std::size_t operator()(const std::vector<std::int32_t>& row) const noexcept {
    std::uint64_t h = 1469598103934665603ULL;
    for (const std::int32_t x : row) h = (h ^ static_cast<std::uint32_t>(x)) * 1099511628211ULL;
    return h;
  }
};
using RowMap = std::unordered_map<std::vector<std::int32_t>, std::int32_t, RowHash>;

Index lanes_for(Index places) {
  Index lanes = 8;
  while (lanes < places) lanes *= 2;
  return lanes;
}

std::int32_t hours_for(double work, double speed, Index hours) {
  const double need = std::ceil(work / speed - kHoursTolerance);
  return static_cast<std::int32_t>(std::clamp(need, 1.0, static_cast<double>(hours + 1)));
}

}  // namespace

JobGroups::JobGroups(const Instance& instance)
    : places_(instance.places),
      hours_(instance.hours),
      kinds_(instance.kinds),
      classes_(instance.classes()),
      lanes_(lanes_for(instance.places)),
      place_(instance.place.begin(), instance.place.end()),
      capacity_(instance.capacity.begin(), instance.capacity.end()),
      energy_(instance.energy.begin(), instance.energy.end()),
      power_(instance.power.begin(), instance.power.end()),
      transfer_price_(instance.transfer_price.begin(), instance.transfer_price.end()),
      quota_(instance.quota.begin(), instance.quota.end()),
      priced_(instance.priced.begin(), instance.priced.end()) {
  if (places_ < 1 || places_ > kMaxPlaces)
    throw Error(ErrorKind::invalid_problem, "sites", -1, std::to_string(places_) + " sites, needed 1 to 63");
  if (hours_ < 1 || hours_ > kMaxHours)
    throw Error(ErrorKind::invalid_problem, "hours", -1, std::to_string(hours_) + " hours, needed 1 to 4096");
  read_quotas(instance);
  std::vector<std::int32_t> at_place(at(places_), 0);
  for (const std::int32_t s : place_) layer_.push_back(at_place[at(s)]++);
  layers_ = *std::max_element(at_place.begin(), at_place.end());
  class_at_.assign(at(layers_ * lanes_), kNone);
  for (Index c = 0; c < classes_; ++c) class_at_[at(layer_[at(c)] * lanes_ + place_[at(c)])] = static_cast<Slot>(c);
  bandwidth_.assign(at(places_ * hours_ * lanes_), kInf);
  for (Index o = 0; o < places_; ++o)
    for (Index s = 0; s < places_; ++s)
      for (Index t = 0; t < hours_; ++t)
        bandwidth_[at((o * hours_ + t) * lanes_ + s)] = instance.bandwidth[at((o * places_ + s) * hours_ + t)];
}

// Reads the quota rows of each owner and model, and the least limit among them.
void JobGroups::read_quotas(const Instance& instance) {
  models_ = instance.models;
  model_.assign(instance.model.begin(), instance.model.end());
  if (model_.empty()) model_.assign(at(classes_), 0);
  quota_rows_.assign(instance.quota_rows.begin(), instance.quota_rows.end());
  quota_ends_.assign(1, 0);
  quota_ends_.insert(quota_ends_.end(), instance.quota_ends.begin(), instance.quota_ends.end());
  if (instance.quota_ends.empty())
    for (std::size_t i = 0; i < quota_.size(); ++i) {
      quota_rows_.push_back(static_cast<std::int32_t>(i));
      quota_ends_.push_back(static_cast<std::int32_t>(i + 1));
    }
  const auto bad = [](const char* name, std::int64_t index, const std::string& needed) {
    throw Error(ErrorKind::invalid_problem, name, index, std::string(name) + ": needed " + needed);
  };
  const std::size_t accounts = priced_.size() * at(models_);
  if (models_ < 1 || model_.size() != at(classes_)) bad("model", -1, "one a class");
  for (std::size_t c = 0; c < model_.size(); ++c)
    if (model_[c] < 0 || model_[c] >= models_) bad("model", static_cast<std::int64_t>(c), "below n_models");
  if (quota_ends_.size() != accounts + 1 || at(quota_ends_.back()) != quota_rows_.size() ||
      !std::is_sorted(quota_ends_.begin(), quota_ends_.end()))
    bad("quota_ends", -1, "ends by owner and model");
  for (std::size_t i = 0; i < quota_rows_.size(); ++i)
    if (quota_rows_[i] < 0 || at(quota_rows_[i]) >= quota_.size())
      bad("quota_rows", static_cast<std::int64_t>(i), "a row of quota");
  least_quota_.assign(accounts, kInf);
  for (std::size_t i = 0; i < accounts; ++i)
    for (std::int32_t k = quota_ends_[i]; k < quota_ends_[i + 1]; ++k)
      least_quota_[i] = std::min(least_quota_[i], quota_[at(quota_rows_[at(k)])]);
}

// The results that find_row() computes once: the distinct speeds of each family, the distinct memories, the rows so
// far.
struct JobGroups::RowTables {
  std::vector<std::vector<double>> speeds;          // [family], ascending
  std::vector<std::vector<std::int32_t>> speed_of;  // [family][class]: index of its speed, -1 = does not run it
  std::vector<double> memories;                     // ascending
  std::vector<std::uint8_t> ever_available;         // [class]: it has an accelerator in some hour
  std::int64_t min_capacity = std::numeric_limits<std::int64_t>::max();  // over hours and available classes
  RowMap rows;
  std::vector<std::int32_t> key, lengths;

  RowTables(const Instance& instance, const std::vector<std::int64_t>& capacity, Index classes, Index hours) {
    const Index families = static_cast<Index>(instance.throughput.size()) / classes;
    speeds.resize(at(families)), speed_of.resize(at(families));
    for (Index f = 0; f < families; ++f) {
      std::vector<double>& distinct = speeds[at(f)];
      for (Index c = 0; c < classes; ++c)
        if (const double v = instance.throughput[at(f * classes + c)]; v > 0) distinct.push_back(v);
      std::sort(distinct.begin(), distinct.end());
      distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
      for (Index c = 0; c < classes; ++c) {
        const double v = instance.throughput[at(f * classes + c)];
        const auto found = std::lower_bound(distinct.begin(), distinct.end(), v);
        speed_of[at(f)].push_back(v > 0 ? static_cast<std::int32_t>(found - distinct.begin()) : -1);
      }
    }
    memories.assign(instance.memory.begin(), instance.memory.end());
    std::sort(memories.begin(), memories.end());
    memories.erase(std::unique(memories.begin(), memories.end()), memories.end());
    // A class without accelerators in every hour is excluded; otherwise min_capacity would be 0 and every gang a shape
    // of its own.
    ever_available.assign(at(classes), 0);
    for (Index c = 0; c < classes; ++c) {
      const auto row = std::span(capacity).subspan(at(c * hours), at(hours));
      ever_available[at(c)] = *std::max_element(row.begin(), row.end()) > 0 ? 1 : 0;
      if (ever_available[at(c)] != 0) min_capacity = std::min(min_capacity, *std::min_element(row.begin(), row.end()));
    }
  }
};

// Returns the row of job j, and its longest hours. Rows are shared by all jobs of a family and memory step whose work
// rounds to the same hours; the key has the hours for the family's distinct speeds only.
std::int32_t JobGroups::find_row(RowTables& tables, const Instance& instance, const JobTable& jobs, Index j,
                                 std::int32_t& longest) {
  const Index f = jobs.family[at(j)];
  std::vector<std::int32_t>&key = tables.key, &lengths = tables.lengths;
  const auto memory = std::lower_bound(tables.memories.begin(), tables.memories.end(), jobs.memory[at(j)]);
  key.assign({static_cast<std::int32_t>(f), static_cast<std::int32_t>(memory - tables.memories.begin())});
  longest = 0;
  for (const double v : tables.speeds[at(f)]) key.push_back(hours_for(jobs.work[at(j)], v, hours_));
  for (std::size_t i = 2; i < key.size(); ++i)
    if (key[i] <= hours_) longest = std::max(longest, key[i]);
  const auto [row, is_new] = tables.rows.try_emplace(key, static_cast<std::int32_t>(tables.rows.size()));
  if (!is_new) return row->second;
  hours_by_lane_.resize(hours_by_lane_.size() + at(layers_ * lanes_), 0);
  double* by_lane = &hours_by_lane_[at(row->second * layers_ * lanes_)];
  for (Index c = 0; c < classes_; ++c) {
    const std::int32_t v = tables.speed_of[at(f)][at(c)];
    std::int32_t d = v < 0 ? 0 : key[at(v + 2)];
    if (d > hours_ || jobs.memory[at(j)] > instance.memory[at(c)] || tables.ever_available[at(c)] == 0) d = 0;
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
        layers_of_length_.push_back(static_cast<std::int32_t>(a));
    layers_of_length_end_.push_back(layers_of_length_.size());
  }
  lengths.clear();
  return row->second;
}

std::vector<PackedJob> JobGroups::group(const Instance& instance, const JobTable& jobs) {
  RowTables tables(instance, capacity_, classes_, hours_);
  const double min_bandwidth = *std::min_element(instance.bandwidth.begin(), instance.bandwidth.end());
  RowMap shapes;
  std::unordered_map<std::uint64_t, std::int32_t> masks;
  std::vector<std::int32_t> key;
  lengths_end_.assign(1, 0), layers_of_length_end_.assign(1, 0);
  std::vector<PackedJob> out;
  out.reserve(jobs.gang.size());
  for (std::size_t j = 0; j < jobs.gang.size(); ++j) {
    std::int32_t longest = 0;
    const std::int32_t row = find_row(tables, instance, jobs, static_cast<Index>(j), longest);
    const std::int32_t m = jobs.owner[j], gang = jobs.gang[j];
    const auto least = least_quota_.begin() + static_cast<std::ptrdiff_t>(m * models_);
    const bool exceeds_quota = static_cast<double>(gang) * longest > *std::min_element(least, least + models_);
    const bool restricted = gang > tables.min_capacity || exceeds_quota;
    // A quota too small for the gang is this owner's, so the shape is the owner's even if the quota has no price.
    const std::int32_t owner = exceeds_quota || instance.priced[at(m)] != 0 ? m : -1;
    const std::int32_t kind = jobs.kind.empty() ? 0 : jobs.kind[j];
    if (kind < 0 || kind >= kinds_)
      throw Error(ErrorKind::invalid_problem, "kind", static_cast<std::int64_t>(j),
                  "kind is " + std::to_string(kind) + ", needed 0 to " + std::to_string(kinds_ - 1));
    key.assign({row, restricted ? gang : 0, owner, kind});
    const auto [shape, new_shape] = shapes.try_emplace(key, static_cast<std::int32_t>(shapes.size()));
    if (new_shape) {
      JobShape made;
      made.gang = restricted ? gang : 0;
      made.owner = owner;
      made.kind = kind;
      made.row = row;
      made.row_begin = at(row * classes_);
      shapes_.push_back(made);
    }
    std::uint64_t mask = 0;
    for (Index s = 0; s < places_; ++s)
      if (((jobs.residency[j] >> s) & 1) != 0 && instance.latency[at(jobs.origin[j] * places_ + s)] <= jobs.latency[j])
        mask |= std::uint64_t{1} << s;
    const auto [found, new_mask] = masks.try_emplace(mask, static_cast<std::int32_t>(masks.size()));
    if (new_mask) masks_.push_back(mask);
    PackedJob job{};
    job.data = jobs.data[j], job.delay = jobs.delay[j], job.value = jobs.value[j];
    job.placed_class = jobs.placed_class[j], job.placed_start = jobs.placed_start[j];
    job.migration = job.placed_class >= 0 ? jobs.migration[j] : 0.0;
    job.id = static_cast<std::int32_t>(j), job.gang = gang, job.weight = 1;
    job.shape = shape->second, job.mask = found->second;
    job.origin = jobs.origin[j], job.owner = m, job.kind = kind;
    job.release = jobs.release[j], job.deadline = jobs.deadline[j];
    job.limited_links = job.data > min_bandwidth;
    out.push_back(job);
  }
  std::sort(out.begin(), out.end(), [](const PackedJob& a, const PackedJob& b) {
    return std::tie(a.shape, a.origin, a.release, a.deadline, a.id) <
           std::tie(b.shape, b.origin, b.release, b.deadline, b.id);
  });
  mask_cost_.assign(masks_.size() * at(lanes_), kInf);
  for (std::size_t i = 0; i < masks_.size(); ++i)
    for (Index s = 0; s < places_; ++s)
      if (((masks_[i] >> s) & 1) != 0) mask_cost_[i * at(lanes_) + at(s)] = 0.0;
  for (JobShape& shape : shapes_)
    for (Index c = 0; c < classes_; ++c) {
      const std::int32_t d = hours_by_class_[shape.row_begin + at(c)];
      if (d > 0 && (shape.shortest == 0 || d < shape.shortest)) shape.shortest = d;
    }
  return out;
}

namespace {

// Finds the cheapest option; the number of lanes is a constant, so that vectors stay in registers.
template <Index kLanes, Index kBytes>
GRIDCOMPUTE_INLINE CheapestOption find_lanes(const OptionSearch& job) {
  using Vector = typename Lanes<double, kBytes>::Signed;
  constexpr Index kWide = kBytes / 8, kVectors = kLanes / kWide;  // doubles of a vector
  Vector best[kVectors], when[kVectors];
  for (Index v = 0; v < kVectors; ++v) best[v] = Vector{} + kInf, when[v] = Vector{};
  for (std::int32_t t = job.first; t <= job.last; ++t) {
    const Index level = job.lengths_within[job.deadline - t] - 1;
    const double* m = job.table + (level * job.hours + t) * (kVectors * kWide);
    const double* g = job.transfer + t * (kVectors * kWide);
    const double late = job.delay * (t - job.first);
    const Vector hour = Vector{} + static_cast<double>(t);
    for (Index v = 0; v < kVectors; ++v) {
      Vector cost, toll;
      load(m + v * kWide, cost);
      load(g + v * kWide, toll);
      cost = job.gang * cost + job.data * toll + late;
      if (job.bandwidth != nullptr) {
        Vector most;
        load(job.bandwidth + (t * kVectors + v) * kWide, most);
        cost = job.data <= most ? cost : Vector{} + kInf;
      }
      when[v] = cost < best[v] ? hour : when[v];
      best[v] = cost < best[v] ? cost : best[v];
    }
  }
  double least[kVectors];
  for (Index v = 0; v < kVectors; ++v) {
    Vector mask;
    load(job.mask + v * kWide, mask);
    best[v] += mask;
    least[v] = gridcompute::fold(best[v], Least{});
  }
  Index v = 0;
  for (Index other = 1; other < kVectors; ++other)
    if (least[other] < least[v]) v = other;
  if (least[v] == kInf) return {kInf, -1, -1};
  Vector place;
  for (Index s = 0; s < kWide; ++s) place[s] = static_cast<double>(v * kWide + s);
  place = best[v] == least[v] ? place : Vector{} + kInf;
  const auto at = static_cast<std::int32_t>(gridcompute::fold(place, Least{}));
  return {least[v], at, static_cast<std::int32_t>(when[v][at - v * kWide])};
}

template <Index kLanes, Index kBytes>
GRIDCOMPUTE_INLINE void fold_lanes(double* m, const double* ahead, const double* here, const double* hours,
                                   const double* nu, double length, Index starts) {
  using Vector = typename Lanes<double, kBytes>::Signed;
  constexpr Index kWide = kBytes / 8, kVectors = kLanes / kWide;  // doubles of a vector
  Vector extra[kVectors];
  for (Index v = 0; v < kVectors; ++v) {
    load(hours + v * kWide, extra[v]);
    Vector price;
    load(nu + v * kWide, price);
    extra[v] = extra[v] == length ? price * length : Vector{} + kInf;
  }
  for (Index k = 0; k < starts * kVectors; k += kVectors)
    for (Index v = 0; v < kVectors; ++v) {
      Vector old, from, to;
      load(ahead + (k + v) * kWide, to);
      load(here + (k + v) * kWide, from);
      load(m + (k + v) * kWide, old);
      to = to - from + extra[v];
      old = to < old ? to : old;
      store(old, m + (k + v) * kWide);
    }
}

#define GRIDCOMPUTE_LANES(lanes)                                                                                    \
  template <Index kBytes>                                                                                           \
  GRIDCOMPUTE_INLINE CheapestOption find##lanes##_of(const OptionSearch& job) {                                     \
    return find_lanes<lanes, kBytes>(job);                                                                          \
  }                                                                                                                 \
  template <Index kBytes>                                                                                           \
  GRIDCOMPUTE_INLINE void fold##lanes##_of(double* m, const double* ahead, const double* here, const double* hours, \
                                           const double* nu, double length, Index starts) {                         \
    fold_lanes<lanes, kBytes>(m, ahead, here, hours, nu, length, starts);                                           \
  }                                                                                                                 \
  GRIDCOMPUTE_VERSIONS(CheapestOption, find##lanes, (const OptionSearch& job), (job))                               \
  GRIDCOMPUTE_VERSIONS(void, fold##lanes,                                                                           \
                       (double* m, const double* ahead, const double* here, const double* hours, const double* nu,  \
                        double length, Index starts),                                                               \
                       (m, ahead, here, hours, nu, length, starts))
GRIDCOMPUTE_LANES(8)
GRIDCOMPUTE_LANES(16)
GRIDCOMPUTE_LANES(32)
GRIDCOMPUTE_LANES(64)

}  // namespace

CheapestOption find_cheapest(const OptionSearch& job, Index lanes) {
  if (lanes == 8) return find8(job);
  if (lanes == 16) return find16(job);
  return lanes == 32 ? find32(job) : find64(job);
}

void fold_class(double* m, const double* ahead, const double* here, const double* hours, const double* nu,
                double length, Index starts, Index lanes) {
  if (lanes == 8) return fold8(m, ahead, here, hours, nu, length, starts);
  if (lanes == 16) return fold16(m, ahead, here, hours, nu, length, starts);
  return lanes == 32 ? fold32(m, ahead, here, hours, nu, length, starts)
                     : fold64(m, ahead, here, hours, nu, length, starts);
}

namespace {

constexpr double kUnitRoundoff = 0x1p-53;  // of doubles

}  // namespace

struct LagrangianOracle::PriceSums {
  std::vector<double> layered;   // A: [kind][layer][hour + 1][lane]
  Index of_kind = 0;             // entries of a kind in it
  std::vector<double> transfer;  // gamma + price: [origin][hour][lane]
  std::span<const double> nu;
  double max_sum = 0.0, max_transfer = 0.0, max_nu = 0.0;  // largest magnitudes, for the margin
};

struct LagrangianOracle::ShapeTable {
  std::vector<double> m;                     // M: [length][hour][lane]
  std::vector<std::int32_t> lengths_within;  // [hours left]
  const double* by_lane = nullptr;           // [layer][lane]: hours, 0 = excluded
  std::vector<double> nu;                    // [layer][lane]: price of the quota rows; 0 beyond the classes
};

// Jobs that a thread prices at a time (jobs).
constexpr Index kOracleChunk = 2048;

LagrangianOracle::LagrangianOracle(const Instance& instance, const JobTable& jobs) : JobGroups(instance) {
  if (jobs.gang.size() > at(std::numeric_limits<std::int32_t>::max()))
    throw Error(ErrorKind::invalid_problem, "jobs", -1, "more than 2^31 - 1 jobs");
  jobs_ = group(instance, jobs);
  index_jobs(jobs.gang.size());
}

LagrangianOracle::LagrangianOracle(const LagrangianOracle& whole, std::span<const std::int32_t> rows,
                                   std::span<const std::int32_t> weight)
    : JobGroups(whole) {
  std::vector<std::pair<std::int32_t, std::int32_t>> members;  // position, weight
  members.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) members.emplace_back(whole.position(rows[i]), weight[i]);
  std::sort(members.begin(), members.end());
  jobs_.reserve(members.size());
  for (const auto& [position, job_weight] : members) {
    jobs_.push_back(whole.jobs_[at(position)]);
    jobs_.back().weight = job_weight;
  }
  index_jobs(at(whole.rows()));
}

// Computes the data derived from jobs_: the position of each row, and sums.
void LagrangianOracle::index_jobs(std::size_t rows) {
  position_.assign(rows, -1);
  for (std::size_t p = 0; p < jobs_.size(); ++p) position_[at(jobs_[p].id)] = static_cast<std::int32_t>(p);
  for (const PackedJob& job : jobs_) {
    const double w = job.weight;
    gang_sum_ += w * job.gang, data_sum_ += w * job.data, delay_sum_ += w * job.delay;
    value_sum_ += w * (job.value + job.migration);
  }
  active_.resize(jobs_.size());
  std::iota(active_.begin(), active_.end(), 0);
  assert(holds());
}

void LagrangianOracle::set_active(std::span<const std::uint8_t> active) {
  active_.clear();
  for (std::size_t p = 0; p < jobs_.size(); ++p)
    if (active[at(jobs_[p].id)] != 0) active_.push_back(static_cast<std::int32_t>(p));
}

void LagrangianOracle::min_accelerator_hours(std::span<double> out) const {
  std::fill(out.begin(), out.end(), 0.0);
  for (const PackedJob& job : jobs_) out[at(job.id)] = static_cast<double>(job.gang) * shapes_[at(job.shape)].shortest;
}

void LagrangianOracle::has_option(Pool& pool, std::span<std::uint8_t> out) const {
  std::fill(out.begin(), out.end(), std::uint8_t{0});
  pool.for_chunks(size(), kOracleChunk, [&](Index, Index begin, Index end) {
    for (Index p = begin; p < end; ++p) {
      const PackedJob& job = jobs_[at(p)];
      bool found = false;
      for (Index c = 0; c < classes_ && !found; ++c)
        for (Index t = job.release; t < job.deadline && !found; ++t) found = allowed(job, c, t);
      out[at(job.id)] = found ? 1 : 0;
    }
  });
}

LagrangianOracle::PriceSums LagrangianOracle::price_sums(const DualPrices& prices) const {
  PriceSums sums;
  sums.nu = prices.quota;
  sums.of_kind = layers_ * (hours_ + 1) * lanes_;
  sums.layered.assign(at(kinds_ * sums.of_kind), 0.0);
  for (Index kc = 0; kc < kinds_ * classes_; ++kc) {
    const Index c = kc % classes_, begin = kc / classes_ * sums.of_kind;
    double sum = 0.0;
    for (Index t = 0; t <= hours_; ++t) {
      sums.layered[at(begin + (layer_[at(c)] * (hours_ + 1) + t) * lanes_ + place_[at(c)])] = sum;
      sums.max_sum = std::max(sums.max_sum, std::abs(sum));
      if (t < hours_)
        sum += prices.capacity[at(kc * hours_ + t)] +
               energy_[at(c * hours_ + t)] * prices.energy[at(place_[at(c)] * hours_ + t)];
    }
  }
  sums.transfer.assign(at(places_ * hours_ * lanes_), 0.0);
  for (Index o = 0; o < places_; ++o)
    for (Index s = 0; s < places_; ++s)
      for (Index t = 0; t < hours_; ++t) {
        const double price = prices.link[at((o * places_ + s) * hours_ + t)] + transfer_price_[at(o * places_ + s)];
        sums.transfer[at((o * hours_ + t) * lanes_ + s)] = price;
        sums.max_transfer = std::max(sums.max_transfer, std::abs(price));
      }
  for (const double nu : prices.quota) sums.max_nu = std::max(sums.max_nu, std::abs(nu));
  return sums;
}

double LagrangianOracle::quota_price(const PriceSums& sums, const JobShape& shape, Index klass) const {
  return shape.owner >= 0 && priced(shape.owner) ? sums.nu[account(shape.owner, klass)] : 0.0;
}

bool LagrangianOracle::within_quota(const JobShape& shape, Index klass, std::int32_t hours) const {
  return shape.owner < 0 || static_cast<double>(shape.gang) * hours <= least_quota_[account(shape.owner, klass)];
}

// Builds the table of a shape for the jobs at `positions`. The lanes of a length are the classes that take exactly that
// many hours; a class that is too small for the gang in some hour is excluded for the starts that reach it. Each length
// fills a row of its own, since a job with fewer hours left reads the row of the shorter ones; where all jobs have the
// same deadline, each start is read with one number of lengths only, and all lengths share a row.
void LagrangianOracle::build_table(const PriceSums& sums, const JobShape& shape,
                                   std::span<const std::int32_t> positions, ShapeTable& out) const {
  std::int32_t first = static_cast<std::int32_t>(hours_), end = 0, least_end = first;
  for (const std::int32_t p : positions) {
    const PackedJob& job = jobs_[at(p)];
    first = std::min(first, job.release);
    end = std::max(end, job.deadline), least_end = std::min(least_end, job.deadline);
  }
  const std::span<const std::int32_t> lengths(lengths_.data() + lengths_end_[at(shape.row)],
                                              lengths_.data() + lengths_end_[at(shape.row + 1)]);
  const bool shared = end == least_end;
  out.lengths_within.assign(at(hours_ + 1), shared ? 1 : static_cast<std::int32_t>(lengths.size()));
  for (std::size_t i = 0, filled = 0; i < lengths.size() && !shared; filled = at(lengths[i++]))
    std::fill(out.lengths_within.begin() + static_cast<std::ptrdiff_t>(filled), out.lengths_within.begin() + lengths[i],
              static_cast<std::int32_t>(i));
  const Index level = hours_ * lanes_;
  if (out.m.size() < lengths.size() * at(level)) out.m.resize(lengths.size() * at(level));
  out.by_lane = &hours_by_lane_[at(shape.row * layers_ * lanes_)];
  out.nu.assign(at(layers_ * lanes_), 0.0);
  for (Index c = 0; c < classes_; ++c) out.nu[at(layer_[at(c)] * lanes_ + place_[at(c)])] = quota_price(sums, shape, c);
  double* m = out.m.data() + first * lanes_;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    const Index starts = end - lengths[i] - first + 1;
    if (starts <= 0) break;
    if (i == 0) {
      std::fill_n(m, starts * lanes_, kInf);
    } else if (!shared) {
      std::copy_n(m, starts * lanes_, m + level), m += level;
    }
    if (shape.gang == 0) {
      const std::size_t which = lengths_end_[at(shape.row)] + i;
      for (std::size_t k = layers_of_length_end_[which]; k < layers_of_length_end_[which + 1]; ++k) {
        const Index a = layers_of_length_[k];
        const double* here = sums.layered.data() + shape.kind * sums.of_kind + (a * (hours_ + 1) + first) * lanes_;
        fold_class(m, here + lengths[i] * lanes_, here, out.by_lane + a * lanes_, out.nu.data() + a * lanes_,
                   lengths[i], starts, lanes_);
      }
    } else {
      fold_available(sums, shape, lengths[i], first, starts, m);
    }
  }
}

// Does as fold_class() for the classes that have the gang of the shape in all the hours that it would take.
void LagrangianOracle::fold_available(const PriceSums& sums, const JobShape& shape, std::int32_t length, Index first,
                                      Index starts, double* m) const {
  const double* by_lane = &hours_by_lane_[at(shape.row * layers_ * lanes_)];
  for (Index a = 0; a < layers_; ++a)
    for (Index s = 0; s < places_; ++s) {
      const Slot klass = class_at_[at(a * lanes_ + s)];
      if (by_lane[a * lanes_ + s] != length || !within_quota(shape, klass, length)) continue;
      const double add = quota_price(sums, shape, klass) * length;
      const double* here = sums.layered.data() + shape.kind * sums.of_kind + (a * (hours_ + 1) + first) * lanes_ + s;
      const std::int64_t* capacity = &capacity_[at(klass * hours_ + first)];
      Index first_open = 0;  // the least start after the latest hour so far without enough accelerators
      for (Index t = 0; t < length - 1; ++t)
        if (capacity[t] < shape.gang) first_open = t + 1;
      for (Index t = 0; t < starts; ++t) {
        if (capacity[t + length - 1] < shape.gang) first_open = t + length;
        if (t < first_open) continue;
        double& best = m[t * lanes_ + s];
        best = std::min(best, here[(t + length) * lanes_] - here[t * lanes_] + add);
      }
    }
}

bool LagrangianOracle::allowed(const PackedJob& job, Index klass, Index hour) const {
  const std::int32_t d = hours_on(job, klass);
  const Index s = place_[at(klass)];
  if (d == 0 || hour < job.release || hour + d > job.deadline || ((masks_[at(job.mask)] >> s) & 1) == 0) return false;
  if (job.data > bandwidth_[at((job.origin * hours_ + hour) * lanes_ + s)]) return false;
  if (static_cast<double>(job.gang) * d > least_quota_[account(job.owner, klass)]) return false;
  const std::int64_t* capacity = &capacity_[at(klass * hours_ + hour)];
  return *std::min_element(capacity, capacity + d) >= job.gang;
}

Slot LagrangianOracle::class_of(const PriceSums& sums, const PackedJob& job, const ShapeTable& tables,
                                const CheapestOption& best) const {
  const JobShape& shape = shapes_[at(job.shape)];
  double least = kInf;
  Slot out = kNone;
  for (Index a = 0; a < layers_; ++a) {
    const auto d = static_cast<std::int32_t>(tables.by_lane[a * lanes_ + best.place]);
    if (d == 0 || best.hour + d > job.deadline) continue;
    const Slot c = class_at_[at(a * lanes_ + best.place)];
    const double* sum =
        sums.layered.data() + shape.kind * sums.of_kind + (a * (hours_ + 1) + best.hour) * lanes_ + best.place;
    const double cost = sum[d * lanes_] - sum[0] + quota_price(sums, shape, c) * d;
    if (cost < least && (shape.gang == 0 || allowed(job, c, best.hour))) least = cost, out = c;
  }
  return out;
}

// Returns the cheapest hour and place of a job, without migration costs; cost is inf if none is allowed.
CheapestOption LagrangianOracle::cheapest(const PriceSums& sums, const PackedJob& job, const JobShape& shape,
                                          const ShapeTable& tables) const {
  if (shape.shortest == 0 || job.release + shape.shortest > job.deadline) return {kInf, -1, -1};
  const Index origin = job.origin * hours_ * lanes_;
  return find_cheapest(
      {tables.m.data(), tables.lengths_within.data(), &sums.transfer[at(origin)],
       job.limited_links ? &bandwidth_[at(origin)] : nullptr, &mask_cost_[at(job.mask * lanes_)], hours_, job.release,
       job.deadline - shape.shortest, job.deadline, static_cast<double>(job.gang), job.data, job.delay},
      lanes_);
}

// Returns the class, cost and start of the cheapest option; kNone if leaving the job out is cheaper.
std::pair<Slot, CheapestOption> LagrangianOracle::choose(const PriceSums& sums, const PackedJob& job,
                                                         const ShapeTable& tables) const {
  CheapestOption best = cheapest(sums, job, shapes_[at(job.shape)], tables);
  if (job.migration > 0.0) {
    best.cost += job.migration;
    if (allowed(job, job.placed_class, job.placed_start)) {
      const double stay = cost_of(sums, job, job.placed_class, job.placed_start);
      if (stay <= best.cost && stay < job.value)
        return {job.placed_class, {stay, place_[at(job.placed_class)], job.placed_start}};
    }
  }
  if (!(best.cost < job.value)) return {kNone, best};
  return {class_of(sums, job, tables, best), best};
}

void LagrangianOracle::price_chunk(const PriceSums& sums, std::span<const std::int32_t> positions, OracleResult& out,
                                   std::span<std::int32_t> choice_class, std::span<std::int32_t> choice_start) const {
  ShapeTable table;
  std::size_t tabled = 0;                                                 // end of the jobs that the table is for
  out.load.accelerators.assign(at(kinds_ * classes_ * (hours_ + 1)), 0);  // differences, summed up after the merge
  out.load.data.assign(at(places_ * places_ * hours_), 0.0);
  out.load.quota.assign(least_quota_.size(), 0);
  for (std::size_t i = 0; i < positions.size(); ++i) {
    const PackedJob& job = jobs_[at(positions[i])];
    if (i == tabled) {
      while (tabled < positions.size() && jobs_[at(positions[tabled])].shape == job.shape) ++tabled;
      build_table(sums, shapes_[at(job.shape)], positions.subspan(i, tabled - i), table);
    }
    const auto [klass, best] = choose(sums, job, table);
    if (!choice_class.empty()) {
      choice_class[at(job.id)] = klass;
      choice_start[at(job.id)] = klass == kNone ? -1 : best.hour;
    }
    if (klass == kNone) {
      out.total += job.weight * job.value, out.left_out += job.weight * job.value;
      continue;
    }
    const auto d = static_cast<Index>(table.by_lane[layer_[at(klass)] * lanes_ + best.place]);
    out.total += job.weight * best.cost;
    ++out.placed;
    std::int64_t* used = &out.load.accelerators[at((job.kind * classes_ + klass) * (hours_ + 1) + best.hour)];
    const std::int64_t gang = static_cast<std::int64_t>(job.gang) * job.weight;
    used[0] += gang, used[d] -= gang;
    if (job.origin != best.place)
      out.load.data[at((job.origin * places_ + best.place) * hours_ + best.hour)] += job.weight * job.data;
    out.load.quota[account(job.owner, klass)] += gang * d;
  }
}

double LagrangianOracle::cost_of(const PriceSums& sums, const PackedJob& job, Index klass, Index hour) const {
  const std::int32_t d = hours_on(job, klass);
  const Index s = place_[at(klass)];
  const double* sum =
      sums.layered.data() + job.kind * sums.of_kind + (layer_[at(klass)] * (hours_ + 1) + hour) * lanes_ + s;
  const double nu = priced(job.owner) ? sums.nu[account(job.owner, klass)] : 0.0;
  return job.gang * (sum[d * lanes_] - sum[0] + nu * d) +
         job.data * sums.transfer[at((job.origin * hours_ + hour) * lanes_ + s)] +
         job.delay * static_cast<double>(hour - job.release);
}

OracleResult LagrangianOracle::price(const DualPrices& prices, Pool& pool, std::span<std::int32_t> choice_class,
                                     std::span<std::int32_t> choice_start) const {
  const PriceSums sums = price_sums(prices);
  std::vector<OracleResult> parts;
  pool.for_parts(parts, active(), kOracleChunk, [&](auto& part, Index begin, Index end) {
    price_chunk(sums, std::span(active_).subspan(at(begin), at(end - begin)), part, choice_class, choice_start);
  });
  OracleResult out;
  std::vector<std::int64_t> change(at(kinds_ * classes_ * (hours_ + 1)), 0);
  out.load.data.assign(at(places_ * places_ * hours_), 0.0);
  out.load.quota.assign(least_quota_.size(), 0);
  for (const OracleResult& part : parts) {
    out.total += part.total, out.left_out += part.left_out, out.placed += part.placed;
    for (std::size_t i = 0; i < change.size(); ++i) change[i] += part.load.accelerators[i];
    for (std::size_t i = 0; i < out.load.data.size(); ++i) out.load.data[i] += part.load.data[i];
    for (std::size_t i = 0; i < out.load.quota.size(); ++i) out.load.quota[i] += part.load.quota[i];
  }
  out.load.accelerators.resize(at(kinds_ * classes_ * hours_));
  for (Index c = 0; c < kinds_ * classes_; ++c)
    std::partial_sum(&change[at(c * (hours_ + 1))], &change[at(c * (hours_ + 1))] + hours_,
                     &out.load.accelerators[at(c * hours_)]);
  const double steps = static_cast<double>(2 * hours_ + 16 + kOracleChunk + static_cast<Index>(parts.size()));
  const double span = static_cast<double>(hours_);
  out.margin = 2 * kUnitRoundoff * steps *
               (gang_sum_ * (sums.max_sum + span * sums.max_nu) + data_sum_ * sums.max_transfer + delay_sum_ * span +
                value_sum_);
  return out;
}

bool LagrangianOracle::holds() const {
  for (std::size_t p = 0; p < jobs_.size(); ++p) {
    const PackedJob& job = jobs_[p];
    if (position_[at(job.id)] != static_cast<std::int32_t>(p)) return false;
    if (p > 0 && jobs_[p - 1].shape > job.shape) return false;
  }
  return std::is_sorted(active_.begin(), active_.end());
}

}  // namespace gridcompute::plan
