#include "gridcompute/transport/restricted/pricing_pass.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <unordered_map>
#include <utility>

#include "gridcompute/transport/kernels/row_screening.hpp"
#include "gridcompute/transport/model/job_shards.hpp"
#include "gridcompute/transport/restricted/restricted_problem.hpp"

namespace gridcompute::transport {

namespace {

constexpr Index kBlockBytes = 1 << 14;  // costs and keys of the rows converted at a time: they stay in the L1 cache
constexpr int kRecentBits = PricedChunk::kRecentBits;

// Rounds a margin down to a float.
float floor_float(Cost x) {
  const float f = static_cast<float>(x);
  return static_cast<double>(f) > static_cast<double>(x) ? std::nextafterf(f, -std::numeric_limits<float>::infinity())
                                                         : f;
}

std::uint64_t hash_list(const Slot* slot, const Cost* key, std::int32_t size) {
  std::uint64_t h = 0x9E3779B97F4A7C15ULL * static_cast<std::uint64_t>(size);
  for (std::int32_t c = 0; c < size; ++c) {
    h = (h ^ static_cast<std::uint64_t>(slot[c])) * 0xFF51AFD7ED558CCDULL;
    h = (h ^ (h >> 32) ^ static_cast<std::uint64_t>(key[c])) * 0xC4CEB9FE1A85EC53ULL;
  }
  return h ^ (h >> 29);
}

// Returns a group with exactly this list, or -1.
template <class Groups, class Table>
std::int32_t find_list(const Groups& in, std::span<const Index> begin, std::uint64_t h, const Slot* slot,
                       const Cost* key, std::int32_t size, const Table& table) {
  const auto [from, to] = table.equal_range(h);
  for (auto it = from; it != to; ++it) {
    const auto g = at(it->second);
    if (in.size[g] == size && std::equal(slot, slot + size, in.slot.begin() + begin[g]) &&
        std::equal(key, key + size, in.key.begin() + begin[g])) {
      return it->second;
    }
  }
  return -1;
}

// Rows after which most must be filtered well, or a chunk is read whole.
constexpr Index kFilterTries = 16;
// Rows that may be filtered badly after kFilterTries (1 / share of rows).
constexpr Index kFilterFailures = 4;
// Rows by which tables of costs are prefetched ahead.
constexpr Index kFilterPrefetch = 8;

template <class T>
class ChunkPricer {
 public:
  ChunkPricer(const SolverContext& context, const Level& level, const PriceBox& box, bool inexact,
              RestrictedProblem& out)
      : context_(context), level_(level), box_(box), out_(out), n_(context.keys.n_slots()), up_(n_), down_(n_) {
    if constexpr (std::is_same_v<T, std::int32_t>) matrix_ = context.keys.int32();
    weighted_ = context.keys.problem().demand != nullptr;
    known_ = inexact || context.keys.integral() || weighted_;
    for (Index s = 0; s < n_; ++s) {
      up_[s] = static_cast<T>(box.center[s] + box.up[s]);
      down_[s] = static_cast<T>(box.center[s] - box.down[s]);
    }
    if (std::is_same_v<T, Cost> && FloatFilter::serves(context.keys, context.tuning))
      filter_.emplace(context.keys, box);
  }

  void run(Index begin, Index end, PricedChunk& chunk_out) const {
    chunk_out.fixed.assign(at(out_.columns), 0);
    for (Index k = begin; k < end; ++k) out_.place_of[k] = 0, out_.margin[k] = 0;
    const Index block = std::clamp<Index>(kBlockBytes / (n_ * static_cast<Index>(sizeof(Cost)) + 1), 1, 256);
    std::vector<ScreenedRow<T>> screened(at(block));
    Buffer buffer;
    buffer.kept.resize(at(n_ + 1));
    for (Index b = begin, count = 0; b < end; b += count) {
      if constexpr (std::is_same_v<T, Cost>) b = filter_rows(b, end, chunk_out, buffer);
      count = std::min(block, end - b);
      for (Index k = 0; k < count; ++k) screened[k].low = unplaced_value(level_.row(b + k), chunk_out.seen);
      const T* rows = screen_block(b, count, buffer, screened.data(), chunk_out);
      for (Index k = 0; k < count; ++k) {
        if (std::is_same_v<T, std::int32_t> && b + count + k < end) fetch(narrow_row(b + count + k));
        const T* row = rows != nullptr ? rows + k * n_ : narrow_row(b + k);
        classify_row(b + k, WholeRow{row}, screened[k], chunk_out, buffer);
      }
    }
  }

