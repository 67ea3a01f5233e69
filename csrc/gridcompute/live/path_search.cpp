#include "gridcompute/live/path_search.hpp"

#include <algorithm>

namespace gridcompute::matcher {

namespace {

std::size_t at(Index k) { return static_cast<std::size_t>(k); }

}  // namespace

Search::Search(World& world, Board& board, std::vector<Cost>& prices, const std::vector<Cost>& capacity, Counts& counts,
               Pool& pool, Stop& stop)
    : world_(world),
      board_(board),
      prices_(prices),
      capacity_(capacity),
      counts_(counts),
      pool_(pool),
      stop_(stop),
      classes_(world.classes()),
      seen_(at(classes_), 0),
      done_(at(classes_), 0),
      distance_(at(classes_)),
      neighbour_(at(classes_)),
      arc_(at(classes_)) {}

void Search::start(Slot node) {
  ++counts_.searches;
  ++round_;
  queue_ = {};
  settled_.clear();
  reach(node, 0, kNone, {});
}

void Search::reach(Slot node, Cost length, Slot neighbour, Arc arc) {
  if (length >= distance(node)) return;
  seen_[at(node)] = round_;
  distance_[at(node)] = length;
  neighbour_[at(node)] = neighbour;
  arc_[at(node)] = arc;
  queue_.push({length, node});
}

bool Search::pop(Label& label) {
  while (!queue_.empty()) {
    label = queue_.top();
    queue_.pop();
    if (done_[at(label.node)] == round_ || label.distance > distance(label.node)) continue;
    return true;
  }
  return false;
}

Search::Found Search::outward(Slot source, std::vector<Job>& moved) {
  Slot end = kNone;
  while (end == kNone) {
    if (stop_.poll()) return Found::stopped;
    start(source);
    Arc dry;
    const Cost least_to = board_.all_complete() ? 0 : board_.slack_to(board_.least_slack_to());
    Cost bound = kForbidden;  // no path over a move not listed is shorter
    Slot short_of = kNone;
    Label label;
    while (true) {
      const bool more = pop(label);
      if (!more && short_of == kNone) return Found::nowhere;
      if (!more || label.distance > bound) {
        list_more_from(short_of, more ? label.node : kNone, more ? label.distance - distance(short_of) : 0);
        break;
      }
      const Slot v = label.node;
      if (v != source && unsure(arc_[at(v)])) {
        board_.refresh(arc_[at(v)].from, arc_[at(v)].place, pool_);
        break;
      }
      done_[at(v)] = round_;
      settled_.push_back(v);
      if (v != source && world_.load(v) < capacity_[at(v)]) {
        end = v;
        break;
      }
      const Board::Row& row = board_.row(v);
      counts_.steps += static_cast<Index>(row.to.size());
      const Cost base = label.distance - prices_[at(v)];
      for (std::size_t k = 0; k < row.to.size(); ++k) {
        if (row.top[k] >= kForbidden) continue;
        const Slot b = row.to[k];
        const Arc arc{v, static_cast<std::int32_t>(k)};
        const Cost there = base + row.top[k] + prices_[at(b)];
        if (there < label.distance) dry = arc;
        reach(b, there, v, arc);
      }
      if (dry.place >= 0) break;
      if (!board_.complete(v)) {
        const Cost here = label.distance + board_.slack_from(v) + least_to;
        if (here < bound) bound = here, short_of = v;
      }
    }
    if (dry.place >= 0 && !refreshed(dry)) return Found::lost;
  }
  const Cost length = distance(end);
  for (const Slot v : settled_) prices_[at(v)] += std::max<Cost>(0, length - distance(v));
  const Cost units = std::min(world_.load(source) - capacity_[at(source)], capacity_[at(end)] - world_.load(end));
  return move_along(end, true, units, moved) ? Found::path : Found::lost;
}

Search::Found Search::inward(Slot target, std::vector<Job>& moved) {
  Slot end = kNone;
  Cost length = 0;
  while (end == kNone) {
    if (stop_.poll()) return Found::stopped;
    start(target);
    Arc dry;
    const Slot least_from = board_.all_complete() ? kNone : board_.least_slack_from();
    Cost bound = kForbidden, best = kForbidden;
    Slot best_end = kNone, short_of = kNone;
    Label label;
    while (true) {
      const bool more = pop(label) && label.distance < best;
      const Cost next = more ? label.distance : best;
      if (next > bound) {
        list_more_to(short_of, next - distance(short_of));
        break;
      }
      if (!more) {
        end = best_end, length = best;
        break;
      }
      const Slot v = label.node;
      if (v != target && unsure(arc_[at(v)])) {
        board_.refresh(arc_[at(v)].from, arc_[at(v)].place, pool_);
        break;
      }
      done_[at(v)] = round_;
      settled_.push_back(v);
      const Cost over = label.distance + prices_[at(v)];
      if (over < best) best = over, best_end = v;
      const Board::Column& column = board_.column(v);
      counts_.steps += static_cast<Index>(column.from.size());
      for (std::size_t k = 0; k < column.from.size(); ++k) {
        if (column.top[k] >= kForbidden) continue;
        const Slot a = column.from[k];
        const Arc arc{a, column.place[k]};
        const Cost there = over + column.top[k] - prices_[at(a)];
        if (there < label.distance) dry = arc;
        if (there < best) reach(a, there, v, arc);
      }
      if (dry.place >= 0) break;
      if (least_from != kNone) {
        const Cost here = label.distance + board_.slack_to(v) + board_.slack_from(least_from);
        if (here < bound) bound = here, short_of = v;
      }
    }
    if (dry.place >= 0 && !refreshed(dry)) return Found::lost;
  }
  for (const Slot v : settled_) prices_[at(v)] -= std::max<Cost>(0, length - distance(v));
  const Cost spare = end == world_.out() ? world_.load(end) : std::min(world_.load(end), capacity_[at(end)]);
  if (end == target) return Found::path;
  const Cost units = std::min(capacity_[at(target)] - world_.load(target), spare);
  return move_along(end, false, units, moved) ? Found::path : Found::lost;
}

// An arc shorter than none: no job is so, but prices set anew may make a bound of moves not listed so.
bool Search::refreshed(Arc arc) {
  if (!unsure(arc)) return false;
  board_.refresh(arc.from, arc.place, pool_);
  return true;
}

// What is short: the class's own limit, or one target whose price has fallen so far that it spoils the bound for all.
void Search::list_more_from(Slot source, Slot, Cost length) {
  const Slot low = board_.least_slack_to();
  if (board_.slack_to(low) < 0 && -board_.slack_to(low) > board_.slack_from(source) / 2) {
    board_.widen(low, -board_.slack_to(low), pool_);
    return;
  }
  board_.relist(source, 2 * length, true, pool_);
}

void Search::list_more_to(Slot target, Cost length) {
  const Slot low = board_.least_slack_from();
  // A class that has used up its limit is listed again; else the target is what has to reach farther.
  if (low != kNone && board_.slack_from(low) < length) {
    board_.relist(low, 2 * length, true, pool_);
    return;
  }
  board_.widen(target, std::max<Cost>(length, 2 * std::abs(board_.slack_to(target))), pool_);
}

bool Search::tight(const std::vector<Arc>& path) const {
  return std::all_of(path.begin(), path.end(), [&](const Arc& arc) {
    const Board::Row& row = board_.row(arc.from);
    const auto k = at(arc.place);
    return row.first[k] != kNone && row.top[k] + prices_[at(row.to[k])] == prices_[at(arc.from)];
  });
}

bool Search::move_along(Slot end, bool outward, Cost units, std::vector<Job>& moved) {
  // From the class that takes one in to the one that lets one go.
  std::vector<Arc> path;
  for (Slot v = end; neighbour_[at(v)] != kNone; v = neighbour_[at(v)]) {
    if (path.size() > at(classes_)) return false;
    path.push_back(arc_[at(v)]);
  }
  if (!outward) std::reverse(path.begin(), path.end());
  for (Cost unit = 0; unit < units && (unit == 0 || tight(path)); ++unit) {
    ++counts_.augmentations;
    for (const Arc& arc : path) {
      const Board::Row& row = board_.row(arc.from);
      const Job job = row.first[at(arc.place)];
      const Slot to = row.to[at(arc.place)];
      board_.leave(job);
      const bool exact = world_.read(job, scratch_);
      ++counts_.rows;
      board_.enter(job, to, exact, scratch_.row.data());
      moved.push_back(job);
    }
  }
  return true;
}

}  // namespace gridcompute::matcher
