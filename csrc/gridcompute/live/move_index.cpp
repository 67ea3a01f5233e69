#include "gridcompute/live/move_index.hpp"

#include <algorithm>
#include <bit>
#include <memory>
#include <mutex>

#include "gridcompute/live/kernels.hpp"

namespace gridcompute::matcher {

namespace {

constexpr Slot kFew = 256;  // with so few classes, all pairs are kept
// Pairs up to which their places stand in a table, 4 bytes each, and not in a map: always, and for each live job.
constexpr Index kPairsWhole = Index{1} << 22, kPairsForJob = 128;
constexpr Index kMoves = Index{3} << 19;                // moves listed in all, if every pair had its fill
constexpr Index kBlock = 16;                            // rows read at once
constexpr Index kPart = Index{1} << 11;                 // members listed by one thread at once
constexpr Index kFirst = 4, kShort = 16, kLong = 1024;  // room of a heap, powers of two: at first, then, and at most
constexpr Index kSample = 64;                           // jobs looked at for a class's limit
constexpr int kEndless = 4;                             // after so many tries a class is listed without limit

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

Index bit_floor(Index n) { return static_cast<Index>(std::bit_floor(static_cast<std::uint64_t>(n))); }

// The heap's front is the least move, of the lowest job.
bool later(const Board::Entry& x, const Board::Entry& y) {
  return x.apart != y.apart ? x.apart > y.apart : x.job > y.job;
}

}  // namespace

Board::Board(World& world, std::vector<Cost>& prices, Counts& counts, std::pmr::memory_resource& memory)
    : world_(world),
      prices_(prices),
      counts_(counts),
      memory_(&memory),
      classes_(world.classes()),
      few_(classes_ <= kFew) {
  set_room(room_of_list(classes_));
}

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
  row.heap.emplace_back(memory_);
  set_cut(row, at(k), kForbidden);
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

void Board::set_cut(Row& row, std::size_t k, Cost cut) {
  row.cut[k] = cut;
  if (few_) row.bar[at(row.to[k])] = cut >= kForbidden ? kForbidden / 2 : cut - 1;
}

// Three sizes only, so that memory once used fits again.
void Board::make_room(Heap& heap, std::size_t n) const {
  if (n > 0 && n > heap.capacity()) heap.reserve(at(n <= at(kFirst) ? kFirst : n <= at(kShort) ? kShort : longest_));
}

void Board::nothing_listed(Slot a, std::int32_t k) {
  rows_[at(a)].heap[at(k)].clear();
  set_cut(rows_[at(a)], at(k), kForbidden);
  set_top(a, k);
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
  if (static_cast<Index>(heap.size()) > most_ + most_ / 4)
    set_cut(row, at(k), std::min(row.cut[at(k)], cheapest(heap, most_)));
  std::make_heap(heap.begin(), heap.end(), later);
  set_top(a, k);
}

void Board::push(Slot a, std::int32_t k, Entry entry) {
  Row& row = rows_[at(a)];
  auto& heap = row.heap[at(k)];
  if (static_cast<Index>(heap.size()) >= longest_) shrink(a, k);
  if (entry.apart >= row.cut[at(k)]) return;
  make_room(heap, heap.size() + 1);
  heap.push_back(entry);
  std::push_heap(heap.begin(), heap.end(), later);
  if (heap.front().job == entry.job) set_top(a, k);
}

// ---------------------------------------------------------------- jobs

void Board::list(Job job, Slot a, const Cost* row, std::vector<Slot>& found) {
  const Cost here = row[a];
  if (here >= kForbidden) return;  // it may be nowhere at all
  found.resize(at(classes_) + 1);
  if (few_) {
    const Index n = listing::below(row, rows_[at(a)].bar.data(), classes_, here, found.data());
    for (Index f = 0; f < n; ++f) {
      const Slot b = found[at(f)];
      std::int32_t k = place(a, b);
      if (k < 0) k = make_place(a, b);
      push(a, k, {row[b] - here, job, stamp_[at(job)]});
    }
    return;
  }
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

void Board::enter(Job job, Slot s, bool exact, const Cost* row) {
  if (stamp_.size() < at(world_.size())) stamp_.resize(at(world_.size()), 0);
  world_.enter(job, s, row[s], exact);
  list(job, s, row, found_);
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
  // Of a class that is listed for the first time: its members' keys, and who does not belong here.
  bool check = false;
  std::vector<Cost> keys;
  std::vector<std::uint8_t> exact;
  std::vector<Job> misplaced;
};

Cost Board::choose_limit(Slot a, Cost need, Cost least_to, Scratch& scratch, Index& rows) const {
  if (few_ || effort_[at(a)] >= kEndless) return kForbidden;
  const auto members = world_.members(a);
  const auto n = static_cast<Index>(members.size());
  if (n == 0) return kForbidden;
  const Index count = std::min(n, kSample);
  Cost farthest = 0;  // from its nearest move, of those looked at
  for (Index k = 0; k < count; ++k) {
    const Job job = members[at(k * n / count)];
    world_.read(job, scratch);
    ++rows;
    scratch.row[at(a)] += prices_[at(a)];
    const Cost here = scratch.row[at(a)];
    scratch.row[at(a)] = kForbidden;
    const Cost next = listing::least(scratch.row.data(), prices_.data(), classes_);
    if (next < kForbidden) farthest = std::max<Cost>({farthest, next - here, 1});
  }
  if (farthest == 0) return kForbidden;
  const Cost margin = std::max(farthest, need);
  return prices_[at(a)] + margin - std::min<Cost>(0, least_to);
}

void Board::gather(Slot a, std::span<const Job> members, Fresh& fresh) const {
  const bool whole = fresh.limit >= kForbidden;
  // A move is listed if it is at most `threshold` apart: within the limit, and cheaper than what was cut.
  for (Slot b = 0; b < classes_; ++b) fresh.threshold[at(b)] = whole ? kForbidden / 2 : fresh.limit - reference_[at(b)];
  fresh.threshold[at(a)] = -kForbidden;
  fresh.found.resize(at(classes_) + 1);
  for (std::size_t from = 0; from < members.size(); from += at(kBlock)) {
    const auto block = members.subspan(from, std::min(at(kBlock), members.size() - from));
    world_.read_many(block, fresh.scratch);
    fresh.rows += static_cast<Index>(block.size());
    for (std::size_t k = 0; k < block.size(); ++k) {
      const Job job = block[k];
      const Cost* row = fresh.scratch.row.data() + k * at(classes_);
      const Cost here = row[a];
      if (fresh.check) {
        const Cost least = listing::least(row, prices_.data(), classes_);
        if (least >= kForbidden ? a != world_.out() : here + prices_[at(a)] != least) fresh.misplaced.push_back(job);
        fresh.keys.push_back(here);
        fresh.exact.push_back(fresh.scratch.exact[k]);
      }
      if (here >= kForbidden) continue;
      const Index n = listing::below(row, fresh.threshold.data(), classes_, here, fresh.found.data());
      for (Index f = 0; f < n; ++f) {
        const Slot b = fresh.found[at(f)];
        auto& bucket = fresh.bucket[at(b)];
        if (bucket.empty()) fresh.touched.push_back(b);
        keep(bucket, {row[b] - here, job, stamp_[at(job)]}, first_, fresh.cut[at(b)], fresh.threshold[at(b)]);
      }
    }
  }
}

void Board::keep(std::vector<Entry>& bucket, Entry entry, Index most, Cost& cut, Cost& threshold) {
  bucket.push_back(entry);
  if (static_cast<Index>(bucket.size()) < 2 * most) return;
  cut = std::min(cut, cheapest(bucket, most));
  threshold = std::min(threshold, cut - 1);
}

// What was gathered of other members of the same class.
void Board::join(Fresh& whole, Fresh& part) const {
  for (const Slot b : part.touched) {
    auto &bucket = whole.bucket[at(b)], &more = part.bucket[at(b)];
    if (bucket.empty()) whole.touched.push_back(b);
    bucket.insert(bucket.end(), more.begin(), more.end());
    whole.cut[at(b)] = std::min(whole.cut[at(b)], part.cut[at(b)]);
  }
  whole.rows += part.rows;
}

// Leaves the `most` cheapest; returns what the next would have been.
template <class List>
Cost Board::cheapest(List& bucket, Index most) {
  std::nth_element(bucket.begin(), bucket.begin() + most, bucket.end(),
                   [](const Entry& x, const Entry& y) { return later(y, x); });
  const Cost cut = bucket[at(most)].apart;
  bucket.resize(at(most));
  return cut;
}

void Board::refill(Slot a, Slot b, std::vector<Entry>& bucket, Index most, Cost cut) {
  if (static_cast<Index>(bucket.size()) > most + most / 4) cut = std::min(cut, cheapest(bucket, most));
  std::int32_t k = place(a, b);
  if (k < 0) k = make_place(a, b);
  Row& row = rows_[at(a)];
  auto& heap = row.heap[at(k)];
  make_room(heap, bucket.size());
  heap.assign(bucket.begin(), bucket.end());
  std::make_heap(heap.begin(), heap.end(), later);
  set_cut(row, at(k), cut);
  set_top(a, k);
}

// Classes keep their pairs; those that nothing is listed for now are empty.
void Board::install(Slot a, Fresh& fresh) {
  const Row& row = rows_[at(a)];
  incomplete_ -= complete(a) ? 0 : 1;
  limit_[at(a)] = fresh.limit;
  incomplete_ += complete(a) ? 0 : 1;
  for (std::size_t k = 0; k < row.to.size(); ++k) nothing_listed(a, static_cast<std::int32_t>(k));
  std::sort(fresh.touched.begin(), fresh.touched.end());
  for (const Slot b : fresh.touched) {
    refill(a, b, fresh.bucket[at(b)], first_, fresh.cut[at(b)]);
    fresh.bucket[at(b)].clear();
    fresh.cut[at(b)] = kForbidden;
  }
  fresh.touched.clear();
  counts_.rows += fresh.rows;
  counts_.listed += fresh.rows;
  fresh.rows = 0;
}

void Board::empty() {
  stamp_.resize(at(world_.size()), 0);
  rows_.assign(at(classes_), {});
  columns_.assign(at(classes_), {});
  for (Slot a = 0; few_ && a < classes_; ++a) {
    rows_[at(a)].bar.assign(at(classes_), kForbidden / 2);
    rows_[at(a)].bar[at(a)] = -kForbidden;
  }
  reference_ = prices_;
  limit_.assign(at(classes_), kForbidden);
  effort_.assign(at(classes_), 0);
  incomplete_ = 0;
  lay_out();
}

void Board::lay_out() {
  far_places_.clear();
  const Index pairs = Index{classes_} * classes_;
  if (pairs > std::max(kPairsWhole, kPairsForJob * world_.live())) {
    std::vector<std::int32_t>().swap(places_);
  } else {
    places_.assign(at(pairs), -1);
  }
  for (Slot a = 0; a < classes_; ++a) {
    for (std::size_t k = 0; k < row(a).to.size(); ++k) {
      const Index pair = Index{a} * classes_ + row(a).to[k];
      const auto place = static_cast<std::int32_t>(k);
      places_.empty() ? void(far_places_[pair] = place) : void(places_[at(pair)] = place);
    }
  }
}

bool Board::build(Pool& pool, Stop& stop, std::vector<Job>& misplaced) {
  empty();
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
        fresh->check = true;
        fresh->limit = choose_limit(a, 0, 0, fresh->scratch, fresh->rows);
        gather(a, world_.members(a), *fresh);
        const std::lock_guard lock(joining);
        ready[at(a)] = std::move(fresh);
        for (; next < classes_ && ready[at(next)]; ++next) {
          Fresh& done = *ready[at(next)];
          install(next, done);
          for (std::size_t k = 0; k < done.keys.size(); ++k)
            world_.rekey(world_.members(next)[k], done.keys[k], done.exact[k] != 0);
          misplaced.insert(misplaced.end(), done.misplaced.begin(), done.misplaced.end());
          done.keys.clear(), done.exact.clear(), done.misplaced.clear();
          spare.push_back(std::move(ready[at(next)]));
        }
      },
      &stop);
  return whole;
}