 private:
  struct Buffer {
    std::vector<Cost> keys;
    std::vector<std::int32_t> broken;  // the block's rows, perturbed
    std::vector<double> costs, scale;
    std::vector<Slot> kept;
    std::vector<Index> begins;   // of the piece's groups, if shared
    std::vector<Cost> furthest;  // of them: max of key + down
    FloatFilter::Scratch scratch;
    FilteredRow filtered;
    Index attempts = 0, failures = 0;
  };

  // The keys that a screened row still needs: all of them (WholeRow), or those of its candidates (KeptRow).
  struct WholeRow {
    const T* keys;
    [[nodiscard]] Cost only(Slot s) const { return static_cast<Cost>(keys[s]); }
    [[nodiscard]] bool first_infeasible_job(Index n) const {
      return std::none_of(keys, keys + n, [](T key) { return static_cast<Cost>(key) < kForbidden; });
    }
  };
  struct KeptRow {
    const FilteredRow* kept;
    [[nodiscard]] Cost only(Slot) const { return kept->key.front(); }
    [[nodiscard]] bool first_infeasible_job(Index) const { return kept->low >= kForbidden / 4; }
  };

  // Processes rows from b on as long as the float32 filter excludes enough classes; returns the first row still to be
  // read. Where the caller needs to know whether all costs are exact keys, rows must be read whole until one is not.
  Index filter_rows(Index b, Index end, PricedChunk& chunk_out, Buffer& buffer) const {
    if (!filter_ || !(known_ || chunk_out.seen.inexact)) return b;
    while (b < end && kFilterFailures * buffer.failures <= buffer.attempts++ + kFilterTries) {
      const Index job = level_.row(b);
      const Index ahead = b + kFilterPrefetch;
      if (ahead < end) context_.keys.problem().cost->prefetch(level_.row(ahead));
      if (!filter_->screen(job, unplaced_value(job, chunk_out.seen), buffer.scratch, buffer.filtered)) {
        ++buffer.failures;
        break;
      }
      const FilteredRow& kept = buffer.filtered;
      const auto first = static_cast<std::uint64_t>(kept.slot.empty() ? 0 : kept.slot.front());
      classify_row(b++, KeptRow{&kept},
                   ScreenedRow<Cost>{kept.low, kept.next, (first << kCountBits<Cost>)+kept.slot.size()}, chunk_out,
                   buffer);
    }
    return b;
  }

  // Returns the int32 matrix's own row, for T = int32.
  [[nodiscard]] const T* narrow_row(Index k) const { return matrix_ + level_.row(k) * n_; }

  // Prefetches a row of the next block: the hardware prefetcher loses the stream during the work between two blocks.
  void fetch(const T* row) const {
    for (Index s = 0; s < n_; s += Index{64 / sizeof(T)}) __builtin_prefetch(row + s);
  }

  // Screens a block of rows; returns their keys, row after row, or null where they are the int32 matrix's.
  const T* screen_block(Index b, Index count, Buffer& buffer, ScreenedRow<T>* out, PricedChunk& chunk_out) const {
    if constexpr (std::is_same_v<T, std::int32_t>) {
      if (!context_.keys.perturbation().none()) {
        buffer.broken.resize(at(count * n_));
        for (Index k = 0; k < count; ++k) {
          const bool fits =
              context_.keys.perturber().row(level_.row(b + k), narrow_row(b + k), buffer.broken.data() + k * n_);
          chunk_out.wrapped |= !fits;
        }
        screen_rows(buffer.broken.data(), count, n_, up_.data(), down_.data(), out);
        return buffer.broken.data();
      }
      if (level_.rows == nullptr) {
        screen_rows(narrow_row(b), count, n_, up_.data(), down_.data(), out);
      } else {
        for (Index k = 0; k < count; ++k) screen_rows(narrow_row(b + k), 1, n_, up_.data(), down_.data(), out + k);
      }
      return nullptr;
    } else {
      buffer.keys.resize(at(count * n_));
      const Rows rows = level_.block(b, count);
      if (context_.keys.integral() || !context_.keys.perturbation().none()) {
        context_.keys.fill(rows, buffer.keys.data(), buffer.costs, chunk_out.seen);
        screen_rows(buffer.keys.data(), count, n_, up_.data(), down_.data(), out);
      } else {
        screen_reals(rows, buffer, out, chunk_out.seen);
      }
      return buffer.keys.data();
    }
  }

