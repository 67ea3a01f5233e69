#include "gridcompute/plan/job_groups.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <unordered_map>

#include "gridcompute/base/error.hpp"

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
  if (quota_ends_.size() != accounts + 1 || static_cast<std::size_t>(quota_ends_.back()) != quota_rows_.size() ||
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

}  // namespace gridcompute::plan
