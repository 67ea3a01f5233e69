// What the board reads by column: one cost of each of many jobs.
#include <algorithm>

#include "gridcompute/live/move_index.hpp"

namespace gridcompute::matcher {

namespace {

constexpr Index kLook = Index{1} << 13;  // jobs looked at by one thread at once

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

}  // namespace

// In rows where that is what they are read by.
void Board::count_singles(Index n) { world_.slab().cost->singles() ? counts_.singles += n : counts_.rows += n; }

void Board::look_at(Slot c, std::vector<Cost>& apart, Pool& pool) {
  const Index n = world_.size();
  apart.resize(at(n));
  std::vector<std::vector<Job>> rounded(at(Pool::chunks(n, kLook)));
  pool.for_chunks(n, kLook, [&](Index chunk, Index begin, Index end) {
    std::vector<Job> jobs;
    Scratch scratch;
    for (auto job = static_cast<Job>(begin); job < static_cast<Job>(end); ++job) {
      apart[at(job)] = kForbidden;
      if (world_.slot(job) != kNone && world_.slot(job) != c) jobs.push_back(job);
    }
    world_.read_column(jobs, c, scratch);
    for (std::size_t k = 0; k < jobs.size(); ++k) {
      const Cost there = scratch.row[k], here = world_.key(jobs[k]);
      // Who may be nowhere so far comes from as far as can be.
      if (there < kForbidden) apart[at(jobs[k])] = here >= kForbidden ? -kForbidden : there - here;
      if (scratch.exact[k] == 0) rounded[at(chunk)].push_back(jobs[k]);
    }
  });
  for (const auto& part : rounded) {
    for (const Job job : part) world_.note_rounded(job);
  }
  count_singles(n);
}

void Board::recolumn(Slot c, const std::vector<Cost>& apart, Pool& pool) {
  reference_[at(c)] = prices_[at(c)];
  const Column column = columns_[at(c)];
  for (std::size_t k = 0; k < column.from.size(); ++k) nothing_listed(column.from[k], column.place[k]);
  for (std::size_t k = 0; k < row(c).to.size(); ++k) nothing_listed(c, static_cast<std::int32_t>(k));
  std::vector<std::vector<Entry>> bucket(at(classes_));
  std::vector<Cost> cut(at(classes_), kForbidden);
  pool.for_chunks(classes_, 1, [&](Index, Index begin, Index) {
    const auto a = static_cast<Slot>(begin);
    if (a == c) return;
    auto& list = bucket[at(a)];
    Cost threshold = complete(a) ? kForbidden / 2 : limit_[at(a)] - reference_[at(c)];
    for (const Job job : world_.members(a)) {
      const Cost length = apart[at(job)];
      if (length > threshold || length <= -kForbidden) continue;
      keep(list, {length, job, stamp_[at(job)]}, first_, cut[at(a)], threshold);
    }
  });
  for (Slot a = 0; a < classes_; ++a) {
    if (!bucket[at(a)].empty()) refill(a, c, bucket[at(a)], first_, cut[at(a)]);
  }
}

void Board::refresh(Slot a, std::int32_t place, Pool& pool) {
  if (!world_.slab().cost->singles()) return relist(a, 0, false, pool);
  ++counts_.refilled;
  const Slot b = row(a).to[at(place)];
  const Cost reach = complete(a) ? kForbidden / 2 : limit_[at(a)] - reference_[at(b)];
  struct Part {
    std::vector<Entry> bucket;
    Cost cut = kForbidden;
    Scratch scratch;
  };
  const auto members = world_.members(a);
  const auto n = static_cast<Index>(members.size());
  std::vector<Part> parts(at(Pool::chunks(n, kLook)));
  pool.for_chunks(n, kLook, [&](Index chunk, Index begin, Index end) {
    Part& part = parts[at(chunk)];
    Cost threshold = reach;
    const auto block = members.subspan(at(begin), at(end - begin));
    world_.read_column(block, b, part.scratch);
    for (std::size_t k = 0; k < block.size(); ++k) {
      const Cost there = part.scratch.row[k], here = world_.key(block[k]);
      if (there >= kForbidden || here >= kForbidden || there - here > threshold) continue;
      keep(part.bucket, {there - here, block[k], stamp_[at(block[k])]}, most_, part.cut, threshold);
    }
  });
  counts_.scattered += n;
  std::vector<Entry> bucket;
  Cost cut = kForbidden;
  for (const Part& part : parts) {
    bucket.insert(bucket.end(), part.bucket.begin(), part.bucket.end());
    cut = std::min(cut, part.cut);
  }
  refill(a, b, bucket, most_, cut);
}

// Jobs of all classes are looked at for one target: those that its new reference takes in join the lists.
void Board::widen(Slot b, Cost need, Pool& pool) {
  ++counts_.widened;
  const Cost before = reference_[at(b)], now = prices_[at(b)] - need;
  if (now >= before) return;
  struct Hit {
    Slot a;
    Entry entry;
  };
  const Index n = world_.size();
  std::vector<std::vector<Hit>> hits(at(Pool::chunks(n, kLook)));
  pool.for_chunks(n, kLook, [&](Index chunk, Index begin, Index end) {
    std::vector<Job> jobs;
    Scratch scratch;
    for (auto job = static_cast<Job>(begin); job < static_cast<Job>(end); ++job) {
      const Slot a = world_.slot(job);
      if (a != kNone && a != b && !complete(a)) jobs.push_back(job);
    }
    world_.read_column(jobs, b, scratch);
    for (std::size_t k = 0; k < jobs.size(); ++k) {
      const Slot a = world_.slot(jobs[k]);
      const Cost there = scratch.row[k], here = world_.key(jobs[k]), reach = here + limit_[at(a)];
      if (there >= kForbidden || there + before <= reach || there + now > reach) continue;
      hits[at(chunk)].push_back({a, {there - here, jobs[k], stamp_[at(jobs[k])]}});
    }
  });
  count_singles(n);
  reference_[at(b)] = now;
  for (const auto& part : hits) {
    for (const Hit& hit : part) {
      std::int32_t k = place(hit.a, b);
      if (k < 0) k = make_place(hit.a, b);
      push(hit.a, k, hit.entry);
    }
  }
}

}  // namespace gridcompute::matcher