  void screen_reals(Rows rows, Buffer& buffer, ScreenedRow<Cost>* out, CostRangeStats& seen) const {
    buffer.costs.resize(buffer.keys.size());
    buffer.scale.resize(at(rows.count));
    context_.keys.problem().cost->reals(rows, buffer.costs.data());
    for (Index k = 0; k < rows.count; ++k) buffer.scale[k] = context_.keys.scale(rows[k]);
    const RealRows reals{buffer.costs.data(), buffer.scale.data(), buffer.keys.data()};
    if (seen.inexact && context_.keys.surely_in_range()) {
      screen_real_rows(reals, rows.count, n_, up_.data(), down_.data(), out);
      return;
    }
    const KeyExtremes all = screen_real_rows_checked(reals, rows.count, n_, up_.data(), down_.data(), out);
    seen.inexact |= all.inexact;
    if (!all.within(context_.keys.limit()))
      context_.keys.fill(rows, buffer.keys.data(), buffer.costs, seen);  // records why
  }

  // Returns key + up of the unplaced column; T's largest without one.
  T unplaced_value(Index job, CostRangeStats& seen) const {
    if (!context_.keys.optional()) return std::numeric_limits<T>::max();
    const Cost v = context_.keys.unplaced(job, seen) + box_.center[n_] + box_.up[n_];
    return static_cast<T>(std::min<Cost>(v, std::numeric_limits<T>::max()));
  }

  template <class Row>
  void classify_row(Index k, const Row& row, const ScreenedRow<T>& seen, PricedChunk& chunk_out, Buffer& buffer) const {
    const Index job = level_.row(k);
    const Cost weight = weighted_ ? context_.keys.problem().weight(job) : 1;
    Cost next = seen.next == std::numeric_limits<T>::max() ? kForbidden : static_cast<Cost>(seen.next);
    Cost left_out = kForbidden;
    bool out_too = false;
    if constexpr (std::is_same_v<T, std::int32_t>) chunk_out.wrapped |= seen.low < -kInt32Limit;
    if (context_.keys.optional()) {
      CostRangeStats ignored;
      left_out = context_.keys.unplaced(job, ignored);
      const Cost v = left_out + box_.center[n_] - box_.down[n_];
      out_too = v <= static_cast<Cost>(seen.low);
      if (!out_too) next = std::min(next, v);
    }
    next = std::min(next, kForbidden);
    // Prices are below kForbidden / 2, so a least above that bound alone shows that a row may have no allowed class;
    // the row itself decides.
    if ((seen.count() == 0 && !out_too) ||
        (static_cast<Cost>(seen.low) >= kForbidden / 4 && left_out >= kForbidden && row.first_infeasible_job(n_))) {
      if (chunk_out.first_infeasible_job < 0) chunk_out.first_infeasible_job = k;
      return;
    }
    if (seen.count() + (out_too ? 1 : 0) == 1) {
      const Slot s = out_too ? static_cast<Slot>(n_) : seen.single_class();
      const Cost key = out_too ? left_out : row.only(s);
      out_.place_of[k] = s;
      out_.margin[k] = floor_float(next - (key + box_.center[s]));
      chunk_out.fixed[s] += weight;
      chunk_out.base += static_cast<Wide>(weight) * key;
      return;
    }
    add_group(k, row, seen, out_too, left_out, next, weight, chunk_out, buffer);
  }

  void list_candidates(const WholeRow& row, const ScreenedRow<T>& seen, PricedChunk& chunk_out, Buffer& buffer) const {
    const Index found = list_screened(row.keys, down_.data(), n_, seen, buffer.kept.data());
    const std::size_t start = chunk_out.slot.size();
    chunk_out.slot.insert(chunk_out.slot.end(), buffer.kept.begin(), buffer.kept.begin() + found);
    chunk_out.key.resize(start + at(found));
    Cost* const key = chunk_out.key.data() + start;
    for (Index c = 0; c < found; ++c) key[c] = static_cast<Cost>(row.keys[buffer.kept[c]]);
  }

