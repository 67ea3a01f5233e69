#include "gridcompute/transport/restricted/active_set.hpp"

#include <algorithm>
#include <limits>

namespace gridcompute::transport {

namespace {

constexpr Index kGroupChunk = 1 << 12;  // groups: fixed, so that sums do not depend on threads

struct Candidate {
  float x;
  std::int32_t set;
};

// Replaces duplicate columns of a group by the cheapest of them.
void merge_duplicates(std::vector<Candidate>& list, std::vector<std::int32_t>& place) {
  std::size_t count = 0;
  for (const Candidate c : list) {
    std::int32_t& at = place[c.set];
    if (at < 0) {
      at = static_cast<std::int32_t>(count);
      list[count++] = c;
    } else {
      list[at].x = std::min(list[at].x, c.x);
    }
  }
  list.resize(count);
  for (const Candidate& c : list) place[c.set] = -1;
}

// Appends the candidates of a group that the range leaves; `list` is scratch.
void keep(std::vector<Candidate>& list, float weight, const ActiveSet::MoveRange& range, ActiveSet::Chunk& out) {
  float least = std::numeric_limits<float>::infinity();
  for (const Candidate& c : list) least = std::min(least, c.x + range.high[c.set]);
  std::size_t count = 0;
  for (const Candidate c : list) {
    list[count] = c;
    count += c.x + range.low[c.set] <= least ? 1 : 0;
  }
  if (count == 1) {
    out.fixed[list[0].set] += static_cast<double>(weight);
  } else if (count == 2) {
    out.first.push_back(list[0].set), out.second.push_back(list[1].set);
    out.apart.push_back(list[1].x - list[0].x);
    out.weight.push_back(weight);
  } else {
    const std::size_t at = out.set.size();
    out.set.resize(at + count), out.above.resize(at + count);
    for (std::size_t c = 0; c < count; ++c) out.set[at + c] = list[c].set, out.above[at + c] = list[c].x - list[0].x;
    out.size.push_back(static_cast<std::int32_t>(count));
    out.weights.push_back(weight);
  }
}

}  // namespace

ActiveSet::ActiveSet(const RestrictedProblem& r, std::span<const std::int32_t> set, std::span<const Cost> center,
                     const MoveRange& range, Pool& pool) {
  for (Index c = 0; c < Pool::chunks(r.groups(), kGroupChunk); ++c) parts_.emplace_back(pool.memory());
  pool.for_chunks(r.groups(), kGroupChunk, [&](Index chunk, Index begin, Index end) {
    Chunk& part = parts_[static_cast<std::size_t>(chunk)];
    part.fixed.assign(center.size(), 0.0);
    const auto most = static_cast<std::size_t>(end - begin);
    part.first.reserve(most), part.second.reserve(most), part.apart.reserve(most), part.weight.reserve(most);
    std::vector<Candidate> list;
    std::vector<std::int32_t> place(set.size() > center.size() ? center.size() : 0, -1);
    for (Index g = begin; g < end; ++g) {
      const Index from = r.begin[g];
      const auto x = [&](Index c) { return r.key[c] + center[set[r.slot[c]]]; };
      const Cost first = x(from);
      list.clear();
      for (Index c = from; c < from + r.size[g]; ++c)
        list.push_back({static_cast<float>(x(c) - first), set[r.slot[c]]});
      if (!place.empty()) merge_duplicates(list, place);
      keep(list, static_cast<float>(r.weight[g]), range, part);
    }
  });
}

void ActiveSet::narrow(const MoveRange& range, Pool& pool) {
  pool.for_chunks(static_cast<Index>(parts_.size()), 1, [&](Index k, Index, Index) {
    const Chunk before = std::move(parts_[static_cast<std::size_t>(k)]);
    Chunk& part = parts_[static_cast<std::size_t>(k)] = Chunk(before.memory);
    part.fixed = before.fixed;
    std::vector<Candidate> list;
    for (std::size_t g = 0; g < before.first.size(); ++g) {
      const std::int32_t a = before.first[g], b = before.second[g];
      const float x = before.apart[g];
      if (x + range.low[b] > range.high[a]) {
        part.fixed[a] += static_cast<double>(before.weight[g]);
      } else if (range.low[a] > x + range.high[b]) {
        part.fixed[b] += static_cast<double>(before.weight[g]);
      } else {
        part.first.push_back(a), part.second.push_back(b);
        part.apart.push_back(x), part.weight.push_back(before.weight[g]);
      }
    }
    std::size_t at = 0;
    for (std::size_t g = 0; g < before.size.size(); ++g) {
      list.clear();
      for (std::int32_t c = 0; c < before.size[g]; ++c, ++at) list.push_back({before.above[at], before.set[at]});
      keep(list, before.weights[g], range, part);
    }
  });
}

Index ActiveSet::groups() const noexcept {
  Index total = 0;
  for (const Chunk& part : parts_) total += part.groups();
  return total;
}

}  // namespace gridcompute::transport