// ---------------------------------------------------------------- more classes

bool Board::fits(Slot classes) const noexcept { return few_ == (classes <= kFew); }

Index Board::room_of_list(Slot classes) noexcept {
  return std::clamp(bit_floor(kMoves / (Index{classes} * classes)), kShort, kLong);
}

// The last class, of those left out, becomes number `classes` - 1; those between are new and empty.
void Board::grow(Slot classes) {
  const Slot out = classes_ - 1, now = classes - 1;
  const auto rename = [&](std::vector<Slot>& list) { std::replace(list.begin(), list.end(), out, now); };
  for (Row& row : rows_) rename(row.to);
  for (Column& column : columns_) rename(column.from);
  const auto make_room = [&](auto& list, auto value) { list.insert(list.end() - 1, at(classes - classes_), value); };
  make_room(rows_, Row{});
  make_room(columns_, Column{});
  make_room(limit_, kForbidden);
  make_room(reference_, Cost{0});
  make_room(effort_, 0);
  for (Slot a = 0; few_ && a < classes; ++a) {
    auto& bar = rows_[at(a)].bar;
    bar.empty() ? bar.assign(at(classes), kForbidden / 2) : make_room(bar, kForbidden / 2);
    bar[at(a)] = -kForbidden;
  }
  classes_ = classes;
  lay_out();
}

