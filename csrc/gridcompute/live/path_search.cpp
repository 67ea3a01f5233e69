#include "gridcompute/live/path_search.hpp"

#include <algorithm>

#include "gridcompute/live/state.hpp"

namespace gridcompute::live {

PathSearch::PathSearch(MatcherState& state, MoveIndex& index, std::vector<Cost>& prices,
                       const std::vector<Cost>& capacity, WorkCounts& counts, const LiveTuning& tuning, Pool& pool,
                       Stop& stop)
    : state_(state),
      index_(index),
      prices_(prices),
      capacity_(capacity),
      counts_(counts),
      tuning_(tuning),
      pool_(pool),
      stop_(stop),
      classes_(state.n_classes()),
      labelled_in_(at(classes_), 0),
      settled_in_(at(classes_), 0),
      distance_(at(classes_)),
      dense_(index.keeps_all_pairs()),
      open_(at(dense_ ? classes_ : 0)),
      previous_(at(dense_ ? classes_ : 0)),
      predecessor_(at(classes_)),
      arc_(at(classes_)) {}

void PathSearch::start(Slot node, bool backwards) {
  ++counts_.path_searches;
  ++search_;
  backwards_ = backwards;
  settled_.clear();
  if (dense_) {
    std::fill(distance_.begin(), distance_.end(), kForbidden);
    std::fill(open_.begin(), open_.end(), kForbidden);
    distance_[at(node)] = open_[at(node)] = 0;
    previous_[at(node)] = kNone;
    return;
  }
  queue_ = {};
  relax(node, 0, kNone, {});
}

void PathSearch::relax(Slot node, Cost length, Slot predecessor, Arc arc) {
  if (length >= distance(node)) return;
  labelled_in_[at(node)] = search_;
  distance_[at(node)] = length;
  predecessor_[at(node)] = predecessor;
  arc_[at(node)] = arc;
  queue_.push({length, node});
}

PathSearch::Arc PathSearch::relax_arcs(Slot v, Cost length, bool backwards, Cost most) {
  const std::vector<Slot>& other = backwards ? index_.target(v).source : index_.source(v).target;
  const std::vector<Cost>& arcs = backwards ? index_.target(v).length : index_.source(v).length;
  counts_.arcs_scanned += static_cast<Index>(other.size());
  const Cost base = backwards ? length + prices_[at(v)] : length - prices_[at(v)];
  const auto arc_at = [&](std::size_t k) {
    return backwards ? Arc{other[k], index_.target(v).source_position[k]} : Arc{v, static_cast<std::int32_t>(k)};
  };
  const auto there = [&](std::size_t k) { return base + arcs[k] + (backwards ? -1 : 1) * prices_[at(other[k])]; };
  Arc negative;
  if (dense_) {
    if (!kernels::relax_all(arcs.data(), prices_.data(), backwards, classes_, base, length, v, distance_.data(),
                            open_.data(), previous_.data()))
      return negative;
  }
  for (std::size_t k = 0; k < other.size(); ++k) {
    if (arcs[k] >= kForbidden) continue;
    if (there(k) < length) negative = arc_at(k);
    if (!dense_ && there(k) < most) relax(other[k], there(k), v, arc_at(k));
  }
  return negative;
}

PathSearch::Arc PathSearch::arc_of(Slot node) const {
  if (!dense_) return arc_[at(node)];
  const auto before = static_cast<Slot>(previous_[at(node)]);
  if (before == kNone) return {};
  return backwards_ ? Arc{node, before} : Arc{before, node};
}

bool PathSearch::pop(Label& label) {
  if (dense_) {
    const Index node = kernels::nearest(open_.data(), classes_);
    if (node < 0) return false;
    label = {open_[at(node)], static_cast<Slot>(node)};
    open_[at(node)] = kForbidden;
    return true;
  }
  while (!queue_.empty()) {
    label = queue_.top();
    queue_.pop();
    if (settled_in_[at(label.node)] == search_ || label.distance > distance(label.node)) continue;
    return true;
  }
  return false;
}

PathSearch::Found PathSearch::route_excess(Slot source, std::vector<Job>& moved) {
  Slot end = kNone;
  while (end == kNone) {
    if (stop_.poll()) return Found::stopped;
    start(source, false);
    Arc negative;
    const Cost least_to = index_.all_complete() ? 0 : index_.slack_to(index_.least_slack_to());
    Cost bound = kForbidden;  // every path over a move that is not indexed is at least this long
    Slot bounding = kNone;
    Label label;
    while (true) {
      const bool more = pop(label);
      if (!more && bounding == kNone) return Found::infeasible;
      if (!more || label.distance > bound) {
        index_farther_from(bounding, more ? label.distance - distance(bounding) : 0);
        break;
      }
      const Slot v = label.node;
      if (const Arc arc = arc_of(v); v != source && is_exhausted(arc)) {
        index_.refill_pair(arc.source, arc.position, pool_);
        break;
      }
      settled_in_[at(v)] = search_;
      settled_.push_back(v);
      if (v != source && state_.load(v) < capacity_[at(v)]) {
        end = v;
        break;
      }
      negative = relax_arcs(v, label.distance, false, kForbidden);
      if (negative.position >= 0) break;
      if (!index_.is_complete(v)) {
        const Cost here = label.distance + index_.slack_from(v) + least_to;
        if (here < bound) bound = here, bounding = v;
      }
    }
    if (negative.position >= 0 && !refill_if_exhausted(negative)) return Found::inconsistent;
  }
  const Cost length = distance(end);
  for (const Slot v : settled_) prices_[at(v)] += std::max<Cost>(0, length - distance(v));
  const Cost units = std::min(state_.load(source) - capacity_[at(source)], capacity_[at(end)] - state_.load(end));
  return augment(end, true, units, moved) ? Found::path : Found::inconsistent;
}

PathSearch::Found PathSearch::fill_deficit(Slot target, std::vector<Job>& moved) {
  Slot end = kNone;
  Cost length = 0;
  while (end == kNone) {
    if (stop_.poll()) return Found::stopped;
    start(target, true);
    Arc negative;
    const Slot least_from = index_.all_complete() ? kNone : index_.least_slack_from();
    Cost bound = kForbidden, best = kForbidden;
    Slot best_end = kNone, bounding = kNone;
    Label label;
    while (true) {
      const bool more = pop(label) && label.distance < best;
      const Cost next = more ? label.distance : best;
      if (next > bound) {
        index_farther_to(bounding, next - distance(bounding));
        break;
      }
      if (!more) {
        end = best_end, length = best;
        break;
      }
      const Slot v = label.node;
      if (const Arc arc = arc_of(v); v != target && is_exhausted(arc)) {
        index_.refill_pair(arc.source, arc.position, pool_);
        break;
      }
      settled_in_[at(v)] = search_;
      settled_.push_back(v);
      const Cost over = label.distance + prices_[at(v)];
      if (over < best) best = over, best_end = v;
      negative = relax_arcs(v, label.distance, true, best);
      if (negative.position >= 0) break;
      if (least_from != kNone) {
        const Cost here = label.distance + index_.slack_to(v) + index_.slack_from(least_from);
        if (here < bound) bound = here, bounding = v;
      }
    }
    if (negative.position >= 0 && !refill_if_exhausted(negative)) return Found::inconsistent;
  }
  for (const Slot v : settled_) prices_[at(v)] -= std::max<Cost>(0, length - distance(v));
  const Cost spare = end == state_.unplaced_class() ? state_.load(end) : std::min(state_.load(end), capacity_[at(end)]);
  if (end == target) return Found::path;
  const Cost units = std::min(capacity_[at(target)] - state_.load(target), spare);
  return augment(end, false, units, moved) ? Found::path : Found::inconsistent;
}

// Handles an arc of negative reduced length: no job has a move that short, but prices that were recomputed may make the
// bound of an exhausted pair negative. Fills that pair; false if the arc is not the bound of one.
bool PathSearch::refill_if_exhausted(Arc arc) {
  if (!is_exhausted(arc)) return false;
  index_.refill_pair(arc.source, arc.position, pool_);
  return true;
}

// How much farther than a search needs a class is indexed when its limit is extended (times the length needed).
constexpr Index kLimitMargin = 2;

// Extends the index where it bounds paths from `source`: its own limit, or one target whose price has fallen by more
// than a share of that limit, so that it lowers the bound of all sources.
void PathSearch::index_farther_from(Slot source, Cost length) {
  const Slot low = index_.least_slack_to();
  if (index_.slack_to(low) < 0 && -index_.slack_to(low) > index_.slack_from(source) / tuning_.target_fall_share) {
    index_.widen_target(low, -index_.slack_to(low), pool_);
    return;
  }
  index_.reindex_source(source, kLimitMargin * length, true, pool_);
}

// Extends the index where it bounds paths to `target`: the source with the least slack, or else the target's reference
// price.
void PathSearch::index_farther_to(Slot target, Cost length) {
  const Slot low = index_.least_slack_from();
  if (low != kNone && index_.slack_from(low) < length) {
    index_.reindex_source(low, kLimitMargin * length, true, pool_);
    return;
  }
  index_.widen_target(target, std::max<Cost>(length, kLimitMargin * std::abs(index_.slack_to(target))), pool_);
}

// Returns whether every arc of the path still has reduced length 0 and a known job.
bool PathSearch::is_tight(const std::vector<Arc>& path) const {
  return std::all_of(path.begin(), path.end(), [&](const Arc& arc) {
    const MoveIndex::SourcePairs& pairs = index_.source(arc.source);
    const auto k = at(arc.position);
    return pairs.job[k] != kNone && pairs.length[k] + prices_[at(pairs.target[k])] == prices_[at(arc.source)];
  });
}

// Moves up to `units` jobs along the path to `end`, while it is tight. The path is walked from the class that takes a
// job to the one that gives one.
bool PathSearch::augment(Slot end, bool from_excess, Cost units, std::vector<Job>& moved) {
  std::vector<Arc> path;
  const auto before = [&](Slot v) { return dense_ ? static_cast<Slot>(previous_[at(v)]) : predecessor_[at(v)]; };
  for (Slot v = end; before(v) != kNone; v = before(v)) {
    if (path.size() > at(classes_)) return false;
    path.push_back(arc_of(v));
  }
  if (!from_excess) std::reverse(path.begin(), path.end());
  for (Cost unit = 0; unit < units && (unit == 0 || is_tight(path)); ++unit) {
    ++counts_.augmentations;
    for (const Arc& arc : path) {
      const MoveIndex::SourcePairs& pairs = index_.source(arc.source);
      const Job job = pairs.job[at(arc.position)];
      const Slot to = pairs.target[at(arc.position)];
      index_.unassign(job);
      const bool exact = state_.read_row(job, buffer_);
      ++counts_.rows_read;
      index_.assign(job, to, exact, buffer_.keys.data());
      moved.push_back(job);
    }
  }
  return true;
}

}  // namespace gridcompute::live
