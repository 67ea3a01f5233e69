// A solve over shards, step by step: the bits of a solve in memory, and answers that depend on the question alone.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <random>

#include "check.hpp"
#include "gridcompute/transport/multilevel/stratified_sampling.hpp"
#include "gridcompute/transport/shards/coordinator.hpp"

namespace gridcompute::transport {

namespace {

// Jobs with two keyed terms, tables small enough that some jobs tie, and slots for all.
struct Jobs {
  Index n, s;
  std::vector<double> runtime, tariff, work, data, out;
  std::vector<std::int32_t> family, origin;
  std::vector<Cost> capacity;
  CostModel model;

  Jobs(std::mt19937& random, int k) : n(draw(random, 3500, 9000)), s(draw(random, 20, 40)) {
    const auto real = [&](double low, double high) {
      return std::uniform_real_distribution<double>(low, high)(random);
    };
    const bool tied = k % 3 == 1;
    for (Index e = 0; e < 6 * s; ++e) runtime.push_back(tied ? static_cast<double>(draw(random, 1, 6)) : real(1, 4));
    for (Index e = 0; e < 4 * s; ++e) tariff.push_back(tied ? static_cast<double>(draw(random, 0, 3)) : real(0, 3));
    if (k % 4 == 2)
      for (Index e = 1; e < 6 * s; ++e)
        if (e % s != 0 && draw(random, 0, 4) == 0)
          runtime[static_cast<std::size_t>(e)] = std::numeric_limits<double>::infinity();
    for (Index i = 0; i < n; ++i) {
      family.push_back(static_cast<std::int32_t>(draw(random, 0, 5)));
      origin.push_back(static_cast<std::int32_t>(draw(random, 0, 3)));
      work.push_back(tied ? static_cast<double>(draw(random, 1, 5)) : real(0.1, 9));
      data.push_back(tied ? static_cast<double>(draw(random, 1, 3)) : real(0.1, 4));
      out.push_back(real(2, 30));
    }
    const Index room = k % 2 == 0 ? n + n / 8 : n + s;
    for (Index c = 0; c < s; ++c) capacity.push_back(room / s + 1);
    capacity[0] += k % 4 == 2 ? n : 0;  // class 0 takes any job
    model.n_slots = s;
    model.tables = {{runtime.data(), 6, true, true}, {tariff.data(), 4, true, true}};
    if (k % 5 == 3) model.unplaced = CostModel::Unplaced::scalar, model.unplaced_cost = 11;
    if (k % 5 == 4) model.unplaced = CostModel::Unplaced::column;
  }

  static Index draw(std::mt19937& random, Index low, Index high) {
    return std::uniform_int_distribution<Index>(low, high)(random);
  }

  [[nodiscard]] ColumnsView view() const {
    return {n,
            {family.data(), origin.data()},
            {work.data(), data.data()},
            model.unplaced == CostModel::Unplaced::column ? out.data() : nullptr};
  }
};

// Tuning under which a problem of a few thousand jobs is solved as one of millions is: by samples, and no step that
// reads all costs of what is small. None takes an extra sample, which shards never do: it would read all of them.
Tuning tuning_of_many(double sample_last) {
  Tuning tuning;
  tuning.sample_jobs = 64, tuning.sample_last = sample_last;
  tuning.recheck_costs = tuning.rounding_costs = tuning.probe_all_costs = 0;
  tuning.probe_rows = 64;
  tuning.sample_extra_gain = 1 << 10;
  return tuning;
}

Options options_of(const Tuning& tuning, int threads) {
  Options options;
  options.threads = threads;
  options.tuning = &tuning;
  return options;
}

Result in_memory(const Jobs& jobs, const Tuning& tuning) {
  Pool pool(1);
  const ColumnExtents extents = check_columns(jobs.model, jobs.view(), 0, pool);
  const auto cost = make_cost(jobs.model, jobs.view(), {jobs.n, extents.coef});
  Problem problem;
  problem.cost = cost.get();
  problem.capacity = jobs.capacity.data();
  set_unplaced(jobs.model, jobs.view(), problem);
  Stop stop;
  return solve(problem, options_of(tuning, 2), stop);
}

// Shards that are asked by a coordinator in this process.
struct Asked {
  const Jobs& jobs;
  const Tuning& tuning;
  std::vector<Index> rows, first;
  std::vector<Shard> shards;
  std::map<Question, Index> count;  // of questions of each kind
  // The questions that each shard got, and what it answered.
  std::vector<std::vector<std::pair<std::string, std::string>>> log;
  std::function<void(std::string& answer)> carry = [](std::string&) {};  // what happens to an answer on its way

