#include "gridcompute/plan/lagrangian_oracle.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>

#include "gridcompute/base/error.hpp"
#include "gridcompute/plan/option_kernels.hpp"

namespace gridcompute::plan {

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

LagrangianOracle::LagrangianOracle(const Instance& instance, const JobTable& jobs, const PlanTuning& tuning)
    : JobGroups(instance), chunk_(tuning.oracle_chunk) {
  if (jobs.gang.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    throw Error(ErrorKind::invalid_problem, "jobs", -1, "more than 2^31 - 1 jobs");
  jobs_ = group(instance, jobs);
  index_jobs(jobs.gang.size());
}

LagrangianOracle::LagrangianOracle(const LagrangianOracle& whole, std::span<const std::int32_t> rows,
                                   std::span<const std::int32_t> weight)
    : JobGroups(whole), chunk_(whole.chunk_) {
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
  pool.for_chunks(size(), chunk_, [&](Index, Index begin, Index end) {
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
  std::vector<OracleResult> parts(at(Pool::chunks(active(), chunk_)));
  pool.for_chunks(active(), chunk_, [&](Index chunk_index, Index begin, Index end) {
    price_chunk(sums, std::span(active_).subspan(at(begin), at(end - begin)), parts[at(chunk_index)], choice_class,
                choice_start);
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
  const double steps = static_cast<double>(2 * hours_ + 16 + chunk_ + static_cast<Index>(parts.size()));
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