  void list_candidates(const KeptRow& row, const ScreenedRow<T>&, PricedChunk& chunk_out, Buffer&) const {
    chunk_out.slot.insert(chunk_out.slot.end(), row.kept->slot.begin(), row.kept->slot.end());
    chunk_out.key.insert(chunk_out.key.end(), row.kept->key.begin(), row.kept->key.end());
  }

  template <class Row>
  void add_group(Index k, const Row& row, const ScreenedRow<T>& seen, bool out_too, Cost left_out, Cost next,
                 Cost weight, PricedChunk& chunk_out, Buffer& buffer) const {
    constexpr bool whole = std::is_same_v<Row, WholeRow>;
    if constexpr (whole) {
      if (context_.share && join_recent(k, row.keys, seen, out_too, left_out, next, weight, chunk_out, buffer)) return;
    }
    const Index start = static_cast<Index>(chunk_out.slot.size());
    list_candidates(row, seen, chunk_out, buffer);
    if (out_too) chunk_out.slot.push_back(static_cast<Slot>(n_)), chunk_out.key.push_back(left_out);
    const auto size = static_cast<std::int32_t>(static_cast<Index>(chunk_out.slot.size()) - start);
    if (size == 0) {  // read again, its costs were others
      CostRangeStats changed;
      changed.invalid = context_.keys.problem().cost->identity(level_.row(k));
      chunk_out.seen.join(changed);
      return;
    }
    const Cost first = chunk_out.key[start];
    for (Index c = start; c < start + size; ++c) chunk_out.key[c] -= first;
    next -= first + box_.center[chunk_out.slot[start]];
    chunk_out.base += static_cast<Wide>(weight) * first;
    if (context_.share) {
      const std::uint64_t h = hash_list(&chunk_out.slot[start], &chunk_out.key[start], size);
      const std::int32_t g =
          find_list(chunk_out, buffer.begins, h, &chunk_out.slot[start], &chunk_out.key[start], size, chunk_out.table);
      if (g >= 0) {
        chunk_out.slot.resize(at(start));
        chunk_out.key.resize(at(start));
        if constexpr (whole) chunk_out.recent[signature(row.keys, seen)] = g;
        add_member(k, g, weight, next, chunk_out);
        return;
      }
      if constexpr (whole)
        chunk_out.recent[signature(row.keys, seen)] = static_cast<std::int32_t>(chunk_out.size.size());
      chunk_out.table.emplace(h, static_cast<std::int32_t>(chunk_out.size.size()));
      buffer.begins.push_back(start);
      Cost furthest = std::numeric_limits<Cost>::min();
      for (Index c = start; c < start + size; ++c) {
        if (chunk_out.slot[c] < n_)
          furthest = std::max(furthest, chunk_out.key[c] + static_cast<Cost>(down_[chunk_out.slot[c]]));
      }
      buffer.furthest.push_back(furthest);
    }
    out_.place_of[k] = ~static_cast<std::int32_t>(chunk_out.size.size());
    chunk_out.job.push_back(k);
    chunk_out.size.push_back(size);
    chunk_out.members.push_back(1);
    chunk_out.weight.push_back(weight);
    chunk_out.next.push_back(next);
  }

  void add_member(Index k, std::int32_t g, Cost weight, Cost next, PricedChunk& chunk_out) const {
    chunk_out.weight[g] += weight;
    chunk_out.members[g] += 1;
    chunk_out.next[g] = std::min(chunk_out.next[g], next);
    out_.place_of[k] = ~g;
  }

  [[nodiscard]] std::size_t signature(const T* row, const ScreenedRow<T>& seen) const {
    if (n_ == 0) return 0;
    const auto lead = static_cast<std::uint64_t>(add(seen.low, static_cast<T>(-row[seen.single_class() % n_])));
    const std::uint64_t h = lead * 31 + seen.count_and_sum;
    return (h * 0x9E3779B97F4A7C15ULL) >> (64 - kRecentBits);
  }