  Asked(const Jobs& of, const Tuning& t, std::vector<Index> sizes) : jobs(of), tuning(t), rows(std::move(sizes)) {
    Index at = 0;
    for (const Index n : rows) {
      first.push_back(at);
      shards.emplace_back(jobs.model, at, n, jobs.n);
      at += n;
    }
    log.resize(rows.size());
  }

  [[nodiscard]] std::string answer(Shard& shard, const std::string& question, bool columns_at_once) const {
    Pool pool(2);
    Stop stop;
    const ColumnsView view = jobs.view().rows(shard.first(), shard.size());
    if (!columns_at_once)
      if (const auto quick = shard.answer(question, nullptr, pool, stop, tuning)) return *quick;
    return shard.answer(question, &view, pool, stop, tuning).value();
  }

  std::vector<std::string> ask(std::vector<std::string> questions) {
    std::vector<std::string> answers(questions.size());
    for (std::size_t k = 0; k < questions.size(); ++k) {
      if (questions[k].empty()) continue;
      ++count[MessageReader(questions[k]).get<Question>()];
      answers[k] = answer(shards[k], questions[k], false);
      log[k].emplace_back(questions[k], answers[k]);
      carry(answers[k]);
    }
    return answers;
  }
};

Result in_shards(Asked& asked) {
  const Jobs& jobs = asked.jobs;
  const Options options = options_of(asked.tuning, 2);
  Stop stop(1e9, {}, 1e5);  // damaged costs may be hard to solve
  ShardStats stats;
  ShardCoordinator coordinator(
      jobs.model, asked.rows, [&](std::vector<std::string> q) { return asked.ask(std::move(q)); }, options, stop,
      stats);
  std::vector<Index> positions;
  for (const Index m : sample_sizes(jobs.n, jobs.model.columns(), asked.tuning)) {
    const std::vector<Index> some = stratified_sample(jobs.n, m, options.seed);
    positions.insert(positions.end(), some.begin(), some.end());
  }
  std::ranges::sort(positions);
  positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
  CHECK(coordinator.open(std::move(positions)));
  coordinator.problem().capacity = jobs.capacity.data();
  return solve(coordinator.problem(), options, stop);
}

// Cuts n rows into shards of any size, empty ones among them.
std::vector<Index> cut(std::mt19937& random, Index n) {
  std::vector<Index> ends{0, n};
  for (Index k = Jobs::draw(random, 0, 9); k > 0; --k) ends.push_back(Jobs::draw(random, 0, n));
  std::ranges::sort(ends);
  std::vector<Index> rows;
  for (std::size_t k = 1; k < ends.size(); ++k) rows.push_back(ends[k] - ends[k - 1]);
  return rows;
}

}  // namespace

// If this fails, what is left of a job in a shard is not what is left of it in memory: an answer then depends on where
// files were cut, or on what a worker that died had remembered.
TEST(shards_of_any_cut_end_with_the_answer_of_memory) {
  std::map<Question, Index> count;
  for (int k = 0; k < 12; ++k) {
    CONTEXT("seed", testing::seed(static_cast<std::uint64_t>(k)));
    std::mt19937 random(static_cast<std::uint32_t>(testing::seed(static_cast<std::uint64_t>(k))));
    const Jobs jobs(random, k);
    const Tuning tuning = tuning_of_many(k % 2 == 0 ? 40 : 10);  // small samples: prices that leave the box
    const Result memory = in_memory(jobs, tuning);
    Asked asked(jobs, tuning, cut(random, jobs.n));
    CONTEXT("jobs", jobs.n);
    CONTEXT("rows", asked.rows);
    const Result found = in_shards(asked);
    CHECK_EQ(found.status, memory.status);
    // In memory few costs are summed exactly, in shards never. All bits are compared at sizes that shards are for, from
    // Python.
    CHECK(std::fabs(found.objective - memory.objective) <= 1e-12 * memory.objective);
    CHECK(found.bound <= memory.bound && memory.bound - found.bound <= 1e-9 * memory.objective);
    for (std::size_t c = 0; c < memory.prices.size(); ++c)
      CHECK(std::fabs(found.prices[c] - memory.prices[c]) <= 1e-9 * (1 + memory.prices[c]));
    CHECK_EQ(found.load, memory.load);
    CHECK_EQ(found.stats.evaluations, memory.stats.evaluations);
    std::vector<std::int32_t> slots;
    for (const Shard& shard : asked.shards)
      slots.insert(slots.end(), shard.assignment().begin(), shard.assignment().end());
    if (memory.status != Status::infeasible) CHECK_EQ(slots, memory.assignment);
    for (const auto& [kind, times] : asked.count) count[kind] += times;
    // A shard that was made again answers each question as the one did that had heard all before it.
    for (std::size_t part = 0; part < asked.rows.size(); ++part) {
      for (const auto& [question, answer] : asked.log[part]) {
        Shard again(jobs.model, asked.first[part], asked.rows[part], jobs.n);
        CHECK(asked.answer(again, question, true) == answer);
      }
    }
  }
  for (const Question kind : {Question::open, Question::scan, Question::list_near, Question::assign})
    CHECK(count[kind] > 0);
}

// If this fails, a message that a broken connection cut short is read beyond its end.
TEST(shards_refuse_questions_that_are_cut_short) {
  std::mt19937 random(7);
  const Jobs jobs(random, 0);
  const Tuning tuning = tuning_of_many(40);
  Asked asked(jobs, tuning, {jobs.n / 2, jobs.n - jobs.n / 2});
  (void)in_shards(asked);
  Index refused = 0;
  for (const auto& [question, answer] : asked.log[0]) {
    for (const std::size_t length : {std::size_t{0}, std::size_t{3}, question.size() / 2, question.size() - 1}) {
      Shard again(jobs.model, 0, asked.rows[0], jobs.n);
      try {
        (void)asked.answer(again, question.substr(0, length), true);
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  CHECK_EQ(refused, static_cast<Index>(4 * asked.log[0].size()));
}

// Damages a message: a bit, a number, its length, or a part that comes from another one.
void damage(std::mt19937& random, std::string& message, const std::string& other) {
  if (message.empty()) return;
  const auto size = static_cast<Index>(message.size());
  const auto at = static_cast<std::size_t>(Jobs::draw(random, 0, size - 1));
  const std::size_t word = at / 4 * 4;
  switch (Jobs::draw(random, 0, 6)) {
    case 0:
      message[at] = static_cast<char>(message[at] ^ (1 << Jobs::draw(random, 0, 7)));
      break;
    case 1: {
      const std::size_t near = at % 512 < message.size() ? at % 512 : at;
      message[near] = static_cast<char>(Jobs::draw(random, 0, 255));
      break;
    }
    case 2:
      message.resize(at);
      break;
    case 3:
      message.append(static_cast<std::size_t>(Jobs::draw(random, 1, 64)), static_cast<char>(at));
      break;
    case 4: {
      const Index numbers[] = {-1, 0, 1, 1000, Index{1} << 31, Index{1} << 62, std::numeric_limits<Index>::min()};
      const Index number = numbers[Jobs::draw(random, 0, 6)];
      if (word + sizeof number <= message.size()) std::memcpy(&message[word], &number, sizeof number);
      break;
    }
    case 5:
      if (word < other.size()) message.replace(word, std::string::npos, other.substr(word));
      break;
    default:
      message.erase(word, 8);
  }
}

// Solves with one damaged message in `times` draws from this seed. Digests refuse these messages before they are read
// (shards/shard_worker.py): here they are read, and nothing may be read beyond an array.
void read_damaged(std::uint64_t seed, int times) {
  CONTEXT("seed", seed);
  std::mt19937 random(static_cast<std::uint32_t>(seed));
  const Jobs jobs(random, static_cast<int>(seed % 12));
  const Tuning tuning = tuning_of_many(seed % 2 == 0 ? 40 : 10);
  const std::vector<Index> rows = cut(random, jobs.n);
  Asked whole(jobs, tuning, rows);
  (void)in_shards(whole);
  Index messages = 0;
  for (const auto& log : whole.log) messages += static_cast<Index>(log.size());
  int refused = 0;
  for (int k = 0; k < times; ++k) {
    CONTEXT("draw", k);
    const auto part = static_cast<std::size_t>(Jobs::draw(random, 0, static_cast<Index>(rows.size()) - 1));
    const auto& log = whole.log[part];
    const auto at = static_cast<std::size_t>(Jobs::draw(random, 0, static_cast<Index>(log.size()) - 1));
    const std::string& other =
        log[static_cast<std::size_t>(Jobs::draw(random, 0, static_cast<Index>(log.size()) - 1))].first;
    std::string question = log[at].first;
    damage(random, question, other);
    Shard again(jobs.model, whole.first[part], rows[part], jobs.n);
    try {
      (void)whole.answer(again, question, k % 2 == 0);
    } catch (const Error&) {
      ++refused;
    }
    CHECK(whole.answer(again, log[at].first, true) == log[at].second);  // whatever it was asked before
    Asked asked(jobs, tuning, rows);
    Index left = Jobs::draw(random, 0, messages - 1);
    asked.carry = [&](std::string& answer) {
      if (left-- == 0) damage(random, answer, other);
    };
    try {
      (void)in_shards(asked);
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > 0);
}

// If this fails, an array is read at an unchecked index of a message, or allocated with an unchecked size.
TEST(shards_and_their_coordinator_check_what_they_read) {
  for (std::uint64_t k = 0; k < 6; ++k) read_damaged(testing::seed(k), 12);
}

// If this fails, a key beyond its table is read, or the row that an error names is another one.
TEST(columns_are_checked_wherever_the_bad_value_is) {
  std::mt19937 random(11);
  for (const Index at : {Index{0}, Index{1}, Index{7}, Index{8}, Index{1001}, Index{3499}}) {
    for (int what = 0; what < 7; ++what) {
      Jobs jobs(random, 4);
      const auto k = static_cast<std::size_t>(at);
      const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
      if (what == 0) jobs.family[k] = -1;
      if (what == 1) jobs.origin[k] = 4;
      if (what == 2) jobs.work[k] = nan;
      if (what == 3) jobs.data[k] = -inf;
      if (what == 4) jobs.out[k] = nan;
      if (what == 5) jobs.out[k] = -inf;
      if (what == 6) jobs.work[k] = inf;
      CONTEXT("row", at);
      CONTEXT("what", what);
      Pool pool(2);
      Index named = -1;
      try {
        (void)check_columns(jobs.model, jobs.view(), 100, pool);
      } catch (const Error& error) {
        named = error.index();
      }
      CHECK_EQ(named, 100 + at);
    }
  }
  Jobs good(random, 4);
  good.work[3] = -50, good.out[5] = std::numeric_limits<double>::infinity();
  Pool pool(2);
  const ColumnExtents extents = check_columns(good.model, good.view(), 0, pool);
  CHECK_EQ(extents.coef[0], 50.0);
  CHECK_EQ(extents.coef[1], *std::ranges::max_element(good.data));
  CHECK(extents.unplaced <= 30 && extents.unplaced > 29);
}

}  // namespace gridcompute::transport
