// Small programs solved again and again: each answer must be feasible, and its duals must prove it.
#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "check.hpp"
#include "gridcompute/base/error.hpp"
#include "gridcompute/program/blocks.hpp"

namespace gridcompute::program {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

// Some blocks of random rows; the point at all lower limits satisfies each, so the slacks are a feasible basis.
struct Instance {
  Matrix matrix;
  std::vector<double> cost, low, high, row_low, row_high;
  std::vector<std::uint8_t> basic, upper;
  std::mt19937_64 random;

  double real(double a, double b) { return std::uniform_real_distribution<double>(a, b)(random); }
  int index(int a, int b) { return std::uniform_int_distribution<int>(a, b)(random); }

  explicit Instance(unsigned seed) : random(seed) {
    const int blocks = index(1, 4), rows = index(1, 30), columns = index(1, 50);
    const bool round = index(0, 1) == 0;  // ties and degenerate corners
    matrix.rows = blocks * rows, matrix.begin = {0};
    std::vector<double> activity(at(matrix.rows), 0.0);
    for (int j = 0; j < blocks * columns; ++j) {
      const double from = index(0, 2) == 0 ? real(-1, 1) : 0.0;
      low.push_back(round ? std::round(from) : from);
      high.push_back(low.back() + (index(0, 9) == 0 ? 0.0 : round ? index(1, 3) : real(0, 3)));
      cost.push_back(0.0);
      for (int i = 0; i < rows; ++i)
        if (index(0, rows) < 3) {
          const double v = round ? index(1, 2) * (index(0, 1) == 0 ? 1 : -1) : real(-1, 1);
          matrix.row.push_back((j % blocks) * rows + i), matrix.value.push_back(v);
          activity[at((j % blocks) * rows + i)] += v * low.back();
        }
      matrix.begin.push_back(static_cast<std::int32_t>(matrix.row.size()));
    }
    for (const double a : activity) {
      const int kind = index(0, 3);
      const double more = round ? index(0, 2) : real(0, 2), less = round ? index(0, 2) : real(0, 2);
      row_low.push_back(kind == 0 ? -kInfinity : kind == 1 ? a : a - less);
      row_high.push_back(kind == 1 ? a : kind == 2 ? kInfinity : a + more);
    }
    basic.assign(cost.size(), 0), upper.assign(cost.size() + activity.size(), 0);
    basic.resize(upper.size(), 1);
  }

  [[nodiscard]] Blocks blocks() const { return {matrix, cost, low, high, row_low, row_high, basic, upper}; }

  // Feasible, and proved by its own duals to cost no more than the best.
  void check(const Blocks& blocks) const {
    std::vector<double> x(cost.size()), y(row_low.size()), activity(row_low.size(), 0.0), rest = cost;
    blocks.values(x), blocks.row_duals(y);
    double value = 0.0, bound = 0.0;
    for (std::size_t j = 0; j < x.size(); ++j) {
      CHECK(x[j] >= low[j] - 1e-7 && x[j] <= high[j] + 1e-7);
      for (std::int32_t k = matrix.begin[j]; k < matrix.begin[j + 1]; ++k) {
        activity[at(matrix.row[at(k)])] += matrix.value[at(k)] * x[j];
        rest[j] -= matrix.value[at(k)] * y[at(matrix.row[at(k)])];
      }
      value += cost[j] * x[j], bound += std::min(rest[j] * low[j], rest[j] * high[j]);
    }
    for (std::size_t i = 0; i < y.size(); ++i) {
      CHECK(activity[i] >= row_low[i] - 1e-7 && activity[i] <= row_high[i] + 1e-7);
      if (std::abs(y[i]) < 1e-9) continue;
      CHECK(!std::isinf(y[i] > 0 ? row_low[i] : row_high[i]));
      bound += y[i] * (y[i] > 0 ? row_low[i] : row_high[i]);
    }
    CHECK(std::abs(value - bound) <= 1e-6 * (1.0 + std::abs(value)));
  }
};

}  // namespace

TEST(program_follows_costs) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    Instance instance(seed);
    Blocks blocks = instance.blocks();
    for (int round = 0; round < 20; ++round) {
      std::vector<std::int32_t> columns;
      std::vector<double> cost;
      for (std::size_t j = 0; j < instance.cost.size(); ++j) {
        if (round > 0 && instance.index(0, 3) != 0) continue;
        columns.push_back(static_cast<std::int32_t>(j));
        cost.push_back(seed % 2 == 0 ? instance.index(-2, 2) : instance.real(-1, 1));
        instance.cost[j] = cost.back();
      }
      CHECK(blocks.set_costs(columns, cost));
      instance.check(blocks);
    }
  }
}

TEST(program_follows_limits) {
  int solved = 0;
  for (unsigned seed = 0; seed < 60; ++seed) {
    Instance instance(seed);
    Blocks blocks = instance.blocks();
    std::vector<std::int32_t> all;
    for (std::size_t j = 0; j < instance.cost.size(); ++j) {
      all.push_back(static_cast<std::int32_t>(j));
      instance.cost[j] = instance.real(-1, 1);
    }
    CHECK(blocks.set_costs(all, instance.cost));
    for (int round = 0; round < 20; ++round) {
      const std::vector<double> low = instance.low, high = instance.high;
      for (std::size_t j = 0; j < low.size(); ++j)
        if (instance.index(0, 5) == 0) {
          instance.low[j] += instance.real(-0.1, 0.1);
          instance.high[j] = std::max(instance.high[j] + instance.real(-0.1, 0.1), instance.low[j]);
        }
      if (blocks.set_limits(all, instance.low, instance.high)) {
        instance.check(blocks);
        ++solved;
      } else {  // no feasible point: the solver goes on from limits that have one
        instance.low = low, instance.high = high;
        CHECK(blocks.set_limits(all, low, high));
        instance.check(blocks);
      }
    }
  }
  CHECK(solved > 600);
}

TEST(program_without_feasible_point_says_so) {
  Matrix matrix{1, {0, 1}, {0}, {1.0}};
  const std::vector<double> one{1.0}, zero{0.0}, two{2.0};
  const std::vector<std::uint8_t> basic{0, 1}, upper{0, 0};
  Blocks blocks(matrix, one, zero, two, zero, one, basic, upper);
  const std::vector<std::int32_t> column{0};
  CHECK(blocks.set_limits(column, one, one));
  CHECK(!blocks.set_limits(column, two, two));
  CHECK(blocks.set_limits(column, zero, two));
}

TEST(program_refuses_what_is_no_basis) {
  Matrix matrix{2, {0, 2, 4}, {0, 1, 0, 1}, {1.0, 2.0, 2.0, 4.0}};
  const std::vector<double> cost{1.0, 1.0}, low{0.0, 0.0}, high{1.0, 1.0}, free{-9.0, -9.0}, most{9.0, 9.0};
  const std::vector<std::uint8_t> upper(4, 0), dependent{1, 1, 0, 0}, few{1, 0, 0, 0}, good{1, 0, 0, 1};
  CHECK_THROWS(Blocks(matrix, cost, low, high, free, most, dependent, upper), Error);
  CHECK_THROWS(Blocks(matrix, cost, low, high, free, most, few, upper), Error);
  CHECK(Blocks(matrix, cost, low, high, free, most, good, upper).count() == 1);
}

}  // namespace gridcompute::program
