#include "gridcompute/matcher/board.hpp"

#include <algorithm>
#include <memory>
#include <mutex>

#include "gridcompute/matcher/listing.hpp"

namespace gridcompute::matcher {

namespace {

constexpr Slot kFew = 256;                     // with so few classes, all pairs are kept
constexpr Index kPairsWhole = Index{1} << 24;  // a table of places up to here, a map beyond
constexpr Index kMoves = Index{1} << 22;       // moves listed in all, if every pair had its fill
constexpr Index kShort = 16;                   // a heap this short is let grow
constexpr Index kSample = 64;                  // jobs looked at for a class's limit
constexpr int kEndless = 4;                    // after so many tries a class is listed without limit

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

// The heap's front is the least move, of the lowest job.
bool later(const Board::Entry& x, const Board::Entry& y) {
  return x.apart != y.apart ? x.apart > y.apart : x.job > y.job;
}

}  // namespace

Board::Board(World& world, std::vector<Cost>& prices, Counts& counts)
    : world_(world),
      prices_(prices),
      counts_(counts),
      classes_(world.classes()),
      most_(std::clamp<Index>(kMoves / (Index{classes_} * classes_), 8, 1024)),
      few_(classes_ <= kFew) {}

// ---------------------------------------------------------------- places

std::int32_t Board::place(Slot a, Slot b) const {
  const Index pair = Index{a} * classes_ + b;
  if (!places_.empty()) return places_[at(pair)];
  const auto found = far_places_.find(pair);
  return found == far_places_.end() ? -1 : found->second;
}

std::int32_t Board::make_place(Slot a, Slot b) {
  Row& row = rows_[at(a)];
  Column& column = columns_[at(b)];
  const auto k = static_cast<std::int32_t>(row.to.size());
  row.to.push_back(b);
  row.top.push_back(kForbidden);
  row.cut.push_back(kForbidden);
  row.first.push_back(kNone);
  row.heap.emplace_back();
  row.full.push_back(kShort);
  row.mirror.push_back(static_cast<std::int32_t>(column.from.size()));
  column.from.push_back(a);
  column.top.push_back(kForbidden);
  column.place.push_back(k);
  const Index pair = Index{a} * classes_ + b;
  places_.empty() ? void(far_places_[pair] = k) : void(places_[at(pair)] = k);
  return k;
}

// ---------------------------------------------------------------- single pairs

void Board::set_top(Slot a, std::int32_t k) {
  Row& row = rows_[at(a)];
  const auto& heap = row.heap[at(k)];
  row.top[at(k)] = heap.empty() ? row.cut[at(k)] : heap.front().apart;
  row.first[at(k)] = heap.empty() ? kNone : heap.front().job;
  columns_[at(row.to[at(k)])].top[at(row.mirror[at(k)])] = row.top[at(k)];
}

void Board::settle(Slot a, std::int32_t k) {
  auto& heap = rows_[at(a)].heap[at(k)];
  while (!heap.empty() && stale(heap.front())) {
    std::pop_heap(heap.begin(), heap.end(), later);
    heap.pop_back();
  }
  set_top(a, k);
}

void Board::shrink(Slot a, std::int32_t k) {
  Row& row = rows_[at(a)];
  auto& heap = row.heap[at(k)];
  std::erase_if(heap, [&](const Entry& e) { return stale(e); });
  if (static_cast<Index>(heap.size()) > most_ + most_ / 2) {
    std::nth_element(heap.begin(), heap.begin() + most_, heap.end(),
                     [](const Entry& x, const Entry& y) { return later(y, x); });
    row.cut[at(k)] = std::min(row.cut[at(k)], heap[at(most_)].apart);
    heap.resize(at(most_));
  }
  row.full[at(k)] = 2 * static_cast<Index>(heap.size()) + kShort;
  std::make_heap(heap.begin(), heap.end(), later);
}

void Board::push(Slot a, std::int32_t k, Entry entry) {
  Row& row = rows_[at(a)];
  if (entry.apart >= row.cut[at(k)]) return;
  auto& heap = row.heap[at(k)];
  heap.push_back(entry);
  std::push_heap(heap.begin(), heap.end(), later);
  if (static_cast<Index>(heap.size()) > row.full[at(k)]) {
    shrink(a, k);
    settle(a, k);
  } else if (heap.front().job == entry.job) {
    set_top(a, k);
  }
}

// ---------------------------------------------------------------- jobs

void Board::list(Job job, Slot a, const Cost* row, std::vector<Slot>& found) {
  const Cost here = row[a];
  if (here >= kForbidden) return;  // it may be nowhere at all
  found.resize(at(classes_) + 1);
  const Index n = listing::within(row, reference_.data(), classes_, complete(a) ? kForbidden : here + limit_[at(a)],
                                  complete(a), found.data());
  for (Index f = 0; f < n; ++f) {
    const Slot b = found[at(f)];
    if (b == a || row[b] >= kForbidden) continue;
    std::int32_t k = place(a, b);
    if (k < 0) k = make_place(a, b);
    push(a, k, {row[b] - here, job, stamp_[at(job)]});
  }
}

void Board::enter(Job job, Slot s, bool exact, const Scratch& scratch) {
  if (stamp_.size() < at(world_.size())) stamp_.resize(at(world_.size()), 0);
  world_.enter(job, s, scratch.row[at(s)], exact);
  list(job, s, scratch.row.data(), found_);
}

void Board::leave(Job job) {
  const Slot a = world_.slot(job);
  if (a == kNone) return;
  world_.leave(job);
  ++stamp_[at(job)];
  Row& row = rows_[at(a)];
  for (std::size_t k = 0; k < row.first.size(); ++k) {
    if (row.first[k] == job) settle(a, static_cast<std::int32_t>(k));
  }
}

// ---------------------------------------------------------------- whole classes

// The lists of a class in the making: by target, each cut to its cheapest now and then.
struct Board::Fresh {
  explicit Fresh(Slot classes) : bucket(at(classes)), cut(at(classes), kForbidden), threshold(at(classes)) {}
  std::vector<std::vector<Entry>> bucket;
  std::vector<Cost> cut, threshold;
  std::vector<Slot> touched, found;
  Scratch scratch;
  Cost limit = 0;
  Index rows = 0;
};

Cost Board::choose_limit(Slot a, Cost need, Cost least_to, Scratch& scratch, Index& rows) const {
  if (few_ || effort_[at(a)] >= kEndless) return kForbidden;
  const auto members = world_.members(a);
  const auto n = static_cast<Index>(members.size());
  if (n == 0) return kForbidden;
  const Index count = std::min(n, kSample);
  std::vector<Cost> nearest;
  for (Index k = 0; k < count; ++k) {
    const Job job = members[at(k * n / count)];
    world_.read(job, scratch);
    ++rows;
    scratch.row[at(a)] += prices_[at(a)];
    const Cost here = scratch.row[at(a)];
    scratch.row[at(a)] = kForbidden;
    const Cost next = listing::least(scratch.row.data(), prices_.data(), classes_);
    if (next < kForbidden) nearest.push_back(next - here);
  }
  std::sort(nearest.begin(), nearest.end());
  // An eighth of the sample, then a quarter, a half, all.
  const auto share = std::min<Index>(static_cast<Index>(nearest.size()),
                                     std::max<Index>(count >> (3 - std::min(effort_[at(a)], 3)), 1));
  if (share == 0) return kForbidden;
  const Cost margin = std::max(std::max<Cost>(nearest[at(share - 1)], 1), need);
  return prices_[at(a)] + margin - std::min<Cost>(0, least_to);
}

void Board::gather(Slot a, Fresh& fresh) const {
  const bool whole = fresh.limit >= kForbidden;
  // A move is listed if it is at most `threshold` apart: within the limit, and cheaper than what was cut.
  for (Slot b = 0; b < classes_; ++b) fresh.threshold[at(b)] = whole ? kForbidden / 2 : fresh.limit - reference_[at(b)];
  fresh.found.resize(at(classes_) + 1);
  for (const Job job : world_.members(a)) {
    world_.read(job, fresh.scratch);
    ++fresh.rows;
    const Cost* row = fresh.scratch.row.data();
    const Cost here = row[a];
    if (here >= kForbidden) continue;
    const Index n = listing::below(row, fresh.threshold.data(), classes_, here, fresh.found.data());
    for (Index f = 0; f < n; ++f) {
      const Slot b = fresh.found[at(f)];
      if (b == a || row[b] >= kForbidden) continue;
      auto& bucket = fresh.bucket[at(b)];
      if (bucket.empty()) fresh.touched.push_back(b);
      bucket.push_back({row[b] - here, job, stamp_[at(job)]});
      if (static_cast<Index>(bucket.size()) < 2 * most_) continue;
      std::nth_element(bucket.begin(), bucket.begin() + most_, bucket.end(),
                       [](const Entry& x, const Entry& y) { return later(y, x); });
      fresh.cut[at(b)] = std::min(fresh.cut[at(b)], bucket[at(most_)].apart);
      fresh.threshold[at(b)] = std::min(fresh.threshold[at(b)], fresh.cut[at(b)] - 1);
      bucket.resize(at(most_));
    }
  }
}

// Classes keep their pairs; those that nothing is listed for now are empty.
void Board::install(Slot a, Fresh& fresh) {
  Row& row = rows_[at(a)];
  incomplete_ -= complete(a) ? 0 : 1;
  limit_[at(a)] = fresh.limit;
  incomplete_ += complete(a) ? 0 : 1;
  for (std::size_t k = 0; k < row.to.size(); ++k) {
    row.heap[k].clear();
    row.cut[k] = kForbidden;
    set_top(a, static_cast<std::int32_t>(k));
  }
  std::sort(fresh.touched.begin(), fresh.touched.end());
  for (const Slot b : fresh.touched) {
    std::int32_t k = place(a, b);
    if (k < 0) k = make_place(a, b);
    auto& heap = row.heap[at(k)];
    heap.assign(fresh.bucket[at(b)].begin(), fresh.bucket[at(b)].end());
    std::make_heap(heap.begin(), heap.end(), later);
    row.cut[at(k)] = fresh.cut[at(b)];
    row.full[at(k)] = 2 * static_cast<Index>(heap.size()) + kShort;
    set_top(a, k);
    fresh.bucket[at(b)].clear();
    fresh.cut[at(b)] = kForbidden;
  }
  fresh.touched.clear();
  counts_.rows += fresh.rows;
  fresh.rows = 0;
}

bool Board::build(Pool& pool, Stop& stop) {
  stamp_.resize(at(world_.size()), 0);
  rows_.assign(at(classes_), {});
  columns_.assign(at(classes_), {});
  reference_ = prices_;
  limit_.assign(at(classes_), kForbidden);
  effort_.assign(at(classes_), 0);
  incomplete_ = 0;
  far_places_.clear();
  const Index pairs = Index{classes_} * classes_;
  places_.assign(pairs <= kPairsWhole ? at(pairs) : 0, -1);
  std::mutex joining;
  std::vector<std::unique_ptr<Fresh>> spare;  // as many as threads
  std::vector<std::unique_ptr<Fresh>> ready(at(classes_));
  Slot next = 0;  // rows are installed in order, whoever read them
  const bool whole = pool.for_chunks(
      classes_, 1,
      [&](Index, Index begin, Index) {
        const auto a = static_cast<Slot>(begin);
        std::unique_ptr<Fresh> fresh;
        {
          const std::lock_guard lock(joining);
          if (!spare.empty()) fresh = std::move(spare.back()), spare.pop_back();
        }
        if (!fresh) fresh = std::make_unique<Fresh>(classes_);
        fresh->limit = choose_limit(a, 0, 0, fresh->scratch, fresh->rows);
        gather(a, *fresh);
        const std::lock_guard lock(joining);
        ready[at(a)] = std::move(fresh);
        for (; next < classes_ && ready[at(next)]; ++next) {
          install(next, *ready[at(next)]);
          spare.push_back(std::move(ready[at(next)]));
        }
      },
      &stop);
  return whole;
}

void Board::relist(Slot a, Cost need, bool farther) {
  ++counts_.relisted;
  effort_[at(a)] += farther ? 1 : 0;
  Fresh fresh(classes_);
  const Cost least_to = slack_to(least_slack_to());
  fresh.limit = choose_limit(a, need, least_to, fresh.scratch, fresh.rows);
  if (fresh.limit < kForbidden) fresh.limit = std::max(fresh.limit, limit_[at(a)]);
  gather(a, fresh);
  install(a, fresh);
}

// Jobs of all classes are looked at for one target: those that its new reference takes in join the lists.
void Board::widen(Slot b, Cost need, Pool& pool) {
  ++counts_.widened;
  const Cost before = reference_[at(b)], now = prices_[at(b)] - need;
  if (now >= before) return;
  constexpr Index kChunk = 1 << 13;
  struct Hit {
    Slot a;
    Entry entry;
  };
  const Index n = world_.size();
  std::vector<std::vector<Hit>> hits(at(Pool::chunks(n, kChunk)));
  pool.for_chunks(n, kChunk, [&](Index chunk, Index begin, Index end) {
    for (auto job = static_cast<Job>(begin); job < static_cast<Job>(end); ++job) {
      const Slot a = world_.slot(job);
      if (a == kNone || a == b || complete(a)) continue;
      const Cost there = world_.read_one(job, b), reach = world_.key(job) + limit_[at(a)];
      if (there >= kForbidden || there + before <= reach || there + now > reach) continue;
      hits[at(chunk)].push_back({a, {there - world_.key(job), job, stamp_[at(job)]}});
    }
  });
  counts_.rows += n / classes_;
  reference_[at(b)] = now;
  for (const auto& part : hits) {
    for (const Hit& hit : part) {
      std::int32_t k = place(hit.a, b);
      if (k < 0) k = make_place(hit.a, b);
      push(hit.a, k, hit.entry);
    }
  }
}

Slot Board::least_slack_to() const {
  Slot least = 0;
  for (Slot b = 1; b < classes_; ++b) least = slack_to(b) < slack_to(least) ? b : least;
  return least;
}

Slot Board::least_slack_from() const {
  Slot least = kNone;
  for (Slot a = 0; a < classes_; ++a) {
    if (complete(a) || world_.load(a) == 0) continue;
    if (least == kNone || slack_from(a) < slack_from(least)) least = a;
  }
  return least;
}

bool Board::holds() const {
  if (!world_.holds()) return false;
  Scratch scratch;
  for (Slot a = 0; a < classes_; ++a) {
    std::vector<Cost> least(at(classes_), kForbidden);
    for (const Job job : world_.members(a)) {
      world_.read(job, scratch);
      const Cost here = scratch.row[at(a)];
      if (here >= kForbidden) continue;  // it may be nowhere
      for (Slot b = 0; b < classes_; ++b) {
        if (scratch.row[at(b)] < kForbidden) least[at(b)] = std::min(least[at(b)], scratch.row[at(b)] - here);
        // Every job where it is cheapest for it.
        if (scratch.row[at(b)] < kForbidden && scratch.row[at(b)] + prices_[at(b)] < here + prices_[at(a)])
          return false;
      }
    }
    for (Slot b = 0; b < classes_; ++b) {
      if (b == a) continue;
      const std::int32_t k = place(a, b);
      const Cost top = k < 0 ? kForbidden : row(a).top[at(k)];
      const bool sure = k >= 0 && row(a).first[at(k)] != kNone;
      if (k >= 0 && column(b).top[at(row(a).mirror[at(k)])] != top) return false;
      if (sure && top != least[at(b)]) return false;
      if (sure || least[at(b)] >= kForbidden) continue;
      const Cost bound = complete(a) ? kForbidden : limit_[at(a)] - reference_[at(b)];
      if (least[at(b)] < std::min(top, bound)) return false;
    }
  }
  return true;
}

}  // namespace gridcompute::matcher