void Board::move_lists(std::pmr::memory_resource& memory) {
  memory_ = &memory;
  set_room(room_of_list(classes_));
  for (Slot a = 0; a < classes_; ++a) {
    Row& row = rows_[at(a)];
    std::vector<Heap> moved;
    moved.reserve(row.heap.size());
    for (std::size_t k = 0; k < row.heap.size(); ++k) {
      shrink(a, static_cast<std::int32_t>(k));
      Heap& heap = moved.emplace_back(memory_);
      make_room(heap, row.heap[k].size());
      heap.assign(row.heap[k].begin(), row.heap[k].end());
    }
    row.heap.swap(moved);
  }
}

void Board::set_room(Index longest) noexcept {
  longest_ = longest;
  most_ = longest * 4 / 5;
  first_ = std::max<Index>(most_ / 4, 8);
}

// ---------------------------------------------------------------- searches that need more

void Board::relist(Slot a, Cost need, bool farther, Pool& pool) {
  ++counts_.relisted;
  effort_[at(a)] += farther ? 1 : 0;
  Fresh fresh(classes_);
  const Cost least_to = slack_to(least_slack_to());
  fresh.limit = choose_limit(a, need, least_to, fresh.scratch, fresh.rows);
  if (fresh.limit < kForbidden) fresh.limit = std::max(fresh.limit, limit_[at(a)]);
  const auto members = world_.members(a);
  const auto n = static_cast<Index>(members.size());
  std::vector<std::unique_ptr<Fresh>> parts(at(Pool::chunks(n, kPart)));
  pool.for_chunks(n, kPart, [&](Index chunk, Index begin, Index end) {
    auto part = std::make_unique<Fresh>(classes_);
    part->limit = fresh.limit;
    gather(a, members.subspan(at(begin), at(end - begin)), *part);
    parts[at(chunk)] = std::move(part);
  });
  for (const auto& part : parts) join(fresh, *part);
  install(a, fresh);
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

}  // namespace gridcompute::matcher