  // Joins a recent group. With ties most rows have a list that occurred a moment ago: then only its classes are
  // compared, not all. The list is the same if it is as long, the furthest of its classes is a candidate, and their
  // keys differ by the same.
  bool join_recent(Index k, const T* row, const ScreenedRow<T>& seen, bool out_too, Cost left_out, Cost next,
                   Cost weight, PricedChunk& chunk_out, const Buffer& buffer) const {
    const std::int32_t g = chunk_out.recent[signature(row, seen)];
    if (g < 0 || chunk_out.size[g] != static_cast<std::int32_t>(seen.count()) + (out_too ? 1 : 0)) return false;
    const Slot* slot = chunk_out.slot.data() + buffer.begins[g];
    const Cost* key = chunk_out.key.data() + buffer.begins[g];
    Index pairs = chunk_out.size[g];
    const Cost first = slot[0] == n_ ? left_out : static_cast<Cost>(row[slot[0]]);
    if (slot[pairs - 1] == n_) {
      --pairs;
      if (!out_too || left_out - first != key[pairs]) return false;
    }
    if (first + buffer.furthest[g] > static_cast<Cost>(seen.low) ||
        !keys_match(row, slot, key, pairs, static_cast<T>(first)))
      return false;
    chunk_out.base += static_cast<Wide>(weight) * first;
    add_member(k, g, weight, next - first - box_.center[slot[0]], chunk_out);
    return true;
  }

