#include "gridcompute/transport/shards/coordinator.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "gridcompute/transport/model/objective.hpp"
#include "gridcompute/transport/multilevel/stratified_sampling.hpp"
#include "gridcompute/transport/restricted/column_generation.hpp"
#include "gridcompute/transport/restricted/restricted_problem.hpp"
#include "gridcompute/transport/small/small_problem.hpp"

namespace gridcompute::transport {

namespace {

constexpr double kFloat = 0x1p-20;  // bounds the roundings of a margin, a float, after a subtraction

std::vector<std::int32_t> local_rows(std::span<const Index> positions, Index first) {
  std::vector<std::int32_t> rows;
  rows.reserve(positions.size());
  for (const Index at : positions) rows.push_back(static_cast<std::int32_t>(at - first));
  return rows;
}

// The positions within [first, first + n).
std::span<const Index> within(std::span<const Index> positions, Index first, Index n) {
  const auto from = std::lower_bound(positions.begin(), positions.end(), first);
  return {from, std::lower_bound(from, positions.end(), first + n)};
}

}  // namespace

ShardCoordinator::ShardCoordinator(const CostModel& model, std::span<const Index> rows, AskShards ask,
                                   const Options& options, Stop& stop, ShardStats& stats)
    : model_(model),
      rows_(rows.begin(), rows.end()),
      ask_(std::move(ask)),
      options_(options),
      stop_(stop),
      stats_(stats),
      pool_(options.threads) {
  for (const Index n : rows_) {
    first_.push_back(n_jobs_);
    n_jobs_ += n;
  }
}

bool ShardCoordinator::ask_shards(std::vector<std::string> questions, std::vector<std::string>& answers) {
  if (stop_.poll()) return false;
  if (questions.empty()) return true;
  ++stats_.questions;
  std::vector<char> asked;
  for (const std::string& q : questions) {
    stats_.bytes_sent += static_cast<Index>(q.size());
    asked.push_back(q.empty() ? 0 : 1);
  }
  answers = ask_(std::move(questions));
  if (answers.size() != asked.size()) {
    stop_.force_deadline();
    return false;
  }
  for (std::size_t k = 0; k < answers.size(); ++k) {
    stats_.bytes_received += static_cast<Index>(answers[k].size());
    if (answers[k].empty() != (asked[k] == 0))
      throw Error(ErrorKind::internal, "", static_cast<Index>(k),
                  "shards: shard " + std::to_string(k) + " did not answer");
  }
  return true;
}

bool ShardCoordinator::ask_parts(const std::function<std::string(std::size_t part)>& question,
                                 std::vector<std::string>& answers) {
  std::vector<std::string> elsewhere(rows_.size()), found;
  bool any = false;
  for (std::size_t k = 0; k < parts_.size(); ++k) {
    if (parts_[k].shard < 0) continue;
    std::string& asked = elsewhere[at(parts_[k].shard)];
    asked = question(k);
    any |= !asked.empty();
  }
  if (any && !ask_shards(std::move(elsewhere), found)) return false;
  answers.assign(parts_.size(), {});
  for (std::size_t k = 0; k < parts_.size(); ++k) {
    if (parts_[k].shard >= 0) {
      if (any) answers[k] = std::move(found[at(parts_[k].shard)]);
      continue;
    }
    const std::string asked = question(k);
    const ColumnsView view = parts_[k].columns.view();
    if (!asked.empty()) answers[k] = parts_[k].edge->answer(asked, &view, pool_, stop_, *options_.tuning).value();
  }
  return !stop_.requested();
}

MessageWriter ShardCoordinator::question(Question kind) const {
  MessageWriter out;
  out.put(kind, setting_);
  return out;
}

void ShardCoordinator::hold(JobColumns columns, std::vector<Index> positions) {
  check_columns(model_, columns.view(), 0, pool_);  // of whatever bytes they came in
  source_->hold(std::move(columns), std::move(positions));
  set_unplaced(model_, source_->columns().view(), problem_);
}

bool ShardCoordinator::open(std::vector<Index> positions) {
  samples_ = std::move(positions);
  std::vector<std::string> questions, answers;
  for (std::size_t k = 0; k < rows_.size(); ++k) {
    MessageWriter out;
    out.put(Question::open, local_rows(within(samples_, first_[k], rows_[k]), first_[k]));
    questions.push_back(out.take());
  }
  if (!ask_shards(std::move(questions), answers)) return false;
  holds_samples_ = false;
  TermsScope scope{n_jobs_, std::vector<double>(model_.tables.size(), 0)};
  for (std::size_t t = 0; t < scope.coef.size(); ++t) scope.coef[t] = model_.tables[t].scaled ? 0 : 1;
  JobColumns sampled(model_);
  sampled.reserve(static_cast<Index>(samples_.size()));
  least_costs_.clear();
  std::vector<JobColumns> heads, tails;
  double unplaced = 0;
  for (std::size_t k = 0; k < answers.size(); ++k) {
    MessageReader in(answers[k]);
    TermsScope own{n_jobs_, {}};
    double out = 0, least = 0;
    in.get(own.coef, out, least);
    require_fits(own, model_, n_jobs_);
    require_message(out >= 0 && out < kInf && least >= -kInf, "it has another range");
    for (std::size_t t = 0; t < scope.coef.size(); ++t) scope.coef[t] = std::max(scope.coef[t], own.coef[t]);
    unplaced = std::max(unplaced, out);
    least_costs_.push_back(least);
    const auto rows_as = [&](Index needed) {
      JobColumns rows = JobColumns::read(in, model_);
      require_message(rows.size() == needed, "it has other rows");
      check_columns(model_, rows.view(), 0, pool_);
      return rows;
    };
    sampled.append(rows_as(static_cast<Index>(within(samples_, first_[k], rows_[k]).size())));
    const OwnChunks chunks = own_chunks(first_[k], rows_[k], n_jobs_, kPricedRows);
    heads.push_back(rows_as(chunks.begin));
    tails.push_back(rows_as(rows_[k] - chunks.end));
    in.end();
    answers[k] = {};
  }
  source_ = std::make_unique<GatheredCost>(model_, std::move(scope));
  problem_.cost = source_.get();
  problem_.shards = this;
  problem_.largest_unplaced = model_.unplaced == CostModel::Unplaced::scalar && std::isfinite(model_.unplaced_cost)
                                  ? std::fabs(model_.unplaced_cost)
                                  : unplaced;
  stats_.rows_sampled = std::max(stats_.rows_sampled, sampled.size());
  hold(std::move(sampled), samples_);
  holds_samples_ = true;
  make_edges(heads, tails);
  return true;
}

void ShardCoordinator::make_edges(std::span<const JobColumns> heads, std::span<const JobColumns> tails) {
  parts_.clear();
  JobColumns edge(model_);
  Index begin = 0;  // first row of the edge
  const auto close = [&] {
    if (edge.size() == 0) return;
    Part part;
    part.first = begin, part.n = edge.size();
    part.edge = std::make_unique<Shard>(model_, begin, part.n, n_jobs_);
    part.columns = std::exchange(edge, JobColumns(model_));
    parts_.push_back(std::move(part));
  };
  for (std::size_t k = 0; k < rows_.size(); ++k) {
    const OwnChunks own = own_chunks(first_[k], rows_[k], n_jobs_, kPricedRows);
    if (edge.size() == 0) begin = first_[k];
    edge.append(heads[k]);
    if ((begin + edge.size()) % kPricedRows == 0 || begin + edge.size() == n_jobs_) close();
    if (own.end > own.begin) {
      Part part;
      part.first = first_[k] + own.begin, part.n = own.end - own.begin, part.shard = static_cast<Index>(k);
      parts_.push_back(std::move(part));
    }
    if (tails[k].size() > 0) {
      begin = first_[k] + own.end;
      edge.append(tails[k]);
    }
  }
  close();
}

void ShardCoordinator::attach(Level& all) {
  level_ = &all;
  all.shards = this;
  all.n = 0;
  all.unlisted = n_jobs_;
  setting_.clear(), told_.clear(), told_answers_.clear();
  removed_ = false, every_ = 0;
  if (!holds_samples_) (void)open(std::move(samples_));
}

std::vector<Index> ShardCoordinator::rows_of(std::span<const Index> positions) const {
  const std::vector<Index>& held = source_->positions();
  std::vector<Index> rows;
  rows.reserve(positions.size());
  auto at = held.begin();
  for (const Index position : positions) {
    auto to = at;  // most positions lie near the last one
    for (Index step = 1; to != held.end() && *to < position; step *= 2) {
      at = to;
      to += std::min(step, held.end() - to);
    }
    at = std::lower_bound(at, to, position);
    if (at == held.end() || *at != position) at = std::lower_bound(held.begin(), held.end(), position);
    if (at == held.end() || *at != position)
      throw Error(ErrorKind::internal, "", position, "shards: job " + std::to_string(position) + " was not gathered");
    rows.push_back(at - held.begin());
  }
  return rows;
}

// Part of the radius beyond the box within which jobs are listed, so that small moves need no new question.
constexpr double kShardBoxMargin = 0.25;

bool ShardCoordinator::price(const SolverContext& context, const PriceBox& box, RestrictedProblem& out,
                             CostRangeStats& seen) {
  const IntegerKeys& keys = context.keys;
  MessageWriter setting;
  setting.put(PassSetting{keys.resolution(), keys.perturbation(), seen.inexact, context.share, box, source_->scope()});
  setting_ = setting.take();
  limits_.clear();
  for (const Cost up : box.up) limits_.push_back(static_cast<double>(up) * (1 + kShardBoxMargin) + 1);
  MessageWriter asked = question(Question::scan);
  asked.put(limits_);
  hold(JobColumns(model_), {});  // frees the samples: the listed jobs are in memory twice while they are merged
  holds_samples_ = false;
  std::vector<std::string> answers;
  if (!ask_parts([&](std::size_t) { return asked.bytes(); }, answers)) return false;

  out = RestrictedProblem{};
  out.columns = keys.columns();
  out.box = box;
  out.shared = context.share;
  out.fixed.assign(at(out.columns), 0);
  least_margins_.assign(limits_.size(), kInf);
  perturbation_ = 0, removed_ = false, every_ = 0;
  perturber_ = keys.perturber();
  std::vector<PricedChunk> chunks;
  for (std::size_t k = 0; k < answers.size(); ++k) chunks.emplace_back(context.pool.memory());
  std::vector<JobList> lists(answers.size());
  std::vector<UnlistedJobs> others(answers.size());
  const auto take = [&](Index k, Index, Index) {
    MessageReader in(answers[k]);
    read_scan(in, model_, parts_[k].first, parts_[k].n, chunks[k], others[k], lists[k]);
    answers[k] = {};
  };
  if (!context.pool.for_chunks_ignoring_deadline(static_cast<Index>(answers.size()), 1, take, context.stop))
    return false;
  Index listed = 0;
  for (const JobList& list : lists) listed += list.columns.size();
  std::vector<Index> starts{0}, positions;
  JobColumns columns(model_);
  columns.reserve(listed), positions.reserve(listed), out.place_of.reserve(listed), out.margin.reserve(listed);
  UnlistedJobs unlisted{0, std::move(least_margins_)};
  for (std::size_t k = 0; k < lists.size(); ++k) {
    JobList& list = lists[k];
    unlisted.join(others[k]);
    for (Index& job : chunks[k].job) job += starts.back();
    out.place_of.insert(out.place_of.end(), list.place.begin(), list.place.end());
    out.margin.insert(out.margin.end(), list.margin.begin(), list.margin.end());
    positions.insert(positions.end(), list.position.begin(), list.position.end());
    columns.append(list.columns);
    starts.push_back(static_cast<Index>(positions.size()));
    list = {};
  }
  perturbation_ = unlisted.perturbation;
  least_margins_ = std::move(unlisted.least_margins);
  if (!join_chunks(chunks, starts, context, out, seen)) return false;
  level_->n = columns.size();
  level_->unlisted = n_jobs_ - level_->n;
  stats_.rows_listed = std::max(stats_.rows_listed, level_->n);
  hold(std::move(columns), std::move(positions));
  return true;
}

bool ShardCoordinator::list(std::vector<JobList>& lists, RestrictedProblem& r) {
  JobColumns more(model_);
  std::vector<Index> new_positions;
  std::vector<std::int32_t> place;
  std::vector<float> margin;
  const std::vector<Index>& held = source_->positions();
  for (JobList& from : lists) {
    std::vector<std::int32_t> rows;
    for (std::size_t j = 0; j < from.position.size(); ++j) {
      const Index at = from.position[j];
      if (std::binary_search(held.begin(), held.end(), at)) continue;
      rows.push_back(static_cast<std::int32_t>(j));
      new_positions.push_back(at);
      place.push_back(from.place[j]);
      const Cost first = perturber_.perturbation().active() ? perturber_.at(at, from.place[j]) : 0;
      if (removed_) {  // as for the jobs that were listed before (restricted_problem.cpp)
        const float less = from.margin[j] - static_cast<float>(perturber_.perturbation().spread - 1 - first);
        margin.push_back(std::nextafterf(std::nextafterf(less, -std::numeric_limits<float>::infinity()),
                                         -std::numeric_limits<float>::infinity()));
      } else {
        perturbation_ -= first;
        margin.push_back(from.margin[j]);
      }
    }
    more.append(from.columns.view(), rows);
    from = {};
  }
  if (new_positions.empty()) return false;
  // Merges both sets of columns by position; order: row numbers, first of the present columns and then of the new ones.
  const auto before = static_cast<Index>(held.size()), all = before + static_cast<Index>(new_positions.size());
  std::vector<Index> order, positions, moved(static_cast<std::size_t>(before));
  order.reserve(static_cast<std::size_t>(all)), positions.reserve(static_cast<std::size_t>(all));
  DefaultInitVector<std::int32_t> places;
  DefaultInitVector<float> margins;
  places.reserve(static_cast<std::size_t>(all)), margins.reserve(static_cast<std::size_t>(all));
  for (Index a = 0, b = 0; a + b < all;) {
    const bool old = b == all - before || (a < before && held[a] < new_positions[b]);
    if (old) moved[a] = a + b;
    positions.push_back(old ? held[a] : new_positions[b]);
    places.push_back(old ? r.place_of[a] : place[b]);
    margins.push_back(old ? r.margin[a] : margin[b]);
    order.push_back(old ? a : before + b);
    old ? ++a : ++b;
  }
  for (Index& job : r.job) job = moved[job];
  r.place_of = std::move(places), r.margin = std::move(margins);
  hold(source_->columns().merged(more, order), std::move(positions));
  level_->n = all;
  level_->unlisted = n_jobs_ - all;
  stats_.rows_listed = std::max(stats_.rows_listed, all);
  return true;
}

// Part of the margin by which more jobs are listed than are asked for.
constexpr double kShardListMargin = 0.25;

bool ShardCoordinator::list_doubtful(std::span<const Cost> prices, Cost margin, RestrictedProblem& r) {
  const double lowest = lowest_shift(r, prices);
  const double lowered = removed_ ? static_cast<double>(perturber_.perturbation().spread) : 0;
  std::vector<double> limits = limits_;
  bool any = false;
  for (std::size_t s = 0; s < limits.size(); ++s) {
    // Jobs with at least this margin cannot be violated.
    double below = round_up(prices[s] - r.box.center[s] + margin) - lowest;
    if (removed_) below += lowered + std::fabs(below) * kFloat + 1;
    if (!(least_margins_[s] * (removed_ ? 1 - kFloat : 1) < below)) continue;
    any = true;
    limits[s] = std::max(limits[s], below + std::fabs(below) * kShardListMargin + 1);
  }
  if (!any) return false;
  MessageWriter asked = question(Question::list_near);
  asked.put(limits_, limits);
  std::vector<std::string> answers;
  if (!ask_parts([&](std::size_t) { return asked.bytes(); }, answers)) return false;
  limits_ = limits;
  least_margins_.assign(limits_.size(), kInf);
  return list_answers(answers, r, true);
}

bool ShardCoordinator::list_answers(std::span<const std::string> answers, RestrictedProblem& r, bool margins) {
  std::vector<JobList> lists;
  for (std::size_t k = 0; k < answers.size(); ++k) {
    if (answers[k].empty()) continue;
    MessageReader in(answers[k]);
    if (margins) {
      const auto others = in.get<UnlistedJobs>();
      require_message(others.least_margins.size() == least_margins_.size(), "it is about other classes");
      for (std::size_t s = 0; s < least_margins_.size(); ++s)
        least_margins_[s] = std::min(least_margins_[s], others.least_margins[s]);
    }
    lists.push_back(JobList::read(in, model_, parts_[k].first, parts_[k].n, 0));
    in.end();
  }
  return list(lists, r);
}

bool ShardCoordinator::list_every(Index step, RestrictedProblem& r) {
  if (every_ == step) return false;
  const auto asked = [&](std::size_t k) {
    const Part& part = parts_[k];
    std::vector<std::int32_t> rows;
    for (Index at = (part.first + step - 1) / step * step; at < part.first + part.n; at += step)
      if (!std::binary_search(source_->positions().begin(), source_->positions().end(), at))
        rows.push_back(static_cast<std::int32_t>(at - part.first));
    MessageWriter out = question(Question::list_rows);
    out.put(rows);
    return rows.empty() ? std::string{} : out.take();
  };
  std::vector<std::string> answers;
  if (!ask_parts(asked, answers)) return false;
  every_ = step;
  return list_answers(answers, r, false);
}

Index ShardCoordinator::listed_at(Index position) const {
  const std::vector<Index>& held = source_->positions();
  const auto at = std::lower_bound(held.begin(), held.end(), position);
  if (at == held.end() || *at != position)
    throw Error(ErrorKind::internal, "", position, "shards: job " + std::to_string(position) + " is not listed");
  return at - held.begin();
}

bool ShardCoordinator::list_escaping(std::span<const Slot> classes, std::span<const Cost> prices, Cost units,
                                     RestrictedProblem& r) {
  std::vector<char> inside(at(r.columns), 0);
  for (const Slot s : classes)
    if (s < r.columns) inside[at(s)] = 1;
  MessageWriter asked = question(Question::list_escape);
  asked.put(limits_, inside, prices, units);
  std::vector<std::string> answers;
  return ask_parts([&](std::size_t) { return asked.bytes(); }, answers) && list_answers(answers, r, false);
}

bool ShardCoordinator::list_misplaced(std::span<const Cost> prices, RestrictedProblem& r) {
  MessageWriter asked = question(Question::list_wrong);
  asked.put(limits_, prices);
  std::vector<std::string> answers;
  return ask_parts([&](std::size_t) { return asked.bytes(); }, answers) && list_answers(answers, r, false);
}

void ShardCoordinator::remove_perturbation(const KeyPerturber& perturber, RestrictedProblem& r) {
  r.base -= perturbation_;
  perturber_ = perturber;
  removed_ = true;
}

Total ShardCoordinator::total(std::span<const std::int32_t> assignment) {
  told_all_ = false;
  const std::vector<Index>& held = source_->positions();
  const auto classes_of = [&](Index first, Index n) {
    const std::span<const Index> listed = within(held, first, n);
    return assignment.subspan(static_cast<std::size_t>(listed.data() - held.data()), listed.size());
  };
  const auto begin = [&] {
    MessageWriter out;
    out.put(Question::assign, source_->scope(), false, setting_);
    return out;
  };
  const auto with_listed = [&](MessageWriter& out, Index first, Index n) {
    out.put(local_rows(within(held, first, n), first), classes_of(first, n));
  };
  std::vector<MessageWriter> questions;
  std::vector<std::vector<std::int32_t>> heads(rows_.size()), tails(rows_.size());
  for (Part& part : parts_) {
    if (part.shard >= 0) continue;
    MessageWriter out = begin();
    with_listed(out, part.first, part.n);
    out.put(std::vector<std::int32_t>{}, std::vector<std::int32_t>{});
    const ColumnsView view = part.columns.view();
    (void)part.edge->answer(out.bytes(), &view, pool_, stop_, *options_.tuning);
    const std::vector<std::int32_t>& classes = part.edge->assignment();
    if (stop_.requested()) return {};
    // Sends the classes to the shards that have these rows.
    auto k = static_cast<std::size_t>(std::upper_bound(first_.begin(), first_.end(), part.first) - first_.begin()) - 1;
    for (Index at = part.first; at < part.first + part.n; ++at) {
      while (at >= first_[k] + rows_[k]) ++k;
      const OwnChunks own = own_chunks(first_[k], rows_[k], n_jobs_, kPricedRows);
      (at - first_[k] < own.begin ? heads : tails)[k].push_back(classes[static_cast<std::size_t>(at - part.first)]);
    }
  }
  std::vector<std::string> asked, answers;
  for (std::size_t k = 0; k < rows_.size(); ++k) {
    const OwnChunks own = own_chunks(first_[k], rows_[k], n_jobs_, kPricedRows);
    MessageWriter out = begin();
    with_listed(out, first_[k] + own.begin, own.end - own.begin);
    out.put(heads[k], tails[k]);
    asked.push_back(out.take());
  }
  std::vector<std::string> changed = asked;
  for (std::size_t k = 0; k < told_.size(); ++k)
    if (told_[k] == asked[k]) changed[k].clear();
  if (!ask_shards(std::move(changed), answers)) return {};
  for (std::size_t k = 0; k < answers.size(); ++k)
    if (answers[k].empty()) answers[k] = std::move(told_answers_[k]);
  told_ = std::move(asked), told_answers_ = std::move(answers);
  load_.assign(static_cast<std::size_t>(model_.columns()), 0);
  Total total, open;
  for (std::size_t k = 0; k < rows_.size(); ++k) {
    const AssignedCosts own = AssignedCosts::read(told_answers_[k], model_, first_[k], rows_[k], n_jobs_);
    for (std::size_t s = 0; s < load_.size(); ++s) load_[s] += own.load[s];
    for (const double cost : own.before) open.add(cost);
    if ((first_[k] + own_chunks(first_[k], rows_[k], n_jobs_, kTotalRows).begin) % kTotalRows == 0)
      total.join(std::exchange(open, Total{}));
    for (const Total& chunk : own.totals) total.join(chunk);
    for (const double cost : own.after) open.add(cost);
  }
  total.join(open);
  told_all_ = true;
  return total;
}

bool ShardCoordinator::assign_all(std::span<const std::int32_t> assignment) {
  std::vector<std::string> questions, answers;
  for (std::size_t k = 0; k < rows_.size(); ++k) {
    MessageWriter out;
    out.put(Question::assign, source_->scope(), true, assignment.subspan(at(first_[k]), at(rows_[k])));
    questions.push_back(out.take());
  }
  return ask_shards(std::move(questions), answers);
}

double ShardCoordinator::largest_cost() {
  MessageWriter out;
  out.put(Question::largest, source_->scope());
  std::vector<std::string> answers;
  double most = 0;
  if (!ask_shards(std::vector<std::string>(rows_.size(), out.bytes()), answers)) return most;
  for (const std::string& answer : answers) {
    const auto largest = read_message<double>(answer);
    require_message(largest >= 0, "it has another range");
    most = std::max(most, largest);
  }
  return most;
}

bool ShardCoordinator::any_cost_below(double most) {
  MessageWriter out;
  out.put(Question::costs_below, source_->scope(), most);
  std::vector<std::string> questions(rows_.size()), answers;
  bool any = false;
  for (std::size_t k = 0; k < rows_.size(); ++k) {
    if (least_costs_.at(k) > most) continue;  // the answer to `open` suffices
    questions[k] = out.bytes();
    any = true;
  }
  if (!any) return false;
  if (!ask_shards(std::move(questions), answers)) return true;
  return std::any_of(answers.begin(), answers.end(),
                     [](const std::string& answer) { return !answer.empty() && read_message<bool>(answer); });
}

namespace {

// Returns the positions of all samples, ascending; `probed`: those of the sample that sets the resolution too, where
// costs have no bound that is known without reading them (model/integer_keys.cpp).
std::vector<Index> sampled_positions(Index n, std::span<const Index> sizes, bool probed, std::uint64_t seed,
                                     const Tuning& tuning) {
  std::vector<Index> all;
  const auto add = [&](const std::vector<Index>& some) {
    const auto middle = static_cast<std::ptrdiff_t>(all.size());
    all.insert(all.end(), some.begin(), some.end());
    std::inplace_merge(all.begin(), all.begin() + middle, all.end());
  };
  for (const Index m : sizes) add(stratified_sample(n, m, seed));
  if (probed && n > tuning.probe_rows) add(stratified_sample(n, tuning.probe_rows, 1));
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

Result stopped(const Stop& stop, std::size_t n_slots) {
  Result result;
  result.status = stop.why() == Stop::Why::time_limit ? Status::time_limit : Status::stopped;
  result.prices.assign(n_slots, 0.0);
  result.load.assign(n_slots, 0);
  result.objective = kInf;
  result.bound = -kInf;
  return result;
}

// Solves with all rows gathered at the coordinator.
Result solve_gathered(const CostModel& model, std::span<const Cost> capacity, const Options& options, Stop& stop,
                      ShardCoordinator& coordinator) {
  const ColumnsView columns = coordinator.columns().view();
  const std::unique_ptr<CostSource> cost = make_cost(model, columns, coordinator.scope());
  Problem problem;
  problem.cost = cost.get();
  set_unplaced(model, columns, problem);
  problem.capacity = capacity.data();
  Options direct = options;
  direct.direct = true;
  Result result = solve(problem, direct, stop);
  const bool whole = result.status == Status::optimal || result.status == Status::feasible ||
                     (result.status == Status::time_limit && result.objective < kInf);
  if (stop.why() == Stop::Why::interrupted || (whole && !coordinator.assign_all(result.assignment)))
    return stopped(stop, at(model.n_slots));
  return result;
}

}  // namespace

Result solve_shards(const CostModel& model, std::span<const Index> rows, std::span<const Cost> capacity,
                    const AskShards& ask, const Options& options, Stop& stop, ShardStats& stats) {
  const auto n_slots = at(model.n_slots);
  ShardCoordinator coordinator(model, rows, ask, options, stop, stats);
  const Index n = coordinator.jobs();
  const Tuning& tuning = *options.tuning;
  std::vector<Index> sizes = sample_sizes(n, model.columns(), tuning);
  const bool gathered =
      sizes.empty() || n * model.n_slots <= tuning.rounding_costs || small_problem_fits(n, model.columns(), tuning);
  std::vector<Index> positions;
  if (gathered) {
    positions.resize(at(n));
    std::iota(positions.begin(), positions.end(), Index{0});
  } else {
    positions = sampled_positions(n, sizes, model.form != CostModel::Form::terms, options.seed, tuning);
  }
  if (!coordinator.open(std::move(positions))) return stopped(stop, n_slots);
  if (gathered) return solve_gathered(model, capacity, options, stop, coordinator);
  coordinator.problem().capacity = capacity.data();
  Result result = solve(coordinator.problem(), options, stop);
  result.assignment.clear();
  if (result.status != Status::infeasible && !coordinator.told_all()) {
    Result none = stopped(stop, n_slots);
    none.stats = std::move(result.stats);
    return none;
  }
  for (std::size_t s = 0; result.status == Status::optimal && s < n_slots; ++s) {
    if (coordinator.load()[s] != result.load[s])
      throw Error(ErrorKind::internal, "", -1,
                  "shards: class " + std::to_string(s) + " has " + std::to_string(coordinator.load()[s]) +
                      " jobs where the solver counts " + std::to_string(result.load[s]));
  }
  return result;
}

}  // namespace gridcompute::transport