  const SolverContext& context_;
  const Level& level_;
  const PriceBox& box_;
  RestrictedProblem& out_;
  Index n_;
  std::vector<T> up_, down_;
  std::optional<FloatFilter> filter_;
  const T* matrix_ = nullptr;  // the int32 matrix itself, for T = int32
  bool weighted_ = false;
  bool known_;  // whether all costs are exact keys is known, or irrelevant
};

// Room for columns that lists get later (1 / share of candidates).
constexpr Index kSpareCandidates = 16;

// Concatenates the chunks' groups in chunk order; returns the first group of each chunk.
std::vector<Index> append(std::vector<PricedChunk>& chunks, const SolverContext& context, RestrictedProblem& out) {
  std::vector<Index> group(chunks.size() + 1, 0), candidate(chunks.size() + 1, 0);
  for (std::size_t c = 0; c < chunks.size(); ++c) {
    group[c + 1] = group[c] + static_cast<Index>(chunks[c].size.size());
    candidate[c + 1] = candidate[c] + static_cast<Index>(chunks[c].slot.size());
  }
  const auto groups = static_cast<std::size_t>(group.back()), candidates = static_cast<std::size_t>(candidate.back());
  const std::size_t room =
      candidates + candidates / static_cast<std::size_t>(kSpareCandidates);  // lists get columns later
  out.slot.reserve(room), out.key.reserve(room), out.group_of.reserve(room), out.flow.reserve(room);
  out.begin.resize(groups), out.job.resize(groups), out.size.resize(groups), out.members.resize(groups);
  out.weight.resize(groups), out.next.resize(groups), out.slot.resize(candidates), out.key.resize(candidates);
  out.group_of.resize(candidates), out.flow.resize(candidates);
  const auto copy = [&](Index chunk, Index, Index) {
    PricedChunk& p = chunks[static_cast<std::size_t>(chunk)];
    const auto to = [](auto& all, Index at) { return all.begin() + at; };
    Index g = group[chunk], c = candidate[chunk];
    std::copy(p.job.begin(), p.job.end(), to(out.job, g));
    std::copy(p.size.begin(), p.size.end(), to(out.size, g));
    std::copy(p.members.begin(), p.members.end(), to(out.members, g));
    std::copy(p.weight.begin(), p.weight.end(), to(out.weight, g));
    std::copy(p.next.begin(), p.next.end(), to(out.next, g));
    std::copy(p.slot.begin(), p.slot.end(), to(out.slot, c));
    std::copy(p.key.begin(), p.key.end(), to(out.key, c));
    std::fill_n(to(out.flow, c), p.slot.size(), 0);
    for (const std::int32_t size : p.size) {
      std::fill_n(to(out.group_of, c), size, static_cast<std::int32_t>(g));
      out.begin[g++] = c;
      c += size;
    }
    p = PricedChunk(p.memory);
  };
  context.pool.for_chunks_ignoring_deadline(static_cast<Index>(chunks.size()), 1, copy, context.stop);
  return group;
}

// Merges groups with equal lists between chunks; returns the final group for each group of each chunk. Cut short by a
// stop.
std::vector<std::vector<std::int32_t>> append_shared(std::vector<PricedChunk>& chunks, Stop& stop,
                                                     RestrictedProblem& out) {
  std::vector<std::vector<std::int32_t>> renamed(chunks.size());
  std::unordered_multimap<std::uint64_t, std::int32_t> table;
  for (std::size_t c = 0; c < chunks.size() && !stop.poll(); ++c) {
    PricedChunk& p = chunks[c];
    renamed[c].resize(p.size.size());
    Index start = 0;
    for (std::size_t g = 0; g < p.size.size(); start += p.size[g], ++g) {
      const std::uint64_t h = hash_list(&p.slot[start], &p.key[start], p.size[g]);
      const std::int32_t same = find_list(out, out.begin, h, &p.slot[start], &p.key[start], p.size[g], table);
      if (same >= 0) {
        out.weight[same] += p.weight[g];
        out.members[same] += p.members[g];
        out.next[same] = std::min(out.next[same], p.next[g]);
        renamed[c][g] = same;
        continue;
      }
      const auto own = static_cast<std::int32_t>(out.size.size());
      table.emplace(h, own);
      renamed[c][g] = own;
      out.begin.push_back(static_cast<Index>(out.slot.size()));
      out.size.push_back(p.size[g]);
      out.job.push_back(p.job[g]);
      out.members.push_back(p.members[g]);
      out.weight.push_back(p.weight[g]);
      out.next.push_back(p.next[g]);
      out.slot.insert(out.slot.end(), p.slot.begin() + start, p.slot.begin() + start + p.size[g]);
      out.key.insert(out.key.end(), p.key.begin() + start, p.key.begin() + start + p.size[g]);
      out.group_of.insert(out.group_of.end(), at(p.size[g]), own);
    }
    p = PricedChunk(p.memory);
  }
  out.flow.assign(out.slot.size(), 0);
  return renamed;
}

}  // namespace

bool join_chunks(std::vector<PricedChunk>& chunks, std::span<const Index> starts, const SolverContext& context,
                 RestrictedProblem& out, CostRangeStats& seen) {
  for (const PricedChunk& p : chunks) {
    seen.join(p.seen);
    if (out.first_infeasible_job < 0) out.first_infeasible_job = p.first_infeasible_job;
    out.base += p.base;
    for (Slot s = 0; s < out.columns; ++s) out.fixed[s] += p.fixed[s];
  }
  std::vector<std::vector<std::int32_t>> renamed;
  const std::vector<Index> first = context.share ? std::vector<Index>{} : append(chunks, context, out);
  if (context.share) renamed = append_shared(chunks, context.stop, out);
  if (context.share && context.stop.requested()) return false;
  const auto rename = [&](Index chunk, Index, Index) {
    for (Index k = starts[chunk]; k < starts[chunk + 1]; ++k) {
      if (out.place_of[k] >= 0) continue;
      const std::int32_t g = ~out.place_of[k];
      out.place_of[k] = ~(context.share ? renamed[chunk][g] : static_cast<std::int32_t>(first[chunk] + g));
    }
  };
  if (!context.pool.for_chunks_ignoring_deadline(static_cast<Index>(chunks.size()), 1, rename, context.stop))
    return false;
  for (const Cost w : out.weight) out.weight_total += w;
  for (const Cost w : out.fixed) out.weight_total += w;
  return true;
}

namespace {

template <class T>
bool pricing_pass_as(const SolverContext& context, const Level& level, const PriceBox& box, RestrictedProblem& out,
                     CostRangeStats& seen, bool& wrapped) {
  std::vector<PricedChunk> chunks;
  for (Index c = 0; c < Pool::chunks(level.n, kPricedRows); ++c) chunks.emplace_back(context.pool.memory());
  const ChunkPricer<T> scanner(context, level, box, seen.inexact, out);
  const bool whole = context.pool.for_chunks(
      level.n, kPricedRows, [&](Index chunk, Index begin, Index end) { scanner.run(begin, end, chunks[chunk]); },
      &context.stop);
  if (!whole) return false;
  for (const PricedChunk& p : chunks) wrapped |= p.wrapped;
  if (wrapped) return true;
  std::vector<Index> starts;
  for (Index k = 0; k < level.n; k += kPricedRows) starts.push_back(k);
  starts.push_back(level.n);
  return join_chunks(chunks, starts, context, out, seen);
}

// Returns whether prices and radii are small enough for wrapped int32 sums to be recognised. See kInt32Limit: key + up
// wraps only to values below -2^30, and key - down does so only in rows whose minimum is below -2^30 as well.
bool narrow(const PriceBox& box) {
  Cost low = 0, high = 0, radius = 0;
  for (std::size_t s = 0; s < box.center.size(); ++s) {
    low = std::min(low, box.center[s]);
    high = std::max(high, box.center[s]);
    radius = std::max({radius, box.down[s], box.up[s]});
  }
  return low >= 0 && high < kInt32Limit && radius < kInt32Limit / 4 && high + 2 * radius < kInt32Limit;
}

}  // namespace

bool pricing_pass(const SolverContext& context, const Level& level, const PriceBox& box, RestrictedProblem& out,
                  CostRangeStats& seen) {
  if (level.shards != nullptr) return level.shards->price(context, box, out, seen);
  const auto reset = [&] {
    out = RestrictedProblem{};
    out.columns = context.keys.columns();
    out.box = box;
    out.shared = context.share;
    out.place_of.resize(at(level.n));  // written by chunk
    out.margin.resize(at(level.n));
    out.fixed.assign(at(out.columns), 0);
  };
  reset();
  context.stop.count(pass_steps(level.n, out.columns));
  bool wrapped = false;
  const bool in_place = context.keys.int32() != nullptr && context.keys.n_slots() < kInt32Classes && narrow(box);
  if (in_place && !pricing_pass_as<std::int32_t>(context, level, box, out, seen, wrapped)) return false;
  if (!in_place || wrapped) {
    reset();
    out.wrapped = std::exchange(wrapped, false);
    if (!pricing_pass_as<Cost>(context, level, box, out, seen, wrapped)) return false;
  }
  return true;
}

namespace {

// Splits a shared group whose members must be read again into one group a member; flow is assigned in index order.
void part_members(RestrictedProblem& r, const std::vector<std::int32_t>& shared) {
  std::vector<std::int32_t> first(static_cast<std::size_t>(r.groups()), -1);
  for (const std::int32_t g : shared) first[g] = g;
  std::vector<Index> at(first.size(), -1);
  const auto n = static_cast<Index>(r.place_of.size());
  for (Index k = 0; k < n; ++k) {
    const std::int32_t g = ~r.place_of[k];
    if (r.place_of[k] >= 0 || static_cast<std::size_t>(g) >= first.size() || first[g] < 0) continue;
    const Cost each = r.weight[g] / r.members[g];  // members of a group have equal weights: 1
    const auto own = static_cast<std::int32_t>(r.size.size());
    r.place_of[k] = ~own;
    r.begin.push_back(static_cast<Index>(r.slot.size()));
    r.job.push_back(k);
    r.size.push_back(r.size[g]);
    r.members.push_back(1);
    r.weight.push_back(each);
    r.next.push_back(r.next[g]);
    for (std::int32_t c = 0; c < r.size[own]; ++c) {
      const Index from = r.begin[g] + c;
      r.slot.push_back(r.slot[from]);
      r.key.push_back(r.key[from]);
      r.flow.push_back(0);
      r.group_of.push_back(own);
    }
    Cost left = each;
    for (Index& c = at[g] < 0 ? at[g] = r.begin[g] : at[g]; left > 0;) {
      if (r.flow[c] == 0) {
        ++c;
        continue;
      }
      const Cost some = std::min(left, r.flow[c]);
      r.flow[c] -= some;
      r.flow[r.begin[own] + c - r.begin[g]] += some;
      left -= some;
    }
  }
  // The emptied groups keep their number: weight 0, first candidate only.
  for (const std::int32_t g : shared) r.weight[g] = 0, r.members[g] = 0, r.next[g] = kForbidden;
}

// One job's new list.
struct Found {
  std::vector<Slot> slot;
  std::vector<Cost> key;
  Cost next = kForbidden;  // absolute: min of key + center - down over the rest
};

// Replaces a job's list by a longer one, with the flow of the old.
void replace(RestrictedProblem& r, Index k, Cost weight, const Found& found) {
  const Index start = static_cast<Index>(r.slot.size());
  const Cost first = found.key[0];
  std::int32_t g = ~r.place_of[k];
  if (r.place_of[k] >= 0) {
    const Slot at = r.place_of[k];
    g = static_cast<std::int32_t>(r.size.size());
    const auto it = std::lower_bound(found.slot.begin(), found.slot.end(), at);
    const Cost old = found.key[it - found.slot.begin()];
    r.fixed[at] -= weight;
    r.base += static_cast<Wide>(weight) * (first - old);
    r.begin.push_back(start);
    r.job.push_back(k);
    r.size.push_back(0);
    r.members.push_back(1);
    r.weight.push_back(weight);
    r.next.push_back(0);
    r.place_of[k] = ~g;
    for (std::size_t c = 0; c < found.slot.size(); ++c) r.flow.push_back(found.slot[c] == at ? weight : 0);
  } else {
    const Index old = r.begin[g], old_size = r.size[g];
    const auto it = std::lower_bound(found.slot.begin(), found.slot.end(), r.slot[old]);
    r.base += static_cast<Wide>(weight) * (first - found.key[it - found.slot.begin()]);
    Index o = old;
    for (std::size_t c = 0; c < found.slot.size(); ++c) {
      const bool had = o < old + old_size && r.slot[o] == found.slot[c];
      r.flow.push_back(had ? r.flow[o] : 0);
      if (had) r.flow[o++] = 0;
    }
    r.begin[g] = start;
  }
  r.size[g] = static_cast<std::int32_t>(found.slot.size());
  for (std::size_t c = 0; c < found.slot.size(); ++c) {
    r.slot.push_back(found.slot[c]);
    r.key.push_back(found.key[c] - first);
    r.group_of.push_back(g);
  }
  r.next[g] = found.next >= kForbidden ? kForbidden : found.next - (first + r.box.center[found.slot[0]]);
}

}  // namespace

bool extend_lists(const SolverContext& context, const Level& level, std::span<const Index> jobs, RestrictedProblem& r,
                  CostRangeStats& seen, const MarkColumns& mark) {
  std::vector<std::int32_t> shared;
  for (const Index k : jobs) {
    if (r.place_of[k] < 0 && r.members[~r.place_of[k]] > 1) shared.push_back(~r.place_of[k]);
  }
  if (!shared.empty()) {
    std::sort(shared.begin(), shared.end());
    shared.erase(std::unique(shared.begin(), shared.end()), shared.end());
    part_members(r, shared);
  }
  std::vector<Cost> base(r.box.center);
  for (Slot s = 0; s < r.columns; ++s) base[s] -= r.box.down[s];
  std::vector<Found> found(jobs.size());
  std::vector<CostRangeStats> seens;
  context.stop.count(static_cast<Index>(jobs.size()) * r.columns);
  const bool whole = context.pool.for_parts(
      seens, static_cast<Index>(jobs.size()), kRereadJobs,
      [&](auto& part, Index begin, Index end) {
        JobKeyReader reader(context, level);
        std::vector<std::uint8_t> listed(at(r.columns));
        std::vector<Slot> slots(at(r.columns));
        for (Index j = begin; j < end; ++j) {
          const Index k = jobs[at(j)];
          const std::vector<Cost>& row = reader.read(k, part);
          std::fill(listed.begin(), listed.end(), 0);
          if (r.place_of[k] >= 0) {
            listed[r.place_of[k]] = 1;
          } else {
            const std::int32_t g = ~r.place_of[k];
            for (Index c = r.begin[g]; c < r.begin[g] + r.size[g]; ++c) listed[r.slot[c]] = 1;
          }
          Found& f = found[at(j)];
          mark(k, row, listed);
          const Index count = list_marked(listed, slots.data());
          f.slot.assign(slots.begin(), slots.begin() + count);
          for (const Slot s : f.slot) f.key.push_back(row[s]);
          f.next = least_unlisted(row.data(), base.data(), listed);
        }
      },
      &context.stop);
  if (!whole) return false;
  for (const CostRangeStats& s : seens) seen.join(s);
  for (std::size_t j = 0; j < jobs.size(); ++j)
    replace(r, jobs[j], context.keys.problem().weight(level.row(jobs[j])), found[j]);
  return true;
}

}  // namespace gridcompute::transport
